"""Tiles of an image that are small enough for the network, and what of their activations counts.

A tile goes through the network with margins as wide as a tap sees, so that the activations of its inner part are those
of the whole image. Inner parts cover the image once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from .vgg19 import STRIDES

MARGIN = 80  # pixels around a tile: relu5_1 sees 78 to each side, rounded up to its stride
REMAINDER = 16  # pixels: a strip narrower than this has not one position of relu5_1, and is joined to its neighbour


@dataclass(frozen=True)
class Tile:
    """A part of an image, in its pixels: (top, bottom, left, right). `outer` goes through the network, and may lie
    beyond the image's edges if it wraps; `inner` counts.
    """

    outer: tuple[int, int, int, int]
    inner: tuple[int, int, int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what goes through the network."""
        top, bottom, left, right = self.outer
        return bottom - top, right - left

    @property
    def whole(self) -> bool:
        """Whether this is the image's only tile."""
        return self.outer == self.inner

    def cut(self, image: Tensor) -> Tensor:
        """The tile (1, C, h, w) of an image (1, C, H, W), margins and all."""
        if self.whole:
            return image
        rows, columns = self._indices(image)
        return image.index_select(2, rows).index_select(3, columns)

    def paste(self, whole: Tensor, part: Tensor) -> None:
        """Add the tile `part` (1, C, h, w), margins and all, to an image (1, C, H, W): the adjoint of `cut`."""
        rows, columns = self._indices(whole)
        flat = (rows[:, None] * whole.shape[3] + columns).flatten()  # (h*w,); where it wraps, a tile may meet itself
        whole[0].flatten(1).index_add_(1, flat, part[0].flatten(1).to(whole.device))

    def inside(self, value: Tensor, tap: str) -> Tensor:
        """The inner part of the tile's activations `value` (1, C, h, w): a view."""
        if self.whole:
            return value
        top, bottom, left, right = self._span(tap)
        y, x = self.outer[0] // STRIDES[tap], self.outer[2] // STRIDES[tap]
        return value[:, :, top - y : bottom - y, left - x : right - x]

    def weights(self, weights: Tensor | None, tap: str) -> Tensor | None:
        """The inner part (m,) of an image's `position_weights` (h, w). None stays None."""
        if weights is None:
            return None
        top, bottom, left, right = self._span(tap)
        return weights[top:bottom, left:right].flatten()

    def _indices(self, image: Tensor) -> tuple[Tensor, Tensor]:
        top, bottom, left, right = self.outer
        height, width = image.shape[2:]
        return (
            torch.arange(top, bottom, device=image.device) % height,
            torch.arange(left, right, device=image.device) % width,
        )

    def _span(self, tap: str) -> tuple[int, int, int, int]:
        top, bottom, left, right = (edge // STRIDES[tap] for edge in self.inner)
        return top, bottom, left, right


def tiles(width: int, height: int, side: int | None, *, wrap: bool = False) -> list[Tile]:
    """Cover an image by tiles whose inner parts are at most `side` (a multiple of 16) pixels; None: one tile."""
    whole = (0, height, 0, width)
    if side is None or (width <= side and height <= side):
        return [Tile(whole, whole)]

    def spans(length: int) -> list[tuple[int, int, int, int]]:
        if length <= side:
            return [(0, length, 0, length)]
        found = []
        for start in range(0, length, side):
            end = min(length, start + side)
            if end < length and length - end < REMAINDER:
                end = length
            low, high = start - MARGIN, end + MARGIN
            found.append((low if wrap else max(0, low), high if wrap else min(length, high), start, end))
            if end == length:
                break
        return found

    return [
        Tile((top, bottom, left, right), (top_in, bottom_in, left_in, right_in))
        for top, bottom, top_in, bottom_in in spans(height)
        for left, right, left_in, right_in in spans(width)
    ]


def position_weights(mask: Tensor | None, tap: str) -> Tensor | None:
    """ω, not normalised: a mask (H, W) at the resolution of a tap (h, w). As in the network, an odd last row or column
    is dropped. None stays None.
    """
    if mask is None:
        return None
    stride = STRIDES[tap]
    return functional.avg_pool2d(mask[None, None], stride)[0, 0] if stride > 1 else mask


def grid_weights(mask: Tensor, side: int) -> Tensor:
    """The mean of a mask (H, W) over squares of `side` pixels, the last ones smaller."""
    return functional.avg_pool2d(mask[None, None], side, ceil_mode=True)[0, 0]
