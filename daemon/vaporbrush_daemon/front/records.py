"""Jobs' records on disk, one file each: what was promised to a client is written before it is told."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from vaporbrush_daemon import logs
from vaporbrush_daemon.files import delete, read_plain
from vaporbrush_protocol import atomic
from vaporbrush_protocol.atomic import System

from .age import Age
from .background import Task
from .quarantine import Quarantine

MAX_RECORD_BYTES = 1024 * 1024  # a record holds the recipe twice and some notes; a header has at most 64 KiB
CHECK = "check"  # the key under which a record holds its own hash; records of 0.1.0 have none
T = TypeVar("T")


class Records:
    """`spool/jobs/JOB.json`. `write` runs a task on the disk's thread."""

    def __init__(
        self, folder: Path, age: Age, quarantine: Quarantine, write: Callable[[Task], None], system: System
    ) -> None:
        self.folder = folder
        self._age, self._quarantine, self._write, self._system = age, quarantine, write, system

    def read(self, now: float, parse: Callable[[dict[str, Any], float], T]) -> list[T]:
        """What `parse` makes of each record and the monotonic time of its last change, oldest first. What it cannot
        read goes to quarantine, whatever it raises: a file is no reason not to start.
        """
        found = []
        for path in self.folder.iterdir():
            try:
                facts = path.lstat()
                if path.suffix == ".part" and stat.S_ISREG(facts.st_mode):
                    delete(path)  # of a write that was cut off
                    continue
                raw = _decode(path)
                found.append((facts.st_mtime, raw["job"], parse(raw, self._age.used(facts.st_mtime, now))))
            except Exception as error:  # noqa: BLE001 -- see above
                self._quarantine.take(path, f"{type(error).__name__}: {error}"[:200])
        return [made for _, _, made in sorted(found, key=lambda one: one[:2])]

    def save(self, now: float, job: str, record: dict[str, Any]) -> None:
        """Write a record. A full disk costs the record, not the job."""
        path = self.folder / f"{job}.json"
        data = json.dumps({**record, CHECK: _check(record)}).encode()

        def work() -> None:
            atomic.write(path, data, mode=0o600, durable=True, system=self._system)
            self._age.stamp(path, now)

        def then(error: OSError | None) -> None:
            if error is not None:
                logs.event("record_not_saved", job=job, reason=error.strerror or str(error))

        self._write(Task(work, then))

    def forget(self, job: str) -> None:
        """Drop a record."""
        path = self.folder / f"{job}.json"
        self._write(Task(lambda: self._system.unlink(path), lambda error: _told(path, error)))


def _told(path: Path, error: OSError | None) -> None:
    if error is not None:
        logs.event("file_not_deleted", path=path, reason=error.strerror or str(error))


def _decode(path: Path) -> dict[str, Any]:
    """A record that is whole. Raises whatever there is to raise."""
    if path.suffix != ".json":
        raise ValueError("not a record")
    raw = json.loads(read_plain(path, MAX_RECORD_BYTES), parse_constant=_refuse)
    check = raw.pop(CHECK, None)
    if check is not None and check != _check(raw):
        raise ValueError("its hash is wrong")
    if raw["job"] != path.stem:
        raise ValueError("its name is another job's")
    return dict(raw)


def _check(record: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
