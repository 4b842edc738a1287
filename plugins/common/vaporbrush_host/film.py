"""A film in a host: which frame is painted next, what it is held to, what shows again, where scenes end and a loop
closes. What the command line's `animate` does with files (`vaporbrush_daemon.cli.film`), with a host's own frames.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.cuts import is_cut
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
        """What a frame shows, all of one size; None where that is nothing: it is left as it is."""
        ...

    def put(self, number: int, image: Image, pixels: Buffer, /) -> None:
        """The painting of a frame, perhaps another one than before."""
        ...

    def repeat(self, number: int, other: int) -> None:
        """A frame gets the painting of another one, which shows the same."""
        ...


@dataclass(eq=False)
class _Drawing:
    """What frames show: which ones, and what was painted of it."""

    numbers: list[int]
    canvas: Image | None = None  # as long as the daemon keeps it
    job: str = ""


@dataclass
class Film:
    """Frames on their way through the painter, one after the other. `advance` gives what is painted first; `put` takes
    each painting, and `following` gives the next order.
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
        self._drawings: dict[bytes, _Drawing] = {}
        self._present = _Drawing([])
        self._cells: tuple[float, ...] | None = None  # of the frame before
        self._first: Before | None = None  # of the scene
        self._last: Before | None = None
        self._opening: list[tuple[Before, _Drawing]] = []  # the film's first two drawings, for its end
        self._told_left = False
        self._kept: list[_Drawing] = []  # whose canvases the daemon has, the one used last at the end

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
            if pixels is None:
                self.empty += 1
                continue
            other = self._shows(pixels)
            if other is None:
                return pixels
            self.frames.repeat(self.index, other)
            self.painted += 1
        return self._closes()

    def _shows(self, pixels: Pixels) -> int | None:
        """The present frame shows this. Returns the earlier frame that does, if there is one."""
        cells = cells_of(pixels)
        if self._cells is None or is_cut(self._cells, cells):
            self._first = self._last = None
        self._cells = cells
        digest = hashlib.sha256(pixels.data).digest()
        drawing = self._present = self._drawings.setdefault(digest, _Drawing([]))
        drawing.numbers.append(self.index)
        if len(drawing.numbers) == 1:
            return None
        if drawing.canvas is not None:
            self._done(pixels, drawing, drawing.canvas)
        return drawing.numbers[0]

    def _done(self, pixels: Pixels, drawing: _Drawing, canvas: Image) -> None:
        before = Before(pixels, canvas)
        self._first, self._last = self._first or before, before
        self._kept = [*(one for one in self._kept if one is not drawing), drawing]

    def _closes(self) -> Pixels | None:
        """What the first drawing shows, where it has to be painted again between the last and the second one."""
        if self.closing or not self.manner.loop or self._last is None:
            return None
        if len(self._drawings) < FEWEST or len(self._opening) < 2:
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
        image, pixels = state.painting
        numbers = self._present.numbers
        self.frames.put(numbers[0], image, pixels)
        for number in numbers[1:]:  # of a loop's first drawing
            self.frames.repeat(number, numbers[0])
        if self.closing:
            return
        self.painted += 1
        assert state.job is not None
        self._note(content, state.job)

    def _note(self, content: Pixels, job: Job) -> None:
        drawing = self._present
        if job.canvas is None or not self.keeps:  # nothing is held to it
            return
        drawing.job, drawing.canvas = job.job, job.canvas
        self._done(content, drawing, job.canvas)
        if self.manner.loop and len(self._opening) < 2:
            self._opening.append((Before(content, job.canvas), drawing))

    def following(self, order: PaintRequest, state: RunState) -> PaintRequest | None:
        """The next order, painted with the same settings as the last one, whose end is `state`; None after the last."""
        pixels = self.advance()
        if pixels is None:
            return None
        recipe = state.result["recipe"]
        return replace(order, content=pixels, held=self.held, extra=self._settings(recipe))

    def _settings(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """What a recipe has besides the controls: what the last one was painted with."""
        found = {name: recipe[name] for name in ("size", "model", "device")}
        if not self.manner.boil:
            return found
        number = self._present.numbers[0]  # with a seed of its own, or each would boil the same
        return {**found, "boil": self.manner.boil, "seed": self.seed + number}

    def over(self) -> tuple[str, ...]:
        """The jobs that no frame after the present one needs; they are forgotten by whoever asks."""
        needed = [drawing for _before, drawing in self._opening]
        held = [before.canvas for before in self.held]
        return self._forgotten([one for one in self._kept[:-KEPT] if one not in needed and one.canvas not in held])

    def left(self, last: PaintThread) -> tuple[str, ...]:
        """All jobs that the daemon still keeps for this film, which is at its end with its `last` run. They are told
        once.
        """
        if self._told_left:
            return ()
        self._told_left = True
        return tuple(dict.fromkeys((*self._forgotten(self._kept), *last.left)))

    def _forgotten(self, drawings: list[_Drawing]) -> tuple[str, ...]:
        self._kept = [one for one in self._kept if one not in drawings]
        for one in drawings:
            one.canvas = None
        return tuple(one.job for one in drawings)

    # ── what people read ──

    def told(self, state: RunState, preview: Preview | None = None) -> RunState:
        """The state of the present frame as that of the whole film. `preview`: what is seen before there is one."""
        share = (self.index + (state.fraction or 0.0)) / len(self.frames)
        what = state.line[:1].lower() + state.line[1:]
        line = _("Frame {number} of {count} · {what}").format(number=self.index + 1, count=len(self.frames), what=what)
        if self.closing:
            line = _("Where the loop closes · {what}").format(what=what)
        left = ui_text.left((self.clock() - self._began) * (1 - share) / share) if self.painted else ""
        return replace(state, line=line, left=left, fraction=share, preview=state.preview or preview)

    def line(self, state: RunState) -> str:
        """What came of it, in one line, when no more is painted."""
        seconds = self.clock() - self._began
        return ui_text.animation_line(state.result, self.painted, len(self.frames) - self.empty, seconds)
