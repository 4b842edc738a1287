"""Where a film cuts from one scene to another, and whether two frames show the same. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaporbrush_protocol import cuts
from vaporbrush_protocol.cuts import GRID

from .files import Picture
from .profiles import Pixels, unit

SAMPLED = 256  # pixels a side that are looked at; more say nothing more about a cell's mean


@dataclass(frozen=True)
class Signature:
    """What is compared of a frame."""

    cells: NDArray[np.float32]  # (GRID, GRID, 3), 0 to 1
    size: tuple[int, int]  # width, height

    @classmethod
    def of(cls, picture: Picture) -> Signature:
        """Of a decoded frame; transparent pixels count as black."""
        pixels: Pixels = picture.pixels
        rows, columns = (np.linspace(0, side - 1, min(side, SAMPLED)).astype(int) for side in pixels.shape[:2])
        sampled = unit(pixels[np.ix_(rows, columns)])
        if sampled.shape[2] == 4:
            sampled = sampled[..., :3] * sampled[..., 3:]
        bands = np.array_split(np.arange(len(rows)), min(GRID, len(rows)))
        strips = np.stack([sampled[band].mean(0) for band in bands])
        parts = np.array_split(np.arange(len(columns)), min(GRID, len(columns)))
        return cls(np.stack([strips[:, part].mean(1) for part in parts], axis=1), (picture.width, picture.height))


def is_cut(before: Signature, after: Signature) -> bool:
    """Whether a scene ends between two frames that follow each other. Frames of different sizes are of no one scene."""
    if before.size != after.size:
        return True
    return cuts.is_cut(*(one.cells.ravel().tolist() for one in (before, after)))


def digest(picture: Picture) -> bytes:
    """The same for frames of the same pixels in the same colours, and for no others."""
    found = hashlib.sha256(repr((picture.pixels.shape, picture.pixels.dtype.str, picture.transfer)).encode())
    found.update(picture.profile or b"")
    found.update(picture.data())
    return found.digest()
