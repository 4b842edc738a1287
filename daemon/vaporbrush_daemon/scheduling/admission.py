"""Who may put how much into the queue, and when to come back.

Theory of operation. The queue has `max_jobs` places and `max_bytes` of pictures.

1. A client that has nothing in the queue gets one job in, even where the places are taken, as long as fewer than twice
   as many are. So whoever asks for one painting at a time is never turned away for somebody else's sake.
2. Beyond that, each client may hold its share: the places divided by the clients that have jobs here. Who holds more,
   because there were fewer clients a moment ago, keeps it, but gets no more in until it is below its share again: a
   greedy client waits for itself.
3. Who is turned away learns when to come back: when enough jobs, of its own or of anybody, will have ended, by what
   is known of how long they take. That is a promise: from then on, and for as long again, a place is kept for this job,
   and where the estimate was too short it gets in all the same. So whoever obeys is never turned away twice. A client
   has one promise at a time, and asking early does not change it.
4. A guest never has more than `guest_jobs`, whatever else there is room for, or was promised.

What is promised counts as taken: jobs and promises together are at most `BOUND` times the places, and no promise is
made beyond that. Bytes need no such count, because the spool has a budget of its own for what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from vaporbrush_protocol.errors import RequestError

from .job import JobRequest
from .job_table import JobTable
from .policy import Policy

RESERVE = 2  # times the places and bytes: what clients' first jobs may take in all
BOUND = 4  # times the places: what jobs and promises may take in all
MIN_RETRY_S = 1.0  # sooner there would be no news
MAX_RETRY_S = 600.0  # a client that hears of more would rather ask again
EARLY_S = 0.2  # clocks differ a little
GRACE_S = 5.0  # a promised place is kept for so long, and as much again as its client was asked to wait

EndTimes = Callable[[], Iterator[tuple[float, str]]]  # (seconds from now, client) of the jobs' ends, in their order


@dataclass(frozen=True, slots=True)
class Promise:
    """A place for a client that was turned away with a job of so many bytes: from `due` on, until `until`."""

    due: float
    until: float
    size: int


class Admission:
    """Counts places by client, and keeps the promises."""

    def __init__(self, policy: Policy, table: JobTable) -> None:
        self._policy, self._table = policy, table
        self._promises: dict[str, Promise] = {}

    @property
    def taken(self) -> int:
        """Places that jobs have, or that are promised."""
        return len(self._table.live) + len(self._promises)

    def admit(self, now: float, asked: JobRequest, end_times: EndTimes) -> None:
        """Let a job in. Raises `busy` with the time after which it gets in."""
        for client in [c for c, promise in self._promises.items() if promise.until <= now]:
            del self._promises[client]
        promise = self._promises.get(asked.client)
        due = promise is not None and promise.due <= now
        if promise is not None and (promise.size < asked.input_bytes or (due and self._is_full_guest(asked))):
            del self._promises[asked.client]  # it was made for a smaller job, or too early
            promise, due = None, False
        refusal = "" if due else self._refusal(asked)
        if not refusal:
            self._promises.pop(asked.client, None)
            return
        if promise is not None:
            wait_s = promise.due + EARLY_S - now
        else:
            wait_s = self._wait_s(asked, end_times)
            if self.taken < BOUND * self._policy.max_jobs:
                promise = Promise(now + wait_s - EARLY_S, now + 2 * wait_s + GRACE_S, asked.input_bytes)
                self._promises[asked.client] = promise
        raise RequestError("busy", refusal, retry_after_s=wait_s)

    def _refusal(self, asked: JobRequest) -> str:
        """Why a job does not get in; empty where it does."""
        table, policy = self._table, self._policy
        mine, total = table.live_of[asked.client], len(table.live)
        size, held = asked.input_bytes, table.live_bytes
        share = self._share(asked.client)
        promised = self._promised_to_others(asked.client)
        if self._is_full_guest(asked):
            return f"A guest may have {policy.guest_jobs} jobs here at once, and {mine} of yours wait or run."
        if mine == 0:
            full = total >= RESERVE * policy.max_jobs or total + promised >= BOUND * policy.max_jobs
            large = held + size > RESERVE * policy.max_bytes
        elif mine >= share:
            return f"{total} jobs wait already, {mine} of them yours, and your share is {share}."
        else:
            share_bytes = policy.max_bytes // self._clients(asked.client)
            full = total + promised >= policy.max_jobs
            large = held + size > policy.max_bytes or table.bytes_of[asked.client] + size > share_bytes
        if full:
            return f"{total} jobs wait already, the most that are taken."
        return self._too_large(size) if large and total else ""

    def _is_full_guest(self, asked: JobRequest) -> bool:
        return asked.guest and self._table.live_of[asked.client] >= self._policy.guest_jobs

    def _clients(self, client: str) -> int:
        promised = self._promises.keys() - {client}
        new = sum(one not in self._table.live_of for one in (client, *promised))
        return len(self._table.live_of) + new

    def _promised_to_others(self, client: str) -> int:
        return len(self._promises.keys() - {client})

    def _share(self, client: str) -> int:
        return max(1, self._policy.max_jobs // self._clients(client))

    def _too_large(self, size: int) -> str:
        return (
            f"The pictures of the waiting jobs hold {self._table.live_bytes} of {self._policy.max_bytes} bytes, "
            f"and this job's {size} bytes do not fit."
        )

    def _wait_s(self, asked: JobRequest, end_times: EndTimes) -> float:
        """Seconds until enough jobs have ended that this one gets in."""
        mine, share = self._table.live_of[asked.client], self._share(asked.client)
        share = min(share, self._policy.guest_jobs) if asked.guest else share
        own = max(0, mine - share + 1)
        taken = len(self._table.live) + self._promised_to_others(asked.client)
        places = self._policy.max_jobs * (1 if mine else RESERVE)
        anyone = max(1, taken - places + 1)
        wait_s = MIN_RETRY_S
        for wait_s, client in end_times():  # noqa: B007 -- the last one counts
            own -= client == asked.client
            anyone -= 1
            if own <= 0 and anyone <= 0:
                break
        return min(MAX_RETRY_S, max(MIN_RETRY_S, wait_s))
