"""When a scale has converged, and when it never will. Pure arithmetic on the losses that were read."""

from __future__ import annotations

import math

from vaporbrush_protocol.errors import VaporbrushError

WINDOW = 10  # steps over which progress is judged
FLAT = 1e-5  # relative change of the loss over WINDOW steps below which nothing has happened


class LossCurve:
    """The total losses of one scale's steps, as far as they were read from the device."""

    def __init__(self, strength: float, settling_from: int, *, fresh: bool) -> None:
        """`settling_from`: the first step that may be found to have converged. `fresh`: nothing was painted before this
        scale, so that a loss that stands still says that nothing ever will be.
        """
        self.strength, self.settling_from, self.fresh = strength, settling_from, fresh
        self.totals: list[tuple[int, float]] = []  # (step, loss)

    def add(self, step: int, total: float) -> None:
        """Take in the loss that `step` (from 0) began with. Raises `diverged` if it cannot become a painting."""
        self.totals.append((step, total))
        if not math.isfinite(total):
            raise VaporbrushError(
                "diverged",
                f"The loss became {total} in step {step + 1} of a scale: lower the strength (it is {self.strength:g}).",
            )
        began, first = self.totals[0]
        if self.fresh and step - began >= WINDOW and first > 0 and abs(first - total) <= FLAT * first:
            raise VaporbrushError(
                "diverged",
                f"The loss stayed at {total:.4g} over {step - began} steps, so nothing can be painted: "
                "start from noise, or use another content or style.",
            )

    def converged(self, enough: float) -> bool:
        """Whether the loss fell by less than the share `enough` over the last WINDOW steps, all of them settling."""
        settled = [(step, total) for step, total in self.totals if step >= self.settling_from]
        if not settled:
            return False
        step, total = settled[-1]
        before = [loss for number, loss in settled if number <= step - WINDOW]
        return bool(before) and before[-1] - total < enough * total
