"""When paintings are likely to end: for telling clients when to come back."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from .job_table import JobTable
from .queues import Queues
from .worker_slots import WorkerSlots

PACE_S = 5.0  # what a painting is taken to need, before the first one has ended
WEIGHT = 0.3  # of the last painting in what the next one is taken to need


class EndTimes:
    """Learns how long paintings take. A running one tells by itself how much is left of it."""

    def __init__(self, table: JobTable, queues: Queues, worker_slots: WorkerSlots) -> None:
        self._table, self._queues, self._worker_slots = table, queues, worker_slots
        self._pace_s = PACE_S

    def learn(self, seconds: float) -> None:
        """A painting took so long."""
        self._pace_s += WEIGHT * (seconds - self._pace_s)

    def after(self, now: float) -> Iterator[tuple[float, str]]:
        """When the present paintings end, in seconds from now, and whose they are, in their order."""
        running: list[tuple[float, str]] = []
        for slot in self._worker_slots.slots.values():
            job = self._table.live.get(slot.job or "")
            if job is not None and job.kind == "paint":
                eta_s = job.progress.eta_s if job.progress else None
                if eta_s is not None:
                    left_s = max(0.0, slot.heard + eta_s - now)
                else:  # one that takes longer than others is likely to take as long again
                    left_s = max(job.began + self._pace_s - now, now - job.began)
                running.append((left_s, job.client))
        running.sort()
        yield from running
        free_at = [at for at, _ in running] or [0.0]  # sorted, so a heap; without any, a worker is starting
        for job in self._queues.waiting("paint"):
            end = free_at[0] + self._pace_s
            heapq.heapreplace(free_at, end)
            yield end, job.client
