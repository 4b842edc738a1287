"""Hypercolumns: what several taps see of one position, on one grid of a quarter of the picture's resolution.

A position's hypercolumn is the concatenation of its taps' activations (Hariharan et al. 2015; Kolkin et al. 2022). Taps
of a finer resolution are averaged over the position's pixels, where Kolkin et al. sample between the middle ones: so no
pixel goes unseen, and grain has nowhere to hide. Taps of a coarser one are interpolated. Both are linear, so that their
adjoints are all that a gradient needs; and local, so that a tile gives the numbers of the whole.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .pyramid import enlarge, enlarge_backward
from .tiles import Tile
from .vgg19 import CONVS

# Up to the content's tap: what is deeper adds nothing that one sees (Kolkin et al. leave conv5 out), and costs a third.
BRUSH_TAPS = ("relu1_1", "relu1_2", "relu2_1", "relu2_2", "relu3_1", "relu3_2", "relu3_3", "relu4_1", "relu4_2")
GRID = 4  # pixels a side of one position


def grid_of(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of positions in a picture; a last one may have fewer pixels."""
    return -(-height // GRID), -(-width // GRID)


def gather(tap: Tensor, name: str, grid: tuple[int, int], *, wrap: bool) -> Tensor:
    """A tap (1, C, h, w) on the grid: (1, C, rows, columns)."""
    stride = CONVS[name].stride
    if stride < GRID:
        tap = functional.avg_pool2d(tap, GRID // stride, ceil_mode=True)
    elif stride > GRID:
        tap = enlarge(tap, stride // GRID, wrap=wrap)
    below, right = grid[0] - tap.shape[2], grid[1] - tap.shape[3]
    # pooling in the network drops an odd last row or column: there the position before stands in
    return functional.pad(tap, (0, right, 0, below), mode="replicate") if below or right else tap


def scatter(gradient: Tensor, tap: Tensor, name: str, *, wrap: bool) -> Tensor:
    """dL/d(tap), in the shape of `tap` (1, C, h, w), from dL/d(its values on the grid) (1, C, rows, columns): the
    adjoint of `gather`.
    """
    stride = CONVS[name].stride
    factor = stride // GRID
    if stride < GRID:
        k = GRID // stride
        size = -(-tap.shape[2] // k), -(-tap.shape[3] // k)
    else:
        size = tap.shape[2] * factor, tap.shape[3] * factor
    for axis, length in ((2, size[0]), (3, size[1])):
        extra = gradient.shape[axis] - length
        if extra:  # fold what stood in onto what it stood for
            kept = gradient.narrow(axis, 0, length).clone()
            kept.narrow(axis, length - 1, 1).add_(gradient.narrow(axis, length, extra).sum(axis, keepdim=True))
            gradient = kept
    gradient = gradient.contiguous(memory_format=torch.channels_last)
    if stride < GRID:
        spread: Tensor = torch.ops.aten.avg_pool2d_backward(gradient, tap, [k, k], [k, k], [0, 0], True, True, None)
        return spread
    if stride == GRID:
        return gradient
    small = enlarge_backward(gradient, factor, (tap.shape[2], tap.shape[3]), wrap=wrap)
    return small.contiguous(memory_format=torch.channels_last)


def span(t: Tile) -> tuple[slice, slice]:
    """Rows and columns of the image's grid that a tile's inner part covers."""
    top, bottom, left, right = (-(-edge // GRID) for edge in t.inner)
    return slice(top, bottom), slice(left, right)


def inner_span(t: Tile) -> tuple[slice, slice]:
    """The same in the tile's own grid."""
    rows, columns = span(t)
    y, x = t.outer[0] // GRID, t.outer[2] // GRID  # may be negative where the image wraps; a multiple of GRID
    return slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)
