"""The workers' places: which devices there are, who may paint where, and how long one may say nothing.

Theory of operation. Each device has a slot, downloads have one, and as long as nobody knows the devices there is one
for the worker that finds out. A slot outlives its process:

    stopped ──▶ starting ──▶ idle ◀──▶ busy         a download goes from stopped to busy, and from busy to ending
       ▲            │          │         │
       └────────────┴──────────┴─▶ ending ◀┘        to stopped whenever the process is gone, asked for or not

A process that should have said something by now is killed, and killed again until its exit is reported; only the exit
makes the slot `stopped`. Ends that nobody asked for put the next start off, longer each time; a device whose worker
does not start at all is given up for a while, as long as there are others.

Of several GPUs all paint. A job that would have to be cut into tiles on one of them is left to those that have the
memory to paint it whole; what is too large for every one, to those with the most.

Another machine is one slot, whose worker has the daemon there paint. What does not ask for it is painted there only
where this machine has nothing faster than its processor, and that one can be reached. Other machines come and go.

Pure, like the scheduler that decides about the jobs: here processes are started and ended by effects.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from vaporbrush_daemon.workers.messages import Cancel, DeviceFacts, End, Ready
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.states import follow

from .effects import Effect, KillWorker, RememberStart, SendCommand, StartWorker
from .job import Job, Needs
from .policy import CANCEL_GRACE_S, END_GRACE_S, GIVEN_UP_S, MAX_BACKOFF_S, MAX_FAILED_STARTS, Policy

DOWNLOADS = "downloads"  # the slot in which models are fetched; all others are named after their device
PROBE = "auto"  # the slot whose worker chooses a device itself and says which ones there are

ALIKE = 0.9  # of the largest device's memory: two equal ones never have exactly as much of it free
USABLE = 0.9  # of a device's memory, as long as no worker has told how much of it is free

SlotState = Literal["stopped", "starting", "idle", "busy", "ending"]
SLOT: Mapping[SlotState, tuple[SlotState, ...]] = {
    "stopped": ("starting", "busy"),
    "starting": ("idle", "stopped"),
    "idle": ("busy", "ending", "stopped"),
    "busy": ("idle", "ending", "stopped"),
    "ending": ("stopped",),
}


@dataclass(slots=True)
class Slot:
    """The place of one worker process. `heard` is when it last said anything, or changed state."""

    key: int
    device: str
    remote: bool = False  # whether that is another machine
    _state: SlotState = "stopped"
    job: str | None = None  # what it was given, until it says that it has stopped working on it, or is gone
    loading: bool = False
    measured: bool = False  # the present job began with measuring the device's speed, as only the first one does
    heard: float = 0.0
    started: float = 0.0
    failures: int = 0  # ends that were not asked for, since a job last went well
    failed_starts: int = 0
    not_before: float = 0.0  # restart backoff
    kill_at: float | None = None  # a cancelled job's grace
    stuck: bool = False  # ended by us because it said nothing
    away: str = ""  # why that machine could not be reached
    given_up_until: float = 0.0  # its worker does not start; 0: it does, as far as anybody knows
    model: str = ""

    @property
    def state(self) -> SlotState:
        """What its process is at."""
        return self._state

    def move(self, now: float, state: SlotState) -> None:
        """Enter another state. Raises `ImpossibleMove` for one that the table does not allow."""
        self._state = follow(SLOT, self._state, state, f"slot {self.key} ({self.device})")
        self.heard = now

    @property
    def shown(self) -> str:
        """The state in the words of `status`."""
        if self._state == "busy" and self.loading:
            return "loading"
        return "stopped" if self._state == "ending" else self._state


class WorkerSlots:
    """All slots. `tell` takes the effects."""

    def __init__(
        self, policy: Policy, configured: tuple[str, ...], counters: Counter[str], tell: Callable[[Effect], None]
    ) -> None:
        """`configured` names the devices to paint on; without any, the first worker finds out."""
        self.slots: dict[int, Slot] = {}
        self.devices: tuple[str, ...] = ()  # those to paint on; empty as long as nobody knows
        self.remotes: tuple[str, ...] = ()  # other machines
        self.facts: dict[str, DeviceFacts] = {}  # by name, as workers have told
        self._policy, self._configured, self._counters, self._tell = policy, configured, counters, tell
        self._keys = 0
        self._add(DOWNLOADS)
        self.know(configured)

    # -- devices

    def know(self, devices: tuple[str, ...]) -> None:
        """There are these devices; without any, the next worker has to find out."""
        self.devices = devices
        present = {slot.device for slot in self.slots.values()}
        for device in devices or (PROBE,):
            if device not in present:
                self._add(device)
        for key in [s.key for s in self.slots.values() if s.device == PROBE and s.state == "stopped" and devices]:
            del self.slots[key]

    def know_remotes(self, now: float, names: tuple[str, ...]) -> None:
        """There are these other machines, and no others: what works for one that was removed is ended."""
        self.remotes = names
        present = {slot.device for slot in self.slots.values()}
        for name in names:
            if name not in present:
                self._add(name, remote=True)
        for slot in [slot for slot in self.slots.values() if self._is_removed(slot)]:
            if slot.state == "stopped":
                del self.slots[slot.key]
            elif slot.state == "idle":
                self._end(now, slot)
            else:
                self._kill(slot)

    def _is_removed(self, slot: Slot) -> bool:
        return slot.remote and slot.device not in self.remotes

    def look_afresh(self) -> None:
        """Find the devices anew next time, unless somebody configured them or a worker proves that one works."""
        painters = [slot for slot in self.slots.values() if slot.device != DOWNLOADS and not slot.remote]
        if not self._configured and all(slot.state == "stopped" for slot in painters):
            for painter in painters:
                del self.slots[painter.key]
            self.know(())

    @property
    def usual_device(self) -> str:
        """Where a job that does not care is painted; empty until the first worker has named it."""
        return next((device for device in self.devices if device != "cpu"), "cpu" if self.devices else "")

    def _add(self, device: str, *, remote: bool = False) -> None:
        self._keys += 1
        self.slots[self._keys] = Slot(self._keys, device, remote)

    # -- jobs

    def suiting(self, needs: Needs) -> frozenset[int]:
        """The keys of the slots in which a job may run, whatever they are at."""
        places = self._places(needs)
        if needs.kind == "paint" and needs.device == "auto" and len(places) > 1:
            # all, where all were given up: it may have been the driver's update
            places = [slot for slot in places if not slot.given_up_until] or places
            least = min(needs.memory, ALIKE * max(map(self._room, places)))
            places = [slot for slot in places if self._room(slot) >= least]
        return frozenset(slot.key for slot in places)

    def suits(self, slot: Slot, needs: Needs) -> bool:
        """Whether a job may run in a slot, whatever the slot is at."""
        return slot.key in self.suiting(needs)

    def instead_of(self, slot: Slot, needs: Needs) -> str:
        """Why a job that could have been painted on another machine is painted in this slot; empty for any other."""
        if needs.device != "auto" or needs.here or slot.device != "cpu":
            return ""
        return next((one.away for one in self.slots.values() if one.device in self.remotes and one.given_up_until), "")

    def missing(self, needs: Needs) -> str:
        """The sentence for a job that asks for a device that does not exist; empty as long as nobody knows."""
        there = (*self.devices, *(() if needs.here else self.remotes))
        if needs.kind == "fetch" or needs.device in ("auto", *there) or not self.devices:
            return ""
        return f"The device `{needs.device}` does not exist here; there is {', '.join(there)}."

    def hopeless(self, needs: Needs) -> bool:
        """Whether every slot that is for such a job has been given up."""
        return all(slot.given_up_until for slot in self._places(needs))

    def _places(self, needs: Needs) -> list[Slot]:
        """The slots for jobs of this kind that ask for this device."""
        if needs.kind == "fetch":
            names = {DOWNLOADS}
        elif needs.device in self.remotes and not needs.here:
            names = {needs.device}
        elif not self.devices:
            names = {PROBE}
        elif needs.device != "auto":
            names = {needs.device}
        else:
            names = self._usual(here=needs.here)
        return [slot for slot in self.slots.values() if slot.device in names]

    def _usual(self, *, here: bool) -> set[str]:
        """Where jobs go that do not care. An accelerator paints tens of times faster: while one exists, here or on the
        first other machine that can be reached, the CPU paints only what asks for it.
        """
        accelerators = {device for device in self.devices if device != "cpu"}
        if accelerators or here:
            return accelerators or {"cpu"}
        near = (slot.device for slot in self.slots.values() if slot.device in self.remotes and not slot.given_up_until)
        return {next(near, "cpu")}

    def _room(self, slot: Slot) -> float:
        """Bytes that a painting may take there; without bound where the device shares the machine's memory."""
        facts = self.facts.get(slot.device)
        if facts is None or not facts.memory:
            return math.inf
        return facts.free or USABLE * facts.memory

    def available(self, now: float) -> list[Slot]:
        """The slots to which a job may be given now or soon: idle ones, then those that start, then those that may."""
        for slot in self.slots.values():
            if slot.given_up_until and slot.given_up_until <= now:
                slot.given_up_until, slot.failed_starts = 0.0, MAX_FAILED_STARTS - 1  # one more try
        rank = {"idle": 0, "starting": 1, "stopped": 2}
        found = [s for s in self.slots.values() if s.state in rank and (s.state != "stopped" or s.not_before <= now)]
        return sorted(found, key=lambda slot: rank[slot.state])

    def working_on(self, job: Job) -> Slot | None:
        """The slot that has been given this job."""
        return next((slot for slot in self.slots.values() if slot.job == job.job), None)

    def occupy(self, now: float, slot: Slot, job: Job) -> None:
        """A slot gets a job."""
        slot.move(now, "busy")
        slot.job, slot.stuck, slot.loading, slot.measured = job.job, False, job.kind == "paint", False

    def progressed(self, now: float, slot: Slot, job: Job, before: Progress | None) -> None:
        """A worker has come on with its job. Its model is loaded when the phase after that begins; to measure its
        speed, which happens once, is no part of it.
        """
        phase, model = job.progress and job.progress.phase, job.asked.recipe.model if job.asked.recipe else ""
        slot.measured = slot.measured or phase == "measuring"
        loaded = before is not None and before.phase == "loading" and not slot.loading
        if loaded and model != slot.model and not slot.measured:
            self._tell(RememberStart(slot.device, model, now - job.began))

    def free(self, now: float, slot: Slot, job_id: str) -> None:
        """A worker is done with its job, one way or another. A download's process has nothing else to do."""
        if slot.state == "busy" and slot.job == job_id:
            slot.move(now, "ending" if slot.device == DOWNLOADS else "idle")
            slot.job, slot.kill_at, slot.loading = None, None, False

    def call_off(self, now: float, slot: Slot) -> None:
        """The job is cancelled: a worker may finish its step, a download has nothing to lose."""
        if slot.device == DOWNLOADS:
            self._tell(KillWorker(slot.key))
        else:
            slot.kill_at = now + CANCEL_GRACE_S
            self._tell(SendCommand(slot.key, Cancel()))

    def lacks(self, device: str, model: str) -> tuple[bool, bool]:
        """Whether the next painting there has to wait for a process to start, and for it to load the model."""
        slot = next((slot for slot in self.slots.values() if slot.device == device), None)
        if slot is None or slot.state in ("stopped", "starting", "ending"):
            return True, True
        return False, slot.state == "idle" and slot.model != model

    # -- processes

    def start(self, now: float, slot: Slot) -> None:
        """Start a worker; it is idle when it says that it is ready."""
        slot.move(now, "starting")
        slot.started, slot.stuck = now, False
        self._counters["workers_started"] += 1
        self._tell(StartWorker(slot.key, slot.device, slot.remote))

    def ready(self, now: float, slot: Slot, said: Ready) -> bool:
        """A worker has started. Returns whether it may be given something: one that is being ended may not."""
        if slot.state != "starting":
            slot.heard = now
            return False
        slot.failed_starts, slot.given_up_until, slot.away = 0, 0.0, ""
        self._tell(RememberStart(slot.device if slot.remote else said.device, "", now - slot.started))
        for one in said.devices:
            known = self.facts.get(one.name)
            self.facts[one.name] = replace(one, free=one.free or (known.free if known else 0))
        slot.move(now, "idle")
        if slot.remote:
            return True
        slot.device = said.device
        self.know(self.devices or tuple(one.name for one in said.devices))
        return True

    def looked(self, slot: Slot, free: int) -> None:
        """A worker has looked how much of its device's memory is free."""
        if slot.device in self.facts:
            self.facts[slot.device] = replace(self.facts[slot.device], free=free)

    def give_up(self, now: float, slot: Slot, away: str = "") -> None:
        """Its program does not start: for a while only what nothing else can do is tried there."""
        slot.away = away
        slot.failed_starts, slot.given_up_until = 0, now + GIVEN_UP_S

    def broke(self, now: float, slot: Slot) -> None:
        """A worker said something that breaks the rules: end it. One that starts has failed to."""
        if slot.state in ("idle", "busy"):
            slot.move(now, "ending")
            self._put_off(now, slot)
        self._kill(slot)

    def gone(self, now: float, slot: Slot, *, working: bool, away: bool = False) -> bool:
        """A slot's process has ended, `working` on a job that lives. Returns whether its program seems to be broken, or
        its machine is `away`, so that it is not worth another try.
        """
        starting = slot.state == "starting"
        expected = slot.state == "ending" or slot.kill_at is not None or (slot.device == DOWNLOADS and not working)
        slot.move(now, "stopped")
        slot.job, slot.kill_at, slot.stuck, slot.loading, slot.model = None, None, False, False, ""
        if self._is_removed(slot):
            del self.slots[slot.key]
        if expected:
            return False
        self._put_off(now, slot)
        slot.failed_starts += starting
        return starting and (away or slot.failed_starts >= MAX_FAILED_STARTS)

    def unload(self, now: float) -> None:
        """End the idle workers."""
        for slot in self.slots.values():
            if slot.state == "idle":
                self._end(now, slot)

    def tick(self, now: float) -> bool:
        """End whoever is idle for long, and whoever should have said something by now. Returns whether somebody was."""
        due = False
        for slot in self.slots.values():
            if slot.kill_at is not None and slot.kill_at <= now:
                slot.kill_at = now + END_GRACE_S
                self._kill(slot)
                due = True
            patience = self._patience(slot)
            if patience is None or now < slot.heard + patience:
                continue
            due = True
            if slot.state == "idle":
                self._end(now, slot)
                continue
            slot.stuck = slot.stuck or slot.state != "ending"
            slot.heard = now
            self._kill(slot)
        return due

    def deadlines(self, now: float, *, waited_for: bool) -> list[float]:
        """When `tick` has something to do next. `waited_for`: jobs wait for workers that are kept back."""
        times = []
        for slot in self.slots.values():
            patience = self._patience(slot)
            times += [] if patience is None else [slot.heard + patience]
            times += [] if slot.kill_at is None else [slot.kill_at]
            times += [slot.not_before] if slot.not_before > now and waited_for else []
        return times

    def _patience(self, slot: Slot) -> float | None:
        """How long the slot may stay as it is without a word."""
        if slot.state in ("stopped", "idle"):
            return self._policy.idle_unload_s if slot.state == "idle" else None
        if slot.state == "ending" or slot.stuck:
            return END_GRACE_S
        loading = slot.state == "starting" or slot.loading
        return self._policy.load_stuck_after_s if loading else self._policy.stuck_after_s

    def _put_off(self, now: float, slot: Slot) -> None:
        slot.failures += 1
        slot.not_before = now + (min(MAX_BACKOFF_S, 2.0 ** (slot.failures - 2)) if slot.failures > 1 else 0.0)

    def _end(self, now: float, slot: Slot) -> None:
        slot.move(now, "ending")
        self._counters["workers_unloaded"] += 1
        self._tell(SendCommand(slot.key, End()))

    def _kill(self, slot: Slot) -> None:
        self._counters["workers_killed"] += 1
        self._tell(KillWorker(slot.key))
