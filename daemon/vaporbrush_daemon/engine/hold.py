"""What a film's frame keeps of the paintings before it: the frame-difference idea (Gokbudak et al. 2021, arXiv
2102.05822), which needs no optical flow and so is right for drawn animation, where flow fails on flat colour and holds.

    HoldLoss    HOLD · Σ w (x − x̂)² / (3 H W)       x̂ = y + A (c − d)       w = k / (1 − k), bounded

c is the frame, d an earlier one and y that one's painting: of several, at each place the one whose d is nearest to c.
A is the map of colours that comes nearest to leading frames to their paintings. k, from 0 to 1, says how much of y is
kept: all of it where c is d, there and a stroke's width around, none where they differ; and less the more the film is
to boil. The paper has neither A nor k, and drags old strokes in the content's colours behind whatever moves.

Where k is 1 the painting shall not change by a bit, which no weight can ensure. So the steps change the image by
(1 − k) of what they would: as a change of variables that is exact, and it keeps the curvature k (1 − k) of the loss
within what the optimiser can follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

HOLD = 1e7  # in units of the total loss per mean squared change; see tests/bench/film.py
SAME, OTHER = (
    0.5 / 255,
    24 / 255,
)  # changes of the content, in its range: at the first all is kept, at the second nothing
REACH = 4  # pixels to each side of what has changed that are wholly free, and as many more that are partly so
RIDGE = 1e-4  # variance of a colour that counts as none
_BOUND = 0.01  # keeps w below 100 where k is 1 and the image cannot move anyway


@dataclass(frozen=True)
class Earlier:
    """An earlier frame at the painting's size."""

    content: Tensor  # d (1, 3, H, W)
    alpha: Tensor | None  # (H, W), None if opaque
    canvas: Tensor  # y (1, 3, H, W)


@dataclass(frozen=True)
class Hold:
    """What is kept of earlier paintings."""

    target: Tensor  # x̂ (1, 3, H, W)
    kept: Tensor  # k (1, 1, H, W)
    fresh: Tensor  # (1, 3, H, W): where what is not kept begins

    @cached_property
    def free(self) -> Tensor:
        """How far each pixel follows the steps, 1 − k (1, 1, H, W)."""
        return 1 - self.kept

    @cached_property
    def share(self) -> float:
        """Of the picture, 0 to 1, that is free."""
        return float(self.free.mean())

    def begun(self, noise: Tensor | None) -> Tensor:
        """Where the frame's painting begins (1, 3, H, W). `noise` (1, 3, H, W) makes it another one each time."""
        return self.applied(self.fresh if noise is None else (self.fresh + noise).clamp(0, 1))

    def applied(self, image: Tensor) -> Tensor:
        """`image` (1, 3, H, W) with what is kept in its place."""
        return torch.where(self.kept >= 1, self.target, torch.lerp(image, self.target, self.kept))


def hold_of(content: Tensor, alpha: Tensor | None, earlier: Sequence[Earlier], boil: float, *, wrap: bool) -> Hold:
    """For the frame `content` c (1, 3, H, W) with `alpha` (H, W). `earlier` has one entry at least, the nearest in time
    first; of equals the first is taken.
    """
    target: Tensor | None = None
    free: Tensor | None = None
    tone = Tone.of(earlier[-1])  # of the oldest, so that what the map misses does not add up
    for one in earlier:
        change = content - one.content  # (1, 3, H, W)
        seen = change.abs().amax(1, keepdim=True)
        if alpha is not None or one.alpha is not None:
            mine, its = (torch.ones_like(seen[0, 0]) if a is None else a for a in (alpha, one.alpha))
            visible = (torch.maximum(mine, its) > 0).to(change)  # what nobody sees has a colour by chance
            change = change * visible
            seen = torch.maximum(seen * visible, (mine - its).abs())
        moved = _widened(((seen - SAME) / (OTHER - SAME)).clamp(0, 1), wrap=wrap)
        here = (one.canvas + tone.change(change)).clamp(0, 1)
        if target is None or free is None:
            target, free = here, moved
        else:
            nearer = moved < free
            target, free = torch.where(nearer, here, target), torch.where(nearer, moved, free)
    assert target is not None
    assert free is not None
    return Hold(target, (1 - free) * (1 - boil), torch.lerp(target, tone.painted(content), boil))


@dataclass(frozen=True)
class Tone:
    """The affine map of colours that comes nearest to leading an earlier frame to its painting. Paint has other colours
    and less contrast than what it shows, and so has the paint of a change.
    """

    matrix: Tensor  # A (3, 3)
    source: Tensor  # (3, 1)
    wanted: Tensor  # (3, 1)

    @classmethod
    def of(cls, earlier: Earlier) -> Tone:
        """By least squares."""
        d, y = (one[0].flatten(1).cpu().double() for one in (earlier.content, earlier.canvas))  # (3, H W)
        source, wanted = d.mean(1, keepdim=True), y.mean(1, keepdim=True)
        d, y = d - source, y - wanted
        # where a colour does not vary nothing is known of it: there the map is to be 0
        square = d @ d.T + RIDGE * d.shape[1] * torch.eye(3, dtype=d.dtype)
        return cls(y @ d.T @ torch.linalg.inv(square), source, wanted)

    def change(self, content: Tensor) -> Tensor:
        """Of the painting (1, 3, H, W), where the content changes by so much."""
        return (self.matrix.to(content) @ content[0].flatten(1)).view(content.shape)

    def painted(self, content: Tensor) -> Tensor:
        """The colours (1, 3, H, W) that such content gets."""
        source, wanted = (one.to(content)[None, :, :, None] for one in (self.source, self.wanted))
        return (self.change(content - source) + wanted).clamp(0, 1)


def _widened(change: Tensor, *, wrap: bool) -> Tensor:
    """(1, 1, H, W): the largest within REACH, then its mean within REACH. Exactly 0 where nothing changed nearby."""
    for pool in (functional.max_pool2d, functional.avg_pool2d):
        padded = functional.pad(change, (REACH,) * 4, mode="circular" if wrap else "replicate")
        change = pool(padded, 2 * REACH + 1, stride=1)
    return change


class HoldLoss:
    """The loss of images as large as the hold's target; without a hold it is 0."""

    def __init__(self, hold: Hold | None) -> None:
        self.target = None if hold is None else hold.target
        self.weights = None if hold is None else hold.kept / (1 + _BOUND - hold.kept)  # w (1, 1, H, W)

    def __call__(self, image: Tensor, *, accumulate_into: Tensor) -> Tensor:
        """The loss (0-d) of `image` (1, 3, H, W); its gradient is added to `accumulate_into` (1, 3, H, W)."""
        if self.target is None or self.weights is None:
            return torch.zeros((), device=image.device)
        difference = image - self.target
        scale = HOLD / image.numel()
        pulled = self.weights * difference
        accumulate_into += 2 * scale * pulled
        return scale * (pulled * difference).sum()
