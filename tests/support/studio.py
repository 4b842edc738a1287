"""A scheduler with a clock, which hears of clients and workers as from the front, and checked after every event."""

from __future__ import annotations

from typing import Any

from support.clock import Clock
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.effects import Effect, PaintJob
from vaporbrush_daemon.scheduling.event_log import EventLog
from vaporbrush_daemon.scheduling.invariants import validate
from vaporbrush_daemon.scheduling.job import Job, JobRequest, digest
from vaporbrush_daemon.scheduling.policy import Policy
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.scheduling.slot import Slot
from vaporbrush_daemon.workers import messages as worker
from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style
from vaporbrush_protocol.result import Result


def image(name: str, side: int = 16) -> Image:
    return Image(digest("picture", name), side, side)


def asked(name: str, client: str = "ann", device: str = "auto", content: str = "", **fields: Any) -> JobRequest:
    """`memory` is in bytes; jobs of the same `content` have the same picture."""
    recipe = Recipe(image(f"{content or name} content"), (Style(image=image("style")),), device=device)
    return JobRequest(name, client, digest("paint", [name, device]), **{"recipe": recipe, **fields})


def result(job: Job, **fields: Any) -> Result:
    made = {"image": image(f"{job.job} result"), "model": "vgg19", "device": "cpu", "steps_done": 3, "stopped": "steps"}
    return Result(**{**made, "recipe": job.asked.recipe, **fields})


def codes(job: Job) -> tuple[str, str | None]:
    return job.state, job.error.code if job.error else None


class Studio:
    """`said` collects all effects. Without devices, `cpu` is configured; `probing` leaves them to be found out."""

    def __init__(self, *devices: str, probing: bool = False, log: EventLog | None = None, **policy: Any) -> None:
        self.clock = Clock()
        self.scheduler = Scheduler(Policy(**policy), () if probing else devices or ("cpu",), log=log)
        self.said: list[Effect] = []
        self.ids = 0
        self.begun: list[str] = []  # the jobs that workers were given, in their order
        self.check = True  # long simulations do without

    def bring(self, event: ev.Event) -> list[Effect]:
        effects = self.scheduler.handle(self.clock(), event)
        if self.check:
            validate(self.scheduler)
        self.said += effects
        self.begun += [effect.job for effect in effects if isinstance(effect, PaintJob)]
        return effects

    def job(self, name: str) -> Job:
        return self.scheduler.table.get(name)

    def slot(self, device: str = "cpu") -> Slot:
        return next(slot for slot in self.scheduler.slots.values() if slot.device == device)

    def position(self, job: Job) -> int:
        return self.scheduler.shown(job)["position"]

    # -- clients

    def submit(self, client: str = "ann", name: str = "", device: str = "auto", **fields: Any) -> Job:
        self.ids += 1
        name = name or f"job{self.ids}"
        self.bring(ev.Submitted(asked(name, client, device, **fields)))
        return self.job(name)

    def fetch(self, name: str = "download") -> Job:
        self.bring(ev.Submitted(JobRequest(name, "ann", digest("fetch", "vgg19"), kind="fetch", model="vgg19")))
        return self.job(name)

    def cancel(self, job: Job) -> list[Effect]:
        return self.bring(ev.CancelAsked(job.job))

    def finish(self, job: Job) -> list[Effect]:
        return self.bring(ev.FinishAsked(job.job))

    def release(self, job: Job) -> list[Effect]:
        return self.bring(ev.Released(job.job))

    def watch(self, job: Job, seen: int | None = None, wait_s: float = 30.0, **preview: int) -> ev.Poll:
        ticket = ev.Ticket(b"peer", len(self.said))
        poll = ev.Poll(ticket, job.job, job.seq if seen is None else seen, self.clock() + wait_s, **preview)
        self.bring(ev.Polled(poll))
        return poll

    # -- workers

    def say(self, event: worker.Event, device: str = "cpu") -> list[Effect]:
        return self.bring(ev.WorkerSaid(self.slot(device).key, event))

    def ready(
        self, device: str = "cpu", slot: int | None = None, devices: tuple[str, ...] = ("cpu",), **gigabytes: float
    ) -> list[Effect]:
        """`gigabytes` of each device by its name, `cuda0=8`; all of it is free."""
        key = self.slot(device).key if slot is None else slot
        sizes = {name: int(gigabytes.get(name.replace(":", ""), 0) * 10**9) for name in devices}
        facts = tuple(worker.DeviceFacts(name, name.upper(), sizes[name], sizes[name]) for name in devices)
        return self.bring(ev.WorkerSaid(key, worker.Ready(device, facts)))

    def alive(self, device: str = "cpu", free: int = 0) -> list[Effect]:
        return self.say(worker.Alive(free), device)

    def step(
        self, job: Job, phase: Any = "painting", preview: worker.Preview | None = None, device: str = "cpu", **how: Any
    ) -> None:
        self.say(worker.Progressed(job.job, Progress(phase, **how), preview), device)

    def done(self, job: Job, device: str = "cpu", **fields: Any) -> list[Effect]:
        return self.say(worker.Done(job.job, result(job, **fields)), device)

    def fetched(self, job: Job) -> list[Effect]:
        return self.say(worker.Fetched(job.job, "vgg19", 3), "downloads")

    def failed(self, job: Job, code: str, device: str = "cpu") -> list[Effect]:
        return self.say(worker.Failed(job.job, RemoteError(code, "It went wrong.")), device)

    def broke(self, device: str = "cpu") -> list[Effect]:
        return self.bring(ev.WorkerBroke(self.slot(device).key, "`event` is 'x', but must be one of ready, alive."))

    def exited(self, device: str = "cpu", reason: str = "it was ended by SIGKILL") -> list[Effect]:
        return self.bring(ev.WorkerExited(self.slot(device).key, reason))

    # -- time

    def tick(self, seconds: float = 0.0) -> list[Effect]:
        self.clock.pass_(seconds)
        return self.bring(ev.TimePassed())

    def painting(self, client: str = "ann", **fields: Any) -> Job:
        """A job that a fresh worker paints."""
        job = self.submit(client, **fields)
        self.ready()
        self.step(job, steps=10, step=1)
        assert job.state == "running"
        return job

    def painted(self) -> list[str]:
        return self.begun
