"""Mutated messages at the daemon's sockets, before and after authentication, raw and through libzmq, in one run."""

from __future__ import annotations

import itertools
import random
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq

from support.daemon import Daemon, bystander, serving
from support.strangers import answered
from torture.measure import GROWTH_BYTES, Bystander, Report, Sampler
from torture.mutate import damaged, mutated, seeds, wire
from vaporbrush_protocol import Connection
from vaporbrush_protocol.limits import MAX_FRAME_BYTES
from vaporbrush_protocol.zmtp import GREETING, Conversation

SHARES = {"raw, before login": 0.1, "raw, after login": 0.45, "libzmq": 0.45}
ROUNDS = 10  # all ways in turn, so that the last half of the run is like the first
WINDOW = 8  # requests ahead of their replies, as the protocol allows
PER_CONNECTION = 40  # messages on one raw connection, of which the last is damaged on the wire
PING_S = 0.25  # what a bystander's ping may take during the attack; ten times that is a failure
REPLY_S = 30.0
DESCRIPTORS = 8  # more than before: a bystander's connections come and go


def run(home: Path, count: int, seed: int) -> Report:
    """Send `count` of them and report."""
    report = Report(f"mutated messages ({count:,}, seed {seed})")
    with serving(home, listen_tcp=True) as daemon, bystander(daemon), Bystander(home) as pings:
        attack = Attack(daemon, random.Random(seed))
        with Sampler(lambda: daemon.pid, lambda: attack.sent) as sampler:
            ways = {"raw, before login": attack.strangers, "raw, after login": attack.raw, "libzmq": attack.libzmq}
            sent, seconds = Counter[str](), Counter[str]()
            for name in list(SHARES) * ROUNDS:
                began, before = time.monotonic(), attack.sent
                ways[name](round(count * SHARES[name] / ROUNDS))
                sent[name] += attack.sent - before
                seconds[name] += time.monotonic() - began
            for name, number in sent.items():
                report.say(f"{number:>9,} {name}: {seconds[name]:.0f} s")
        log = "".join(path.read_text(errors="replace") for path in (home / "logs").iterdir())
        report.say(f"{log.count('Traceback')} tracebacks in the log", holds="Traceback" not in log)
        report.say(f"{attack.leaks} replies to strangers", holds=not attack.leaks)
        report.say(f"{attack.silent} messages through libzmq without their one reply", holds=not attack.silent)
        slowest = max(pings.seconds, default=float("inf"))
        report.say(
            f"a bystander's ping: median {pings.at(0.5) * 1e3:.1f} ms, p99 {pings.at(0.99) * 1e3:.0f}, "
            f"max {slowest * 1e3:.0f} (wanted: under {PING_S * 1e3:.0f}; {pings.lost} of {len(pings.seconds)} lost)",
            holds=slowest < 10 * PING_S and not pings.lost,
        )
        growth = sampler.growth()
        report.say(
            f"resident memory {sampler.memory[0][1] / 1e6:.1f} → {sampler.memory[-1][1] / 1e6:.1f} MB; last half: "
            f"{growth.value:+.2f} ± {growth.error:.2f} bytes a message",
            holds=growth.flat(GROWTH_BYTES / (attack.sent / 2)),
        )
        files = sampler.descriptors
        report.say(
            f"descriptors {files[0]} → {files[-1]}, at most {max(files)}", holds=files[-1] <= files[0] + DESCRIPTORS
        )
    return report


