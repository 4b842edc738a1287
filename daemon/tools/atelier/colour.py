"""Colours and gradients. A colour is sRGB in 0..1, written as "#rrggbb"; a picture is a float32 array (H, W, 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.floating[Any]]  # float32 everywhere; only typing is wider
Mask: TypeAlias = npt.NDArray[np.bool_]
Labels: TypeAlias = npt.NDArray[np.int32]

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709


def rgb(code: str) -> Array:
    """ "#rrggbb" as a float32 array (3,)."""
    return np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)


def palette(*codes: str) -> Array:
    """Several colours as an array (N, 3)."""
    return np.stack([rgb(code) for code in codes])


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 up to `low`, 1 from `high`, an S between; `low` may be the larger one."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def gradient(t: Array, stops: Sequence[tuple[float, str]]) -> Array:
    """The colours at positions `t` (any shape) along `stops`; returns shape t.shape + (3,)."""
    positions = [position for position, _ in stops]
    colours = palette(*(code for _, code in stops))
    return np.stack([np.interp(t, positions, colours[:, c]) for c in range(3)], axis=-1).astype(np.float32)


def mix(below: Array, above: Array, amount: Array | float) -> Array:
    """`above` painted over `below`, `amount` 0..1 given as (H, W) or as one number."""
    weight = amount if isinstance(amount, float) else np.asarray(amount, np.float32)[..., None]
    return np.asarray(below + (above - below) * weight, np.float32)


def luma(picture: Array) -> Array:
    """Brightness (H, W) of a picture (H, W, 3)."""
    return picture @ LUMA


def saturate(picture: Array, amount: float) -> Array:
    """Saturation times `amount`; 1 leaves the picture as it is."""
    grey = luma(picture)[..., None]
    return np.asarray(grey + (picture - grey) * amount, np.float32)
