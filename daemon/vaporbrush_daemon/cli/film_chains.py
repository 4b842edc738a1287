"""A film painted by several devices at once: keys first, and from each one a chain (`vaporbrush_protocol.film_plan`).

Theory of operation. Each piece of the film is painted by a thread with a connection of its own (`film_chain`). What
they share is here: what each waits for from others, what has become of the frames, and the end of all. A chain waits
only for frames of earlier pieces, and pieces are begun in the order of time, so that none waits for itself.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from concurrent.futures import TimeoutError as NotYetError
from typing import TypeVar

from vaporbrush_daemon.daemon_client import reach
from vaporbrush_daemon.images import cuts
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.film_plan import Look, Outline, Piece, outline, outside, pieces

from . import terminal
from .film_chain import Chain, StoppedError
from .film_frames import Film, Painted
from .reel import Reel

LOOK_S = 0.25  # how often a thread that waits looks whether all are to end
READERS = 8  # frames that are read side by side, in order to compare them

T = TypeVar("T")


def paint(film: Film, begins: int, places: int, shows: terminal.Shows, clock: Callable[[], float]) -> bool:
    """Paint the frames from `begins` on by so many devices. Returns whether that is worthwhile."""
    looks = _looks(film)
    found = outline(looks, begins, frozenset(number for number in range(begins) if not film.has(number)))
    planned = pieces(found.scenes, places)
    if len(planned) < 2:
        return False
    Chains(film, begins, found, planned, shows, clock).paint(places)
    _leave_for_the_end(film, looks, found)
    return True


def _looks(film: Film) -> list[Look | None]:
    """What is compared of all frames; None of those that cannot be read."""
    reel = film.reel

    def look(number: int) -> tuple[bytes, cuts.Signature] | None:
        try:
            shot = reel.shot(number)
        except VaporbrushError:
            return None  # said when its turn comes
        film.shown_ms[number] = shot.duration_ms
        return cuts.digest(shot.picture), cuts.Signature.of(shot.picture)

    apart = reel.another() is reel  # else a frame is found by reading those before it
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1) if apart else 1, "frames") as readers:
        read = list(readers.map(look, range(len(film.items))))
    looks: list[Look | None] = []
    before: cuts.Signature | None = None
    for one in read:
        if one is None:
            looks.append(None)
            continue
        key, signature = one
        looks.append(Look(key, before is None or cuts.is_cut(before, signature)))
        before = signature
    return looks


def _leave_for_the_end(film: Film, looks: Sequence[Look | None], found: Outline) -> None:
    """What `Film.close` needs: all drawings, the first two, and the last frame."""
    film.drawings.clear()
    for number, drawing in found.shows.items():
        look = looks[number]
        assert look is not None
        numbers, canvas = film.drawings.get(look.key, ([], None))
        known = canvas or (film.noted(film.items[drawing]) if film.has(drawing) else None)
        film.drawings[look.key] = ([*numbers, number], known)
    # a loop whose first frame has no painting is not closed
    first_two = list(dict.fromkeys(found.shows.values()))[:2] if 0 in found.shows else []
    film.opening = [one for number in first_two if (one := from_disk(film, film.reel, number)) is not None]
    film.last = from_disk(film, film.reel, max(found.shows)) if found.shows else None


def from_disk(film: Film, reel: Reel, number: int) -> Painted | None:
    """A frame that is painted; None: it is not."""
    if not film.has(number):
        return None
    return Painted(reel.shot(number).picture, film.items[number].out, film.noted(film.items[number]))


class Chains:
    """What the chains share."""

    def __init__(
        self,
        film: Film,
        begins: int,
        found: Outline,
        planned: Sequence[Piece],
        shows: terminal.Shows,
        clock: Callable[[], float],
    ) -> None:
        self.film, self._begins, self._outline, self._pieces = film, begins, found, planned
        self._shows, self._clock, self._began = shows, clock, clock()
        self._repeats = found.repeats
        self._ended = threading.Event()
        self._lock = threading.Lock()  # of what is counted and shown
        promised = outside(planned) & {step.number for piece in planned for step in piece}
        # of drawings that other pieces need: the job that paints it, and its painting; None: there is none
        self._jobs: dict[int, Future[str | None]] = {number: Future() for number in promised}
        self._paintings: dict[int, Future[Painted | None]] = {number: Future() for number in promised}

    def paint(self, places: int) -> None:
        """Paint all, and see what becomes of them. Raises what ends the film."""
        film, account = self.film, self.film.account
        for number in range(self._begins, len(film.items)):
            drawing = self._outline.shows.get(number)
            if drawing is None:
                self._say_unreadable(number)
            elif drawing < self._begins and (painted := from_disk(film, film.reel, drawing)) is not None:
                self._repeat(number, painted)
        threads = ThreadPoolExecutor(min(places, len(self._pieces)), "chains")
        tasks = [threads.submit(self._in_thread, piece) for piece in self._pieces]
        try:
            while wait(tasks, LOOK_S).not_done and not any(task.done() and task.exception() for task in tasks):
                pass  # looked at so often because Ctrl-C comes to this thread
        finally:
            self._ended.set()
            threads.shutdown(wait=True, cancel_futures=True)
        errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        for error in sorted(errors, key=lambda one: isinstance(one, StoppedError)):
            raise error
        order = {item.out: number for number, item in enumerate(film.items)}
        for done in (account.painted, account.before, account.repeated):
            done.sort(key=lambda item: order[item.out])
        account.failed.sort(key=lambda failed: order[failed[0].out])

    def _in_thread(self, piece: Piece) -> None:
        try:
            client, _started = reach()
            with client:
                Chain(self, client, self.film.reel.another()).paint(piece)
        finally:
            for step in piece:  # nobody waits any more for what did not come
                self.promise(step.number, None)
                self._keep(step.number, None)

    # -- what a chain has from others, and they from it

    def check(self) -> None:
        """Raise `StoppedError` where all are to end."""
        if self._ended.is_set():
            raise StoppedError

    def sleep(self, seconds: float) -> None:
        """Wait. Raises `StoppedError`."""
        self._ended.wait(seconds)
        self.check()

    def job_of(self, number: int) -> str | None:
        """The job that paints a drawing of another chain, as soon as there is one; None: its painting is there, or it
        failed.
        """
        if number not in self._jobs or self._paintings[number].done():
            return None
        return self._come(self._jobs[number])

    def painting_of(self, reel: Reel, number: int) -> Painted | None:
        """A painting of another chain, or from before, when it is there; None: it failed."""
        if number in self._paintings:
            return self._come(self._paintings[number])
        return from_disk(self.film, reel, number)

    def _come(self, future: Future[T]) -> T:
        while True:
            self.check()
            try:
                return future.result(LOOK_S)
            except NotYetError:  # another device still paints it
                continue

    def promise(self, number: int, job: str | None) -> None:
        """This job paints a drawing."""
        if number in self._jobs and not self._jobs[number].done():
            self._jobs[number].set_result(job)

    def _keep(self, number: int, painted: Painted | None) -> None:
        if number in self._paintings and not self._paintings[number].done():
            self._paintings[number].set_result(painted)

    # -- what becomes of frames

    def begins(self, number: int) -> None:
        """A frame is sent."""
        with self._lock:
            account, count = self.film.account, len(self.film.items)
            done = len(account.painted) + len(account.before) + len(account.repeated) + len(account.failed)
            here = done - self._begins
            left_s = (self._clock() - self._began) / here * (count - done) if here > 0 else None
            self._shows.item(done, count, self.film.items[number].title, left_s)

    def done(self, number: int, painted: Painted, *, before: bool = False) -> None:
        """A drawing is painted, now or `before`: other frames that show it get it, too."""
        with self._lock:
            account = self.film.account
            (account.before if before else account.painted).append(self.film.items[number])
        self._keep(number, painted)
        for other in self._repeats.get(number, ()):
            self._repeat(other, painted)

    def _repeat(self, number: int, painted: Painted) -> None:
        item, account = self.film.items[number], self.film.account
        there = self.film.has(number)
        try:
            if not there:
                self.film.repeated(item, painted.picture, painted.out, painted.canvas)
        except VaporbrushError as error:
            self.fail(number, error)
        else:
            with self._lock:
                (account.before if there else account.repeated).append(item)

    def fail(self, number: int, error: VaporbrushError) -> None:
        """A drawing could not be painted, and so no frame that shows it; each may be painted itself with the next run.
        Raises the error again where no other could either.
        """
        with self._lock:
            account = self.film.account
            account.fail(self.film.items[number], error)
            for other in self._repeats.get(number, ()):
                if self.film.has(other):
                    account.before.append(self.film.items[other])
                else:
                    account.fail(self.film.items[other], error)
        self.promise(number, None)
        self._keep(number, None)

    def _say_unreadable(self, number: int) -> None:
        try:
            self.film.reel.shot(number)
        except VaporbrushError as error:
            self.fail(number, error)
