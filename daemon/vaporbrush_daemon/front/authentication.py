"""Who may speak to the daemon: its tokens, and the ZAP handler (RFC 27) behind PLAIN.

Every socket that listens is behind it. Without a ZAP domain libzmq also accepts ZMTP 1.0, as which an HTTP request of
a web page can be parsed.
"""

from __future__ import annotations

import hmac
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import zmq

from vaporbrush_daemon import logs
from vaporbrush_daemon.guests import Guests
from vaporbrush_protocol.endpoint import GUEST, USERNAME, Connection, new_token

ADDRESS = "inproc://zeromq.zap.01"
DOMAIN = b"vaporbrush"
MIN_TOKEN = 32  # characters: 128 bits as hexadecimal digits
REFUSALS_S = 60.0  # between two lines about them
_FRAMES = 8  # version, request id, domain, address, identity, mechanism, username, password


@dataclass(frozen=True, slots=True)
class Tokens:
    """`current` opens every socket. `earlier` is the last daemon's and opens unix sockets only: a client may have read
    it before it connected to a socket on which the service manager listens, and which only then starts this daemon.
    """

    current: str
    earlier: str = ""


def tokens(last: Connection, *, exposed: bool, fresh: bool) -> Tokens:
    """The tokens of a daemon that starts, after the one that left this connection file.

    A token is kept, but for one that somebody may know: others could read it (`exposed`), it is short enough to be
    guessed, or it may have been sent over TCP to a program that took the port of a daemon that had ended.
    """
    if fresh or exposed or len(last.token) < MIN_TOKEN:
        return Tokens(new_token())
    if any(endpoint.startswith("tcp:") for endpoint in last.endpoints):
        return Tokens(new_token(), earlier=last.token)
    return Tokens(last.token)


class Refusals:
    """Counts who was refused, and logs it at most once a minute: whoever knocks without end fills no disk."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._next = 0.0

    def note(self, now: float, reason: str) -> None:
        """One more."""
        self._counts[reason] += 1
        self.tell(now)

    def tell(self, now: float) -> None:
        """Log what has not been logged, when it is time."""
        if now >= self._next and self._counts:
            self._next = now + REFUSALS_S
            for reason, count in self._counts.items():
                logs.event("connections_refused", reason=reason, count=count)
            self._counts.clear()


class ZapHandler:
    """Answers libzmq's questions about newcomers. Has to exist before the first socket binds."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        tokens: Tokens,
        guests: Guests,
        counters: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ADDRESS)
        self.refusals = Refusals()
        self._tokens, self._guests = tokens, guests
        self._counters, self._clock = counters, clock

    def serve(self) -> None:
        """Answer everything that was asked."""
        while self.socket.poll(0):
            frames = self.socket.recv_multipart()
            refusal = refused(frames, self._tokens, self._guests.token)
            if refusal:
                self._counters["connections_refused"] += 1
                self.refusals.note(self._clock(), refusal)
            code, text = (b"400", refusal.encode()) if refusal else (b"200", b"OK")
            request = frames[1] if len(frames) > 1 else b""
            user = b"" if refusal else guest_of(frames[6])
            self.socket.send_multipart([b"1.0", request, code, text, user, b""])

    def close(self) -> None:
        """Stop answering: nobody gets in any more."""
        self.socket.close()


def guest_of(username: bytes) -> bytes:
    """The guest's name in a user name; empty for the daemon's own user. It becomes the connection's `User-Id`."""
    return username.removeprefix(GUEST.encode()) if username.startswith(GUEST.encode()) else b""


def refused(frames: list[bytes], tokens: Tokens, guest_token: Callable[[str], str] = lambda _: "") -> str:
    """Why a newcomer is refused, from libzmq's question; empty where he is let in. `guest_token` gives the token of the
    guest of a name, or nothing.
    """
    if len(frames) != _FRAMES or frames[0] != b"1.0" or frames[5] != b"PLAIN":
        return "not PLAIN"
    address, username, password = frames[3].decode("latin-1"), frames[6], frames[7]
    uid = address.split(":")[1] if address.startswith("localhost:") else ""  # unix sockets: localhost:uid:gid:pid
    if uid and hasattr(os, "getuid") and uid not in (str(os.getuid()), "0"):
        return f"user {uid} is not ours"
    guest = guest_of(username)
    if guest:
        token = guest_token(guest.decode("latin-1"))
        return "" if token and hmac.compare_digest(password, token.encode()) else "no guest of ours"
    accepted = [tokens.current, tokens.earlier] if uid and tokens.earlier else [tokens.current]
    if username != USERNAME.encode() or not any(hmac.compare_digest(password, one.encode()) for one in accepted):
        return "wrong token"
    return ""
