"""Whatever clients, workers and time do in whatever order: the state stays consistent, and its log replays to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from support.studio import Studio, asked, image, result
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.event_log import EventLog
from vaporbrush_daemon.scheduling.job import JobRequest, digest
from vaporbrush_daemon.scheduling.policy import Policy
from vaporbrush_daemon.scheduling.scheduler import Scheduler
from vaporbrush_daemon.scheduling.slot import Slot
from vaporbrush_daemon.workers import messages as worker
from vaporbrush_protocol.errors import RemoteError, RequestError
from vaporbrush_protocol.progress import Progress

POLICY = {"max_jobs": 6, "idle_unload_s": 20.0, "stuck_after_s": 10.0, "load_stuck_after_s": 15.0}
DEVICES = ("cuda:0", "cuda:1")
MEMORY = {"cuda:0": 24 * 10**9, "cuda:1": 8 * 10**9, "cpu": 0}
CLIENTS = st.sampled_from(["ann", "bob", "cy"])
NAMES = [f"job{number}" for number in range(8)]
CODES = st.sampled_from(["out_of_memory", "diverged", "cancelled", "disk_full"])


def state(scheduler: Scheduler) -> Any:
    """Everything that a scheduler knows, but for the pixels of previews."""
    jobs = [
        (job.to_record(), repr(job.error), (job.deaths, job.losses), job.plan_step, job.wanted, job.preview_asked,
         job.preview_side, job.preview and job.preview.number, job.lease_until, job.began, job.ended,
         job.asked.after, job.slot, job.beside,
         scheduler.shown(job)["position"])
        for job in scheduler.table.jobs.values()
    ]  # fmt: skip
    polls = {job.job: scheduler.dispatcher.polls.of(job) for job in scheduler.dispatcher.polls.watched()}
    order = [job.job for kind in ("paint", "fetch") for job in scheduler.dispatcher.queues.waiting(kind)]
    return jobs, polls, order, list(map(repr, scheduler.slots.values())), scheduler.counters, scheduler.closing


class AnyOrder(RuleBasedStateMachine):
    """`Studio` checks the invariants after every event."""

    def __init__(self) -> None:
        super().__init__()
        self.log = EventLog(max_events=10_000)
        self.studio = Studio(*DEVICES, log=self.log, **POLICY)

    def slots(self, *states: str) -> list[Slot]:
        return [slot for slot in self.studio.scheduler.slots.values() if slot.state in states]

    def refused(self, event: ev.Event) -> str:
        """Bring it. Returns the code of its refusal."""
        try:
            self.studio.bring(event)
        except RequestError as error:
            return error.code
        return ""

    # -- clients

    @rule(
        name=st.sampled_from(NAMES),
        client=CLIENTS,
        device=st.sampled_from(["auto", "auto", *DEVICES, "box", "box1/cuda:0"]),
        end=st.sampled_from(["finish", "cancel"]),
        memory=st.sampled_from([0, 2 * 10**9, 12 * 10**9, 60 * 10**9]),
        yields=st.booleans(),
        after=st.sampled_from(["", "", *NAMES, "fetch1"]),
        holds=st.booleans(),
        model=st.sampled_from(["auto", "auto", "full", "small"]),
        away=st.booleans(),
    )
    def submit(
        self, name: str, client: str, device: str, end: Any, memory: int, yields: bool, after: str, holds: bool,
        model: str, away: bool,
    ) -> None:  # fmt: skip
        before = state(self.studio.scheduler)
        more = {"on_lease_end": end, "memory": memory, "gives_way": yields, "after": after, "holds": holds}
        job = asked(name, client, device, model_away=away and model != "auto", **more)
        job = replace(job, recipe=replace(job.recipe, model=model))
        refusal = self.refused(ev.Submitted(job))
        expected = ("", "conflict", "busy", "shutting_down", "device_missing", "unreachable", "weights_missing")
        assert refusal in (*expected, *(("unknown_job", "unknown_blob", "bad_field") if after else ()))
        assert not refusal or state(self.studio.scheduler) == before, "a refusal changes nothing"

    @rule(name=st.sampled_from(["fetch1", "fetch2"]))
    def fetch(self, name: str) -> None:
        download = JobRequest(name, "ann", digest("fetch", "vgg19"), kind="fetch", model="vgg19")
        assert self.refused(ev.Submitted(download)) in ("", "busy", "shutting_down")

    @precondition(lambda self: self.studio.scheduler.table.jobs)
    @rule(data=st.data(), kind=st.sampled_from([ev.CancelAsked, ev.FinishAsked, ev.Released, ev.Touched]))
    def ask(self, data: st.DataObject, kind: Any) -> None:
        self.studio.bring(kind(data.draw(st.sampled_from(sorted(self.studio.scheduler.table.jobs)))))

    @precondition(lambda self: self.studio.scheduler.table.jobs)
    @rule(data=st.data(), behind=st.integers(0, 2), wait=st.sampled_from([0.0, 5.0, 30.0]), side=st.integers(0, 2))
    def watch(self, data: st.DataObject, behind: int, wait: float, side: int) -> None:
        job = self.studio.job(data.draw(st.sampled_from(sorted(self.studio.scheduler.table.jobs))))
        self.studio.watch(job, max(0, job.seq - behind), wait, preview=64 * side)

    @rule(names=st.sampled_from([(), ("box",), ("box",), ("far", "box")]))
    def machines_come_and_go(self, names: tuple[str, ...]) -> None:
        self.studio.bring(ev.RemotesKnown(names))

    @rule(
        nodes=st.sampled_from([(), ("box1/cuda:0",), ("box2/cpu",), ("box1/cuda:0", "box2/cpu")]), small=st.booleans()
    )
    def nodes_come_and_go(self, nodes: tuple[str, ...], small: bool) -> None:
        models = {"box1/cuda:0": ("full", "small"), "box2/cpu": ("small",) if small else ()}
        facts = tuple(worker.DeviceFacts(name, speed=len(name), models=models[name]) for name in nodes)
        self.studio.bring(ev.StudioKnown(facts))

    @rule()
    def unload(self) -> None:
        self.studio.bring(ev.UnloadAsked())

    # -- workers

    @precondition(lambda self: self.slots("starting"))
    @rule(data=st.data())
    def ready(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.slots("starting")))
        facts = tuple(worker.DeviceFacts(name, name, size, size) for name, size in MEMORY.items())
        self.studio.bring(ev.WorkerSaid(slot.key, worker.Ready(slot.device, facts)))

    @precondition(lambda self: self.slots("busy", "ending"))
    @rule(data=st.data(), code=CODES, what=st.sampled_from(["progress", "preview", "loading", "done", "failed"]))
    def speak(self, data: st.DataObject, code: str, what: str) -> None:
        slot = data.draw(st.sampled_from(self.slots("busy", "ending")))
        job = self.studio.scheduler.table.jobs.get(slot.job or "")
        if job is None:
            return
        preview = worker.Preview(1, 1, b"rgb") if what == "preview" else None
        progress = Progress("loading" if what == "loading" else "painting", step=1, steps=3)
        done = (
            worker.Done(job.job, result(job, canvas=image("canvas")))
            if job.kind == "paint"
            else worker.Fetched(job.job, "vgg19", 1)
        )
        said = {"done": done, "failed": worker.Failed(job.job, RemoteError(code, "It went wrong."))}
        self.studio.bring(ev.WorkerSaid(slot.key, said.get(what) or worker.Progressed(job.job, progress, preview)))

    @precondition(lambda self: self.slots("starting", "idle", "busy", "ending"))
    @rule(data=st.data(), broke=st.booleans(), away=st.booleans())
    def die(self, data: st.DataObject, broke: bool, away: bool) -> None:
        slot = data.draw(st.sampled_from(self.slots("starting", "idle", "busy", "ending")))
        if broke:
            self.studio.bring(ev.WorkerBroke(slot.key, "it was nonsense"))
        self.studio.bring(ev.WorkerExited(slot.key, "it was ended by SIGKILL", away=away and slot.remote))

    # -- time and the end

    @rule(seconds=st.sampled_from([0.0, 0.5, 4.0, 11.0, 40.0]))
    def time(self, seconds: float) -> None:
        self.studio.tick(seconds)
        due = self.studio.scheduler.next_deadline(self.studio.clock())
        assert due is None or due > self.studio.clock(), "the loop would spin"

    @rule()
    def forget(self) -> None:
        self.studio.bring(ev.RecordsAged(60.0))

    @precondition(lambda self: len(self.log.events) > 40)
    @rule(at_once=st.booleans())
    def close(self, at_once: bool) -> None:
        self.studio.bring(ev.Closed(at_once))

    @invariant()
    def the_log_replays(self) -> None:
        if len(self.log.events) % 10 == 9:  # every time would take minutes
            again = Scheduler(Policy(**POLICY), DEVICES)
            for now, event in self.log.events:
                again.handle(now, event)
            assert state(again) == state(self.studio.scheduler)

    def teardown(self) -> None:
        again = Scheduler(Policy(**POLICY), DEVICES)
        for now, event in self.log.events:
            again.handle(now, event)
        assert state(again) == state(self.studio.scheduler)


# The same orders every time, so that a failure tells of a change; `derandomize=False` looks for new ones.
AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None, derandomize=True)
TestAnyOrder = AnyOrder.TestCase
