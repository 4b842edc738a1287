"""The clients' sockets: who connects, what has come from whom, and what waits to leave.

Theory of operation. No peer holds up another, and none costs more than a bounded amount of memory. One read from each
that has sent something, of at most a stage of small frames or a piece of a large one; then the next. To one that does
not take its replies no more of them are made: what it goes on asking stays in its own socket. Descriptors are kept
for the daemon's own files; where too many peers have come, those that have not logged in give way.
"""

from __future__ import annotations

import secrets
import socket
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import zmq

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES
from vaporbrush_protocol.peers import user_id
from vaporbrush_protocol.zmtp import framed

from .authentication import Door, Refusals, guest_of
from .server_side import RefusedError, ServerSide

HANDSHAKE_S = 2.0  # a peer that has not logged in by then goes
STALLED_S = 120.0  # one that takes nothing of what it asked for goes
CLOGGED_BYTES = MAX_CHUNK_BYTES  # of replies that wait to leave: before more is made, they do
JOINED_BYTES = 64 * 1024  # smaller pieces leave together
NEWCOMERS = 64  # peers that have not logged in; the longest of them goes for the next
ACCEPTS = 16  # newcomers at a time
OWN_FILES = 40  # descriptors that the daemon needs itself: two dozen, and some for what it reads and writes


@dataclass(slots=True, eq=False)
class Peer:
    """One connection. `name` is not used again while this daemon runs."""

    name: bytes
    plain: socket.socket
    side: ServerSide
    used: float  # monotonic seconds: when it came, or last took what waits
    waiting: deque[memoryview] = field(default_factory=deque)
    unsent: int = 0  # bytes that wait
    leaving: bool = False  # it has been told why, and only has to read it

    @property
    def guest(self) -> str:
        """Whose it is; empty for the daemon's own user."""
        return guest_of(self.side.username)

    @property
    def clogged(self) -> bool:
        """Whether it does not take what it asked for."""
        return self.unsent > CLOGGED_BYTES

    def push(self, pieces: list[Buffer]) -> None:
        """Queue bytes, small pieces joined."""
        joined = bytearray()
        for piece in pieces:
            if len(piece) < JOINED_BYTES:
                joined += piece
                continue
            self._queue(joined)
            self._queue(piece)
            joined = bytearray()
        self._queue(joined)

    def _queue(self, data: Buffer) -> None:
        if len(data):
            self.waiting.append(memoryview(data).cast("B"))
            self.unsent += len(data)

    def flush(self) -> bool:
        """Send what the system takes. Returns whether that was something. Raises `OSError`."""
        before = self.unsent
        while self.waiting:
            try:
                count = self.plain.send(self.waiting[0])
            except BlockingIOError:  # it takes no more now
                break
            self.unsent -= count
            if count == len(self.waiting[0]):
                self.waiting.popleft()
            else:
                self.waiting[0] = self.waiting[0][count:]
        return self.unsent < before


