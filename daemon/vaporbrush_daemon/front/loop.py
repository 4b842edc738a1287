"""The daemon's one loop: a ROUTER for clients, the workers' events, time and signals. Never imports torch or numpy.

Clients' messages become requests (`Session`), requests become calls of the `Handlers`, whose effects are executed here.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from collections import Counter
from dataclasses import replace
from typing import Any

import zmq

from vaporbrush_daemon import instance, logs
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.machine import Surplus
from vaporbrush_daemon.scheduling import effects as fx
from vaporbrush_daemon.scheduling.job import Job
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.workers.pool import Pool
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.endpoint import FILE, Connection
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.limits import MAX_WATCH_S
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.session import Frames, ReceivedRequest, Session
from vaporbrush_protocol.version import __version__

from .authentication import Tokens, ZapHandler
from .background import Background
from .clock import AwakeClock
from .handlers import DaemonInfo, Handlers, Reply, Ticket
from .listener import Listener
from .spool import Spool
from .systemd import Notifier

BURST = 64  # messages taken from clients before workers, newcomers and time get their turn
HOUSEKEEPING_S = 5.0  # socket file still there? anything expired?
DRAIN_S = 10.0  # that the last records may take to reach the disk
SESSION_TTL_S = 4 * MAX_WATCH_S  # libzmq does not say that a peer has gone


class Front:
    """Sockets and loop."""

    def __init__(self, config: Config, tokens: Tokens, lock: instance.Lock, notifier: Notifier) -> None:
        self._config, self._tokens, self._lock, self._notifier = config, tokens, lock, notifier
        self._connection: Connection | None = None
        self.now = AwakeClock()
        self._info = DaemonInfo(secrets.token_hex(8), self.now())
        self.counters: Counter[str] = Counter()
        policy = fx.Policy(
            max_jobs=config.max_jobs,
            max_bytes=config.max_queue_bytes,
            idle_unload_s=config.idle_unload_s,
            stuck_after_s=config.stuck_after_s,
            load_stuck_after_s=config.load_stuck_after_s,
        )
        self._scheduler = Scheduler(policy, config.devices, self.counters)
        self._ttl_s = config.spool_hours * 3600
        self._background = Background()
        self._spool = Spool(
            config.home / "spool", config.spool_bytes, self._ttl_s, self._scheduler.live_blobs, self._background
        )
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._zap_handler = ZapHandler(self._context, tokens, self.counters, self.now)
        self._listener = Listener(self._context)
        self._router = self._listener.router
        self._surplus = Surplus()
        self._pool = Pool(self._context, config)
        self._handlers = Handlers(
            config=config,
            life=self._info,
            scheduler=self._scheduler,
            spool=self._spool,
            pool=self._pool,
            aside=self._background,
            counters=self.counters,
            execute=self._execute,
            stop=self.stop,
            clock=self.now,
        )
        self._sessions: dict[bytes, tuple[Session, float]] = {}
        self._asked_last = self.now()
        self._stop_at: float | None = None
        self._dawn, self._bell = socket.socketpair()  # signals ring; the poller hears
        self._rung = 0

    # -- beginning and end

    def open(self, last: Connection) -> Connection:
        """Read the spool, bind, and return the connection file's new content. Raises `OSError`, `zmq.ZMQError`."""
        now = self.now()
        self._spool.open(now)
        for job in self._spool.records.read(now, Job.from_record):
            self._scheduler.adopt(job)
            if job.state == "done" and not job.released:
                self._spool.hold(job.job, job.made)
        self._housekeep(now)
        self._info.endpoints = self._listener.open(self._config, last)
        self._connection = replace(
            last,
            token=self._tokens.current,
            endpoints=tuple(self._info.endpoints),
            start=(sys.executable, "-P", "-m", "vaporbrush_daemon", "serve", "--foreground", "--idle-exit"),
            log=logs.path(),
            pid=os.getpid(),
            daemon_version=__version__,
        )
        return self._connection

    def stop(self, at_once: bool) -> None:
        """Take no more work and end: when the running jobs have delivered what they have, or at once."""
        again = self._stop_at is not None
        now = self.now()
        at_once = at_once or again or not self._config.drain_s
        self._stop_at = now if at_once else now + self._config.drain_s
        logs.event("stopping", at_once=at_once, queued=self._scheduler.queued)
        self._notifier.tell("STOPPING=1")
        self._execute(self._scheduler.close(now, at_once=at_once))

    def close(self) -> None:
        """End the workers and the sockets."""
        self._execute(self._scheduler.close(self.now(), at_once=True))
        all_ended = self._pool.close()
        self._spool.close(self.now())
        if not self._background.drain("disk", DRAIN_S):
            logs.event("records_not_saved", waited_s=DRAIN_S)
        self._background.close()
        self._listener.close()
        self._zap_handler.close()
        if all_ended:  # else a thread still listens to a process that even SIGKILL does not end, and term() would wait
            self._context.term()
        self._dawn.close()
        self._bell.close()

    def ring_on_signals(self) -> None:
        """Let SIGTERM and SIGINT end the daemon; a second one at once. A closed terminal does not."""
        self._bell.setblocking(False)
        signal.set_wakeup_fd(self._bell.fileno(), warn_on_full_buffer=False)
        for name in ("SIGTERM", "SIGINT", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._ring)
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _ring(self, *_: object) -> None:
        """A signal interrupts the loop anywhere, also in the middle of a change: so it is only counted here."""
        self._rung += 1

    def run(self) -> None:
        """Serve until told to stop."""
        poller = zmq.Poller()
        for source in (self._router, self._zap_handler.socket, self._pool.socket):
            poller.register(source, zmq.POLLIN)
        poller.register(self._dawn.fileno(), zmq.POLLIN)
        poller.register(self._background.bell.fileno(), zmq.POLLIN)
        beats = [HOUSEKEEPING_S] + ([self._notifier.watchdog_s] if self._notifier.watchdog_s else [])
        housekeeping = beat = self.now()
        slept = self.now.lost
        while not self._ended():
            now = self.now()
            deadlines = [self._scheduler.next_deadline(now), self._stop_at, housekeeping + HOUSEKEEPING_S]
            wait_s = min([min(beats), *(max(0.0, due - now) for due in deadlines if due is not None)])
            # Rounded up: a poll that returns a fraction early would only poll again.
            self.now.expect(wait_s)
            ready = dict(poller.poll(int(wait_s * 1000) + 1))
            if self.now.lost > slept:
                logs.event("slept", seconds=self.now.lost - slept)
                slept = self.now.lost
            if self._dawn.fileno() in ready:
                self._dawn.recv(4096)
            while self._rung:
                self._rung -= 1
                self.stop(at_once=False)
            self._zap_handler.serve()
            if self._background.bell.fileno() in ready:
                self._background.finish()
            self._hear_workers()
            if self._router in ready:
                self._hear_clients()
            now = self.now()
            self._execute(self._scheduler.tick(now))
            if self._notifier.watchdog_s and now >= beat + self._notifier.watchdog_s:
                beat = now
                self._notifier.tell("WATCHDOG=1")
            if now >= housekeeping + HOUSEKEEPING_S:
                housekeeping = now
                self._housekeep(now)

    def _ended(self) -> bool:
        now = self.now()
        if self._stop_at is not None:
            return now >= self._stop_at or not self._scheduler.busy
        idle_s = self._config.idle_exit_s
        if idle_s and not self._scheduler.busy and now >= self._asked_last + idle_s:
            logs.event("idle_exit", after_s=idle_s)
            return True
        return False

    def _housekeep(self, now: float) -> None:
        self._execute(self._scheduler.forget(now, self._ttl_s))
        self._spool.sweep(now)
        for peer in [p for p, (s, used) in self._sessions.items() if used < now - SESSION_TTL_S and not s.outstanding]:
            del self._sessions[peer]
        self._zap_handler.refusals.tell(now)
        self._surplus.give_back()
        self._keep_place()

    def _keep_place(self) -> None:
        """Hold lock, socket and connection file, also where somebody deletes them. Where another daemon has taken the
        home meanwhile, or where it is gone, this one ends.
        """
        if self._connection is None or self._stop_at is not None:
            return
        try:
            if not self._config.home.is_dir():
                raise FileNotFoundError(f"{self._config.home} is gone")
            self._lock.keep()
            self._listener.check()
            if not (self._config.home / FILE).exists():
                self._connection.write(self._config.home)
        except (instance.AlreadyRunning, OSError, zmq.ZMQError) as error:
            logs.event("place_lost", reason=error)
            self.stop(at_once=True)

    # -- clients

    def _hear_clients(self) -> None:
        for _ in range(BURST):
            try:
                peer, *frames = self._router.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self._asked_last = self.now()
            self.counters["messages"] += 1
            self._hear(peer.bytes, [frame.buffer for frame in frames])

    def _hear(self, peer: bytes, frames: list[Buffer]) -> None:
        session = self._sessions[peer][0] if peer in self._sessions else Session()
        self._sessions[peer] = (session, self._asked_last)
        asked = session.receive(frames)
        if not isinstance(asked, ReceivedRequest):
            self.counters["messages_refused"] += 1
            self._send(peer, asked)
            return

        def respond(outcome: Reply | Exception) -> None:
            self._respond(peer, asked, outcome)

        try:
            self._handlers.handle(asked.request, Ticket(peer, asked.id), respond)
        except Exception as error:  # noqa: BLE001 -- every request gets its reply, also one that hits a defect
            respond(error)

    def _respond(self, peer: bytes, asked: ReceivedRequest, outcome: Reply | Exception) -> None:
        if peer not in self._sessions:
            return  # it has gone meanwhile
        session = self._sessions[peer][0]
        name = type(asked.request).__name__
        if isinstance(outcome, tuple):
            self._send(peer, session.reply(asked.id, *outcome))
            return
        if not isinstance(outcome, VaporbrushError):
            logs.defect("request_defect", outcome, request=name)
            outcome = RemoteError("internal", f"The daemon failed at `{name}`; its log says why: {logs.path()}")
        self.counters["requests_refused"] += 1
        logs.event("request_refused", request=name, code=outcome.code, reason=outcome.message)
        self._send(peer, session.refuse(asked.id, outcome))

    def _send(self, peer: bytes, frames: Frames) -> None:
        message = [peer, *frames]
        copy = len(frames[-1]) < 65536  # only a large frame is worth libzmq's reference to Python's memory
        try:
            try:
                self._router.send_multipart(message, zmq.NOBLOCK, copy=copy)
            except zmq.Again:
                # libzmq notices what a peer has read about once a millisecond: in a burst, a queue that is empty
                # counts as full. Asking for the socket's events makes it look.
                self._router.getsockopt(zmq.EVENTS)
                self._router.send_multipart(message, zmq.NOBLOCK, copy=copy)
        except zmq.ZMQError as error:
            # EHOSTUNREACH: it has gone. EAGAIN: it asks without reading; what it has coming is all it gets.
            self.counters["replies_undeliverable"] += 1
            if error.errno == zmq.EHOSTUNREACH:
                self._sessions.pop(peer, None)

    # -- workers

    def _hear_workers(self) -> None:
        for slot, event in self._pool.receive():
            was_at = self._scheduler.slots[slot].job
            self._hear_worker(slot, event)
            job = self._scheduler.jobs.get(was_at or "")
            if was_at and self._at(slot) != was_at and (job is None or job.state != "running"):
                self._spool.clear(was_at)  # not before: a worker may still write for a job that was cancelled

    def _at(self, slot: int) -> str | None:
        known = self._scheduler.slots.get(slot)
        return known.job if known is not None else None

    def _hear_worker(self, slot: int, event: dict[str, Any] | str) -> None:
        now = self.now()
        if isinstance(event, str):
            self._execute(self._scheduler.exited(now, slot, event))
            return
        try:
            self._execute(self._worker_event(now, slot, event))
        except (KeyError, TypeError, ValueError, VaporbrushError) as error:
            logs.event("worker_talks_nonsense", slot=slot, event=str(event.get("event"))[:40], reason=repr(error))
            self._pool.kill(slot)

    def _worker_event(self, now: float, slot: int, event: dict[str, Any]) -> list[fx.Effect]:
        match event["event"]:
            case "ready":
                self._handlers.remember_device(event["device"], event["memory"])
                return self._scheduler.ready(now, slot, event["device"], event["devices"], {"memory": event["memory"]})
            case "progress":
                preview = event.get("preview")
                shown = None if preview is None else (event["width"], event["height"], preview)
                progress = Progress.from_wire(event["progress"])
                return self._scheduler.progress(now, slot, event["job"], progress, shown)
            case "done":
                job = self._scheduler.jobs.get(event["job"])
                if job is not None and job.state == "running" and job.kind == "paint":
                    try:
                        self._spool.adopt(now, job.job)
                    except OSError as problem:
                        sentence = f"The painting could not be kept: {problem.strerror or problem}."
                        wrong = RemoteError("disk_full", sentence)
                        return self._scheduler.failed(now, slot, job.job, wrong, out_of_memory=False)
                    event["result"].setdefault("cached", {})["blobs"] = job.blobs_were_here
                return self._scheduler.done(now, slot, event["job"], event["result"])
            case "failed":
                error = RemoteError.from_wire(event["error"])
                oom = bool(event.get("out_of_memory"))
                return self._scheduler.failed(now, slot, event["job"], error, out_of_memory=oom)
            case _:
                self._scheduler.alive(now, slot)
                return []

    # -- effects

    def _execute(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            self._execute_one(effect)

    def _execute_one(self, effect: fx.Effect) -> None:
        match effect:
            case fx.Answer(watch):
                self._answer_when_kept(watch)
            case fx.Start(slot, device):
                self._pool.start(slot, device)
            case fx.Paint(slot, job, plan_step):
                self._paint(slot, job, plan_step)
            case fx.Fetch(slot, job, model):
                logs.event("job_started", job=job, model=model)
                self._pool.fetch(slot, job, model)
            case fx.Send(slot, command):
                self._pool.send(slot, command)
            case fx.End(slot):
                logs.event("worker_unloaded", slot=slot)
                self._pool.end(slot)
            case fx.Kill(slot):
                logs.event("worker_killed", slot=slot)
                self._pool.kill(slot)
            case fx.Save(job):
                self._save(job)
            case fx.Discard(job, blobs, record):
                self._spool.discard(blobs)
                if record:
                    self._spool.records.forget(job)

    def _answer_when_kept(self, watch: fx.Watch) -> None:
        """Nobody is told of an end that a power cut could undo."""
        job = self._scheduler.jobs.get(watch.job)
        if job is not None and job.final:
            self._spool.when_written(lambda: self._answer(watch))
        else:
            self._answer(watch)

    def _answer(self, watch: fx.Watch) -> None:
        ticket: Ticket = watch.ticket
        known = self._sessions.get(ticket.peer)
        if known is not None and ticket.id in known[0].outstanding:
            self._send(ticket.peer, known[0].reply(ticket.id, *self._handlers.watched(watch)))

    def _paint(self, slot: int, job_id: str, plan_step: int) -> None:
        job = self._scheduler.jobs[job_id]
        assert job.recipe is not None
        logs.event("job_started", job=job_id, slot=slot, attempt=job.attempts, plan_step=plan_step)
        try:
            out = self._spool.work(job_id)
        except OSError as error:
            wrong = RemoteError("disk_full", f"The spool cannot be written: {error.strerror or error}.")
            self._execute(self._scheduler.failed(self.now(), slot, job_id, wrong, out_of_memory=False))
            return
        command = {
            "do": "paint",
            "job": job_id,
            "recipe": job.recipe.to_wire(),
            "files": {blob: str(self._spool.path(blob)) for blob in sorted(job.blobs)},
            "out": str(out),
            "plan_step": plan_step,
        }
        self._pool.send(slot, command)

    def _save(self, job_id: str) -> None:
        job = self._scheduler.jobs[job_id]
        if job.final:
            error = job.error.code if job.error else None
            logs.event("job_ended", job=job_id, state=job.state, attempts=job.attempts, error=error)
        self._spool.records.save(self.now(), job_id, job.to_record())
