"""A hundred clients of four characters on one worker, in simulated time: nobody polite waits longer than one round."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from support.studio import Studio, asked, image
from vaporbrush_daemon.scheduling import admission
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.job import Job
from vaporbrush_protocol.errors import RequestError

CLIENTS = 100
PLACES = 64
PAINTS_S = 2.0  # a painting
POLITE_JOBS = 3  # one after the other
HOURS = 0.3


@dataclass
class Client:
    """Wants to paint. `at` is when it acts next."""

    name: str
    studio: Studio
    at: float
    jobs: list[Job] = field(default_factory=list)
    refused: int = 0
    in_vain: int = 0  # came back when it was told to, and was refused again
    told: bool = False
    waited: list[int] = field(default_factory=list)  # jobs of others that began between its wish and its turn
    wish: int | None = None

    def try_once(self, **fields: object) -> float:
        """Submit one job. Returns how long to wait where it is refused, else 0."""
        if self.wish is None:
            self.wish = len(self.studio.painted())
        try:
            self.jobs.append(self.studio.submit(self.name, f"{self.name}-{len(self.jobs)}", **fields))
        except RequestError as error:
            self.refused += 1
            self.in_vain += self.told
            self.told = True
            return error.retry_after_s or 0.0
        self.told = False
        return 0.0

    def is_served(self, number: int) -> None:
        """The worker has begun one of its jobs, as the `number`th of all."""
        if self.wish is not None:
            self.waited.append(number - self.wish)
            self.wish = None

    def act(self, now: float) -> None:
        raise NotImplementedError

    @property
    def live(self) -> int:
        return sum(not job.final for job in self.jobs)


class Polite(Client):
    """One at a time; obeys."""

    def act(self, now: float) -> None:
        if self.live or len(self.jobs) == POLITE_JOBS:
            self.at = now + 1.0
        else:
            self.at = now + (self.try_once() or 1.0)


class Batch(Client):
    """Many at once; obeys."""

    def act(self, now: float) -> None:
        self.at = now + (self.try_once() or 0.5)


class Greedy(Client):
    """Many at once, and does not listen."""

    def act(self, now: float) -> None:
        self.try_once()
        self.at = now + 1.0


class Fleeting(Client):
    """Submits and goes."""

    def act(self, now: float) -> None:
        wait = self.try_once(lease_s=5.0, on_lease_end="cancel") if len(self.jobs) < 5 else 60.0
        self.at = now + (wait or 20.0)


OBEDIENT = (Polite, Batch, Fleeting)


@dataclass
class Day:
    """What the clients do with one worker. `lasts` says how long the next painting takes, `foretold` whether the worker
    knows that.
    """

    studio: Studio
    clients: list[Client]
    lasts: Callable[[], float]
    foretold: bool = True
    most: int = 0  # jobs that lived at once

    def run(self, seconds: float) -> None:
        studio, clock = self.studio, self.studio.clock
        studio.check = False
        by_name = {client.name: client for client in self.clients}
        end, began, ends = clock() + seconds, 0, 0.0
        while clock() < end:
            now = min(client.at for client in self.clients)
            if studio.slot().state == "busy":
                now = min(now, ends)
            studio.tick(max(0.0, now - clock()))
            if studio.slot().state == "starting":
                studio.ready()
            if studio.slot().state == "busy" and clock() >= ends:
                running = studio.job(studio.slot().job)
                studio.failed(running, "cancelled") if running.final else studio.done(running)
            for client in [one for one in self.clients if one.at <= clock()]:
                client.act(clock())
            self.most = max(self.most, len(studio.scheduler.table.live))
            for number, name in enumerate(studio.painted()[began:], began):
                by_name[name.rpartition("-")[0]].is_served(number)
                lasts = self.lasts()
                studio.step(studio.job(name), steps=10, step=1, eta_s=lasts if self.foretold else None)
                ends = clock() + lasts
                began = number + 1

    def of(self, kind: type[Client]) -> list[Client]:
        return [one for one in self.clients if isinstance(one, kind)]


def day(seed: int, count: int, kinds: Sequence[type[Client]], places: int = PLACES, **how: Any) -> Day:
    dice = random.Random(seed)
    studio = Studio(max_jobs=places)
    clients = [
        kind(f"{kind.__name__}{i}", studio, studio.clock() + dice.random() * 60)
        for i, kind in zip(range(count), itertools.cycle(kinds), strict=False)
    ]
    return Day(studio, clients, **{"lasts": lambda: PAINTS_S, **how})


def test_no_polite_client_waits_longer_than_one_round_and_who_obeys_is_never_refused_again() -> None:
    today = day(16, CLIENTS, (Polite, Batch, Greedy, Fleeting))
    today.run(HOURS * 3600)
    polite = today.of(Polite)
    assert all(len(one.jobs) == POLITE_JOBS and not one.live for one in polite), "each got what it wanted"
    assert max(turns for one in polite for turns in one.waited) <= CLIENTS, "others' jobs before one's own"
    assert not any(one.refused for one in polite)
    assert sum(one.refused for one in today.of(Batch)) > 100
    assert [(one.name, one.in_vain) for kind in OBEDIENT for one in today.of(kind) if one.in_vain] == []


@pytest.mark.parametrize("seed", range(2))
def test_the_time_to_come_back_is_true_even_where_nobody_knows_how_long_a_painting_takes(seed: int) -> None:
    dice = random.Random(seed)
    today = day(
        seed, CLIENTS, (Polite, Batch, Greedy, Fleeting), lasts=lambda: dice.choice((0.3, 2.0, 40.0)), foretold=False
    )
    today.run(HOURS * 1200)
    assert sum(one.refused for one in today.of(Batch)) > 20
    assert [(one.name, one.in_vain) for kind in OBEDIENT for one in today.of(kind) if one.in_vain] == []
    assert today.most <= admission.BOUND * PLACES


def test_however_many_come_the_queue_stays_bounded() -> None:
    places = 8
    today = day(1, 100, (Batch, Greedy), places, lasts=lambda: 60.0)
    today.run(300)
    assert admission.RESERVE * places <= today.most <= admission.BOUND * places
    assert today.studio.scheduler._admission.taken <= admission.BOUND * places
    assert len([one for one in today.clients if one.refused]) > 80


def test_asking_early_moves_no_promise_and_a_larger_job_needs_one_of_its_own() -> None:
    studio = Studio(max_jobs=2)
    studio.painting("ann")
    studio.submit("ann")
    studio.submit("bob")

    def told(job: str, side: int = 16) -> float:
        request = asked(job, "bob")
        if side != 16:
            request = replace(request, recipe=replace(request.recipe, content=image("large", side)))
        with pytest.raises(RequestError, match="yours, and your share is 1") as refused:
            studio.bring(ev.Submitted(request))
        return refused.value.retry_after_s

    wait_s = told("more")
    studio.tick(wait_s / 2)
    assert told("more") == pytest.approx(wait_s / 2)
    larger_wait_s = told("larger", 64)
    assert larger_wait_s > wait_s / 2
    studio.tick(larger_wait_s)
    assert studio.submit("bob", "more").state == "queued"
    with pytest.raises(RequestError):
        studio.submit("bob", "one more")  # a promise is for one job
