"""Where a style paints: a soft mask over a part of a picture, made from a selection. Hosts only read and draw it.

A region belongs to one picture: its place is in that one's coordinates. It is kept packed, for selections are large and
mostly even, and it is known by the sha256 of its mask, as the picture's file and the wire know it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.limits import MAX_SIDE

from .ui_text import _

FULL = 255  # of a mask's byte: the style paints as if there were no region
SAMPLES = 4  # per side, of what one pixel of a thumbnail stands for: a line of a quarter of its width is seen
LEVEL = 1  # of zlib: masks are so even that a higher one saves nothing worth its time
BLOB_LENGTH = 64  # hexadecimal digits of a sha256
# The words of the lists of styles, the same in both editors.
ANOTHER = _("Paint another style here")
ANOTHER_TIP = _("The style that you choose next paints only in the selection, as softly as that is.")
HERE, HERE_SHORT = _("Paint this style here"), _("Paint here")
HERE_TIP = _("Paint this style here: only in the selection, as softly as that is.")
EVERYWHERE, SELECT = _("Paint it everywhere"), _("Select its region")
REGION_TIP = _("Where this style paints. Press for more.")
IN_REGION, IN_THE_REST = _("In its region"), _("In the rest")
INSTEAD_OF_SELECTION = _("Styles have regions: these say where is painted, not the selection.")
NOTHING_SELECTED = _("Nothing is selected: select where the style is to be painted.")


@dataclass(frozen=True)
class Place:
    """A rectangle in the document, in pixels."""

    x: int
    y: int
    width: int
    height: int

    def meets(self, other: Place) -> Place | None:
        """The common part, or None."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Place(left, top, right - left, bottom - top) if right > left and bottom > top else None


def laid_over(mask: bytes, place: Place, other: Place) -> bytes | None:
    """A mask that lies over `place`, one byte a pixel, over the rectangle `other`; None where they have nothing in
    common. What is outside of `place` is 0.
    """
    common = place.meets(other)
    if common is None:
        return None
    left, right = common.x - other.x, other.x + other.width - common.x - common.width
    rows = bytearray(other.width * (common.y - other.y))
    for y in range(common.y - place.y, common.y - place.y + common.height):
        start = y * place.width + common.x - place.x
        rows += bytes(left) + mask[start : start + common.width] + bytes(right)
    rows += bytes(other.width * other.height - len(rows))
    return bytes(rows)


@dataclass(frozen=True)
class Region:
    """Where a style paints. `packed` is the mask by zlib: one byte a pixel over `place`, 255 is wholly."""

    place: Place
    blob: str
    packed: bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, mask: Buffer, place: Place) -> Region | None:
        """The region of a mask over `place`, cut to what is selected; None where nothing is."""
        data = bytes(mask)
        found = _selected(data, place)
        if found is None:
            return None
        cut = data if found == place else laid_over(data, place, found)
        assert cut is not None
        return cls(found, sha256(cut).hexdigest(), zlib.compress(cut, LEVEL))

    @classmethod
    def from_json(cls, raw: object, find: Callable[[str], bytes | None]) -> Region | None:
        """A remembered region. `find` gives the packed mask of a hash. None where it is none, or its mask is gone or
        damaged.
        """
        found, blob = (raw.get("place"), raw.get("mask")) if isinstance(raw, Mapping) else (None, None)
        if not (isinstance(found, list) and len(found) == 4 and all(type(side) is int for side in found)):
            return None
        place = Place(*found)
        if not (0 < place.width <= MAX_SIDE and 0 < place.height <= MAX_SIDE and isinstance(blob, str)):
            return None
        packed = find(blob) if len(blob) == BLOB_LENGTH else None
        data = None if packed is None else unpacked(packed, place.width * place.height)
        if packed is None or data is None or sha256(data).hexdigest() != blob:
            return None
        return cls(place, blob, packed)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, without the mask."""
        place = self.place
        return {"mask": self.blob, "place": [place.x, place.y, place.width, place.height]}

    def mask(self) -> bytes:
        """One byte a pixel over `place`."""
        return zlib.decompress(self.packed)

    def over(self, place: Place) -> bytes | None:
        """The mask over another rectangle; None where nothing of the region is in it."""
        data = laid_over(self.mask(), self.place, place)
        return data if data is not None and data.strip(b"\0") else None

    def thumbnail(self, canvas: Place, most: tuple[int, int]) -> tuple[bytes, int, int]:
        """The region in its picture `canvas`, fitted into `most` (width, height): (grey rows, width, height)."""
        factor = min(most[0] / max(canvas.width, 1), most[1] / max(canvas.height, 1))
        width, height = max(1, round(canvas.width * factor)), max(1, round(canvas.height * factor))
        data, own = self.mask(), self.place
        columns = _samples(canvas.x, canvas.width, width, own.x, own.width)
        rows = []
        for ys in _samples(canvas.y, canvas.height, height, own.y, own.height):
            starts = [y * own.width for y in ys]
            for xs in columns:
                total = sum(data[start + x] for start in starts for x in xs)
                rows.append(total // SAMPLES**2)
        return bytes(rows), width, height


def unpacked(packed: bytes, size: int) -> bytes | None:
    """The `size` bytes of a packed mask, never more; None where it is damaged: a file from elsewhere may hold
    anything.
    """
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(packed, size + 1)
    except zlib.error:  # as above
        return None
    return data if unpack.eof and len(data) == size else None


def _selected(data: bytes, place: Place) -> Place | None:
    """The smallest rectangle around what is selected, in the document; None where nothing is."""
    width = place.width
    before = len(data) - len(data.lstrip(b"\0"))
    if before == len(data):
        return None
    top, bottom = before // width, (len(data.rstrip(b"\0")) - 1) // width + 1
    left, right = width, 0
    for start in range(top * width, bottom * width, width):
        row = data[start : start + width]
        kept = len(row.lstrip(b"\0"))
        if kept:
            left, right = min(left, width - kept), max(right, len(row.rstrip(b"\0")))
    return Place(place.x + left, place.y + top, right - left, bottom - top)


def _samples(begin: int, length: int, count: int, own: int, own_length: int) -> list[list[int]]:
    """For each of `count` pixels of a thumbnail, where in a mask it is looked at, without what is outside of that."""
    step = length / count / SAMPLES
    found = []
    for number in range(count):
        at = [int(begin + (number * SAMPLES + part + 0.5) * step) - own for part in range(SAMPLES)]
        found.append([one for one in at if 0 <= one < own_length])
    return found
