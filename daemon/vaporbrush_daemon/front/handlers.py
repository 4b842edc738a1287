"""What each request does. Everything here answers at once; what takes longer goes aside or waits in the scheduler."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from vaporbrush_daemon import logs, machine, weights
from vaporbrush_daemon.config import Config
from vaporbrush_daemon.plan import predict, read_speed
from vaporbrush_daemon.scheduling.effects import Effect, Watch
from vaporbrush_daemon.scheduling.job import Job, digest
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.scheduling.worker_slots import DOWNLOADS
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.workers.pool import Pool
from vaporbrush_protocol import atomic
from vaporbrush_protocol import messages as m
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.session import greeting
from vaporbrush_protocol.version import __version__

from .background import Background
from .spool import Spool
from .style_cache import StyleCache

LIST_BYTES = 40 * 1024  # of a page of jobs, well within a header
DAEMON = f"vaporbrush {__version__}"

Reply = tuple[dict[str, Any], Buffer | None]
Respond = Callable[[Reply | Exception], None]


@dataclass(slots=True)
class Ticket:
    """Where a reply goes: the connection and the id of the request."""

    peer: bytes
    id: int


@dataclass(slots=True)
class DaemonInfo:
    """Facts of this process."""

    boot: str
    began: float
    endpoints: list[str] = field(default_factory=list)


class Handlers:
    """The requests by name. `execute` carries the scheduler's effects out; `stop` begins the end."""

    def __init__(
        self,
        *,
        config: Config,
        life: DaemonInfo,
        scheduler: Scheduler,
        spool: Spool,
        pool: Pool,
        aside: Background,
        counters: Counter[str],
        execute: Callable[[list[Effect]], None],
        stop: Callable[[bool], None],
        clock: Callable[[], float],
    ) -> None:
        self._config, self._info, self._counters = config, life, counters
        self._scheduler, self._spool, self._pool, self._background = scheduler, spool, pool, aside
        self._execute, self._stop, self._clock = execute, stop, clock
        self._device_file = config.home / "cache" / "device.json"
        self._style_cache = StyleCache(StyleLibrary.of(config.home), spool, aside, clock)
        self._table: dict[type, Callable[[Any, Ticket], Reply | dict[str, Any] | None]] = {
            m.Hello: lambda _r, _t: self._hello(),
            m.Ping: lambda _r, _t: {},
            m.Status: lambda _r, _t: self._status(),
            m.Models: lambda _r, _t: self._models(),
            m.Estimate: lambda r, _t: self._estimate(r.recipe),
            m.Watch: self._watch,
            m.List: lambda r, _t: self._list(r.after),
            m.Cancel: lambda r, _t: self._about(r.job, self._scheduler.cancel),
            m.Finish: lambda r, _t: self._about(r.job, self._scheduler.finish),
            m.Release: lambda r, _t: self._about(r.job, self._scheduler.release),
            m.FetchModel: self._fetch_model,
            m.Unload: lambda _r, _t: self._unload(),
            m.Shutdown: lambda r, _t: self._shutdown(r.now),
        }

    def handle(self, request: m.Request, ticket: Ticket, respond: Respond) -> None:
        """Do what is asked. `respond` is called once, now or later; a `watch` the scheduler answers."""
        if isinstance(request, m.Styles):
            self._style_cache.with_thumbs(_then(respond, lambda: {"styles": self._style_cache.listed()}))
            return
        if isinstance(request, m.Submit):
            self._with_inputs(request, ticket, respond)
            return
        if isinstance(request, m.Put):
            self._put(request, ticket, respond)
            return
        if isinstance(request, m.Get):
            self._get(request, respond)
            return
        made = self._table[type(request)](request, ticket)
        if made is not None:
            respond(made if isinstance(made, tuple) else (made, None))

    # -- the daemon

    def _hello(self) -> dict[str, Any]:
        return {**greeting(), "daemon": DAEMON, "boot": self._info.boot, "pid": os.getpid(), "log": logs.path()}

    def _status(self) -> dict[str, Any]:
        scheduler, spool = self._scheduler, self._spool
        workers = []
        for slot in scheduler.slots.values():
            if slot.device != DOWNLOADS:
                pid, resident = self._pool.facts(slot.key)
                workers.append(
                    {
                        "device": slot.device,
                        "state": slot.shown,
                        "model": slot.model,
                        "pid": pid,
                        "job": slot.job or "",
                        "rss_bytes": resident,
                        "device_memory_bytes": int(slot.facts.get("memory") or 0),
                    }
                )
        models = self._models()
        return {
            "daemon": DAEMON,
            "boot": self._info.boot,
            "pid": os.getpid(),
            "uptime_s": self._clock() - self._info.began,
            "workers": workers,
            "queue": {
                "jobs": scheduler.queued,
                "bytes": scheduler.live_bytes,
                "max_jobs": scheduler.policy.max_jobs,
                "max_bytes": scheduler.policy.max_bytes,
            },
            "spool": {"bytes": spool.total, "budget": spool.budget},
            "model": {"auto": models["auto"], "message": models["message"]},
            "config": self._config.to_wire(),
            "endpoints": self._info.endpoints,
            "log": logs.path(),
            "counters": dict(self._counters),
        }

    def _unload(self) -> dict[str, Any]:
        unloaded, busy, effects = self._scheduler.unload(self._clock())
        self._execute(effects)
        return {"unloaded": unloaded, "busy": busy}

    def _shutdown(self, now: bool) -> dict[str, Any]:
        self._stop(now)
        return {}

    # -- models and styles

    def _known(self) -> tuple[weights.Weights, ...]:
        return weights.known({weights.VARIABLE: self._config.weights} if self._config.weights else {})

    def _models(self) -> dict[str, Any]:
        known = self._known()
        auto = next((one.model for one in known if one.present), "")
        return {
            "models": [
                {
                    "name": one.model,
                    "present": one.present,
                    "bytes": one.size,
                    "sha256": weights.VGG19.sha256 if one.origin == "fetched" else "",
                    "source": one.origin,
                    "message": one.advice,
                }
                for one in known
            ],
            "auto": auto,
            "message": known[0].advice,
        }

    def _model(self, name: str) -> str:
        """The model that a recipe's name means now. Raises `unknown_model` and `weights_missing`."""
        known = {one.model: one for one in self._known()}
        if name == "auto":
            name = next((one.model for one in known.values() if one.present), next(iter(known)))
        if name not in known:
            raise RequestError("unknown_model", f"There is no model `{name}`; there is {', '.join(known)}.")
        if not known[name].present:
            raise RequestError("weights_missing", f"The weights of {name} are not here. {known[name].advice}")
        return name

    def _fetch_model(self, request: m.FetchModel, ticket: Ticket) -> dict[str, Any]:
        if request.model != weights.VGG19.model:
            raise RequestError(
                "unknown_model", f"`{request.model}` is not downloaded: only {weights.VGG19.model} can be fetched."
            )
        job = Job(
            job=request.job,
            client=ticket.peer.hex(),
            digest=digest("fetch", request.model),
            kind="fetch",
            model=request.model,
            label=f"download {request.model}",
        )
        here = self._known()[0]
        if here.present and job.job not in self._scheduler.jobs:
            job.state, job.result, job.ended = "done", {"model": here.model, "bytes": here.size}, self._clock()
            self._scheduler.adopt(job)
            return job.to_wire()
        return self._queue(job)

    # -- blobs

    def _put(self, put: m.Put, ticket: Ticket, respond: Respond) -> None:
        def then(outcome: tuple[int, bool] | Exception) -> None:
            if isinstance(outcome, Exception):
                respond(outcome)
            else:
                respond(({"have": outcome[0], "complete": outcome[1]}, None))

        key = (put.blob, put.size)
        self._spool.put(self._clock(), ticket.peer.hex(), key, put.offset, put.chunk, then)

    def _get(self, get: m.Get, respond: Respond) -> None:
        def then(outcome: tuple[Buffer, int] | Exception) -> None:
            if isinstance(outcome, Exception):
                respond(outcome)
            else:
                respond(({"offset": get.offset, "total": outcome[1]}, outcome[0]))

        self._spool.read(self._clock(), get.blob, get.offset, get.size, then)

    # -- jobs

    def _estimate(self, recipe: Recipe) -> dict[str, Any]:
        for style in recipe.styles:
            if style.name:
                self._style_cache.library.file(style.name)
        model = recipe.model if recipe.model != "auto" else self._models()["auto"] or weights.VGG19.model
        usual, its_memory = self._usual_device()
        device = recipe.device if recipe.device != "auto" else self._scheduler.usual_device or usual
        speed = read_speed(self._config.home / "cache", device, model)
        memory = machine.free_memory() if device == "cpu" else (its_memory or None) if device == usual else None
        plan = predict(recipe, speed, memory)
        return {
            "painted_width": plan.width,
            "painted_height": plan.height,
            "width": recipe.content.width,
            "height": recipe.content.height,
            "seconds": plan.seconds,
            "memory_bytes": plan.memory_bytes,
            "plan": plan.text,
            "model": model,
            "device": device,
            "measured": speed.measured,
        }

    def remember_device(self, device: str, memory: int) -> None:
        """A worker has told its device: `estimate` shall know it before the first worker of the next daemon runs."""
        if self._usual_device() != (device, memory):
            with contextlib.suppress(OSError):  # only a better guess is lost
                atomic.write(self._device_file, json.dumps([device, memory]).encode())

    def _usual_device(self) -> tuple[str, int]:
        """The device that was painted on last, and its memory in bytes."""
        try:
            device, memory = json.loads(self._device_file.read_text(encoding="ascii"))
            return str(device), int(memory)
        except (OSError, ValueError, TypeError):
            return "cpu", 0

    def _with_inputs(self, submit: m.Submit, ticket: Ticket, respond: Respond) -> None:
        """Queue the job when the styles are decoded and the pictures known to be whole; reply when it is on record."""

        def kept(reply: Reply | Exception) -> None:
            self._spool.when_written(lambda: respond(reply))

        queue = _then(kept, lambda: self._submit(submit, ticket))
        blobs = [image.blob for image in submit.recipe.images if image.blob]
        self._spool.check(blobs, lambda: self._style_cache.with_pictures(submit.recipe.styles, queue))

    def _submit(self, submit: m.Submit, ticket: Ticket) -> dict[str, Any]:
        asked = digest("paint", submit.recipe.to_wire())
        known = self._scheduler.jobs.get(submit.job)
        if known is not None and known.digest == asked and not known.revivable:
            self._scheduler.touch(self._clock(), submit.job)
            return known.to_wire()
        recipe = self._resolved(submit.recipe)
        for image in recipe.images:
            self._check_here(image)
        job = Job(
            job=submit.job,
            client=ticket.peer.hex(),
            digest=asked,
            recipe=recipe,
            label=submit.label,
            lease_s=submit.lease_s,
            on_lease_end=submit.on_lease_end,
        )
        reply = self._queue(job)
        job.blobs_were_here = self._spool.use(self._clock(), sorted(job.blobs))
        return reply

    def _queue(self, job: Job) -> dict[str, Any]:
        self._execute(self._scheduler.submit(self._clock(), job))
        queued = self._scheduler.job(job.job)
        logs.event("job_submitted", job=job.job, kind=job.kind, state=queued.state, label=job.label or None)
        return queued.to_wire()

    def _resolved(self, recipe: Recipe) -> Recipe:
        """The recipe with pictures for style names and a model's name for `auto`."""
        styles = tuple(
            replace(style, name="", image=self._style_cache.picture(style.name)) if style.name else style
            for style in recipe.styles
        )
        return replace(recipe, styles=styles, model=self._model(recipe.model))

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

    def _watch(self, request: m.Watch, ticket: Ticket) -> None:
        now = self._clock()
        watch = Watch(
            ticket=ticket,
            job=request.job,
            seen=request.seen,
            until=now + request.wait_s,
            preview=request.preview,
            preview_seen=request.preview_seen,
        )
        self._execute(self._scheduler.watch(now, watch))

    def watched(self, watch: Watch) -> Reply:
        """The reply to a long poll, with the latest preview if it is new and no larger than asked."""
        job = self._scheduler.job(watch.job)
        preview = job.preview
        if (
            preview is None
            or preview.number <= watch.preview_seen
            or max(preview.width, preview.height) > watch.preview
        ):
            return job.to_wire(), None
        shown = {"number": preview.number, "width": preview.width, "height": preview.height, "channels": "RGB"}
        return {**job.to_wire(), "preview": shown}, preview.pixels

    def _about(self, job: str, act: Callable[[float, str], list[Effect]]) -> dict[str, Any]:
        self._execute(act(self._clock(), job))
        return self._scheduler.job(job).to_wire()

    def _list(self, after: str | None) -> dict[str, Any]:
        jobs, more = self._scheduler.page(after)
        shown: list[dict[str, Any]] = []
        size = 0
        for job in jobs:
            wire = {**job.to_wire(), "result": None}
            size += len(repr(wire).encode())  # a little more than it takes as msgpack
            if shown and size > LIST_BYTES:
                return {"jobs": shown, "more": True}
            shown.append(wire)
        return {"jobs": shown, "more": more}


def _then(respond: Respond, make: Callable[[], dict[str, Any]]) -> Callable[[Exception | None], None]:
    """Respond with what `make` makes, or with what went wrong before or in it."""

    def then(error: Exception | None) -> None:
        try:
            outcome: Reply | Exception = error or (make(), None)
        except Exception as wrong:  # noqa: BLE001 -- whatever it is, the client gets its reply
            outcome = wrong
        respond(outcome)

    return then
