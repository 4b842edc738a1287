"""The daemon's side of one connection, without input or output: frames in, requests out; replies in, frames out.

Rule 1: every message that comes in gets exactly one reply, now (a refusal) or later (`reply`, `refuse`).
Rule 2: a reply repeats the `id` of its request, and the empty delimiter if there was one (a REQ socket demands it).
Rule 3: at most `MAX_OUTSTANDING` requests wait for their reply, each with an `id` of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .codec import Buffer, decode, encode, undelimited, unsupported_version
from .errors import RequestError, VaporbrushError
from .limits import ANNOUNCED, MAX_OUTSTANDING, PROTOCOL_MAJOR, PROTOCOL_MINOR
from .messages import Hello, Request, parse_request
from .rules import MAX_INTEGER

Frames = list[Buffer]
BUSY_RETRY_S = 0.1  # a client that has too much outstanding needs to read a reply, not to wait


class Asked(NamedTuple):
    """A request that must get a reply under this id."""

    id: int
    request: Request


class Session:
    """What the daemon knows of one connection. `client` is the name that `hello` gave, or empty."""

    def __init__(self) -> None:
        self.client = ""
        self._waiting: dict[int, bool] = {}  # id → whether the request came with a delimiter

    @property
    def outstanding(self) -> tuple[int, ...]:
        """The ids that wait for their reply, oldest first."""
        return tuple(self._waiting)

    def receive(self, frames: Sequence[Buffer]) -> Asked | Frames:
        """One message (without the routing id): a request to answer, or the frames of its refusal, to be sent at once.

        `hello` is optional: until one comes, the peer is taken to speak this major version, as its first frame says.
        """
        delimited, body = undelimited(frames)
        identity: int | None = None
        try:
            header, chunk = decode(body)
            identity = self._new_id(header.get("id"))
            request = self._admitted(parse_request(header, chunk))
        except RequestError as error:
            return _framed(delimited, {"id": identity, "ok": False, "error": error.to_wire()})
        self._waiting[identity] = delimited
        return Asked(identity, request)

    def reply(self, identity: int, fields: Mapping[str, Any], chunk: Buffer | None = None) -> Frames:
        """The frames of the reply to a request that waits.

        A reply that does not fit the protocol's limits is the daemon's defect: its client gets `internal`, because it
        must get something.
        """
        delimited = self._waiting.pop(identity)
        try:
            return _framed(delimited, {**fields, "id": identity, "ok": True}, chunk)
        except RequestError as error:
            defect = VaporbrushError("internal", f"The reply does not fit the protocol: {error.message}")
            return _framed(delimited, {"id": identity, "ok": False, "error": defect.to_wire()})

    def refuse(self, identity: int, error: VaporbrushError) -> Frames:
        """The frames of the error reply to a request that waits."""
        delimited = self._waiting.pop(identity)
        return _framed(delimited, {"id": identity, "ok": False, "error": error.to_wire()})

    def _admitted(self, request: Request) -> Request:
        if len(self._waiting) >= MAX_OUTSTANDING:
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

    def _new_id(self, value: object) -> int:
        """An id that waits already is refused without repeating it: the first reply must stay the only one."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
            shown = value if isinstance(value, (int, float, bool)) else type(value).__name__
            raise RequestError("bad_field", f"`id` is {shown}, but must be a whole number from 0 to {MAX_INTEGER}.")
        if value in self._waiting:
            raise RequestError("bad_field", f"`id` is {value}, but a request of this id still waits for its reply.")
        return value


def greeting() -> dict[str, Any]:
    """What `hello`'s reply says about the protocol; the daemon adds who it is."""
    return {"version": PROTOCOL_MAJOR, "minor": PROTOCOL_MINOR, "limits": dict(ANNOUNCED)}


def _framed(delimited: bool, header: Mapping[str, Any], chunk: Buffer | None = None) -> Frames:
    frames = encode(header, chunk)
    return [b"", *frames] if delimited else frames
