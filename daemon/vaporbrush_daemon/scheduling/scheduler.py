"""Who paints what, and when: events in, effects out.

Theory of operation. `handle` takes one event and the monotonic time, changes jobs, slots, queue and polls, and returns
the effects that the front has to execute in order. There is no clock, socket, process or file here, so every rule is
tested without waiting for anything, and the same events give the same state again.

A job is queued, runs in a worker's slot, and ends (`vaporbrush_protocol.states`). The rules for it stand here; what
each turn in its life brings with it, in `dispatcher`. What a worker says about a job that was cancelled meanwhile is
ignored: only jobs that its slot is `_running` change. Jobs start in a fair order (`queues`); `admission` decides who
may put how many there.

An event costs as much as there are slots and different needs, not jobs or clients: counts are kept as jobs come and go
(`job_table`), times in a heap (`timers`), the queue in order of turns (`fair_queue`); and of those that wait in it only
some watched ones learn with each event that they moved up. `python -m tests.bench.scheduler` measures it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from vaporbrush_daemon.workers import messages as worker
from vaporbrush_protocol.errors import RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.job import Preview
from vaporbrush_protocol.result import Result

from . import events as ev
from .admission import Admission
from .dispatcher import Dispatcher
from .effects import AnswerPoll, ClearWork, DiscardResult, Effect, SaveJob
from .end_times import EndTimes
from .event_log import EventLog
from .job import Job, JobRequest
from .job_table import JobTable
from .policy import Policy
from .slot import DOWNLOADS, Slot
from .worker_slots import WorkerSlots

MAX_LOSSES = 5  # machines that went away under a job: it is not its fault, but somebody waits for it
MAX_DEATHS = 2  # a job that ended two workers would end a third


class Scheduler:
    """All jobs, the queue and the waiting polls; `worker_slots` are the workers' places."""

    def __init__(
        self,
        policy: Policy,
        devices: Iterable[str] = (),
        counters: Counter[str] | None = None,
        log: EventLog | None = None,
    ) -> None:
        """`devices` names the devices to paint on; without any, the first worker finds out."""
        self.policy = policy
        self.counters: Counter[str] = Counter() if counters is None else counters
        self.closing = False
        self.table = JobTable()
        self.log = EventLog() if log is None else log
        self._out: list[Effect] = []
        self.worker_slots = WorkerSlots(policy, tuple(devices), self.counters, self._out.append)
        self.dispatcher = Dispatcher(self.table, self.worker_slots, self.log, self.counters, self._out.append)
        self._admission = Admission(policy, self.table)
        self._end_times = EndTimes(self.table, self.dispatcher.queues, self.worker_slots)

    def handle(self, now: float, event: ev.Event) -> list[Effect]:
        """Let something happen. Returns the effects. Raises `RequestError` where a client asks for what cannot be; then
        nothing has changed.
        """
        self._out.clear()
        if isinstance(event, ev.TimePassed):
            if not self._tick(now):
                return []  # nothing was due, so nothing has happened
        elif isinstance(event, ev.WorkerEvent):
            self._worker_event(now, self.slots[event.slot], event)
        else:
            self._client_event(now, event)
        self.log.record(now, event)
        return self._out.copy()

    def _client_event(self, now: float, event: ev.ClientEvent | ev.DaemonEvent) -> None:
        match event:
            case ev.Submitted(asked):
                self._submit(now, asked)
            case ev.Polled(poll):
                self._poll(now, poll)
            case ev.Touched(job):
                self.dispatcher.polls.renew(now, self.table.get(job))
            case ev.CancelAsked(job):
                self._cancel(now, self.table.get(job), "The job was cancelled.")
            case ev.FinishAsked(job):
                self._finish_asked(now, self.table.get(job))
            case ev.Released(job):
                self._release(now, self.table.get(job))
            case ev.UnloadAsked():
                self.worker_slots.unload(now)
            case ev.Adopted(job):
                self.table.add(replace(job, notes=list(job.notes)))
            case ev.RecordsAged(older_than_s):
                self._forget(now, older_than_s)
            case ev.RemotesKnown() | ev.StudioKnown():
                self.worker_slots.know_others(now, event)
                self.dispatcher.check_devices(now)
                self.dispatcher.dispatch(now)
            case ev.Closed(at_once):
                self._close(now, at_once=at_once)

    def _worker_event(self, now: float, slot: Slot, event: ev.WorkerEvent) -> None:
        match event:
            case ev.WorkerSaid(_, said):
                self._worker_said(now, slot, said)
            case ev.WorkerBroke(_, sentence):
                self._worker_broke(now, slot, sentence)
            case ev.WorkerExited(_, reason, away):
                self._worker_exited(now, slot, reason, away=away)

    # -- what others may ask

    @property
    def slots(self) -> dict[int, Slot]:
        """The workers' slots by their key."""
        return self.worker_slots.slots

    @property
    def busy_workers(self) -> int:
        """Workers that paint, or start in order to."""
        return sum(s.state in ("busy", "starting") for s in self.slots.values() if s.device != DOWNLOADS)

    def shown(self, job: Job) -> dict[str, Any]:
        """The fields of a reply about a job, its place in the queue as it is now."""
        return {**job.to_wire(), "position": self.dispatcher.queues.position(job)}

    def next_deadline(self, now: float) -> float | None:
        """When time has to pass next, if nothing else happens."""
        times = self.worker_slots.deadlines(now, waited_for=len(self.dispatcher.queues) > 0)
        first = self.dispatcher.polls.next_deadline()
        return min(times if first is None else [*times, first], default=None)

    # -- clients

    def _submit(self, now: float, asked: JobRequest) -> None:
        """Queue a job. The same job again changes nothing, unless it is to run anew (`Job.revivable`).

        Raises `conflict`, `busy`, `device_missing`, `unreachable`, `weights_missing`, `shutting_down`, and what
        `Chains.before` does.
        """
        known = self.table.jobs.get(asked.job)
        if known is not None and known.asked.digest != asked.digest:
            raise RequestError(
                "conflict", f"Job {asked.job} is already taken by a different job; make a new id for this one."
            )
        if known is not None and not known.revivable:
            self.dispatcher.polls.renew(now, known)
            return
        if self.closing:
            raise RequestError("shutting_down", "The daemon is ending and takes no more jobs; try again in a moment.")
        missing = self.worker_slots.missing(now, asked.needs)
        if missing is not None:
            raise missing
        before = self.dispatcher.chains.before(asked)
        self._admission.admit(now, asked, lambda: self._end_times.after(now))
        job = known or Job(asked)
        if known is not None:
            job.restart(asked)
        self.table.add(job)
        self.dispatcher.polls.renew(now, job)
        if before is not None:
            self.dispatcher.chains.add(job, before)
        self.dispatcher.queues.add(job)
        self.dispatcher.tell_lost(now, job)
        self.log.tell(now, job, f"submitted, {self.dispatcher.queues.position(job)} before it")
        self.dispatcher.dispatch(now)
        self._out.append(SaveJob(job.job))

    def _poll(self, now: float, poll: ev.Poll) -> None:
        job = self.table.get(poll.job)
        self.dispatcher.refresh(job)
        waits = self.dispatcher.polls.add(now, poll, job)
        self.dispatcher.tell_preview(job)
        if not waits:
            self._out.append(AnswerPoll(poll))

    def _cancel(self, now: float, job: Job, why: str) -> None:
        """Stop and keep nothing. The job is `cancelled` at once; its worker is free after the present step."""
        if job.final:
            return
        slot = self.worker_slots.working_on(job)
        if job.state == "queued":
            self.dispatcher.queues.remove(job)
        elif slot is not None:
            self.worker_slots.call_off(now, slot)
        self.dispatcher.end(now, job, "cancelled", error=RemoteError("cancelled", why))
        self.dispatcher.dispatch(now)

    def _finish_asked(self, now: float, job: Job) -> None:
        """Keep what there is; of a job that has not begun, that is nothing. A download goes on."""
        self.dispatcher.polls.renew(now, job)
        if job.state == "queued" and job.kind == "paint":
            self._cancel(now, job, "The job was told to finish before it had begun.")
        else:
            self.dispatcher.finish(now, job)

    def _release(self, now: float, job: Job) -> None:
        """The client has what it wants: the files may go. A job that still lives is cancelled."""
        self._cancel(now, job, "The job was released before it had ended.")
        if not job.released:
            self._out += [DiscardResult(job.job, self.table.release(job), record=False), SaveJob(job.job)]
            self.log.tell(now, job, "released")

    # -- workers

    def _worker_said(self, now: float, slot: Slot, said: worker.Event) -> None:
        slot.heard = now
        match said:
            case worker.Ready():
                if self.worker_slots.ready(now, slot, said):
                    self.dispatcher.check_devices(now)
                    self.dispatcher.dispatch(now)
            case worker.Alive():
                if self.worker_slots.looked(slot, said):
                    self.dispatcher.dispatch(now)
            case worker.Progressed():
                self._progressed(now, slot, said)
            case worker.Noted(job_id, sentence):
                if (noted := self._running(slot, job_id)) is not None:
                    noted.note(sentence)
                    noted.seq += 1
                    self.dispatcher.wake(now, noted)
            case worker.Done() | worker.Fetched():
                job = self._stopped_working(now, slot, said.job)
                if job is not None:
                    slot.failures = 0
                    self._done(now, slot, job, said.result if isinstance(said, worker.Done) else said)
                self.dispatcher.dispatch(now)
            case worker.Failed(job_id, error):
                job = self._stopped_working(now, slot, job_id)
                if job is not None:
                    self._failed(now, job, error)
                self.dispatcher.dispatch(now)

    def _progressed(self, now: float, slot: Slot, said: worker.Progressed) -> None:
        progress, preview = said.progress, said.preview
        slot.loading = progress.phase in ("loading", "measuring")
        job = self._running(slot, said.job)
        if job is None:
            return
        before, job.progress = job.progress, progress
        self.worker_slots.progressed(now, slot, job, before)
        if before is None or (before.phase, before.scale) != (progress.phase, progress.scale):
            scale = f", scale {progress.scale} of {progress.scales}" if progress.scales else ""
            self.log.tell(now, job, f"{progress.phase}{scale}")
        if preview is not None:
            last = job.preview.number if job.preview else 0
            job.preview = Preview(last + 1, preview.width, preview.height, preview.pixels)
        job.seq += 1
        self.dispatcher.wake(now, job)

    def _done(self, now: float, slot: Slot, job: Job, result: Result | worker.Fetched) -> None:
        if isinstance(result, Result):
            slot.model = result.model
            self._end_times.learn(now - job.began)
            if job.plan_step and not result.degraded:
                sentence = "The device's memory did not suffice for the first plan; a cheaper one was used."
                result = replace(result, degraded=sentence)
        job.result = result
        self.worker_slots.holdings.note(slot, job.made)
        self.dispatcher.end(now, job, "done")

    def _failed(self, now: float, job: Job, error: VaporbrushError) -> None:
        """A worker gave its job up. Out of memory gets a second try at the cheaper plan."""
        if error.code == "out_of_memory" and job.plan_step == 0:
            job.plan_step = 1
            self.dispatcher.again(now, job, f"{error.message} The job was started again with a plan that needs less.")
        else:
            self.dispatcher.end(now, job, "cancelled" if error.code == "cancelled" else "failed", error=error)

    def _worker_broke(self, now: float, slot: Slot, sentence: str) -> None:
        """Its job is failed at once: a defect would only repeat itself, after minutes of painting."""
        job = self._running(slot, slot.job or "")
        self.worker_slots.broke(now, slot)
        if job is not None:
            error = RemoteError("internal", f"The worker broke its protocol and was ended: {sentence}")
            self.dispatcher.end(now, job, "failed", error=error)
            self.dispatcher.dispatch(now)

    def _worker_exited(self, now: float, slot: Slot, reason: str, *, away: bool = False) -> None:
        job, stuck, left = self._running(slot, slot.job or ""), slot.stuck, slot.job
        hopeless = self.worker_slots.gone(now, slot, working=job is not None, away=away)
        if left is not None:
            self._out.append(ClearWork(left))
        if job is not None and away:
            self._lost(now, job, reason)
        elif job is not None:
            job.deaths += 1
            what = "stopped making progress and was ended" if stuck else f"died ({reason})"
            if job.deaths < MAX_DEATHS:
                self.dispatcher.again(now, job, f"The worker process {what}; the job was started again.")
            else:
                code = "worker_stuck" if stuck else "worker_crashed"
                sentence = f"The worker process {what} while it ran this job, as it did the time before."
                self.dispatcher.end(now, job, "failed", error=RemoteError(code, sentence))
        if hopeless:
            self.dispatcher.give_up(now, slot, "it says nothing" if stuck else reason, away=away)
        if slot.remote:
            self.dispatcher.check_devices(now)  # it may have been removed meanwhile
        self.dispatcher.dispatch(now)

    def _lost(self, now: float, job: Job, reason: str) -> None:
        """The machine that painted it cannot be reached any more."""
        job.losses += 1
        if job.losses < MAX_LOSSES:
            self.dispatcher.again(now, job, reason)
        else:
            self.dispatcher.end(now, job, "failed", error=RemoteError("unreachable", reason))

    def _running(self, slot: Slot, job_id: str) -> Job | None:
        """The job if the slot still runs it: what a worker says about a job that was cancelled meanwhile is ignored."""
        job = self.table.jobs.get(job_id) if slot.job == job_id else None
        return job if job is not None and job.state == "running" else None

    def _stopped_working(self, now: float, slot: Slot, job_id: str) -> Job | None:
        """A worker has no more to do with a job. Returns it if it still counts."""
        job, left = self._running(slot, job_id), slot.job
        self.worker_slots.free(now, slot, job_id)
        if left == job_id and slot.job is None:
            self._out.append(ClearWork(job_id))
        return job

    # -- time, records, the end

    def _tick(self, now: float) -> bool:
        """Do what is due. Returns whether anything was."""
        due = False
        for job in self.dispatcher.polls.due(now):
            due = True
            for poll in self.dispatcher.polls.timed_out(now, job):
                self.dispatcher.answer(now, poll, job)
            if self.dispatcher.polls.lease_ended(now, job) and job.asked.after:
                job.lease_until = None  # its client may follow the job before it: `_leave` when that one's has gone
            elif self.dispatcher.polls.lease_ended(now, job):
                job.lease_until = None
                self.log.tell(now, job, "its client has gone")
                self._leave(now, job)
                if job.asked.on_lease_end == "cancel":
                    self._cancel(now, job, "Its client has gone, so the job was cancelled.")
            if self.dispatcher.polls.preview_unwanted(now, job):
                job.preview_asked = 0
                self.dispatcher.tell_preview(job)
            self.dispatcher.polls.looked_at(job)
        due = self.worker_slots.tick(now) or due
        if late := self.worker_slots.overdue(now):
            due = True
            self.dispatcher.check_devices(now)
            self.worker_slots.forget_lost(late)
        if len(self.dispatcher.queues):
            self.dispatcher.dispatch(now)  # a worker may have been kept back until now
        return due or bool(self._out)

    def _leave(self, now: float, job: Job) -> None:
        """A job's client has gone: cancel those that wait for it and are left, too, as they wish it; the last first, so
        that none of them begins.
        """
        found, known = [], [job]
        while known:
            left = [one for one in self.dispatcher.chains.after(known.pop()) if self.dispatcher.polls.is_left(now, one)]
            found += left
            known += left
        for follower in reversed(found):
            if follower.asked.on_lease_end == "cancel":
                self._cancel(now, follower, "Its client has gone, so the job was cancelled.")

    def _forget(self, now: float, older_than_s: float) -> None:
        at_work = {slot.job for slot in self.slots.values()}
        for job in self.table.outdated(now, older_than_s, self.policy.keep_jobs):
            if job.job in at_work:
                continue  # its worker has not let go yet: the same id, submitted anew, would be taken for this one
            self._out.append(DiscardResult(job.job, self.table.forget(job), record=True))
            self.log.forget(job.job)

    def _close(self, now: float, *, at_once: bool) -> None:
        """No more work. Running paintings are told to finish; `at_once` gives everything up."""
        self.closing = True
        sentence = "The daemon ended before the job did; submit it again when it runs."
        for job in list(self.table.live.values()):
            if job.state == "running" and job.kind == "paint" and not at_once:
                self.dispatcher.finish(now, job)
                continue
            if job.state == "queued":
                self.dispatcher.queues.remove(job)
            self.dispatcher.end(now, job, "failed", error=RemoteError("shutting_down", sentence))
