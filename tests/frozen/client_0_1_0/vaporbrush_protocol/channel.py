"""Requests out, replies in, over a link that is opened when needed and again when it broke."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from .codec import Buffer, decode, encode
from .endpoint import Connection
from .errors import LinkError, RemoteError, RequestError
from .limits import CONNECT_TIMEOUT_S, MAX_OUTSTANDING, PROTOCOL_MAJOR, RECONNECT_S
from .link import Link
from .version import __version__

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5  # between attempts to reconnect


class Message(NamedTuple):
    """A header and perhaps a chunk: a request without its id, or a reply."""

    header: dict[str, Any]
    chunk: Buffer | None = None


Deliver = Callable[[Message, Message], None]  # a request and its reply


class Channel:
    """The conversation with one daemon. It says `hello` on each new connection, so that a restart is seen."""

    def __init__(self, connection: Connection, name: str = "") -> None:
        self.connection = connection
        self.name = name or f"vaporbrush-client {__version__}"
        self.daemon: dict[str, Any] = {}  # what the last `hello` said
        self._link: Link | None = None
        self._last_id = 0

    def connect(self, wait_s: float = CONNECT_TIMEOUT_S) -> Link:
        """Open the link and say hello, where that has not been done."""
        if self._link is not None:
            return self._link
        self._link = link = Link.open(self.connection, wait_s)
        hello = Message({"request": "hello", "client": self.name, "versions": [PROTOCOL_MAJOR]})
        try:
            self._converse(link, iter([hello]), self._greeted, wait_s)
        except RemoteError:
            self.close()
            raise
        return link

    def _greeted(self, _: Message, reply: Message) -> None:
        self.daemon = reply.header

    def close(self) -> None:
        """Close the link at once; what was under way is lost."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def reconnect(self) -> None:
        """Open a new link, waiting a little for a daemon that is being restarted. Raises `LinkError`."""
        self.close()
        deadline = time.monotonic() + RECONNECT_S
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                if self.connection.path is not None:  # a new daemon may listen at a new port
                    self.connection = Connection.read(self.connection.path.parent)
                self.connect()
            except LinkError as error:
                if error.code not in ("no_daemon", "link_lost") or time.monotonic() + pause_s > deadline:
                    raise
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            else:
                return

    def exchange(self, requests: Iterator[Message], deliver: Deliver, wait_s: float) -> None:
        """Send the requests, at most `MAX_OUTSTANDING` ahead of their replies, and deliver each reply as it comes.

        After a refusal nothing more is sent; when the outstanding replies have come, the first refusal is raised as
        `RemoteError`. Raises `LinkError` when the connection breaks or no reply comes for `wait_s`.
        """
        self._converse(self.connect(min(wait_s, CONNECT_TIMEOUT_S)), requests, deliver, wait_s)

    def _converse(self, link: Link, requests: Iterator[Message], deliver: Deliver, wait_s: float) -> None:
        waiting: dict[int, Message] = {}
        refusal: RemoteError | None = None
        try:
            while True:
                while refusal is None and len(waiting) < MAX_OUTSTANDING:
                    request = next(requests, None)
                    if request is None:
                        break
                    self._last_id += 1
                    frames = encode({"id": self._last_id, **request.header}, request.chunk)
                    waiting[self._last_id] = request
                    link.send(frames, wait_s)
                if not waiting:
                    break
                settled = _settle(waiting, _decoded(link.receive(wait_s)), deliver)
                refusal = refusal or settled
        except BaseException:
            self.close()  # replies that are still to come must not meet the next request
            raise
        if refusal is not None:
            raise refusal


def _settle(waiting: dict[int, Message], reply: Message, deliver: Deliver) -> RemoteError | None:
    """Take the request that this replies to out of `waiting`. Deliver a success; return a refusal."""
    identity, accepted = reply.header.get("id"), reply.header.get("ok")
    request = waiting.pop(identity, None) if type(identity) is int else None  # true is not 1
    if accepted is True and request is not None:
        with replying(request.header["request"]):
            deliver(request, reply)
        return None
    if accepted is False and (request is not None or identity is None):
        error = reply.header.get("error")
        if not isinstance(error, dict):
            raise LinkError("bad_reply", "The daemon refused a request without saying why.")
        refusal = RemoteError.from_wire(error)
        if request is None:  # the daemon could not read a request, and so does not know which one it refuses
            raise refusal
        return refusal
    raise LinkError("bad_reply", "The daemon sent a reply that nobody asked for.")


@contextmanager
def replying(request: str) -> Iterator[None]:
    """What a reply may not contain is the daemon's fault, not the caller's."""
    try:
        yield
    except RequestError as error:
        raise LinkError("bad_reply", f"The daemon's reply to `{request}` is not valid: {error.message}") from error


def _decoded(frames: list[Buffer]) -> Message:
    try:
        return Message(*decode(frames))
    except RequestError as error:
        raise LinkError("bad_reply", f"The daemon's reply is not valid: {error.message}") from error
