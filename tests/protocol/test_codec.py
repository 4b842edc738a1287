"""Any bytes give a message or a typed refusal, nothing else."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.vectors import load
from vaporbrush_protocol.codec import decode, encode, undelimited
from vaporbrush_protocol.errors import CODES, RequestError
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES, MAX_DEPTH, MAX_HEADER_BYTES, PROTOCOL
from vaporbrush_protocol.messages import NAMES, parse_request, to_wire

GOOD, BAD = load("good.json"), load("bad.json")
named = {"ids": lambda vector: vector["name"]}
MUTATIONS = 10_000  # about a second


@pytest.mark.parametrize("vector", GOOD, **named)
def test_every_good_vector_decodes_to_what_it_says(vector: dict[str, Any]) -> None:
    header, chunk = decode(vector["frames"])
    assert header == vector["header"]
    assert chunk == vector["chunk"]
    assert decode(encode(header, chunk)) == (header, chunk)


@pytest.mark.parametrize("vector", [v for v in GOOD if "request" in v], **named)
def test_every_good_request_is_read_and_written_the_same(vector: dict[str, Any]) -> None:
    request = parse_request(*decode(vector["frames"]))
    assert NAMES[type(request)] == vector["request"]
    assert parse_request(to_wire(request), getattr(request, "chunk", None)) == request


@pytest.mark.parametrize("vector", [v for v in BAD if v["layer"] == "frames"], **named)
def test_every_bad_message_is_refused_with_its_code(vector: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as refusal:
        decode(vector["frames"])
    assert refusal.value.code == vector["error"]
    assert refusal.value.message.endswith(".")
    assert len(refusal.value.message) < 300  # never the whole input


@pytest.mark.parametrize("vector", [v for v in BAD if v["layer"] == "request"], **named)
def test_every_bad_request_is_refused_with_its_code(vector: dict[str, Any]) -> None:
    header, chunk = decode(vector["frames"])
    with pytest.raises(RequestError) as refusal:
        parse_request(header, chunk)
    assert refusal.value.code == vector["error"]
    assert refusal.value.message.endswith(".")
    assert len(refusal.value.message) < 400


def outcome(frames: Sequence[bytes]) -> str:
    """What becomes of a message; anything but a value or a RequestError escapes."""
    try:
        parse_request(*decode(frames))
    except RequestError as error:
        return error.code
    return "ok"


def mutate(frames: list[bytes], dice: random.Random) -> list[bytes]:
    frames = list(frames)
    for _ in range(dice.randint(1, 4)):
        where = dice.randrange(len(frames)) if frames else 0
        frame = bytearray(frames[where]) if frames else bytearray()
        at = dice.randrange(len(frame) + 1)
        kind = dice.randrange(8)
        if kind == 0 and frame:
            frame[at % len(frame)] ^= 1 << dice.randrange(8)
        elif kind == 1 and frame:
            frame[at % len(frame)] = dice.choice(
                (0x80, 0x90, 0xA0, 0xC0, 0xC1, 0xC4, 0xC7, 0xCB, 0xD6, 0xDC, 0xDF, 0xFF)
            )
        elif kind == 2:
            frame[at:at] = dice.randbytes(dice.randint(1, 9))
        elif kind == 3:
            del frame[at : at + dice.randint(1, 9)]
        elif kind == 4:
            frame[at:at] = frame[at : at + 20] * dice.randint(1, 5)
        elif kind == 5:
            frames.insert(where, bytes(frame))
        elif kind == 6 and frames:
            del frames[where]
            continue
        elif kind == 7:
            frame[at:at] = b"\x91" * dice.choice((5, 9, 600, 2000))
        if where < len(frames):
            frames[where] = bytes(frame)
    return frames


def test_ten_thousand_damaged_messages_are_understood_or_refused() -> None:
    dice = random.Random(19650)
    sources = [v["frames"] for v in GOOD + BAD if sum(map(len, v["frames"])) < 5000]
    seen: dict[str, int] = {}
    for _ in range(MUTATIONS):
        what = outcome(mutate(dice.choice(sources), dice))
        seen[what] = seen.get(what, 0) + 1
    # The mutations reach every layer: had they all failed at the first check, nothing would have been shown.
    assert set(seen) <= {"ok", *CODES}
    assert {"ok", "bad_frame", "bad_header", "bad_field", "unknown_request", "unsupported_version"} <= set(seen)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_frames_are_understood_or_refused(frames: list[bytes]) -> None:
    outcome(frames)


@given(st.binary(max_size=300))
def test_random_headers_are_understood_or_refused(header: bytes) -> None:
    outcome([PROTOCOL, header])


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0) if isinstance(value, (dict, list)) else 0


@given(st.dictionaries(st.text(max_size=8), values, max_size=6), st.none() | st.binary(max_size=64))
def test_what_is_encoded_decodes_to_the_same(header: dict[str, Any], chunk: bytes | None) -> None:
    if depth(header) > MAX_DEPTH:
        with pytest.raises(RequestError, match="nested"):
            encode(header, chunk)
    else:
        assert decode(encode(header, chunk)) == (header, chunk)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (math.nan, "bad_header"),
        (math.inf, "bad_header"),
        (b"bytes", "bad_header"),
        (object(), "bad_header"),
        (2**64, "bad_header"),
        ("\ud800", "bad_header"),
        ({1: "one"}, "bad_header"),
        ("x" * MAX_HEADER_BYTES, "too_large"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_what_the_peer_would_refuse_is_not_sent(value: object, code: str) -> None:
    with pytest.raises(RequestError) as refusal:
        encode({"value": value})
    assert refusal.value.code == code


def test_a_chunk_that_is_too_long_is_not_sent() -> None:
    encode({}, bytes(MAX_CHUNK_BYTES))
    with pytest.raises(RequestError, match=r"1048577 bytes; at most 1048576"):
        encode({}, memoryview(bytes(MAX_CHUNK_BYTES + 1)))


def test_the_delimiter_of_a_req_socket_is_taken_off_once() -> None:
    assert undelimited([b"", PROTOCOL, b"\x80"]) == (True, [PROTOCOL, b"\x80"])
    assert undelimited([PROTOCOL, b"\x80"]) == (False, [PROTOCOL, b"\x80"])
    assert undelimited([]) == (False, [])
    assert undelimited([b"", b"", PROTOCOL]) == (True, [b"", PROTOCOL])
