"""The turns in a job's life, each with all that follows from it: counted, logged, saved, and its polls answered.

Theory of operation. The scheduler's rules decide what becomes of a job; the methods here are the only ones that do it,
so that no rule can forget a part. A job waits in `queues`, is assigned to a slot, goes back into the queue once or
twice, and ends. `dispatch` brings jobs and slots together, and is called after whatever may have freed a slot or
brought a job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from vaporbrush_daemon.workers.messages import Finish, ShowPreview
from vaporbrush_protocol.errors import RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.states import JobState

from .chains import Chains
from .effects import AnswerPoll, Effect, PaintJob, SaveJob, SendCommand, StartDownload
from .event_log import EventLog
from .events import Poll
from .job import Job, Needs
from .job_table import JobTable
from .policy import MAX_FAILED_STARTS
from .polls import Polls
from .queues import Queues
from .slot import Slot
from .worker_slots import WorkerSlots


class Dispatcher:
    """What happens to jobs. `tell` takes the effects."""

    def __init__(
        self,
        table: JobTable,
        worker_slots: WorkerSlots,
        log: EventLog,
        counters: Counter[str],
        tell: Callable[[Effect], None],
    ) -> None:
        self.queues = Queues(table, worker_slots)
        self.polls = Polls(table)
        self.chains = Chains(table)
        self._table, self._worker_slots, self._log, self._counters, self._tell = (
            table,
            worker_slots,
            log,
            counters,
            tell,
        )

    def dispatch(self, now: float) -> None:
        """Give queued jobs, in their order, to workers. Of each job exactly one of these is true:

        1. a worker that suits it is idle: it gets the job;
        2. one is starting, and no job before it waits for that one: it waits for it;
        3. one may be started: it is, and the job waits for it; a download gets its process at once;
        4. all that suit it are at work, ending, kept back after a failure, or left to jobs before it: it waits, and
           a job at work there that gives way is told to finish.
        """
        for slot, job in self.queues.assignments(now):
            self._assign(now, slot, job)
        for slot in self.queues.starts(now):
            self._worker_slots.start(now, slot)
        for job in self.queues.in_the_way():
            self.finish(now, job)
        for watched in self.polls.some_watched():
            if watched.state == "queued" and self.refresh(watched):
                self.wake(now, watched)

    def _assign(self, now: float, slot: Slot, job: Job) -> None:
        self.queues.take(job)
        self._worker_slots.occupy(now, slot, job)
        job.attempts += 1
        job.slot = slot.key
        job.position, job.progress, job.preview_side, job.began = 0, None, 0, now
        instead = self._worker_slots.instead_of(slot, job.asked.needs)
        if instead:
            job.note(f"{instead} It is painted here.")
        job.move("running")
        self._log.tell(now, job, f"begun on {slot.device}, attempt {job.attempts}")
        if job.kind == "fetch":
            self._tell(StartDownload(slot.key, job.job, job.asked.model))
        else:
            self._tell(PaintJob(slot.key, job.job, job.plan_step))
            if job.wanted == "finish":
                self._tell(SendCommand(slot.key, Finish()))
            self.tell_preview(job)
        self.wake(now, job)

    def finish(self, now: float, job: Job) -> None:
        """A painting is to end with what there is."""
        slot = self._worker_slots.working_on(job)
        if job.state == "running" and job.kind == "paint" and job.wanted == "go" and slot is not None:
            job.wanted = "finish"
            self._log.tell(now, job, "told to finish")
            self._tell(SendCommand(slot.key, Finish()))

    def again(self, now: float, job: Job, note: str) -> None:
        self._counters["jobs_retried"] += 1
        job.note(note)
        job.progress = None
        job.move("queued")
        self._log.tell(now, job, note)
        self.queues.add(job, first=True)
        job.position = self.queues.position(job)
        self.wake(now, job)

    def end(self, now: float, job: Job, state: JobState, *, error: VaporbrushError | None = None) -> None:
        job.error, job.ended = error, now
        job.lease_until, job.preview, job.preview_asked, job.position = None, None, 0, 0
        job.move(state)
        self._table.end(job)
        self._counters[f"jobs_{state}"] += 1
        self._log.tell(now, job, state if error is None else f"{state}: {error.message}")
        self._tell(SaveJob(job.job))
        self.wake(now, job)
        for follower in self.chains.ended(job):
            self.queues.change(follower)
            self.polls.renew(now, follower)
            follower.seq += 1
            self._log.tell(now, follower, f"free to begin: {job.job} is {state}")
            self.wake(now, follower)

    # -- what there is to paint on

    def check_devices(self, now: float) -> None:
        """What there is has changed, or is known now: jobs that ask for something else cannot run, unless it was lost a
        moment ago.
        """
        found: dict[Needs, RequestError | None] = {}
        slots = self._worker_slots
        waiting = self.queues.waiting("paint") if self._concerns_somebody(now) else []
        for job in waiting:
            needs = job.asked.needs
            if needs not in found:
                found[needs] = slots.missing(now, needs)
            error = found[needs]
            if error is None:
                self.tell_lost(now, job)
            else:
                self.queues.remove(job)
                self.end(now, job, "failed", error=RemoteError(error.code, error.message))

    def _concerns_somebody(self, now: float) -> bool:
        slots = self._worker_slots
        return any(slots.missing(now, one) or slots.may_come_back(now, one) for one in self.queues.needs())

    def tell_lost(self, now: float, job: Job) -> None:
        """Tell a job that it waits for a lost node, once."""
        needs = job.asked.needs
        if not self._worker_slots.lost or not self._worker_slots.may_come_back(now, needs):
            return
        sentence = self._worker_slots.wait_for(needs)
        if sentence not in job.notes:
            job.note(sentence)
            job.seq += 1
            self.wake(now, job)

    def give_up(self, now: float, slot: Slot, reason: str, *, away: bool) -> None:
        """The worker program does not start: tell everybody for whom there is no other, and look for devices afresh
        next time.
        """
        slots = self._worker_slots
        slots.give_up(now, slot, reason if away else "")
        sentence = f"The worker for device `{slot.device}` did not start {MAX_FAILED_STARTS} times in a row: {reason}."
        error = RemoteError("unreachable", reason) if away else RemoteError("worker_crashed", sentence)
        for job in self.queues.waiting("paint"):
            if slots.hopeless(job.asked.needs):
                self.queues.remove(job)
                self.end(now, job, "failed", error=error)
        slots.look_afresh()

    # -- news

    def refresh(self, job: Job) -> bool:
        """Have the job know its place in the queue. Returns whether that has changed."""
        position = self.queues.position(job)
        if position == job.position:
            return False
        job.position = position
        job.seq += 1
        return True

    def tell_preview(self, job: Job) -> None:
        slot = self._worker_slots.working_on(job)
        running = slot is not None and job.state == "running" and job.kind == "paint"
        if slot is not None and running and job.preview_side != job.preview_asked:
            job.preview_side = job.preview_asked
            self._tell(SendCommand(slot.key, ShowPreview(job.preview_side)))

    def wake(self, now: float, job: Job) -> None:
        for poll in self.polls.of(job):
            if job.final or job.seq > poll.seen:
                self.answer(now, poll, job)

    def answer(self, now: float, poll: Poll, job: Job) -> None:
        self.polls.remove(now, poll, job)
        self._tell(AnswerPoll(poll))
