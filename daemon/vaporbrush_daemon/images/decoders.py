"""What is in a PNG, TIFF, JPEG or WebP file: its pixels in its own colour model, and what stands beside them.

Pillow reads 16-bit RGB silently as 8 bits, so PNG goes through imagecodecs and TIFF through tifffile.
"""

from __future__ import annotations

import io
import json
import logging
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from PIL import ExifTags, Image, UnidentifiedImageError

from vaporbrush_daemon import machine
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.limits import MAX_BLOB_BYTES, MAX_SIDE

from . import png_chunks
from .profiles import Model, Pixels, scaled, straight

KEYWORD = "vaporbrush"  # of the PNG text that holds the recipe
COPIES = 3  # of a picture while it is read: as decoded, put together, turned upright
DEFLATE_LIMIT = 1032  # deflate cannot shrink more than this; a header that claims more lies or the file is cut

Image.MAX_IMAGE_PIXELS = None  # `check_bounds` checks sizes, against the limits of the wire
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it has to say about odd tags would land in the terminal


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a decoder found: (H, W, C) in the file's own colour model, alpha last, not yet upright."""

    pixels: Pixels
    model: Model
    profile: bytes | None = None
    exif: bytes | None = None
    orientation: int = 1
    recipe: Mapping[str, Any] | None = None


def decode_png(path: Path, data: bytes) -> Decoded:
    if len(data) < 33:
        raise RequestError("bad_field", f"{path} is damaged and cannot be read (it ends after {len(data)} bytes).")
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    check_bounds(path, width, height, 4 * (2 if bits == 16 else 1))
    if width * height * bits // 8 > DEFLATE_LIMIT * len(data):
        raise RequestError("bad_field", f"{path} is damaged: {len(data)} bytes cannot hold {width}×{height} pixels.")
    profile = exif = None
    for kind, payload in png_chunks.read(data):
        if kind == b"iCCP":
            profile = png_chunks.profile_of(payload)
        elif kind == b"eXIf":
            exif = payload
    pixels = imagecodecs.png_decode(data)
    pixels = pixels.reshape(height, width, -1)
    model: Model = "gray" if pixels.shape[2] < 3 else "rgb"
    if colour == 3 and profile and profile[16:20] != b"RGB ":
        profile = None
    tags, orientation = _exif(exif)
    return Decoded(pixels, model, profile, tags, orientation, recipe_in(data))


def recipe_in(data: bytes) -> Mapping[str, Any] | None:
    for kind, payload in png_chunks.read(data):
        text = png_chunks.text_of(payload, KEYWORD) if kind == b"iTXt" else None
        if text is not None:
            try:
                found = json.loads(text)
            except (ValueError, RecursionError):  # another program wrote it, or it is damaged
                return None
            return found if isinstance(found, dict) else None
    return None


