"""The history on disk: paintings that stay after their jobs were released.

    spool/history/records/JOB.json   an entry, see `history`
    spool/history/files/SHA256       its pictures: other names of the blobs' own bytes

Theory of operation. When a painting becomes a blob, its picture and those that its recipe names get a second name here
(a hard link), at once, so that a `release` may take the blobs; bytes that have two names are on the disk once, and are
counted once. The thumbnail is made beside the loop, then the entry is complete and written down. `recall` goes the
other way and gives the bytes their first name again. Where a disk has no hard links, nothing is kept, and the log says
so: no painting fails for it.
"""

from __future__ import annotations

import hashlib
import stat
import time
from collections.abc import Callable, Iterable
from functools import partial

from vaporbrush_daemon import logs
from vaporbrush_daemon.files import delete
from vaporbrush_daemon.scheduling.job import JobRequest
from vaporbrush_protocol import atomic
from vaporbrush_protocol.history import HistoryEntry
from vaporbrush_protocol.recipe import Image
from vaporbrush_protocol.result import Result

from .background import Task
from .blob import is_sha256
from .history import Entry, History, pictures
from .neighbour import Runs
from .quarantine import make_folder
from .spool import Spool
from .thumbnail import thumbnail

SHARE = 2  # the history may take one part in so many of the spool's budget: the rest is for what is being painted


