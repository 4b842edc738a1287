"""What each request does. Everything here answers at once; what takes longer is done beside the loop, or waits in the
scheduler.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from vaporbrush_daemon import logs, weights
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.guests import Guests
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.job import Job, JobRequest, digest
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.scheduling.worker_slots import DOWNLOADS
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.workers.messages import Fetched
from vaporbrush_daemon.workers.pool import Pool
from vaporbrush_protocol import messages as m
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.job import MAX_STORY
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.session import greeting
from vaporbrush_protocol.version import __version__

from .background import Background
from .connections import Connections, Reply
from .estimates import Estimates
from .executor import Executor
from .models import Models
from .permissions import Permissions
from .remotes import Remotes
from .spool import Spool
from .style_cache import StyleCache
from .uploads import Key

LIST_BYTES = 40 * 1024  # of a page of jobs or a story, well within a header
MAX_STORY_TEXT = 1000  # characters of an entry
DAEMON = f"vaporbrush {__version__}"

Fields = dict[str, Any]  # of a reply's header
Respond = Callable[[Reply | Exception], None]


@dataclass(slots=True)
class DaemonInfo:
    """Facts of this process."""

    boot: str
    began: float
    endpoints: list[str] = field(default_factory=list)


class Handlers:
    """The requests by their class. `stop` begins the end, `clock` gives monotonic seconds."""

    def __init__(
        self,
        *,
        config: Config,
        info: DaemonInfo,
        scheduler: Scheduler,
        executor: Executor,
        connections: Connections,
        spool: Spool,
        pool: Pool,
        guests: Guests,
        remotes: Remotes,
        background: Background,
        counters: Counter[str],
        stop: Callable[[bool], None],
        clock: Callable[[], float],
    ) -> None:
        self._config, self._info, self._counters = config, info, counters
        self._scheduler, self._executor, self._connections = scheduler, executor, connections
        self._spool, self._pool, self._stop, self._clock = spool, pool, stop, clock
        self.models = Models(config)
        self._remotes = remotes
        self._permissions = Permissions(scheduler.table, guests)
        library = StyleLibrary.of(config.home)
        self._style_cache = StyleCache(library, spool, background, clock)
        self._estimates = Estimates(self.models, library, scheduler.worker_slots, remotes)
        self._now: dict[type[m.Request], Callable[[Any], Fields]] = {  # what is answered at once
            m.Ping: lambda _: {},
            m.Models: lambda _: self.models.to_wire(),
            m.Estimate: lambda r: self._estimates.estimate(r.recipe),
            m.Cancel: lambda r: self._about(r.job, ev.CancelAsked(r.job)),
            m.Finish: lambda r: self._about(r.job, ev.FinishAsked(r.job)),
            m.Release: lambda r: self._about(r.job, ev.Released(r.job)),
            m.Story: lambda r: self._story(r.job),
            m.Unload: lambda _: self._unload(),
            m.Shutdown: lambda r: self._shutdown(r.now),
        }

    def handle(self, request: m.Request, ticket: ev.Ticket) -> None:
        """Do what is asked, and answer: now, or when it is done. Whatever is raised is the answer, too."""

        def respond(outcome: Reply | Exception) -> None:
            if isinstance(outcome, Exception):
                self._connections.refuse(ticket, m.NAMES[type(request)], outcome)
            else:
                self._connections.reply(ticket, outcome)

        self._permissions.check(request, ticket)
        if isinstance(request, (m.Submit, m.Status)):
            self._remotes.refresh()
        match request:
            case m.Hello():
                respond((self._hello(ticket), None))
            case m.Status():
                respond((self._status(ticket), None))
            case m.List():
                respond((self._list(request.after, ticket.client if ticket.guest else ""), None))
            case m.Put():
                self._put(request, ticket, respond)
            case m.Get():
                self._get(request, respond)
            case m.Submit():
                self._with_inputs(request, ticket, respond)
            case m.FetchModel():
                respond((self._fetch_model(request, ticket), None))
            case m.Watch():
                self._watch(request, ticket)
            case m.Styles():
                self._style_cache.with_thumbs(_then(respond, lambda: self._styles(ticket)))
            case _:
                respond((self._now[type(request)](request), None))

    # -- the daemon

    def _hello(self, ticket: ev.Ticket) -> Fields:
        log = "" if ticket.guest else logs.path()
        return {**greeting(), "daemon": DAEMON, "boot": self._info.boot, "pid": os.getpid(), "log": log}

    def _status(self, ticket: ev.Ticket) -> Fields:
        """A guest learns what there is and how much is at work, not whose it is or where it lies."""
        scheduler, spool, models = self._scheduler, self._spool, self.models.to_wire()
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
            "devices": [
                {"device": one.name, "title": one.title, "memory_bytes": one.memory, "free_bytes": one.free}
                for one in self.models.devices
                if one.name in (scheduler.worker_slots.devices or (one.name,))
            ]
            + ([] if ticket.guest else self._machines()),
        }

    def _machines(self) -> list[Fields]:
        """The other machines as devices."""
        facts = self._scheduler.worker_slots.facts
        return [
            {
                "device": one.name,
                "title": one.label,
                "memory_bytes": 0 if told is None else told.memory,
                "free_bytes": 0,
            }
            for one in self._remotes.known
            for told in [facts.get(one.name)]
        ]

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

    def _unload(self) -> Fields:
        idle = sum(slot.state == "idle" for slot in self._scheduler.slots.values())
        busy = self._scheduler.busy_workers
        self._executor.bring(ev.UnloadAsked())
        return {"unloaded": idle, "busy": busy}

    def _shutdown(self, now: bool) -> Fields:
        self._stop(now)
        return {}

    # -- models and styles

    def _styles(self, ticket: ev.Ticket) -> Fields:
        listed = self._style_cache.listed()
        for style in listed:
            self._permissions.grant(ticket, style["thumb"]["blob"])
        return {"styles": listed}

    def _fetch_model(self, request: m.FetchModel, ticket: ev.Ticket) -> Fields:
        if request.model != weights.VGG19.model:
            raise RequestError(
                "unknown_model", f"`{request.model}` is not downloaded: only {weights.VGG19.model} can be fetched."
            )
        asked = JobRequest(
            job=request.job,
            client=ticket.client,
            digest=digest("fetch", request.model),
            kind="fetch",
            model=request.model,
            label=f"download {request.model}",
        )
        here = self.models.known()[0]
        if here.present and asked.job not in self._scheduler.table.jobs:
            result = Fetched(asked.job, here.model, here.size)
            self._executor.bring(ev.Adopted(Job(asked, "done", result=result, ended=self._clock())))
            return self._shown(asked.job)
        return self._queue(asked)

    # -- blobs

    def _put(self, put: m.Put, ticket: ev.Ticket, respond: Respond) -> None:
        def then(outcome: tuple[int, bool] | Exception) -> None:
            if isinstance(outcome, Exception):
                respond(outcome)
                return
            if outcome[1]:
                self._permissions.grant(ticket, put.blob)
            respond(({"have": outcome[0], "complete": outcome[1]}, None))

        # What a guest has not sent itself is not here for it: it has to show that it has all of the bytes.
        apart = ticket.guest if ticket.guest and not self._permissions.has(ticket, put.blob) else ""
        key = Key(put.blob, put.size, apart)
        self._spool.put(self._clock(), ticket.client, key, put.offset, put.chunk, then)

    def _get(self, get: m.Get, respond: Respond) -> None:
        def then(outcome: tuple[Buffer, int] | Exception) -> None:
            if isinstance(outcome, Exception):
                respond(outcome)
            else:
                respond(({"offset": get.offset, "total": outcome[1]}, outcome[0]))

        self._spool.read(self._clock(), get.blob, get.offset, get.size, then)

    # -- jobs

    def _with_inputs(self, submit: m.Submit, ticket: ev.Ticket, respond: Respond) -> None:
        """Queue the job when the styles are decoded and the pictures known to be whole; reply when it is on record."""

        def kept(reply: Reply | Exception) -> None:
            self._spool.when_written(lambda: respond(reply))

        if not self._is_known(submit):
            self._estimates.of(submit.recipe)
        queue = _then(kept, lambda: self._submit(submit, ticket))
        blobs = [image.blob for image in submit.recipe.images if image.blob]
        self._spool.check(blobs, lambda: self._style_cache.with_pictures(submit.recipe.styles, queue))

    def _submit(self, submit: m.Submit, ticket: ev.Ticket) -> Fields:
        if self._is_known(submit):
            self._executor.bring(ev.Touched(submit.job))
            return self._shown(submit.job)
        recipe = self._resolved(submit.recipe)
        for image in recipe.images:
            self._check_here(image)
        job = JobRequest(
            job=submit.job,
            client=ticket.client,
            digest=digest("paint", submit.recipe.to_wire()),
            recipe=recipe,
            label=submit.label,
            lease_s=submit.lease_s,
            on_lease_end=submit.on_lease_end,
            memory=self.models.whole_bytes(recipe, self._scheduler.worker_slots.usual_device),
        )
        reply = self._queue(job)
        if self._spool.use(self._clock(), sorted(job.blobs)):
            self._executor.warm.add(job.job)
        return reply

    def _is_known(self, submit: m.Submit) -> bool:
        """Whether it asks for nothing but the state of a job that is here."""
        known = self._scheduler.table.jobs.get(submit.job)
        return known is not None and known.is_asked_by(digest("paint", submit.recipe.to_wire()))

    def _queue(self, asked: JobRequest) -> Fields:
        self._executor.bring(ev.Submitted(asked))
        shown = self._shown(asked.job)
        logs.event("job_submitted", job=asked.job, kind=asked.kind, state=shown["state"], label=asked.label or None)
        return shown

    def _shown(self, job: str) -> Fields:
        return self._scheduler.shown(self._scheduler.table.get(job))

    def _resolved(self, recipe: Recipe) -> Recipe:
        """The recipe with pictures for style names, and a model's name for `auto`: another machine has its own."""
        styles = tuple(
            replace(style, name="", image=self._style_cache.picture(style.name)) if style.name else style
            for style in recipe.styles
        )
        elsewhere = recipe.device in self._scheduler.worker_slots.remotes
        return replace(recipe, styles=styles, model=recipe.model if elsewhere else self.models.resolved(recipe.model))

    def _check_here(self, image: Image) -> None:
        size = self._spool.size(image.blob)
        if size is None:
            raise RequestError("unknown_blob", f"The blob {image.blob} is not here: send it with `put` first.")
        if size != image.size_bytes:
            raise RequestError(
                "bad_field",
                f"The blob {image.blob} has {size} bytes, but {image.width}×{image.height} pixels in {image.channels} "
                f"{image.depth} are {image.size_bytes}.",
            )

    def _watch(self, request: m.Watch, ticket: ev.Ticket) -> None:
        until = self._clock() + request.wait_s
        poll = ev.Poll(ticket, request.job, request.seen, until, request.preview, request.preview_seen)
        self._executor.bring(ev.Polled(poll))

    def watched(self, poll: ev.Poll) -> Reply:
        """The reply to a long poll, with the latest preview if it is new and no larger than asked."""
        job = self._scheduler.table.get(poll.job)
        preview = job.preview
        if preview is None or preview.number <= poll.preview_seen or max(preview.width, preview.height) > poll.preview:
            return self._shown(poll.job), None
        shown = {"number": preview.number, "width": preview.width, "height": preview.height, "channels": "RGB"}
        return {**self._shown(poll.job), "preview": shown}, preview.pixels

    def _about(self, job: str, event: ev.Event) -> Fields:
        self._executor.bring(event)
        return self._shown(job)

    def _story(self, job_id: str) -> Fields:
        """The last entries that fit a header."""
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

    def _list(self, after: str | None, client: str) -> Fields:
        jobs, more = self._scheduler.table.page(after, client)
        shown: list[Fields] = []
        size = 0
        for job in jobs:
            wire = {**self._scheduler.shown(job), "result": None}
            size += len(repr(wire).encode())  # a little more than it takes as msgpack
            if shown and size > LIST_BYTES:
                return {"jobs": shown, "more": True}
            shown.append(wire)
        return {"jobs": shown, "more": more}


def _then(respond: Respond, make: Callable[[], Fields]) -> Callable[[Exception | None], None]:
    """Respond with what `make` makes, or with what went wrong before or in it."""

    def then(error: Exception | None) -> None:
        try:
            outcome: Reply | Exception = error or (make(), None)
        except Exception as wrong:  # noqa: BLE001 -- whatever it is, the client gets its reply
            outcome = wrong
        respond(outcome)

    return then
