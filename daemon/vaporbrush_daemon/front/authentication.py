"""Who may speak to the daemon: its tokens, and what PLAIN's password is compared with."""

from __future__ import annotations

import hmac
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from vaporbrush_daemon import logs
from vaporbrush_protocol.endpoint import GUEST, USERNAME, Connection, new_token

MIN_TOKEN = 32  # characters: 128 bits as hexadecimal digits
REFUSALS_S = 60.0  # between two lines about them


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


@dataclass(frozen=True, slots=True)
class Door:
    """Lets the daemon's own user in, and its guests, of whom `guest_token` gives the token; nothing for others."""

    tokens: Tokens
    guest_token: Callable[[str], str] = lambda _: ""

    def refusal(self, username: str, password: bytes, uid: int | None) -> str:
        """Why a newcomer is refused; empty where he is let in. `uid` is his user, where a unix socket tells."""
        if uid is not None and uid not in (os.getuid(), 0):
            return f"user {uid} is not ours"
        guest = guest_of(username)
        if guest:
            token = self.guest_token(guest)
            return "" if token and hmac.compare_digest(password, token.encode()) else "no guest of ours"
        known = [self.tokens.current]
        if uid is not None and self.tokens.earlier:
            known.append(self.tokens.earlier)
        # All are compared, so that the time tells nothing.
        right = [hmac.compare_digest(password, token.encode()) for token in known]
        return "" if username == USERNAME and any(right) else "wrong token"


def guest_of(username: str) -> str:
    """The guest's name in a user name; empty for the daemon's own user."""
    return username.removeprefix(GUEST) if username.startswith(GUEST) else ""
