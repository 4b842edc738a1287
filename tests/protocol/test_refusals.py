"""What a refusal says, and which id it repeats: for every request with one value that it must not have."""

from __future__ import annotations

import random
import re

import msgpack
import pytest

from support import misshapen
from support.misshapen import PYTHON, frames
from torture import mutate
from vaporbrush_protocol.codec import decode, id_in
from vaporbrush_protocol.limits import MAX_HEADER_BYTES, PROTOCOL
from vaporbrush_protocol.session import ReceivedRequest, Session

DAMAGED = 20_000


def refusal(message: list[bytes]) -> dict | None:
    """The header of the refusal; None where the message is a good request."""
    answered = Session().receive(message)
    if isinstance(answered, ReceivedRequest):
        return None
    return decode(answered[1:] if not answered[0] else answered)[0]


def test_every_refusal_repeats_the_id_and_speaks_no_python() -> None:
    refused = 0
    for header in misshapen.requests():
        for order in (header, dict(reversed(header.items()))):  # the id stands first, or last
            said = refusal(frames(order))
            if said is None:
                continue
            refused += 1
            assert said["id"] == header["id"], said["error"]
            assert not PYTHON.search(said["error"]["message"]), said["error"]["message"]
            assert said["error"]["message"].endswith("."), said["error"]["message"]
    assert refused > 5000


def test_damaged_messages_are_refused_without_python_s_words() -> None:
    dice = random.Random(16)
    pool = mutate.seeds()
    refused = 0
    for _ in range(DAMAGED):
        said = refusal(mutate.mutated(dice, pool))
        refused += said is not None
        if said is not None:
            # what the sender wrote itself may be repeated
            sentence = re.sub(r"'.*'", "''", said["error"]["message"])
            assert not PYTHON.search(sentence), sentence
    assert refused > DAMAGED / 2


ID = msgpack.packb("id") + msgpack.packb(7)
PING = msgpack.packb("request") + msgpack.packb("ping")


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ([PROTOCOL, b"\x82" + ID + b"\xa5label\xc1"[1:]], 7),  # what comes after it is cut off
        ([PROTOCOL, b"\x83" + ID + PING + b"\xc1"], 7),
        ([PROTOCOL, b"\x82\xc1" + ID], None),  # behind what cannot be read
        ([PROTOCOL, b"\x83" + ID + ID + PING], None),  # which of them?
        ([PROTOCOL, b"\x82" + PING + b"\xa2id"], None),
        ([PROTOCOL, b"\x82" + ID + PING + b"\x00"], 7),  # something after the map
        ([PROTOCOL, b"\x92" + ID], None),  # a list
        ([PROTOCOL, b"\x82" + ID + PING, b"1", b"2"], 7),  # too many frames
        ([PROTOCOL, b"\x82" + ID + b"\xa1x\xc6" + MAX_HEADER_BYTES.to_bytes(4, "big") + bytes(MAX_HEADER_BYTES)], 7),
        ([b"VPBR/2", b"\x82" + ID + PING], None),  # another version's header may mean anything
        ([b"GET / ", b"\x82" + ID + PING], None),
        ([PROTOCOL, b"\x82\xa2id\xcf" + b"\xff" * 8 + PING], None),  # no id that a client may use
        ([PROTOCOL], None),
        ([], None),
    ],
)
def test_the_id_of_a_message_that_cannot_be_read_otherwise(message: list[bytes], found: int | None) -> None:
    said = refusal(message)
    assert said is not None
    assert said["id"] == found
    assert id_in(message) in (found, 2**64 - 1)


def test_an_id_that_waits_is_not_repeated_by_a_refusal_of_any_kind() -> None:
    session = Session()
    assert isinstance(session.receive(frames({"id": 7, "request": "ping"})), ReceivedRequest)
    for header in ({"id": 7, "request": "ping"}, {"id": 7, "request": b"ping"}):
        answered = session.receive(frames(header))
        assert not isinstance(answered, ReceivedRequest)
        assert decode(answered)[0]["id"] is None
