"""A node of a studio: joins its head, paints what that gives it, and joins again whenever the connection ends.

Before it joins, its worker program says once which devices there are. What it then runs is Dask's worker, with one port
in mutual TLS; the head does the rest through the `desk`.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import zmq
from distributed.comm import get_address_host
from distributed.utils import get_ip
from filelock import FileLock, Timeout

from vaporbrush_daemon.config import Config
from vaporbrush_daemon.texts import _
from vaporbrush_daemon.workers.messages import DeviceFacts, End, Ready
from vaporbrush_daemon.workers.pool import Exited, Pool, Said
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.private import make_folder
from vaporbrush_protocol.version import __version__

from . import lines
from .authority import AUTHORITY, CERTIFICATE, REVOKED
from .desk import ROOMS, NodeFacts, Room
from .members import INVITATION, NODE, Elsewhere, Invitation, checked_name, keep
from .store import Store

PROBE_S = 300.0  # torch's first import, on a cold disk
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # between attempts to join
JOIN_S = 20.0  # that one attempt may take
SLOT = 1  # of the one worker that tells the devices


class RefusedError(Exception):
    """The head does not want this node; the sentence says why."""


def devices(config: Config) -> tuple[DeviceFacts, ...]:
    """This machine's, as its worker program finds them: those configured, or the accelerators, or the processor.

    Raises `LinkError` where that does not start.
    """
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    pool = Pool(context, config)
    try:
        pool.start(SLOT, config.devices[0] if config.devices else "auto")
        give_up = time.monotonic() + PROBE_S
        while time.monotonic() < give_up:
            pool.socket.poll(1000)
            for news in pool.receive():
                match news:
                    case Said(_, Ready(_, found)):
                        pool.send(SLOT, End())
                        return _to_paint_on(found, config.devices)
                    case Exited(_, reason):
                        problem = _("The painter does not start here: {reason}.").format(reason=reason)
                        raise LinkError("worker_crashed", problem)
        problem = _("The painter did not start within {seconds} s.").format(seconds=f"{PROBE_S:.0f}")
        raise LinkError("worker_crashed", problem)
    finally:
        pool.close()
        context.term()


def _to_paint_on(found: tuple[DeviceFacts, ...], configured: tuple[str, ...]) -> tuple[DeviceFacts, ...]:
    if configured:
        known = {one.name: one for one in found}
        return tuple(known.get(name, DeviceFacts(name)) for name in configured)
    return tuple(one for one in found if one.name != "cpu") or found


class Node:
    """One machine's membership: by an invitation to a studio, or by its name in a cluster that is there already. `say`
    gets a line for people whenever something changes.

    Raises `RequestError` for certificates that cannot be used.
    """

    def __init__(self, config: Config, place: Invitation | Elsewhere, name: str, say: Callable[[str], None]) -> None:
        self._config, self._name, self._say = config, name, say
        self._folder = config.home / NODE
        if isinstance(place, Elsewhere):
            self._head, self._tls = place.url, lines.MutualTls.elsewhere(place)
        else:
            self._head, self._tls = place.head, lines.MutualTls.of(self._folder)
        self._refused = ""

    async def run(self) -> None:
        """Until cancelled. Raises `RefusedError`, `LinkError`."""
        lines.configure()
        logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said here, in a sentence
        facts = NodeFacts(self._name, __version__, devices(self._config))
        store = Store(self._folder, self._config.spool_bytes)
        room = furnished(self._config, facts, store, self._revoke, self._refuse)
        pauses = list(PAUSES_S)
        try:
            while not self._refused:
                joined = await self._member()
                room.close()
                pauses = list(PAUSES_S) if joined else pauses
                if not self._refused:
                    await asyncio.sleep(pauses.pop(0) if len(pauses) > 1 else pauses[0])
        finally:
            room.close()
        raise RefusedError(self._refused)

    async def _member(self) -> bool:
        """Join, and stay as long as the connection lasts. Returns whether it did join."""
        name, head = self._name, self._head
        worker = lines.QuietWorker(
            head,
            name=name,
            nthreads=1,
            host=self._host(),
            protocol="tls",
            security=self._tls,
            memory_limit=0,
            dashboard=False,
            local_directory=str(self._folder / "dask"),
            death_timeout=JOIN_S,
            resources={lines.NODE_RESOURCE: 1},
        )
        try:
            async with asyncio.timeout(JOIN_S):  # `wait_for` may lose a Ctrl-C that comes as the worker is in
                await worker
        except (OSError, TimeoutError, ValueError, RuntimeError) as error:
            told = _("The head at {url} does not let {name} in: {reason}. It is tried again.")
            self._say(told.format(url=head, name=name, reason=lines.reason(error)))
            await worker.close(reason="not joined")
            return False
        told = _("{name} is in the studio of {url}: {devices}.")
        self._say(told.format(name=name, url=head, devices=", ".join(map(_shown, ROOMS[0].facts.devices))))
        await worker.finished()
        if not self._refused:
            told = _("The connection to {url} has ended. What was painted here is painted elsewhere.")
            self._say(told.format(url=head))
        return True

    def _host(self) -> str:
        """Where this node listens: at the address from which it reaches the head, and at no other."""
        return str(get_ip(get_address_host(self._head)))

    def _revoke(self, revoked: str) -> None:
        keep(self._config.home, NODE / REVOKED, revoked)
        self._tls.reload()

    def _refuse(self, sentence: str) -> None:
        self._refused = sentence


def furnished(
    config: Config,
    facts: NodeFacts,
    store: Store,
    revoke: Callable[[str], None],
    refuse: Callable[[str], None],
) -> Room:
    """Make what this process's desks need. No other process may have the same store."""

    @functools.cache
    def context() -> zmq.Context[zmq.Socket[bytes]]:
        return zmq.Context()  # with the first desk: before, nothing would end it

    room = Room(facts, store, lambda: Pool(context(), config), revoke, refuse)
    ROOMS[:] = [room]
    return room


def own_name(asked: str = "") -> str:
    """By which a machine without an invitation is known: as asked for, or its own name."""
    name = asked or socket.gethostname().split(".")[0]
    return checked_name(name)


def _shown(one: DeviceFacts) -> str:
    return f"{one.name} ({one.title})" if one.title else one.name


def only_one(home: Path) -> FileLock:
    """Hold this machine's place as a node. Raises `LinkError` where another process has it."""
    make_folder(home / NODE)
    lock = FileLock(home / NODE / "lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        problem = _("This machine is a node already: another `vaporbrush studio join` runs.")
        raise LinkError("busy", problem) from None
    return lock


def store_invitation(home: Path, invitation: Invitation) -> None:
    """Become what it says. Raises `RequestError`."""
    keep(home, NODE / AUTHORITY, invitation.authority)
    keep(home, NODE / CERTIFICATE, invitation.certificate)
    keep(home, NODE / REVOKED, invitation.revoked)
    keep(home, NODE / INVITATION, invitation.to_json())


def run(config: Config, place: Invitation | Elsewhere, name: str, say: Callable[[str], None]) -> None:
    """Be a node until interrupted. Raises `RefusedError`, `LinkError`, `RequestError`."""
    os.umask(0o077)
    asyncio.run(Node(config, place, name, say).run())
