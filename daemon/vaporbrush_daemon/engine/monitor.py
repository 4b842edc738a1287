"""What a painting asks its caller and tells it: whether to go on, how far it is, what it spent its time on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal, Protocol

from vaporbrush_daemon.plan import Plan, Scale
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.progress import Progress

from .losses import LossValues

REPORT_S = 0.05  # at most 20 reports a second; the losses are read from the device only then

Wanted = Literal["go", "cancel", "finish"]
Preview = Callable[[int], tuple[bytes, int, int]]  # longest side in pixels → RGB8 rows, width, height


class Control(Protocol):
    """The painter's caller, while it paints."""

    def report(self, progress: Progress, image: Preview) -> None:
        """Called at most every 50 ms. `image(side)` gives the picture so far, no bytes where there is none yet."""
        ...

    def wanted(self) -> Wanted:
        """Asked before every step and every tile: a heartbeat too."""
        ...


def no_image(side: int) -> tuple[bytes, int, int]:  # noqa: ARG001 - there is no picture yet
    """The preview of what has not begun."""
    return b"", 0, 0


class Monitor:
    """One painting's progress and clock."""

    def __init__(self, control: Control, plan: Plan, clock: Callable[[], float], *, began: float) -> None:
        self.control, self.plan, self.clock, self.began = control, plan, clock, began
        self.progress = Progress("style", scales=len(plan.scales), steps=plan.steps)
        self.seconds: dict[str, float] = {}  # by phase of the progress, and "loading"
        self.done = 0.0  # megapixel-steps
        self._taken = self._ahead = (
            0.0  # what was done and what is left to do, in megapixel-steps with what a step costs
        )
        self.stopped: Literal["steps", "finish", "converged"] = "steps"  # why the last scale ended
        self._reported = -math.inf

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the time within to `seconds[name]`."""
        began = self.clock()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + self.clock() - began

    def check(self) -> None:
        """Raise `cancelled` if the caller wants that."""
        self.go_on()

    def go_on(self) -> bool:
        """False if the caller wants the picture as it is. Raises `cancelled` if it wants none."""
        wanted = self.control.wanted()
        if wanted == "cancel":
            raise VaporbrushError("cancelled", "The job was cancelled.")
        return wanted != "finish"

    def begin(self, number: int, scale: Scale) -> None:
        """The scale `number`, from 0, comes next. What the one before has left undone, because it was done early, is
        nothing that anybody waits for.
        """
        self._ahead = sum(one.steps * self._cost(one) for one in self.plan.scales[number:])
        self.progress = replace(self.progress, phase="style", scale=number + 1, width=scale.width, height=scale.height)

    def stepped(self, scale: Scale) -> None:
        """A step was taken."""
        self.progress = replace(self.progress, phase="painting", step=self.progress.step + 1)
        self.done += scale.megapixels
        self._taken += self._cost(scale)
        self._ahead -= self._cost(scale)

    def _cost(self, scale: Scale) -> float:
        """Of one step, in megapixel-steps: on a fast device what it costs besides its pixels is most of it."""
        return scale.megapixels + self.plan.step_megapixels

    def due(self) -> bool:
        """Whether it is time for a report; if so, the next one is due REPORT_S later."""
        now = self.clock()
        if now - self._reported < REPORT_S:
            return False
        self._reported = now
        return True

    def report(self, losses: LossValues, image: Preview) -> None:
        """Tell the caller the losses and the time left."""
        self._reported = self.clock()
        elapsed = self._reported - self.began
        painting = max(1e-9, elapsed - self.seconds.get("loading", 0.0))
        left = painting * self._ahead / max(self._taken, 1e-9)
        self.control.report(
            replace(
                self.progress,
                loss=losses.total,
                content_loss=losses.content,
                style_loss=losses.style,
                elapsed_s=elapsed,
                eta_s=max(0.0, left),
            ),
            image,
        )

    def finish(self) -> None:
        """All steps are taken: what is left is to deliver, and nobody knows how long that takes. Raises `cancelled`."""
        self.progress = replace(self.progress, phase="finishing")
        self.check()
        self.control.report(replace(self.progress, elapsed_s=self.clock() - self.began), no_image)