class Peers:
    """All of them, in a `poller`. `departed` are the names of those that have gone since it was last emptied."""

    def __init__(
        self,
        poller: zmq.Poller,
        door: Door,
        counters: Counter[str],
        clock: Callable[[], float],
        files: int = 0,
    ) -> None:
        """`files` is how many descriptors the process may have; 0: that is not known."""
        self._poller, self._door, self._counters, self._clock = poller, door, counters, clock
        self._most = max(1, files - OWN_FILES) if files else 1 << 30
        self._listening: dict[int, socket.socket] = {}
        self._peers: dict[int, Peer] = {}  # by descriptor
        self._named: dict[bytes, Peer] = {}
        self._newcomers: dict[int, Peer] = {}  # those that have not logged in, in the order in which they came
        self._start, self._count = secrets.token_bytes(4), 0
        self.refusals = Refusals()
        self.departed: list[bytes] = []

    # -- sockets

    def listen(self, plain: socket.socket) -> None:
        """Accept here."""
        plain.setblocking(False)
        self._listening[plain.fileno()] = plain
        self._poller.register(plain.fileno(), zmq.POLLIN)

    def forget(self, plain: socket.socket) -> None:
        """Accept here no more."""
        del self._listening[plain.fileno()]
        self._poller.register(plain.fileno(), 0)
        plain.close()

    def close(self, linger_s: float) -> None:
        """Stop accepting, give the last replies some time to leave, and close everything."""
        for plain in list(self._listening.values()):
            self.forget(plain)
        end = self._clock() + linger_s
        while any(peer.waiting for peer in self._peers.values()) and self._clock() < end:
            last = zmq.Poller()
            for descriptor, peer in self._peers.items():
                if peer.waiting:
                    last.register(descriptor, zmq.POLLOUT)
            for descriptor, _ in last.poll(max(0, int((end - self._clock()) * 1000))):
                self._flush(self._peers[descriptor])
        for peer in list(self._peers.values()):
            self._drop(peer)

    # -- the loop's turns

    def receive(self, ready: Mapping[int, int]) -> Iterator[tuple[Peer, list[Buffer]]]:
        """What has come, and from whom. One turn for each of the descriptors that are `ready`."""
        for descriptor in ready:
            if descriptor in self._listening:
                self._accept(self._listening[descriptor])
            elif (peer := self._peers.get(descriptor)) is not None:
                yield from self._turn(peer, ready[descriptor])

    def send(self, name: bytes, frames: list[Buffer]) -> bool:
        """Send a message, or have it wait. Returns whether the peer is there."""
        peer = self._named.get(name)
        if peer is None:
            return False
        peer.push(framed(frames))
        self._flush(peer)
        return True

    def sweep(self, now: float) -> None:
        """Drop who does not log in, and who takes nothing."""
        for peer in list(self._newcomers.values()):
            if peer.used < now - HANDSHAKE_S:
                self._drop(peer)
        for peer in list(self._peers.values()):
            if peer.waiting and peer.used < now - STALLED_S:
                self._drop(peer)
        for descriptor in self._listening:
            self._poller.register(descriptor, zmq.POLLIN)
        self.refusals.tell(now)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS):
            try:
                plain, _ = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):  # nobody waits, or no longer
                return
            except OSError as error:  # no descriptor is left: the next sweep tries again
                self.refusals.note(self._clock(), f"no more can be accepted: {error.strerror}")
                self._poller.register(listening.fileno(), 0)
                return
            if len(self._newcomers) >= NEWCOMERS or (self._newcomers and len(self._peers) >= self._most):
                self._drop(next(iter(self._newcomers.values())))
            if len(self._peers) >= self._most:
                plain.close()
                self.refusals.note(self._clock(), "too many connections")
                continue
            self._welcome(plain)

    def _welcome(self, plain: socket.socket) -> None:
        plain.setblocking(False)
        unix = plain.family != socket.AF_INET
        if not unix:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        uid = user_id(plain) if unix else None
        self._count += 1
        name = self._start + self._count.to_bytes(4, "big")
        side = ServerSide(lambda username, password: self._door.refusal(username, password, uid))
        peer = Peer(name, plain, side, self._clock())
        self._peers[plain.fileno()] = self._named[name] = self._newcomers[plain.fileno()] = peer
        self._answer(peer)

    def _turn(self, peer: Peer, events: int) -> Iterator[tuple[Peer, list[Buffer]]]:
        if events & zmq.POLLOUT:
            self._flush(peer)
        if not peer.clogged and not peer.side.messages and events & ~zmq.POLLOUT:
            self._read(peer)
        while peer.side.messages and not peer.clogged and peer.name in self._named:
            yield peer, peer.side.messages.popleft()
        if peer.name in self._named:
            self._watch(peer)

    def _read(self, peer: Peer) -> None:
        try:
            count = peer.plain.recv_into(peer.side.space())
            if not count:
                self._drop(peer)
            elif not peer.leaving:
                peer.side.filled(count)
                self._answer(peer)
                if peer.side.ready:
                    self._newcomers.pop(peer.plain.fileno(), None)
        except BlockingIOError:  # nothing has come after all
            return
        except OSError:
            self._drop(peer)
        except LinkError as error:
            self._counters["connections_refused"] += 1
            told = isinstance(error, RefusedError)
            self.refusals.note(self._clock(), error.message if told else "not ZMTP 3 with PLAIN")
            peer.side.messages.clear()
            if peer.side.ready or not told:
                self._drop(peer)
            else:
                peer.leaving = True  # it is given the time of a handshake to read why
                self._answer(peer)

    def _answer(self, peer: Peer) -> None:
        """Send what the protocol itself has to say."""
        if peer.side.outgoing:
            peer.push([bytes(peer.side.outgoing)])
            peer.side.outgoing.clear()
        self._flush(peer)

    def _flush(self, peer: Peer) -> None:
        try:
            if peer.flush():
                peer.used = self._clock()
        except OSError:
            self._drop(peer)
            return
        self._watch(peer)

    def _watch(self, peer: Peer) -> None:
        """Wait for what this peer may do next."""
        reading = not peer.clogged and not peer.side.messages
        self._poller.register(peer.plain.fileno(), zmq.POLLIN * reading | zmq.POLLOUT * bool(peer.waiting))

    def _drop(self, peer: Peer) -> None:
        descriptor = peer.plain.fileno()
        if self._named.pop(peer.name, None) is None:
            return
        del self._peers[descriptor]
        self._newcomers.pop(descriptor, None)
        self._poller.register(descriptor, 0)
        peer.plain.close()
        self.departed.append(peer.name)
