"""A small picture of a large one, by the standard library alone: the front has no decoder, and raw pixels need none.

Of every square that becomes a pixel, a grid of `GRID` by `GRID` samples is averaged: enough to know a picture again,
and some tenths of a second for the largest one.
"""

from __future__ import annotations

import struct
from operator import add, mul
from pathlib import Path

from vaporbrush_daemon.files import open_plain
from vaporbrush_protocol.recipe import CHANNEL_COUNT, Image

SIDE = 128  # pixels, as the styles' thumbnails have
GRID = 3  # samples across and down
FORMATS = {"u8": ("B", 1, 255.0), "u16": ("H", 2, 65535.0), "f16": ("e", 2, 1.0), "f32": ("f", 4, 1.0)}
ORDERS = {"RGB": (0, 1, 2), "RGBA": (0, 1, 2), "BGRA": (2, 1, 0), "GRAY": (0, 0, 0), "GRAYA": (0, 0, 0)}
ALPHAS = {"RGBA": 3, "BGRA": 3, "GRAYA": 1}
PAPER = 1.0  # what shows through where a picture is transparent: white, as a JPEG of it would have


def thumbnail(path: Path, image: Image) -> tuple[int, int, bytes]:
    """Width, height and packed RGB rows, 8 bits, sRGB, of the raw pixels in a file. Raises `OSError`, `ValueError`."""
    step = max(1, -(-max(image.width, image.height) // SIDE))  # source pixels that become one
    width, height = max(1, image.width // step), max(1, image.height // step)
    row_bytes = image.size_bytes // image.height
    rows = []
    with open_plain(path) as file:
        for y in range(height):
            lines = []
            for offset in _offsets(step):
                at = min(y * step + offset, image.height - 1)
                file.seek(at * row_bytes)
                lines.append(file.read(row_bytes))
                if len(lines[-1]) != row_bytes:
                    raise ValueError(f"{path.name} ends at row {at}")
            rows.append(_row(lines, image, step, width))
    return width, height, b"".join(rows)


def _offsets(step: int) -> list[int]:
    return sorted({(2 * i + 1) * step // (2 * GRID) for i in range(GRID)})


def _row(lines: list[bytes], image: Image, step: int, width: int) -> bytes:
    """One row of the small picture from some of the large one's."""
    order, top = ORDERS[image.channels], FORMATS[image.depth][2]
    offsets = _offsets(step)

    def planes(channel: int) -> list[tuple[float, ...]]:
        return [_plane(line, image, step, width, offset, channel) for line in lines for offset in offsets]

    shares = planes(ALPHAS[image.channels]) if image.channels in ALPHAS else []
    if all(min(each) == top for each in shares):
        shares = []  # opaque, as most pictures are
    whole = len(lines) * len(offsets) * top
    bare = [PAPER * (1.0 - one / whole) for one in map(sum, zip(*shares, strict=True))] if shares else [0.0] * width
    out = bytearray(3 * width)
    for place in sorted(set(order)):
        found = planes(place)
        if shares:
            lit = [map(mul, plane, share) for plane, share in zip(found, shares, strict=True)]
            shades = [one / (whole * top) for one in map(sum, zip(*lit, strict=True))]
        else:
            shades = [one / whole for one in map(sum, zip(*found, strict=True))]
        shades = list(map(add, shades, bare))
        if image.transfer == "linear":
            shades = [_encoded(one) for one in shades]
        values = bytes(int(min(1.0, max(0.0, one)) * 255.0 + 0.5) for one in shades)
        for target, source in enumerate(order):
            if source == place:
                out[target::3] = values
    return bytes(out)


def _plane(line: bytes, image: Image, step: int, width: int, offset: int, channel: int) -> tuple[float, ...]:
    """One sample of every `step` pixels of a row."""
    code, size, _ = FORMATS[image.depth]
    pixel = CHANNEL_COUNT[image.channels] * size
    gathered = bytearray(size * width)
    first = min(offset, image.width - 1) * pixel + channel * size
    for byte in range(size):
        gathered[byte::size] = line[first + byte :: step * pixel][:width]
    return struct.unpack(f"<{width}{code}", gathered)


def _encoded(light: float) -> float:
    """Light to a value of sRGB (IEC 61966-2-1)."""
    light = min(1.0, max(0.0, light))
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055
