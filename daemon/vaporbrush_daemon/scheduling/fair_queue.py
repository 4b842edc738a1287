"""The queue: clients take turns, and each client's jobs go in the order in which it sent them."""

from __future__ import annotations

from collections import OrderedDict, deque


class FairQueue:
    """Round-robin between clients, first in first out within one. Holds job ids only."""

    def __init__(self) -> None:
        self._clients: OrderedDict[str, deque[str]] = OrderedDict()  # the first client is the next to be served

    def __len__(self) -> int:
        return sum(map(len, self._clients.values()))

    def add(self, client: str, job: str, *, first: bool = False) -> None:
        """Queue a job behind its client's others; `first` gives it (a retry) its client's and the queue's next turn."""
        jobs = self._clients.setdefault(client, deque())
        if first:
            jobs.appendleft(job)
            self._clients.move_to_end(client, last=False)
        else:
            jobs.append(job)

    def remove(self, client: str, job: str) -> None:
        """Take a job out without using up its client's turn."""
        jobs = self._clients[client]
        jobs.remove(job)
        if not jobs:
            del self._clients[client]

    def take(self, client: str, job: str) -> None:
        """Take a job out to run it: its client's next turn comes after everybody else's."""
        self._clients.move_to_end(client)
        self.remove(client, job)

    def order(self) -> list[str]:
        """The jobs in the order in which one worker would run them."""
        queues = [list(jobs) for jobs in self._clients.values()]
        longest = max(map(len, queues), default=0)
        return [jobs[turn] for turn in range(longest) for jobs in queues if turn < len(jobs)]
