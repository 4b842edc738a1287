"""How old things in the spool are, in hours that this machine ran: to which no clock that jumps can add."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from vaporbrush_daemon import logs, machine
from vaporbrush_daemon.files import read_plain
from vaporbrush_protocol import atomic

MAX_BYTES = 200  # of one line with two times, a UUID and a hash
KEEP_S = 60.0  # what a crash may add to no age


class Age:
    """A clock that begins at the wall clock's time when it first runs, and from then on only goes forward with the
    machine. Files carry its time as their time of change. `keep` writes it down.
    """

    def __init__(
        self,
        file: Path,
        wall: Callable[[], float] = time.time,
        up: Callable[[], tuple[str, float]] = machine.uptime,
    ) -> None:
        self._file, self._wall, self._up = file, wall, up
        self._kept: float | None = None
        self._zero = 0.0  # what this clock shows, less the loop's monotonic seconds

    def open(self, now: float) -> bool:
        """Go on where an earlier process stopped. Returns whether that is known; if not, nothing is old yet."""
        boot, up = self._up()
        kept = self._read()
        if kept is None:
            self._zero = self._wall() - now
            return False
        shown, then_boot, then_up = kept
        self._zero = shown + (max(0.0, up - then_up) if boot and boot == then_boot else 0.0) - now
        return True

    def stamp(self, path: Path, now: float) -> None:
        """Mark a file as used now. One that has gone meanwhile is missed by whoever wants it."""
        try:
            os.utime(path, (self._zero + now,) * 2, follow_symlinks=False)
        except OSError as error:
            logs.event("file_not_stamped", file=path, reason=error.strerror or str(error))

    def used(self, changed: float, now: float) -> float:
        """The monotonic time at which a file of this time of change was last used."""
        return now - max(0.0, self._zero + now - changed)

    def keep(self, now: float) -> None:
        """Write the time down, for the next process; not more often than needed."""
        if self._kept is not None and now < self._kept + KEEP_S:
            return
        self._kept = now
        boot, up = self._up()
        line = f"{self._zero + now:.0f} {boot or '-'} {up:.0f}"
        try:
            atomic.write(self._file, f"{line} {_check(line)}\n".encode(), mode=0o600)
        except OSError as error:
            logs.event("age_not_kept", file=self._file, reason=error.strerror or str(error))

    def _read(self) -> tuple[float, str, float] | None:
        try:
            line, _, check = read_plain(self._file, MAX_BYTES).decode("ascii").rstrip("\n").rpartition(" ")
            shown, boot, up = line.split(" ")
            return (float(shown), boot, float(up)) if check == _check(line) else None
        except (OSError, ValueError):  # none yet, or damaged: nothing is known of before
            return None


def _check(line: str) -> str:
    """A flipped bit in the time would make everything old."""
    return hashlib.sha256(line.encode()).hexdigest()[:16]
