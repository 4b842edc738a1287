"""Clients that never read, and messages that never end. Everybody else is served as before."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from support import fake_worker as fake
from support.daemon import Daemon, bystander, recipe, running, serving, until
from torture.measure import Bystander
from vaporbrush_protocol import Connection, codec
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES, MAX_OUTSTANDING
from vaporbrush_protocol.zmtp import Conversation, framed

PING_S = 0.25  # a bystander's ping during an attack; ten times that is a failure
KEPT_BYTES = 10e6  # resident memory that may be left when the attacker is gone
MORE = b"\x01"  # the flag of a frame that others follow


@pytest.fixture
def daemon(home: Path) -> Iterator[Daemon]:
    with serving(home, devices=["cpu", "cuda:0"]) as daemon:  # one paints for the attacker
        yield daemon


@contextlib.contextmanager
def logged_in(daemon: Daemon) -> Iterator[socket.socket]:
    """A plain socket with the token, that reads only what the handshake needs."""
    connection = Connection.read(daemon.home)
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(20)
        plain.connect(connection.endpoints[0].removeprefix("ipc://"))
        conversation = Conversation(connection.token)
        while not conversation.ready:
            plain.sendall(bytes(conversation.outgoing))
            conversation.outgoing.clear()
            conversation.filled(plain.recv_into(conversation.space()))
        plain.sendall(bytes(conversation.outgoing))
        yield plain


@contextlib.contextmanager
def unharmed(daemon: Daemon) -> Iterator[Callable[[], int]]:
    """During what happens inside, a bystander's pings are answered; after it, memory is as it was. Gives a function
    that says how many bytes more than before the daemon holds.
    """
    process = psutil.Process(daemon.pid)
    with bystander(daemon):
        before = process.memory_info().rss
        with Bystander(daemon.home) as pings:
            until(lambda: pings.seconds, "the bystander is served")
            yield lambda: process.memory_info().rss - before
            heard = len(pings.seconds)
            until(lambda: len(pings.seconds) > heard + 2, "the bystander is still served")
        slowest = max(pings.seconds)
        with daemon.client() as client:
            until(lambda: client.ping() < PING_S, "the daemon has time again")
        kept = until(
            lambda: (left := process.memory_info().rss - before) < KEPT_BYTES and max(left, 1),
            f"memory comes back ({(process.memory_info().rss - before) / 1e6:.0f} MB more than before)",
        )
        print(f"\n  the slowest ping took {slowest * 1e3:.0f} ms; {kept / 1e6:.1f} MB more than before")
        assert slowest < 10 * PING_S
        assert not pings.lost


def request(number: int, **fields: object) -> bytes:
    return b"".join(bytes(piece) for piece in framed(list(codec.encode({"id": number, **fields}))))


def test_a_client_that_never_reads_its_previews_costs_the_others_nothing(daemon: Daemon) -> None:
    """It asks for previews as often as it may, and takes no reply from its socket."""
    with daemon.client() as client:
        job = running(client, client.submit(recipe(client, fake.ENDLESS, device="cpu"), lease_s=60.0))
        with unharmed(daemon), logged_in(daemon) as plain:
            plain.settimeout(1)
            fields = {"request": "watch", "job": job.job, "seen": 0, "wait_s": 0.0, "preview_side": 512}
            deadline = time.monotonic() + 5
            number = 0
            try:
                while time.monotonic() < deadline:
                    plain.sendall(request(number, **fields))
                    number += 1
            except TimeoutError:
                pass  # the daemon takes no more of it: that is how it should be
            assert number > 10 * MAX_OUTSTANDING
        client.cancel(job.job)


@pytest.mark.parametrize("size", [0, 1, 65_536], ids=["empty", "small", "large"])
def test_a_message_without_an_end_is_dropped_and_not_kept(daemon: Daemon, size: int) -> None:
    frame = MORE + bytes([size]) + bytes(size) if size < 256 else b"\x03" + size.to_bytes(8, "big") + bytes(size)
    pieces = frame * max(1, 65_536 // len(frame))
    with unharmed(daemon), logged_in(daemon) as plain:
        sent = 0
        try:
            while sent < 64 << 20 and sent // len(frame) < 4_000_000:
                plain.sendall(pieces)
                sent += len(pieces)
        except OSError:
            pass  # cut off, or not taken any more
        assert sent > 0


def test_one_message_of_two_million_empty_frames_holds_nobody_up(daemon: Daemon) -> None:
    """libzmq kept it all, and then served nobody else for 5.3 s while the daemon took it frame by frame."""
    with unharmed(daemon), logged_in(daemon) as plain:
        try:
            plain.sendall((MORE + b"\0") * 2_000_000 + b"\0\0")
            while plain.recv(65_536):
                pass
        except OSError:
            pass  # cut off while it still sends, or it waits in vain: `gone` tells which
        assert gone(plain)


def test_a_client_that_fetches_without_reading_costs_little_memory(daemon: Daemon) -> None:
    """A hundred requests of a megabyte each fit into one packet."""
    with daemon.client() as client:
        blob = client.upload(os.urandom(MAX_CHUNK_BYTES))
        fields = {"request": "get", "blob": blob, "offset": 0, "size": MAX_CHUNK_BYTES}
        with unharmed(daemon) as most, logged_in(daemon) as plain:
            plain.settimeout(1)
            with contextlib.suppress(TimeoutError):  # the daemon takes no more of it
                # together: what a socket takes of small pieces depends on the system
                for number in range(0, 2000, 200):
                    plain.sendall(b"".join(request(number + one, **fields) for one in range(200)))
            assert number > 100
            assert most() < 40e6


def gone(plain: socket.socket) -> bool:
    """Whether the daemon has closed this connection."""
    try:
        plain.sendall(MORE + b"\0")
        return not plain.recv(1)
    except TimeoutError:  # it is open, and silent
        return False
    except OSError:  # it is closed at the other end
        return True
