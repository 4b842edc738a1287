"""Which gradient the steps of a scale follow, and when it ends."""

from __future__ import annotations

import pytest

from vaporbrush_daemon.engine.convergence import WINDOW, LossCurve
from vaporbrush_daemon.engine.phases import LONGEST_LEAD, Phase, phases_of, whitened_share
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import STYLE_TAPS

SHALLOW = STYLE_TAPS[:-1]


def test_a_weak_strength_follows_the_published_loss_alone_and_none_jumps() -> None:
    assert whitened_share(0.1) == whitened_share(50) == 0
    assert whitened_share(100) == pytest.approx(0.5)
    assert whitened_share(200) == whitened_share(100_000) == 1


def test_the_finest_scale_approaches_and_settles() -> None:
    assert phases_of(40, 100, finest=True, deepest_first=False) == (
        Phase(14, SHALLOW, whitened=True),
        Phase(14, SHALLOW),
        Phase(12, STYLE_TAPS, settling=True),
    )
    assert phases_of(40, 20, finest=True, deepest_first=True) == (
        Phase(28, STYLE_TAPS),
        Phase(12, STYLE_TAPS, settling=True),
    )


@pytest.mark.parametrize("strength", [10, 100, 1000])
def test_more_steps_settle_longer_instead_of_being_led_longer(strength: float) -> None:
    for steps in (40, 180, 500):
        phases = phases_of(steps, strength, finest=True, deepest_first=False)
        assert sum(phase.steps for phase in phases) == steps
        assert sum(phase.steps for phase in phases if phase.whitened) == round(whitened_share(strength) * LONGEST_LEAD)
        assert phases[-1] == Phase(steps - round(0.7 * steps), STYLE_TAPS, settling=True)


def test_a_coarser_scale_only_approaches() -> None:
    assert phases_of(80, 1000, finest=False, deepest_first=True) == (Phase(80, STYLE_TAPS, whitened=True),)


def test_no_steps_are_no_phases() -> None:
    assert phases_of(0, 100, finest=True, deepest_first=True) == ()


def test_a_scale_has_converged_when_it_settled_and_stands_still() -> None:
    curve = LossCurve(1000, settling_from=70, fresh=True)
    for step in range(70 + WINDOW):
        curve.add(step, 1000.0 - step)
        assert not curve.converged(0.5)  # the approach may slow down before the settling begins
    curve.add(70 + WINDOW, 1000.0 - 70 - WINDOW)
    assert not curve.converged(0.001)
    assert curve.converged(0.5)


def test_a_loss_that_stands_still_is_an_error_only_where_nothing_was_painted_yet() -> None:
    for fresh in (False, True):
        curve = LossCurve(100, settling_from=100, fresh=fresh)
        for step in range(WINDOW):
            curve.add(step, 7.0)
        if fresh:
            with pytest.raises(VaporbrushError, match="The loss stayed at 7 over 10 steps"):
                curve.add(WINDOW, 7.0)
        else:
            curve.add(WINDOW, 7.0)


def test_a_loss_that_is_no_number_names_the_strength_to_lower() -> None:
    curve = LossCurve(5000, settling_from=70, fresh=False)
    with pytest.raises(VaporbrushError, match=r"became inf in step 4 of a scale: lower the strength \(it is 5000\)"):
        curve.add(3, float("inf"))
