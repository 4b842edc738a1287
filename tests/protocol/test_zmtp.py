"""ZMTP without sockets: a peer's bytes, in pieces of any size, become messages or one `LinkError`."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import MAX_FRAME_BYTES
from vaporbrush_protocol.zmtp import GREETING, MAX_UNREAD, STAGE_BYTES, Conversation, framed

SERVER_GREETING = GREETING[:32] + b"\x01" + GREETING[33:]  # as-server
WELCOME = b"\x04\x08\x07WELCOME"
READY = b"\x04\x29\x05READY\x0bSocket-Type\x00\x00\x00\x06ROUTER\x08Identity\x00\x00\x00\x00"
HANDSHAKE = SERVER_GREETING + WELCOME + READY
PING = b"\x04\x0a\x04PING\x00\x14hey"


def feed(talk: Conversation, data: bytes, piece: int = 1 << 20) -> None:
    """Give the parser a peer's bytes, at most `piece` at a time."""
    while data:
        space = talk.space()
        count = min(len(space), len(data), piece)
        assert count > 0, "the parser must always want more"
        space[:count] = data[:count]
        talk.filled(count)
        data = data[count:]


def wire(*frames: bytes) -> bytes:
    return b"".join(bytes(piece) for piece in framed(list(frames)))


def connected() -> Conversation:
    talk = Conversation("secret")
    feed(talk, HANDSHAKE)
    talk.outgoing.clear()
    return talk


def test_the_handshake_sends_name_and_token_and_what_kind_of_socket_this_is() -> None:
    talk = Conversation("secret")
    assert talk.outgoing == GREETING
    assert len(GREETING) == 64
    feed(talk, SERVER_GREETING)
    assert talk.outgoing == GREETING + b"\x04\x18\x05HELLO\x0avaporbrush\x06secret"
    talk.outgoing.clear()
    feed(talk, WELCOME)
    assert talk.outgoing.startswith(b"\x04\x2c\x08INITIATE\x0bSocket-Type\x00\x00\x00\x06DEALER\x08Identity")
    assert not talk.ready
    feed(talk, READY)
    assert talk.ready


@pytest.mark.parametrize("piece", [1, 2, 7, 63, 64, 65, 1000, 1 << 20])
def test_messages_of_every_size_arrive_whole_however_they_are_cut(piece: int) -> None:
    talk = Conversation("secret")
    sizes = [0, 1, 255, 256, STAGE_BYTES // 4, STAGE_BYTES // 4 + 1, STAGE_BYTES - 9, STAGE_BYTES, 200_000]
    sent = [[b"VPBR/1", b"header", random.Random(size).randbytes(size)] for size in sizes]
    data = HANDSHAKE + b"".join(wire(*frames) + PING for frames in sent)
    feed(talk, data if piece > 2 else data[: 64 + 55 + 4000], piece)
    came = [[bytes(frame) for frame in frames] for frames in talk.messages]
    assert came == (sent if piece > 2 else sent[:4])


def test_pings_are_answered_with_their_context() -> None:
    talk = connected()
    feed(talk, PING)
    assert talk.outgoing == b"\x04\x08\x04PONGhey"


def test_commands_of_later_versions_are_ignored() -> None:
    talk = connected()
    feed(talk, b"\x04\x0a\x09SUBSCRIBE" + b"\x04\x00" + wire(b"still here"))
    assert [list(map(bytes, m)) for m in talk.messages] == [[b"still here"]]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "another program"),
        (b"\xff" + bytes(8) + b"\x00", "another program"),
        (b"\xff" + bytes(8) + b"\x7f" + b"\x01" + bytes(53), "ZMTP version 1"),
        (GREETING[:12] + b"NULL".ljust(20, b"\0") + bytes(32), "mechanism b'NULL'"),
        (GREETING[:12] + b"CURVE".ljust(20, b"\0") + bytes(32), "mechanism b'CURVE'"),
        (SERVER_GREETING + b"\x00\x02hi", "before the end of the handshake"),
        (SERVER_GREETING + b"\x04\x05\x04NOPE", "command b'NOPE'"),
        (SERVER_GREETING + b"\x04\x00", "command b''"),
        (SERVER_GREETING + b"\x08\x00", "flags 0x08"),
        (HANDSHAKE + b"\x05\x00", "flags 0x05"),
        (HANDSHAKE + b"\x02" + (MAX_FRAME_BYTES + 1).to_bytes(8, "big"), "2097153 bytes"),
        (HANDSHAKE + b"\x02" + b"\xff" * 8, "18446744073709551615 bytes"),
        (HANDSHAKE + b"\x06" + (4097).to_bytes(8, "big"), "4097 bytes"),
        (HANDSHAKE + b"\x01\x00" * 5, "more than 3 frames"),
        (HANDSHAKE + b"\x00\x00" * (MAX_UNREAD + 1), "more messages than were asked for"),
        (HANDSHAKE + PING * 8000, "pings without end"),
    ],
)
def test_a_peer_that_breaks_the_protocol_is_recognised(data: bytes, says: str) -> None:
    with pytest.raises(LinkError, match=says) as breach:
        feed(Conversation("secret"), data)
    assert breach.value.code == "bad_reply"


@pytest.mark.parametrize("error", [b"\x04\x0a\x05ERROR\x03400", b"\x04\x09\x5eRROR\x03400"], ids=["RFC 24", "libzmq"])
def test_a_refused_token_is_reported_as_such(error: bytes) -> None:
    with pytest.raises(LinkError) as refusal:
        feed(Conversation("wrong"), SERVER_GREETING + error)
    assert refusal.value.code == "wrong_token"


def survives(data: bytes, piece: int) -> str:
    try:
        feed(Conversation("secret"), data, piece)
    except LinkError as error:
        return error.code
    return "fine"


@given(st.binary(max_size=300), st.integers(1, 300))
def test_any_bytes_of_a_server_lead_to_messages_or_a_link_error(data: bytes, piece: int) -> None:
    survives(data, piece)
    survives(SERVER_GREETING + data, piece)
    survives(HANDSHAKE + data, piece)


def test_thousands_of_damaged_conversations_lead_to_messages_or_a_link_error() -> None:
    dice = random.Random(37)
    whole = HANDSHAKE + wire(b"VPBR/1", b"\x81\xa2id\x01", b"x" * 300) + PING + wire(b"VPBR/1", b"\x80")
    seen: dict[str, int] = {}
    for _ in range(4000):
        data = bytearray(whole)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(data))
            data[at : at + dice.choice((0, 1, 1, 1, 5))] = dice.randbytes(dice.choice((0, 1, 1, 1, 9)))
        what = survives(bytes(data), dice.choice((1, 13, 1000)))
        seen[what] = seen.get(what, 0) + 1
    assert set(seen) <= {"fine", "bad_reply", "wrong_token"}
    assert min(seen.get("fine", 0), seen.get("bad_reply", 0)) > 100  # both ways were taken
