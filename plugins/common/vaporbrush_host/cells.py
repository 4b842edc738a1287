"""What is compared of a film's frame to find its cuts: the mean colours of its parts, in plain Python, for hosts have
no numpy. The command line looks at more pixels of each and finds the same cuts.
"""

from __future__ import annotations

import struct

from vaporbrush_protocol.cuts import GRID
from vaporbrush_protocol.recipe import CHANNEL_COUNT, DEPTH_BYTES, Channels, Depth

from .request import Pixels

SAMPLES = 6  # pixels a side of a cell that are looked at: all of them take a hundredth of a second
CODES: dict[Depth, str] = {"u8": "B", "u16": "H", "f16": "e", "f32": "f"}
WHITE: dict[Depth, float] = {"u8": 255.0, "u16": 65535.0, "f16": 1.0, "f32": 1.0}
ORDER: dict[Channels, tuple[int, int, int]] = {
    "RGB": (0, 1, 2), "RGBA": (0, 1, 2), "BGRA": (2, 1, 0), "GRAY": (0, 0, 0), "GRAYA": (0, 0, 0),
}  # fmt: skip


def cells_of(pixels: Pixels) -> tuple[float, ...]:
    """The mean colours of a frame's GRID × GRID cells for `vaporbrush_protocol.cuts`, from 0 to 1; of a picture with
    fewer pixels a side, of these. Transparent pixels count as black.
    """
    rows, columns = _sampled(pixels.height), _sampled(pixels.width)
    count = CHANNEL_COUNT[pixels.channels]
    read = struct.Struct(f"<{count}{CODES[pixels.depth]}").unpack_from
    red, green, blue = ORDER[pixels.channels]
    alpha = pixels.channels in ("RGBA", "BGRA", "GRAYA")
    white = WHITE[pixels.depth]
    pixel_bytes = count * DEPTH_BYTES[pixels.depth]
    found: list[float] = []
    for band in rows:
        for part in columns:
            sums = [0.0, 0.0, 0.0]
            for y in band:
                for x in part:
                    values = read(pixels.data, (y * pixels.width + x) * pixel_bytes)
                    covered = values[-1] / white if alpha else 1.0
                    sums[0] += values[red] * covered
                    sums[1] += values[green] * covered
                    sums[2] += values[blue] * covered
            found += [one / (white * len(band) * len(part)) for one in sums]
    return tuple(found)


def _sampled(side: int) -> list[list[int]]:
    """Where each cell of a side is looked at."""
    cells = min(GRID, side)
    found = []
    for cell in range(cells):
        first, last = side * cell // cells, side * (cell + 1) // cells
        samples = min(SAMPLES, last - first)
        found.append([first + (last - first) * (2 * sample + 1) // (2 * samples) for sample in range(samples)])
    return found
