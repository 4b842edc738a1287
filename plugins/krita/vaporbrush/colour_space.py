"""Colour spaces of Krita's layers, and pixels from one to another by Krita's own colour management."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from krita import Document, Krita, Node

from vaporbrush_host.ui_text import _
from vaporbrush_protocol.recipe import DEPTH_BYTES, Channels, Depth, Transfer

from .qt import QtCore

Space = tuple[str, str, str]  # model, depth, profile, as Krita's calls want them
Form = tuple[Channels, Depth, Transfer]  # as the recipe has them
Conversion = Callable[[QtCore.QByteArray, int, int], QtCore.QByteArray]  # of pixels, their width and height

SRGB = "sRGB-elle-V2-srgbtrc.icc"
LINEAR = "sRGB-elle-V2-g10.icc"
TRANSFER: dict[str, Transfer] = {
    SRGB: "srgb",
    "sRGB built-in": "srgb",
    LINEAR: "linear",
}  # the profiles that need no conversion
DEPTHS: dict[str, Depth] = {"U8": "u8", "U16": "u16", "F16": "f16", "F32": "f32"}
SHARED_SPACE = ("RGBA", "F32", SRGB)  # what every other colour space is converted to
FILE_SPACE = ("RGBA", "U16", SRGB)  # what a layer is converted to for a picture file
CHANNELS_OF_MODEL = {"A": 1, "GRAYA": 2, "RGBA": 4, "XYZA": 4, "LABA": 4, "YCbCrA": 4, "CMYKA": 5}
HIDDEN_SIDE, HIDDEN_DPI = 1, 72.0  # of a document in which only layers of their own are used


class LayerError(Exception):
    """What was asked for cannot be done with this layer; the message is one sentence for the painter."""


def space_of(node: Node) -> Space:
    """A layer's colour space as Krita's calls want it: model, depth, profile."""
    return (node.colorModel(), node.colorDepth(), node.colorProfile())


def pixel_bytes(space: Space) -> int:
    """Bytes of one pixel of a colour space; 0 where it cannot be read."""
    return CHANNELS_OF_MODEL.get(space[0], 0) * DEPTH_BYTES.get(DEPTHS.get(space[1], ""), 0)


def native(space: Space) -> Form | None:
    """(channels, depth, transfer) of pixels that travel without conversion, or None."""
    model, depth, profile = space
    if model != "RGBA" or depth not in DEPTHS or profile not in TRANSFER:
        return None
    # Krita keeps integers as B,G,R,A and floats as R,G,B,A
    return ("BGRA" if depth in ("U8", "U16") else "RGBA", DEPTHS[depth], TRANSFER[profile])


@contextmanager
def hidden_document(space: Space) -> Iterator[Document]:
    """A document that nobody sees, for layers of this colour space.

    To give a layer another colour space is a step of its document's undo history, even of a layer that is not in it: in
    the painter's own document it would mark the file as changed and end what can be redone.
    """
    hidden = Krita.instance().createDocument(HIDDEN_SIDE, HIDDEN_SIDE, "Vaporbrush", *space, HIDDEN_DPI)
    hidden.setBatchmode(True)
    try:
        yield hidden
    finally:
        hidden.setModified(False)
        hidden.close()


@contextmanager
def conversion(source: Space, goal: Space) -> Iterator[Conversion]:
    """What converts pixels. Raises `LayerError` where Krita cannot."""
    with hidden_document(source) as hidden:

        def convert(data: QtCore.QByteArray, width: int, rows: int) -> QtCore.QByteArray:
            scratch = hidden.createNode("vaporbrush", "paintlayer")
            if space_of(scratch) != source:  # a profile that no document can have
                scratch.setColorSpace(*source)
            scratch.setPixelData(data, 0, 0, width, rows)
            if not scratch.setColorSpace(*goal):
                raise LayerError(
                    _("Krita cannot convert {source} to {goal}.").format(source=" ".join(source), goal=" ".join(goal))
                )
            return scratch.pixelData(0, 0, width, rows)

        yield convert
