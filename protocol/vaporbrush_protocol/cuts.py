"""Where a film cuts from one scene to another. The rule for every program, whatever it reads its frames with. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

GRID = 16  # cells a side of what is compared: a character that moves changes few of them, a cut nearly all
# A cut changes most cells, much, and into something else. A pan or zoom leaves frames alike, and so does a fade; a
# drawing that jumps leaves most cells alone. Measured by tests/bench/film.py and tests/images/test_film.py.
CHANGED = 0.03  # of a cell's mean, in its range, that is a change
CELLS = 0.7  # share of cells that a cut changes, at the least
MEAN = 0.06  # change of all cells on average, at the least
ALIKE = 0.7  # correlation of the cells of two frames above which they are of one scene


def is_cut(before: Sequence[float], after: Sequence[float]) -> bool:
    """Whether a scene ends between two frames that follow each other. Each is the mean colours of its cells, 0 to 1:
    red, green and blue of each, in the same order. Frames with other numbers of cells are of no one scene.
    """
    if len(before) != len(after):
        return True
    changes = [abs(b - a) for a, b in zip(before, after, strict=True)]
    changed = sum(max(changes[i : i + 3]) > CHANGED for i in range(0, len(changes), 3))
    if sum(changes) / len(changes) < MEAN or 3 * changed / len(changes) < CELLS:
        return False
    a, b = _without_mean(before), _without_mean(after)
    length = math.sqrt(sum(one * one for one in a) * sum(one * one for one in b))
    return length == 0 or sum(one * other for one, other in zip(a, b, strict=True)) / length < ALIKE


def _without_mean(cells: Sequence[float]) -> list[float]:
    mean = sum(cells) / len(cells)
    return [one - mean for one in cells]
