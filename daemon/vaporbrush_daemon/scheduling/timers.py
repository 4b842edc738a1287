"""When something is due, for many things at once: a heap that costs nothing where a time only moves into the future.

Theory of operation. Most times here are put off again and again: a lease by every request, a poll by the next one. So
an entry that is put off stays where it is; when it comes up too early, its owner looks whether it is really due, and
sets it anew. An entry is never too late.
"""

from __future__ import annotations

import heapq


class Timers:
    """One time for each name, in monotonic seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, str]] = []
        self._set: dict[str, float] = {}  # the entry of the heap that counts

    def set(self, name: str, due: float | None) -> None:
        """Have the name come up at this time, at the latest; None: not at all."""
        known = self._set.get(name)
        if due is None:
            self._set.pop(name, None)
        elif known is None or due < known:
            self._set[name] = due
            heapq.heappush(self._heap, (due, name))

    def reset(self, name: str, due: float | None) -> None:
        """Have the name come up at exactly this time."""
        self._set.pop(name, None)
        self.set(name, due)

    def due(self, now: float) -> list[str]:
        """Take out the names whose time has come, or was put off since: the caller looks, and sets them again."""
        names = []
        while (first := self.next()) is not None and first <= now:
            _, name = heapq.heappop(self._heap)
            del self._set[name]
            names.append(name)
        return names

    def next(self) -> float | None:
        """When the next name comes up."""
        while self._heap and self._set.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None
