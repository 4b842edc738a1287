"""Krita's documents, layers and selections. Everything here runs on the GUI thread; nothing here knows the daemon.

Pixels of 8-bit to float sRGB layers are read and written as they are. Every other colour model and profile goes through
a layer that belongs to no document: filled in the source's colour space, converted by Krita, and read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from krita import Document, Krita, Node

from vaporbrush_host import row_strips
from vaporbrush_host.request import Pixels
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.limits import MAX_BLOB_BYTES, MAX_SIDE
from vaporbrush_protocol.recipe import CHANNEL_COUNT, DEPTH_BYTES, Channels, Depth, Image, Transfer

from .qt import QtCore

Space = tuple[str, str, str]  # model, depth, profile, as Krita's calls want them
Form = tuple[Channels, Depth, Transfer]  # as the recipe has them

SRGB = "sRGB-elle-V2-srgbtrc.icc"
LINEAR = "sRGB-elle-V2-g10.icc"
TRANSFER: dict[str, Transfer] = {
    SRGB: "srgb",
    "sRGB built-in": "srgb",
    LINEAR: "linear",
}  # the profiles that need no conversion
DEPTHS: dict[str, Depth] = {"U8": "u8", "U16": "u16", "F16": "f16", "F32": "f32"}
SHARED_SPACE = ("RGBA", "F32", SRGB)  # what every other colour space is converted to
CHANNELS_OF_MODEL = {"A": 1, "GRAYA": 2, "RGBA": 4, "XYZA": 4, "LABA": 4, "YCbCrA": 4, "CMYKA": 5}
LAYERS = ("paintlayer", "grouplayer", "filelayer", "filterlayer", "filllayer", "clonelayer", "vectorlayer")
ANNOTATION = "vaporbrush"
MAX_RECORDS = 200  # paintings remembered in one document; each is about 2 KB in the saved file


class LayerError(Exception):
    """What was asked for cannot be done with this layer; the message is one sentence for the painter."""


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


@dataclass(frozen=True)
class Capture:
    """A layer as it was when the painting was asked for: everything that putting the result back needs."""

    document: str
    node: str
    name: str
    place: Place
    space: Space
    pixels: Pixels | None  # None once they are sent
    mask: Pixels | None = None

    def without_pixels(self) -> Capture:
        """The same, which holds on to no layer's content."""
        return replace(self, pixels=None)


def document_id(document: Document | None) -> str:
    """What a document is known by while Krita runs, and in the saved file: its root layer's id."""
    root = document.rootNode() if document is not None else None
    return root.uniqueId().toString() if root is not None else ""


def documents() -> dict[str, Document]:
    """The open documents, by id."""
    return {key: document for document in Krita.instance().documents() if (key := document_id(document))}


def shown() -> dict[str, Document]:
    """The documents that a person sees, by id: those with a view."""
    seen = (view.document() for view in Krita.instance().views())
    return {key: document for document in seen if (key := document_id(document))}


def nodes(root: Node) -> Iterator[Node]:
    """All layers below a layer, topmost first, without masks."""
    for child in reversed(root.childNodes()):
        if child.type() in LAYERS:
            yield child
            yield from nodes(child)


def find(document: Document, node_id: str) -> Node | None:
    """The layer of this id, or None where it was deleted."""
    return next((n for n in nodes(document.rootNode()) if n.uniqueId().toString() == node_id), None)


def active_layer(document: Document | None) -> Node | None:
    """The active layer, or for a mask the layer it belongs to; None while the document loads."""
    node = document.activeNode() if document is not None else None
    while node is not None and node.type() not in LAYERS:
        node = node.parentNode()
    return node


def canvas(document: Document) -> Place:
    """The document's own rectangle."""
    return Place(document.xOffset(), document.yOffset(), document.width(), document.height())


def place_of(document: Document, node: Node) -> Place:
    """Where a layer has pixels: what lies beyond the canvas counts for paint layers; others end at the canvas."""
    rect = node.bounds()
    place = Place(rect.x(), rect.y(), rect.width(), rect.height())
    if node.type() in ("paintlayer", "filelayer", "clonelayer"):
        sensible = place.width <= MAX_SIDE and place.height <= MAX_SIDE
        return place if sensible else (canvas(document).meets(place) or place)
    if node.type() == "filllayer":
        return canvas(document)
    return canvas(document).meets(place) or Place(place.x, place.y, 0, 0)


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


def read(document: Document, node: Node, place: Place) -> Pixels:
    """The pixels of a layer with its masks, groups with all that is in them. Raises `LayerError`."""
    if place.width < 1 or place.height < 1:
        raise LayerError(
            _("The layer “{name}” is empty: paint on it first, or choose another.").format(name=node.name())
        )
    if max(place.width, place.height) > MAX_SIDE:
        raise LayerError(
            _("The layer “{name}” is {width} × {height} pixels; at most {most} a side can be painted.").format(
                name=node.name(), width=place.width, height=place.height, most=MAX_SIDE
            )
        )
    space = space_of(node)
    form = native(space)
    if not pixel_bytes(space):
        raise LayerError(
            _("The layer “{name}” has the colour space {space}, which cannot be read.").format(
                name=node.name(), space=" ".join(space)
            )
        )
    if form is None:
        goal: Form = ("RGBA", "f32", "srgb")
        get = _converting(document, node, place, space)
    else:
        goal = form
        get = _plain(node, place)
    row_bytes = place.width * CHANNEL_COUNT[goal[0]] * DEPTH_BYTES[goal[1]]
    if row_bytes * place.height > MAX_BLOB_BYTES:
        raise LayerError(_("The layer “{name}” is too large to be sent.").format(name=node.name()))
    try:
        data = row_strips.read(place.height, row_bytes, get)
    except row_strips.ShortReadError as error:
        raise LayerError(
            _("Krita did not give the pixels of “{name}” ({reason}). Flatten or convert the layer first.").format(
                name=node.name(), reason=error
            )
        ) from error
    return Pixels(data, place.width, place.height, *goal)


