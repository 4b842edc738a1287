"""The Dask cluster that a studio lives in: one that the bridge hosts itself, or one that is there already.

Of a cluster that others use too, only those workers are nodes of the studio that say so by a resource. The scheduler
there is nobody's to configure: what it would tell a plugin of our own is asked for again and again instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin

from vaporbrush_protocol.errors import LinkError, RequestError

from . import lines
from .members import FILE, HEAD, HEAD_URL, Elsewhere, Studio, read

LOOK_S = 0.5  # between two looks at who is in
CONNECT_S = 10.0  # to reach a scheduler, in all; a handshake over the sea takes one
AGAIN_S = 20.0  # until a worker that was not let in is asked again: it may have belonged to somebody else

Heard = Callable[[str], None]  # takes a worker's address


class Cluster(Protocol):
    """What the bridge needs of either."""

    client: Any  # Dask's

    async def dismiss(self, address: str) -> None:
        """Cut a node off."""

    def put_off(self, address: str) -> None:
        """A node is somebody else's: leave it alone for a while."""

    def objection(self, name: str) -> str:
        """Why nobody of this name is wanted, or nothing."""

    def revoked(self) -> str:
        """The list of removed certificates that nodes are to have, or nothing."""

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> str:
        """Tell who comes and goes, and call `changed` whenever somebody else may be wanted, until the cluster is gone.

        Returns what to say of that.
        """


class Membership(SchedulerPlugin):
    """Who comes and goes, as Dask's scheduler sees it."""

    name = "vaporbrush-membership"

    def __init__(self, came: Heard, left: Heard) -> None:
        self._came, self._left = came, left

    def add_worker(self, scheduler: object, worker: str) -> None:  # noqa: ARG002 -- Dask gives it
        """A node's process has joined."""
        self._came(worker)

    def remove_worker(self, scheduler: object, worker: str, **_: object) -> None:  # noqa: ARG002 -- likewise
        """It is gone, or has been silent for too long."""
        self._left(worker)


class Hosted:
    """Our own scheduler, with the members that the command line writes down."""

    def __init__(
        self, home: Path, studio: Studio, tls: lines.MutualTls, client: Any, scheduler: Any, came: Heard, left: Heard
    ) -> None:
        self.client, self._scheduler, self._came, self._left = client, scheduler, came, left
        self._home, self._studio, self._tls = home, studio, tls

    async def dismiss(self, address: str) -> None:
        """Cut a node off. (`retire_workers` would wait for somebody to take its desk over.)"""
        await self._scheduler.remove_worker(address, stimulus_id="vaporbrush-dismiss", expected=True, close=True)

    def put_off(self, address: str) -> None:
        """Nobody else is in a studio of our own."""

    def objection(self, name: str) -> str:
        """Only members are wanted."""
        if any(one.name == name and not one.removed for one in self._studio.nodes):
            return ""
        return f"The node {name} was removed from the studio."

    def revoked(self) -> str:
        """As the authority has signed it."""
        return (self._home / HEAD / "revoked.pem").read_text(encoding="ascii")

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> str:
        """See who comes and goes, and who was removed. It ends with this process only."""
        for address in list(self._scheduler.workers):  # who knocked before our own client was in
            self._came(address)
        self._scheduler.add_plugin(Membership(self._came, self._left))
        path, seen = self._home / HEAD / FILE, 0
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                stamp = path.stat().st_mtime_ns
                if stamp == seen:
                    continue
                studio = read(self._home)
            except (OSError, RequestError) as error:
                lines.log(f"the members cannot be read: {error}")
                continue
            seen = stamp
            if studio is not None:
                self._studio = studio
                self._tls.reload()
                await changed()


@asynccontextmanager
async def hosted(home: Path, studio: Studio, came: Heard, left: Heard) -> AsyncIterator[Cluster]:
    """Open the studio's port. Raises `OSError` where it cannot be had."""
    tls = lines.MutualTls.of(home / HEAD)
    scheduler = lines.QuietScheduler(
        protocol="tls", host=studio.address, port=studio.port, security=tls, dashboard=False
    )
    async with (
        scheduler,
        Client(scheduler.address, security=tls, asynchronous=True, direct_to_workers=True) as client,
    ):
        yield Hosted(home, studio, tls, client, scheduler, came, left)


