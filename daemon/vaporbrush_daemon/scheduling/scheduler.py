"""Who paints what, and when: events in, effects out.

Pure: no clock, no socket, no process, no file. Every method that tells what happened takes the monotonic time `now` and
returns the effects that the front has to execute in order. So every rule here is tested without waiting for anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from vaporbrush_protocol.errors import RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.limits import LIST_PAGE
from vaporbrush_protocol.progress import Progress

from .effects import Answer, Discard, Effect, Fetch, Paint, Policy, Save, Send, Watch
from .fair_queue import FairQueue
from .job import Job, Preview
from .worker_slots import MAX_FAILED_STARTS, Slot, WorkerSlots

MAX_DEATHS = 2  # a job that ended two workers would end a third
PREVIEW_LINGER_S = 3.0  # previews go on being made between two polls of the same client
MAX_RECORDS = 1000  # ended jobs that are remembered; a record is a few kB
RETRY_AFTER_S = 5.0  # what a client is told when nobody knows how long the running job takes


class Scheduler:
    """All jobs, the queue and the waiting polls; the workers are the crew's."""

    def __init__(self, policy: Policy, devices: Iterable[str] = (), counters: Counter[str] | None = None) -> None:
        """`devices` names the devices to paint on; without any, the first worker finds out."""
        self.policy = policy
        self.jobs: dict[str, Job] = {}  # in the order in which they came
        self.counters: Counter[str] = Counter() if counters is None else counters
        self.closing = False
        self._queue = FairQueue()
        self._watches: list[Watch] = []
        self._out: list[Effect] = []
        self._worker_slots = WorkerSlots(policy, tuple(devices), self.counters, self._out.append)
        self.slots = self._worker_slots.slots

    # -- what clients ask for

    def adopt(self, job: Job) -> None:
        """Take over a job of an earlier process."""
        self.jobs[job.job] = job

    def job(self, job_id: str) -> Job:
        """The job of this id; raises `unknown_job`."""
        job = self.jobs.get(job_id)
        if job is None:
            raise RequestError("unknown_job", f"No job {job_id} is known here: it may have expired. Submit it again.")
        return job

    def submit(self, now: float, asked: Job) -> list[Effect]:
        """Queue a job. The same job again changes nothing, unless it failed in a way that may pass: then it runs anew.

        Raises `conflict`, `busy`, `device_missing`, `shutting_down`.
        """
        known = self.jobs.get(asked.job)
        if known is not None and known.digest != asked.digest:
            raise RequestError(
                "conflict", f"Job {asked.job} is already taken by a different job; make a new id for this one."
            )
        if known is not None and not known.revivable:
            self._renew(now, known)
            return self._effects()
        self._admit(asked)
        if known is not None:
            known.move("queued")
            asked.state, asked.seq, asked.attempts = known.state, known.seq, known.attempts
            del self.jobs[known.job]
        self.jobs[asked.job] = asked
        self._renew(now, asked)
        self._queue.add(asked.client, asked.job)
        self._dispatch(now)
        self._out.append(Save(asked.job))
        return self._effects()

    def watch(self, now: float, watch: Watch) -> list[Effect]:
        """Answer when the job changes from what was seen, at the latest at `watch.until`."""
        job = self.job(watch.job)
        self._renew(now, job)
        if watch.preview and not job.final:
            job.preview_asked = min(
                [watch.preview, *(w.preview for w in self._watches if w.job == job.job and w.preview)]
            )
            job.preview_until = max(now, watch.until) + PREVIEW_LINGER_S
            self._tell_preview(job)
        if job.seq > watch.seen or job.final or watch.until <= now:
            self._out.append(Answer(watch))
        else:
            self._watches.append(watch)
        return self._effects()

    def touch(self, now: float, job_id: str) -> None:
        """A request about the job came in: its client is alive."""
        self._renew(now, self.job(job_id))

    def cancel(self, now: float, job_id: str, why: str = "The job was cancelled.") -> list[Effect]:
        """Stop and keep nothing. The job is `cancelled` at once; its worker is free after the present step."""
        self._cancel(now, self.job(job_id), why)
        return self._effects()

    def finish(self, now: float, job_id: str) -> list[Effect]:
        """Stop and keep what there is; of a job that has not begun, that is nothing. A download goes on."""
        job = self.job(job_id)
        self._renew(now, job)
        if job.state == "queued" and job.kind == "paint":
            self._cancel(now, job, "The job was told to finish before it had begun.")
        else:
            self._finish(job)
        return self._effects()

    def release(self, now: float, job_id: str) -> list[Effect]:
        """The client has what it wants: the files may go. A job that still lives is cancelled."""
        job = self.job(job_id)
        self._cancel(now, job, "The job was released before it had ended.")
        if not job.released:
            job.released = True
            self._out += [self._discard(job, record=False), Save(job.job)]
        return self._effects()

    def page(self, after: str | None) -> tuple[list[Job], bool]:
        """Up to `LIST_PAGE` jobs that came after the given one, and whether there are more."""
        jobs = list(self.jobs.values())
        if after is not None:
            jobs = jobs[[job.job for job in jobs].index(self.job(after).job) + 1 :]
        return jobs[:LIST_PAGE], len(jobs) > LIST_PAGE

    def unload(self, now: float) -> tuple[int, int, list[Effect]]:
        """End idle workers: how many were told to, how many were busy, and the effects."""
        ended, busy = self._worker_slots.unload(now)
        return ended, busy, self._effects()

    # -- what workers say

    def ready(self, now: float, key: int, device: str, devices: Iterable[str], facts: dict[str, Any]) -> list[Effect]:
        """A worker has started: on which device, and which devices there are."""
        slot = self.slots[key]
        slot.heard, slot.device, slot.facts = now, device, facts
        slot.failed_starts = 0
        if slot.state == "starting":
            slot.state = "idle"
            self._worker_slots.know(self._worker_slots.devices or tuple(devices))
            self._check_devices(now)
            self._dispatch(now)
        return self._effects()

    def alive(self, now: float, key: int) -> None:
        """A worker said something."""
        self.slots[key].heard = now

    def progress(
        self, now: float, key: int, job_id: str, progress: Progress, preview: tuple[int, int, bytes] | None
    ) -> list[Effect]:
        """A step is done; `preview` is width, height and RGB bytes."""
        slot = self.slots[key]
        slot.heard, slot.loading = now, progress.phase in ("loading", "measuring")
        job = self._running(slot, job_id)
        if job is not None:
            job.progress = progress
            if preview is not None:
                job.preview = Preview(job.preview.number + 1 if job.preview else 1, *preview)
            self._changed(now, job)
        return self._effects()

    def done(self, now: float, key: int, job_id: str, result: dict[str, Any]) -> list[Effect]:
        """A worker has finished its job."""
        slot = self.slots[key]
        job = self._running(slot, job_id)
        self._worker_slots.free(now, slot, job_id)
        slot.failures = 0
        if job is not None:
            slot.model = str(result.get("model", slot.model))
            if job.plan_step and not result.get("degraded"):
                result["degraded"] = "The device's memory did not suffice for the first plan; a cheaper one was used."
            self._end(now, job, "done", result=result)
        self._dispatch(now)
        return self._effects()

    def failed(self, now: float, key: int, job_id: str, error: VaporbrushError, *, out_of_memory: bool) -> list[Effect]:
        """A worker gave its job up and lives on. Out of memory gets a second try at the cheaper plan."""
        slot = self.slots[key]
        job = self._running(slot, job_id)
        self._worker_slots.free(now, slot, job_id)
        if job is not None and out_of_memory and job.plan_step == 0:
            job.plan_step = 1
            self._again(job, f"{error.message} The job was started again with a plan that needs less.")
        elif job is not None:
            self._end(now, job, "cancelled" if error.code == "cancelled" else "failed", error=error)
        self._dispatch(now)
        return self._effects()

    def exited(self, now: float, key: int, reason: str) -> list[Effect]:
        """A worker process is gone. `reason` is a clause such as "it was ended by signal 9"."""
        slot = self.slots[key]
        job, stuck = self._running(slot, slot.job or ""), slot.stuck
        hopeless = self._worker_slots.gone(now, slot, working=job is not None)
        if job is not None:
            job.deaths += 1
            what = "stopped making progress and was ended" if stuck else f"died ({reason})"
            if job.deaths < MAX_DEATHS:
                self._again(job, f"The worker process {what}; the job was started again.")
            else:
                code = "worker_stuck" if stuck else "worker_crashed"
                sentence = f"The worker process {what} while it ran this job, as it did the time before."
                self._end(now, job, "failed", error=RemoteError(code, sentence))
        if hopeless:
            self._give_up(now, slot, "it says nothing" if stuck else reason)
        self._dispatch(now)
        return self._effects()

    # -- time

    def tick(self, now: float) -> list[Effect]:
        """Whatever is due."""
        for watch in [w for w in self._watches if w.until <= now]:
            self._answer(now, watch)
        watched = {watch.job for watch in self._watches}
        for job in [j for j in self.jobs.values() if not j.final]:
            if job.lease_until is not None and job.lease_until <= now and job.job not in watched:
                job.lease_until = None
                if job.on_lease_end == "cancel":
                    self._cancel(now, job, "Its client has gone, so the job was cancelled.")
            if job.preview_asked and job.preview_until <= now and job.job not in watched:
                job.preview_asked = 0
                self._tell_preview(job)
        self._worker_slots.tick(now)
        self._dispatch(now)
        return self._effects()

    def next_deadline(self, now: float) -> float | None:
        """When `tick` has something to do next, if nothing else happens."""
        times = [watch.until for watch in self._watches]
        watched = {watch.job for watch in self._watches}
        for job in self.jobs.values():
            if not job.final and job.job not in watched:
                times += [] if job.lease_until is None else [job.lease_until]
                times += [job.preview_until] if job.preview_asked else []
        times += self._worker_slots.deadlines(now, waited_for=len(self._queue) > 0)
        return min(times, default=None)

    def forget(self, now: float, older_than_s: float) -> list[Effect]:
        """Drop the records of jobs that ended long ago, and the oldest of too many."""
        ended = [job for job in self.jobs.values() if job.final]
        too_many = max(0, len(ended) - MAX_RECORDS)
        for job in [j for i, j in enumerate(ended) if i < too_many or j.ended < now - older_than_s]:
            del self.jobs[job.job]
            self._out.append(self._discard(job, record=True))
        return self._effects()

    def close(self, now: float, *, at_once: bool) -> list[Effect]:
        """The daemon ends: no more work. Running paintings are told to finish; `at_once` gives everything up."""
        self.closing = True
        sentence = "The daemon ended before the job did; submit it again when it runs."
        for job in [j for j in self.jobs.values() if not j.final]:
            if job.state == "running" and job.kind == "paint" and not at_once:
                self._finish(job)
                continue
            if job.state == "queued":
                self._queue.remove(job.client, job.job)
            self._end(now, job, "failed", error=RemoteError("shutting_down", sentence))
        return self._effects()

    # -- what the front and the spool want to know

    @property
    def busy(self) -> bool:
        """Whether any job lives."""
        return any(not job.final for job in self.jobs.values())

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    @property
    def live_bytes(self) -> int:
        """Bytes of the pictures of jobs that live."""
        return sum(job.input_bytes for job in self.jobs.values() if not job.final)

    @property
    def usual_device(self) -> str:
        """Where a job that does not care is painted; empty until the first worker has told."""
        devices = self._worker_slots.devices
        return next((device for device in devices if device != "cpu"), "cpu" if devices else "")

    def live_blobs(self) -> set[str]:
        """Blobs that must not go: those of jobs that live."""
        return {blob for job in self.jobs.values() if not job.final for blob in job.blobs}

    # -- the rules

    def _effects(self) -> list[Effect]:
        effects = self._out.copy()
        self._out.clear()
        return effects

    def _admit(self, job: Job) -> None:
        live = sum(not job.final for job in self.jobs.values())
        if self.closing:
            raise RequestError("shutting_down", "The daemon is ending and takes no more jobs; try again in a moment.")
        if live >= self.policy.max_jobs:
            raise RequestError(
                "busy", f"{live} jobs wait already, the most that are taken.", retry_after_s=self._retry_after()
            )
        if live and self.live_bytes + job.input_bytes > self.policy.max_bytes:
            raise RequestError(
                "busy",
                f"The pictures of the waiting jobs hold {self.live_bytes} of {self.policy.max_bytes} bytes, "
                f"and this job's {job.input_bytes} bytes do not fit.",
                retry_after_s=self._retry_after(),
            )
        self._check_device(job)

    def _check_device(self, job: Job) -> None:
        devices = self._worker_slots.devices
        if job.kind == "paint" and devices and job.device not in (*devices, "auto"):
            raise RequestError(
                "device_missing", f"The device `{job.device}` does not exist here; there is {', '.join(devices)}."
            )

    def _check_devices(self, now: float) -> None:
        for job_id in self._queue.order():
            job = self.jobs[job_id]
            try:
                self._check_device(job)
            except RequestError as error:
                self._queue.remove(job.client, job.job)
                self._end(now, job, "failed", error=error)

    def _retry_after(self) -> float:
        left = [j.progress.eta_s for j in self.jobs.values() if j.state == "running" and j.progress]
        return max(1.0, min([eta for eta in left if eta is not None], default=RETRY_AFTER_S))

    def _dispatch(self, now: float) -> None:
        """Give waiting jobs, in their order, to idle workers; start workers for the rest."""
        taken: set[int] = set()
        for job in [self.jobs[job_id] for job_id in self._queue.order()]:
            suitable = [slot for slot in self._worker_slots.suitable(job) if slot.key not in taken]
            ready = next((s for s in suitable if s.state == "idle"), None)
            coming = next((s for s in suitable if s.state == "starting"), None)
            stopped = next((s for s in suitable if s.state == "stopped" and s.not_before <= now), None)
            if ready is not None:
                self._assign(now, ready, job)
            elif coming is not None:
                taken.add(coming.key)
            elif stopped is not None and job.kind == "fetch":
                self._assign(now, stopped, job)
            elif stopped is not None:
                self._worker_slots.start(now, stopped)
                taken.add(stopped.key)
        self._count_positions(now)

    def _assign(self, now: float, slot: Slot, job: Job) -> None:
        self._queue.take(job.client, job.job)
        self._worker_slots.occupy(now, slot, job)
        job.attempts += 1
        job.position = 0
        job.progress = None
        job.preview_side = 0
        job.move("running")
        if job.kind == "fetch":
            self._out.append(Fetch(slot.key, job.job, job.model))
        else:
            self._out.append(Paint(slot.key, job.job, job.plan_step))
            if job.wanted == "finish":
                self._out.append(Send(slot.key, {"do": "finish"}))
            self._tell_preview(job)
        self._wake(now, job)

    def _count_positions(self, now: float) -> None:
        ahead: Counter[str] = Counter()
        for job in [self.jobs[job_id] for job_id in self._queue.order()]:
            if job.position != ahead[job.kind]:
                job.position = ahead[job.kind]
                self._changed(now, job)
            ahead[job.kind] += 1

    def _cancel(self, now: float, job: Job, why: str) -> None:
        if job.final:
            return
        slot = self._worker_slots.working_on(job)
        if job.state == "queued":
            self._queue.remove(job.client, job.job)
        elif slot is not None:
            self._worker_slots.call_off(now, slot)
        self._end(now, job, "cancelled", error=RemoteError("cancelled", why))
        self._dispatch(now)

    def _finish(self, job: Job) -> None:
        slot = self._worker_slots.working_on(job)
        if job.state == "running" and job.kind == "paint" and job.wanted == "go" and slot is not None:
            job.wanted = "finish"
            self._out.append(Send(slot.key, {"do": "finish"}))

    def _discard(self, job: Job, *, record: bool) -> Discard:
        """What only this job made may go: an equal recipe gives equal pictures, which another client may still want."""
        others = [other for other in self.jobs.values() if other is not job and not other.released]
        wanted = {blob for other in others for blob in other.made} | self.live_blobs()
        return Discard(job.job, frozenset(job.made - wanted), record=record)

    def _running(self, slot: Slot, job_id: str) -> Job | None:
        """The job if the slot still runs it: what a worker says about a job that was cancelled meanwhile is ignored."""
        job = self.jobs.get(job_id) if slot.job == job_id else None
        return job if job is not None and job.state == "running" else None

    def _again(self, job: Job, note: str) -> None:
        self.counters["jobs_retried"] += 1
        job.note(note)
        job.progress = None
        job.move("queued")
        self._queue.add(job.client, job.job, first=True)

    def _end(
        self,
        now: float,
        job: Job,
        state: Any,
        *,
        result: dict[str, Any] | None = None,
        error: VaporbrushError | None = None,
    ) -> None:
        job.result, job.error, job.ended = result, error, now
        job.lease_until, job.preview, job.preview_asked, job.position = None, None, 0, 0
        job.move(state)
        self.counters[f"jobs_{state}"] += 1
        self._out.append(Save(job.job))
        self._wake(now, job)

    def _give_up(self, now: float, slot: Slot, reason: str) -> None:
        """The worker program does not start: tell everybody who waits for it, and look for devices afresh next time."""
        slot.failed_starts = 0
        sentence = f"The worker for device `{slot.device}` did not start {MAX_FAILED_STARTS} times in a row: {reason}."
        for job in [self.jobs[job_id] for job_id in self._queue.order()]:
            if slot in self._worker_slots.suitable(job):
                self._queue.remove(job.client, job.job)
                self._end(now, job, "failed", error=RemoteError("worker_crashed", sentence))
        self._worker_slots.forget_devices()

    def _tell_preview(self, job: Job) -> None:
        slot = self._worker_slots.working_on(job)
        if (
            slot is not None
            and job.state == "running"
            and job.kind == "paint"
            and job.preview_side != job.preview_asked
        ):
            job.preview_side = job.preview_asked
            self._out.append(Send(slot.key, {"do": "preview", "side": job.preview_side}))

    def _renew(self, now: float, job: Job) -> None:
        if not job.final:
            job.lease_until = now + job.lease_s

    def _changed(self, now: float, job: Job) -> None:
        job.seq += 1
        self._wake(now, job)

    def _wake(self, now: float, job: Job) -> None:
        for watch in [w for w in self._watches if w.job == job.job and job.seq > w.seen]:
            self._answer(now, watch)

    def _answer(self, now: float, watch: Watch) -> None:
        self._watches.remove(watch)
        self._renew(now, self.jobs[watch.job])
        self._out.append(Answer(watch))
