"""Blobs and job records on disk: content-addressed, within a byte budget and a time, and never half.

    spool/blobs/SHA256          complete blobs
    spool/parts/SHA256.SIZE     uploads under way; swept at start (the hash so far is in memory only)
    spool/jobs/JOB.json         records of jobs
    spool/work/JOB/             what a worker writes; adopted as blobs when its job is done, swept otherwise

Files are renamed into place when complete. They are not synced, which would hold the loop up for a second per picture:
what is lost in a power cut is a cache.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path
from typing import Any

from vaporbrush_daemon import logs
from vaporbrush_protocol import atomic
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RequestError, VaporbrushError

PART_TTL_S = 600.0  # an upload that rests so long has lost its client
MAX_PARTS = 64  # uploads at once: each holds an open file
DISK_RESERVE = 64 * 1024**2  # bytes left to others on the disk
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC)


@dataclass(slots=True)
class Blob:
    """A complete blob."""

    size: int
    used: float  # monotonic seconds
    served: bool = False  # an earlier job has read it


@dataclass(slots=True)
class Part:
    """An upload under way: its hash grows with it, so that the end costs nothing."""

    file: FileIO
    size: int
    used: float
    have: int = 0
    hash: Any = field(default_factory=hashlib.sha256)


class Spool:
    """All files under one folder. `pinned` names the blobs that must stay; `budget` is in bytes."""

    def __init__(self, folder: Path, budget: int, ttl_s: float, pinned: Callable[[], set[str]]) -> None:
        self.folder, self.budget, self.ttl_s = folder, budget, ttl_s
        self._pinned = pinned
        self._blobs: dict[str, Blob] = {}
        self._parts: dict[tuple[str, int], Part] = {}

    # -- start and rest

    def open(self, now: float) -> None:
        """Make the folders, sweep what an earlier process left, and count what is there. Raises `OSError`."""
        for name in ("parts", "work"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("blobs", "parts", "jobs", "work"):
            (self.folder / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        wall = time.time()  # ages across restarts; while the daemon runs, a clock that jumps expires nothing
        for path in (self.folder / "blobs").iterdir():
            if len(path.name) == 64 and path.is_file():
                facts = path.stat()
                self._blobs[path.name] = Blob(facts.st_size, now - max(0.0, wall - facts.st_mtime), served=True)
            else:
                path.unlink(missing_ok=True)
        self.sweep(now)

    def sweep(self, now: float) -> None:
        """Drop what nobody has used for long, and uploads that rest."""
        pinned = self._pinned()
        for blob in [b for b, facts in self._blobs.items() if facts.used < now - self.ttl_s and b not in pinned]:
            self._remove(blob)
        for key in [key for key, part in self._parts.items() if part.used < now - PART_TTL_S]:
            self._drop_part(key)

    def close(self) -> None:
        """Close and drop the uploads."""
        for key in list(self._parts):
            self._drop_part(key)

    @property
    def total(self) -> int:
        """Bytes that the blobs take, and the uploads will take."""
        return sum(b.size for b in self._blobs.values()) + sum(p.size for p in self._parts.values())

    # -- uploads

    def put(self, now: float, blob: str, size: int, offset: int, chunk: Buffer | None) -> tuple[int, bool]:
        """Add a chunk. Returns how many bytes are there from the start on, and whether that is all of them.

        A chunk that does not continue what is there changes nothing: the reply says where to go on.
        Raises `conflict`, `disk_full`, `busy`.
        """
        known = self._blobs.get(blob)
        if known is not None:
            if known.size != size:
                raise RequestError("conflict", f"The blob {blob} has {known.size} bytes, not {size} as `size` says.")
            known.used = now
            return known.size, True
        part = self._parts.get((blob, size))
        if chunk is None or (part is None and offset > 0):
            return (part.have if part else 0), False
        if part is None:
            part = self._new_part(now, blob, size)
        skip = part.have - offset
        if skip < 0 or skip >= len(chunk):
            return part.have, False
        part.used = now
        fresh = memoryview(chunk)[skip:]
        try:
            _write(part.file, fresh)
        except OSError as error:
            self._drop_part((blob, size))
            raise _spool_error(error) from error
        part.hash.update(fresh)
        part.have += len(fresh)
        if part.have < size:
            return part.have, False
        self._complete(now, blob, part)
        return size, True

    def _new_part(self, now: float, blob: str, size: int) -> Part:
        if len(self._parts) >= MAX_PARTS:
            raise RequestError("busy", f"{MAX_PARTS} uploads are under way already.", retry_after_s=1.0)
        self._make_room(size)
        try:
            file = FileIO(self.folder / "parts" / f"{blob}.{size}", "w")
        except OSError as error:
            raise _spool_error(error) from error
        return self._parts.setdefault((blob, size), Part(file, size, now))

    def _complete(self, now: float, blob: str, part: Part) -> None:
        source = self.folder / "parts" / f"{blob}.{part.size}"
        del self._parts[blob, part.size]
        try:
            part.file.close()
            if part.hash.hexdigest() != blob:
                source.unlink()
                raise RequestError(
                    "conflict",
                    f"The {part.size} bytes that came have the sha256 {part.hash.hexdigest()}, not {blob}; "
                    "they were damaged on the way or changed meanwhile: send them again.",
                )
            source.replace(self.path(blob))
        except OSError as error:
            raise _spool_error(error) from error
        self._blobs[blob] = Blob(part.size, now)

    def _drop_part(self, key: tuple[str, int]) -> None:
        part = self._parts.pop(key)
        part.file.close()
        _unlink(self.folder / "parts" / f"{key[0]}.{key[1]}")

    def _make_room(self, size: int) -> None:
        """Drop the least recently used blobs until `size` bytes fit. Raises `disk_full`."""
        pinned = self._pinned()
        idle = sorted((facts.used, blob) for blob, facts in self._blobs.items() if blob not in pinned)
        kept = self.total - sum(self._blobs[blob].size for _, blob in idle)
        if kept + size > self.budget:
            raise RequestError(
                "disk_full",
                f"The spool may hold {self.budget} bytes; {kept} are in use by present jobs and uploads, "
                f"and {size} more do not fit. Wait for a job to end, or raise `spool_bytes` in config.toml.",
                retry_after_s=5.0,
            )
        for _, blob in idle:
            if self.total + size <= self.budget:
                break
            self._remove(blob)
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise _spool_error(error) from error
        if free < size + DISK_RESERVE:
            raise RequestError(
                "disk_full", f"The disk of {self.folder} has {free} bytes left; {size} more do not fit. Free some."
            )

    # -- blobs

    def path(self, blob: str) -> Path:
        """Where the blob's file is (or would be)."""
        return self.folder / "blobs" / blob

    def size(self, blob: str) -> int | None:
        """The blob's size in bytes; None if it is not here."""
        facts = self._blobs.get(blob)
        return None if facts is None else facts.size

    def use(self, now: float, blobs: Iterable[str]) -> bool:
        """A job reads these: they are young again. Returns whether an earlier job had read them all."""
        served = True
        for blob in blobs:
            facts = self._blobs[blob]
            served &= facts.served
            facts.used, facts.served = now, True
            with contextlib.suppress(FileNotFoundError):  # the worker will say so
                os.utime(self.path(blob))
        return served

    def read(self, now: float, blob: str, offset: int, size: int) -> tuple[Buffer, int]:
        """Up to `size` bytes from `offset` on, and the blob's size. Raises `unknown_blob`."""
        gone = RequestError("unknown_blob", f"The blob {blob} is not here (any more): send it with `put`.")
        facts = self._blobs.get(blob)
        if facts is None:
            raise gone
        try:
            with self.path(blob).open("rb", buffering=0) as file:
                file.seek(offset)
                data = file.read(size)
        except FileNotFoundError:
            del self._blobs[blob]
            raise gone from None
        except OSError as error:
            raise _spool_error(error) from error
        facts.used = now
        return data, facts.size

    def discard(self, blobs: Iterable[str]) -> None:
        """Drop blobs that nobody wants any more."""
        for blob in blobs:
            if blob in self._blobs:
                self._remove(blob)

    def _remove(self, blob: str) -> None:
        del self._blobs[blob]
        _unlink(self.path(blob))
        logs.event("blob_dropped", blob=blob)

    # -- what workers write

    def work(self, job: str) -> Path:
        """A fresh empty folder for a worker's results."""
        folder = self.folder / "work" / job
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        return folder

    def adopt(self, now: float, job: str) -> None:
        """Make blobs of the files in the job's folder, whose names the worker made from their contents."""
        folder = self.folder / "work" / job
        for path in folder.iterdir() if folder.is_dir() else ():
            if len(path.name) == 64:
                size = path.stat().st_size
                path.replace(self.path(path.name))
                self._blobs[path.name] = Blob(size, now)
        shutil.rmtree(folder, ignore_errors=True)
        try:
            self._make_room(0)
        except VaporbrushError as error:
            # A finished painting is kept even above the budget; the next upload is refused instead.
            logs.event("spool_full", job=job, reason=error.message)

    def clear(self, job: str) -> None:
        """Drop what a worker wrote for a job that did not end well."""
        shutil.rmtree(self.folder / "work" / job, ignore_errors=True)

    # -- records

    def save(self, job: str, record: dict[str, Any]) -> None:
        """Write a job's record. A full disk costs the record, not the job."""
        try:
            atomic.write(self.folder / "jobs" / f"{job}.json", json.dumps(record).encode(), mode=0o600)
        except OSError as error:
            logs.event("record_not_saved", job=job, reason=error.strerror or str(error))

    def records(self, now: float) -> Iterator[tuple[dict[str, Any], float]]:
        """The saved records, oldest first, with the monotonic time of their last change. Damaged ones are dropped."""
        wall = time.time()
        found = [(path.stat().st_mtime, path) for path in (self.folder / "jobs").iterdir()]
        for changed, path in sorted(found):
            try:
                record = json.loads(path.read_bytes()) if path.suffix == ".json" else None
            except ValueError:
                record = None
            if isinstance(record, dict):
                yield record, now - max(0.0, wall - changed)
            else:
                path.unlink()
                logs.event("record_dropped", file=path.name, reason="damaged")

    def forget(self, job: str) -> None:
        """Drop a job's record."""
        _unlink(self.folder / "jobs" / f"{job}.json")


def _unlink(path: Path) -> None:
    """Delete; where the disk does not let us (any more), the next start tries again."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        logs.event("file_not_deleted", path=path, reason=error.strerror or str(error))


def _write(file: FileIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


def _spool_error(error: OSError) -> RequestError:
    if error.errno in _FULL:
        return RequestError("disk_full", f"The spool cannot grow: {error.strerror}. Free some space on its disk.")
    return RequestError("internal", f"The spool cannot be used: {error.strerror or error}; the log is {logs.path()}.")
