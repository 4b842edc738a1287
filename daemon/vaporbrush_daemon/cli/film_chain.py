"""One chain of a film's frames, on one connection: each held to the one before it.

Theory of operation. A frame is sent while the one before it is still painted, and names that one as the job `after`
which it begins: so no device waits for frames to be read, sent, fetched or written, and the daemon has each chain go on
where it is. Where a frame fails, the one that was sent after it is cancelled and sent again, held to the last good one.
A daemon that has forgotten what was before, after a restart, gets it once more: then the frame is painted by itself.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images.files import Picture
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.film_plan import Piece, Step
from vaporbrush_protocol.job import Job

from . import painting
from .film_frames import Film, Painted, Ready
from .reel import Reel

AHEAD = 2  # frames of a chain that the daemon has: one is painted, the other one waits for it
LEASE_S = 60.0  # nobody asks for a frame while the one before it is written
BUSY_S = 1.0  # before a queue that is full is asked again, where the daemon says nothing else
FORGOTTEN = ("unknown_job", "unknown_blob")


class StoppedError(Exception):
    """Another chain has failed, or the person has pressed Ctrl-C."""


class Others(Protocol):
    """What a chain sees of the others: `film_chains.Chains`."""

    film: Film

    def check(self) -> None: ...
    def sleep(self, seconds: float) -> None: ...
    def job_of(self, number: int) -> str | None: ...
    def painting_of(self, reel: Reel, number: int) -> Painted | None: ...
    def promise(self, number: int, job: str | None) -> None: ...
    def begins(self, number: int) -> None: ...
    def done(self, number: int, painted: Painted, *, before: bool = False) -> None: ...
    def fail(self, number: int, error: VaporbrushError) -> None: ...


@dataclass(slots=True)
class Sent:
    """A frame that the daemon has; `boot` is which run of it."""

    step: Step
    ready: Ready
    job: Job
    boot: object


class Chain:
    """One piece of the film on its way through a painter."""

    def __init__(self, others: Others, client: Client, reel: Reel) -> None:
        self._others, self._client, self._reel = others, client, reel
        self._film = others.film
        self._own: frozenset[int] = frozenset()
        self._todo: deque[Step] = deque()
        self._sent: deque[Sent] = deque()
        self._painted: dict[int, Painted] = {}  # those of the piece to which later ones are held
        self._good: Painted | None = None  # the last one

    def paint(self, piece: Piece) -> None:
        """Paint a piece. Raises `StoppedError`, and what ends the film."""
        self._own = frozenset(step.number for step in piece)
        self._todo.extend(piece)
        try:
            while self._todo or self._sent:
                self._others.check()
                while self._todo and self._may_begin(self._todo[0]) and self._begin(self._todo.popleft()):
                    pass
                if self._sent and not self._finish(self._sent[0]):
                    self._call_off()
        except BaseException:
            self._call_off()
            raise

    def _call_off(self) -> None:
        """Of the frames that the daemon has, none will do."""
        for one in reversed(self._sent):
            with suppress(VaporbrushError):  # a daemon that does not know the job does not paint it
                self._client.cancel(one.job.job)
            self._todo.appendleft(one.step)
        self._sent.clear()

    # -- a frame is sent

    def _may_begin(self, step: Step) -> bool:
        """Whether a frame can be sent now. What is painted before it can be named, but of no other the canvas is known
        before it is done.
        """
        if not self._sent:
            return True
        before = self._sent[-1].step.number
        return len(self._sent) < AHEAD and (before == step.last or before != step.first)

    def _begin(self, step: Step) -> bool:
        """Send a frame, or whatever else it needs. Returns whether the next one can be looked at; else those that are
        sent have to end first.
        """
        number, film = step.number, self._film
        self._others.begins(number)
        try:
            picture = self._reel.shot(number).picture
            if film.has(number):
                item = film.items[number]
                self._is_painted(step, Painted(picture, item.out, film.noted(item)), before=True)
                return True
            return self._send(step, film.ready(self._client, number, film.items[number], picture))
        except VaporbrushError as error:
            self._others.fail(number, error)
            return True

    def _send(self, step: Step, ready: Ready) -> bool:
        after, held = self._references(step, ready)
        self._film.hold(ready, held)
        try:
            painting.upload(self._client, ready.prepared.blobs, _unheard)
            job = painting.submit(self._client, ready.prepared, ready.request, after, LEASE_S)
        except RemoteError as error:
            if error.code != "busy" and error.code not in FORGOTTEN:
                raise
            if not self._sent and error.code in FORGOTTEN:
                self._paint_apart(step, ready.picture)
                return True
            self._todo.appendleft(step)
            if not self._sent:
                self._others.sleep(error.retry_after_s or BUSY_S)
            return False
        self._others.promise(step.number, job.job)
        self._sent.append(Sent(step, ready, job, self._client.daemon.get("boot")))
        return True

    def _references(self, step: Step, ready: Ready) -> tuple[str | None, list[Painted]]:
        """The job after which a frame is painted, held to that one's; and what else it is held to."""
        after, last = None, None
        if step.last is not None and ready.prepared.recipe.boil < 1:
            if self._sent and self._sent[-1].step.number == step.last:
                after = self._sent[-1].job.job
            elif step.last in self._own:
                last = self._painted.get(step.last, self._good)
            else:
                after = self._others.job_of(step.last)
                last = None if after is not None else self._others.painting_of(self._reel, step.last)
        first = None
        if step.first is not None and step.first != step.last:
            first = self._of(step.first)
        return after, [one for one in (last, first) if one is not None]

    def _of(self, number: int) -> Painted | None:
        return self._painted.get(number) if number in self._own else self._others.painting_of(self._reel, number)

    # -- and painted

    def _finish(self, one: Sent) -> bool:
        """See a frame through to its end. Returns whether it is painted."""
        client, job = self._client, one.job
        try:
            while not job.final:
                self._others.check()
                job = client.watch(job.job, job.seq, painting.WATCH_S)
            if job.error is not None:
                raise job.error
            assert job.image is not None
            result = pictures.received(bytes(client.download(job.image)), job.image, one.ready.prepared.content)
        except RemoteError as error:
            if error.code in FORGOTTEN or client.daemon.get("boot") != one.boot:
                self._sent.popleft()
                self._call_off()
                return self._paint_apart(one.step, one.ready.picture)
            self._sent.popleft()
            self._others.fail(one.step.number, error)
            return False
        self._sent.popleft()
        try:
            self._is_painted(one.step, self._film.save(one.ready, job, result))
        except VaporbrushError as error:
            self._others.fail(one.step.number, error)
            return False
        return True

    def _paint_apart(self, step: Step, picture: Picture) -> bool:
        """Paint a frame with all that it needs, as if nothing had been before. Returns whether that went well."""
        last = None if step.last is None else self._of(step.last) or self._good
        first = None if step.first in (None, step.last) else self._of(step.first)
        held = [one for one in (last, first) if one is not None]
        number = step.number
        try:
            item = self._film.items[number]
            self._is_painted(step, self._film.painted(self._client, number, item, picture, held, Unseen(self._others)))
        except VaporbrushError as error:
            self._others.fail(number, error)
            return False
        return True

    def _is_painted(self, step: Step, painted: Painted, *, before: bool = False) -> None:
        self._good = self._painted[step.number] = painted
        waiting = [*self._todo, *(one.step for one in self._sent)]
        needed = {number for one in waiting for number in (one.last, one.first)}
        self._painted = {number: one for number, one in self._painted.items() if number in needed}
        self._others.done(step.number, painted, before=before)


class Unseen:
    """Shows nothing: several frames are painted at once. What is painted ends when all are to end."""

    def __init__(self, others: Others) -> None:
        self._others = others

    def bytes(self, what: str, done: int, size: int) -> None:
        """Bytes that move."""

    def job(self, job: Job) -> None:  # noqa: ARG002 -- as `terminal.Shows` has it
        """A job's state."""
        self._others.check()

    def item(self, done: int, count: int, title: str, left_s: float | None) -> None:
        """Which painting begins."""


def _unheard(_what: str, _done: int, _size: int) -> None:
    """For what nobody watches."""
