"""The bridge's loop with one node whose desk does what a test says, and no network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.daemon import DEADLINE_S
from vaporbrush_daemon.studio.desk import NodeFacts
from vaporbrush_daemon.studio.head import Head
from vaporbrush_daemon.studio.members import Studio
from vaporbrush_daemon.workers import bridge, pipe
from vaporbrush_daemon.workers.messages import Command, DeviceFacts, Event
from vaporbrush_daemon.workers.pool import News
from vaporbrush_protocol.version import __version__

SLOT, NODE, GPU = 1, "box1", "box1/cuda:0"


class LoneDesk:
    """A node's desk. Asked for pictures or told a command, it waits until its gate for that is open."""

    def __init__(self) -> None:
        self.pictures, self.commands = asyncio.Event(), asyncio.Event()
        self.asked, self.told = 0, list[Command]()
        self.asked_to_tell = 0
        self.news: asyncio.Queue[News] = asyncio.Queue()

    async def facts(self) -> NodeFacts:
        return NodeFacts(NODE, __version__, (DeviceFacts("cuda:0"),))

    async def start(self, slot: int, device: str) -> None:
        """The worker is there at once, and its `Ready` is of no interest."""

    async def kill(self, slot: int) -> None:
        """Nothing hangs here."""

    async def missing(self, blobs: list[str]) -> list[str]:  # noqa: ARG002 -- it has them all
        self.asked += 1
        await self.pictures.wait()
        return []

    async def tell(self, slot: int, command: Command) -> None:  # noqa: ARG002 -- there is one
        self.asked_to_tell += 1
        await self.commands.wait()
        self.told.append(command)

    async def hear(self, wait_s: float) -> list[News]:
        with suppress(TimeoutError):  # nothing is heard
            return [await asyncio.wait_for(self.news.get(), wait_s)]
        return []


class LoneCluster:
    """A cluster with that one node in it."""

    def __init__(self, desk: LoneDesk, came: Callable[[str], None]) -> None:
        self.client = SimpleNamespace(submit=lambda *_, **__: self._made(desk))
        self._came = came

    async def _made(self, desk: LoneDesk) -> LoneDesk:
        return desk

    def objection(self, name: str) -> str:  # noqa: ARG002 -- everybody is wanted
        return ""

    def revoked(self) -> str:
        return ""

    async def dismiss(self, address: str) -> None:
        raise AssertionError(f"{address} did nothing wrong")

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> str:  # noqa: ARG002 -- nobody is removed
        self._came("tls://box1:1")
        await asyncio.Event().wait()
        return ""


class LoneHead:
    """`events` are what the daemon was told of the one slot."""

    def __init__(self, desk: LoneDesk) -> None:
        self.desk = desk
        self.orders: asyncio.Queue[bridge.Order | None] = asyncio.Queue()
        self.frames: list[tuple[int, bytes, bytes]] = []

    def hear(self, frame: bytes) -> None:
        if frame:
            self.frames.append(bridge.parse_told(frame[pipe.LENGTH.size :]))

    @property
    def events(self) -> list[Event]:
        return [pipe.unpack_event(body) for slot, kind, body in self.frames if (slot, kind) == (SLOT, bridge.EVENT)]

    def do(self, *commands: Command) -> None:
        for command in commands:
            self.orders.put_nowait(bridge.Tell(SLOT, command))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not true():  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.01)


async def settled() -> None:
    """Everything that was under way in this loop, and waits for nothing, has been done."""
    for _ in range(100):
        await asyncio.sleep(0)


@asynccontextmanager
async def lone_head(home: Path, monkeypatch: Any) -> AsyncIterator[LoneHead]:
    """With a worker on its node."""
    made = LoneHead(LoneDesk())

    @asynccontextmanager
    async def hosted(_home: Path, _studio: Studio, came: Callable[[str], None], _left: object) -> AsyncIterator[Any]:
        yield LoneCluster(made.desk, came)

    monkeypatch.setattr("vaporbrush_daemon.studio.cluster.hosted", hosted)
    running = asyncio.create_task(Head(home, Studio("127.0.0.1"), made.hear).run(made.orders))
    await until(lambda: any(kind == bridge.DEVICES for _, kind, _ in made.frames))
    made.orders.put_nowait(bridge.Start(SLOT, GPU))
    yield made
    made.orders.put_nowait(None)
    await running


__all__ = ["SLOT", "LoneDesk", "LoneHead", "lone_head", "settled", "until"]
