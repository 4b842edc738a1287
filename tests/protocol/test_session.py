"""Whatever a peer sends in whatever order, each message gets exactly one reply, under its own id."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.vectors import load
from vaporbrush_protocol.codec import decode, encode, id_in
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.limits import ANNOUNCED, MAX_OUTSTANDING
from vaporbrush_protocol.messages import Hello, Ping, Put
from vaporbrush_protocol.session import ReceivedRequest, Session, greeting
from vaporbrush_protocol.states import ImpossibleMove

BAD = [vector for vector in load("bad.json") if sum(map(len, vector["frames"])) < 5000]


def message(identity: object = 1, request: str = "ping", chunk: bytes | None = None, **fields: object) -> list[Any]:
    return encode({"id": identity, "request": request, **fields}, chunk)


def refused(answer: object) -> tuple[object, str]:
    """The id and the code of a refusal."""
    assert isinstance(answer, list)
    header, chunk = decode([frame for frame in answer if frame != b""])
    assert header["ok"] is False
    assert chunk is None
    return header["id"], header["error"]["code"]


def test_a_request_waits_until_it_is_answered() -> None:
    session = Session()
    assert session.receive(message(7)) == ReceivedRequest(7, Ping())
    assert session.outstanding == (7,)
    header, chunk = decode(session.reply(7, {"fine": True}, b"pixels"))
    assert (header, chunk) == ({"id": 7, "ok": True, "fine": True}, b"pixels")
    assert session.outstanding == ()


def test_a_req_socket_gets_its_delimiter_back_in_every_reply() -> None:
    session = Session()
    session.receive([b"", *message(1)])
    session.receive(message(2))
    assert session.reply(1, {})[0] == b""
    assert session.reply(2, {})[0] != b""
    session.receive([b"", *message(1)])
    assert session.refuse(1, VaporbrushError("internal", "A defect."))[0] == b""
    refusal = session.receive([b"", b"nonsense"])
    assert isinstance(refusal, list)
    assert refusal[0] == b""


def test_hello_is_optional_and_names_the_client() -> None:
    session = Session()
    assert isinstance(session.receive(message(1)), ReceivedRequest)
    assert session.client == ""
    asked = session.receive(message(2, "hello", client="gimp", versions=[1, 2]))
    assert asked == ReceivedRequest(2, Hello("gimp", (1, 2)))
    assert session.client == "gimp"


def test_a_client_that_speaks_only_other_versions_is_refused_with_them() -> None:
    session = Session()
    assert refused(session.receive(message(1, "hello", versions=[2, 3]))) == (1, "unsupported_version")
    assert session.outstanding == ()


def test_an_id_that_waits_already_is_refused_without_naming_it() -> None:
    session = Session()
    session.receive(message(5))
    assert refused(session.receive(message(5))) == (None, "bad_field")
    assert session.outstanding == (5,)
    session.reply(5, {})
    assert isinstance(session.receive(message(5)), ReceivedRequest)  # free again


@pytest.mark.parametrize("identity", [None, -1, 1.0, True, "1", 2**53, [1]])
def test_an_id_that_is_no_whole_number_is_refused(identity: object) -> None:
    assert refused(Session().receive(message(identity))) == (None, "bad_field")


def test_one_request_too_many_is_asked_to_wait() -> None:
    session = Session()
    for identity in range(MAX_OUTSTANDING):
        assert isinstance(session.receive(message(identity)), ReceivedRequest)
    assert refused(session.receive(message(99))) == (99, "busy")
    session.reply(3, {})
    assert isinstance(session.receive(message(99)), ReceivedRequest)


def test_a_chunk_arrives_with_its_put() -> None:
    asked = Session().receive(message(1, "put", b"test", blob="0" * 64, size=8, offset=4))
    assert asked == ReceivedRequest(1, Put("0" * 64, 8, 4, b"test"))


def test_a_reply_that_breaks_the_limits_becomes_an_error_for_its_client_only() -> None:
    session = Session()
    session.receive(message(1))
    assert refused(session.reply(1, {"notes": "x" * 70_000})) == (1, "internal")
    session.receive(message(2))
    assert refused(session.reply(2, {"loss": float("nan")})) == (2, "internal")
    assert session.outstanding == ()


def test_answering_twice_is_a_defect_that_shows() -> None:
    session = Session()
    session.receive(message(1))
    session.reply(1, {})
    with pytest.raises(KeyError):
        session.reply(1, {})


def test_the_greeting_fits_a_header_and_names_the_limits() -> None:
    session = Session()
    session.receive(message(1, "hello"))
    header, _ = decode(session.reply(1, greeting()))
    assert header["version"] == 1
    assert header["limits"] == ANNOUNCED


@pytest.mark.parametrize("vector", [v for v in BAD if "id" in v], ids=lambda vector: vector["name"])
def test_a_refusal_has_the_id_that_the_vector_says(vector: dict[str, Any]) -> None:
    assert refused(Session().receive(vector["frames"])) == (vector["id"], vector["error"])


class AnyPeer(RuleBasedStateMachine):
    """A peer that sends good and bad messages, and a daemon that answers in any order; replies are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.session = Session()
        self.waiting: dict[int, bool] = {}

    @rule(identity=st.integers(0, 12), delimited=st.booleans(), request=st.sampled_from(["ping", "hello", "status"]))
    def ask(self, identity: int, delimited: bool, request: str) -> None:
        frames = message(identity, request)
        answer = self.session.receive([b"", *frames] if delimited else frames)
        if identity in self.waiting:
            assert refused(answer) == (None, "bad_field")
        elif len(self.waiting) == MAX_OUTSTANDING:
            assert refused(answer) == (identity, "busy")
        else:
            assert isinstance(answer, ReceivedRequest)
            assert answer.id == identity
            self.waiting[identity] = delimited

    @rule(vector=st.sampled_from(BAD))
    def send_nonsense(self, vector: dict[str, Any]) -> None:
        identity, code = refused(self.session.receive(vector["frames"]))
        if vector["layer"] == "frames":
            readable = id_in(vector["frames"])
            known = isinstance(readable, int) and readable not in self.waiting
            assert (identity, code) == (readable if known else None, vector["error"])
        else:
            assert (identity, code) in {(1, vector["error"]), (None, "bad_field")}

    @rule(frames=st.lists(st.binary(max_size=40), max_size=4))
    def send_bytes(self, frames: list[bytes]) -> None:
        answer = self.session.receive(frames)
        assert isinstance(answer, list)
        assert (answer[0] == b"") == bool(frames and frames[0] == b"")

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), works=st.booleans())
    def answer(self, data: st.DataObject, works: bool) -> None:
        identity = data.draw(st.sampled_from(sorted(self.waiting)))
        error = VaporbrushError("disk_full", "The spool is full.")
        frames = self.session.reply(identity, {"x": 1}) if works else self.session.refuse(identity, error)
        delimited = self.waiting.pop(identity)
        assert (frames[0] == b"") == delimited
        header, _ = decode(frames[1:] if delimited else frames)
        assert header["id"] == identity
        assert header["ok"] is works

    @invariant()
    def both_count_the_same(self) -> None:
        assert set(self.session.outstanding) == set(self.waiting)
        assert len(self.waiting) <= MAX_OUTSTANDING


AnyPeer.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
TestAnyPeer = AnyPeer.TestCase


def test_a_session_that_is_gone_never_opens_again() -> None:
    session = Session()
    session.leave()
    assert session.state == "gone"
    with pytest.raises(ImpossibleMove, match="session: gone → open"):
        session.move("open")
