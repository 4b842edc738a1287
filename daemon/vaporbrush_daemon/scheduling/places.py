"""Which slots are for which jobs: what there is to paint on, what is known of it, and what a job needs.

Theory of operation. Of several GPUs all paint. A job that would have to be cut into tiles on one of them is left to
those that have the memory to paint it whole; what is too large for every one, to those with the most. A job goes only
where its model is.

Another machine is one slot, whose worker has the daemon there paint. What does not ask for it is painted there only
where this machine has nothing faster than its processor, and that one can be reached. A studio's nodes have a slot for
each of their devices, `box2/cuda:0`, which are as good as this machine's own. Other machines and nodes come and go: a
job that only a lost node could paint waits a while for it to come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from vaporbrush_daemon.workers.messages import DeviceFacts
from vaporbrush_protocol.errors import RequestError

from .effects import Place
from .holdings import Holdings
from .job import Job, Needs
from .policy import LOST_GRACE_S
from .slot import DOWNLOADS, PROBE, Slot

ALIKE = 0.9  # of the largest device's memory: two equal ones never have exactly as much of it free
USABLE = 0.9  # of a device's memory, as long as no worker has told how much of it is free
CLEARLY = 1.5  # times the seconds of the fastest: below, two devices count as equally fast, for measurements vary


class Places:
    """The slots and what is known of their devices."""

    def __init__(self) -> None:
        self.slots: dict[int, Slot] = {}
        self.devices: tuple[str, ...] = ()  # those to paint on; empty as long as nobody knows
        self.remotes: tuple[str, ...] = ()  # other machines
        self.studio: tuple[str, ...] = ()  # devices of a studio's nodes
        self.facts: dict[str, DeviceFacts] = {}  # by name, as workers have told
        self.lost: dict[str, float] = {}  # devices of nodes, and when these were lost, while they may come back
        self.holdings = Holdings()

    @property
    def usual_device(self) -> str:
        """Where a job that does not care is painted; empty until the first worker has named it."""
        return next((device for device in self.devices if device != "cpu"), "cpu" if self.devices else "")

    @property
    def usual_node(self) -> str:
        """The studio's device that paints it where this machine has nothing faster than its processor; or empty."""
        return "" if self._accelerators("here") else next(iter(sorted(self._accelerators("studio"))), "")

    def is_removed(self, slot: Slot) -> bool:
        """Whether there is no such machine or node any more; the slot goes with its process."""
        return slot.remote and slot.device not in (self.remotes if slot.place == "remote" else self.studio)

    def suiting(self, needs: Needs) -> frozenset[int]:
        """The keys of the slots in which a job may run, whatever they are at."""
        places = [] if needs.waits else self._places(needs)
        if needs.kind == "paint" and needs.device == "auto" and len(places) > 1:
            # all, where all were given up: it may have been the driver's update
            places = [slot for slot in places if not slot.given_up_until] or places
            least = min(needs.memory, ALIKE * max(map(self._room, places)))
            places = [slot for slot in places if self._room(slot) >= least]
        return frozenset(slot.key for slot in places)

    def suits(self, slot: Slot, needs: Needs) -> bool:
        """Whether a job may run in a slot, whatever the slot is at."""
        return slot.key in self.suiting(needs)

    def model_on(self, device: str, model: str) -> str:
        """What `auto` means for a job that asks for a node's device: the best model that is there."""
        models = self.facts[device].models if device in (*self.studio, *self.lost) else ()
        return models[0] if models and model == "auto" else model

    def is_on_nodes(self, model: str) -> bool:
        """Whether a node has a model, one that was lost a moment ago included."""
        return any(model in self.facts[name].models for name in (*self.studio, *self.lost))

    def instead_of(self, slot: Slot, needs: Needs) -> str:
        """Why a job that could have been painted on another machine is painted in this slot; empty for any other."""
        if needs.device != "auto" or slot.remote or not slot.is_processor:
            return ""
        if lacking := sorted(self._accelerators("studio")):
            return f"{', '.join(lacking)} would be faster, but without the weights of {needs.model}."
        if needs.here:
            return ""
        return next((one.away for one in self.slots.values() if one.device in self.remotes and one.given_up_until), "")

    def away(self, now: float) -> dict[str, str]:
        """The other machines that could not be reached a moment ago, and why."""
        return {slot.device: slot.away for slot in self.slots.values() if slot.away and slot.given_up_until > now}

    def missing(self, now: float, needs: Needs) -> RequestError | None:
        """Why a job cannot be painted by anything there is; None as long as nobody knows, or a lost node that may come
        back could.
        """
        there = (*self.devices, *(() if needs.here else self.remotes), *self.studio)
        if needs.kind == "fetch" or self.may_come_back(now, needs):
            return None
        if self.devices and needs.device not in ("auto", *there):
            what, code = "does not exist here", "device_missing"
            if needs.device in self.lost:  # it may come back yet, and then the same job can be sent again
                what, code = f"was lost {LOST_GRACE_S:.0f} s ago and has not come back", "unreachable"
            return RequestError(code, f"The device `{needs.device}` {what}; there is {', '.join(there)}.")
        return None if self._places(needs) or not needs.model else self._without_model(needs)

    def may_come_back(self, now: float, needs: Needs) -> bool:
        """Whether a job waits for a node that was lost a moment ago."""
        late = self.overdue(now) if self.lost else ()
        coming = [self.facts[name] for name in self.lost if name not in late]
        if needs.device == "auto":
            return needs.model_away and any(needs.model in one.models for one in coming)
        return any(one.name == needs.device for one in coming)

    def _has_model(self, slot: Slot, needs: Needs) -> bool:
        """Whether a job's model is there; what another machine has, that one's daemon says itself."""
        if slot.place == "here":
            return not needs.model_away
        models = self.facts[slot.device].models if slot.place == "studio" else ()
        return not models or needs.model in models

    def _without_model(self, needs: Needs) -> RequestError:
        if needs.device == "auto":
            return RequestError("weights_missing", f"The weights of {needs.model} are on none of the devices here.")
        if needs.device not in (*self.studio, *self.lost):
            return RequestError(
                "weights_missing",
                f"The weights of {needs.model} are not on this machine, where `{needs.device}` is: "
                "`vaporbrush weights list` tells how to get them; or ask for another device.",
            )
        models = ", ".join(self.facts[needs.device].models)
        return RequestError(
            "weights_missing",
            f"`{needs.device}` does not have the weights of {needs.model}, only {models}; bring them "
            "to that node and have it join again, or ask for another device.",
        )

    def hopeless(self, needs: Needs) -> bool:
        """Whether every slot that is for such a job has been given up."""
        places = self._places(needs)
        return bool(places) and all(slot.given_up_until for slot in places)

    def _places(self, needs: Needs) -> list[Slot]:
        """The slots for jobs of this kind that ask for this device, and have their model."""
        if needs.kind == "fetch":
            return [slot for slot in self.slots.values() if slot.device == DOWNLOADS]
        with_model = [slot for slot in self.slots.values() if not needs.model or self._has_model(slot, needs)]
        if needs.device in self.studio or (needs.device in self.remotes and not needs.here):
            names = {needs.device}
        elif not self.devices:
            names = {PROBE, *(self._accelerators("studio", with_model) if needs.device == "auto" else ())}
        elif needs.device != "auto":
            names = {needs.device}
        else:
            names = self._usual(with_model, here=needs.here)
        return [slot for slot in with_model if slot.device in names]

    def _usual(self, slots: list[Slot], *, here: bool) -> set[str]:
        """Where jobs go that do not care. An accelerator paints tens of times faster: while one exists, here or on the
        first other machine that can be reached, the CPU paints only what asks for it.
        """
        accelerators = self._accelerators("here", slots) | self._accelerators("studio", slots)
        processors = {slot.device for slot in slots if slot.device in ("cpu", *self.studio)} - accelerators
        if accelerators or here:
            return accelerators or processors
        near = (slot.device for slot in slots if slot.device in self.remotes and not slot.given_up_until)
        first = next(near, None)
        return processors if first is None else {first}

    def _accelerators(self, place: Place, slots: Iterable[Slot] | None = None) -> set[str]:
        return {
            slot.device
            for slot in (self.slots.values() if slots is None else slots)
            if slot.place == place
            and slot.device in (self.devices if place == "here" else self.studio)
            and not slot.is_processor
        }

    def _room(self, slot: Slot) -> float:
        """Bytes that a painting may take there; without bound where the device shares the machine's memory."""
        facts = self.facts.get(slot.device)
        if facts is None or not facts.memory:
            return math.inf
        return facts.free or USABLE * facts.memory

    def nearest(self, slots: list[Slot], job: Job) -> Slot:
        """Of the slots that suit a job, the one for it: where the one before it in its chain was; else a fast one; of
        those, where the fewest bytes have to move to; of equal ones, the first.
        """
        if len(slots) == 1:
            return slots[0]
        known = [speed for slot in slots if (speed := self.seconds(slot))]
        fastest = min(known, default=0.0)

        def slower(slot: Slot) -> int:
            speed = self.seconds(slot)
            return math.floor(math.log(speed / fastest, CLEARLY)) if speed else 0  # nobody knows: it is to be found out

        return min(slots, key=lambda slot: (slot.key != job.beside, slower(slot), self.holdings.moving(slot, job)))

    def seconds(self, slot: Slot) -> float:
        """What a step over a million pixels takes there; 0: nobody knows."""
        facts = self.facts.get(slot.device)
        return facts.speed if facts is not None else 0.0

    # -- nodes that were lost

    def lose(self, now: float, devices: tuple[str, ...]) -> None:
        """These of nodes are there, and of those before no others."""
        self.lost.update((name, now) for name in self.studio if name not in devices)
        for name in devices:
            self.lost.pop(name, None)
        self.studio = devices

    def wait_for(self, needs: Needs) -> str:
        """What is said to a job for which `may_come_back` holds."""
        what = f"`{needs.device}` was lost" if needs.device != "auto" else f"Every node with {needs.model} was lost"
        return f"{what}; this job waits for up to {LOST_GRACE_S:.0f} s for it to come back."

    def overdue(self, now: float) -> list[str]:
        """The devices that were lost and have not come back in time."""
        return [name for name, since in self.lost.items() if since + LOST_GRACE_S <= now]

    def forget_lost(self, devices: Iterable[str]) -> None:
        """Nobody waits for these any more."""
        for name in devices:
            del self.lost[name]
