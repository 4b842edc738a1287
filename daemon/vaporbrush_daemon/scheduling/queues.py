"""The jobs that wait, by their kind: paintings wait for devices, downloads for the one process that fetches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from vaporbrush_protocol.messages import JobKind

from .fair_queue import FairQueue
from .job import Job, Needs
from .job_table import JobTable
from .slot import Slot
from .worker_slots import WorkerSlots


class Queues:
    """A fair queue for each kind of job.

    Neither `assignments` nor `starts` looks at the jobs one by one: they cost as much as there are slots and different
    needs, also where ten thousand jobs wait for a device that is busy while another one rests.
    """

    def __init__(self, table: JobTable, worker_slots: WorkerSlots) -> None:
        self._table, self._worker_slots = table, worker_slots
        self._queues: dict[JobKind, FairQueue] = {"paint": FairQueue(), "fetch": FairQueue()}

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def add(self, job: Job, *, first: bool = False) -> None:
        """A job waits; `first`: it has waited before."""
        self._queues[job.kind].add(job.client, job.job, job.asked.needs, first=first)

    def change(self, job: Job) -> None:
        """A job that waits needs something else now, and keeps its place."""
        self._queues[job.kind].change(job.job, job.asked.needs)

    def remove(self, job: Job) -> None:
        """A job waits no more, and does not run either."""
        self._queues[job.kind].remove(job.job)

    def take(self, job: Job) -> None:
        """A job begins to run."""
        self._queues[job.kind].take(job.job)

    def waiting(self, kind: JobKind) -> list[Job]:
        """The jobs of a kind, in the order in which one worker would run them."""
        return [self._table.jobs[job] for job in self._queues[kind].order()]

    def needs(self) -> list[Needs]:
        """What the paintings need that wait, each once."""
        return cast("list[Needs]", self._queues["paint"].needs())

    def position(self, job: Job) -> int:
        """How many jobs of its kind are before it; 0 for one that does not wait."""
        return self._queues[job.kind].position(job.job) if job.state == "queued" else 0

    def assignments(self, now: float) -> Iterator[tuple[Slot, Job]]:
        """The slots that take a job at once, each with its job, in the jobs' order. Whoever asks for the next pair has
        given the last one away.
        """
        for kind, queue in self._queues.items():
            available = self._worker_slots.available(now)
            while True:
                free = [slot for slot in available if slot.state == ("stopped" if kind == "fetch" else "idle")]
                places = self._places(queue, free, available)
                name = queue.first(places)
                if name is None:
                    break
                job = self._table.jobs[name]
                slot = self._worker_slots.nearest(places[job.asked.needs], job)
                available.remove(slot)
                yield slot, job

    def starts(self, now: float) -> list[Slot]:
        """The stopped slots that jobs wait for, beyond those that start already. Which job a slot will have is decided
        when it is ready.
        """
        queue, available = self._queues["paint"], self._worker_slots.available(now)
        coming = [slot for slot in available if slot.state != "idle"]
        found: dict[int, Slot] = {}
        for needs, slots in self._places(queue, coming, available).items():
            left = [slot for slot in slots if slot.key not in found]
            found.update((slot.key, slot) for slot in left[: queue.count(needs, len(left))])
        return [slot for slot in found.values() if slot.state == "stopped"]

    def in_the_way(self) -> list[Job]:
        """The running jobs that give way, in slots for which others wait."""
        waiting = [needs for needs in self._needs(self._queues["paint"]) if not needs.gives_way]
        running = [(slot, self._table.jobs.get(slot.job or "")) for slot in self._worker_slots.slots.values()]
        return [
            job
            for slot, job in running
            if job is not None
            and job.asked.gives_way
            and any(self._worker_slots.suits(slot, needs) for needs in waiting)
        ]

    def _places(self, queue: FairQueue, slots: list[Slot], available: list[Slot]) -> dict[Needs, list[Slot]]:
        """Of these slots, those that suit what waits, by what that needs. Where a larger job waits for some of them, a
        smaller one leaves them free as long as another slot is available to it. What gives way leaves them to all.
        """
        found = {}
        waiting = self._needs(queue) if slots else []
        suiting = {needs: self._worker_slots.suiting(needs) for needs in waiting}
        for needs, own in suiting.items():
            kept = own
            for larger in (one for one in waiting if one.memory > needs.memory):
                if any(slot.key in own and slot.key not in suiting[larger] for slot in available):
                    kept -= suiting[larger]
            for other in (one for one in waiting if needs.gives_way and not one.gives_way):
                kept -= suiting[other]
            fitting = [slot for slot in slots if slot.key in kept]
            if fitting:
                found[needs] = fitting
        return found

    def _needs(self, queue: FairQueue) -> list[Needs]:
        """What the jobs need that could run now."""
        return [needs for needs in cast("list[Needs]", queue.needs()) if not needs.waits]
