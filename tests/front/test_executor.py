"""An effect that cannot be carried out is the affair of the job, the worker or the client that it is about."""

from __future__ import annotations

import pytest

from support.clock import Clock
from support.failing_world import FailingWorld
from support.studio import asked, codes, result
from vaporbrush_daemon.front.executor import Executor
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.invariants import validate
from vaporbrush_daemon.scheduling.job import Job
from vaporbrush_daemon.scheduling.policy import MAX_FAILED_STARTS, Policy
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.scheduling.slot import PROBE
from vaporbrush_daemon.workers import messages as worker


class Front:
    """An executor on a failing world. `answered` and `refused` are the polls'."""

    def __init__(self) -> None:
        self.world, self.clock = FailingWorld(), Clock()
        self.scheduler = Scheduler(Policy(), ("cpu",))
        self.answered: list[ev.Poll] = []
        self.refused: list[ev.Poll] = []
        self.executor = Executor(
            self.scheduler, self.world, self.world, self.clock, self._answer, self._refuse, lambda _: None, self._learn,
            lambda: None, lambda _: None,
        )  # fmt: skip

    def _answer(self, poll: ev.Poll) -> None:
        self.world._do("answer")
        self.answered.append(poll)

    def _refuse(self, poll: ev.Poll, error: Exception) -> None:
        assert isinstance(error, ZeroDivisionError)
        self.refused.append(poll)

    def _learn(self, device: str, model: str, seconds: float) -> None:
        """How long a start took is of no interest here."""

    def bring(self, event: ev.Event) -> None:
        self.executor.bring(event)
        validate(self.scheduler)

    def submit(self, name: str) -> Job:
        self.bring(ev.Submitted(asked(name)))
        return self.scheduler.table.get(name)

    def watch(self, job: Job, wait_s: float = 30.0) -> ev.Poll:
        poll = ev.Poll(ev.Ticket(b"peer", 1), job.job, job.seq, self.clock() + wait_s)
        self.bring(ev.Polled(poll))
        return poll

    def say(self, said: worker.Event) -> None:
        slot = next(slot for slot in self.scheduler.slots.values() if slot.device not in ("downloads", PROBE))
        self.bring(ev.WorkerSaid(slot.key, said))

    def ready(self) -> None:
        self.say(worker.Ready("cpu", (worker.DeviceFacts("cpu"),)))

    def paints(self, name: str) -> bool:
        """Whether somebody else's job is painted as if nothing had been."""
        job = self.submit(name)
        self.clock.pass_(100.0)  # whatever was put off
        self.executor.pass_time()
        if job.state == "queued":
            self.ready()
        self.say(worker.Done(job.job, result(job)))
        return job.state == "done"


@pytest.fixture
def front() -> Front:
    return Front()


def test_a_worker_that_cannot_be_started_fails_its_job_and_the_next_is_painted(front: Front) -> None:
    front.world.fails = {"start"}
    job = front.submit("one")
    poll = front.watch(job)
    for _ in range(MAX_FAILED_STARTS):
        front.clock.pass_(10.0)
        front.executor.pass_time()
    assert codes(job) == ("failed", "worker_crashed")
    assert "start fails" in job.error.message
    assert front.answered == [poll]
    front.world.fails = set()
    assert front.paints("another")


@pytest.mark.parametrize("what", ["work", "Paint"])
def test_a_painting_that_cannot_be_begun_fails_and_the_next_is_painted(front: Front, what: str) -> None:
    front.world.fails = {what}
    job = front.submit("one")
    poll = front.watch(job)
    front.ready()
    assert codes(job) == ("failed", "internal")
    assert f"{what} fails" in job.error.message
    assert front.answered == [poll]
    front.world.fails = set()
    assert front.paints("another")


def test_a_worker_that_cannot_be_told_is_ended(front: Front) -> None:
    job = front.submit("one")
    front.ready()
    front.world.fails = {"Finish"}
    front.bring(ev.FinishAsked(job.job))
    assert front.world.done[-1][0] == "kill"
    front.world.fails = set()


@pytest.mark.parametrize("what", ["answer", "when_written"])
def test_a_client_whose_reply_fails_is_told_that(front: Front, what: str) -> None:
    job = front.submit("one")
    front.ready()
    poll = front.watch(job)
    front.world.fails = {what}
    front.bring(ev.CancelAsked(job.job))
    assert front.refused == [poll]
    front.world.fails = set()


@pytest.mark.parametrize("what", ["save", "discard", "clear", "forget"])
def test_a_file_that_cannot_be_written_or_deleted_costs_that_file(front: Front, what: str) -> None:
    front.world.fails = {what}
    job = front.submit("one")
    front.ready()
    front.say(worker.Done(job.job, result(job)))
    front.bring(ev.Released(job.job))
    front.clock.pass_(100.0)
    front.bring(ev.RecordsAged(1.0))
    assert job.job not in front.scheduler.table.jobs
    front.world.fails = set()
    assert front.paints("another")


def test_what_follows_a_failed_effect_is_done_all_the_same(front: Front) -> None:
    front.world.fails = {"start", "save", "answer"}
    jobs = [front.submit(name) for name in ("one", "two", "three")]
    front.bring(ev.Closed(at_once=True))
    assert {codes(job) for job in jobs} == {("failed", "shutting_down")}
