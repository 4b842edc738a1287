"""The bridge between a daemon and its studio: a process of its own, without torch.

    python -m vaporbrush_daemon.studio.head HOME [SCHEDULER AUTHORITY CERTIFICATE KEY]

Theory of operation. It hosts Dask's scheduler at the studio's one port and is its client, or is the client of one that
is there already (`cluster`). The daemon speaks to it as to a worker, with a slot number in each frame
(`workers.bridge`), and decides everything; here a frame becomes a call of that node's `desk`, and what the desk hears
becomes frames. Of a node that is gone, each slot in use is told once to have ended, by no fault of its job. Nothing is
tried twice here.

Of a painting's pictures those travel that the node lacks, in pieces, and a command that is not about the painting never
waits behind them. Who was removed gets no further than the handshake, and is cut off if it is in.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import queue
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from vaporbrush_daemon.children import end_with_parent_even_if_stopped
from vaporbrush_daemon.workers import bridge, pipe
from vaporbrush_daemon.workers.messages import (
    Cancel,
    Command,
    DeviceFacts,
    Done,
    End,
    Event,
    Failed,
    Paint,
    Ready,
)
from vaporbrush_daemon.workers.pool import Exited, News, Nonsense, Said
from vaporbrush_protocol.errors import LinkError, RemoteError, RequestError

from . import cluster, lines, parcels
from .cluster import Cluster
from .desk import InUseError, NodeFacts
from .members import Elsewhere, Studio, read
from .nodes import Node, Seat, known_as, maker, unfit

HEAR_S = 10.0  # a long poll at a node's desk
ADMITTED_S = 30.0  # for a node to say who it is
REST_S = 30.0  # of a node whose disk is full: by then somebody may have made room; well below `policy.LOST_GRACE_S`
TOLD_S = 5.0  # for the daemon to read the last words


class Head:
    """The bridge's one loop. `tell` takes what the daemon is to be told."""

    def __init__(self, home: Path, place: Studio | Elsewhere, tell: Callable[[bytes], None]) -> None:
        self._home, self._place, self._tell = home, place, tell
        self._nodes: dict[str, Node] = {}  # by name
        self._seats: dict[int, Seat] = {}  # by slot
        self._tasks: dict[str, asyncio.Task[None]] = {}  # who listens to a node, by address
        self._owner = f"{socket.gethostname()}:{home}"  # by which a node knows this daemon again
        self._cluster: Cluster

    async def run(self, frames: asyncio.Queue[bridge.Order | None]) -> None:
        """Until the daemon ends. Raises `OSError` where the port cannot be had, `RequestError` and `LinkError` where a
        cluster that is there already cannot be reached, or is gone.
        """
        place, told = self._place, (self._came, self._left)
        opened = (
            cluster.existing(place, *told) if isinstance(place, Elsewhere) else cluster.hosted(self._home, place, *told)
        )
        async with opened as self._cluster:
            watching = asyncio.create_task(self._cluster.watch(self._members_changed))
            watching.add_done_callback(lambda _: frames.put_nowait(None))
            while (order := await frames.get()) is not None:
                self._do(order)
            if watching.done():
                raise LinkError("unreachable", watching.result())
            watching.cancel()

    # -- nodes

    def _came(self, address: str) -> None:
        self._tasks[address] = asyncio.create_task(self._serve(address))

    def _left(self, address: str) -> None:
        if (task := self._tasks.pop(address, None)) is not None:
            task.cancel()
        for name in [name for name, node in self._nodes.items() if node.address == address]:
            self._lose(name, f"The node {name} is gone from the studio.")
            self._tell(bridge.told_trouble("It is gone.", name))

    def _lose(self, name: str, sentence: str) -> None:
        node = self._nodes.pop(name)
        for call in node.calls:
            call.cancel()
        self._announce()  # first: nothing is to be started there again
        for slot in [slot for slot, seat in self._seats.items() if seat.node == name]:
            self._end(slot, sentence, away=True)

    async def _serve(self, address: str) -> None:
        """Let a node in, and listen to it as long as it is there."""
        try:
            node = await asyncio.wait_for(self._admitted(address), ADMITTED_S)
        except InUseError as error:
            self._trouble("", str(error))
            self._cluster.put_off(address)
            return
        except Exception as error:  # noqa: BLE001 -- whatever is wrong with one node, the others work on
            self._trouble("", f"{address} is not let in: {type(error).__name__}: {lines.reason(error)}.")
            await self._cluster.dismiss(address)
            return
        if node is None:
            await self._cluster.dismiss(address)
            return
        name = node.facts.name
        self._announce()
        lines.log(f"{name} is in, at {address}")
        try:
            while True:
                for news in await asyncio.wait_for(node.desk.hear(HEAR_S), HEAR_S + lines.NODE_SILENT_S):
                    self._heard(node, news)
        except Exception as error:  # noqa: BLE001 -- likewise
            self._trouble(name, f"It does not answer: {lines.reason(error)}.")
            if self._nodes.get(name) is node:
                self._lose(name, f"The node {name} does not answer.")
            await self._cluster.dismiss(address)

    async def _admitted(self, address: str) -> Node | None:
        made = self._cluster.client.submit(
            maker(self._owner), actor=True, workers=[address], allow_other_workers=False, pure=False, retries=0
        )
        desk = await made
        facts: NodeFacts = await desk.facts()
        sentence = unfit(facts, self._nodes) or self._cluster.objection(facts.name)
        if not sentence and (revoked := self._cluster.revoked()):
            await desk.revoke(revoked)
            sentence = unfit(facts, self._nodes)  # others have come meanwhile
        if not sentence:
            node = self._nodes[facts.name] = Node(address, desk, facts)
            return node
        self._trouble(facts.name, f"It is refused. {sentence}")
        await desk.refuse(sentence)
        return None

    def _announce(self) -> None:
        found = [one for node in self._nodes.values() for one in node.usable]
        self._tell(bridge.told_devices(tuple(found)))

    async def _members_changed(self) -> None:
        revoked = self._cluster.revoked()
        for name, node in list(self._nodes.items()):
            if sentence := self._cluster.objection(name):
                with contextlib.suppress(Exception):  # it is cut off all the same
                    await node.desk.refuse(sentence)
                await self._cluster.dismiss(node.address)
            else:
                self._call(node, node.desk.revoke(revoked))

    # -- the daemon's orders

    def _do(self, order: bridge.Order) -> None:
        if isinstance(order, bridge.Start):
            name, _, device = order.device.partition("/")
            node = self._nodes.get(name)
            self._seats[order.slot] = Seat(name, order.device)
            if node is None:
                self._end(order.slot, f"The node {name} is not in the studio.", away=True)
            else:
                self._call(node, node.desk.start(order.slot, device))
            return
        seat = self._seats.get(order.slot)
        node = self._nodes.get(seat.node) if seat is not None else None
        if seat is None or node is None:
            return  # it has ended; that is on its way to the daemon
        if isinstance(order, bridge.Kill):
            self._stop_moving(seat)
            self._call(node, node.desk.kill(order.slot))
        else:
            self._pass_on(node, order.slot, seat, order.command)

    def _pass_on(self, node: Node, slot: int, seat: Seat, command: Command) -> None:
        moving = seat.moving is not None and not seat.moving.done()
        if isinstance(command, Paint):
            seat.task, seat.behind = command, []
            seat.moving = asyncio.create_task(self._bring(node, slot, seat, command))
        elif moving and isinstance(command, Cancel) and seat.task is not None and not seat.told:
            self._stop_moving(seat)
            self._say(slot, Failed(seat.task.job, RemoteError("cancelled", "The job was cancelled.")))
        elif moving and not isinstance(command, End):
            seat.behind.append(command)
        else:
            self._call(node, node.desk.tell(slot, command))

    def _stop_moving(self, seat: Seat) -> None:
        if seat.moving is not None:
            seat.moving.cancel()
        seat.moving = None

    def _call(self, node: Node, made: Awaitable[Any]) -> None:
        """Call a desk without waiting; a node that does not do it is lost."""

        async def called() -> None:
            try:
                await made
            except Exception as error:  # noqa: BLE001 -- it is told, and the node is lost
                self._trouble(node.facts.name, f"It failed: {lines.reason(error)}.")
                await self._cluster.dismiss(node.address)

        task = asyncio.ensure_future(called())
        node.calls.add(task)
        task.add_done_callback(node.calls.discard)

    async def _bring(self, node: Node, slot: int, seat: Seat, task: Paint) -> None:
        """Have a node paint: first the pictures that it lacks, then the command, then those that came meanwhile."""
        name = node.facts.name
        try:
            for blob in await node.desk.missing(sorted(task.files)):
                size = await parcels.send(node.desk, name, blob, Path(task.files[blob]))
                self._tell(bridge.told_moved(size, name))
            seat.told = True  # from here on only the node itself can end it
            await node.desk.tell(slot, task)
            for command in seat.behind:
                await node.desk.tell(slot, command)
        except RemoteError as error:
            self._failed(node, slot, seat, Failed(task.job, error))
        except Exception as error:  # noqa: BLE001 -- a node that does not take them is lost
            self._trouble(name, f"It takes no pictures: {lines.reason(error)}.")
            await self._cluster.dismiss(node.address)
        finally:
            seat.behind, seat.told = [], False

    # -- what nodes say

    def _heard(self, node: Node, news: News) -> None:
        seat = self._seats.get(news.slot)
        if seat is None or seat.node != node.facts.name:
            return
        match news:
            case Exited(slot, reason, away):
                self._end(slot, reason, away=away)
            case Nonsense(slot, sentence):
                self._tell(bridge.told_nonsense(slot, sentence))
            case Said(slot, Ready(_, found)):
                same = (one for one in found if f"{node.facts.name}/{one.name}" == seat.device)
                self._say(slot, Ready(seat.device, (known_as(node.facts.name, next(same, DeviceFacts("cpu"))),)))
            case Said(slot, Failed() as failed):
                self._failed(node, slot, seat, failed)
            case Said(slot, Done() as done):
                seat.moving = asyncio.create_task(self._take(node, slot, seat, done))
            case Said(slot, event):
                self._say(slot, event)

    async def _take(self, node: Node, slot: int, seat: Seat, done: Done) -> None:
        """Bring a painting's pictures into the spool, and then say that it is done."""
        task = seat.task
        if task is None or task.job != done.job:
            return
        try:
            for image in (done.result.image, done.result.canvas):
                if image is not None:
                    size = await parcels.fetch(node.desk, node.facts.name, image, Path(task.out))
                    self._tell(bridge.told_moved(size, node.facts.name))
        except RemoteError as error:
            self._say(slot, Failed(done.job, error))
        except Exception as error:  # noqa: BLE001 -- a node that does not give them is lost
            self._trouble(node.facts.name, f"It gives no pictures: {lines.reason(error)}.")
            await self._cluster.dismiss(node.address)
        else:
            device = seat.device
            recipe = replace(done.result.recipe, device=task.recipe.device)
            self._say(slot, Done(done.job, replace(done.result, device=device, recipe=recipe)))

    def _failed(self, node: Node, slot: int, seat: Seat, failed: Failed) -> None:
        """A painting could not be. A disk that is full is its node's fault: others may have their turn, unless the
        painting was for that one.
        """
        task, name = seat.task, node.facts.name
        if failed.error.code != "disk_full" or task is None or task.job != failed.job:
            self._say(slot, failed)
            return
        self._trouble(name, failed.error.message)
        if task.recipe.device != "auto":
            self._say(slot, failed)
            return
        node.rests = True
        self._announce()  # first: nothing is to be started there again
        for one in [one for one, seat in self._seats.items() if seat.node == name]:
            self._call(node, node.desk.kill(one))
            self._end(one, failed.error.message, away=True)
        asyncio.get_running_loop().call_later(REST_S, functools.partial(self._rested, node))

    def _rested(self, node: Node) -> None:
        node.rests = False
        self._announce()

    def _trouble(self, node: str, sentence: str) -> None:
        lines.log(f"{node}: {sentence}" if node else sentence)
        self._tell(bridge.told_trouble(sentence, node))

    def _say(self, slot: int, event: Event) -> None:
        self._tell(bridge.told_event(slot, event))

    def _end(self, slot: int, reason: str, *, away: bool) -> None:
        """A slot's worker has ended: this is said exactly once for each start."""
        seat = self._seats.pop(slot, None)
        if seat is not None:
            self._stop_moving(seat)
            self._tell(bridge.told_exit(slot, reason, away=away))


