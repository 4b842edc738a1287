"""The jobs that wait, by their kind: paintings wait for devices, downloads for the one process that fetches."""

from __future__ import annotations

from collections import Counter

from vaporbrush_protocol.messages import JobKind

from .fair_queue import FairQueue
from .job import Job
from .job_table import JobTable
from .worker_slots import Slot, WorkerSlots


class Queues:
    """A fair queue for each kind of job, and how many jobs wait for which device."""

    def __init__(self, table: JobTable, worker_slots: WorkerSlots) -> None:
        self._table, self._worker_slots = table, worker_slots
        self._queues: dict[JobKind, FairQueue] = {"paint": FairQueue(), "fetch": FairQueue()}
        self._demand: Counter[tuple[JobKind, str]] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, job: Job, *, first: bool = False) -> None:
        """A job waits; `first`: it has waited before."""
        self._queues[job.kind].add(job.client, job.job, first=first)
        self._demand[job.kind, job.asked.device] += 1

    def remove(self, job: Job) -> None:
        """A job waits no more, and does not run either."""
        self._queues[job.kind].remove(job.client, job.job)
        self._wanted_less(job)

    def take(self, job: Job) -> None:
        """A job begins to run."""
        self._queues[job.kind].take(job.client, job.job)
        self._wanted_less(job)

    def waiting(self, kind: JobKind) -> list[Job]:
        """The jobs of a kind, in the order in which one worker would run them."""
        return [self._table.jobs[job] for job in self._queues[kind].order()]

    def position(self, job: Job) -> int:
        """How many jobs of its kind are before it; 0 for one that does not wait."""
        return self._queues[job.kind].position(job.client, job.job) if job.state == "queued" else 0

    def match(self, now: float) -> list[tuple[Slot, Job]]:
        """The slots that jobs are to have, or to wait for while they start, in the jobs' order.

        A job that nothing suits is passed over. The queue is looked at only as long as a slot is left that suits some
        job in it, so that a long one costs nothing while all workers are busy.
        """
        matches: list[tuple[Slot, Job]] = []
        available, wanted = self._worker_slots.available(now), self._demand.copy()
        suits = self._worker_slots.suits

        def promising(kind: JobKind) -> bool:
            return any(suits(slot, *one) for one in wanted if one[0] == kind and wanted[one] for slot in available)

        for kind, queue in self._queues.items():
            if not promising(kind):
                continue
            for job in map(self._table.jobs.__getitem__, queue.order()):
                slot = next((slot for slot in available if suits(slot, kind, job.asked.device)), None)
                if slot is None:
                    continue
                matches.append((slot, job))
                available.remove(slot)
                wanted[kind, job.asked.device] -= 1
                if not promising(kind):
                    break
        return matches

    def _wanted_less(self, job: Job) -> None:
        self._demand[job.kind, job.asked.device] -= 1
        if not self._demand[job.kind, job.asked.device]:
            del self._demand[job.kind, job.asked.device]
