"""Pictures up and down, over connections that break and daemons that restart."""

from __future__ import annotations

import hashlib
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from support.listener import Listener, cutting
from support.replies import noise, square
from support.router import NEVER, RESTART, TOKEN, Blob, Router
from vaporbrush_protocol import Client, Image
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES, MAX_OUTSTANDING
from vaporbrush_protocol.messages import Get, Put

MIB = MAX_CHUNK_BYTES


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 12 * MIB + 7])
def test_bytes_go_up_and_come_down_the_same(router: Router, client: Client, size: int) -> None:
    data = noise(size)
    told: list[tuple[int, int]] = []
    blob = client.upload(data, lambda done, size: told.append((done, size)))
    assert blob == hashlib.sha256(data).hexdigest()
    assert bytes(router.blobs[blob].data) == data
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    image = Image(blob, size, 1, "GRAY") if size <= 16_384 else None
    if image:
        assert client.download(image) == data


def test_a_picture_comes_down_whole_into_new_bytes_or_a_buffer(router: Router, client: Client) -> None:
    image, pixels = square(1200)  # 5.8 MB
    client.upload(bytearray(pixels))
    told: list[int] = []
    came = client.download(image, on_progress=lambda done, _: told.append(done))
    assert type(came) is bytes
    assert came == pixels
    assert told == sorted(told)
    assert told[-1] == len(pixels)
    into = bytearray(len(pixels))
    assert client.download(image, into) is into
    assert into == pixels


def test_replies_may_come_in_any_order(router: Router, client: Client) -> None:
    image, pixels = square(1200)
    client.upload(pixels)
    held: list[Get] = []

    def backwards(request: Get) -> Any:
        held.append(request)
        return NEVER

    router.answers["get"] = backwards
    # Two threads: the second answers what the first has asked, last first.
    arrived: list[Any] = []
    thread = threading.Thread(target=lambda: arrived.append(client.download(image)))
    thread.start()
    while len(held) < 6:
        thread.join(0.01)
    router.answer_held([router.get(request) for request in held])
    thread.join(5)
    assert arrived == [pixels]


def test_what_is_there_is_not_sent_again(router: Router, client: Client) -> None:
    data = noise(3 * MIB)
    client.upload(data)
    router.seen.clear()
    client.upload(data)
    assert [request.chunk for request in router.seen if isinstance(request, Put)] == [None]


def test_an_upload_goes_on_where_another_stopped(router: Router, client: Client) -> None:
    data = noise(3 * MIB)
    blob = hashlib.sha256(data).hexdigest()
    router.blobs[blob] = Blob(len(data), bytearray(data[: MIB + 5]))
    client.upload(data)
    sent = [request for request in router.seen if isinstance(request, Put) and request.chunk is not None]
    assert [request.offset for request in sent] == [MIB + 5, 2 * MIB + 5]
    assert bytes(router.blobs[blob].data) == data


