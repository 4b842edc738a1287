"""Depths, sizes and colour spaces of decoded pixels: numbers to other numbers, no files."""

from __future__ import annotations

from typing import Any, Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[Any]  # (H, W, C)
Model = Literal["gray", "rgb", "cmyk"]

SRGB: bytes = imagecodecs.cms_profile("srgb")
HALF_LINEAR = 0.735  # how half the light of white is encoded in sRGB


def unit(pixels: Pixels) -> NDArray[np.float32]:
    """The same picture as f32 with white at 1."""
    return scaled(pixels, np.dtype(np.float32))


def scaled(pixels: Pixels, to: np.dtype[Any]) -> Pixels:
    """The same picture at another depth; integers are rounded and clipped."""
    if pixels.dtype == to:
        return pixels
    values = pixels.astype(np.float32)
    if pixels.dtype.kind == "u":
        values /= np.float32(np.iinfo(pixels.dtype).max)
    if to.kind == "u":
        top = np.iinfo(to).max
        values = np.nan_to_num(values, copy=False, nan=0.0, posinf=1.0, neginf=0.0)
        return np.rint(values.clip(0, 1) * np.float32(top)).astype(to)
    return values.astype(to)


def straight(pixels: Pixels) -> Pixels:
    """Undo premultiplication with the last channel."""
    values = unit(pixels).copy()
    alpha = values[..., -1:]
    np.divide(values[..., :-1], alpha, out=values[..., :-1], where=alpha > 0)
    return scaled(values, pixels.dtype)


def resized(values: Pixels, width: int, height: int) -> Pixels:
    """(H, W, C) f32 at another size, bicubic and antialiased as the engine's own."""
    if values.shape[:2] == (height, width):
        return values
    planes = [Image.fromarray(np.ascontiguousarray(values[..., c])) for c in range(values.shape[2])]
    return np.stack([np.asarray(p.resize((width, height), Image.Resampling.BICUBIC)) for p in planes], axis=-1)


def transform(colour: Pixels, source: bytes, target: bytes = SRGB, model: Model = "rgb") -> Pixels:
    """Colours without alpha from one ICC profile to an RGB one: relative colorimetric, at the depth they have."""
    depth = colour.dtype
    wide = np.ascontiguousarray(colour.astype(np.float32) if depth == np.float16 else colour)
    if model == "gray":
        wide = wide[..., 0]
    if model == "cmyk" and wide.dtype.kind == "f":
        wide = wide * np.float32(100)  # lcms counts float ink in per cent
    intent = imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC
    done = imagecodecs.cms_transform(wide, source, target, colorspace=model, outcolorspace="rgb", intent=intent)
    return done.astype(depth, copy=False)


def same_space(one: bytes, other: bytes) -> bool:
    """Whether two RGB profiles mean the same colours to less than half an 8-bit level, measured on a 3×3×3 grid."""
    levels = np.array([0, 0.5, 1], np.float32)
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(1, 27, 3)
    return bool(np.abs(transform(grid, one, other) - grid).max() < 0.5 / 255)


def is_linear(profile: bytes) -> bool:
    """Whether in this RGB profile half the number is half the light; measured, since curves come in many encodings."""
    gray = np.full((1, 1, 3), 0.5, np.float32)
    return abs(float(transform(gray, profile)[0, 0, 1]) - HALF_LINEAR) < 0.02
