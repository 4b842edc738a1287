"""The guests: who else may paint on this machine, each by a name and a token of its own.

`guests.json` in the home (mode 0600) has them. The daemon looks at it whenever a guest knocks or asks something, so
that one who is removed is out at once; the tokens are random, and open the daemon only together with the guest's name.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock

from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.endpoint import new_token
from vaporbrush_protocol.private import objection

FILE = "guests.json"
MAX_FILE_BYTES = 1024**2  # some thousand guests
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # goes into command lines, logs and file names


class GuestError(Exception):
    """The guests cannot be read or changed; the sentence says why and what to do."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody who may paint here. `added` is a date and time in ISO 8601."""

    name: str
    token: str
    added: str

    def __repr__(self) -> str:
        return f"Guest({self.name}, since {self.added})"  # never the token


class Guests:
    """Those of one home, as they are now."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._read_at: tuple[int, ...] | None = None  # what the file looked like when it was read
        self._guests: dict[str, Guest] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._now()

    def token(self, name: str) -> str:
        """The guest's token; empty where there is no such guest."""
        guest = self._now().get(name)
        return "" if guest is None else guest.token

    def all(self) -> list[Guest]:
        """Every guest, by name. Raises `GuestError` for a file that cannot be used."""
        self._refresh()
        return sorted(self._guests.values(), key=lambda guest: guest.name)

    def add(self, name: str, now: datetime) -> Guest:
        """Let somebody in; a guest of this name stays as it is. Raises `GuestError`."""
        if not NAME.fullmatch(name):
            problem = _(
                "{name!r} is no name for a guest: take letters, digits, dots and dashes, at most 64, such as"
                " laptop-of-anna."
            )
            raise GuestError(problem.format(name=name))
        with self._alone():
            self._refresh()
            guest = self._guests.get(name) or Guest(name, new_token(), now.isoformat(timespec="seconds"))
            self._write({**self._guests, name: guest})
        return guest

    def remove(self, name: str) -> bool:
        """Let a guest in no more. Returns whether there was one of this name. Raises `GuestError`."""
        with self._alone():
            self._refresh()
            if name not in self._guests:
                return False
            self._write({each: guest for each, guest in self._guests.items() if each != name})
        return True

    def _now(self) -> dict[str, Guest]:
        """The guests, or nobody, where the file is not to be trusted."""
        try:
            self._refresh()
        except GuestError:  # as above
            return {}
        return self._guests

    def _refresh(self) -> None:
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            self._read_at, self._guests = None, {}
            return
        except OSError as error:
            raise GuestError(self._unusable(_("{file} cannot be read: {reason}."), error)) from error
        stamp = (facts.st_mtime_ns, facts.st_ino, facts.st_size, facts.st_mode, facts.st_uid)
        if stamp == self._read_at:
            return
        self._read_at, self._guests = None, {}
        self._guests = self._read()
        self._read_at = stamp

    def _read(self) -> dict[str, Guest]:
        try:
            with self._path.open("rb") as file:
                if problem := objection(self._path.parent) or objection(self._path, os.fstat(file.fileno())):
                    raise GuestError(problem)
                raw = json.loads(file.read(MAX_FILE_BYTES))
            guests = [Guest(**one) for one in raw["guests"]]
        except OSError as error:
            raise GuestError(self._unusable(_("{file} cannot be read: {reason}."), error)) from error
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise GuestError(self._damaged()) from error
        for guest in guests:
            texts = all(isinstance(one, str) for one in (guest.name, guest.token, guest.added))
            if not texts or not NAME.fullmatch(guest.name) or len(guest.token) < len(new_token()):
                raise GuestError(self._damaged())
        return {guest.name: guest for guest in guests}

    def _write(self, guests: dict[str, Guest]) -> None:
        body = json.dumps({"guests": [asdict(guest) for guest in guests.values()]}, indent=1) + "\n"
        try:
            atomic.write(self._path, body.encode(), mode=0o600, durable=True)
        except OSError as error:
            raise GuestError(self._unusable(_("{file} cannot be written: {reason}."), error)) from error

    def _unusable(self, sentence: str, error: OSError) -> str:
        return sentence.format(file=self._path, reason=error.strerror or error)

    def _damaged(self) -> str:
        return _("{file} is damaged. Delete it and add the guests again.").format(file=self._path)

    def _alone(self) -> FileLock:
        """Two commands at once must not lose a guest."""
        return FileLock(self._path.with_suffix(".lock"), mode=0o600, timeout=10)
