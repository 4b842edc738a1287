"""A film in a host on several devices at once: keys first, and from each one a chain (`vaporbrush_protocol.film_plan`).
What the command line's `animate` does with threads (`vaporbrush_daemon.cli.film_chains`), with a host's own frames.

Theory of operation. A run paints one frame. Each chain has two: one is painted, the other names it as the job that it
`follows`, so that no device waits for a host. Everything here happens on the host's own thread: what runs report is
taken there, each painting is put into its place, and one frame at a time is read and sent. A frame counts only if the
one that it follows does. Where one fails the others are stopped, and what is painted by then stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vaporbrush_protocol.film_plan import Outline, Piece, Step, outline, pieces

from .film import Film
from .job_threads import PaintThread, RunState
from .request import Before, PaintRequest, Pixels

AHEAD = 2  # frames of a chain that the daemon has: one is painted, the other one waits for it
FORGOTTEN = ("unknown_job", "unknown_blob")

Begin = Callable[..., PaintThread]  # begins the run of an order


@dataclass(eq=False)
class Sent:
    """A frame that a run paints. `alone`: no other was under way when it was sent. `good`: whether it is in its place;
    None before that is known.
    """

    step: Step
    run: PaintThread
    state: RunState
    follows: Sent | None = None
    alone: bool = True
    good: bool | None = None


@dataclass(eq=False)
class Chain:
    """A piece of the film on its way."""

    todo: list[Step]
    sent: list[Sent] = field(default_factory=list)


def several(film: Film, order: PaintRequest, run: PaintThread, places: int, begin: Begin) -> Chains | None:
    """The chains that paint a film from its present frame on, which `run` paints as `order` says; None where that is
    not worthwhile. All frames are looked at.
    """
    found = outline(film.looks, film.index)
    planned = pieces(found.scenes, places)
    return None if len(planned) < 2 else Chains(film, order, run, found, planned, places, begin)


class Chains:
    """What is under way, and what waits. `take` is given what runs report, `tick` is called now and then. In the end
    it is `over`, or `failed` or `stopping` with nothing under way.
    """

    def __init__(
        self,
        film: Film,
        order: PaintRequest,
        run: PaintThread,
        found: Outline,
        planned: Sequence[Piece],
        places: int,
        begin: Begin,
    ) -> None:
        self._film, self.order, self._places, self._begin = film, order, places, begin
        self._drawings = film.taken()
        self._end = found.shows[max(found.shows)]
        self._repeats = found.repeats
        self._waiting = {step.number for piece in planned for step in piece}
        self._copies = deque(
            (other, drawing)
            for drawing, others in self._repeats.items()
            for other in others
            if other > film.index and drawing not in self._waiting
        )
        self._befores: dict[int, Before] = {}
        self._apart: set[int] = set()  # frames that are held to paintings only, not to jobs
        self._most = places * AHEAD  # runs under way; fewer where the daemon's queue has no room for them
        self._undone: list[PaintThread] = []
        self._chains = [Chain(list(piece)) for piece in planned]
        first = self._chains[0]
        first.sent.append(Sent(first.todo.pop(0), run, run.state))
        self.failed: RunState | None = None
        self.stopping = False
        self.last: RunState | None = None  # of a painting that is in its place

    @property
    def under_way(self) -> list[Sent]:
        """The frames that runs paint, in the order of the film's pieces."""
        return [sent for chain in self._chains for sent in chain.sent]

    @property
    def runs(self) -> list[PaintThread]:
        """Those under way, and those that have ended without a painting that counts."""
        return [*self._undone, *(sent.run for sent in self.under_way)]

    @property
    def over(self) -> bool:
        """Whether every frame is in its place."""
        return not self._waiting and not self._copies

    def last_shown(self) -> tuple[int, Before | None]:
        """The number of the last drawing that the film shows, and the drawing as a loop's end is held to it."""
        return self._end, self._before(self._end) if self._film.manner.loop else None

    def stop(self) -> None:
        """Paint no more. What is painted counts."""
        self.stopping = True
        self._cancel(self.under_way)

    def again(self) -> None:
        """Go on where it failed."""
        self.failed, self.stopping = None, False

    def forget(self) -> None:
        """Let go of the pixels."""
        self._befores.clear()
        for run in self.runs:
            run.forget()

    # ── frames begin ──

    def tick(self) -> bool:
        """Do one thing that takes a moment: begin a frame, or give one the painting of another. Returns whether there
        was one.
        """
        if self.failed is None and not self.stopping:
            active = [chain for chain in self._chains if chain.todo or chain.sent][: self._places]
            for chain in active if len(self.under_way) < self._most else ():
                if chain.todo and len(chain.sent) < AHEAD and self._sends(chain):
                    return True
        if not self._copies:
            return False
        self._copy(*self._copies.popleft())
        return True

    def _copy(self, number: int, drawing: int) -> None:
        self._film.frames.repeat(number, drawing)
        self._film.painted += 1

    def copy_all(self) -> None:
        """Give every frame its painting that shows the same as one that is painted."""
        while self._copies:
            self._copy(*self._copies.popleft())

    def _sends(self, chain: Chain) -> bool:
        """Begin a chain's next frame. Returns whether it could be: a job that is under way can be named, but of no
        other that is not done the canvas is known.
        """
        film, step = self._film, chain.todo[0]
        follows: Sent | None = None
        held: list[Before] = []
        for number in dict.fromkeys((step.last, step.first)) if film.keeps else ():
            if number is None:
                continue
            if number not in self._waiting:
                held += [before] if (before := self._before(number)) is not None else []
                continue
            follows = next((sent for sent in self.under_way if sent.step.number == number), None)
            if follows is None or number != step.last or step.number in self._apart:
                return False
        content = film.frames.read(step.number)
        assert content is not None, "it was looked at"
        order = replace(self.order, content=content, held=tuple(held), extra=film.settings(step.number))
        more: dict[str, Any] = {"earlier": film.spare(self._needed()), "keep_canvas": film.keeps}
        if follows is not None:
            more |= {"after": follows.run, "follows": follows.run.key}
        run = self._begin(order, **more)
        chain.sent.append(Sent(chain.todo.pop(0), run, run.state, follows, alone=not self.under_way))
        return True

    def _unfinished(self) -> Iterator[Step]:
        for chain in self._chains:
            yield from (sent.step for sent in chain.sent)
            yield from chain.todo

    def _needed(self) -> set[int]:
        """The drawings to which others will be held."""
        found = {number for step in self._unfinished() for number in (step.last, step.first) if number is not None}
        return found | {self._end} if self._film.manner.loop else found

    def _before(self, number: int) -> Before | None:
        """A drawing that is painted, for others to be held to; None where the daemon has it no more."""
        canvas = self._drawings[number].canvas
        if number not in self._befores and canvas is not None:
            content = self._film.frames.read(number)
            assert content is not None, "it was painted"
            self._befores[number] = Before(content, canvas)
        return self._befores.get(number)

    # ── frames end ──

    def take(self, state: RunState) -> None:
        """A run reports."""
        for sent in self.under_way:
            if sent.run.key == state.key:
                sent.state = state
        while any(self._ends(chain) for chain in self._chains):
            pass  # what follows them may have ended before

    def _ends(self, chain: Chain) -> bool:
        """See to the first frame that a chain has sent. Returns whether it has ended, and those that it follows."""
        sent = next(iter(chain.sent), None)
        if sent is None or not sent.state.ended or (sent.follows is not None and sent.follows.good is None):
            return False
        follows_good = sent.follows is None or sent.follows.good is True
        if sent.state.stage == "done" and follows_good:
            self._put(chain, sent)
            return True
        chain.sent.remove(sent)
        chain.todo = sorted([sent.step, *chain.todo], key=lambda step: step.number)
        sent.good = False
        self._undone.append(sent.run)
        sent.run.forget()
        self._cancel([one for one in self.under_way if one.follows is sent])
        code = "" if sent.state.error is None else sent.state.error.code
        if sent.follows is not None and code in FORGOTTEN:
            self._apart.add(sent.step.number)  # a daemon that was started anew
        elif code == "busy" and not sent.alone:
            self._most = max(1, len(self.under_way))
        elif sent.state.stage == "failed" and follows_good:
            self.failed = self.failed or sent.state
            self._cancel(self.under_way)
        elif sent.state.stage == "cancelled" and not sent.run.cancelling:  # by somebody else
            self.stop()
        return True

    def _put(self, chain: Chain, sent: Sent) -> None:
        film, number = self._film, sent.step.number
        order, job = sent.run.order, sent.state.job
        assert order is not None, "it is forgotten below"
        assert job is not None
        film.result = sent.state.result
        film.frames.put(number, *sent.state.painting)
        film.painted += 1
        chain.sent.remove(sent)
        self._waiting.discard(number)
        sent.good = True
        self._most = min(self._most + 1, self._places * AHEAD)
        self._note(number, order.content, sent.state)
        sent.run.forget()
        self.last = replace(sent.state, pixels=None)
        self._copies += [(other, number) for other in self._repeats.get(number, ())]

    def _note(self, number: int, content: Pixels, state: RunState) -> None:
        """Keep what others will be held to."""
        assert state.job is not None
        before = self._film.note(self._drawings[number], content, state.job)
        needed = self._needed()
        if before is not None:
            self._befores[number] = before
        self._befores = {one: before for one, before in self._befores.items() if one in needed}

    def _cancel(self, frames: Sequence[Sent]) -> None:
        for sent in frames:
            sent.run.cancel()
