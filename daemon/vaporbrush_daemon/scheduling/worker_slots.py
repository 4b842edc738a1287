"""The workers' places: which devices there are, who may paint where, and how long one may say nothing.

Pure, like the scheduler that decides about the jobs: here processes are started and ended by effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from .effects import Effect, End, Kill, Policy, Send, Start
from .job import Job

DOWNLOADS = "downloads"  # the slot in which models are fetched; all others are named after their device
PROBE = "auto"  # the slot whose worker chooses a device itself and says which ones there are

MAX_FAILED_STARTS = 3  # a worker program that fails three times in a row is broken, not unlucky
MAX_BACKOFF_S = 4.0  # pauses of 0, 1, 2, 4 s: one client's jobs that kill workers must not hold others up longer
CANCEL_GRACE_S = 10.0  # the worker looks once per step, and a step of a large picture takes seconds
END_GRACE_S = 5.0  # a worker that is told to end only has to give its memory back

SlotState = Literal["stopped", "starting", "idle", "busy", "ending"]


@dataclass(slots=True)
class Slot:
    """The place of one worker process. `heard` is when it last said anything, or changed state."""

    key: int
    device: str
    state: SlotState = "stopped"
    job: str | None = None
    loading: bool = False
    heard: float = 0.0
    failures: int = 0  # ends that were not asked for, since a job last went well
    failed_starts: int = 0
    not_before: float = 0.0  # restart backoff
    kill_at: float | None = None  # a cancelled job's grace
    stuck: bool = False  # ended by us because it said nothing
    model: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """The state in the words of `status`."""
        if self.state == "busy" and self.loading:
            return "loading"
        return "stopped" if self.state == "ending" else self.state


class WorkerSlots:
    """All slots. `tell` takes the effects."""

    def __init__(
        self, policy: Policy, configured: tuple[str, ...], counters: Counter[str], tell: Callable[[Effect], None]
    ) -> None:
        """`configured` names the devices to paint on; without any, the first worker finds out."""
        self.slots: dict[int, Slot] = {}
        self.devices: tuple[str, ...] = ()  # those to paint on; empty as long as nobody knows
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

    def forget_devices(self) -> None:
        """Look for devices afresh next time, unless somebody configured them or a worker proves that one works."""
        painters = [slot for slot in self.slots.values() if slot.device != DOWNLOADS]
        if not self._configured and all(slot.state == "stopped" for slot in painters):
            for painter in painters:
                del self.slots[painter.key]
            self.know(())

    def _add(self, device: str) -> None:
        self._keys += 1
        self.slots[self._keys] = Slot(self._keys, device)

    # -- jobs

    def suitable(self, job: Job) -> list[Slot]:
        """The slots in which a job may run, whatever they are at."""
        return [slot for slot in self.slots.values() if self._suits(slot, job)]

    def _suits(self, slot: Slot, job: Job) -> bool:
        if (slot.device == DOWNLOADS) != (job.kind == "fetch"):
            return False
        if job.kind == "fetch":
            return True
        if not self.devices:
            return slot.device == PROBE
        if job.device != "auto":
            return slot.device == job.device
        # An accelerator paints tens of times faster: while one exists, the CPU paints only what asks for it.
        return slot.device != "cpu" or self.devices == ("cpu",)

    def working_on(self, job: Job) -> Slot | None:
        """The slot that has been given this job."""
        return next((slot for slot in self.slots.values() if slot.job == job.job), None)

    def occupy(self, now: float, slot: Slot, job: Job) -> None:
        """A slot gets a job."""
        slot.state, slot.job, slot.heard, slot.stuck = "busy", job.job, now, False
        slot.loading = job.kind == "paint"

    def free(self, now: float, slot: Slot, job_id: str) -> None:
        """A worker is done with its job, one way or another. A download's process has nothing else to do."""
        if slot.state == "busy" and slot.job == job_id:
            slot.state = "ending" if slot.device == DOWNLOADS else "idle"
            slot.job, slot.kill_at, slot.heard, slot.loading = None, None, now, False

    def call_off(self, now: float, slot: Slot) -> None:
        """The job is cancelled: a worker may finish its step, a download has nothing to lose."""
        if slot.device == DOWNLOADS:
            self._tell(Kill(slot.key))
        else:
            slot.kill_at = now + CANCEL_GRACE_S
            self._tell(Send(slot.key, {"do": "cancel"}))

    # -- processes

    def start(self, now: float, slot: Slot) -> None:
        """Start a worker; it is idle when it says that it is ready."""
        slot.state, slot.heard, slot.stuck = "starting", now, False
        self._counters["workers_started"] += 1
        self._tell(Start(slot.key, slot.device))

    def gone(self, now: float, slot: Slot, *, working: bool) -> bool:
        """A slot's process has ended, `working` on a job that lives. Returns whether its program seems to be broken."""
        starting = slot.state == "starting"
        expected = slot.state == "ending" or slot.kill_at is not None or (slot.device == DOWNLOADS and not working)
        slot.state, slot.job, slot.kill_at, slot.stuck, slot.loading = "stopped", None, None, False, False
        slot.heard, slot.model, slot.facts = now, "", {}
        if expected:
            return False
        slot.failures += 1
        slot.not_before = now + (min(MAX_BACKOFF_S, 2.0 ** (slot.failures - 2)) if slot.failures > 1 else 0.0)
        slot.failed_starts += starting
        return starting and slot.failed_starts >= MAX_FAILED_STARTS

    def unload(self, now: float) -> tuple[int, int]:
        """End idle workers: how many were told to, and how many were busy."""
        idle = [slot for slot in self.slots.values() if slot.state == "idle"]
        busy = [slot for slot in self.slots.values() if slot.state in ("busy", "starting") and slot.device != DOWNLOADS]
        for slot in idle:
            self._end(now, slot)
        return len(idle), len(busy)

    def tick(self, now: float) -> None:
        """End whoever is idle for long, and whoever should have said something by now."""
        for slot in self.slots.values():
            if slot.kill_at is not None and slot.kill_at <= now:
                slot.kill_at = now + END_GRACE_S
                self._kill(slot)
            patience = self._patience(slot)
            if patience is None or now < slot.heard + patience:
                continue
            if slot.state == "idle":
                self._end(now, slot)
                continue
            slot.stuck = slot.stuck or slot.state != "ending"
            slot.heard = now
            self._kill(slot)

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

    def _end(self, now: float, slot: Slot) -> None:
        slot.state, slot.heard = "ending", now
        self._counters["workers_unloaded"] += 1
        self._tell(End(slot.key))

    def _kill(self, slot: Slot) -> None:
        self._counters["workers_killed"] += 1
        self._tell(Kill(slot.key))
