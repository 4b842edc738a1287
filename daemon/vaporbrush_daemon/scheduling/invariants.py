"""What is true between any two events: checked by tests after each, and by whoever hunts for a defect."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from vaporbrush_protocol.messages import JobKind

from .job import Job
from .polls import LOOKED_AT
from .scheduler import Scheduler
from .slot import DOWNLOADS, Slot


def validate(scheduler: Scheduler) -> None:
    """Raise `AssertionError` naming the first thing that contradicts another."""
    table = scheduler.table
    _check_table(scheduler)
    for job in table.jobs.values():
        _check_job(scheduler, job)
    for slot in scheduler.slots.values():
        _check_slot(scheduler, slot)
    waiting = Counter(job.job for kind in get_args(JobKind) for job in scheduler.dispatcher.queues.waiting(kind))
    queued = Counter(job.job for job in table.jobs.values() if job.state == "queued")
    assert waiting == queued, f"the queues hold {waiting}, and {queued} are queued"
    in_chains = {job.job: job.asked.after for job in table.live.values() if job.asked.after}
    chains = {name: before for before, names in scheduler.dispatcher.chains.waiting().items() for name in names}
    assert chains == in_chains, f"{in_chains} wait for others, but {chains} are known to"
    assert set(chains.values()) <= table.live.keys(), f"{chains} wait for jobs that have ended"
    for watched in scheduler.dispatcher.polls.watched():
        assert not watched.final, f"{watched!r} has ended, but a poll waits for it"
        for poll in scheduler.dispatcher.polls.of(watched):
            assert watched.seq <= poll.seen, f"{watched!r} has news for a poll that waits"
    few = len(scheduler.dispatcher.polls.watched()) <= LOOKED_AT
    for watched in scheduler.dispatcher.polls.watched() if few else ():
        assert watched.position == scheduler.dispatcher.queues.position(watched), f"{watched!r} has moved up in silence"


def _check_table(scheduler: Scheduler) -> None:
    table = scheduler.table
    live = {name: job for name, job in table.jobs.items() if not job.final}
    assert table.live.keys() == live.keys(), f"live are {live.keys()}, counted are {table.live.keys()}"
    of = [job for client in {job.client for job in table.jobs.values()} for job in table.of(client)]
    assert sorted(map(id, of)) == sorted(map(id, table.jobs.values())), "each job is one of its client's, once"
    assert table.live_bytes == sum(job.asked.input_bytes for job in live.values())
    assert table.live_of == Counter(job.client for job in live.values())
    assert table.live_blobs() == {blob for job in live.values() for blob in job.asked.blobs}


def _check_job(scheduler: Scheduler, job: Job) -> None:
    holders = [slot for slot in scheduler.slots.values() if slot.job == job.job]
    if job.state == "running":
        assert [slot.state for slot in holders] == ["busy"], f"{job!r} is in {holders}"
    elif job.state == "queued":
        assert not holders, f"{job!r} waits, but is in {holders}"
    assert (job.error is not None) == (job.state in ("failed", "cancelled")), f"{job!r} has the error {job.error!r}"
    assert (job.result is not None) == (job.state == "done"), f"{job!r} has the result {job.result!r}"
    leaseless = job.asked.on_lease_end == "finish" or job.asked.after
    assert job.final or job.lease_until is not None or leaseless, f"{job!r} has no lease"
    assert not (job.final and (job.lease_until or job.preview or job.preview_asked)), f"{job!r} has ended, but holds on"


def _check_slot(scheduler: Scheduler, slot: Slot) -> None:
    if slot.state == "busy":
        job = scheduler.table.jobs.get(slot.job or "")
        assert slot.job is not None, f"{slot} is busy with nothing"
        assert job is None or job.final or job.state == "running", f"{slot} is busy with {job!r}"
        assert job is None or (job.kind == "fetch") == (slot.device == DOWNLOADS), f"{slot} is no place for {job!r}"
    else:
        assert slot.job is None or slot.state == "ending", f"{slot} has a job"
    assert not scheduler.worker_slots.is_removed(slot) or slot.state != "stopped", f"{slot} was removed"
    if slot.state == "idle" and slot.device != DOWNLOADS:
        suiting = [
            job
            for job in scheduler.dispatcher.queues.waiting("paint")
            if scheduler.worker_slots.suits(slot, job.asked.needs)
        ]
        assert not suiting, f"{slot} rests, while {suiting} wait"
