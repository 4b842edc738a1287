"""What the executor acts on, in memory; what is named in `fails` raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class FailingWorld:
    """In place of the pool, of the spool and of its records. `done` lists what was carried out, and on which slot."""

    def __init__(self) -> None:
        self.fails: set[str] = set()
        self.done: list[tuple[object, ...]] = []
        self.records = self

    def _do(self, what: str, *about: object) -> None:
        if what in self.fails:
            raise ZeroDivisionError(f"{what} fails")
        self.done.append((what, *about))

    # -- pool

    def start(self, slot: int, device: str, place: str = "here") -> None:
        self._do("start", slot, device, place)

    def download(self, slot: int, job: str, model: str) -> None:
        self._do("download", slot, job, model)

    def send(self, slot: int, command: Any) -> None:
        self._do(type(command).__name__, slot, command)

    def kill(self, slot: int) -> None:
        self._do("kill", slot)

    def receive(self) -> Iterator[Any]:
        yield from ()

    # -- spool

    def work(self, job: str) -> Path:
        self._do("work", job)
        return Path(job)

    def path(self, blob: str) -> Path:
        return Path(blob)

    def when_written(self, then: Callable[[], None]) -> None:
        self._do("when_written")
        then()

    def discard(self, blobs: object) -> None:
        self._do("discard", blobs)

    def clear(self, job: str) -> None:
        self._do("clear", job)

    def save(self, now: float, job: str, record: object) -> None:
        self._do("save", job, now, record)

    def forget(self, job: str) -> None:
        self._do("forget", job)
