"""The clients' side of the ROUTER: messages in as requests, replies out, one session for each connection.

A message is read frame by frame, and of one with more frames than the protocol allows only the first are kept, so that
the loop never holds more than one message, and never for long: after `BURST_FRAMES` frames everybody else has a turn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zmq

from vaporbrush_daemon import logs
from vaporbrush_daemon.scheduling.events import Ticket
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.limits import MAX_FRAMES, MAX_WATCH_S
from vaporbrush_protocol.messages import NAMES, Request
from vaporbrush_protocol.session import Frames, ReceivedRequest, Session

BURST = 64  # messages taken from clients before workers, newcomers and time get their turn
BURST_FRAMES = 4096  # and frames: some milliseconds
KEPT_FRAMES = MAX_FRAMES + 2  # with a delimiter, and one that shows that there are too many
SESSION_TTL_S = 4 * MAX_WATCH_S  # libzmq does not say that a peer has gone
LARGE_BYTES = 64 * 1024  # only a larger frame is worth libzmq's reference to Python's memory

Reply = tuple[dict[str, Any], Buffer | None]  # the header's fields, and the chunk
Handle = Callable[[Request, Ticket], None]


@dataclass(slots=True)
class Arriving:
    """A message of which not all frames have been read."""

    peer: bytes
    guest: str
    frames: list[Buffer] = field(default_factory=list)


class Connections:
    """All sessions, by the routing id of their connection."""

    def __init__(self, router: zmq.Socket[bytes], counters: Counter[str], clock: Callable[[], float]) -> None:
        self._router, self._counters, self._clock = router, counters, clock
        self._sessions: dict[bytes, tuple[Session, float]] = {}
        self._arriving: Arriving | None = None
        self.asked_last = clock()

    def hear(self, handle: Handle) -> None:
        """Read what has come, in a bounded burst, and hand the requests on. Whatever goes wrong is answered."""
        messages = 0
        for _ in range(BURST_FRAMES):
            try:
                frame = self._router.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if self._arriving is None:
                self._arriving = Arriving(frame.bytes, _guest(frame))
            elif len(self._arriving.frames) < KEPT_FRAMES:
                self._arriving.frames.append(frame.buffer)
            if frame.more:
                continue
            arrived, self._arriving = self._arriving, None
            self._hear_message(arrived, handle)
            messages += 1
            if messages == BURST:
                return

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
        for peer, (session, _) in list(self._sessions.items()):
            for identity in session.outstanding:
                self._send(peer, session.refuse(identity, error))

    def drop_resting(self, now: float) -> None:
        """Forget the sessions that have been silent for long, and for which nothing is at work."""
        for peer, (session, used) in list(self._sessions.items()):
            if used < now - SESSION_TTL_S and not session.outstanding:
                self._leave(peer)

    def _hear_message(self, arrived: Arriving, handle: Handle) -> None:
        self.asked_last = self._clock()
        self._counters["messages"] += 1
        peer = arrived.peer
        session = self._sessions[peer][0] if peer in self._sessions else Session()
        self._sessions[peer] = (session, self.asked_last)
        asked = session.receive(arrived.frames)
        if not isinstance(asked, ReceivedRequest):
            self._counters["messages_refused"] += 1
            self._send(peer, asked)
            return
        ticket = Ticket(peer, asked.id, arrived.guest)
        try:
            handle(asked.request, ticket)
        except Exception as error:  # noqa: BLE001 -- every request gets its reply, also one that hits a defect
            self.refuse(ticket, NAMES[type(asked.request)], error)

    def _waiting(self, ticket: Ticket) -> Session | None:
        known = self._sessions.get(ticket.peer)
        return known[0] if known is not None and ticket.id in known[0].outstanding else None

    def _leave(self, peer: bytes) -> None:
        known = self._sessions.pop(peer, None)
        if known is not None:
            known[0].leave()

    def _send(self, peer: bytes, frames: Frames) -> None:
        message, copy = [peer, *frames], len(frames[-1]) < LARGE_BYTES
        try:
            try:
                self._router.send_multipart(message, zmq.NOBLOCK, copy=copy)
            except zmq.Again:
                # libzmq notices what a peer has read about once a millisecond: in a burst, a queue that is empty counts
                # as full. Asking for the socket's events makes it look.
                self._router.getsockopt(zmq.EVENTS)
                self._router.send_multipart(message, zmq.NOBLOCK, copy=copy)
        except zmq.ZMQError as error:
            # EHOSTUNREACH: it has gone. EAGAIN: it asks without reading; what it has coming is all it gets.
            self._counters["replies_undeliverable"] += 1
            if error.errno == zmq.EHOSTUNREACH:
                self._leave(peer)


def _guest(frame: zmq.Frame) -> str:
    """Who the ZAP handler said that the sender is; empty for the daemon's own user."""
    try:
        return str(frame.get("User-Id"))
    except zmq.ZMQError:
        return ""
