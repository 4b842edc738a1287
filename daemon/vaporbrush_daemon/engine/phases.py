"""The phases of a scale: which gradient its steps follow. Pure arithmetic.

A scale first approaches the minimum by gradients that lead there faster or cost less, and then settles in the published
loss. Coarser scales are only approaches themselves: what they leave is corrected at the finest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vaporbrush_protocol.recipe import STYLE_TAPS

# The share of the finest scale's steps that only approach: without relu5_1, a fifth of the arithmetic for a hundredth
# of the loss, as the coarser scale has the large forms that it sees. Measured in tests/bench/NOTES.md, as all here.
APPROACH = 0.7
# Strengths: at the first nothing is whitened, from the second on all of the approach. At a low one, where style is not
# nearly all of the loss, the way by the whitened loss leads past the content.
WHITENED = (50.0, 200.0)
LONGEST_LEAD = 28  # whitened steps of the finest scale at most: after more, settling only takes longer


@dataclass(frozen=True)
class Phase:
    """Steps that follow one gradient."""

    steps: int
    taps: tuple[str, ...]  # whose style loss counts
    whitened: bool = False  # its gradient, see `losses.StyleLoss`
    settling: bool = False  # in the loss as published: from here on the scale may be found to have converged
    split: bool = False  # in `brushwork`: every tap has targets of its own
    of_content: float = 0.0  # in `brushwork`: the content's share, 0 to 1, in the picture for which targets are chosen


def phases_of(steps: int, strength: float, *, finest: bool, deepest_first: bool) -> tuple[Phase, ...]:
    """The phases of a scale of `steps` steps, those without any left out. `deepest_first`: relu5_1 counts from the
    first step on.
    """
    approach = (APPROACH if finest else 1.0) * steps
    lead = min(approach, LONGEST_LEAD) if finest else approach
    whitened, approached = round(lead * whitened_share(strength)), round(approach)
    taps = STYLE_TAPS if deepest_first else STYLE_TAPS[:-1]
    phases = (
        Phase(whitened, taps, whitened=True),
        Phase(approached - whitened, taps),
        Phase(steps - approached, STYLE_TAPS, settling=True),
    )
    return tuple(phase for phase in phases if phase.steps)


def whitened_share(strength: float) -> float:
    """The share of the approach, 0 to 1, that follows the whitened gradient."""
    low, high = WHITENED
    return min(1.0, max(0.0, math.log(strength / low) / math.log(high / low)))


# -- brushwork ---------------------------------------------------------------------------------------------------------

FINISH = 0.6  # the share of the finest scale's steps that are the split finish
FINISHES = 2  # times that it chooses its targets
# The content's share in what is matched: all of it where the painting has not begun, and at these strengths
SHARES = ((10.0, 0.6), (1000.0, 0.1))


def brush_phases_of(steps: int, strength: float, *, finest: bool, first: bool) -> tuple[Phase, ...]:
    """The phases of a scale of `steps` steps of `brushwork`, those without any left out. `first`: nothing is painted
    yet.
    """
    finish = round(FINISH * steps) if finest else 0
    parts = [finish * (i + 1) // FINISHES - finish * i // FINISHES for i in range(FINISHES)]
    phases = (
        Phase(steps - finish, (), of_content=1.0 if first else content_share(strength)),
        *(Phase(part, (), split=True) for part in parts),
    )
    kept = [phase for phase in phases if phase.steps]
    return (*kept[:-1], *(replace(phase, settling=True) for phase in kept[-1:]))


def content_share(strength: float) -> float:
    """How much of the content is in the picture for which targets are chosen, 0 to 1."""
    (low, most), (high, least) = SHARES
    at = min(1.0, max(0.0, math.log(strength / low) / math.log(high / low)))
    return most + at * (least - most)
