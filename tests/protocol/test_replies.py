"""Whatever a daemon replies, a client's call returns or raises one of our errors, and never waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.vectors import load
from vaporbrush_protocol import Client, Connection, Image, LinkError, VaporbrushError
from vaporbrush_protocol.codec import decode, encode

NOBODY = Connection((), "")
JOB = "0f8fad5b-d9cb-469f-a165-70867728950e"
IMAGE = Image("0" * 64, 2, 1, "GRAY")
CALLS: dict[str, Callable[[Client], Any]] = {
    "ping": Client.ping,
    "status": Client.status,
    "upload": lambda client: client.upload(b"xy"),
    "download": lambda client: client.download(IMAGE),
    "watch": lambda client: client.watch(JOB),
    "jobs": Client.jobs,
    "cancel": lambda client: client.cancel(JOB),
}
GOOD = [vector["frames"] for vector in load("good.json")]


class Parrot:
    """A link in memory: each request gets the next of the replies, then the connection breaks."""

    def __init__(self, replies: Sequence[list[bytes]], *, own_id: bool) -> None:
        self.replies = list(replies)
        self.own_id = own_id
        self.ids: list[int] = []

    def send(self, frames: list[bytes], _timeout_s: float) -> None:
        self.ids.append(decode(frames)[0]["id"])

    def receive(self, _timeout_s: float) -> list[bytes]:
        if not self.replies:
            raise LinkError("timeout", "Nothing more comes.")
        reply = self.replies.pop(0)
        try:
            header, chunk = decode(reply)
            return list(encode({**header, "id": self.ids.pop(0)}, chunk)) if self.own_id else reply
        except VaporbrushError:  # nonsense: as it is
            return reply

    def close(self) -> None:
        """Nothing to close."""


def outcome(call: str, replies: Sequence[list[bytes]], *, own_id: bool) -> str:
    client = Client(NOBODY, 1.0)
    client._channel._link = Parrot(replies, own_id=own_id)
    try:
        CALLS[call](client)
    except VaporbrushError as error:
        return error.code
    return "fine"


numbers = st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(
    ["ok", "error", "have", "complete", "jobs", "more", "job", "state", "seq", "progress", "result", "preview", "notes"]
)


@given(
    st.sampled_from(sorted(CALLS)),
    st.lists(
        st.tuples(st.dictionaries(fields, values, max_size=6), st.none() | st.binary(max_size=3), st.booleans()),
        max_size=4,
    ),
)
def test_well_formed_nonsense_is_an_answer_or_an_error(
    call: str, said: list[tuple[dict[str, Any], bytes | None, bool]]
) -> None:
    replies = [list(encode({"ok": ok, **header}, chunk)) for header, chunk, ok in said]
    outcome(call, replies, own_id=True)


def test_damaged_replies_are_an_answer_or_an_error() -> None:
    dice = random.Random(8)
    job = {"ok": True, "job": JOB, "state": "running", "seq": 3, "progress": {"phase": "loading"}, "notes": []}
    sources = [
        encode({"ok": True}),
        encode({"ok": True, "have": 2, "complete": True}),
        encode({"ok": True, "offset": 0, "total": 2}, b"xy"),
        encode(job),
        encode({**job, "preview": {"number": 1, "width": 1, "height": 1}}, b"rgb"),
        encode({"ok": True, "jobs": [job], "more": True}),
        encode({"ok": False, "error": {"code": "busy", "message": "Later.", "retryable": True}}),
        *GOOD,
    ]
    seen: dict[str, int] = {}
    for _ in range(3000):
        replies = []
        for _ in range(3):
            frames = [bytearray(frame) for frame in dice.choice(sources)]
            for _ in range(dice.choice((0, 0, 1, 2))):
                frame = dice.choice(frames)
                at = dice.randrange(len(frame) + 1)
                frame[at : at + dice.choice((0, 1, 1))] = dice.randbytes(dice.choice((0, 1, 1, 3)))
            replies.append([bytes(frame) for frame in frames])
        what = outcome(dice.choice(sorted(CALLS)), replies, own_id=dice.random() < 0.9)
        seen[what] = seen.get(what, 0) + 1
    assert {"fine", "bad_reply", "busy"} <= set(seen)
