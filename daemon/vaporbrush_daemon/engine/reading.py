"""The losses of a painting's steps, from the device to whoever is told and to what is decided by them."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from .convergence import LossCurve
from .inputs import Inputs
from .losses import Losses, LossValues
from .monitor import Monitor
from .transfer import Fetched


class Reading:
    """The losses of one scale's steps. Where the device works on while they come, they are looked at after the next
    step was launched: nothing waits.
    """

    def __init__(
        self, inputs: Inputs, curve: LossCurve, monitor: Monitor, enough: float | None, last_step: int
    ) -> None:
        self.inputs, self.curve, self.monitor = inputs, curve, monitor
        self.enough, self.last_step = enough, last_step
        self.under_way: tuple[int, Fetched] | None = None  # of which step

    def converged_after(self, step: int, losses: Losses, image: Tensor) -> bool:
        """Take in that the `step` that led to `image` began with `losses`. Whether there need not be another one.
        Raises `diverged`.
        """
        if self.under_way is not None and self._looked(*self.under_way, image):
            return True
        if not self.monitor.due() and step not in (0, self.last_step):
            return False
        self.under_way = (step, self.inputs.transfer.fetch(losses.reported()))
        at_once = self.inputs.transfer.at_once or step == self.last_step
        return at_once and self._looked(*self.under_way, image)

    def _looked(self, step: int, reported: Fetched, image: Tensor) -> bool:
        """Whether the scale had converged at a step."""
        self.under_way = None
        values = LossValues.of(reported.get())
        self.curve.add(step, values.total)
        self.monitor.report(values, partial(self.inputs.preview, image))
        return self.enough is not None and step < self.last_step and self.curve.converged(self.enough)
