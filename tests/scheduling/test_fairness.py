"""A hundred clients of four characters on one worker, in simulated time: nobody polite waits longer than one round."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from support.studio import Studio
from vaporbrush_daemon.scheduling.job import Job
from vaporbrush_protocol.errors import RequestError

CLIENTS = 100
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


def test_no_polite_client_waits_longer_than_one_round_and_the_time_to_come_back_is_true() -> None:
    studio = Studio(max_jobs=64)
    dice = random.Random(16)
    kinds = [Polite, Batch, Greedy, Fleeting]
    clients = [kinds[i % 4](f"{kinds[i % 4].__name__}{i}", studio, 1000.0 + dice.random() * 60) for i in range(CLIENTS)]
    studio.check = False
    began, ends = 0, 0.0
    while studio.clock() < 1000.0 + HOURS * 3600:
        now = min(client.at for client in clients)
        if studio.slot().state == "busy":
            now = min(now, ends)
        studio.tick(max(0.0, now - studio.clock()))
        if studio.slot().state == "starting":
            studio.ready()
        if studio.slot().state == "busy" and studio.clock() >= ends:
            running = studio.job(studio.slot().job)
            studio.failed(running, "cancelled") if running.final else studio.done(running)
        for client in [one for one in clients if one.at <= studio.clock()]:
            client.act(studio.clock())
        for number, name in enumerate(studio.painted()[began:], began):
            client = next(one for one in clients if one.name == name.rpartition("-")[0])
            if isinstance(client, Polite) and client.wish is not None:
                client.waited.append(number - client.wish)
                client.wish = None
            job = studio.job(name)
            studio.step(job, steps=10, step=1, eta_s=PAINTS_S)
            ends = studio.clock() + PAINTS_S
            began = number + 1
    polite = [one for one in clients if isinstance(one, Polite)]
    assert all(len(one.jobs) == POLITE_JOBS and not one.live for one in polite), "each got what it wanted"
    assert max(turns for one in polite for turns in one.waited) <= CLIENTS, "others' jobs before one's own"
    assert not any(one.refused for one in polite)
    batches = [one for one in clients if isinstance(one, Batch)]
    refused, in_vain = sum(one.refused for one in batches), sum(one.in_vain for one in batches)
    assert refused > 100
    assert in_vain <= 0.1 * refused, "the time to come back is true, but for those whose share shrank meanwhile"
