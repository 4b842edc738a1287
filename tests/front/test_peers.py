"""Real sockets, and a clock that only the test moves: who is let go, and who is not."""

from __future__ import annotations

import contextlib
import select
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from support.clock import Clock
from vaporbrush_daemon.front.authentication import Door, Tokens
from vaporbrush_daemon.front.peers import HANDSHAKE_S, STALLED_S, Peers
from vaporbrush_protocol.zmtp import Conversation, framed

TOKEN = "0123456789abcdef" * 2
LARGE = bytes(4 << 20)  # more than any socket takes at once


class Front:
    """The daemon's side: a unix socket, and turns of its loop."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = str(folder / "s")
        self.clock = clock
        self._poller = zmq.Poller()
        self.peers = Peers(self._poller, Door(Tokens(TOKEN)), Counter(), clock)
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self.path)
        listening.listen()
        self.peers.listen(listening)

    def turn(self) -> list[bytes]:
        """Serve what is ready. Returns who has sent a message."""
        return [peer.name for peer, _ in self.peers.receive(dict(self._poller.poll(50)))]

    @contextlib.contextmanager
    def client(self) -> Iterator[tuple[socket.socket, bytes]]:
        """A client that has logged in and sent a message, and its name."""
        talk = Conversation(TOKEN)
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(self.path)
            plain.setblocking(False)
            while not talk.ready:
                plain.sendall(bytes(talk.outgoing))
                talk.outgoing.clear()
                self.turn()
                if readable(plain):
                    talk.filled(plain.recv_into(talk.space()))
            plain.sendall(bytes(talk.outgoing) + b"".join(bytes(piece) for piece in framed([b"?"])))
            while not (names := self.turn()):
                pass
            yield plain, names[0]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    front = Front(tmp_path, Clock())
    yield front
    front.peers.close(0)


def readable(plain: socket.socket) -> bool:
    """Whether something is there, the end of the connection included."""
    return bool(select.select([plain], [], [], 0)[0])


def read(plain: socket.socket) -> int:
    """How many bytes are there; -1 where there are none and the connection has ended."""
    count = 0
    while readable(plain):
        piece = plain.recv(1 << 20)
        if not piece:
            return count or -1
        count += len(piece)
    return count


def test_a_client_that_takes_nothing_of_its_reply_for_two_minutes_is_let_go(front: Front) -> None:
    with front.client() as (plain, name):
        assert front.peers.send(name, [LARGE])
        front.peers.sweep(front.clock.pass_(STALLED_S))
        assert front.peers.departed == [], "it has the whole of its time"
        front.peers.sweep(front.clock.pass_(1))
        assert front.peers.departed == [name]
        assert not front.peers.send(name, [b"more"]), "what it is sent now goes nowhere"
        assert 0 < read(plain) < len(LARGE)
        assert read(plain) == -1


def test_a_client_that_reads_slowly_is_kept_until_it_has_everything(front: Front) -> None:
    with front.client() as (plain, name):
        front.peers.send(name, [LARGE])
        taken = 0
        while taken < len(LARGE):
            taken += read(plain)
            front.turn()
            front.peers.sweep(front.clock.pass_(STALLED_S - 1))
        assert front.peers.departed == []


def test_a_client_that_was_quiet_for_hours_has_all_its_time_for_a_reply(front: Front) -> None:
    with front.client() as (_, name):
        front.peers.sweep(front.clock.pass_(10 * 3600.0))
        assert front.peers.departed == [], "it waits for nothing"
        front.peers.send(name, [LARGE])
        front.peers.sweep(front.clock.pass_(STALLED_S / 2))
        assert front.peers.departed == []


def test_one_that_connects_and_says_nothing_goes_after_the_time_of_a_handshake(front: Front) -> None:
    with socket.socket(socket.AF_UNIX) as plain, front.client() as (_, name):
        plain.connect(front.path)
        front.turn()
        front.peers.sweep(front.clock.pass_(HANDSHAKE_S))
        assert front.peers.departed == []
        front.peers.sweep(front.clock.pass_(0.1))
        assert len(front.peers.departed) == 1
        assert front.peers.departed != [name], "who has logged in stays"
        plain.setblocking(False)
        assert read(plain) > 0, "the greeting"
        assert read(plain) == -1
