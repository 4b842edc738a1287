"""Krita's documents, layers and selections. Everything here runs on the GUI thread; nothing here knows the daemon.

Pixels of 8-bit to float sRGB layers are read and written as they are. Those of every other colour model and profile are
converted by Krita (`colour_space`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

from krita import Document, Krita, Node, Selection

from vaporbrush_host import row_strips
from vaporbrush_host.regions import NOTHING_SELECTED, Place, Region, laid_over
from vaporbrush_host.request import Pixels, coverage
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.limits import MAX_BLOB_BYTES, MAX_SIDE
from vaporbrush_protocol.recipe import CHANNEL_COUNT, DEPTH_BYTES, Image

from . import records
from .colour_space import (
    FILE_SPACE,
    SHARED_SPACE,
    Conversion,
    Form,
    LayerError,
    Space,
    conversion,
    hidden_document,
    native,
    pixel_bytes,
    space_of,
)
from .qt import QtCore

LAYERS = ("paintlayer", "grouplayer", "filelayer", "filterlayer", "filllayer", "clonelayer", "vectorlayer")


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


@dataclass(frozen=True)
class PaintedPart:
    """Which part of a document was painted: a mask (one byte a pixel) over `place`, or all of it."""

    place: Place
    mask: bytes | None

    def over(self, place: Place) -> Pixels | None:
        """The mask over another rectangle; None for all of it. Raises `LayerError` where nothing of that is in it."""
        if self.mask is None:
            return None
        mask = laid_over(self.mask, self.place, place)
        if mask is None:
            raise LayerError(_("The layer was moved away from where it was painted: paint it with “Stylize” instead."))
        return coverage(mask, place)


def id_of(node: Node) -> str:
    """What a layer is known by, in its document's file too."""
    return node.uniqueId().toString()


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


def read(node: Node, place: Place) -> Pixels:
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
    goal: Form = form or ("RGBA", "f32", "srgb")
    row_bytes = place.width * CHANNEL_COUNT[goal[0]] * DEPTH_BYTES[goal[1]]
    if row_bytes * place.height > MAX_BLOB_BYTES:
        raise LayerError(_("The layer “{name}” is too large to be sent.").format(name=node.name()))
    try:
        with nullcontext() if form else conversion(space, SHARED_SPACE) as convert:
            data = row_strips.read(place.height, row_bytes, _reader(node, place, space, convert))
    except row_strips.ShortReadError as error:
        raise LayerError(
            _("Krita did not give the pixels of “{name}” ({reason}). Flatten or convert the layer first.").format(
                name=node.name(), reason=error
            )
        ) from error
    return Pixels(data, place.width, place.height, *goal)


def read_for_file(node: Node, place: Place) -> Pixels:
    """The same in sRGB with 8 or 16 bits, as picture files have them. Raises `LayerError`."""
    space = space_of(node)
    form = native(space)
    if form is not None and form[1] in ("u8", "u16"):
        return read(node, place)
    row_bytes = place.width * CHANNEL_COUNT["BGRA"] * DEPTH_BYTES["u16"]
    with conversion(space, FILE_SPACE) as convert:
        data = row_strips.read(place.height, row_bytes, _reader(node, place, space, convert))
    return Pixels(data, place.width, place.height, "BGRA", "u16", "srgb")


def _getter(node: Node) -> Callable[[int, int, int, int], QtCore.QByteArray]:
    # A paint layer without masks is read from its own pixels, which are right even while it is hidden.
    plain = node.type() == "paintlayer" and not node.childNodes()
    return node.pixelData if plain else node.projectionPixelData


def _reader(node: Node, place: Place, space: Space, convert: Conversion | None) -> Callable[[int, int], bytes]:
    get = _getter(node)

    def band(top: int, rows: int) -> bytes:
        data = get(place.x, place.y + top, place.width, rows)
        if convert is None:
            return data.data()
        if len(data) != place.width * rows * pixel_bytes(space):
            raise row_strips.ShortReadError(f"{len(data)} bytes for {place.width} × {rows} pixels of {' '.join(space)}")
        return convert(data, place.width, rows).data()

    return band


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


def selected_region(document: Document) -> Region:
    """What is selected, as a region for a style. Raises `LayerError` where nothing is."""
    selection = document.selection()
    if selection is None:
        raise LayerError(NOTHING_SELECTED)
    area = Place(selection.x(), selection.y(), selection.width(), selection.height())
    if max(area.width, area.height) > MAX_SIDE:  # an inverted one has no end
        area = canvas(document).meets(area) or area
    data = selection.pixelData(area.x, area.y, area.width, area.height).data()
    region = Region.of(data, area) if len(data) == area.width * area.height > 0 else None
    if region is None:
        raise LayerError(NOTHING_SELECTED)
    return region


