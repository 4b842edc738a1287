"""The queue against a simple one that looks at every job: the same order, places and next job, whatever happens."""

from __future__ import annotations

import random

import pytest

from bench.scheduler import Shape, measured
from vaporbrush_daemon.scheduling import fair_queue
from vaporbrush_daemon.scheduling.fair_queue import FairQueue

EVENT_MS, SUBMIT_MS = 1.0, 2.0  # with 10,000 jobs and 64 slots


class Simple:
    """Clients in a circle, each with a list of (job, needs); retries before all."""

    def __init__(self) -> None:
        self.again: list[tuple[str, str]] = []
        self.circle: dict[str, list[tuple[str, str]]] = {}

    def add(self, client: str, job: str, needs: str, *, first: bool) -> None:
        if first:
            self.again.insert(0, (job, needs))
        else:
            self.circle.setdefault(client, []).append((job, needs))

    def remove(self, job: str, *, served: bool) -> None:
        if any(job == one for one, _ in self.again):
            self.again = [one for one in self.again if one[0] != job]
            return
        client = next(client for client, jobs in self.circle.items() if any(job == one for one, _ in jobs))
        self.circle[client] = [one for one in self.circle[client] if one[0] != job]
        if served or not self.circle[client]:
            left = self.circle.pop(client)
            if left:
                self.circle[client] = left

    def change(self, job: str, needs: str) -> None:
        for jobs in (self.again, *self.circle.values()):
            jobs[:] = [(one, needs if one == job else other) for one, other in jobs]

    def order(self) -> list[str]:
        lines = [list(jobs) for jobs in self.circle.values()]
        rounds = max(map(len, lines), default=0)
        return [job for job, _ in self.again] + [line[i][0] for i in range(rounds) for line in lines if i < len(line)]

    def first(self, among: set[str]) -> str | None:
        lines = [self.again, *self.circle.values()]
        return next((job for jobs in lines for job, needs in jobs if needs in among), None)


@pytest.mark.parametrize("seed", range(20))
def test_jobs_go_in_the_order_of_a_queue_that_looks_at_every_one(seed: int) -> None:
    dice = random.Random(seed)
    queue, simple, jobs = FairQueue(), Simple(), []
    for number in range(400):
        what = dice.random()
        if what < 0.55 or not jobs:
            job, client, needs = f"job{number}", f"client{dice.randrange(6)}", dice.choice(["cpu", "cuda:0", "auto"])
            first = dice.random() < 0.1
            queue.add(client, job, needs, first=first)
            simple.add(client, job, needs, first=first)
            jobs.append(job)
        elif what > 0.92:
            job, needs = dice.choice(jobs), dice.choice(["cpu", "cuda:0", "auto"])
            queue.change(job, needs)
            simple.change(job, needs)
        else:
            among = set(dice.sample(["cpu", "cuda:0", "auto"], dice.randrange(1, 4)))
            job = dice.choice(jobs) if what < 0.7 else queue.first(among)
            if job is None:
                continue
            jobs.remove(job)
            queue.take(job) if what >= 0.7 else queue.remove(job)
            simple.remove(job, served=what >= 0.7)
        order = list(queue.order())
        assert order == simple.order()
        assert [queue.position(job) for job in order] == list(range(len(queue)))
        for among in ({"cpu"}, {"cuda:0"}, {"auto", "cpu"}, {"cpu", "cuda:0", "auto"}):
            assert queue.first(among) == simple.first(among)
        for needs in ("cpu", "cuda:0", "auto"):
            waiting = [job for job in jobs if queue._jobs[job].needs == needs]
            assert queue.count(needs, 3) == min(3, len(waiting))


def test_among_very_many_clients_a_place_is_told_within_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fair_queue, "EXACT_CLIENTS", 10)
    dice, queue = random.Random(1), FairQueue()
    for number in range(1000):
        queue.add(f"client{dice.randrange(40)}", f"job{number}", "auto")
    off = [abs(queue.position(job) - place) for place, job in enumerate(queue.order())]
    assert off[:40] == [0] * 40, "each client's first is exact"
    assert max(off) <= 40


@pytest.mark.parametrize(
    "shape", [Shape(10_000, watched=True), Shape(100, named=True), Shape(100, chained=True)], ids=str
)
def test_an_event_costs_the_same_however_many_jobs_wait(shape: Shape) -> None:
    """Ten times as long as `python -m tests.bench.scheduler` is to show, for machines that do other things besides."""
    for name, (median_ms, _) in measured(shape, jobs=10_000, slots=64).items():
        assert median_ms < 10 * (SUBMIT_MS if name == "submit" else EVENT_MS), name
