"""The queue: clients take turns, and each client's jobs go in the order in which it sent them.

Theory of operation. Every client that has something to run holds a list of its own; the clients stand in a circle, and
the next to be served is the first. Serving one (`take`) sends it to the end, so that between two jobs of one client
every other client that waits is served once: that is one round. A retry comes before all others, because it has waited
before. Jobs with the same needs can run in the same places; whoever has a free place asks for the first job whose needs
it meets (`first`), and that costs as much as there are different needs, however long the queue is.

The circle is a counter: a client's turn is the number that it drew when it came or was served last. Whoever moves gets
the largest number, so that lists in the order of turns grow at their end, and entries are found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

EXACT_CLIENTS = 200  # whose queues are looked through to tell a place; with more clients it is within one round
FIRST_LENGTH = 16  # of the longest list of jobs that is counted from the start; it grows

Entry = TypeVar("Entry", int, tuple[int, str])
Turns = list[tuple[int, str]]  # turn and client, in the order of the turns


@dataclass(slots=True)
class Waiting:
    """A job in the queue; `number` grows with every job that comes."""

    job: str
    client: str
    needs: Hashable
    number: int


@dataclass(slots=True)
class Line:
    """A client's jobs: their numbers, all of them and those of each need."""

    turn: int
    numbers: list[int] = field(default_factory=list)
    of: dict[Hashable, list[int]] = field(default_factory=dict)


class FairQueue:
    """Round-robin between clients, first in first out within one. Holds job ids only."""

    def __init__(self) -> None:
        self._jobs: dict[str, Waiting] = {}
        self._names: dict[int, str] = {}  # the jobs in the clients' lines by their number
        self._again: deque[Waiting] = deque()  # retries, the next one first; no more than there are workers
        self._lines: dict[str, Line] = {}
        self._circle: Turns = []
        self._circles: dict[Hashable, Turns] = {}  # of the clients that have jobs with these needs
        self._lengths = Lengths()
        self._drawn = 0  # numbers, of jobs and of turns

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, client: str, job: str, needs: Hashable, *, first: bool = False) -> None:
        """Queue a job behind its client's others; `first`, a retry, is the next of all."""
        self._drawn += 1
        waiting = self._jobs[job] = Waiting(job, client, needs, self._drawn)
        if first:
            self._again.appendleft(waiting)
            return
        self._names[waiting.number] = job
        line = self._lines.get(client)
        if line is None:
            self._drawn += 1
            line = self._lines[client] = Line(self._drawn)
            self._circle.append((line.turn, client))
        self._enter_need(line, waiting)
        line.numbers.append(waiting.number)
        self._lengths.add(len(line.numbers) - 1, 1)

    def remove(self, job: str) -> None:
        """Take a job out without using up its client's turn."""
        waiting = self._jobs.pop(job)
        if waiting.number not in self._names:
            self._again.remove(waiting)
            return
        del self._names[waiting.number]
        line = self._lines[waiting.client]
        _leave(line.numbers, waiting.number)
        self._lengths.add(len(line.numbers), -1)
        self._leave_need(line, waiting)
        if not line.numbers:
            del self._lines[waiting.client]
            _leave(self._circle, (line.turn, waiting.client))

    def change(self, job: str, needs: Hashable) -> None:
        """A job needs something else now, and keeps its place."""
        waiting = self._jobs[job]
        line = self._lines[waiting.client] if waiting.number in self._names else None
        if line is not None:
            self._leave_need(line, waiting)
        waiting.needs = needs
        if line is not None:
            self._enter_need(line, waiting)

    def _enter_need(self, line: Line, waiting: Waiting) -> None:
        needs = waiting.needs
        if needs not in line.of:
            line.of[needs] = []
            _enter(self._circles.setdefault(needs, []), (line.turn, waiting.client))
        _enter(line.of[needs], waiting.number)

    def _leave_need(self, line: Line, waiting: Waiting) -> None:
        needs = waiting.needs
        _leave(line.of[needs], waiting.number)
        if not line.of[needs]:
            del line.of[needs]
            _leave(self._circles[needs], (line.turn, waiting.client))
            if not self._circles[needs]:
                del self._circles[needs]

    def take(self, job: str) -> None:
        """Take a job out to run it: its client's next turn comes after everybody else's. A retry has had its turn."""
        waiting = self._jobs[job]
        retry = waiting.number not in self._names
        self.remove(job)
        line = self._lines.get(waiting.client)
        if line is None or retry:
            return
        self._drawn += 1
        for circle in (self._circle, *(self._circles[needs] for needs in line.of)):
            _leave(circle, (line.turn, waiting.client))
            circle.append((self._drawn, waiting.client))
        line.turn = self._drawn

    def needs(self) -> list[Hashable]:
        """What the jobs need, each once."""
        return list(dict.fromkeys([*(waiting.needs for waiting in self._again), *self._circles]))

    def count(self, needs: Hashable, most: int) -> int:
        """How many jobs have these needs; it is not counted beyond `most`."""
        found = sum(waiting.needs == needs for waiting in self._again)
        for _, client in islice(self._circles.get(needs, ()), most):
            if found >= most:
                break
            found += len(self._lines[client].of[needs])
        return min(found, most)

    def first(self, among: Iterable[Hashable]) -> str | None:
        """The job with one of these needs that is the next to run."""
        wanted = set(among)
        for waiting in self._again:
            if waiting.needs in wanted:
                return waiting.job
        turn = min((self._circles[needs][0] for needs in wanted if needs in self._circles), default=None)
        if turn is None:
            return None
        of = self._lines[turn[1]].of
        return self._names[min(of[needs][0] for needs in wanted if needs in of)]

    def order(self) -> Iterator[str]:
        """The jobs in the order in which one worker would run them. The queue must not change meanwhile."""
        yield from (waiting.job for waiting in self._again)
        lines = [iter(self._lines[client].numbers) for _, client in self._circle]
        while lines:
            served = []
            for numbers in lines:
                number = next(numbers, None)
                if number is not None:
                    yield self._names[number]
                    served.append(numbers)
            lines = served

    def position(self, job: str) -> int:
        """How many jobs are served before this one: exact for each client's first, and for all among few clients."""
        waiting = self._jobs[job]
        if waiting.number not in self._names:
            return self._again.index(waiting)
        line = self._lines[waiting.client]
        rounds = bisect_left(line.numbers, waiting.number)  # that end before its own turn
        before = bisect_left(self._circle, (line.turn, waiting.client))  # clients in the same round
        if rounds and len(self._circle) > EXACT_CLIENTS:
            before = before * self._lengths.longer(rounds) // len(self._circle)
        elif rounds:
            earlier = islice(self._circle, before)
            before = sum(len(self._lines[client].numbers) > rounds for _, client in earlier)
        return len(self._again) + self._lengths.within(rounds) + before