def _getter(node: Node) -> Callable[[int, int, int, int], QtCore.QByteArray]:
    # A paint layer without masks is read from its own pixels, which are right even while it is hidden.
    plain = node.type() == "paintlayer" and not node.childNodes()
    return node.pixelData if plain else node.projectionPixelData


def _plain(node: Node, place: Place) -> Callable[[int, int], bytes]:
    get = _getter(node)
    return lambda top, rows: get(place.x, place.y + top, place.width, rows).data()


def _converting(document: Document, node: Node, place: Place, space: Space) -> Callable[[int, int], bytes]:
    get = _getter(node)

    def band(top: int, rows: int) -> bytes:
        data = get(place.x, place.y + top, place.width, rows)
        if len(data) != place.width * rows * pixel_bytes(space):
            raise row_strips.ShortReadError(f"{len(data)} bytes for {place.width} × {rows} pixels of {' '.join(space)}")
        return _converted(document, data, place.width, rows, space, SHARED_SPACE).data()

    return band


def _converted(
    document: Document, data: QtCore.QByteArray, width: int, rows: int, source: Space, goal: Space
) -> QtCore.QByteArray:
    """Pixels in another colour space, by way of a layer that belongs to no document."""
    scratch = document.createNode("vaporbrush", "paintlayer")
    scratch.setColorSpace(*source)
    scratch.setPixelData(data, 0, 0, width, rows)
    if not scratch.setColorSpace(*goal):
        raise LayerError(
            _("Krita cannot convert {source} to {goal}.").format(source=" ".join(source), goal=" ".join(goal))
        )
    return scratch.pixelData(0, 0, width, rows)


def read_selection(document: Document, place: Place) -> Pixels | None:
    """The selection over a rectangle as one byte a pixel; None without a selection. Raises `LayerError`."""
    selection = document.selection()
    if selection is None:
        return None
    area = Place(selection.x(), selection.y(), selection.width(), selection.height())
    if area.width < 1 or area.height < 1 or area.meets(place) is None:
        raise LayerError(_("Nothing of this layer is selected. Select a part of it, or switch “Use selection” off."))
    data = row_strips.read(
        place.height,
        place.width,
        lambda top, rows: selection.pixelData(place.x, place.y + top, place.width, rows).data(),
    )
    return Pixels(data, place.width, place.height, "GRAY", "u8", "srgb")


def capture(document: Document, node: Node, *, use_selection: bool) -> Capture:
    """Read a layer (and the selection) to be painted. Raises `LayerError`."""
    place = place_of(document, node)
    return captured(document, node, place, read(document, node, place), use_selection=use_selection)


def captured(document: Document, node: Node, place: Place, pixels: Pixels, *, use_selection: bool) -> Capture:
    """A layer whose pixels have been read, with the selection over it. Raises `LayerError`."""
    mask = read_selection(document, place) if use_selection else None
    return Capture(document_id(document), node.uniqueId().toString(), node.name(), place, space_of(node), pixels, mask)


def write(document: Document, layer: Node, space: Space, place: Place, image: Image, pixels: Buffer) -> None:
    """Write a painting (`image` describes `pixels`) into a layer of this colour space. Raises `LayerError`."""
    form = (image.channels, image.depth, image.transfer)
    as_it_is = form == native(space)
    if not as_it_is and form != ("RGBA", "f32", "srgb"):
        raise LayerError(_("The painting came in a form that this layer does not have."))

    def put(top: int, rows: int, data: bytes) -> None:
        band = QtCore.QByteArray(data)
        if not as_it_is:
            band = _converted(document, band, image.width, rows, SHARED_SPACE, space)
        layer.setPixelData(band, place.x, place.y + top, image.width, rows)

    row_strips.write(image.height, image.width * image.pixel_bytes, pixels, put)


def insert(document: Document, taken: Capture, image: Image, pixels: Buffer, name: str) -> tuple[Node, bool]:
    """Put a painting above the layer it was made from, as one undo step. Returns (new layer, whether that one is gone).

    `image` describes `pixels`.
    """
    layer = document.createNode(name, "paintlayer")
    if space_of(layer) != taken.space:
        layer.setColorSpace(*taken.space)
    write(document, layer, taken.space, taken.place, image, pixels)
    return layer, add_above(document, taken.node, layer)


def add_above(document: Document, node_id: str, layer: Node) -> bool:
    """Add a layer above another, or on top where that one was deleted meanwhile. Returns whether it was."""
    below = find(document, node_id)
    parent = below.parentNode() if below is not None else document.rootNode()
    parent.addChildNode(layer, below)
    return below is None


def records(document: Document) -> dict[str, Any]:
    """What is stored about the paintings in a document, by the painted layer's id."""
    try:
        stored = json.loads(document.annotation(ANNOTATION).data().decode("utf-8"))
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}


def store(document: Document, key: str, record: Mapping[str, Any]) -> None:
    """Store something about a painting with the document, under its layer's id (or another key)."""
    everything = records(document)
    everything.pop(key, None)
    everything[key] = record
    while len(everything) > MAX_RECORDS:
        del everything[next(iter(everything))]
    data = json.dumps(everything, ensure_ascii=False).encode("utf-8")
    document.setAnnotation(ANNOTATION, "Vaporbrush: how layers were painted", QtCore.QByteArray(data))
