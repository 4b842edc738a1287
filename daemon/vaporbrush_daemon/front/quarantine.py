"""Where the spool puts what it cannot trust: looked at by people, never read again, and bounded."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from vaporbrush_daemon import logs
from vaporbrush_daemon.files import delete
from vaporbrush_protocol.atomic import System

MAX_THINGS = 64
MAX_BYTES = 256 * 1024**2  # of which the newest thing may be more: it is the one that somebody wants to look at
MAX_NAME_BYTES = 100  # of the old name, so that the new one has room


class Quarantine:
    """One folder."""

    def __init__(self, folder: Path, system: System) -> None:
        self.folder, self._system = folder, system

    def take(self, path: Path, reason: str) -> None:
        """Move a file, a folder or whatever it is out of the way."""
        name = os.fsdecode(os.fsencode(path.name)[:MAX_NAME_BYTES])
        target = self.folder / f"{secrets.token_hex(4)}-{name}"
        try:
            make_folder(self.folder, self)
            self._system.rename(path, target)
            os.utime(target, follow_symlinks=False)  # now it came: what goes first is what came first
        except OSError as error:
            logs.event("not_quarantined", file=path, reason=reason, error=error.strerror or error)
            return
        logs.event("quarantined", file=path, to=target.name, reason=reason)
        self._trim()

    def _trim(self) -> None:
        found = sorted(((path.lstat(), path) for path in self.folder.iterdir()), key=lambda one: -one[0].st_mtime_ns)
        held = 0
        for number, (facts, path) in enumerate(found):
            held += facts.st_size
            if number and (number >= MAX_THINGS or held > MAX_BYTES):
                delete(path)


def make_folder(folder: Path, quarantine: Quarantine) -> None:
    """Make a private folder; what stands in its place and is none goes to quarantine. Raises `OSError`."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError:
        if folder == quarantine.folder:
            folder.rename(folder.with_name(f"{folder.name}-{secrets.token_hex(4)}"))
        else:
            quarantine.take(folder, "not a folder")
        folder.mkdir(mode=0o700, parents=True)
