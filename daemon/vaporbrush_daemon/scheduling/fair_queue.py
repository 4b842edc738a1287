"""The queue: clients take turns, and each client's jobs go in the order in which it sent them.

Theory of operation. Every client that has something to run holds a list of its own; the clients stand in a circle, and
the next to be served is the first. Serving one (`take`) sends it to the end. A retry (`first`) brings its client back
to the front, because its turn was not used. So between two jobs of one client, every other client that waits is served
once: that is one round.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator


class FairQueue:
    """Round-robin between clients, first in first out within one. Holds job ids only."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[str]] = OrderedDict()  # the first client is the next to be served
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, client: str, job: str, *, first: bool = False) -> None:
        """Queue a job behind its client's others; `first` gives it (a retry) its client's and the queue's next turn."""
        jobs = self._clients.setdefault(client, deque())
        self._length += 1
        if first:
            jobs.appendleft(job)
            self._clients.move_to_end(client, last=False)
        else:
            jobs.append(job)

    def remove(self, client: str, job: str) -> None:
        """Take a job out without using up its client's turn."""
        jobs = self._clients[client]
        jobs.remove(job)
        self._length -= 1
        if not jobs:
            del self._clients[client]

    def take(self, client: str, job: str) -> None:
        """Take a job out to run it: its client's next turn comes after everybody else's."""
        self._clients.move_to_end(client)
        self.remove(client, job)

    def order(self) -> Iterator[str]:
        """The jobs in the order in which one worker would run them. The queue must not change meanwhile."""
        waiting = [iter(jobs) for jobs in self._clients.values()]
        while waiting:
            served = []
            for jobs in waiting:
                job = next(jobs, None)
                if job is not None:
                    yield job
                    served.append(jobs)
            waiting = served

    def position(self, client: str, job: str) -> int:
        """How many jobs are served before this one."""
        turn = self._clients[client].index(job)
        ahead, passed = 0, False
        for other, jobs in self._clients.items():
            passed = passed or other == client
            ahead += turn if other == client else min(len(jobs), turn if passed else turn + 1)
        return ahead
