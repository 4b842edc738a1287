"""A film in a host: which frame is painted next, what it is held to, what shows again, where scenes end and a loop
closes. What the command line's `animate` does with files (`vaporbrush_daemon.cli.film`), with a host's own frames.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.cuts import is_cut
from vaporbrush_protocol.film_plan import Look
from vaporbrush_protocol.job import Job, Preview
from vaporbrush_protocol.recipe import Image

from . import controls, ui_text
from .cells import cells_of
from .job_threads import PaintThread, RunState
from .request import Before, PaintRequest, Pixels
from .ui_text import _

KEPT = 16  # drawings whose canvases the daemon keeps for when they show again; each takes some ten MB at most
FEWEST = 3  # drawings of a loop that has something to close


@dataclass(frozen=True)
class Manner:
    """How a film is painted, beside what the controls say. `boil`: how much its paint changes from frame to frame, 0 to
    1; `loop`: its end leads back to its beginning.
    """

    boil: float = 0.0
    loop: bool = False

    @classmethod
    def of(cls, values: object) -> Manner:
        """From remembered or foreign values, by name."""
        return cls(**controls.clean_film(values))


class Frames(Protocol):
    """A film's frames in their order, as a host has them."""

    def __len__(self) -> int: ...

    def read(self, number: int) -> Pixels | None:
        """What a frame shows, all of one size; None where that is nothing: it is left as it is. They are read in their
        order, unless `in_any_order` was called.
        """
        ...

    def in_any_order(self) -> None:
        """From now on, frames may be read in any order, and again."""
        ...

    def put(self, number: int, image: Image, pixels: Buffer, /) -> None:
        """The painting of a frame, perhaps another one than before."""
        ...

    def repeat(self, number: int, other: int) -> None:
        """A frame gets the painting of another one, which shows the same."""
        ...


@dataclass(eq=False)
class Drawing:
    """What frames show: which ones, and what was painted of it. It is painted as the first one's."""

    numbers: list[int]
    canvas: Image | None = None  # as long as the daemon keeps it
    job: str = ""


