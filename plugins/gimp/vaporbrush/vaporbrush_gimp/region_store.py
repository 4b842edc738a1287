"""Where the masks of regions are kept: with each painted layer in its file, and those used last with the open image."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gi.repository import Gimp

from vaporbrush_host.regions import Region

REGION = "vaporbrush-region-"  # and the sha256 of its mask: on a layer, saved with it
LAST = "vaporbrush-last-regions"  # on an image, until it is closed: Repeat after an undo, which takes the layer away
FLEETING = 0  # a parasite's flags: neither saved nor a step of the undo history


def keep(layer: Any, regions: Sequence[Region]) -> None:
    """Keep the masks of a painting with its layer."""
    for region in regions:
        layer.attach_parasite(Gimp.Parasite.new(REGION + region.blob, Gimp.PARASITE_PERSISTENT, _text(region)))


def keep_last(image: Any, regions: Sequence[Region]) -> None:
    """These were used last in this image."""
    kept = {region.blob: _text(region).decode() for region in regions}
    image.attach_parasite(Gimp.Parasite.new(LAST, FLEETING, json.dumps(kept).encode()))


def finder(image: Any) -> Callable[[str], bytes | None]:
    """Finds the packed mask of a hash in an image; None where it is not there."""

    def find(blob: str) -> bytes | None:
        last = image.get_parasite(LAST)
        try:
            kept = json.loads(bytes(last.get_data())) if last is not None else {}
        except ValueError:  # the file comes from elsewhere, and what it keeps is damaged: nothing is kept
            kept = {}
        packed = kept.get(blob) if isinstance(kept, dict) else None
        if isinstance(packed, str):
            return _packed(packed.encode())
        found = (layer.get_parasite(REGION + blob) for layer in _all(image.get_layers()))
        return next((_packed(bytes(one.get_data())) for one in found if one is not None), None)

    return find


def _text(region: Region) -> bytes:
    """A mask as text: PyGObject takes a parasite's data for signed numbers, and refuses bytes above 127."""
    return base64.b64encode(region.packed)


def _packed(text: bytes) -> bytes | None:
    """The way back; None where it is damaged, in a file from elsewhere."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:  # as above
        return None


def _all(layers: Sequence[Any]) -> Iterator[Any]:
    for layer in layers:
        yield layer
        if layer.is_group():
            yield from _all(layer.get_children())
