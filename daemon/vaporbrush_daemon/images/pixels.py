"""Raw pixels as they travel ↔ float arrays as they are painted.

Arrays are (H, W, 4) float32: straight RGBA, colours sRGB-encoded, nominally 0 to 1. Eight and sixteen bits survive
the way there and back exactly; `linear` and float pixels need `original` where they must not change by a bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Image

Floats = NDArray[np.float32]
Buffer = bytes | bytearray | memoryview

_DTYPES: dict[str, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
}
_FULL = {"u8": 255.0, "u16": 65535.0}
_ORDER = {"RGB": (0, 1, 2), "RGBA": (0, 1, 2, 3), "BGRA": (2, 1, 0, 3), "GRAY": (0, 0, 0), "GRAYA": (0, 0, 0, 1)}
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # Rec. 709: what a grey layer shows of a coloured painting
# How far beyond 0 or 1 a float may be and still be black or white: hosts convert colours, and half floats near 1 are
# 1/1024 apart. Nobody sees it: an eight-bit level is four times as much.
_SLACK = 1 / 1024
_STRIP = 256  # rows at a time: temporaries stay in the cache, and small beside the picture


def raw(data: Buffer, image: Image) -> NDArray[Any]:
    """The bytes as (H, W, channels) in their own type, without a copy. Raises `bad_field` if their number is wrong."""
    size = memoryview(data).nbytes
    if size != image.size_bytes:
        raise RequestError(
            "bad_field",
            f"The picture's blob has {size} bytes, but {image.width}×{image.height} {image.channels} {image.depth} "
            f"needs {image.size_bytes}.",
        )
    return np.frombuffer(data, _DTYPES[image.depth]).reshape(image.height, image.width, -1)


def decode(data: Buffer, image: Image) -> tuple[Floats, bool]:
    """(H, W, 4) float32 in [0, 1], and whether there were values outside of it (not by rounding only) or no numbers."""
    source = raw(data, image)
    order = _ORDER[image.channels]
    out = np.ones((image.height, image.width, 4), np.float32)
    clipped = False
    table = _table(image)
    for top in range(0, image.height, _STRIP):
        part = source[top : top + _STRIP][..., list(order)]
        target = out[top : top + _STRIP, :, : len(order)]
        if table is not None:
            target[..., :3] = table[part[..., :3]]
            if len(order) == 4:
                np.multiply(part[..., 3], np.float32(1 / _FULL[image.depth]), out=target[..., 3], casting="unsafe")
            continue
        values = part.astype(np.float32)
        safe = np.clip(np.nan_to_num(values, nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)
        clipped = clipped or not np.all(np.abs(values - safe) <= _SLACK)  # of what is no number this is never true
        if image.transfer == "linear":
            safe[..., :3] = encode_srgb(safe[..., :3])
        target[...] = safe
    return out, clipped


def decode_mask(data: Buffer, image: Image) -> Floats:
    """A GRAY image as (H, W) float32 in [0, 1]; a mask's numbers are coverage, so no transfer function applies."""
    source = raw(data, image)[..., 0]
    if image.depth in _FULL:
        return source.astype(np.float32) * np.float32(1 / _FULL[image.depth])
    return np.clip(np.nan_to_num(source.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0), 0.0, 1.0)


def encode(
    pixels: Floats, image: Image, original: Buffer | None = None, untouched: NDArray[np.bool_] | None = None
) -> bytes:
    """(H, W, 4) or (H, W, 3) to the form that `image` describes; where `untouched` (H, W), the bytes of `original`."""
    height, width = pixels.shape[:2]
    order = _ORDER[image.channels]
    grey = image.channels.startswith("GRAY")
    out = np.empty(
        (height, width, (2 if image.channels == "GRAYA" else 1) if grey else len(order)), _DTYPES[image.depth]
    )
    before = None if original is None else raw(original, image)
    for top in range(0, height, _STRIP):
        part = np.clip(pixels[top : top + _STRIP], 0.0, 1.0)
        colour = part[..., :3]
        if image.transfer == "linear":
            colour = decode_srgb(colour)
        if grey:
            colour = (colour @ _LUMA)[..., None]
        elif image.channels == "BGRA":
            colour = colour[..., ::-1]
        target = out[top : top + _STRIP]
        _store(target[..., : colour.shape[-1]], colour, image)
        if target.shape[-1] > colour.shape[-1]:
            alpha = part[..., 3:4] if part.shape[-1] == 4 else np.ones_like(part[..., :1])
            _store(target[..., -1:], alpha, image)
        if before is not None and untouched is not None:
            kept = untouched[top : top + _STRIP]
            target[kept] = before[top : top + _STRIP][kept]
    return out.tobytes()


def encode_srgb(linear: Floats) -> Floats:
    """Linear light to sRGB's encoding (IEC 61966-2-1), [0, 1] to [0, 1]."""
    return np.where(
        linear <= 0.0031308,
        linear * np.float32(12.92),
        np.float32(1.055) * linear ** np.float32(1 / 2.4) - np.float32(0.055),
    ).astype(np.float32)


def decode_srgb(encoded: Floats) -> Floats:
    """sRGB's encoding to linear light."""
    return np.where(
        encoded <= 0.04045,
        encoded * np.float32(1 / 12.92),
        ((encoded + np.float32(0.055)) * np.float32(1 / 1.055)) ** np.float32(2.4),
    ).astype(np.float32)


def _store(target: NDArray[Any], values: Floats, image: Image) -> None:
    full = _FULL.get(image.depth)
    target[...] = values if full is None else np.rint(values * np.float32(full))


def _table(image: Image) -> Floats | None:
    """For integers: the float of every value (a power per pixel would cost a second on a large layer)."""
    if image.depth not in _FULL:
        return None
    values = np.arange(int(_FULL[image.depth]) + 1, dtype=np.float32) * np.float32(1 / _FULL[image.depth])
    return encode_srgb(values) if image.transfer == "linear" else values
