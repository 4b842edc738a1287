"""Blobs up and down: pipelined chunks, resumed where a connection broke, nothing sent that is there already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

from .channel import Channel, Message
from .codec import Buffer
from .errors import LinkError, RequestError
from .limits import MAX_CHUNK_BYTES
from .recipe import Image, truth, whole

OnBytes = Callable[[int, int], None]  # bytes done, bytes in all


def upload(channel: Channel, data: memoryview, blob: str, on_bytes: OnBytes, wait_s: float) -> None:
    """Bring a blob to the daemon. Each round begins with the question how much of it is there."""
    size, have, complete, broken = data.nbytes, -1, False, False

    def deliver(_: Message, reply: Message) -> None:
        nonlocal have, complete
        have = max(have, whole("have", reply.header.get("have"), 0, size))
        complete = truth("complete", reply.header.get("complete")) or complete
        on_bytes(have, size)

    def put(**more: int) -> dict[str, object]:
        return {"request": "put", "blob": blob, "size": size, **more}

    while not complete:
        before, have = have, 0
        try:
            channel.exchange(iter([Message(put())]), deliver, wait_s)
            if not complete:
                _check_growth(before, have, size)
                offsets = range(have, size, MAX_CHUNK_BYTES)
                pieces = (Message(put(offset=at), data[at : at + MAX_CHUNK_BYTES]) for at in offsets)
                channel.exchange(pieces, deliver, wait_s)
            broken = False
        except LinkError as error:
            if error.code != "link_lost" or (broken and have <= before):
                raise
            broken, have = True, before
            channel.reconnect()


def download(channel: Channel, image: Image, on_bytes: OnBytes, wait_s: float) -> list[Buffer]:
    """The blob of a picture in pieces, checked against its hash."""
    size, done = image.size_bytes, 0
    pieces: dict[int, Buffer] = {}

    def deliver(request: Message, reply: Message) -> None:
        nonlocal done
        wanted, came = request.header["size"], 0 if reply.chunk is None else len(reply.chunk)
        if reply.chunk is None or came != wanted:
            raise LinkError("bad_reply", f"The daemon sent {came} bytes of a picture instead of {wanted}.")
        pieces[request.header["offset"]] = reply.chunk
        done += came
        on_bytes(done, size)

    def missing() -> Iterator[Message]:
        for at in range(0, size, MAX_CHUNK_BYTES):
            if at not in pieces:
                length = min(MAX_CHUNK_BYTES, size - at)
                yield Message({"request": "get", "blob": image.blob, "offset": at, "size": length})

    last = -1
    while done < size:
        try:
            channel.exchange(missing(), deliver, wait_s)
        except LinkError as error:
            if error.code != "link_lost" or done <= last:
                raise
            last = done
            channel.reconnect()
    ordered = [pieces[at] for at in sorted(pieces)]
    digest = hashlib.sha256()
    for piece in ordered:
        digest.update(piece)
    if digest.hexdigest() != image.blob:
        raise LinkError("bad_reply", f"The picture that arrived is damaged: its sha256 is not {image.blob}.")
    return ordered


def _check_growth(before: int, have: int, size: int) -> None:
    if have <= before:
        raise LinkError("bad_reply", f"The daemon does not keep more than {have} of {size} bytes of a blob.")


def joined(pieces: list[Buffer], into: Buffer | None) -> Buffer:
    """The pieces in one, or in `into`, which must be writable and of just that size."""
    if into is None:
        return b"".join(pieces)
    target = memoryview(into).cast("B")
    at = 0
    for piece in pieces:
        target[at : at + len(piece)] = piece
        at += len(piece)
    return into


def check_target(image: Image, into: Buffer | None) -> None:
    """Raise `RequestError` where a picture does not fit the buffer, before anything is fetched."""
    if into is not None:
        target = memoryview(into)
        if target.readonly or target.nbytes != image.size_bytes:
            raise RequestError(
                "bad_field",
                f"`into` has {target.nbytes} bytes, but must be a writable buffer of {image.size_bytes} bytes.",
            )
