"""The time left is what is left: not steps that a scale did not need, and nothing while nobody knows."""

from __future__ import annotations

import pytest

from support.clock import Clock
from vaporbrush_daemon.engine.losses import LossValues
from vaporbrush_daemon.engine.monitor import Monitor, Preview, Wanted, no_image
from vaporbrush_daemon.plan import Plan, Scale
from vaporbrush_protocol.progress import Progress

COARSE, FINE = Scale(100, 100, 60), Scale(200, 200, 30)
LOSSES = LossValues(0.5, 0.5, 1.0)


class Listener:
    """Hears what a monitor reports."""

    def __init__(self) -> None:
        self.heard: list[Progress] = []

    def report(self, progress: Progress, _image: Preview) -> None:
        self.heard.append(progress)

    def wanted(self) -> Wanted:
        return "go"


def painted(
    clock: Clock, listener: Listener, step_megapixels: float, steps: int, seconds: tuple[float, float]
) -> Monitor:
    """The coarse scale is done after so many of its steps, and the fine one has begun."""
    plan = Plan((COARSE, FINE), "fp32", 10, None, False, 1.0, 0, 0.01, step_megapixels)
    monitor = Monitor(listener, plan, clock, began=clock())
    for number, (scale, taken, each) in enumerate(((COARSE, steps, seconds[0]), (FINE, 10, seconds[1]))):
        monitor.begin(number, scale)
        for _ in range(taken):
            clock.pass_(each)
            monitor.stepped(scale)
    monitor.report(LOSSES, no_image)
    return monitor


def test_steps_that_a_scale_did_not_need_are_not_waited_for() -> None:
    listener = Listener()
    painted(Clock(), listener, 0.0, 12, (0.1, 0.4))  # a step costs its pixels
    assert listener.heard[-1].eta_s == pytest.approx(20 * 0.4)


def test_where_every_step_costs_the_same_the_time_left_says_so() -> None:
    listener = Listener()
    painted(Clock(), listener, 10.0, 60, (0.02, 0.02))  # a graphics card: launching is most of a step
    assert listener.heard[-1].eta_s == pytest.approx(20 * 0.02, rel=0.01)


def test_while_it_is_finished_nobody_knows_how_long_that_takes() -> None:
    listener = Listener()
    painted(Clock(), listener, 0.0, 60, (0.1, 0.4)).finish()
    assert (listener.heard[-1].phase, listener.heard[-1].eta_s) == ("finishing", None)
