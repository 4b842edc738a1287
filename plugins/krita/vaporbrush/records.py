"""What a document keeps about its paintings: how each was made, and over which part. It is saved in the file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from krita import Document

from vaporbrush_host.request import Pixels

from .qt import QtCore

ANNOTATION = "vaporbrush"
MASK = "vaporbrush-mask-"  # and the painted layer's id
MAX_RECORDS = 200  # paintings remembered in one document; each is about 2 KB in the saved file


def of(document: Document) -> dict[str, Any]:
    """What is stored about the paintings in a document, by the painted layer's id."""
    try:
        stored = json.loads(document.annotation(ANNOTATION).data().decode("utf-8"))
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}


def store(document: Document, key: str, record: Mapping[str, Any], mask: Pixels | None = None) -> None:
    """Store something about a painting with the document, under its layer's id (or another key), and its mask."""
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


def mask_data(document: Document, key: str, size: int) -> bytes | None:
    """The stored mask of a painting: `size` bytes, one a pixel; None where there is none or it is damaged."""
    packed = document.annotation(MASK + key).data()
    unpack = zlib.decompressobj()
    try:
        data = unpack.decompress(packed, size + 1)  # a file from elsewhere may hold anything
    except zlib.error:
        return None
    return data if len(data) == size else None
