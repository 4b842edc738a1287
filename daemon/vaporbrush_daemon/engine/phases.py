"""The course of a scale: what leads each of its steps, and when it has had enough of them. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vaporbrush_protocol.errors import VaporbrushError

# The share of the finest scale's steps that only approach the minimum: without relu5_1, a fifth of the arithmetic for a
# hundredth of the loss, as the coarser scale has the large forms that it sees; and by the whitened loss, as far as the
# strength is high, so that style is nearly all of the loss. At a low one the way by the whitened loss leads past the
# content. Coarser scales are only approaches themselves.
APPROACH = 0.7
WHITENED = (50.0, 200.0)  # strengths: up to the first nothing is whitened, from the second on all of the approach
LEAD = 28  # steps of the finest scale that the whitened loss may lead at most: after more, settling only takes longer
WINDOW = 10  # steps over which progress is judged
FLAT = 1e-5  # relative change of the loss over WINDOW steps below which nothing has happened


@dataclass
class Course:
    """From step `plain` on the published loss leads, from `deep` on relu5_1 counts too."""

    steps: int
    strength: float
    plain: int
    deep: int
    totals: list[tuple[int, float]] = field(default_factory=list)  # steps and losses, as far as they were read

    @classmethod
    def of(cls, steps: int, strength: float, *, finest: bool) -> Course:
        """The course of one scale."""
        approach = (APPROACH if finest else 1.0) * steps
        led = min(approach, LEAD) if finest else approach
        return cls(steps, strength, round(led * whitened(strength)), round(approach))

    def note(self, step: int, total: float, *, fresh: bool) -> None:
        """Take in the loss that `step` read. Raises `diverged` if it cannot become a painting; `fresh`: so far nothing
        was painted, so that a loss that stands still says that nothing ever will be.
        """
        self.totals.append((step, total))
        if not math.isfinite(total):
            raise VaporbrushError(
                "diverged",
                f"The loss became {total} in step {step + 1} of a scale: lower the strength (it is {self.strength:g}).",
            )
        began, first = self.totals[0]
        if fresh and step - began >= WINDOW and first > 0 and abs(first - total) <= FLAT * first:
            raise VaporbrushError(
                "diverged",
                f"The loss stayed at {total:.4g} over {step - began} steps, so nothing can be painted: "
                "start from noise, or use another content or style.",
            )

    def done(self, enough: float) -> bool:
        """Whether the loss fell by less than the share `enough` over the last WINDOW steps after the approach."""
        settled = [(step, total) for step, total in self.totals if step >= self.deep]
        if not settled:
            return False
        step, total = settled[-1]
        before = [loss for number, loss in settled if number <= step - WINDOW]
        return bool(before) and before[-1] - total < enough * total


def whitened(strength: float) -> float:
    """The share of the approach that goes by the whitened loss, 0 to 1."""
    low, high = WHITENED
    return min(1.0, max(0.0, math.log(strength / low) / math.log(high / low)))