def decode_tiff(path: Path, data: bytes) -> Decoded:
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages.first
        tags = {tag.code: tag.value for tag in page.tags}
        samples, bits = int(page.samplesperpixel), int(page.bitspersample)
        check_bounds(path, page.imagewidth, page.imagelength, samples * max(1, bits // 8))
        if any(at + size > len(data) for at, size in zip(page.dataoffsets, page.databytecounts, strict=False)):
            raise RequestError("bad_field", f"{path} is damaged: it ends before its pixels do.")
        pixels = page.asarray()
    if page.imagedepth != 1:
        raise RequestError("bad_field", f"{path} is a volume of {page.imagedepth} slices, not a picture.")
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    planar = samples > 1 and int(page.planarconfig) == 2
    pixels = np.moveaxis(pixels, 0, -1) if planar else pixels.reshape(page.imagelength, page.imagewidth, -1)
    if photometric.name == "PALETTE":
        palette = np.asarray(page.colormap)  # (3, 2**bits), 16 bits each
        pixels, bits = np.moveaxis(palette, 0, -1)[pixels[..., 0]], 16
        photometric = tifffile.PHOTOMETRIC.RGB
    pixels = _whole_depth(path, pixels, bits)
    models: dict[str, tuple[Model, int]] = {
        "MINISWHITE": ("gray", 1), "MINISBLACK": ("gray", 1), "RGB": ("rgb", 3), "YCBCR": ("rgb", 3),
        "SEPARATED": ("cmyk", 4),
    }  # fmt: skip
    if photometric.name not in models or pixels.shape[2] < models[photometric.name][1]:
        raise RequestError("bad_field", f"{path} is a TIFF in {photometric.name} colours; save it as RGB.")
    model, colours = models[photometric.name]
    extra = tuple(int(sample) for sample in page.extrasamples)
    has_alpha = pixels.shape[2] > colours and extra[:1] in ((0,), (1,), (2,))
    pixels = pixels[..., : colours + has_alpha]
    if photometric.name == "MINISWHITE":
        pixels = pixels.copy()
        pixels[..., 0] = (1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max) - pixels[..., 0]
    if has_alpha and extra[0] == 1:
        pixels = straight(pixels)
    profile = tags.get(34675)
    return Decoded(
        pixels, model, bytes(profile) if isinstance(profile, (bytes, bytearray)) else None, None, int(tags.get(274, 1))
    )


def _whole_depth(path: Path, pixels: Pixels, bits: int) -> Pixels:
    """One of the four depths of the wire."""
    if pixels.dtype.kind == "f":
        return pixels if pixels.dtype == np.float16 else pixels.astype(np.float32)
    if pixels.dtype.kind == "b":
        return pixels.astype(np.uint8) * np.uint8(255)
    if pixels.dtype.kind != "u":
        raise RequestError(
            "bad_field", f"{path} has pixels of type {pixels.dtype}; save it with 8 or 16 bits or float."
        )
    if bits in (8, 16):
        return pixels
    values = pixels.astype(np.float64) / (2**bits - 1)
    return scaled(values.astype(np.float32), np.dtype(np.uint8 if bits < 8 else np.uint16 if bits < 16 else np.float32))


def decode_with_pillow(path: Path, data: bytes) -> Decoded:
    try:
        image = Image.open(io.BytesIO(data), formats=("JPEG", "WEBP"))
    except UnidentifiedImageError:
        raise RequestError("bad_field", f"{path} is damaged and cannot be read (its header makes no sense).") from None
    with image:
        check_bounds(path, *image.size, 4)
        profile, exif = image.info.get("icc_profile"), image.info.get("exif")
        image.load()
        model: Model = "gray" if image.mode in ("L", "LA") else "cmyk" if image.mode == "CMYK" else "rgb"
        known = image.mode in ("L", "LA", "RGB", "RGBA", "CMYK")
        pixels = np.asarray(image if known else image.convert("RGB"))
    tags, orientation = _exif(exif)
    return Decoded(pixels.reshape(*pixels.shape[:2], -1), model, profile, tags, orientation)


def _exif(raw: bytes | None) -> tuple[bytes | None, int]:
    """EXIF without orientation and thumbnail (the pixels will be upright, the thumbnail would show the unpainted
    picture), and the orientation. Damaged EXIF is dropped: it does not keep anyone from painting.
    """
    if not raw:
        return None, 1
    exif = Image.Exif()
    try:
        exif.load(raw)
        orientation = int(exif.pop(ExifTags.Base.Orientation, 1))
        return exif.tobytes() if len(exif) else None, orientation
    except (ValueError, TypeError, KeyError, SyntaxError, OSError, struct.error, ZeroDivisionError):  # as above
        return None, 1


def check_bounds(path: Path, width: int, height: int, pixel_bytes: int) -> None:
    """Refuse before a decoder allocates. Raises `RequestError`, or `out_of_memory`."""
    if not 1 <= width <= MAX_SIDE or not 1 <= height <= MAX_SIDE:
        raise RequestError("too_large", f"{path} is {width}×{height} pixels; each side may have at most {MAX_SIDE}.")
    if width * height * pixel_bytes > MAX_BLOB_BYTES:
        raise RequestError("too_large", f"{path} is {width}×{height} pixels, more than {MAX_BLOB_BYTES // 2**30} GiB.")
    machine.check_memory(f"{path}, a picture of {width}×{height} pixels,", width * height * pixel_bytes * COPIES)
