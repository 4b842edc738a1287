"""How a film is divided among several devices: scenes, drawings, and the chains in which they are painted. Pure.

Each drawing is held to the one before it, so that a film is one long chain, and one device paints it. For several, each
scene is cut into pieces, each a little shorter than the one before, as it begins later. The first drawing of each
piece, its key, is held to the key of the piece before, so that all agree; from its key on, each piece is a chain of its
own. The rule for every program, whatever it reads its frames with.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

MIN_PIECE = 4  # drawings: a shorter piece is not worth the seam at its end


@dataclass(frozen=True, slots=True)
class Look:
    """What is known of a frame that could be read."""

    key: bytes  # of what it shows
    cut: bool  # whether a scene ends before it (`cuts`)


@dataclass(frozen=True, slots=True)
class Step:
    """A drawing to be painted: that of the frame `number`. `last` and `first` are the frames to which it is held: the
    one before it and its scene's first, by the number under which their drawings are painted; None: nothing.
    """

    number: int
    last: int | None
    first: int | None


Piece = tuple[Step, ...]


@dataclass(slots=True)
class Outline:
    """A film's frames: which drawing each shows, and the new drawings of each scene, in their order."""

    scenes: list[list[Step]] = field(default_factory=list)
    shows: dict[int, int] = field(default_factory=dict)  # of a frame: the first frame with the same drawing

    @property
    def repeats(self) -> dict[int, list[int]]:
        """Of a drawing's frame: those after it that show the same."""
        found: dict[int, list[int]] = {}
        for number, drawing in self.shows.items():
            if number != drawing:
                found.setdefault(drawing, []).append(number)
        return found


def outline(looks: Sequence[Look | None], begins: int, failed: Collection[int] = ()) -> Outline:
    """The outline of a film. Frames that could not be read (None) are left out. Frames before `begins` are painted
    already: they are only shown again, or held to. Only those that `failed` are neither, and a later frame that shows
    the same is painted itself.
    """
    found = Outline([[]])
    numbers: dict[bytes, int] = {}
    last: int | None = None
    first: int | None = None
    for number, look in enumerate(looks):
        if look is None:
            continue
        if look.cut:
            last = first = None
            found.scenes.append([])
        if number in failed:
            continue
        drawing = found.shows[number] = numbers.setdefault(look.key, number)
        if drawing == number and number >= begins:
            found.scenes[-1].append(Step(number, last, first))
        last, first = drawing, drawing if first is None else first
    found.scenes = [scene for scene in found.scenes if scene]
    return found


def pieces(scenes: Sequence[Sequence[Step]], places: int) -> list[Piece]:
    """The scenes in pieces, for so many devices, in the order of time. What a drawing is held to is in its piece, or
    is the key of an earlier one or a scene's first drawing.
    """
    total = sum(map(len, scenes))
    longest = max(MIN_PIECE, -(-total // places))
    found: list[Piece] = []
    for scene in scenes:
        parts = -(-len(scene) // longest)
        edges = _edges(len(scene), parts)
        key: int | None = None
        for begin, end in pairwise(edges):
            found.append(_piece(scene[begin:end], key))
            key = scene[begin].number
    return found


def _edges(length: int, parts: int) -> list[int]:
    """Where so many pieces begin and end. The keys are painted one after the other, so that each piece begins a drawing
    later than the one before: it is so much shorter, as long as that leaves something of it.
    """
    first = length / parts + (parts - 1) / 2
    if first - (parts - 1) < MIN_PIECE / 2:
        return [length * i // parts for i in range(parts + 1)]
    return [round(i * first - i * (i - 1) / 2) for i in range(parts + 1)]


def _piece(steps: Sequence[Step], key: int | None) -> Piece:
    """A piece of a scene; `key`: that of the piece before."""
    made: list[Step] = []
    for step in steps:
        inside = {one.number for one in made}
        if made and step.last not in inside:
            made.append(replace(step, last=made[-1].number))
        elif not made and key is not None:
            made.append(replace(step, last=key))
        else:
            made.append(step)
    return tuple(made)


def outside(found: Sequence[Piece]) -> set[int]:
    """The drawings to which others are held in other pieces than their own."""
    needed: set[int] = set()
    for piece in found:
        own = {step.number for step in piece}
        needed.update(one for step in piece for one in (step.last, step.first) if one is not None and one not in own)
    return needed
