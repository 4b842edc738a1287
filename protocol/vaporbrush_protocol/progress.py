"""The one progress record, from the engine's step loop over the wire to every progress bar."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .rules import Rule, count, mapping, number, read, rule, word

Phase = Literal["loading", "measuring", "style", "painting", "finishing", "downloading"]
HUGE = 1e300  # a loss is finite, or the job has failed


def _value(means: str) -> Rule:
    return rule(lambda name, value: number(name, value, -HUGE, HUGE), "number", means, {"type": "number"})


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a job is. Steps count over the whole job; times in seconds."""

    phase: Phase = field(metadata=word(Phase, "what is being done"))
    scale: int = field(default=0, metadata=count("the present scale, from 1, coarse to fine; 0 before the first"))
    scales: int = field(default=0, metadata=count("how many scales there are"))
    step: int = field(default=0, metadata=count("optimiser steps done, over the whole job; bytes while downloading"))
    steps: int = field(default=0, metadata=count("of how many"))
    width: int = field(default=0, metadata=count("pixels of the present scale"))
    height: int = field(default=0, metadata=count("pixels of the present scale"))
    loss: float | None = field(default=None, metadata=_value("as last read from the device"))
    content_loss: float | None = field(default=None, metadata=_value("the content's part of it"))
    style_loss: float | None = field(default=None, metadata=_value("the style's part of it"))
    elapsed_s: float = field(default=0.0, metadata=_value("seconds since the job began to run"))
    eta_s: float | None = field(default=None, metadata=_value("seconds left, as far as known"))

    @classmethod
    def from_wire(cls, wire: object) -> Progress:
        """Validate; unknown fields are ignored."""
        return cls(**read(cls, mapping("progress", wire), "progress."))

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        return asdict(self)

    @property
    def fraction(self) -> float:
        """How much of the job's steps is done, 0 to 1."""
        return min(1.0, self.step / self.steps) if self.steps else 0.0
