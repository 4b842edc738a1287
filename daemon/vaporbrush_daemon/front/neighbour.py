"""What the spool works with, by what it asks of it: who runs its tasks, and who shares its budget."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from .background import Lane, Task


class Runs(Protocol):
    """What runs tasks beside the loop: `Background`, or in tests something that runs them at once."""

    def do(self, task: Task, lane: Lane) -> None:
        """Queue a task."""


class Neighbour(Protocol):
    """What shares the spool's budget with it: the history."""

    def bytes_apart(self, blobs: Iterable[str]) -> int:
        """Bytes that it has beside these blobs."""

    def bytes_pinned(self, blobs: Iterable[str]) -> int:
        """Those of them that do not give way."""

    def holds(self, blob: str) -> bool:
        """Whether a blob that goes would free nothing."""

    def give_way(self) -> bool:
        """Let something go. Returns whether there was anything."""


class Nobody:
    """No neighbour."""

    def bytes_apart(self, _blobs: Iterable[str]) -> int:
        return 0

    def bytes_pinned(self, _blobs: Iterable[str]) -> int:
        return 0

    def holds(self, _blob: str) -> bool:
        return False

    def give_way(self) -> bool:
        return False