class Existing:
    """Somebody else's scheduler, of which this process is a client."""

    def __init__(self, client: Any, url: str, came: Heard, left: Heard) -> None:
        self.client, self._url, self._came, self._left = client, url, came, left
        self._again: dict[str, float] = {}  # when a worker that was not let in is a new one again

    async def dismiss(self, address: str) -> None:
        """Have the scheduler forget a worker, and tell it to close."""
        self.put_off(address)
        with contextlib.suppress(OSError):  # then the scheduler is gone, which `look` notices
            await self.client.scheduler.unregister(address=address, stimulus_id="vaporbrush-dismiss", close=True)

    def put_off(self, address: str) -> None:
        """It counts as new when it is looked at again."""
        self._again[address] = asyncio.get_running_loop().time() + AGAIN_S

    def objection(self, name: str) -> str:  # noqa: ARG002 -- whoever has a certificate of that cluster is wanted
        """Whoever is in that cluster is wanted."""
        return ""

    def revoked(self) -> str:
        """That cluster has no such list."""
        return ""

    async def watch(self, changed: Callable[[], Awaitable[None]]) -> str:  # noqa: ARG002 -- nobody is removed from here
        """See who comes and goes, until the scheduler is gone."""
        known: set[str] = set()
        while True:
            try:
                told = await asyncio.wait_for(self.client.scheduler.identity(n_workers=-1), CONNECT_S)
            except (OSError, ValueError) as error:  # a time-out is an OSError, and a closed client a ValueError
                return f"The connection to the Dask scheduler at {self._url} has ended: {lines.reason(error)}."
            there = {address for address, one in told["workers"].items() if lines.NODE_RESOURCE in one["resources"]}
            now = asyncio.get_running_loop().time()
            self._again = {address: when for address, when in self._again.items() if when > now}
            there -= set(self._again)
            for address in sorted(known - there):
                self._left(address)
            for address in sorted(there - known):
                self._came(address)
            known = there
            await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def existing(elsewhere: Elsewhere, came: Heard, left: Heard) -> AsyncIterator[Cluster]:
    """Connect to a scheduler that is there already. Raises `RequestError`, `LinkError`."""
    tls = lines.MutualTls.elsewhere(elsewhere)
    await reached(elsewhere, tls)
    client = Client(elsewhere.url, security=tls, asynchronous=True, direct_to_workers=True, timeout=CONNECT_S)
    try:
        await client
    except (OSError, ValueError) as error:
        reason = lines.reason(error)
        raise LinkError("unreachable", f"{elsewhere.url} is no Dask scheduler that we understand: {reason}.") from error
    async with client:
        yield Existing(client, elsewhere.url, came, left)


async def reached(elsewhere: Elsewhere, tls: lines.MutualTls) -> None:
    """Knock at a scheduler's door, and say what is wrong more exactly than Dask, which tries on in silence.

    Raises `LinkError`.
    """
    url, found = elsewhere.url, HEAD_URL.fullmatch(elsewhere.url)
    assert found is not None  # the configuration was checked
    host, port = found["host"].strip("[]"), int(found["port"])
    context = tls.get_connection_args("client")["ssl_context"]
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=host)
            try:
                greeted = await reader.read(1)  # in TLS 1.3 a client hears only now that it is not wanted
            finally:
                writer.close()
    except ssl.SSLCertVerificationError as error:
        sentence = (
            f"What listens at {url} shows a certificate that {elsewhere.authority} (`studio_ca`) does not vouch for"
            f" ({error.verify_message})."
        )
    except ssl.SSLError as error:
        if "ALERT" in str(error.reason or error).upper() and "VERSION" not in str(error.reason or error).upper():
            sentence = (
                f"The Dask scheduler at {url} does not accept {elsewhere.certificate} (`studio_certificate`):"
                f" {lines.reason(error)}."
            )
        else:
            sentence = (
                f"What listens at {url} speaks no TLS 1.3 ({lines.reason(error)}): is it a Dask scheduler with TLS?"
            )
    except TimeoutError:
        sentence = f"Nothing answers at {url} within {CONNECT_S:.0f} s: is the Dask scheduler running there?"
    except OSError as error:
        sentence = f"Nothing can be reached at {url} (`studio_scheduler`): {error.strerror or error}."
    else:
        if greeted:
            return
        sentence = f"What listens at {url} hangs up at once: does it know the authority of {elsewhere.certificate}?"
    raise LinkError("unreachable", sentence)
