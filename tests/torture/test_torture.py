"""The torture in its short form, as CI runs it: four minutes. `make torture` is the long one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from torture import jobs, messages, soak, studio
from torture.measure import Report, slope

SEED = 16  # the long form takes another each time
PARTS: dict[str, Callable[[Path], Report]] = {
    "mutated messages": lambda home: messages.run(home, 60_000, SEED),
    "jobs among kills": lambda home: jobs.run(home, 300, SEED),
    "a soak": lambda home: soak.run(home, 60.0, SEED),
    "a studio's bridge killed": lambda home: studio.bridges(home, 10.0, SEED),
    "strangers at a studio": lambda home: studio.strangers(home, 20_000, SEED),
    "pictures under way to a node": lambda home: studio.parcels(home, 2),
}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.timeout(600)
def test_everything_that_is_promised_holds(home: Path, part: str) -> None:
    report = PARTS[part](home)
    print(f"\n{report}")
    assert report.broken == []


def test_a_slope_comes_with_its_error() -> None:
    steady = slope([(x, 5.0 + (-1) ** x) for x in range(100)])
    assert abs(steady.value) < steady.error < 0.01
    assert steady.flat(0.0)
    rising = slope([(x, 3.0 * x + (-1) ** x) for x in range(100)])
    assert rising.value == pytest.approx(3.0, abs=0.01)
    assert not rising.flat(0.1)
    two = slope([(x, 2.0 * x + 50 * (x > 49)) for x in range(100)], [x > 49 for x in range(100)])
    assert two.value == pytest.approx(2.0)
