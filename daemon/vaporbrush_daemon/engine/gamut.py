"""No colours that the style does not have.

    GamutLoss    GAMUT · strength · Σ ω max(0, |x − c(x)| − NEAR)² / (H W)

c(x) is the style's colour nearest to the pixel x, in OKLab, looked up in a table of the RGB cube. Gram matrices compare
averages over the whole picture: where fine, dense structure resists, patches of the content's grey stay, which no
statistic misses, and which the eye sees at once. A pixel's term needs nothing of the other pixels, so tiles are exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .color_transfer import oklab

# Per unit of strength. Measured in tests/bench/NOTES.md: foreign colours fall to a fifth at most
GAMUT = 1e7
CELLS = 32  # of the table, along each axis of RGB: a cell is 8 of 255 levels wide
COLOURS = 4096  # of a style, evenly spread over its pixels
NEAR = 0.02  # of RGB's distance, 0 to √3: what is nearer to a colour of the style has it
OPAQUE = 0.5  # of the largest alpha: from there on a style's pixel shows its colour
FAR = 10.0  # a distance that no two colours have
BAND = 2**19  # pixels that are looked up at once: 31 MiB
CHUNK = 1024  # cells whose distances to all colours are held at once: 16 MiB, and as much for their sum


def nearest_colours(styles: Sequence[tuple[Tensor, Tensor | None]]) -> Tensor:
    """The table (CELLS³, 3): for each cell of the RGB cube the nearest colour of any of `styles`, each an image
    (1, 3, h, w) in [0, 1] and its alpha (h, w), None if opaque.
    """
    found = [_colours(image, alpha) for image, alpha in styles]
    colours, hidden = torch.cat([each for each, _ in found]), torch.cat([each for _, each in found])
    axis = (torch.arange(CELLS, device=colours.device, dtype=colours.dtype) + 0.5) / CELLS
    cells, wanted = _lab(torch.cartesian_prod(axis, axis, axis)), _lab(colours)
    nearest = [(torch.cdist(part, wanted) + hidden).argmin(1) for part in torch.split(cells, CHUNK)]
    return colours[torch.cat(nearest)]


def _colours(image: Tensor, alpha: Tensor | None) -> tuple[Tensor, Tensor]:
    """Colours of an image (M, 3), and what is added to the distance from each (M,): so much that none counts that is
    hardly seen.
    """
    height, width = image.shape[2:]
    every = torch.linspace(0, height * width - 1, min(COLOURS, height * width), device=image.device).long()
    colours = image[0].flatten(1)[:, every].T
    if alpha is None:
        return colours, torch.zeros_like(colours[:, 0])
    seen = alpha.flatten()[every]
    return colours, torch.where(seen >= OPAQUE * seen.max(), 0.0, FAR)


def _lab(colours: Tensor) -> Tensor:
    return oklab(colours.T[None, :, :, None])[0, :, :, 0].T


@dataclass(frozen=True)
class Gamut:
    """The colours that are wanted where."""

    table: Tensor  # (CELLS³, 3), see `nearest_colours`
    mask: Tensor | None = None  # (H, W), 0 to 1; None: everywhere


class GamutLoss:
    """The loss of a picture whose parts have `gamuts`, which are where it is."""

    def __init__(self, gamuts: Sequence[Gamut], strength: float) -> None:
        self.tables = [(gamut.table.T.contiguous(), gamut.mask) for gamut in gamuts]  # (3, CELLS³)
        self.factor = GAMUT * strength
        # kept: made anew in each step it would travel to the device
        self.strides = self.tables[0][0].new_tensor([CELLS**2, CELLS, 1]).view(3, 1, 1)

    def __call__(self, image: Tensor, *, accumulate_into: Tensor) -> Tensor:
        """The loss (0-d) of `image` (1, 3, H, W); its gradient is added to `accumulate_into` (1, 3, H, W)."""
        loss: Tensor | None = None
        height, width = image.shape[2:]
        band = max(1, BAND // width)
        for top in range(0, height, band):
            rows = slice(top, top + band)
            part = self._band(image[0, :, rows], rows, self.factor / (height * width), accumulate_into[0, :, rows])
            loss = part if loss is None else loss + part
        assert loss is not None  # a picture has rows
        return loss

    def _band(self, image: Tensor, rows: slice, scale: float, accumulate_into: Tensor) -> Tensor:
        """The part of some rows of the picture (3, h, W)."""
        loss: Tensor | None = None
        cells = (image * CELLS).floor_().clamp_(0, CELLS - 1)  # (3, h, W)
        index = cells.mul_(self.strides).sum(0).long()  # (h, W); fp32 counts up to 2²⁴, and there are 2¹⁵
        for table, mask in self.tables:
            away = image - table[:, index]  # (3, h, W)
            distance = torch.linalg.vector_norm(away, dim=0)  # (h, W)
            share = torch.relu(1 - NEAR / distance)  # of the distance that is too much: 0 where it is the style's
            excess = distance.mul_(share)
            weighted = excess if mask is None else excess * mask[rows]
            part = scale * torch.dot(weighted.flatten(), excess.flatten())
            loss = part if loss is None else loss + part
            accumulate_into.addcmul_(share if mask is None else share * mask[rows], away, value=2 * scale)
        assert loss is not None  # a painting has at least one style
        return loss
