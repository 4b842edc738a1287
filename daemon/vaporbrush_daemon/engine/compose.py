"""From layers to what is painted, and back: transparency, selection, enlargement, blend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_protocol.recipe import Outside

from .pyramid import resize
from .transfer import Fetched

Recolour = Callable[[Tensor, Tensor], Tensor]  # content and painting (1, 3, H, W) to the painting in other colours
CONTEXT = 64  # pixels painted around a selection's bounding box: the network looks further than its edge
_MARGIN = 8  # rows around a band that new colours may depend on
_BAND = 1024  # rows composed at a time, so that a large layer is not held several times over


@dataclass(frozen=True)
class Frame:
    """The part of the content that is painted, in pixels of the content."""

    left: int
    top: int
    width: int
    height: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns for numpy."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def frame_of(mask: Floats | None, width: int, height: int) -> Frame | None:
    """The bounding box of a selection with its context; everything without one; None if nothing is selected."""
    if mask is None:
        return Frame(0, 0, width, height)
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    if not len(rows):
        return None
    left, right = max(0, int(columns[0]) - CONTEXT), min(width, int(columns[-1]) + 1 + CONTEXT)
    top, bottom = max(0, int(rows[0]) - CONTEXT), min(height, int(rows[-1]) + 1 + CONTEXT)
    return Frame(left, top, right - left, bottom - top)


def tensor(pixels: Floats, device: torch.device) -> Tensor:
    """(H, W, C) to (1, C, H, W)."""
    return torch.from_numpy(pixels).to(device).permute(2, 0, 1)[None]


def shrink(rgba: Tensor, width: int, height: int, *, wrap: bool = False) -> tuple[Tensor, Tensor | None]:
    """Straight RGBA (1, 4, H, W) to RGB (1, 3, height, width) without holes, and alpha (height, width), None if opaque.

    Colours are averaged weighted by alpha, and where there is none left they are taken from the neighbours, so the
    colour that a transparent pixel happens to hide never shows.
    """
    alpha = rgba[:, 3:]
    if bool((alpha >= 1).all()):
        return resize(rgba[:, :3], width, height, wrap=wrap).clamp(0, 1), None
    if (rgba.shape[3], rgba.shape[2]) != (width, height):
        premultiplied = resize(torch.cat([rgba[:, :3] * alpha, alpha], 1), width, height, wrap=wrap)
        alpha = premultiplied[:, 3:].clamp(0, 1)
        alpha = torch.where(
            alpha < 1 / 512, torch.zeros_like(alpha), alpha
        )  # what a cubic kernel rings there is no colour
        colour = premultiplied[:, :3] / alpha.clamp(min=1 / 512)
    else:
        colour = rgba[:, :3]
    return fill(colour.clamp(0, 1), alpha), alpha[0, 0]


def fill(colour: Tensor, alpha: Tensor) -> Tensor:
    """Give colour to pixels with alpha 0 from their neighbours, near ones first (push-pull, Gortler et al. 1996).

    `colour` (1, 3, H, W), `alpha` (1, 1, H, W). Every pixel with any alpha keeps its colour exactly.
    """
    visible = alpha > 0
    own = torch.where(visible, colour, torch.zeros_like(colour))
    if not bool(visible.any()) or min(alpha.shape[2:]) < 1:
        return own
    levels = [(own * alpha, alpha)]
    while max(levels[-1][1].shape[2:]) > 1:
        premultiplied, weight = (
            functional.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False) for part in levels[-1]
        )
        levels.append((premultiplied, weight))
    guess, weight = levels[-1]
    guess = guess / weight.clamp(min=1e-12)
    for premultiplied, weight in reversed(levels[1:-1]):
        coarse = functional.interpolate(guess, weight.shape[2:], mode="bilinear", align_corners=False)
        guess = premultiplied + (1 - weight) * coarse
    guess = functional.interpolate(guess, alpha.shape[2:], mode="bilinear", align_corners=False)
    return torch.where(visible, own, guess)


def _lay(part: Floats, band: Fetched, cover: Floats | None) -> None:
    """A band that has arrived over the layer's `part` (h, W, 4), as far as it is to cover it (h, W, 1)."""
    colour = band.get().numpy()
    part[..., :3] = colour if cover is None else part[..., :3] + cover * (colour - part[..., :3])


def deliver(
    content: Floats,
    painted: Tensor,
    frame: Frame,
    mask: Floats | None,
    *,
    outside: Outside,
    blend: float,
    recolour: Recolour | None,
    wrap: bool,
    fetch: Callable[[Tensor], Fetched],
) -> tuple[Floats, NDArray[np.bool_] | None]:
    """The layer to hand back, (H, W, 4), and where it is the content untouched, (H, W) or None.

    `painted` (1, 3, h, w) is enlarged to the frame's size. `recolour` gives it other colours there, out of the
    content's at full resolution. `blend` mixes painting and content. Outside of `mask` the layer is transparent or the
    content. `fetch` brings a band to the host while the next one is composed.
    """
    full = content.copy()
    rows, columns = frame.slices
    large = resize(painted, frame.width, frame.height, wrap=wrap).clamp(0, 1)
    under_way: Callable[[], None] | None = None
    for top in range(0, frame.height, _BAND):
        bottom = min(frame.height, top + _BAND)
        part = full[rows, columns][top:bottom]  # a view
        before = tensor(part[..., :3], large.device)
        now = large[:, :, top:bottom]
        if recolour is not None:
            above, below = min(top, _MARGIN), min(frame.height - bottom, _MARGIN)
            around = tensor(content[rows, columns][top - above : bottom + below, :, :3], large.device)
            wide = recolour(around, large[:, :, top - above : bottom + below]).clamp(0, 1)
            now = wide[:, :, above : above + bottom - top]
        if blend < 1:
            now = before + blend * (now - before)
        cover = mask[rows, columns][top:bottom, :, None] if mask is not None and outside == "content" else None
        band = fetch(now[0].permute(1, 2, 0).contiguous())
        if under_way is not None:
            under_way()
        under_way = partial(_lay, part, band, cover)
    if under_way is not None:
        under_way()
    if mask is not None and outside == "transparent":
        full[..., 3] *= mask
    same = None
    if outside == "content" and mask is not None:
        same = mask <= 0
    if blend <= 0:
        same = np.ones(full.shape[:2], np.bool_) if mask is None or outside == "content" else None
    return full, same
