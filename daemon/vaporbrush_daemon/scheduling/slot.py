"""The place of one worker process, and the states that this can be in (`worker_slots` says what they mean)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vaporbrush_protocol.states import follow

from .effects import Place

DOWNLOADS = "downloads"  # the slot in which models are fetched; all others are named after their device
PROBE = "auto"  # the slot whose worker chooses a device itself and says which ones there are

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
    place: Place = "here"
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
    def remote(self) -> bool:
        """Whether that is another machine: those come and go."""
        return self.place != "here"

    @property
    def is_processor(self) -> bool:
        """Whether it is a processor, which paints tens of times slower than anything else; `box2/cpu` is a node's."""
        return self.device.rpartition("/")[2] == "cpu"

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
