"""Blobs and job records on disk. What a client was told is there outlives a power cut; what is read is not trusted.

    spool/blobs/SHA256          complete blobs
    spool/parts/SHA256.SIZE…    uploads under way; swept at start (the hash so far is in memory only)
    spool/jobs/JOB.json         records of jobs
    spool/work/JOB/             what a worker writes; adopted as blobs when its job is done, swept otherwise
    spool/history/              paintings that stay after their jobs, see `history_files`
    spool/quarantine/           what was damaged or did not belong there
    spool/clock                 how long the machine has run, see `age`

Theory of operation. A file is synced, then renamed into place, then its folder is synced, and only then is anybody
told: of a blob by the reply to its last chunk, of a job by the reply to `submit`, of a result by `done`. One thread
waits for the disk, in order, so that the loop does not wait and a record never names a blob that is not there yet. A
blob that an earlier process wrote is hashed before it is used first; a wrong one counts as absent.

Room is counted in bytes that are there, not in bytes that are announced. Where it runs out, blobs that nobody needs go,
the least recently used first, then entries of the history, and then uploads of those who hold most. Never for somebody
else's sake: the pictures of jobs that live, and results that nobody has fetched.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vaporbrush_daemon import logs
from vaporbrush_daemon.files import delete, open_plain
from vaporbrush_protocol.atomic import SYSTEM, System
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RequestError, VaporbrushError

from .age import Age
from .background import Task
from .blob import Blob, hash_of, is_sha256
from .neighbour import Neighbour, Nobody, Runs
from .quarantine import Quarantine, make_folder
from .records import Records
from .uploads import Key, Then, Upload, Uploads, pieces, settle, spool_error

DISK_RESERVE = 64 * 1024**2  # bytes left to others on the disk


class Spool:
    """All files under one folder. `pinned` names the blobs that must stay; `budget` is in bytes."""

    def __init__(
        self,
        folder: Path,
        budget: int,
        ttl_s: float,
        pinned: Callable[[], set[str]],
        background: Runs,
        system: System = SYSTEM,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.folder, self.budget, self.ttl_s = folder, budget, ttl_s
        self._pinned, self._background, self._system = pinned, background, system
        self._age = Age(folder / "clock", wall)
        self.quarantine = Quarantine(folder / "quarantine", system)
        self.neighbour: Neighbour = Nobody()
        self._blobs: dict[str, Blob] = {}
        self._checks: dict[str, list[Callable[[], None]]] = {}  # blobs that are being hashed, and who waits
        self._unfetched: dict[str, str] = {}  # the blobs of results, and their jobs
        self._writing = 0  # tasks that the disk's thread has not done
        self._uploads = Uploads(folder / "parts", system)
        self.records = self.records_in(folder / "jobs")

    def records_in(self, folder: Path) -> Records:
        """Records in another folder, written by the same thread."""
        return Records(folder, self._age, self.quarantine, self._write, self._system)

    # -- start and rest

    def open(self, now: float) -> None:
        """Make the folders, sweep what an earlier process left, and count what is there. Raises `OSError`."""
        for name in ("parts", "work"):
            delete(self.folder / name)
        for name in ("blobs", "parts", "jobs", "work"):
            make_folder(self.folder / name, self.quarantine)
        age_is_known = self._age.open(now)
        for path in (self.folder / "blobs").iterdir():
            facts = path.lstat()
            if is_sha256(path.name) and stat.S_ISREG(facts.st_mode):
                self._blobs[path.name] = Blob(facts.st_size, self._age.used(facts.st_mtime, now), served=True)
            else:
                self.quarantine.take(path, "not a blob")
        if not age_is_known:
            if os.path.lexists(self.folder / "clock"):
                self.quarantine.take(self.folder / "clock", "not a time")
            for path in (*(self.folder / "blobs").iterdir(), *(self.folder / "jobs").iterdir()):
                self._age.stamp(path, now)
            for blob in self._blobs.values():
                blob.used = now
        self.sweep(now)

    def sweep(self, now: float) -> None:
        """Drop what nobody has used for long, and uploads that rest."""
        pinned = self._pinned()
        for blob in [b for b, facts in self._blobs.items() if facts.used < now - self.ttl_s and b not in pinned]:
            self._remove(blob)
        self._uploads.sweep(now)
        self._age.keep(now)

    def close(self, now: float) -> None:
        """Drop the uploads."""
        self._uploads.close()
        self._age.keep(now)

    @property
    def total(self) -> int:
        """Bytes that the blobs and the history take, and that have come of the uploads."""
        blobs = sum(blob.size for blob in self._blobs.values())
        return blobs + self._uploads.total + self.neighbour.bytes_apart(self._blobs)

    def when_written(self, then: Callable[[], None]) -> None:
        """Call `then` when everything that was saved until now is on the disk."""
        if self._writing:
            self._write(Task(lambda: None, lambda _: then()))
        else:
            then()

    def _write(self, task: Task) -> None:
        def then(outcome: Any) -> None:
            self._writing -= 1
            task.then(outcome)

        self._writing += 1
        self._background.do(Task(task.work, then), "disk")

    # -- uploads

    def put(self, now: float, client: str, key: Key, offset: int, chunk: Buffer | None, then: Then) -> None:
        """Add a chunk to the blob of this sha256 and size. With a guest in the key, a blob that is there already counts
        only when the guest has sent it all. The outcome is how many bytes are there from the start on,
        and whether that is all of them, safe on the disk.

        A chunk that does not continue what is there changes nothing: the reply says where to go on.
        What may go wrong: `conflict`, `disk_full`, `busy`.
        """
        self.check([key[0]], lambda: settle(then, lambda: self._put(now, client, key, offset, chunk, then)))

    def abandon(self, client: str) -> None:
        """Its connection is gone: what it was sending gives way to others."""
        self._uploads.abandon(client)

    def _put(
        self, now: float, client: str, key: Key, offset: int, chunk: Buffer | None, then: Then
    ) -> tuple[int, bool] | None:
        blob, size, guest = key
        known = None if guest else self._blobs.get(blob)
        if known is not None:
            if known.size != size:
                raise RequestError("conflict", f"The blob {blob} has {known.size} bytes, not {size} as `size` says.")
            known.used = now
            return known.size, True
        upload = self._uploads.get(key)
        if upload is not None and upload.complete:
            upload.waiting.append(then)
            return None
        fresh = None if chunk is None else pieces(chunk, offset, upload.have if upload else 0)
        if fresh is None:
            return (upload.have if upload else 0), False
        if upload is None:
            self._refuse_hopeless(size)
            upload = self._uploads.begin(now, client, key)
        upload.client, upload.abandoned = client, False
        self._make_room(client, len(fresh))
        if self._uploads.get(key) is not upload:
            raise RequestError("disk_full", "This upload gave way to others; send it later.", retry_after_s=5.0)
        try:
            self._uploads.append(now, upload, fresh)
        except OSError:
            self._uploads.drop(key)
            raise
        if upload.have < size:
            return upload.have, False
        if upload.hash.hexdigest() != blob:
            self._uploads.drop(key)
            raise RequestError(
                "conflict",
                f"The {size} bytes that came have the sha256 {upload.hash.hexdigest()}, not {blob}; "
                "they were damaged on the way or changed meanwhile. Hash the picture anew, and begin its upload again.",
            )
        upload.waiting.append(then)
        self._write(Task(lambda: self._keep(upload, blob, now), lambda error: self._kept(upload, key, now, error)))
        return None

    def _keep(self, upload: Upload, blob: str, now: float) -> None:
        """On the disk's thread: the file is complete and becomes a blob."""
        descriptor = self._system.extend(upload.path)
        try:
            self._system.sync(descriptor)
        finally:
            self._system.close(descriptor)
        self._age.stamp(upload.path, now)
        self._system.rename(upload.path, self.path(blob))
        self._system.sync_folder(self.folder / "blobs")

    def _kept(self, upload: Upload, key: Key, now: float, error: Exception | None) -> None:
        self._uploads.ended(key)
        if error is None:
            self._blobs[key[0]] = Blob(key[1], now, checked=True)
        else:
            delete(upload.path)
        for then in upload.waiting:
            then((key[1], True) if error is None else spool_error(error, logs.path()))

    def _refuse_hopeless(self, size: int) -> None:
        """Say at once that an upload will not fit, whatever gives way. Raises `disk_full`, `OSError`."""
        stays = self._needed()
        needed = sum(self._blobs[blob].size for blob in stays) + self.neighbour.bytes_pinned(stays)
        if needed + size > self.budget:
            raise self._full(needed, size)
        free = shutil.disk_usage(self.folder).free
        if free < size + DISK_RESERVE:
            raise RequestError(
                "disk_full", f"The disk of {self.folder} has {free} bytes left; {size} more do not fit. Free some."
            )

    def _make_room(self, client: str | None, size: int) -> None:
        """Let blobs go that nobody needs, then greedier clients' uploads, until this fits. Raises `disk_full`."""
        if self.total + size <= self.budget:
            return
        idle = iter(self._idle())
        while self.total + size > self.budget:
            victim = next(idle, "")
            if victim:
                self._remove(victim)
            elif self.neighbour.give_way():
                idle = iter(self._idle())
            elif client is None or not self._uploads.give_way(client):
                raise self._full(self.total, size)

    def _idle(self) -> list[str]:
        """Blobs whose going frees bytes that nobody needs, the least recently used first."""
        needed, holds = self._needed(), self.neighbour.holds
        found = [(facts.used, blob) for blob, facts in self._blobs.items() if blob not in needed and not holds(blob)]
        return [blob for _, blob in sorted(found)]

    def _needed(self) -> set[str]:
        """Blobs that do not go for somebody else's sake."""
        return (self._pinned() | self._unfetched.keys()) & self._blobs.keys()

    def _full(self, held: int, size: int) -> RequestError:
        return RequestError(
            "disk_full",
            f"The spool may hold {self.budget} bytes; {held} are in use by present jobs, uploads, pinned paintings "
            f"and results that nobody has fetched, and {size} more do not fit. Wait for a job to end, release results, "
            "unpin paintings, or raise `spool_bytes` in config.toml.",
            retry_after_s=5.0,
        )

    # -- blobs

    def path(self, blob: str) -> Path:
        """Where the blob's file is (or would be)."""
        return self.folder / "blobs" / blob

    def size(self, blob: str) -> int | None:
        """The blob's size in bytes; None if it is not here."""
        facts = self._blobs.get(blob)
        return None if facts is None else facts.size

    def check(self, blobs: Sequence[str], then: Callable[[], None]) -> None:
        """Call `then` when the bytes of these blobs have been hashed since the start. Wrong ones are absent by then."""
        for blob in blobs:
            facts = self._blobs.get(blob)
            if facts is not None and not facts.checked:
                waiting = self._checks.setdefault(blob, [])
                waiting.append(lambda: self.check(blobs, then))
                if len(waiting) == 1:
                    self._background.do(Task(partial(hash_of, self.path(blob)), partial(self._hashed, blob)), "hash")
                return
        then()

    def _hashed(self, blob: str, found: str | Exception) -> None:
        facts = self._blobs.get(blob)
        if facts is not None and found == blob:
            facts.checked = True
        elif facts is not None:
            del self._blobs[blob]
            if not isinstance(found, FileNotFoundError):
                self.quarantine.take(self.path(blob), f"its sha256 is wrong: {found}")
        for then in self._checks.pop(blob):
            then()

    def use(self, now: float, blobs: Iterable[str]) -> bool:
        """A job reads these: they are young again. Returns whether an earlier job had read them all."""
        served = True
        for blob in blobs:
            facts = self._blobs[blob]
            served &= facts.served
            facts.used, facts.served = now, True
            self._age.stamp(self.path(blob), now)
        return served

    def read(self, now: float, blob: str, offset: int, size: int, then: Then) -> None:
        """Up to `size` bytes from `offset` on, and the blob's size. What may go wrong: `unknown_blob`."""
        self.check([blob], lambda: settle(then, lambda: self._read(now, blob, offset, size)))

    def _read(self, now: float, blob: str, offset: int, size: int) -> tuple[Buffer, int]:
        gone = RequestError("unknown_blob", f"The blob {blob} is not here (any more): send it with `put`.")
        facts = self._blobs.get(blob)
        if facts is None:
            raise gone
        try:
            with open_plain(self.path(blob)) as file:
                file.seek(offset)
                data = file.read(size)
        except FileNotFoundError:
            del self._blobs[blob]
            raise gone from None
        facts.used = now
        if offset + len(data) >= facts.size:
            self._fetched(self._unfetched.get(blob))
        return data, facts.size

    def hold(self, job: str, blobs: Iterable[str]) -> None:
        """These are the result of a job, which stays until somebody fetches it or it is released."""
        self._unfetched.update((blob, job) for blob in blobs if blob in self._blobs)

    def _fetched(self, job: str | None) -> None:
        for blob in [blob for blob, owner in self._unfetched.items() if owner == job]:
            del self._unfetched[blob]

    def discard(self, blobs: Iterable[str]) -> None:
        """Drop blobs that nobody wants any more."""
        for blob in blobs:
            if blob in self._blobs:
                self._remove(blob)

    def _remove(self, blob: str) -> None:
        del self._blobs[blob]
        self._unfetched.pop(blob, None)
        delete(self.path(blob))
        logs.event("blob_dropped", blob=blob)

    def give_name(self, blob: str, path: Path) -> None:
        """Give a blob's bytes a second name, under which they stay when the blob goes. Raises `OSError`."""
        if not (path.exists() and path.samefile(self.path(blob))):
            self._system.unlink(path)
            self._system.link(self.path(blob), path)

    def take_name(self, now: float, blob: str, size: int, path: Path) -> None:
        """Make a blob of a file that is known to hold its bytes, unless it is one already. Raises `OSError`."""
        if blob in self._blobs:
            self._blobs[blob].used = now
            return
        self._system.link(path, self.path(blob))
        self._blobs[blob] = Blob(size, now)  # hashed before it is used: the file may be old

    def sync_names(self, folder: Path) -> None:
        """Have the names in a folder be on the disk before whatever is written next."""
        self._write(Task(partial(self._system.sync_folder, folder), partial(_not_synced, folder.name)))

    # -- what workers write

    def work(self, job: str) -> Path:
        """A fresh empty folder for a worker's results."""
        folder = self.folder / "work" / job
        delete(folder)
        folder.mkdir(mode=0o700)
        return folder

    def adopt(self, now: float, job: str, *, result: bool = True) -> None:
        """Make blobs of the files in the job's folder, which the worker synced and named by their contents. A `result`
        is held until it is fetched.
        """
        folder = self.folder / "work" / job
        for path in [*folder.iterdir()] if folder.is_dir() else ():
            if is_sha256(path.name):
                size = path.stat().st_size
                self._age.stamp(path, now)
                self._system.rename(path, self.path(path.name))
                self._blobs[path.name] = Blob(size, now, checked=True)
                if result:
                    self.hold(job, [path.name])
        delete(folder)
        sync = partial(self._system.sync_folder, self.folder / "blobs")
        self._write(Task(sync, partial(_not_synced, job)))
        try:
            self._make_room(None, 0)
        except VaporbrushError as error:
            # A finished painting is kept even above the budget; the next upload is refused instead.
            logs.event("spool_full", job=job, reason=error.message)

    def clear(self, job: str) -> None:
        """Drop what a worker wrote for a job that did not end well."""
        delete(self.folder / "work" / job)


def _not_synced(job: str, error: OSError | None) -> None:
    if error is not None:
        logs.event("result_not_synced", job=job, reason=error.strerror or str(error))
