"""Coarse to fine: sizes, resampling, what a finer scale starts from, and the pyramid in which a scale is optimised."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional

# Gain of every coarser level of the pyramid. Bilinear enlargement by two doubles a level's norm, so 0.5 would give all
# levels the same say; a little more for the coarse ones needs fewer steps (tests/bench/NOTES.md).
LEVEL_GAIN = 0.7
SMALLEST_LEVEL = 8  # pixels, shorter side: a coarser level would have nothing left to precondition


def resize(image: Tensor, width: int, height: int, *, wrap: bool = False) -> Tensor:
    """(B, C, H, W) to (B, C, height, width): bicubic, antialiased when it shrinks; `wrap` keeps opposite edges
    neighbours.
    """
    if (image.shape[3], image.shape[2]) == (width, height):
        return image
    # far too large: average whole blocks first, which is exact area filtering and many times cheaper than a wide kernel
    block = min(image.shape[3] // width, image.shape[2] // height) // 4
    if block > 1 and image.shape[2] % block == 0 and image.shape[3] % block == 0:
        image = functional.avg_pool2d(image, block)
    if not wrap:
        return functional.interpolate(image, (height, width), mode="bicubic", antialias=True, align_corners=False)
    # one more period around, then the middle is cut out: the edge in pixels must be whole before and after
    margin_y, margin_x = image.shape[2] // 2, image.shape[3] // 2
    around = functional.pad(
        image, (margin_x, image.shape[3] - margin_x, margin_y, image.shape[2] - margin_y), mode="circular"
    )
    large = functional.interpolate(around, (2 * height, 2 * width), mode="bicubic", antialias=True, align_corners=False)
    shift_y, shift_x = round(margin_y * height / image.shape[2]), round(margin_x * width / image.shape[3])
    return large[:, :, shift_y : shift_y + height, shift_x : shift_x + width]


def enlarge(image: Tensor, factor: int, *, wrap: bool) -> Tensor:
    """(B, C, h, w) to (B, C, factor·h, factor·w): bilinear; `wrap` keeps opposite edges neighbours."""
    if wrap:
        image = functional.pad(image, (1, 1, 1, 1), mode="circular")
    large = functional.interpolate(image, scale_factor=factor, mode="bilinear", align_corners=False)
    return large[:, :, factor:-factor, factor:-factor] if wrap else large


def enlarge_backward(gradient: Tensor, factor: int, size: tuple[int, int], *, wrap: bool) -> Tensor:
    """dL/d(image) (B, C, *size) from dL/d(its enlargement): the adjoint of `enlarge`."""
    h, w = size
    if wrap:
        gradient = functional.pad(gradient, (factor,) * 4)
        h, w = h + 2, w + 2
    shape = [*gradient.shape[:2], h, w]
    small: Tensor = torch.ops.aten.upsample_bilinear2d_backward(
        gradient, list(gradient.shape[2:]), shape, False, None, None
    )
    if not wrap:
        return small
    for axis in (2, 3):  # the border stood for the opposite edge
        length = small.shape[axis] - 2
        middle = small.narrow(axis, 1, length).clone()
        middle.narrow(axis, length - 1, 1).add_(small.narrow(axis, 0, 1))
        middle.narrow(axis, 0, 1).add_(small.narrow(axis, length + 1, 1))
        small = middle
    return small


def refine(painted: Tensor, coarse: Tensor, fine: Tensor, *, wrap: bool = False) -> Tensor:
    """What the next scale starts from (1, 3, H, W): the painting enlarged, plus the detail of the content that the
    coarse scale lacked.

    `painted`, `coarse` (1, 3, h, w): result and content of the scale before; `fine` (1, 3, H, W): content of the next.
    Without the detail the content loss starts from a blur, and the first steps are spent on finding it again.
    """
    height, width = fine.shape[2:]
    return resize(painted, width, height, wrap=wrap) + (fine - resize(coarse, width, height, wrap=wrap))


@dataclass(frozen=True)
class Pyramid:
    """The variables of one scale: residuals of halving sizes; their sum, each coarser one weaker, changes the image.

    As a change of variables it preconditions: one step moves broad areas and fine grain alike, which saves about a
    quarter of the steps that plain pixels need. Flat, they are one vector (n,), finest level first.
    """

    sizes: tuple[tuple[int, int], ...]  # (height, width), finest first
    wrap: bool = False  # opposite edges are neighbours at every level, or the coarse ones would draw a seam
    free: Tensor | None = None  # (1, 1, H, W), 0 to 1: how far each pixel of the image follows; None: wholly

    @classmethod
    def of(cls, height: int, width: int, *, wrap: bool = False, free: Tensor | None = None) -> Pyramid:
        """The pyramid for an image of `height` × `width` pixels."""
        sizes = [(height, width)]
        while min(sizes[-1]) > SMALLEST_LEVEL:
            if wrap and (sizes[-1][0] % 2 or sizes[-1][1] % 2):
                break  # edges meet only where a level is exactly half the finer one
            sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
        return cls(tuple(sizes), wrap, free)

    @property
    def variables(self) -> int:
        """n: 4/3 of the numbers in the image."""
        return sum(3 * height * width for height, width in self.sizes)

    def forward(self, flat: Tensor) -> Tensor:
        """Variables (n,) to the image that they add up to (1, 3, H, W)."""
        levels = [
            part.view(1, 3, *size)
            for part, size in zip(torch.split(flat, [3 * h * w for h, w in self.sizes]), self.sizes, strict=True)
        ]
        total = levels[-1]
        for level in reversed(levels[:-1]):
            if self.wrap:
                enlarged = enlarge(total, 2, wrap=True)
            else:  # the finer one may be odd
                enlarged = functional.interpolate(total, level.shape[2:], mode="bilinear", align_corners=False)
            total = enlarged.mul_(LEVEL_GAIN).add_(level)
        return total if self.free is None else total * self.free

    def backward(self, gradient: Tensor) -> Tensor:
        """dL/d(variables) (n,) from dL/d(image) (1, 3, H, W): the adjoint of `forward`."""
        parts = [gradient if self.free is None else gradient * self.free]
        for finer, size in pairwise(self.sizes):
            if self.wrap:
                shrunk = enlarge_backward(parts[-1], 2, size, wrap=True)
            else:
                shrunk = torch.ops.aten.upsample_bilinear2d_backward(parts[-1], finer, (1, 3, *size), False, None, None)
            parts.append(shrunk.mul_(LEVEL_GAIN))
        return torch.cat([part.flatten() for part in parts])