def _write(told: queue.SimpleQueue[bytes]) -> None:
    """Thread: the daemon may be slow to read, and the loop must not wait for it."""
    with os.fdopen(os.dup(1), "wb", buffering=0) as events:
        os.dup2(2, 1)
        while view := memoryview(told.get()):
            while view:
                view = view[events.write(view) :]


def _read(loop: asyncio.AbstractEventLoop, frames: asyncio.Queue[bridge.Order | None]) -> None:
    """Thread: the end of stdin is the daemon's end, and this process's at the latest some seconds later."""
    with os.fdopen(os.dup(0), "rb") as stream:
        for body in pipe.bodies(stream):
            loop.call_soon_threadsafe(frames.put_nowait, bridge.parse_order(body))
    loop.call_soon_threadsafe(frames.put_nowait, None)
    threading.Event().wait(pipe.ALIVE_S)
    os._exit(0)


def _opened(home: Path) -> Studio:
    studio = read(home)
    if studio is None:
        raise RequestError("bad_field", "No studio was opened here: `vaporbrush studio open` does.")
    return studio


async def _serve(home: Path, elsewhere: Elsewhere | None) -> int:
    lines.configure()
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said here, in a sentence
    told: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    frames: asyncio.Queue[bridge.Order | None] = asyncio.Queue()
    writer = threading.Thread(target=_write, args=(told,), name="told", daemon=True)
    writer.start()
    threading.Thread(target=_read, args=(asyncio.get_running_loop(), frames), name="orders", daemon=True).start()
    try:
        await Head(home, elsewhere or _opened(home), told.put).run(frames)
    except (RequestError, LinkError, OSError) as error:
        lines.log(str(error))
        told.put(bridge.told_trouble(str(error)))
        told.put(b"")  # the writer ends, and with that the daemon ends this process
        await asyncio.to_thread(writer.join, TOLD_S)
        return 1
    return 0


def main() -> int:
    """Run as the daemon's bridge. Returns the exit status."""
    end_with_parent_even_if_stopped()
    home, *elsewhere = sys.argv[1:]
    return asyncio.run(_serve(Path(home), Elsewhere(*elsewhere) if elsewhere else None))


if __name__ == "__main__":
    sys.exit(main())
