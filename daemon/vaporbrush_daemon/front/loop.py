"""The daemon's one loop: sockets for clients, the workers' events, time and signals. Never imports torch or numpy.

Clients' messages become requests (`connections`), requests are done by the `handlers`, who bring events to the
scheduler, whose effects the `executor` carries out.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import sys
from collections import Counter
from dataclasses import replace

import zmq

from vaporbrush_daemon import instance, logs
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.guests import Guests
from vaporbrush_daemon.machine import Surplus
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.job import Job
from vaporbrush_daemon.scheduling.policy import Policy
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.workers.pool import Pool
from vaporbrush_protocol.endpoint import FILE, Connection
from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.shown import is_utf8
from vaporbrush_protocol.version import __version__

from .authentication import Door, Tokens
from .background import Background
from .clock import AwakeClock
from .connections import Connections
from .executor import Executor
from .handlers import Handlers
from .history_files import HistoryFiles
from .listener import Listener
from .peers import Peers
from .remotes import Remotes
from .reports import DaemonInfo
from .spool import Spool
from .studio import StudioDoor
from .systemd import Notifier

HOUSEKEEPING_S = 5.0  # socket file still there? anything expired?
LINGER_S = 1.0  # the last replies get this long to leave
DRAIN_S = 10.0  # that the last records may take to reach the disk


class Front:
    """Sockets and loop."""

    def __init__(self, config: Config, tokens: Tokens, lock: instance.Lock, notifier: Notifier, files: int = 0) -> None:
        """`files` is how many descriptors the process may have; 0: that is not known."""
        self._config, self._tokens, self._lock, self._notifier = config, tokens, lock, notifier
        self._connection: Connection | None = None
        self.now = AwakeClock()
        self._info = DaemonInfo(secrets.token_hex(8), self.now())
        self.counters: Counter[str] = Counter()
        policy = Policy(
            max_jobs=config.max_jobs,
            guest_jobs=config.guest_jobs,
            max_bytes=config.max_queue_bytes,
            keep_jobs=config.keep_jobs,
            idle_unload_s=config.idle_unload_s,
            stuck_after_s=config.stuck_after_s,
            load_stuck_after_s=config.load_stuck_after_s,
        )
        self._scheduler = Scheduler(policy, config.devices, self.counters)
        self._ttl_s = config.spool_hours * 3600
        self._background = Background()
        pinned = self._scheduler.table.live_blobs
        self._spool = Spool(config.home / "spool", config.spool_bytes, self._ttl_s, pinned, self._background)
        self._history = HistoryFiles(self._spool, config.history, self._background)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._poller = zmq.Poller()
        self._guests = guests = Guests(config.home)
        door = Door(tokens, guests.token)
        self._peers = Peers(self._poller, door, self.counters, self.now, files)
        self._listener = Listener(self._peers)
        self._surplus = Surplus()
        self._connections = Connections(self._peers, self.counters, self.now, self._spool.abandon)
        self._pool = Pool(self._context, config)
        self._studio = StudioDoor(config, self._pool, self.now)
        studio = (self._studio.closed, self._studio.heard)
        hear = (self._answer, self._refuse, self._told, self._learned, *studio, self._history.keep)
        self._executor = Executor(self._scheduler, self._pool, self._spool, self.now, *hear)
        self._remotes = Remotes(config.home, lambda names: self._executor.bring(ev.RemotesKnown(names)))
        self._handlers = Handlers(
            config=config,
            info=self._info,
            scheduler=self._scheduler,
            executor=self._executor,
            connections=self._connections,
            spool=self._spool,
            pool=self._pool,
            guests=guests,
            history=self._history,
            remotes=self._remotes,
            studio=self._studio,
            background=self._background,
            counters=self.counters,
            stop=self.stop,
            clock=self.now,
        )
        self._stop_at: float | None = None
        self._dawn, self._bell = socket.socketpair()  # signals ring; the poller hears
        self._rung = 0

    def _answer(self, poll: ev.Poll) -> None:
        self._connections.reply(poll.ticket, self._handlers.watched(poll))

    def _refuse(self, poll: ev.Poll, error: Exception) -> None:
        self._connections.refuse(poll.ticket, "watch", error)

    def _told(self) -> None:
        """A worker has told of devices."""
        slots = self._scheduler.worker_slots
        self._handlers.models.remember(
            one for one in slots.facts.values() if one.name not in (*slots.remotes, *slots.studio)
        )

    def _learned(self, device: str, model: str, seconds: float) -> None:
        self._handlers.models.remember_start(device, model, seconds)

    # -- beginning and end

    def open(self, last: Connection) -> Connection:
        """Read the spool, bind, and return the connection file's new content. Raises `OSError`, `zmq.ZMQError`."""
        now = self.now()
        self._spool.open(now)
        self._history.open(now, lambda guest: guest in self._guests)
        for job in self._spool.records.read(now, Job.from_record):
            self._executor.bring(ev.Adopted(job))
            if job.state == "done" and not job.released and not job.asked.guest:
                self._spool.hold(job.job, job.made)
        self._remotes.refresh()
        self._housekeep(now)
        self._info.endpoints = self._listener.open(self._config, last)
        log = str(self._config.home / "logs" / "daemon.log")
        self._connection = replace(
            last,
            token=self._tokens.current,
            endpoints=tuple(self._info.endpoints),
            start=(sys.executable, "-P", "-m", "vaporbrush_daemon", "serve", "--foreground", "--idle-exit"),
            log=log if is_utf8(log) else "",
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
        logs.event("stopping", at_once=at_once, queued=len(self._scheduler.dispatcher.queues))
        self._notifier.tell("STOPPING=1")
        self._executor.bring(ev.Closed(at_once))

    def close(self) -> None:
        """End the workers and the sockets."""
        self._executor.bring(ev.Closed(at_once=True))
        all_ended = self._pool.close()
        self._spool.close(self.now())
        if not self._background.drain("disk", DRAIN_S):
            logs.event("records_not_saved", waited_s=DRAIN_S)
        self._background.finish()  # who waited for a record is told
        self._connections.refuse_all(RemoteError("shutting_down", "The daemon ends; send this again when it runs."))
        self._background.close()
        self._listener.close()
        self._peers.close(LINGER_S)
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
        poller = self._poller
        poller.register(self._pool.socket, zmq.POLLIN)
        poller.register(self._dawn.fileno(), zmq.POLLIN)
        poller.register(self._background.bell.fileno(), zmq.POLLIN)
        beats = [HOUSEKEEPING_S] + ([self._notifier.watchdog_s] if self._notifier.watchdog_s else [])
        housekeeping = beat = self._connections.asked_last = self.now()
        slept = self.now.lost
        while not self._ended():
            now = self.now()
            deadlines = [
                self._executor.next_deadline(),
                self._stop_at,
                housekeeping + HOUSEKEEPING_S,
                self._studio.due(),
            ]
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
            if self._background.bell.fileno() in ready:
                self._background.finish()
            self._executor.hear_workers()
            self._connections.hear(ready, self._handlers.handle)
            now = self.now()
            self._executor.pass_time()
            if (due := self._studio.due()) is not None and now >= due and self._stop_at is None:
                self._studio.refresh()
            if self._notifier.watchdog_s and now >= beat + self._notifier.watchdog_s:
                beat = now
                self._notifier.tell("WATCHDOG=1")
            if now >= housekeeping + HOUSEKEEPING_S:
                housekeeping = now
                self._housekeep(now)

    def _ended(self) -> bool:
        now = self.now()
        if self._stop_at is not None:
            return now >= self._stop_at or not self._scheduler.table.live
        idle_s = self._config.idle_exit_s
        if idle_s and not self._scheduler.table.live and now >= self._connections.asked_last + idle_s:
            logs.event("idle_exit", after_s=idle_s)
            return True
        return False

    def _housekeep(self, now: float) -> None:
        self._executor.bring(ev.RecordsAged(self._ttl_s))
        self._remotes.refresh()
        if self._stop_at is None:
            self._studio.refresh()
        self._spool.sweep(now)
        self._peers.sweep(now)
        self._connections.drop_departed()
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
