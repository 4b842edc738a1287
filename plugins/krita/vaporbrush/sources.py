"""Where styles come from in Krita: bundled ones, layers of all open documents, picture files. GUI thread only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from krita import Document, Krita, Node

from vaporbrush_host import png, presets
from vaporbrush_host.controls import Values
from vaporbrush_host.daemon_monitor import BundledStyle
from vaporbrush_host.regions import Place
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput, StyleRef, region_over
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.job import Preview
from vaporbrush_protocol.presets import NewStyle

from . import layers
from .colour_space import LayerError
from .qt import Qt, QtCore, QtGui

PICTURE_FILES = "*.png *.jpg *.jpeg *.webp *.tif *.tiff *.bmp *.gif *.kra *.ora *.psd *.exr *.xcf"
RECENT_FILES = 12
UNKNOWN_SIZE = (512, 512)  # px; of a style that is not chosen yet


def title(ref: StyleRef, bundled: Sequence[BundledStyle] = ()) -> str:
    """What a style is called: a layer's or a file's name, a bundled style's title as far as the daemon has told it."""
    if ref.kind == "bundled":
        return next((style.title for style in bundled if style.name == ref.name), ref.name)
    return Path(ref.name).stem if ref.kind == "file" else ref.name


def is_file(path: str) -> bool:
    """Whether a file is there. By Qt: Krita's Python may take file names for Latin-1 (see `endpoint.native`)."""
    return QtCore.QFileInfo(path).isFile()


def layer_refs(own: str | None = None) -> Iterator[tuple[StyleRef, Document, Node]]:
    """Every layer of every open document that could be a style, the active document's first; without `own`."""
    active = layers.document_id(Krita.instance().activeDocument())
    for key, document in sorted(layers.shown().items(), key=lambda item: item[0] != active):
        for node in layers.nodes(document.rootNode()):
            node_id = node.uniqueId().toString()
            place = layers.place_of(document, node)
            if node_id != own and place.width > 0 and place.height > 0 and node.type() != "filterlayer":
                yield StyleRef("layer", node.name(), node_id, key), document, node


def layer_of(ref: StyleRef) -> tuple[Document, Node] | None:
    """(document, layer) of a layer reference: by id, and after reopening a file by the layer's name. Else None."""
    for document in layers.shown().values():
        node = layers.find(document, ref.layer)
        if node is not None:
            return document, node
    return None


def layer_found(ref: StyleRef) -> tuple[Document, Node]:
    """The same, or `LayerError` where it is gone."""
    found = layer_of(ref)
    if found is None:
        raise LayerError(
            _("The style layer “{name}” is not there any more. Choose another style.").format(name=ref.name)
        )
    return found


def thumbnail(ref: StyleRef, side: int, bundled: Sequence[BundledStyle] = ()) -> QtGui.QImage | None:
    """A small QImage of a style at most `side` pixels large, or None where it cannot be had."""
    if ref.kind == "layer":
        found = layer_of(ref)
        return None if found is None else layer_thumbnail(found[1], side)
    if ref.kind == "file":
        return file_thumbnail(ref.name, side)
    style = next((s for s in bundled if s.name == ref.name), None)
    return None if style is None or not style.thumb else bundled_thumbnail(style)


