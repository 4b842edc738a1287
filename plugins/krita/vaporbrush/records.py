"""What a document keeps about its paintings: how each was made, and over which part. It is saved in the file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from krita import Document

from vaporbrush_host.regions import Region, unpacked
from vaporbrush_host.request import Pixels

from .qt import QtCore

ANNOTATION = "vaporbrush"
MASK = "vaporbrush-mask-"  # and the painted layer's id
REGION = "vaporbrush-region-"  # and the sha256 of its mask
MAX_RECORDS = 200  # paintings remembered in one document; each is about 2 KB in the saved file


def of(document: Document) -> dict[str, Any]:
    """What is stored about the paintings in a document, by the painted layer's id."""
    try:
        stored = json.loads(document.annotation(ANNOTATION).data().decode("utf-8"))
    except ValueError:  # nothing is stored, or by another program
        return {}
    return stored if isinstance(stored, dict) else {}


def store(
    document: Document,
    key: str,
    record: Mapping[str, Any],
    mask: Pixels | None = None,
    regions: Iterable[Region] = (),
) -> None:
    """Store something about a painting with the document, under its layer's id (or another key), its mask, and the
    regions that the record names by their hashes.
    """
    everything = of(document)
    everything.pop(key, None)
    everything[key] = record
    while len(everything) > MAX_RECORDS:
        oldest = next(iter(everything))
        del everything[oldest]
        document.removeAnnotation(MASK + oldest)
    data = json.dumps(everything, ensure_ascii=False).encode("utf-8")
    document.setAnnotation(ANNOTATION, "Vaporbrush: how layers were painted", QtCore.QByteArray(data))
    if mask is not None:
        packed = zlib.compress(bytes(mask.data), 1)
        document.setAnnotation(MASK + key, "Vaporbrush: where a layer was painted", QtCore.QByteArray(packed))

    stored = {name for name in document.annotationTypes() if name.startswith(REGION)}
    for region in regions:
        if REGION + region.blob not in stored:
            words = "Vaporbrush: where a style painted"
            document.setAnnotation(REGION + region.blob, words, QtCore.QByteArray(region.packed))
    named = data.decode("utf-8")
    for name in stored:
        if name[len(REGION) :] not in named:  # no record has it any more
            document.removeAnnotation(name)


def region_data(document: Document, blob: str) -> bytes | None:
    """The packed mask of a region, by its hash; None where there is none."""
    return document.annotation(REGION + blob).data() or None


def mask_data(document: Document, key: str, size: int) -> bytes | None:
    """The stored mask of a painting: `size` bytes, one a pixel; None where there is none or it is damaged."""
    return unpacked(document.annotation(MASK + key).data(), size)
