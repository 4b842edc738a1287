"""What the daemon tells of itself and of its jobs: the replies to `hello`, `status`, `list` and `story`."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vaporbrush_daemon import logs
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.scheduling.slot import DOWNLOADS
from vaporbrush_daemon.workers.messages import DeviceFacts
from vaporbrush_daemon.workers.pool import Pool
from vaporbrush_protocol.job import MAX_STORY
from vaporbrush_protocol.session import greeting
from vaporbrush_protocol.version import __version__

from .connections import Reply
from .models import Models
from .obstacle import obstacle
from .remotes import Remotes
from .spool import Spool
from .studio import StudioDoor

LIST_BYTES = 40 * 1024  # of a page of jobs or a story, well within a header
MAX_STORY_TEXT = 1000  # characters of an entry
DAEMON = f"vaporbrush {__version__}"

Fields = dict[str, Any]  # of a reply's header
Respond = Callable[[Reply | Exception], None]
T = TypeVar("T")


@dataclass(slots=True)
class DaemonInfo:
    """Facts of this process."""

    boot: str
    began: float
    endpoints: list[str] = field(default_factory=list)


class Reports:
    """Everything that is only looked at. `clock` gives monotonic seconds."""

    def __init__(
        self,
        *,
        config: Config,
        info: DaemonInfo,
        scheduler: Scheduler,
        spool: Spool,
        pool: Pool,
        models: Models,
        remotes: Remotes,
        studio: StudioDoor,
        counters: Counter[str],
        clock: Callable[[], float],
    ) -> None:
        self._config, self._info, self._counters = config, info, counters
        self._scheduler, self._spool, self._pool, self._clock = scheduler, spool, pool, clock
        self._models, self._remotes, self._studio = models, remotes, studio

    def hello(self, ticket: ev.Ticket) -> Fields:
        """Who answers."""
        log = "" if ticket.guest else logs.path()
        return {**greeting(), "daemon": DAEMON, "boot": self._info.boot, "pid": os.getpid(), "log": log}

    def status(self, ticket: ev.Ticket) -> Fields:
        """A guest learns what there is and how much is at work, not whose it is or where it lies."""
        scheduler, spool, models = self._scheduler, self._spool, self._models.to_wire()
        slots = scheduler.worker_slots
        return {
            "daemon": DAEMON,
            "boot": self._info.boot,
            "pid": os.getpid(),
            "uptime_s": self._clock() - self._info.began,
            "workers": self._workers(ticket),
            "queue": {
                "jobs": len(scheduler.dispatcher.queues),
                "bytes": scheduler.table.live_bytes,
                "max_jobs": scheduler.policy.max_jobs,
                "max_bytes": scheduler.policy.max_bytes,
            },
            "spool": {"bytes": spool.total, "budget": spool.budget},
            "model": {"auto": models["auto"], "message": models["message"]},
            "config": {} if ticket.guest else self._config.to_wire(),
            "endpoints": [] if ticket.guest else self._info.endpoints,
            "log": "" if ticket.guest else logs.path(),
            "counters": {} if ticket.guest else dict(self._counters),
            "devices": [_as_device(one) for one in self._models.devices if one.name in (slots.devices or (one.name,))]
            + self._machines(ticket),
            "studio": None if ticket.guest else self._studio.report(slots.studio),
            "obstacle": None if self._remotes.known or slots.studio else obstacle(self._config.worker_command),
        }

    def _machines(self, ticket: ev.Ticket) -> list[Fields]:
        """The studio's nodes and, for the daemon's own user, the other machines as devices."""
        slots = self._scheduler.worker_slots
        nodes = [slots.facts[name] for name in slots.studio]
        machines = [
            DeviceFacts(one.name, one.label, told.memory if told else 0)
            for one in (() if ticket.guest else self._remotes.known)
            for told in [slots.facts.get(one.name)]
        ]
        away = slots.away(self._clock())
        return [_as_device(one) | {"away": away.get(one.name, "")} for one in (*machines, *nodes)]

    def _workers(self, ticket: ev.Ticket) -> list[Fields]:
        jobs = self._scheduler.table.jobs
        workers = []
        for slot in self._scheduler.slots.values():
            if slot.device != DOWNLOADS:
                pid, resident = self._pool.facts(slot.key)
                facts = self._scheduler.worker_slots.facts.get(slot.device)
                job = jobs.get(slot.job or "")
                hidden = ticket.guest and (job is None or job.client != ticket.client)
                workers.append(
                    {
                        "device": slot.device,
                        "state": slot.shown,
                        "model": slot.model,
                        "pid": pid,
                        "job": "" if hidden else slot.job or "",
                        "rss_bytes": resident,
                        "device_memory_bytes": facts.memory if facts and pid else 0,
                    }
                )
        return workers

    def story(self, job_id: str) -> Fields:
        """What happened to a job: the last entries that fit a header. Raises `unknown_job`."""
        job, now, wall = self._scheduler.table.get(job_id), self._clock(), time.time()
        entries: list[Fields] = []
        size = 0
        for entry in reversed(self._scheduler.log.story(job.job)):
            wire = {"at": wall - (now - entry.at), "state": entry.state, "text": entry.text[:MAX_STORY_TEXT]}
            size += len(repr(wire).encode())
            if size > LIST_BYTES or len(entries) == MAX_STORY:
                break
            entries.append(wire)
        return {"job": job.job, "entries": entries[::-1]}

    def list(self, after: str | None, client: str) -> Fields:
        """A page of the jobs, of a client or (empty) of all, that fits a header."""
        jobs, more = self._scheduler.table.page(after, client)
        shown = fitting(jobs, lambda job: {**self._scheduler.shown(job), "result": None})
        return {"jobs": shown, "more": more or len(shown) < len(jobs)}


def fitting(things: Sequence[T], to_wire: Callable[[T], Fields]) -> list[Fields]:
    """As many of these, from the first on, as fit a header; one at least."""
    shown: list[Fields] = []
    size = 0
    for one in things:
        wire = to_wire(one)
        size += len(repr(wire).encode())  # a little more than it takes as msgpack
        if shown and size > LIST_BYTES:
            break
        shown.append(wire)
    return shown


def replying(respond: Respond, make: Callable[[], Fields]) -> Callable[[Exception | None], None]:
    """Respond with what `make` makes, or with what went wrong before or in it."""

    def then(error: Exception | None) -> None:
        try:
            outcome: Reply | Exception = error or (make(), None)
        except Exception as wrong:  # noqa: BLE001 -- whatever it is, the client gets its reply
            outcome = wrong
        respond(outcome)

    return then


def _as_device(one: DeviceFacts) -> Fields:
    return {"device": one.name, "title": one.title, "memory_bytes": one.memory, "free_bytes": one.free, "away": ""}
