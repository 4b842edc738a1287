"""The daemon's side of one connection, without input or output: frames in, requests out; replies in, frames out.

Theory of operation. A message that comes in is answered once: at once, where it is refused, or later, by `reply` or
`refuse`. A reply repeats its request's `id`, and the empty delimiter if there was one, because a REQ socket demands it.

A session is `open` while it may ask more, `full` while `MAX_OUTSTANDING` requests wait for their reply (one more is
refused), and `gone` when its peer is: whatever is still at work for it then has nobody to tell, and its replies are
dropped. `hello` is optional and changes no state: until one comes, the peer is taken to speak this major version, as
its first frame says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from .codec import Buffer, decode, encode, id_in, undelimited, unsupported_version
from .errors import RequestError, VaporbrushError
from .limits import ANNOUNCED, MAX_OUTSTANDING, PROTOCOL_MAJOR, PROTOCOL_MINOR
from .messages import Hello, Request, parse_request
from .rules import MAX_INTEGER, bad
from .states import follow

Frames = list[Buffer]
BUSY_RETRY_S = 0.1  # a client that has too much outstanding needs to read a reply, not to wait

SessionState = Literal["open", "full", "gone"]
SESSION: Mapping[SessionState, tuple[SessionState, ...]] = {
    "open": ("full", "gone"),
    "full": ("open", "gone"),
    "gone": (),
}


class ReceivedRequest(NamedTuple):
    """A request that must get a reply under this id."""

    id: int
    request: Request


class Session:
    """What the daemon knows of one connection. `client` is the name that `hello` gave, or empty."""

    def __init__(self) -> None:
        self.client = ""
        self._state: SessionState = "open"
        self._waiting: dict[int, bool] = {}  # id → whether the request came with a delimiter

    @property
    def state(self) -> SessionState:
        """`open`, `full` or `gone`."""
        return self._state

    def move(self, state: SessionState) -> None:
        """Enter another state. Raises `ImpossibleMove`."""
        self._state = follow(SESSION, self._state, state, "session")

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The ids that wait for their reply, oldest first."""
        return tuple(self._waiting)

    def receive(self, frames: Sequence[Buffer]) -> ReceivedRequest | Frames:
        """One message (without the routing id): a request to answer, or the frames of its refusal, to be sent now."""
        delimited, body = undelimited(frames)
        identity: int | None = None
        try:
            header, chunk = decode(body)
        except RequestError as error:
            return _framed(delimited, {"id": self._read_id(body), "ok": False, "error": error.to_wire()})
        try:
            identity = self._new_id(header.get("id"))
            request = self._admitted(parse_request(header, chunk))
        except RequestError as error:
            return _framed(delimited, {"id": identity, "ok": False, "error": error.to_wire()})
        self._waiting[identity] = delimited
        if len(self._waiting) == MAX_OUTSTANDING:
            self.move("full")
        return ReceivedRequest(identity, request)

    def reply(self, identity: int, fields: Mapping[str, Any], chunk: Buffer | None = None) -> Frames:
        """The frames of the reply to a request that waits.

        A reply that does not fit the protocol's limits is the daemon's defect: its client gets `internal`, because it
        must get something.
        """
        delimited = self._answered(identity)
        try:
            return _framed(delimited, {**fields, "id": identity, "ok": True}, chunk)
        except RequestError as error:
            defect = VaporbrushError("internal", f"The reply does not fit the protocol: {error.message}")
            return _framed(delimited, {"id": identity, "ok": False, "error": defect.to_wire()})

    def refuse(self, identity: int, error: VaporbrushError) -> Frames:
        """The frames of the error reply to a request that waits."""
        return _framed(self._answered(identity), {"id": identity, "ok": False, "error": error.to_wire()})

    def leave(self) -> None:
        """The peer is gone: nothing waits for a reply any more."""
        self.move("gone")
        self._waiting.clear()

    def _answered(self, identity: int) -> bool:
        delimited = self._waiting.pop(identity)
        if self._state == "full":
            self.move("open")
        return delimited

    def _admitted(self, request: Request) -> Request:
        if self._state == "full":
            raise RequestError(
                "busy",
                f"{MAX_OUTSTANDING} requests wait for their reply on this connection: read one before the next.",
                retry_after_s=BUSY_RETRY_S,
            )
        if isinstance(request, Hello):
            if PROTOCOL_MAJOR not in request.versions:
                raise unsupported_version(", ".join(map(str, request.versions)))
            self.client = request.client
        return request

    def _read_id(self, body: Sequence[Buffer]) -> int | None:
        """The id of a message that cannot be read otherwise, where that can be."""
        try:
            return self._new_id(id_in(body))
        except RequestError:  # as above
            return None

    def _new_id(self, value: object) -> int:
        """An id that waits already is refused without repeating it: the first reply must stay the only one."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
            raise bad("id", value, f"a whole number from 0 to {MAX_INTEGER}")
        if value in self._waiting:
            raise RequestError("bad_field", f"`id` is {value}, but a request of this id still waits for its reply.")
        return value


def greeting() -> dict[str, Any]:
    """What `hello`'s reply says about the protocol; the daemon adds who it is."""
    return {"version": PROTOCOL_MAJOR, "minor": PROTOCOL_MINOR, "limits": dict(ANNOUNCED)}


def _framed(delimited: bool, header: Mapping[str, Any], chunk: Buffer | None = None) -> Frames:
    frames = encode(header, chunk)
    return [b"", *frames] if delimited else frames
