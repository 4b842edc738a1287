"""What happens is brought to the scheduler here, and what it wants done is done here: processes, files, replies.

Theory of operation. `bring` takes an event and carries its effects out in order; an effect that brings another event
puts that one's effects behind those that wait. An effect that fails is the affair of the job, the worker or the client
that it is about: they are told, and everything else goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from vaporbrush_daemon import logs
from vaporbrush_daemon.scheduling import effects as fx
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.job import JobRequest
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.workers import messages as worker
from vaporbrush_daemon.workers.pool import Exited, News, Nonsense, Pool, Said, StudioMoved, StudioTold, StudioTrouble
from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.result import Result

from .spool import Spool

TICK_PAUSE_S = 1.0  # after a defect in `TimePassed`: what is due is due at once again, and must not keep the loop busy


class Executor:
    """Between the pure scheduler and the world. `answer` replies to a poll, `told` hears of news of devices,
    `learned` how long a start took, `studio` of what travels there and goes wrong, and `closed` that the bridge to it
    has ended. `keep` puts a painting into the history.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        pool: Pool,
        spool: Spool,
        clock: Callable[[], float],
        answer: Callable[[ev.Poll], None],
        refuse: Callable[[ev.Poll, Exception], None],
        told: Callable[[], None],
        learned: Callable[[str, str, float], None],
        closed: Callable[[], None],
        studio: Callable[[StudioMoved | StudioTrouble], None],
        keep: Callable[[float, JobRequest, Result], None] | None = None,
    ) -> None:
        self._scheduler, self._pool, self._spool, self._clock = scheduler, pool, spool, clock
        self._answer, self._refuse, self._told, self._learned = answer, refuse, told, learned
        self._closed, self._studio, self._keep = closed, studio, keep
        self._effects: deque[fx.Effect] = deque()
        self._executing = False
        self._next_tick = 0.0
        self.warm: set[str] = set()  # live jobs whose pictures an earlier job had read

    def bring(self, event: ev.Event) -> None:
        """Let something happen. Raises `RequestError` where a client asks for what cannot be."""
        self._effects += self._scheduler.handle(self._clock(), event)
        if self._executing:
            return
        self._executing = True
        try:
            while self._effects:
                effect = self._effects.popleft()
                try:
                    self._execute(effect)
                except Exception as error:  # noqa: BLE001 -- see above
                    self._failed(effect, error)
        finally:
            self._executing = False

    def pass_time(self) -> None:
        """Do what is due."""
        now = self._clock()
        if now < self._next_tick:
            return
        try:
            self.bring(ev.TimePassed())
        except Exception as error:  # noqa: BLE001 -- a defect there must not end everybody's jobs
            logs.defect("tick_defect", error)
            self._next_tick = now + TICK_PAUSE_S

    def next_deadline(self) -> float | None:
        """When `pass_time` has something to do."""
        due = self._scheduler.next_deadline(self._clock())
        return due if due is None else max(due, self._next_tick)

    # -- workers

    def hear_workers(self) -> None:
        """Bring what the workers said."""
        for news in self._pool.receive():
            try:
                self._hear(news)
            except Exception as error:  # noqa: BLE001 -- one worker's news must not end everybody's jobs
                logs.defect("worker_news_defect", error, slot=news.slot)
                self._pool.kill(news.slot)

    def _hear(self, news: News) -> None:
        match news:
            case Said(slot, event):
                if isinstance(event, worker.Done):
                    event = self._adopted(slot, event)
                self.bring(ev.WorkerSaid(slot, event))
                if isinstance(event, (worker.Ready, worker.Alive)):
                    self._told()
            case Nonsense(slot, sentence):
                logs.event("worker_talks_nonsense", slot=slot, reason=sentence)
                self.bring(ev.WorkerBroke(slot, sentence))
            case Exited(slot, reason, away):
                self.bring(ev.WorkerExited(slot, reason, away))
            case StudioMoved(_, size):
                self._scheduler.counters["studio_bytes_moved"] += size
                self._studio(news)
            case StudioTrouble():
                self._studio(news)
            case StudioTold(devices, gone):
                self.bring(ev.StudioKnown(devices))
                if gone:
                    self._closed()

    def _adopted(self, slot: int, done: worker.Done) -> worker.Done | worker.Failed:
        """Make blobs of the pictures before anybody is told of them."""
        known = self._scheduler.slots.get(slot)
        job = self._scheduler.table.live.get(done.job)
        if job is None or known is None or known.job != done.job:
            return done
        try:
            # A guest's results are kept as long as there is room: whoever never fetches them must not fill the spool.
            self._spool.adopt(self._clock(), done.job, result=not job.asked.guest)
        except OSError as error:
            sentence = f"The painting could not be kept: {error.strerror or error}."
            return worker.Failed(done.job, RemoteError("disk_full", sentence))
        if self._keep is not None:
            self._keep(self._clock(), job.asked, done.result)
        cached = {"blobs": done.job in self.warm, **done.result.cached}
        return replace(done, result=replace(done.result, cached=cached))

    # -- effects

    def _execute(self, effect: fx.Effect) -> None:
        match effect:
            case fx.AnswerPoll(poll):
                self._answer_when_kept(poll)
            case fx.StartWorker(slot, device, place):
                self._pool.start(slot, device, place)
            case fx.StartDownload(slot, job, model):
                logs.event("job_started", job=job, model=model)
                self._pool.download(slot, job, model)
            case fx.PaintJob(slot, job, plan_step):
                self._paint(slot, job, plan_step)
            case fx.SendCommand(slot, command):
                if isinstance(command, worker.End):
                    logs.event("worker_unloaded", slot=slot)
                self._pool.send(slot, command)
            case fx.KillWorker(slot):
                logs.event("worker_killed", slot=slot)
                self._pool.kill(slot)
            case fx.SaveJob(job):
                self._save(job)
            case fx.DiscardResult(job, blobs, record):
                self._spool.discard(blobs)
                if record:
                    self._spool.records.forget(job)
            case fx.RememberStart(device, model, seconds):
                self._learned(device, model, seconds)
            case fx.ClearWork(job):
                self._spool.clear(job)

    def _failed(self, effect: fx.Effect, error: Exception) -> None:
        """An effect could not be carried out: whoever it is about bears it."""
        logs.defect("effect_defect", error, effect=type(effect).__name__)
        reason = f"{type(error).__name__}: {error}"[:300]
        match effect:
            case fx.StartWorker(slot, _, _) | fx.StartDownload(slot, _, _):
                self._effects += self._scheduler.handle(self._clock(), ev.WorkerExited(slot, reason))
            case fx.PaintJob(slot, job, _):
                self._fail(slot, job, RemoteError("internal", f"The painting could not be begun: {reason}"))
            case fx.SendCommand(slot, _):
                self._pool.kill(slot)
            case fx.AnswerPoll(poll):
                self._refuse(poll, error)

    def _fail(self, slot: int, job: str, error: RemoteError) -> None:
        """As if the worker had given the job up, before it was told of it."""
        self._effects += self._scheduler.handle(self._clock(), ev.WorkerSaid(slot, worker.Failed(job, error)))

    def _paint(self, slot: int, job_id: str, plan_step: int) -> None:
        job = self._scheduler.table.jobs[job_id]
        assert job.asked.recipe is not None
        logs.event("job_started", job=job_id, slot=slot, attempt=job.attempts, plan_step=plan_step)
        try:
            out = self._spool.work(job_id)
        except OSError as error:
            sentence = f"The spool cannot be written: {error.strerror or error}."
            self._fail(slot, job_id, RemoteError("disk_full", sentence))
            return
        files = {blob: str(self._spool.path(blob)) for blob in sorted(job.asked.blobs)}
        self._pool.send(slot, worker.Paint(job_id, job.asked.recipe, files, str(out), plan_step))

    def _save(self, job_id: str) -> None:
        job = self._scheduler.table.jobs[job_id]
        if job.final:
            self.warm.discard(job_id)
            error = job.error.code if job.error else None
            logs.event("job_ended", job=job_id, state=job.state, attempts=job.attempts, error=error)
        self._spool.records.save(self._clock(), job_id, job.to_record())

    def _answer_when_kept(self, poll: ev.Poll) -> None:
        """Nobody is told of an end that a power cut could undo."""
        job = self._scheduler.table.jobs.get(poll.job)
        if job is not None and job.final:
            self._spool.when_written(lambda: self._answer_or_refuse(poll))
        else:
            self._answer_or_refuse(poll)

    def _answer_or_refuse(self, poll: ev.Poll) -> None:
        try:
            self._answer(poll)
        except Exception as error:  # noqa: BLE001 -- the client gets its reply all the same
            self._refuse(poll, error)
