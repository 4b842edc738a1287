"""Reading and writing a layer in bands: hosts count a read's bytes in 31 bits, and one huge copy stalls the canvas."""

from __future__ import annotations

from collections.abc import Callable, Iterator

BAND_BYTES = 32 * 1024 * 1024  # tens of milliseconds of copying in either host; far below the 2 GiB limit

Read = Callable[[int, int], bytes]  # (first row, rows) → their bytes
Write = Callable[[int, int, bytes], None]  # (first row, rows, their bytes)


class ShortReadError(Exception):
    """The host gave another number of bytes than the layer's size and format ask for."""


def bands(height: int, row_bytes: int, band_bytes: int = BAND_BYTES) -> Iterator[tuple[int, int]]:
    """(first row, rows) of each band, from the top; a band has at least one row."""
    rows = max(1, band_bytes // max(1, row_bytes))
    for top in range(0, height, rows):
        yield top, min(rows, height - top)


def read(height: int, row_bytes: int, get: Read, band_bytes: int = BAND_BYTES) -> bytearray:
    """The whole picture in one buffer. Raises `ShortReadError`."""
    pixels = bytearray(height * row_bytes)
    for top, rows in bands(height, row_bytes, band_bytes):
        band = get(top, rows)
        if len(band) != rows * row_bytes:
            raise ShortReadError(f"{rows} rows of {row_bytes} bytes were asked for, {len(band)} bytes came")
        pixels[top * row_bytes : (top + rows) * row_bytes] = band
    return pixels


def write(
    height: int, row_bytes: int, pixels: bytes | bytearray | memoryview, put: Write, band_bytes: int = BAND_BYTES
) -> None:
    """Write the whole picture. Raises `ShortReadError` where the pixels do not fit."""
    view = memoryview(pixels).cast("B")
    if len(view) != height * row_bytes:
        raise ShortReadError(f"{height} rows of {row_bytes} bytes are needed, {len(view)} bytes came")
    for top, rows in bands(height, row_bytes, band_bytes):
        put(top, rows, bytes(view[top * row_bytes : (top + rows) * row_bytes]))