@pytest.mark.parametrize("seed", range(4))
def test_transfers_survive_connections_that_break_anywhere(router: Router, folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    image, pixels = square(1100)
    path = router.endpoint.removeprefix("ipc://")
    cuts = [dice.randint(300, 2 * MIB) for _ in range(8)]
    with (
        Listener(folder / "proxy", cutting(path, cuts)) as proxy,
        Client(Connection((proxy.endpoint,), TOKEN), 5) as client,
    ):
        until_done(lambda: client.upload(pixels))
        assert until_done(lambda: client.download(image)) == pixels
    assert bytes(router.blobs[image.blob].data) == pixels


def until_done(transfer: Any) -> Any:
    """A connection that breaks twice without progress ends a transfer; its caller may try again."""
    for _ in range(8):
        try:
            return transfer()
        except LinkError as error:
            assert error.code == "link_lost", error  # noqa: PT017
    return transfer()


def test_transfers_survive_a_restart_of_the_daemon(router: Router, client: Client) -> None:
    image, pixels = square(1200)
    deaths = [2, 4]

    def put(request: Put) -> Any:
        if deaths and len(router.names()) >= deaths[0]:
            deaths.pop(0)
            return RESTART
        return router.blobs.setdefault(request.blob, Blob(request.size)).put(request)

    router.answers["put"] = put
    client.upload(pixels)
    assert router.boots == 3
    gets = [NEVER, RESTART]
    router.answers["get"] = lambda request: gets.pop(0) if gets and request.offset else router.get(request)
    client.timeout_s = 1
    assert client.download(image) == pixels
    assert router.boots == 4


def test_an_upload_that_gave_way_to_others_begins_anew_a_few_times(router: Router, client: Client) -> None:
    _, pixels = square(1200)
    forgets = [2, 5]

    def put(request: Put) -> Any:
        if forgets and router.names().count("put") >= forgets[0]:
            forgets.pop(0)
            router.blobs.pop(request.blob, None)
        return router.blobs.setdefault(request.blob, Blob(request.size)).put(request)

    router.answers["put"] = put
    client.upload(pixels)
    assert not forgets
    router.answers["put"] = lambda request: {"have": 0 if request.chunk is None else 1, "complete": False}
    with pytest.raises(LinkError, match="does not keep more than"):
        client.upload(pixels[:-1])


def test_a_daemon_that_keeps_nothing_is_not_sent_the_bytes_for_ever(router: Router, client: Client) -> None:
    router.answers["put"] = {"have": 0, "complete": False}
    with pytest.raises(LinkError, match=r"does not keep more than 0 of 5 bytes") as failure:
        client.upload(b"bytes")
    assert failure.value.code == "bad_reply"


@pytest.mark.parametrize("reply", [{}, {"have": 6, "complete": False}, {"have": 1, "complete": 1}, {"have": -1}])
def test_a_put_reply_that_makes_no_sense_is_reported(router: Router, client: Client, reply: dict[str, Any]) -> None:
    router.answers["put"] = reply
    with pytest.raises(LinkError, match="reply to `put` is not valid") as failure:
        client.upload(b"bytes")
    assert failure.value.code == "bad_reply"


def test_a_refused_chunk_ends_the_upload_with_the_first_refusal(router: Router, client: Client) -> None:
    counted: list[int] = []

    def put(request: Put) -> Any:
        counted.append(request.offset)
        full = VaporbrushError("disk_full", f"No room at {request.offset}.")
        return full if request.chunk else {"have": 0, "complete": False}

    router.answers["put"] = put
    with pytest.raises(RemoteError, match=r"No room at 0\.") as refusal:
        client.upload(noise(30 * MIB))
    assert refusal.value.code == "disk_full"
    assert len(counted) <= 1 + MAX_OUTSTANDING  # nothing more was sent after the refusal
    client.ping()


def test_a_chunk_of_another_length_than_asked_for_is_reported(router: Router, client: Client) -> None:
    image, pixels = square()
    for wrong in ({}, ({}, pixels[:-1]), ({}, pixels + b"x")):
        router.answers["get"] = wrong
        with pytest.raises(LinkError, match=r"sent \d+ bytes of a picture instead of 16384"):
            client.download(image)


def test_a_damaged_picture_is_not_handed_out(router: Router, client: Client) -> None:
    image, pixels = square()
    router.answers["get"] = ({}, pixels[:-1] + bytes([pixels[-1] ^ 1]))
    with pytest.raises(LinkError, match="damaged: its sha256 is not") as failure:
        client.download(image)
    assert failure.value.code == "bad_reply"


@pytest.mark.parametrize("into", [bytearray(5), bytes(64 * 64 * 4)], ids=["too small", "read-only"])
def test_a_buffer_that_does_not_fit_is_refused_before_anything_is_fetched(client: Client, into: bytes) -> None:
    with pytest.raises(RequestError, match="writable buffer of 16384 bytes"):
        client.download(square()[0], into)
    assert client.daemon == {}


def test_an_exception_in_a_progress_callback_leaves_the_client_usable(router: Router, client: Client) -> None:
    def stop(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(noise(20 * MIB), stop)
    client.ping()
