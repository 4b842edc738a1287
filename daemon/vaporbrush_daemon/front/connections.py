"""The clients' sessions, one for each connection: messages in as requests, replies out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from vaporbrush_daemon import logs
from vaporbrush_daemon.scheduling.events import Ticket
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.messages import NAMES, Request
from vaporbrush_protocol.session import Frames, ReceivedRequest, Session

from .peers import Peer, Peers

Reply = tuple[dict[str, Any], Buffer | None]  # the header's fields, and the chunk
Handle = Callable[[Request, Ticket], None]


class Connections:
    """All sessions, by the names of their peers."""

    def __init__(
        self, peers: Peers, counters: Counter[str], clock: Callable[[], float], left: Callable[[str], None]
    ) -> None:
        """`left` hears of each client whose connection has gone; guests, who may have others, are not known to it."""
        self._peers, self._counters, self._clock = peers, counters, clock
        self._left = left
        self._sessions: dict[bytes, Session] = {}
        self.asked_last = clock()

    def hear(self, ready: Mapping[int, int], handle: Handle) -> None:
        """Read what has come on the descriptors that are `ready`, some of it from each, and hand the requests on.
        Whatever goes wrong is answered.
        """
        for peer, frames in self._peers.receive(ready):
            self._hear_message(peer, frames, handle)
        self.drop_departed()

    def drop_departed(self) -> None:
        """Whoever has gone waits for nothing any more."""
        while self._peers.departed:
            peer = self._peers.departed.pop()
            session = self._sessions.pop(peer, None)
            if session is not None:
                session.leave()
                self._left(peer.hex())

    def reply(self, ticket: Ticket, reply: Reply) -> None:
        """Answer a request that waits. One whose client has gone meanwhile is nobody's."""
        session = self._waiting(ticket)
        if session is not None:
            self._send(ticket.peer, session.reply(ticket.id, *reply))

    def refuse(self, ticket: Ticket, name: str, error: Exception) -> None:
        """Tell why a request is not done. What is no error on purpose is a defect of ours."""
        session = self._waiting(ticket)
        if not isinstance(error, VaporbrushError):
            logs.defect("request_defect", error, request=name)
            error = RemoteError("internal", f"The daemon failed at `{name}`; its log says why: {logs.path()}")
        self._counters["requests_refused"] += 1
        logs.event("request_refused", request=name, code=error.code, reason=error.message)
        if session is not None:
            self._send(ticket.peer, session.refuse(ticket.id, error))

    def refuse_all(self, error: VaporbrushError) -> None:
        """Answer everything that still waits: exactly one reply, also at the end."""
        for peer, session in list(self._sessions.items()):
            for identity in session.outstanding:
                self._send(peer, session.refuse(identity, error))

    def _hear_message(self, peer: Peer, frames: Frames, handle: Handle) -> None:
        self.asked_last = self._clock()
        self._counters["messages"] += 1
        session = self._sessions.setdefault(peer.name, Session())
        asked = session.receive(frames)
        if not isinstance(asked, ReceivedRequest):
            self._counters["messages_refused"] += 1
            self._send(peer.name, asked)
            return
        ticket = Ticket(peer.name, asked.id, peer.guest)
        try:
            handle(asked.request, ticket)
        except Exception as error:  # noqa: BLE001 -- every request gets its reply, also one that hits a defect
            self.refuse(ticket, NAMES[type(asked.request)], error)

    def _waiting(self, ticket: Ticket) -> Session | None:
        session = self._sessions.get(ticket.peer)
        return session if session is not None and ticket.id in session.outstanding else None

    def _send(self, peer: bytes, frames: Frames) -> None:
        if not self._peers.send(peer, frames):
            self._counters["replies_undeliverable"] += 1
