"""What each request does. Everything here answers at once; what takes longer is done beside the loop, or waits in the
scheduler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vaporbrush_daemon import logs, weights
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.guests import Guests
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.job import Job, JobRequest, digest
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.workers.messages import Fetched
from vaporbrush_daemon.workers.pool import Pool
from vaporbrush_protocol import messages as m
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.result import Result

from .background import Background
from .connections import Connections, Reply
from .estimates import Estimates
from .executor import Executor
from .history_files import HistoryFiles
from .history_requests import HistoryRequests
from .models import Models
from .permissions import Permissions
from .remotes import Remotes
from .reports import DaemonInfo, Fields, Reports, Respond, replying
from .spool import Spool
from .studio import StudioDoor
from .style_cache import StyleCache
from .uploads import Key


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
        history: HistoryFiles,
        remotes: Remotes,
        studio: StudioDoor,
        background: Background,
        counters: Counter[str],
        stop: Callable[[bool], None],
        clock: Callable[[], float],
    ) -> None:
        self._scheduler, self._executor, self._connections = scheduler, executor, connections
        self._spool, self._stop, self._clock = spool, stop, clock
        self.models = Models(config)
        self._remotes, self._studio = remotes, studio
        self._reports = Reports(
            config=config,
            info=info,
            scheduler=scheduler,
            spool=spool,
            pool=pool,
            models=self.models,
            remotes=remotes,
            studio=studio,
            counters=counters,
            clock=clock,
        )
        self._permissions = Permissions(scheduler.table, guests)
        self._past = HistoryRequests(history, spool, self._permissions, clock)
        library = StyleLibrary.of(config.home)
        self._style_cache = StyleCache(library, spool, background, clock)
        self._estimates = Estimates(self.models, library, scheduler.worker_slots, remotes)
        self._now: dict[type[m.Request], Callable[[Any, ev.Ticket], Fields]] = {  # what is answered at once
            m.Ping: lambda _r, _t: {},
            m.Models: lambda _r, _t: self.models.to_wire(),
            m.Estimate: lambda r, t: self._estimates.estimate(r.recipe, guest=bool(t.guest)),
            m.Cancel: lambda r, _t: self._about(r.job, ev.CancelAsked(r.job)),
            m.Finish: lambda r, _t: self._about(r.job, ev.FinishAsked(r.job)),
            m.Release: lambda r, _t: self._about(r.job, ev.Released(r.job)),
            m.Story: lambda r, _t: self._reports.story(r.job),
            m.Unload: lambda _r, _t: self._unload(),
            m.Shutdown: lambda r, _t: self._shutdown(r.now),
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
            self._studio.refresh()
        match request:
            case m.Hello():
                respond((self._reports.hello(ticket), None))
            case m.Status():
                respond((self._reports.status(ticket), None))
            case m.List():
                respond((self._reports.list(request.after, ticket.client if ticket.guest else ""), None))
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
            case m.History() | m.Recall() | m.Pin() | m.Forget():
                self._past.answer(request, ticket, respond)
            case m.Styles():
                self._style_cache.with_thumbs(replying(respond, lambda: self._styles(ticket)))
            case _:
                respond((self._now[type(request)](request, ticket), None))

    # -- the daemon

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
        queue = replying(kept, lambda: self._submit(submit, ticket))
        blobs = [image.blob for image in submit.recipe.images if image.blob]
        self._spool.check(blobs, lambda: self._style_cache.with_pictures(submit.recipe.styles, queue))

    def _submit(self, submit: m.Submit, ticket: ev.Ticket) -> Fields:
        if self._is_known(submit):
            self._executor.bring(ev.Touched(submit.job))
            return self._shown(submit.job)
        recipe, is_here = self._resolved(submit.recipe)
        for image in recipe.images:
            self._check_here(image)
        job = JobRequest(
            job=submit.job,
            client=ticket.client,
            digest=_digest(submit),
            recipe=recipe,
            label=submit.label,
            lease_s=submit.lease_s,
            on_lease_end=submit.on_lease_end,
            style_names=submit.style_names or tuple(style.name for style in submit.recipe.styles),
            history=submit.history,
            gives_way=submit.gives_way,
            after=submit.after or "",
            holds=submit.holds,
            model_away=not is_here,
        )
        planned = self._check_canvas(job)
        memory = self.models.whole_bytes(planned, self._scheduler.worker_slots.usual_device)
        reply = self._queue(replace(job, memory=memory))
        blobs = self._scheduler.table.get(job.job).asked.blobs
        if self._spool.use(self._clock(), sorted(blobs)):
            self._executor.warm.add(job.job)
        return reply

    def _check_canvas(self, asked: JobRequest) -> Recipe:
        """The recipe as it will be, so far as that is known of a job after another one. Raises `unknown_blob` where
        what that one has painted is not here any more.
        """
        assert asked.recipe is not None
        before = self._scheduler.dispatcher.chains.before(asked)
        if before is None or before.asked.recipe is None:
            return asked.recipe
        made = before.result.canvas if isinstance(before.result, Result) else None
        content = before.asked.recipe.content
        for what, image in (("canvas", made), ("content", content if made and asked.holds else None)):
            if image is not None and self._spool.size(image.blob) is None:
                raise RequestError(
                    "unknown_blob",
                    f"The {what} of job {before.job} is not here any more; paint that again, or leave `after` out.",
                )
        return asked.following(before.asked, made or content).recipe or asked.recipe

    def _is_known(self, submit: m.Submit) -> bool:
        """Whether it asks for nothing but the state of a job that is here."""
        known = self._scheduler.table.jobs.get(submit.job)
        return known is not None and known.is_asked_by(_digest(submit))

    def _queue(self, asked: JobRequest) -> Fields:
        self._executor.bring(ev.Submitted(asked))
        shown = self._shown(asked.job)
        logs.event("job_submitted", job=asked.job, kind=asked.kind, state=shown["state"], label=asked.label or None)
        return shown

    def _shown(self, job: str) -> Fields:
        return self._scheduler.shown(self._scheduler.table.get(job))

    def _resolved(self, recipe: Recipe) -> tuple[Recipe, bool]:
        """The recipe with pictures for style names, and a model's name for `auto`: another machine has its own. And
        whether the model is on this machine.
        """
        styles = tuple(
            replace(style, name="", image=self._style_cache.picture(style.name)) if style.name else style
            for style in recipe.styles
        )
        slots = self._scheduler.worker_slots
        model, is_here = recipe.model, True
        if recipe.device not in slots.remotes:
            model, is_here = self.models.resolved(slots.model_on(recipe.device, model), slots.is_on_nodes)
        return replace(recipe, styles=styles, model=model), is_here

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


def _digest(submit: m.Submit) -> str:
    """What is asked for, as a hash: a job after another one is a different one after none."""
    chain = {"after": submit.after, "holds": submit.holds} if submit.after else {}
    return digest("paint", {**submit.recipe.to_wire(), **chain})