@dataclass
class Film:
    """Frames on their way through the painter, one after the other. `advance` gives what is painted first; `put` takes
    each painting, and `following` gives the next order. Several devices go on from there (`film_chains`), and give
    the film back for its end.
    """

    frames: Frames
    manner: Manner
    seed: int
    clock: Callable[[], float] = time.monotonic
    index: int = -1  # the present frame
    painted: int = 0
    empty: int = 0
    closing: bool = False  # whether the present frame is the first one, once more

    def __post_init__(self) -> None:
        self._began = self.clock()
        self.looks: list[Look | None] = []  # of the frames that were looked at; None: nothing
        self.drawings: dict[bytes, Drawing] = {}
        self.result: Mapping[str, Any] = {}  # of the last painting
        self._present = Drawing([])
        self._cells: tuple[float, ...] | None = None  # of the frame looked at last
        self._first: Before | None = None  # of the scene
        self._last: Before | None = None
        self._opening: list[tuple[Before, Drawing]] = []  # the film's first two drawings, for its end
        self._told_left = False
        self._kept: list[Drawing] = []  # whose canvases the daemon has, the one used last at the end

    @property
    def keeps(self) -> bool:
        """Whether the daemon has to keep what is painted of the present frame, for later ones to be held to it."""
        return self.manner.boil < 1 and not self.closing

    def advance(self) -> Pixels | None:
        """What the next frame shows that has to be painted; None after the last. A frame that shows nothing stays
        empty, and one that shows what another does gets that one's painting.
        """
        while self.index + 1 < len(self.frames):
            self.index += 1
            pixels = self.frames.read(self.index)
            if len(self.looks) == self.index:
                self._look(pixels)
            look = self.looks[self.index]
            if pixels is None or look is None:
                self.empty += 1
                continue
            other = self._shows(pixels, look)
            if other is None:
                return pixels
            self.frames.repeat(self.index, other)
            self.painted += 1
        return self._closes()

    def look(self) -> bool:
        """Look at one more frame than before. Returns whether all are known."""
        if len(self.looks) < len(self.frames):
            self._look(self.frames.read(len(self.looks)))
        return len(self.looks) == len(self.frames)

    def _look(self, pixels: Pixels | None) -> None:
        if pixels is None:
            self.looks.append(None)
            return
        cells = cells_of(pixels)
        cut = self._cells is None or is_cut(self._cells, cells)
        self._cells = cells
        self.looks.append(Look(hashlib.sha256(pixels.data).digest(), cut))

    def _shows(self, pixels: Pixels, look: Look) -> int | None:
        """The present frame shows this. Returns the earlier frame that does, if there is one."""
        if look.cut:
            self._first = self._last = None
        drawing = self._present = self.drawings.setdefault(look.key, Drawing([]))
        drawing.numbers.append(self.index)
        if len(drawing.numbers) == 1:
            return None
        if drawing.canvas is not None:
            self._done(pixels, drawing, drawing.canvas)
        return drawing.numbers[0]

    def _done(self, pixels: Pixels, drawing: Drawing, canvas: Image) -> None:
        before = Before(pixels, canvas)
        self._first, self._last = self._first or before, before
        self._used(drawing)

    def _used(self, drawing: Drawing) -> None:
        self._kept = [*(one for one in self._kept if one is not drawing), drawing]

    def _closes(self) -> Pixels | None:
        """What the first drawing shows, where it has to be painted again between the last and the second one."""
        if self.closing or not self.manner.loop or self._last is None:
            return None
        if len(self.drawings) < FEWEST or len(self._opening) < 2:
            return None
        before, first = self._opening[0]
        cells = cells_of(before.content)
        if self._present is first or (self._cells is not None and is_cut(self._cells, cells)):
            return None
        self.closing, self._present = True, first
        self._first = self._opening[1][0]  # the frames beside it: the last one, and this
        return before.content

    @property
    def held(self) -> tuple[Before, ...]:
        """The frames that the present one is held to: the last one, and the scene's first, which has what was hidden
        since.
        """
        if self._last is None or self._first is None:
            return ()
        return (self._last,) if self._last.canvas == self._first.canvas else (self._last, self._first)

    def put(self, content: Pixels, state: RunState) -> None:
        """The present frame was painted of this."""
        self.result = state.result
        image, pixels = state.painting
        numbers = self._present.numbers
        self.frames.put(numbers[0], image, pixels)
        for number in numbers[1:]:  # of a loop's first drawing
            self.frames.repeat(number, numbers[0])
        if self.closing:
            return
        self.painted += 1
        assert state.job is not None
        if (before := self.note(self._present, content, state.job)) is not None:
            self._first, self._last = self._first or before, before

    def note(self, drawing: Drawing, content: Pixels, job: Job) -> Before | None:
        """What the daemon keeps of a drawing that it has painted of this, for others to be held to; None: nothing."""
        if job.canvas is None or not self.keeps:
            return None
        drawing.job, drawing.canvas = job.job, job.canvas
        before = Before(content, job.canvas)
        self._used(drawing)
        if self.manner.loop and drawing in islice(self.drawings.values(), 2):
            self._opening.append((before, drawing))
        return before

    def following(self, order: PaintRequest) -> PaintRequest | None:
        """The next order, painted with the same settings as the last one; None after the last."""
        pixels = self.advance()
        if pixels is None:
            return None
        device = {"device": self.result["recipe"]["device"]}
        return replace(
            order, content=pixels, held=self.held, extra={**self.settings(self._present.numbers[0]), **device}
        )

    def settings(self, number: int) -> dict[str, Any]:
        """What a frame's recipe has besides the controls: what the last one was painted with, on whatever device."""
        found = {name: self.result["recipe"][name] for name in ("size", "model")}
        if not self.manner.boil:
            return found
        # with a seed of its own, or each would boil the same
        return {**found, "boil": self.manner.boil, "seed": self.seed + number}

    def over(self) -> tuple[str, ...]:
        """The jobs that no frame after the present one needs; they are forgotten by whoever asks."""
        held = [before.canvas for before in self.held]
        return self._forgotten([one for one in self._kept[:-KEPT] if one.canvas not in held])

    def spare(self, needed: Collection[int]) -> tuple[str, ...]:
        """The jobs that are needed by no frame any more, where all are known that are held to others: to these."""
        return self._forgotten([one for one in self._kept if one.numbers[0] not in needed])

    def left(self, *last: PaintThread) -> tuple[str, ...]:
        """All jobs that the daemon still keeps for this film, which is at its end with these `last` runs. They are told
        once.
        """
        if self._told_left:
            return ()
        self._told_left = True
        theirs = [job for run in last for job in run.left]
        return tuple(dict.fromkeys((*self._forgotten(self._kept), *theirs)))

    def _forgotten(self, drawings: list[Drawing]) -> tuple[str, ...]:
        opening = [] if self._told_left else [drawing for _before, drawing in self._opening]
        gone = [one for one in drawings if one not in opening]
        self._kept = [one for one in self._kept if one not in gone]
        for one in gone:
            one.canvas = None
        return tuple(one.job for one in gone)

    # ── what several devices do with it ──

    def taken(self) -> dict[int, Drawing]:
        """All frames are looked at, and others paint those after the present one. Returns the drawings, each by the
        number of the frame as which it is painted.
        """
        for number in range(self.index + 1, len(self.frames)):
            look = self.looks[number]
            if look is None:
                self.empty += 1
            else:
                self.drawings.setdefault(look.key, Drawing([])).numbers.append(number)
        return {one.numbers[0]: one for one in self.drawings.values()}

    def given_back(self, number: int, last: Before | None) -> None:
        """All frames are painted, the last one that shows something as that `number`."""
        self.index = len(self.frames) - 1
        self._last = last
        self._present = next(one for one in self.drawings.values() if one.numbers[0] == number)

    # ── what people read ──

    def told(self, state: RunState, preview: Preview | None = None) -> RunState:
        """The state of the present frame as that of the whole film. `preview`: what is seen before there is one."""
        what = _lower(state.line)
        line = _("Frame {number} of {count} · {what}").format(number=self.index + 1, count=len(self.frames), what=what)
        if self.closing:
            line = _("Where the loop closes · {what}").format(what=what)
        return self._told(state, line, self.index + (state.fraction or 0.0), preview)

    def told_of(self, states: Sequence[RunState], preview: Preview | None) -> RunState:
        """The states of frames that are under way at once, the first one's before the others'."""
        painting = [state for state in states if state.stage in ("running", "ending")]
        state = (painting or states)[0]
        done = self.painted + self.empty
        line = _("{done} of {count} frames · {what}").format(done=done, count=len(self.frames), what=_lower(state.line))
        return self._told(state, line, done + sum(one.fraction or 0.0 for one in painting), preview)

    def _told(self, state: RunState, line: str, done: float, preview: Preview | None) -> RunState:
        share = done / len(self.frames)
        left = ui_text.left((self.clock() - self._began) * (1 - share) / share) if self.painted else ""
        return replace(state, line=line, left=left, fraction=share, preview=state.preview or preview)

    def line(self, state: RunState) -> str:
        """What came of it, in one line, when no more is painted."""
        seconds = self.clock() - self._began
        return ui_text.animation_line(state.result, self.painted, len(self.frames) - self.empty, seconds)


def _lower(line: str) -> str:
    return line[:1].lower() + line[1:]