class HistoryFiles:
    """The entries and their files. `most` is how many each person has; 0: none. `wall` gives Unix seconds."""

    def __init__(self, spool: Spool, most: int, background: Runs, wall: Callable[[], float] = time.time) -> None:
        self.history = History(most, spool.budget // SHARE)
        self._spool, self._background, self._wall = spool, background, wall
        self._files = spool.folder / "history" / "files"
        self._records = spool.records_in(spool.folder / "history" / "records")
        self._pending = 0  # paintings whose thumbnail is being made: until then, no entry tells which files they have
        self._doomed: set[str] = set()  # files that no entry may have any more
        spool.neighbour = self

    def open(self, now: float, is_known: Callable[[str], bool]) -> None:
        """Read what is there, and drop what belongs to nothing, or to a guest who is not known (any more). Raises
        `OSError`.
        """
        for folder in (self._files, self._records.folder):
            make_folder(folder, self._spool.quarantine)
        sizes = {}
        for path in self._files.iterdir():
            facts = path.lstat()
            if is_sha256(path.name) and stat.S_ISREG(facts.st_mode):
                sizes[path.name] = facts.st_size
            elif path.suffix == ".part":
                delete(path)
            else:
                self._spool.quarantine.take(path, "not a picture of the history")
        for entry in self._records.read(now, Entry.from_record):
            whole = all(sizes.get(blob) == size for blob, size in entry.blobs.items())
            if whole and (not entry.guest or is_known(entry.guest)):
                self.history.put(entry)
            else:
                logs.event("history_dropped", job=entry.job, reason="its guest is gone" if whole else "a file is gone")
                self._records.forget(entry.job)
        self._drop(self.history.trim())
        for blob in sizes.keys() - self.history.blobs.keys():
            delete(self._files / blob)

    # -- what the spool asks

    def bytes_apart(self, blobs: Iterable[str]) -> int:
        """Bytes of files that are here and not among these blobs."""
        known = set(blobs)
        return sum(size for blob, size in self.history.blobs.items() if blob not in known)

    def holds(self, blob: str) -> bool:
        """Whether a blob that goes would free nothing, because its bytes are also here."""
        return any(blob in entry.blobs for entry in self.history)

    def bytes_pinned(self, blobs: Iterable[str]) -> int:
        """Bytes of pinned entries that are not among these blobs."""
        known = set(blobs)
        held = {blob: size for one in self.history if one.shown.pinned for blob, size in one.blobs.items()}
        return sum(size for blob, size in held.items() if blob not in known)

    def give_way(self) -> bool:
        """Let one entry go. Returns whether there was one."""
        entry = self.history.give_way()
        if entry is None:
            return False
        self._drop([entry])
        return True

    # -- what becomes of paintings

    def keep(self, now: float, asked: JobRequest, result: Result) -> None:
        """A painting is done, and its pictures are blobs."""
        if not asked.history or not self.history.most:
            return
        kept = pictures(result.image, result.recipe)
        blobs = {image.blob: image.size_bytes for image in kept}
        self._pending += 1
        try:
            for blob in blobs:
                self._spool.give_name(blob, self._files / blob)
        except OSError as error:
            self._not_kept(asked.job, blobs, error)
            return

        def then(made: tuple[Image, int] | Exception) -> None:
            if isinstance(made, Exception):
                self._not_kept(asked.job, blobs, made)
                return
            thumb, size = made
            sizes = {**blobs, thumb.blob: size}
            shown = HistoryEntry(
                job=asked.job,
                at=max(0.0, self._wall()),
                label=asked.label,
                styles=asked.style_names,
                pinned=False,
                bytes=sum(sizes.values()),
                image=result.image,
                thumb=thumb,
            )
            number = self.history.number + 1
            entry = Entry(number, asked.guest_name, result.recipe, sizes, shown)
            self._pending -= 1
            before = self.history.entries.get(entry.job)
            gone = self.history.add(entry)
            self._save(now, entry)
            self._drop([*gone, *([before] if before is not None else [])])

        self._background.do(Task(partial(self._thumbnail, result.image), then), "hash")

    def _thumbnail(self, image: Image) -> tuple[Image, int]:
        """Beside the loop: make the thumbnail of a picture that is here, and keep it."""
        width, height, pixels = thumbnail(self._files / image.blob, image)
        blob = hashlib.sha256(pixels).hexdigest()
        atomic.write(self._files / blob, pixels, mode=0o600, durable=True)
        return Image(blob, width, height, "RGB"), len(pixels)

    def _not_kept(self, job: str, blobs: Iterable[str], error: Exception) -> None:
        self._pending -= 1
        reason = getattr(error, "strerror", None) or str(error)
        logs.event("history_not_kept", job=job, reason=reason)
        self._delete(blobs)

    def when_settled(self, then: Callable[[], None]) -> None:
        """Call `then` when the paintings that are done are among the entries."""
        if self._pending:
            self._background.do(Task(lambda: None, lambda _: then()), "hash")
        else:
            then()

    def recall(self, now: float, entry: Entry) -> None:
        """Make the pictures of an entry blobs again. Raises `OSError`."""
        for blob, size in entry.blobs.items():
            self._spool.take_name(now, blob, size, self._files / blob)

    def show(self, now: float, entries: Iterable[Entry]) -> None:
        """Make the thumbnails of these blobs again. Raises `OSError`."""
        for entry in entries:
            thumb = entry.shown.thumb
            self._spool.take_name(now, thumb.blob, thumb.size_bytes, self._files / thumb.blob)

    def pin(self, now: float, job: str, guest: str, *, pinned: bool) -> Entry:
        """Have an entry stay, or no longer. Raises `unknown_job`, `disk_full`."""
        entry, gone = self.history.pin(job, guest, pinned=pinned)
        self._save(now, entry)
        self._drop(gone)
        return entry

    def forget(self, job: str, guest: str) -> None:
        """Drop an entry, if it is there."""
        entry = self.history.forget(job, guest)
        if entry is not None:
            self._drop([entry])

    # -- files

    def _save(self, now: float, entry: Entry) -> None:
        if self.history.entries.get(entry.job) is entry:
            self._spool.sync_names(self._files)  # before the record that names them
            self._records.save(now, entry.job, entry.to_record())

    def _drop(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.job not in self.history.entries:
                self._records.forget(entry.job)
            self._delete(entry.blobs)

    def _delete(self, blobs: Iterable[str]) -> None:
        self._doomed.update(blobs)
        if not self._pending:
            for blob in self._doomed - self.history.blobs.keys():
                delete(self._files / blob)
            self._doomed.clear()
