"""The pictures that a node has, by sha256, so that only what is missing travels: a folder with a budget.

A picture arrives in pieces beside its place, and gets there only whole and with the right sum. What was used longest
ago goes first where there is not enough room; what a painting reads just now stays.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from vaporbrush_protocol.private import make_folder

PIECE_BYTES = 4 * 1024**2  # that travel at once


class SumError(Exception):
    """What arrived is not what was announced."""


class Store:
    """One folder. Raises `OSError` where the disk does not do it."""

    def __init__(self, folder: Path, budget: int) -> None:
        """`budget`: bytes that it may hold."""
        self._blobs, self._work, self._budget = folder / "blobs", folder / "work", budget
        make_folder(folder)
        for one in (self._work, self._blobs / "coming"):  # of a process that is gone
            shutil.rmtree(one, ignore_errors=True)
        make_folder(self._blobs)
        make_folder(self._blobs / "coming")
        make_folder(self._work)

    def path(self, blob: str) -> Path:
        """Where a picture is, or would be."""
        return self._blobs / blob

    def missing(self, blobs: Iterable[str]) -> list[str]:
        """Those that have to be sent. The others count as used now."""
        lacking = []
        for blob in blobs:
            try:
                os.utime(self.path(blob))
            except FileNotFoundError:  # it is not here: it has to be sent
                lacking.append(blob)
        return lacking

    def write(self, blob: str, offset: int, piece: bytes) -> None:
        """A piece has arrived; they may come in any order."""
        path = self._blobs / "coming" / blob
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.seek(offset)
            file.write(piece)

    def finish(self, blob: str, size: int) -> None:
        """All pieces have arrived. Raises `SumError`, and then they are gone."""
        path = self._blobs / "coming" / blob
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size == size and hashlib.file_digest(file, "sha256").hexdigest() == blob
        if not whole:
            path.unlink()
            raise SumError(f"The picture {blob[:12]}… arrived damaged.")
        path.replace(self.path(blob))

    def read(self, blob: str, offset: int, size: int) -> bytes:
        """A piece of a picture."""
        with self.path(blob).open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def size(self, blob: str) -> int:
        """Bytes of a picture."""
        return self.path(blob).stat().st_size

    def work(self, job: str) -> Path:
        """An empty folder in which a painting puts its pictures."""
        folder = self._work / job
        shutil.rmtree(folder, ignore_errors=True)
        make_folder(folder)
        return folder

    def adopt(self, job: str) -> list[str]:
        """Keep what a painting has put into its folder. Returns what that is."""
        names = [made.name for made in (self._work / job).iterdir()]
        for name in names:
            (self._work / job / name).replace(self.path(name))
        self.clear(job)
        return names

    def clear(self, job: str) -> None:
        """A painting has no more to do."""
        shutil.rmtree(self._work / job, ignore_errors=True)

    def sweep(self, needed: Iterable[str], budget: int | None = None) -> None:
        """Make room, but keep these. `budget`: another one than usual."""
        budget = self._budget if budget is None else budget
        kept = set(needed)
        files = [(one.stat(), one) for one in self._blobs.iterdir() if one.is_file()]
        total = sum(facts.st_size for facts, _ in files)
        for facts, one in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if total <= budget:
                return
            if one.name not in kept:
                one.unlink()
                total -= facts.st_size
