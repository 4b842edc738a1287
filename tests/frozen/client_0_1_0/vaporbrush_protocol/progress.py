"""The one progress record, from the engine's step loop over the wire to every progress bar."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from .rules import choice, mapping, number, whole

Phase = Literal["loading", "measuring", "style", "painting", "finishing", "downloading"]
_HUGE = 1e300  # a loss is finite, or the job has failed


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job is. `scale` counts from 1; `step` and `steps` count over the whole job, in optimiser steps
    (bytes while downloading); `width` and `height` are those of the present scale; times in seconds.
    """

    phase: Phase
    scale: int = 0
    scales: int = 0
    step: int = 0
    steps: int = 0
    width: int = 0
    height: int = 0
    loss: float | None = None
    content_loss: float | None = None
    style_loss: float | None = None
    elapsed_s: float = 0.0
    eta_s: float | None = None

    @classmethod
    def from_wire(cls, wire: object) -> Progress:
        """Validate; unknown fields are ignored."""
        raw = mapping("progress", wire)
        given: dict[str, Any] = {f.name: raw[f.name] for f in fields(cls) if f.name in raw}
        for name, value in given.items():
            if name == "phase":
                choice("progress.phase", value, get_args(Phase))
            elif name in ("scale", "scales", "step", "steps", "width", "height"):
                whole(f"progress.{name}", value, 0, 2**53)
            elif value is not None or name == "elapsed_s":
                given[name] = number(f"progress.{name}", value, -_HUGE, _HUGE)
        given["phase"] = choice("progress.phase", raw.get("phase"), get_args(Phase))
        return cls(**given)

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        return asdict(self)

    @property
    def fraction(self) -> float:
        """How much of the job's steps is done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0