class Lengths:
    """How long the clients' lines are, for many at once: a binary indexed tree (Fenwick 1994) over the jobs' places."""

    def __init__(self) -> None:
        self._tree = [0] * (FIRST_LENGTH + 1)  # its size is a power of two, plus one
        self._longer = [0] * FIRST_LENGTH  # lines that have a job at this place

    def add(self, place: int, by: int) -> None:
        """A line has got a job at this place, or has lost the one there."""
        while place >= len(self._longer):
            self._tree += [0] * len(self._longer)
            self._tree[-1] = self._tree[len(self._longer)]
            self._longer += [0] * len(self._longer)
        self._longer[place] += by
        at = place + 1
        while at < len(self._tree):
            self._tree[at] += by
            at += at & -at

    def longer(self, than: int) -> int:
        """How many lines have more jobs than that."""
        return self._longer[than] if than < len(self._longer) else 0

    def within(self, rounds: int) -> int:
        """How many jobs are among the first so many of their line."""
        total, at = 0, rounds
        while at:
            total += self._tree[at]
            at -= at & -at
        return total


def _enter(ordered: list[Entry], entry: Entry) -> None:
    """Put an entry into an ordered list; most come last."""
    ordered.insert(bisect_left(ordered, entry), entry)


def _leave(ordered: list[Entry], entry: Entry) -> None:
    """Take an entry that is there out of an ordered list."""
    del ordered[bisect_left(ordered, entry)]