def select(document: Document, region: Region) -> None:
    """Make a region the selection, to be changed."""
    place, selection = region.place, Selection()
    selection.setPixelData(QtCore.QByteArray(region.mask()), place.x, place.y, place.width, place.height)
    document.setSelection(selection)


def capture(document: Document, node: Node, *, use_selection: bool) -> Capture:
    """Read a layer (and the selection) to be painted. Raises `LayerError`."""
    place = place_of(document, node)
    return captured(document, node, place, read(node, place), use_selection=use_selection)


def captured(document: Document, node: Node, place: Place, pixels: Pixels, *, use_selection: bool) -> Capture:
    """A layer whose pixels have been read, with the selection over it. Raises `LayerError`."""
    mask = read_selection(document, place) if use_selection else None
    return Capture(document_id(document), node.uniqueId().toString(), node.name(), place, space_of(node), pixels, mask)


def write(layer: Node, space: Space, place: Place, image: Image, pixels: Buffer) -> None:
    """Write a painting (`image` describes `pixels`) into a layer of this colour space. Raises `LayerError`."""
    form = (image.channels, image.depth, image.transfer)
    as_it_is = form == native(space)
    if not as_it_is and form != ("RGBA", "f32", "srgb"):
        raise LayerError(_("The painting came in a form that this layer does not have."))
    put(layer, place, image, pixels, None if as_it_is else SHARED_SPACE, space)


def put(layer: Node, place: Place, image: Image, pixels: Buffer, source: Space | None, space: Space) -> None:
    """Write pixels in strips into a layer of the colour space `space`; those of another, `source`, are converted.

    Raises `LayerError`.
    """
    with nullcontext() if source is None else conversion(source, space) as convert:

        def strip(top: int, rows: int, data: bytes) -> None:
            band = QtCore.QByteArray(data)
            if convert is not None:
                band = convert(band, image.width, rows)
            layer.setPixelData(band, place.x, place.y + top, image.width, rows)

        row_strips.write(image.height, image.width * image.pixel_bytes, pixels, strip)


def insert(document: Document, taken: Capture, image: Image, pixels: Buffer, name: str) -> tuple[Node, bool]:
    """Put a painting above the layer it was made from, as one undo step. Returns (new layer, whether that one is gone).

    `image` describes `pixels`.
    """
    layer = document.createNode(name, "paintlayer")
    if space_of(layer) == taken.space:
        write(layer, taken.space, taken.place, image, pixels)
        return layer, add_above(document, taken.node, layer)
    with hidden_document(taken.space) as hidden:  # to give it its colour space here would be a step of its own
        layer = hidden.createNode(name, "paintlayer")
        write(layer, taken.space, taken.place, image, pixels)
        layer = layer.duplicate()
        layer.setName(name)
        return layer, add_above(document, taken.node, layer)


def paintings_of(document: Document, content: Node) -> list[Node]:
    """The earlier paintings of a layer that stand beside it, above it and in its group; the lowest first."""
    known, content_id = records.of(document), content.uniqueId().toString()
    parent = content.parentNode()
    beside = parent.childNodes() if parent is not None else []
    ids = [node.uniqueId().toString() for node in beside]
    start = ids.index(content_id) + 1 if content_id in ids else len(ids)
    records_above = [(node, known.get(node_id)) for node, node_id in zip(beside[start:], ids[start:], strict=True)]
    return [node for node, one in records_above if isinstance(one, dict) and one.get("content") == content_id]


def add_above(document: Document, node_id: str, layer: Node) -> bool:
    """Add a layer above another and the earlier paintings of that one, which would hide it; on top of everything where
    it was deleted meanwhile. Returns whether it was.
    """
    content = find(document, node_id)
    if content is None:
        document.rootNode().addChildNode(layer, None)
        return True
    below = [content, *paintings_of(document, content)][-1]
    content.parentNode().addChildNode(layer, below)
    return False


def content_and_paintings(document: Document, content_id: str) -> set[str]:
    """The ids of a layer and of the paintings of it."""
    known = records.of(document)
    made = {key for key, one in known.items() if isinstance(one, dict) and one.get("content") == content_id}
    return {content_id, *made}


def region_record(taken: Capture) -> list[int] | None:
    """What is stored about which part was painted; the mask itself is stored beside it."""
    place = taken.place
    return None if taken.mask is None else [place.x, place.y, place.width, place.height]


def painted_part(document: Document, node: Node, record: Mapping[str, Any]) -> PaintedPart | None:
    """The part that was painted of a painted layer; None where its record does not say."""
    if "region" not in record:
        return None
    whole = PaintedPart(place_of(document, node), None)
    found = record["region"]
    if not (isinstance(found, list) and len(found) == 4 and all(isinstance(side, int) for side in found)):
        return whole
    place = Place(*found)
    if not (0 < place.width <= MAX_SIDE and 0 < place.height <= MAX_SIDE):
        return whole
    return PaintedPart(place, records.mask_data(document, id_of(node), place.width * place.height))
