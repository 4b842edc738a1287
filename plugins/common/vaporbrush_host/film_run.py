"""A film's painting as its host sees it: like one run, though there is a run for each frame, and several at once where
several devices can paint. All of it happens on the host's own thread, as often as the host asks for news.
"""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from .film import Film
from .film_chains import Chains, several
from .job_threads import PaintThread, RunState, Submits
from .request import PaintRequest
from .ui_text import _

LOOKS_S = 0.02  # frames are looked at for so long at a time, so that the host is not held up


class Start(Protocol):
    """Begins the run of an order, which tells the `post` what it does."""

    def __call__(self, order: PaintRequest, post: Callable[[RunState], None], /, **more: Any) -> PaintThread: ...


class FilmRun:
    """The runs of a film, which have begun. `poll` is to be called now and then, and gives the film's state when there
    is news; it raises what the host's frames raise, after which `give_up` is for the host to call.
    """

    def __init__(self, film: Film, order: PaintRequest, start: Start, after: Submits | None = None) -> None:
        """`order`: the first, for what the film's `advance` has given."""
        self.key = str(uuid.uuid4())
        self.film = film
        self._start = start
        self._reports: queue.SimpleQueue[RunState] = queue.SimpleQueue()
        self._places = 1
        self._chains: Chains | None = None
        self._planned = False  # whether it was found out if several can paint it at once
        self._has_more = False  # to do at once, whatever is reported
        self._undone: list[PaintThread] = []  # runs of several that ended without a painting that counts
        self._stopping = False
        self._done: RunState | None = None  # of the last painting
        self._run = self._begin(order, after=after, keep_canvas=film.keeps, counts=True)
        self.state = self._run.state

    def _begin(self, order: PaintRequest, **more: Any) -> PaintThread:
        return self._start(order, self._reports.put, **more)

    # ── what a run has ──

    @property
    def order(self) -> PaintRequest | None:
        """The present frame's, or that of the first of those that are painted at once."""
        return self._run.order if self._chains is None else self._chains.order

    @property
    def submitted(self) -> threading.Event:
        """As that of the present frame's run."""
        return self._run.submitted

    @property
    def titles(self) -> Mapping[str, str]:
        """Of the bundled styles, by name, as soon as the daemon has told them."""
        return self._run.titles

    @property
    def cancelling(self) -> bool:
        """Whether it was told to stop."""
        return self._stopping

    def cancel(self) -> None:
        """Paint no more. Frames that are painted are kept."""
        self._stopping = True
        if self._chains is not None:
            self._chains.stop()
        else:
            self._run.cancel()

    def finish(self) -> None:
        """Paint no more, and keep what is painted: where no frame is, the first one as it looks now."""
        if self.film.painted:
            self.cancel()
        else:
            self._stopping = True
            self._run.finish()

    def join(self, timeout_s: float) -> None:
        """Wait for the runs under way."""
        deadline = time.monotonic() + timeout_s
        for run in self._runs:
            run.join(max(0.0, deadline - time.monotonic()))

    def forget(self) -> None:
        """Let go of the pixels."""
        self._run.forget()
        if self._chains is not None:
            self._chains.forget()

    @property
    def _runs(self) -> list[PaintThread]:
        return [self._run, *self._undone, *(self._chains.runs if self._chains is not None else ())]

    def states(self) -> list[RunState]:
        """Of the frames under way."""
        return [self._run.state] if self._chains is None else [sent.state for sent in self._chains.under_way]

    def left(self) -> tuple[str, ...]:
        """All jobs that the daemon still keeps for the film, which has ended. They are told once."""
        return self.film.left(*self._runs)

    def again(self, after: Submits | None = None) -> None:
        """Go on with what has failed."""
        self._stopping = False
        film, preview = self.film, self.state.preview
        if self._chains is not None:
            self._chains.again()
            self.state = film.told_of([RunState(self.key, self.state.label, line=_("Connecting…"))], preview)
            return
        order = self._run.order
        assert order is not None, "forgotten only when the film has ended"
        more: dict[str, Any] = {"earlier": self._run.earlier, "keep_canvas": film.keeps, "counts": not film.painted}
        self._run = self._begin(order, after=after, **more)
        self.state = film.told(self._run.state, preview)

    def give_up(self) -> RunState:
        """Paint no more, because the host's frames are not what they were. What is painted is kept."""
        self.cancel()
        self._end(self._done or self._run.state)
        return self.state

    # ── as often as the host asks ──

    def poll(self, wait_s: float = 0.0) -> RunState | None:
        """What is new; waits at most `wait_s` for it. Frames are put into their places meanwhile, and begun."""
        before = self.state
        news = self._news(0.0 if self._has_more else wait_s)
        for state in news.values():
            if self._chains is not None:
                self._chains.take(state)
            elif state.key == self._run.key and not self.state.ended:
                self._take(state)
        if not self.state.ended:
            self._plan()
        if self._chains is not None and not self.state.ended:
            self._go_on(self._chains, told=bool(news))
        return self.state if self.state is not before else None

    def _news(self, wait_s: float) -> dict[str, RunState]:
        """Of each run the newest state."""
        found: dict[str, RunState] = {}
        try:
            state = self._reports.get(timeout=wait_s) if wait_s else self._reports.get_nowait()
            while True:
                found[state.key] = state
                state = self._reports.get_nowait()
        except queue.Empty:  # that was all
            return found

    def _end(self, state: RunState) -> None:
        line = self.film.line(state)
        self.state = replace(state, stage="done", line=line, left="", pixels=None, error=None, report="")

    # ── one frame after the other ──

    def _take(self, state: RunState) -> None:
        """What the one run reports that there is."""
        film = self.film
        if state.stage == "done":
            order = self._run.order
            assert order is not None, "forgotten only when the film has ended"
            film.put(order.content, state)
            self._done = replace(state, pixels=None)
            if self._run.places > 1:
                self._places = self._run.places
                film.frames.in_any_order()
            self._follow(order, state)
        elif state.ended:
            kept = film.painted and (self._stopping or state.stage == "cancelled")
            if kept:
                self._end(state)
            else:
                self.state = state
        else:
            self.state = film.told(state, self.state.preview)

    def _follow(self, order: PaintRequest, state: RunState) -> None:
        """Begin the frame after those that are painted. `state`: of the last one."""
        film = self.film
        following = None if self._stopping else film.following(order)
        if following is None:
            self._end(state)
            return
        self._run = self._begin(following, earlier=film.over(), keep_canvas=film.keeps)
        self.state = film.told(self._run.state, self.state.preview)

    # ── several at once ──

    def _plan(self) -> None:
        """Look at more frames, where several devices can paint; when all are known they begin."""
        film, order = self.film, self._run.order
        self._has_more = self._places > 1 and not (self._planned or self._stopping or film.closing)
        deadline = time.monotonic() + LOOKS_S
        while self._has_more and time.monotonic() < deadline:
            self._has_more = not film.look()
            self._planned = not self._has_more
            if self._planned and order is not None:
                self._chains = several(film, order, self._run, self._places, self._begin)

    def _go_on(self, chains: Chains, *, told: bool) -> None:
        film = self.film
        self._has_more = chains.tick()
        self._done = chains.last or self._done
        assert self._done is not None, "the first frame is painted by itself"
        states = self.states()
        if chains.over:
            film.given_back(*chains.last_shown())
            self._undone, self._chains = [*self._undone, *chains.runs], None
            self._follow(chains.order, self._done)
        elif states:
            if told:
                self.state = film.told_of(states, self.state.preview)
        elif chains.stopping:
            chains.copy_all()
            self._end(self._done)
        elif chains.failed is not None:
            chains.copy_all()
            self.state = chains.failed