def layer_thumbnail(node: Node, side: int) -> QtGui.QImage | None:
    """A layer's thumbnail in its own aspect ratio."""
    rect = node.bounds()
    longest = max(rect.width(), rect.height(), 1)
    image = node.thumbnail(max(1, rect.width() * side // longest), max(1, rect.height() * side // longest))
    return image if image is not None and not image.isNull() else None


def small_styles(refs: Sequence[StyleRef], side: int) -> tuple[StyleInput, ...]:
    """Styles at most `side` pixels large: more of one is not seen in a small painting. Raises `LayerError`."""
    if not refs:
        raise LayerError(_("Choose a style first."))
    return tuple(_small_style(ref, side) for ref in refs)


def _small_style(ref: StyleRef, side: int) -> StyleInput:
    size = style_sizes(ref)
    image = None if size is None else thumbnail(ref, min(side, max(size)))
    return style_input(ref) if image is None else StyleInput(pixels=_small_pixels(image), weight=ref.weight)


def small_order(
    document: Document | None, node: Node | None, styles: tuple[StyleInput, ...], values: Values, side: int
) -> PaintRequest:
    """A layer at most `side` pixels large, to be painted all over. Raises `LayerError`."""
    if document is None or node is None:
        raise LayerError(_("Choose the layer to be painted."))
    place = layers.place_of(document, node)
    # Krita does not enlarge: it would leave the rest of the thumbnail empty
    image = layer_thumbnail(node, min(side, max(place.width, place.height)))
    if image is None:
        raise LayerError(
            _("The layer “{name}” is empty: paint on it first, or choose another.").format(name=node.name())
        )
    return PaintRequest(_small_pixels(image), styles, values)


def _small_pixels(image: QtGui.QImage) -> Pixels:
    image = image.convertToFormat(QtGui.QImage.Format.Format_RGBA8888)
    bits = image.constBits()
    assert bits is not None  # a picture that is not null has pixels
    bits.setsize(image.sizeInBytes())
    return Pixels(bits.asstring()[: 4 * image.width() * image.height()], image.width(), image.height(), "RGBA", "u8")


def bundled_thumbnail(style: BundledStyle) -> QtGui.QImage:
    """The thumbnail that came from the daemon."""
    width, height = style.thumb_width, style.thumb_height
    return QtGui.QImage(style.thumb, width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()


def file_thumbnail(path: str, side: int) -> QtGui.QImage | None:
    """A picture file's thumbnail, decoded small where the format allows it."""
    reader = QtGui.QImageReader(path)
    reader.setAutoTransform(True)
    size = reader.size()
    if size.isValid():
        reader.setScaledSize(size.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio))
    image = reader.read()
    return None if image.isNull() else image


def style_input(ref: StyleRef) -> StyleInput:
    """The style's pixels (or its name, for a bundled one). Raises `LayerError`."""
    if ref.kind == "bundled":
        return StyleInput(name=ref.name, weight=ref.weight)
    if ref.kind == "file":
        return StyleInput(pixels=file_pixels(ref.name), weight=ref.weight)
    document, node = layer_found(ref)
    return StyleInput(pixels=layers.read(node, layers.place_of(document, node)), weight=ref.weight)


def placed(
    styles: Sequence[StyleInput], refs: Sequence[StyleRef], titles: Sequence[str], taken: layers.Capture
) -> tuple[StyleInput, ...]:
    """The styles with their regions over what is painted. Raises `RequestError`."""
    return tuple(
        replace(style, mask=region_over(ref.region, taken.place, title, taken.name))
        for style, ref, title in zip(styles, refs, titles, strict=True)
    )


def style_sizes(ref: StyleRef) -> tuple[int, int] | None:
    """(width, height) of a style, cheaply, for an estimate; None where that is not known."""
    if ref.kind == "layer":
        found = layer_of(ref)
        place = layers.place_of(*found) if found is not None else None
        return None if place is None or place.width < 1 else (place.width, place.height)
    if ref.kind == "file":
        size = QtGui.QImageReader(ref.name).size()
        return (size.width(), size.height()) if size.isValid() else None
    return None


def likenesses(refs: Sequence[StyleRef], size: tuple[int, int]) -> tuple[StyleInput, ...]:
    """Styles without their pixels, for an estimate; what is not known counts as large as `size`."""
    sizes = [style_sizes(ref) or size for ref in refs] or [UNKNOWN_SIZE]
    return tuple(StyleInput(pixels=Pixels(b"", *one)) for one in sizes)


def file_pixels(path: str, read: Callable[[Node, Place], Pixels] = layers.read) -> Pixels:
    """A picture file as sRGB pixels: 8 bits, or 16 where the file has more. `read` gives those of a file that only
    Krita opens. Raises `LayerError`.
    """
    if not is_file(path):
        raise LayerError(_("The picture {path} is not there any more. Choose another style.").format(path=path))
    reader = QtGui.QImageReader(path)
    reader.setAutoTransform(True)  # photographs lie on their side otherwise
    image = reader.read()
    if image.isNull():
        return _opened(path, read)
    if image.colorSpace().isValid():
        image.convertToColorSpace(QtGui.QColorSpace(QtGui.QColorSpace.NamedColorSpace.SRgb))
    deep = image.depth() > 32 or image.format() == QtGui.QImage.Format.Format_Grayscale16
    wanted = QtGui.QImage.Format.Format_RGBA64 if deep else QtGui.QImage.Format.Format_RGBA8888
    image = image.convertToFormat(wanted)
    pixel_bytes = 8 if deep else 4
    bits = image.constBits()
    assert bits is not None  # a picture that is not null has pixels
    bits.setsize(image.sizeInBytes())
    row_bytes = image.width() * pixel_bytes  # Qt pads rows to 4 bytes, which these are a multiple of
    return Pixels(
        bits.asstring()[: row_bytes * image.height()], image.width(), image.height(), "RGBA", "u16" if deep else "u8"
    )


def kept(ref: StyleRef, bundled: Sequence[BundledStyle]) -> NewStyle:
    """A style as a preset keeps it: a layer and what only Krita reads become a PNG. Raises `LayerError`."""
    name = title(ref, bundled)
    if ref.kind == "bundled":
        return NewStyle(name=ref.name, weight=ref.weight)
    if ref.kind == "file":
        if not is_file(ref.name):
            raise LayerError(_("The picture {path} is not there any more. Choose another style.").format(path=ref.name))
        return presets.file_style(ref.name, ref.weight, name, lambda: file_pixels(ref.name, layers.read_for_file))
    document, node = layer_found(ref)
    pixels = layers.read_for_file(node, layers.place_of(document, node))
    return NewStyle(data=png.encode(pixels), title=name, weight=ref.weight)


def _opened(path: str, read: Callable[[Node, Place], Pixels]) -> Pixels:
    """A file that only Krita itself reads (.kra, .psd, .exr …): its merged picture."""
    application = Krita.instance()
    application.setBatchmode(True)  # no dialogs about missing profiles
    try:
        document = application.openDocument(path)
    finally:
        application.setBatchmode(False)
    if document is None or document.rootNode() is None:
        raise LayerError(_("{path} is not a picture that can be read. Choose another style.").format(path=path))
    try:
        return read(document.rootNode(), layers.canvas(document))
    finally:
        document.close()


def to_qimage(preview: Preview) -> QtGui.QImage:
    """A preview (packed RGB rows) as a QImage."""
    width, height = preview.width, preview.height
    return QtGui.QImage(bytes(preview.pixels), width, height, 3 * width, QtGui.QImage.Format.Format_RGB888).copy()


def dropped_files(mime: QtCore.QMimeData | None) -> list[str]:
    """The picture files in what was dropped on the style chooser."""
    urls = mime.urls() if mime is not None else []
    return [url.toLocalFile() for url in urls if isinstance(url, QtCore.QUrl) and url.isLocalFile()]
