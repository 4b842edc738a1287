"""The daemon's side of ZMTP without sockets: whatever a peer says, good messages come out of it, or it is cut off."""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_daemon.front.authentication import Door, Tokens
from vaporbrush_daemon.front.server_side import KEPT_FRAMES, MOST_FRAMES, RefusedError, ServerSide
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import MAX_FRAME_BYTES
from vaporbrush_protocol.zmtp import GREETING, Conversation, Framing, framed, properties

HELLO = b"\x04\x17\x05HELLO\x0avaporbrush\x05token"
EMPTY_MORE = b"\x01\x00"


def feed(side: Framing, data: bytes, piece: int = 1 << 20) -> None:
    while data:
        space = side.space()
        count = min(len(space), len(data), piece)
        assert count > 0
        space[:count] = data[:count]
        side.filled(count)
        data = data[count:]


def fresh() -> ServerSide:
    return ServerSide(lambda username, password: "" if (username, password) == ("vaporbrush", b"token") else "no")


def initiate(kind: bytes) -> bytes:
    body = b"\x08INITIATE" + properties({b"Socket-Type": kind})
    return bytes([4, len(body)]) + body


def ready() -> ServerSide:
    side = fresh()
    feed(side, GREETING + HELLO + initiate(b"DEALER"))
    side.outgoing.clear()
    return side


def wire(frames: list[bytes]) -> bytes:
    return b"".join(bytes(piece) for piece in framed(list(frames)))


@pytest.mark.parametrize("piece", [1, 3, 64, 5000])
def test_our_client_and_this_side_understand_each_other_however_the_bytes_are_cut(piece: int) -> None:
    client, server = Conversation("token"), fresh()
    while client.outgoing or server.outgoing:
        to_server, to_client = bytes(client.outgoing), bytes(server.outgoing)
        client.outgoing.clear()
        server.outgoing.clear()
        feed(server, to_server, piece)
        feed(client, to_client, piece)
    assert client.ready
    assert server.ready
    sent = [[b"VPBR/1", b"header"], [b"", b"x" * 5000, random.Random(1).randbytes(300_000)]]
    feed(server, b"".join(map(wire, sent)), piece)
    assert [list(map(bytes, frames)) for frames in server.messages] == sent


def test_a_wrong_token_is_told_as_libzmq_tells_it() -> None:
    side = fresh()
    feed(side, GREETING)
    side.outgoing.clear()
    with pytest.raises(RefusedError, match="no"):
        feed(side, HELLO.replace(b"token", b"wrong"))
    assert side.outgoing == b"\x04\x09\x5eRROR\x03400"
    client = Conversation("wrong")
    with pytest.raises(LinkError) as told:
        feed(client, GREETING + bytes(side.outgoing))
    assert told.value.code == "wrong_token"


@pytest.mark.parametrize("kind", [b"SUB", b"PULL", b"", b"PAIR"])
def test_a_socket_that_a_router_does_not_talk_to_is_cut_off(kind: bytes) -> None:
    side = fresh()
    with pytest.raises(RefusedError):
        feed(side, GREETING + HELLO + initiate(kind))
    assert not side.ready


@pytest.mark.parametrize(
    "data",
    [
        wire([b"VPBR/1", b"x"]),
        initiate(b"DEALER"),
        b"\x04\x06\x05READY",
        b"\x04\x06\x05HELLO",
        b"\x04\x08\x05HELLO\xff\x00",
    ],
)
def test_nothing_gets_through_before_the_login(data: bytes) -> None:
    side = fresh()
    with pytest.raises(LinkError):
        feed(side, GREETING + data)
    assert not side.messages


def test_of_a_message_with_too_many_frames_few_are_kept_and_the_next_is_heard() -> None:
    side = ready()
    for _ in range(MOST_FRAMES - 1):
        feed(side, EMPTY_MORE)
    assert len(side._parts) == KEPT_FRAMES
    feed(side, b"\x00\x00" + wire([b"next"]))
    assert [len(frames) for frames in side.messages] == [KEPT_FRAMES, 1]


@pytest.mark.parametrize(
    "frame", [EMPTY_MORE, b"\x01\x01x", b"\x03" + (1 << 20).to_bytes(8, "big") + bytes(1 << 20)], ids=len
)
def test_a_message_without_an_end_is_cut_off(frame: bytes) -> None:
    side = ready()

    def go_on() -> None:
        for _ in range(MOST_FRAMES + 1):
            feed(side, frame)

    with pytest.raises(RefusedError, match="without an end"):
        go_on()


def test_a_frame_that_claims_too_much_is_not_waited_for() -> None:
    with pytest.raises(LinkError):
        feed(ready(), b"\x02" + (MAX_FRAME_BYTES + 1).to_bytes(8, "big"))


GOOD = st.sampled_from([GREETING, HELLO, initiate(b"REQ"), wire([b"a", b""])])


@given(st.lists(st.one_of(st.binary(max_size=40), GOOD)), st.integers(1, 70))
def test_any_bytes_give_messages_or_an_end(pieces: list[bytes], piece: int) -> None:
    side = fresh()
    try:
        feed(side, b"".join(pieces), piece)
    except LinkError:  # refused
        return
    assert side.ready or not side.messages


def test_the_earlier_token_opens_unix_sockets_only_and_other_users_get_nowhere() -> None:
    door = Door(Tokens("current", earlier="earlier"), {"ann": "hers"}.get)
    mine, other = os.getuid(), os.getuid() + 1
    assert door.refusal("vaporbrush", b"current", None) == ""
    assert door.refusal("vaporbrush", b"earlier", mine) == ""
    assert door.refusal("vaporbrush", b"earlier", None) == "wrong token"
    assert door.refusal("someone", b"current", mine) == "wrong token"
    assert Door(Tokens("current")).refusal("vaporbrush", b"", mine) == "wrong token"
    assert door.refusal("vaporbrush", b"current", other) == f"user {other} is not ours"
    assert door.refusal("guest:ann", b"hers", None) == ""
    assert {door.refusal(name, b"current", None) for name in ("guest:ann", "guest:bob")} == {"no guest of ours"}
