"""The workers' places: which devices there are, who may paint where, and how long one may say nothing.

Theory of operation. Each device has a slot, downloads have one, and as long as nobody knows the devices there is one
for the worker that finds out. A slot outlives its process:

    stopped ──▶ starting ──▶ idle ◀──▶ busy         a download goes from stopped to busy, and from busy to ending
       ▲            │          │         │
       └────────────┴──────────┴─▶ ending ◀┘        to stopped whenever the process is gone, asked for or not

A process that should have said something by now is killed, and killed again until its exit is reported; only the exit
makes the slot `stopped`. Ends that nobody asked for put the next start off, longer each time; a device whose worker
does not start at all is given up for a while, as long as there are others.

Which of them are for which job, `places` says. Pure, like the scheduler that decides about the jobs: here processes are
started and ended by effects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from vaporbrush_daemon.workers.messages import Alive, Cancel, DeviceFacts, End, Ready
from vaporbrush_protocol.progress import Progress

from .effects import Effect, KillWorker, Place, RememberStart, SendCommand, StartWorker
from .events import RemotesKnown, StudioKnown
from .job import Job
from .places import Places
from .policy import CANCEL_GRACE_S, END_GRACE_S, GIVEN_UP_S, LOST_GRACE_S, MAX_BACKOFF_S, MAX_FAILED_STARTS, Policy
from .slot import DOWNLOADS, PROBE, Slot


class WorkerSlots(Places):
    """All slots. `tell` takes the effects."""

    def __init__(
        self, policy: Policy, configured: tuple[str, ...], counters: Counter[str], tell: Callable[[Effect], None]
    ) -> None:
        """`configured` names the devices to paint on; without any, the first worker finds out."""
        super().__init__()
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

    def know_others(self, now: float, event: RemotesKnown | StudioKnown) -> None:
        """There are these other machines, or these devices of a studio's nodes, and no others: what works for one that
        was removed is ended.
        """
        if isinstance(event, RemotesKnown):
            self.remotes = event.names
            self._come_and_go(now, "remote", self.remotes)
        else:
            self.lose(now, tuple(one.name for one in event.devices))
            self._learn(event.devices)
            self._come_and_go(now, "studio", self.studio)
            self.holdings.forget(self.studio)

    def _come_and_go(self, now: float, place: Place, names: tuple[str, ...]) -> None:
        present = {slot.device for slot in self.slots.values()}
        for name in names:
            if name not in present:
                self._add(name, place)
        for slot in [slot for slot in self.slots.values() if slot.place == place and self.is_removed(slot)]:
            if slot.state == "stopped":
                del self.slots[slot.key]
            elif slot.state == "idle":
                self._end(now, slot)
            else:
                self._kill(slot)

    def look_afresh(self) -> None:
        """Find the devices anew next time, unless somebody configured them or a worker proves that one works."""
        painters = [slot for slot in self.slots.values() if slot.device != DOWNLOADS and not slot.remote]
        if not self._configured and all(slot.state == "stopped" for slot in painters):
            for painter in painters:
                del self.slots[painter.key]
            self.know(())

    def _add(self, device: str, place: Place = "here") -> None:
        self._keys += 1
        self.slots[self._keys] = Slot(self._keys, device, place)

    # -- jobs

    def available(self, now: float) -> list[Slot]:
        """The slots to which a job may be given now or soon: idle ones, then those that start, then those that may."""
        for slot in self.slots.values():
            if slot.given_up_until and slot.given_up_until <= now:
                slot.given_up_until, slot.failed_starts = 0.0, MAX_FAILED_STARTS - 1  # one more try
        rank = {"idle": 0, "starting": 1, "stopped": 2}
        found = [s for s in self.slots.values() if s.state in rank and (s.state != "stopped" or s.not_before <= now)]
        return sorted(found, key=lambda slot: (rank[slot.state], self.seconds(slot)))

    def working_on(self, job: Job) -> Slot | None:
        """The slot that has been given this job."""
        return next((slot for slot in self.slots.values() if slot.job == job.job), None)

    def occupy(self, now: float, slot: Slot, job: Job) -> None:
        """A slot gets a job."""
        slot.move(now, "busy")
        slot.job, slot.stuck, slot.loading, slot.measured = job.job, False, job.kind == "paint", False
        self.holdings.note(slot, job.asked.blobs)

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
        self._tell(StartWorker(slot.key, slot.device, slot.place))

    def ready(self, now: float, slot: Slot, said: Ready) -> bool:
        """A worker has started. Returns whether it may be given something: one that is being ended may not."""
        if slot.state != "starting":
            slot.heard = now
            return False
        slot.failed_starts, slot.given_up_until, slot.away = 0, 0.0, ""
        self._tell(RememberStart(slot.device if slot.remote else said.device, "", now - slot.started))
        self._learn(said.devices)
        slot.move(now, "idle")
        if slot.remote:
            return True
        slot.device = said.device
        self.know(self.devices or tuple(one.name for one in said.devices))
        return True

    def looked(self, slot: Slot, said: Alive) -> bool:
        """A worker has looked what of its device's memory is free, and how fast it paints. Returns whether it has."""
        known = self.facts.get(slot.device)
        if known is not None and (said.free or said.speed):
            self.facts[slot.device] = replace(known, free=said.free or known.free, speed=said.speed or known.speed)
        return bool(said.free or said.speed)

    def _learn(self, devices: Iterable[DeviceFacts]) -> None:
        """What is told of devices; what was known already of their free memory and speed, not everybody looks at."""
        for one in devices:
            known = self.facts.get(one.name, one)
            self.facts[one.name] = replace(one, free=one.free or known.free, speed=one.speed or known.speed)

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
        if self.is_removed(slot):
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
        times += [since + LOST_GRACE_S for since in self.lost.values()]
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