class Attack:
    """Three ways to send them. `sent` counts."""

    def __init__(self, daemon: Daemon, dice: random.Random) -> None:
        self.connection = Connection.read(daemon.home)
        self.dice = dice
        self.pool = seeds()
        self.sent = 0
        self.leaks = 0  # replies to somebody without the token
        self.silent = 0  # messages that libzmq delivered and nobody answered

    def strangers(self, count: int) -> None:
        """Connections without the token: greeting, login and requests, any of it damaged."""
        login = _command(b"HELLO", b"\x0avaporbrush\x05wrong")
        initiate = _command(b"INITIATE", b"\x0bSocket-Type\x00\x00\x00\x06DEALER")
        for endpoint in itertools.islice(itertools.cycle(self.connection.endpoints), count):
            parts = [GREETING, login, initiate, wire(mutated(self.dice, self.pool))]
            at = self.dice.randrange(len(parts))
            parts[at] = damaged(self.dice, parts[at])
            with connected(endpoint) as plain:
                answer = answered(plain, b"".join(parts))
            self.leaks += b"VPBR/1" in answer
            self.sent += 1

    def raw(self, count: int) -> None:
        """Logged in over a plain socket: damaged messages, and at last one that is damaged on the wire."""
        until = self.sent + count
        endpoints = itertools.cycle(self.connection.endpoints)
        while self.sent < until:
            with connected(next(endpoints)) as plain:
                if not _logged_in(plain, self.connection.token):
                    self.silent += 1
                    return
                for _ in range(PER_CONNECTION - 1):
                    if not _sent(plain, wire(mutated(self.dice, self.pool))):
                        break
                    self.sent += 1
                _sent(plain, damaged(self.dice, wire(mutated(self.dice, self.pool))))
                self.sent += 1

    def libzmq(self, count: int) -> None:
        """Through libzmq's own client: each message gets exactly one reply."""
        with zmq.Context() as context:
            for endpoint in self.connection.endpoints:
                with context.socket(zmq.DEALER) as dealer:
                    dealer.linger = 0
                    dealer.plain_username = b"vaporbrush"
                    dealer.plain_password = self.connection.token.encode()
                    dealer.connect(endpoint)
                    self._converse(dealer, count // len(self.connection.endpoints))

    def _converse(self, dealer: zmq.Socket[bytes], count: int) -> None:
        ahead = 0
        for number in range(count):
            frames = mutated(self.dice, self.pool)
            if sum(map(len, frames)) > MAX_FRAME_BYTES:
                continue
            dealer.send_multipart(frames)
            self.sent += 1
            ahead += 1
            while ahead >= WINDOW or (number == count - 1 and ahead):
                if not dealer.poll(REPLY_S * 1e3):
                    self.silent += ahead
                    return
                dealer.recv_multipart()
                ahead -= 1


@contextmanager
def connected(endpoint: str) -> Iterator[socket.socket]:
    """A plain socket to an endpoint."""
    kind, _, address = endpoint.partition("://")
    plain = socket.socket(socket.AF_UNIX if kind == "ipc" else socket.AF_INET)
    plain.settimeout(5)
    target: str | tuple[str, int] = address
    if kind == "tcp":
        host, _, port = address.rpartition(":")
        target = (host, int(port))
    try:
        _patiently(lambda: plain.connect(target))
        yield plain
    finally:
        plain.close()


def _patiently(connect: Callable[[], None]) -> None:
    """A backlog that is full refuses; it is the daemon that has to keep up, in the end."""
    deadline = time.monotonic() + REPLY_S
    while True:
        try:
            return connect()
        except (BlockingIOError, ConnectionRefusedError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)


def _command(name: bytes, data: bytes) -> bytes:
    body = bytes([len(name)]) + name + data
    return bytes([4, len(body)]) + body


def _sent(plain: socket.socket, data: bytes) -> bool:
    """Send, and take away what has come back. False once the other side has had enough."""
    try:
        plain.sendall(data)
        while select.select([plain], [], [], 0)[0]:
            if not plain.recv(65536):
                return False
    except OSError:  # cut off, or nothing more is taken
        return False
    return True


def _logged_in(plain: socket.socket, token: str) -> bool:
    """The handshake, by the client's own code."""
    conversation = Conversation(token)
    while not conversation.ready:
        plain.sendall(bytes(conversation.outgoing))
        conversation.outgoing.clear()
        count = plain.recv_into(conversation.space())
        if not count:
            return False
        conversation.filled(count)
    plain.sendall(bytes(conversation.outgoing))
    return True
