"""What leads the steps of a scale, and when it ends."""

from __future__ import annotations

import pytest

from vaporbrush_daemon.engine.phases import LEAD, WINDOW, Course, whitened
from vaporbrush_protocol.errors import VaporbrushError


def test_a_weak_strength_takes_the_way_of_the_published_loss_alone_and_none_jumps() -> None:
    assert whitened(0.1) == whitened(50) == 0
    assert whitened(100) == pytest.approx(0.5)
    assert whitened(200) == whitened(100_000) == 1


@pytest.mark.parametrize("strength", [10, 100, 1000])
def test_more_steps_settle_longer_instead_of_being_led_longer(strength: float) -> None:
    courses = [Course.of(steps, strength, finest=True) for steps in (40, 180, 500)]
    assert len({course.plain for course in courses}) == 1
    assert courses[0].plain == round(whitened(strength) * LEAD)
    assert [course.deep for course in courses] == [28, 126, 350]


def test_a_coarser_scale_only_approaches() -> None:
    course = Course.of(80, 1000, finest=False)
    assert course.plain == course.deep == 80


def test_a_scale_is_done_when_it_settled_and_stands_still() -> None:
    course = Course.of(100, 1000, finest=True)
    for step in range(course.deep + WINDOW):
        course.note(step, 1000.0 - step, fresh=True)
        assert not course.done(0.5)  # the approach may slow down before the settling begins
    course.note(course.deep + WINDOW, 1000.0 - course.deep - WINDOW, fresh=True)
    assert not course.done(0.001)
    assert course.done(0.5)


def test_a_loss_that_stands_still_is_told_only_where_nothing_was_painted_yet() -> None:
    for fresh in (False, True):
        course = Course.of(100, 100, finest=False)
        for step in range(WINDOW):
            course.note(step, 7.0, fresh=fresh)
        if fresh:
            with pytest.raises(VaporbrushError, match="The loss stayed at 7 over 10 steps"):
                course.note(WINDOW, 7.0, fresh=True)
        else:
            course.note(WINDOW, 7.0, fresh=False)


def test_a_loss_that_is_no_number_names_the_strength_to_lower() -> None:
    course = Course.of(100, 5000, finest=True)
    with pytest.raises(VaporbrushError, match=r"became inf in step 4 of a scale: lower the strength \(it is 5000\)"):
        course.note(3, float("inf"), fresh=False)
