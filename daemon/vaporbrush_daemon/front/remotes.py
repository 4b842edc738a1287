"""The other machines as `remotes.json` has them now: whoever adds one need not restart the daemon."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vaporbrush_daemon import logs
from vaporbrush_daemon.remotes import book
from vaporbrush_daemon.remotes.book import Remote
from vaporbrush_protocol.errors import RequestError

Stamp = tuple[int, ...] | None


class Remotes:
    """Those of one home. `tell` gets their names when they have changed."""

    def __init__(self, home: Path, tell: Callable[[tuple[str, ...]], None]) -> None:
        self._home, self._tell = home, tell
        self._read_at: Stamp = None
        self.known: tuple[Remote, ...] = ()

    def refresh(self) -> None:
        """Look at the file; where it has changed, say so. One that cannot be used counts as empty."""
        stamp = self._stamp()
        if stamp == self._read_at:
            return
        self._read_at = stamp
        try:
            self.known = tuple(book.read(self._home))
        except RequestError as error:
            logs.event("remotes_not_read", reason=error.message)
            self.known = ()
        self._tell(tuple(one.name for one in self.known))

    def _stamp(self) -> Stamp:
        try:
            facts = (self._home / book.FILE).stat()
        except OSError:  # none was added
            return None
        return facts.st_mtime_ns, facts.st_ino, facts.st_size, facts.st_mode
