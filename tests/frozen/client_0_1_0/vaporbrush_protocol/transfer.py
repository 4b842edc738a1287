"""Blobs up and down: pipelined chunks, resumed where a connection broke, nothing sent that is there already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from io import BytesIO

from .channel import Channel, Message
from .codec import Buffer
from .errors import LinkError, RequestError
from .limits import MAX_CHUNK_BYTES
from .recipe import Image
from .rules import truth, whole

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


def download(channel: Channel, image: Image, into: Buffer | None, on_bytes: OnBytes, wait_s: float) -> Buffer:
    """The blob of a picture, checked against its hash: in `into`, or as new bytes."""
    arrival = Arrival(image, into)

    def deliver(request: Message, reply: Message) -> None:
        wanted, came = request.header["size"], 0 if reply.chunk is None else len(reply.chunk)
        if reply.chunk is None or came != wanted:
            raise LinkError("bad_reply", f"The daemon sent {came} bytes of a picture instead of {wanted}.")
        arrival.take(request.header["offset"], reply.chunk)
        on_bytes(arrival.done, arrival.size)

    last = -1
    while arrival.done < arrival.size:
        offsets = range(arrival.done, arrival.size, MAX_CHUNK_BYTES)
        sizes = ((at, min(MAX_CHUNK_BYTES, arrival.size - at)) for at in offsets)
        gets = (Message({"request": "get", "blob": image.blob, "offset": at, "size": length}) for at, length in sizes)
        try:
            channel.exchange(gets, deliver, wait_s)
        except LinkError as error:
            if error.code != "link_lost" or arrival.done <= last:
                raise
            last = arrival.done
            channel.reconnect()
    return arrival.whole()


class Arrival:
    """A picture that comes in chunks. They are hashed and put in their place in order, while they are in the cache;
    one that overtook another waits. `done` bytes, from the beginning, are there.
    """

    def __init__(self, image: Image, into: Buffer | None) -> None:
        self.size, self.done = image.size_bytes, 0
        self._blob = image.blob
        self._into = into
        self._new = BytesIO()  # gives its bytes away without a copy
        self._early: dict[int, Buffer] = {}
        self._digest = hashlib.sha256()
        if into is not None:
            given = memoryview(into)
            if given.readonly or given.nbytes != self.size:
                raise RequestError(
                    "bad_field",
                    f"`into` has {given.nbytes} bytes, but must be a writable buffer of {self.size} bytes.",
                )

    def take(self, offset: int, chunk: Buffer) -> None:
        """A chunk has come."""
        self._early[offset] = chunk
        while (piece := self._early.pop(self.done, None)) is not None:
            self._digest.update(piece)
            if self._into is None:
                self._new.write(piece)
            else:
                memoryview(self._into).cast("B")[self.done : self.done + len(piece)] = piece
            self.done += len(piece)

    def whole(self) -> Buffer:
        """The picture. Raises `LinkError` (`bad_reply`) where it is not what its hash says."""
        if self._digest.hexdigest() != self._blob:
            raise LinkError("bad_reply", f"The picture that arrived is damaged: its sha256 is not {self._blob}.")
        return self._new.getvalue() if self._into is None else self._into


def _check_growth(before: int, have: int, size: int) -> None:
    if have <= before:
        raise LinkError("bad_reply", f"The daemon does not keep more than {have} of {size} bytes of a blob.")
