"""What the head may ask a node: its devices' workers, its pictures, and no more. A node has a new `Desk` whenever it
joins.

Theory of operation. Dask makes the desk on the node as an actor, and calls its methods there; all are coroutines,
because Dask runs others one after the other. The worker programs are those that a daemon on the node would run, owned
by the same `Pool`; the desk only puts the node's own paths into their commands. It ends with the connection, or when
nobody listens to it: whoever paints for a head that is gone, or that holds this node for gone, would paint what
somebody else paints already.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain

from vaporbrush_daemon.workers.messages import Command, DeviceFacts, Done, Failed, Paint
from vaporbrush_daemon.workers.pool import Exited, News, Pool, Said
from vaporbrush_protocol.errors import RemoteError

from .store import Store, SumError

POLL_MS = 250  # of waiting at once: the desk ends no later
ASKED = 64  # lists of pictures that are kept in mind: more than a node has devices
UNHEARD_S = 15.0  # after which nobody listens any more: a head asks again within a step of its loop


class InUseError(Exception):
    """This node paints for another daemon."""


class ClosedError(Exception):
    """This desk has ended: nobody listened to it."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a node says of itself."""

    name: str
    version: str
    devices: tuple[DeviceFacts, ...]


class Room:
    """What the desks of this process have: made once, by the node."""

    def __init__(
        self,
        facts: NodeFacts,
        store: Store,
        make_pool: Callable[[], Pool],
        revoke: Callable[[str], None],
        refuse: Callable[[str], None],
    ) -> None:
        self.facts, self.store, self.make_pool = facts, store, make_pool
        self.revoke, self.refuse = revoke, refuse
        self.pool: Pool | None = None
        self.owner = ""
        self.lock = threading.Lock()  # a socket must not be closed while a thread waits at it

    def open(self, owner: str) -> Pool:
        """New workers, for a new desk of this daemon's. Raises `InUseError`."""
        if self.pool is not None and owner != self.owner:
            raise InUseError(f"The node {self.facts.name} paints for another daemon, {self.owner}.")
        self.close()
        self.pool, self.owner = self.make_pool(), owner
        return self.pool

    def close(self) -> None:
        """End the workers."""
        with self.lock:
            if self.pool is not None:
                self.pool.close()
            self.pool = None


ROOMS: list[Room] = []  # the node's one; Dask makes the desk and cannot be given it


class Desk:
    """The head's hand on this node."""

    def __init__(self, owner: str) -> None:
        """`owner` is the daemon that it is for. Raises `InUseError`."""
        self._room = ROOMS[0]
        self._pool = self._room.open(owner)
        self._jobs: dict[int, Paint] = {}  # by slot
        self._made: dict[int, list[str]] = {}  # by slot, what was painted last: it may be under way to the head
        self._asked: deque[list[str]] = deque(maxlen=ASKED)  # pictures of paintings that are about to begin
        self._listening = asyncio.Lock()
        self._heard_at = time.monotonic()
        self._unheard: asyncio.Task[None] | None = None

    async def facts(self) -> NodeFacts:
        """Who this is."""
        if self._unheard is None:
            self._unheard = asyncio.create_task(self._end_unheard())
        return self._room.facts

    async def start(self, slot: int, device: str) -> None:
        """Start a worker for one of this node's devices; `Ready` or an exit follows."""
        self._pool.start(slot, device)

    async def tell(self, slot: int, command: Command) -> None:
        """Pass a command on. A painting's pictures have to be here."""
        if isinstance(command, Paint):
            store = self._room.store
            self._jobs[slot] = command
            self._made.pop(slot, None)
            self._sweep()
            files = {blob: str(store.path(blob)) for blob in command.files}
            command = replace(command, files=files, out=str(store.work(command.job)))
        self._pool.send(slot, command)

    def _sweep(self, budget: int | None = None) -> None:
        reading = [list(one.files) for one in self._jobs.values()]
        self._room.store.sweep(chain.from_iterable([*reading, *self._made.values(), *self._asked]), budget)

    async def kill(self, slot: int) -> None:
        """End a worker that does not listen."""
        self._pool.kill(slot)

    async def hear(self, wait_s: float) -> list[News]:
        """What the workers have said meanwhile; if nothing, wait that long for it."""
        async with self._listening:
            for _ in range(max(1, int(wait_s * 1000 / POLL_MS))):
                self._heard_at = time.monotonic()
                if await asyncio.to_thread(self._said_something):
                    break
            with self._room.lock:
                if self._pool.socket.closed:
                    raise ClosedError("Nobody listened, so the workers were ended.")
                return [self._heard(news) for news in self._pool.receive()]

    def _said_something(self) -> bool:
        """Thread: wait a little for a worker to say something."""
        with self._room.lock:
            return self._pool.socket.closed or bool(self._pool.socket.poll(POLL_MS))

    async def _end_unheard(self) -> None:
        """A head that is gone asks no more; its cluster may be one that goes on."""
        while self._room.pool is self._pool:
            if (left := self._heard_at + UNHEARD_S - time.monotonic()) <= 0:
                self._room.close()
                return
            await asyncio.sleep(left)

    def _heard(self, news: News) -> News:
        store = self._room.store
        if isinstance(news, Said) and isinstance(news.event, (Done, Failed)):
            job = news.event.job
            self._jobs.pop(news.slot, None)
            if isinstance(news.event, Failed):
                store.clear(job)
                return news
            try:
                self._made[news.slot] = store.adopt(job)
            except OSError as error:
                sentence = f"The painting could not be kept on {self._room.facts.name}: {error.strerror or error}."
                return Said(news.slot, Failed(job, RemoteError("disk_full", sentence)))
        elif isinstance(news, Exited) and (left := self._jobs.pop(news.slot, None)) is not None:
            store.clear(left.job)
        return news

    # -- pictures

    async def missing(self, blobs: list[str]) -> list[str]:
        """Those that have to be sent."""
        self._asked.append(blobs)
        return self._room.store.missing(blobs)

    async def write(self, blob: str, offset: int, piece: bytes) -> str:
        """A piece of a picture arrives. Returns why it cannot be kept, or nothing."""
        store = self._room.store
        try:
            await asyncio.to_thread(store.write, blob, offset, piece)
        except OSError:  # others may have filled the disk: make do with less than the budget
            self._sweep(0)
            try:
                await asyncio.to_thread(store.write, blob, offset, piece)
            except OSError as error:
                return error.strerror or str(error)
        return ""

    async def finish(self, blob: str, size: int) -> bool:
        """All of it has arrived. Returns whether it is what it should be."""
        try:
            await asyncio.to_thread(self._room.store.finish, blob, size)
        except SumError:  # as above
            return False
        return True

    async def size(self, blob: str) -> int:
        """Bytes of a picture that was painted here."""
        return self._room.store.size(blob)

    async def read(self, blob: str, offset: int, size: int) -> bytes:
        """A piece of it."""
        return await asyncio.to_thread(self._room.store.read, blob, offset, size)

    # -- the studio

    async def revoke(self, revoked: str) -> None:
        """Some certificates are removed: this is the list of all."""
        self._room.revoke(revoked)

    async def refuse(self, sentence: str) -> None:
        """This node cannot be used, as the sentence tells."""
        self._room.refuse(sentence)
