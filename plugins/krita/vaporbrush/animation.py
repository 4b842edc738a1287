"""The frames of an animated layer on their way through the painter. Everything here runs on the GUI thread.

Krita's API makes no keyframes. Of its ways around that, `importAnimation` knows equal distances only and puts the new
layer on top of everything; the action `add_blank_frame` moves the painter's own time and active layer about, and costs
an undo step for each frame. But a copy of a layer has its keyframes already. So the layer is copied into a document
that nobody sees, the copy's pixels are replaced frame by frame, and the finished copy becomes a layer of the painter's
document in one undo step, at any times and in any colour space.
"""

from __future__ import annotations

from krita import Document, Krita, Node

from vaporbrush_host import row_strips
from vaporbrush_host.film import Film, Manner
from vaporbrush_host.regions import Place
from vaporbrush_host.request import Pixels
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.recipe import Image

from . import layers
from .colour_space import LayerError, pixel_bytes, space_of
from .qt import QtCore


def can(node: Node | None) -> bool:
    """Whether a layer has frames that can be painted."""
    return node is not None and node.type() == "paintlayer" and node.animated()


class Animation:
    """The frames of a layer as they were when the painting was asked for, and the paintings of them.

    `film` says which frame is painted when; `insert` makes the layer, `close` lets go. Frames are painted where they
    show, on the canvas. What is beyond is left out, and so is what was never painted.
    """

    def __init__(self, document: Document, node: Node, manner: Manner, seed: int) -> None:
        """`seed`: the controls'."""
        if not can(node):
            raise LayerError(
                _("The layer “{name}” has no frames. Choose an animated paint layer.").format(name=node.name())
            )
        last = max(document.fullClipRangeEndTime(), document.currentTime())
        self.times = [time for time in range(last + 1) if node.hasKeyframeAtTime(time)]
        self.place = layers.canvas(document)
        self.film = Film(self, manner, seed)
        self._space = space_of(node)
        self._cleared = 0
        self._closed = False
        self._hidden = Krita.instance().createDocument(
            document.width(), document.height(), "Vaporbrush", *self._space, document.resolution()
        )
        self._hidden.setBatchmode(True)
        self._content, self._painting = self._copy(node), self._copy(node)
        for mask in self._painting.childNodes():
            mask.remove()  # the content is read through them
        self._painting.setOpacity(255)
        self._painting.setBlendingMode("normal")

    def __len__(self) -> int:
        return len(self.times)

    def capture(self, document: Document, node: Node, *, use_selection: bool) -> layers.Capture:
        """The layer as captured, with the first frame's pixels. Raises `LayerError`."""
        pixels = self.film.advance()
        if pixels is None:
            raise LayerError(_("No frame of the layer “{name}” shows anything.").format(name=node.name()))
        return layers.captured(document, node, self.place, pixels, use_selection=use_selection)

    def _copy(self, node: Node) -> Node:
        copy = node.duplicate()
        copy.setVisible(True)
        copy.setLocked(False)
        self._hidden.rootNode().addChildNode(copy, None)
        return copy

    def _go(self, time: int) -> None:
        if self._hidden.currentTime() != time:
            self._hidden.setCurrentTime(time)
        self._hidden.waitForDone()

    def tick(self) -> None:
        """What is to be done now and then: a frame of the copy is emptied, one at a time so that nobody is held up."""
        self._hidden.setModified(False)  # or Krita would save it from time to time
        if self._cleared < len(self.times):
            self._clear()

    def _clear(self) -> None:
        self._go(self.times[self._cleared])
        self._cleared += 1
        rect = self._painting.bounds()
        row_bytes = rect.width() * pixel_bytes(self._space)
        for top, rows in row_strips.bands(rect.height(), row_bytes):
            blank = QtCore.QByteArray(bytes(rows * row_bytes))
            self._painting.setPixelData(blank, rect.x(), rect.y() + top, rect.width(), rows)

    def _clear_all(self) -> None:
        while self._cleared < len(self.times):
            self._clear()

    def read(self, number: int) -> Pixels | None:
        """What a frame shows on the canvas; None where that is nothing."""
        self._go(self.times[number])
        rect = self._content.bounds()
        if self.place.meets(Place(rect.x(), rect.y(), rect.width(), rect.height())) is None:
            return None
        return layers.read(self._content, self.place)

    def in_any_order(self) -> None:
        """They are read so in any case."""

    def put(self, number: int, image: Image, pixels: Buffer) -> None:
        """The painting of a frame."""
        self._clear_all()  # frames may share their pixels, so that none may be cleared once one is painted
        self._go(self.times[number])
        layers.write(self._painting, self._space, self.place, image, pixels)

    def repeat(self, number: int, other: int) -> None:
        """A frame gets the painting of another one."""
        self._go(self.times[number])
        place, row_bytes, time = self.place, self.place.width * pixel_bytes(self._space), self.times[other]
        for top, rows in row_strips.bands(place.height, row_bytes):
            data = self._painting.pixelDataAtTime(place.x, place.y + top, place.width, rows, time)
            self._painting.setPixelData(data, place.x, place.y + top, place.width, rows)

    def insert(self, document: Document, node_id: str, name: str) -> tuple[Node, bool]:
        """Put the paintings above the layer that they were made from. Returns (new layer, whether that one is gone)."""
        self._clear_all()
        layer = self._painting.duplicate()
        layer.setName(name)
        return layer, layers.add_above(document, node_id, layer)

    def close(self) -> None:
        """Let go of the frames."""
        if not self._closed:
            self._closed = True  # before Krita announces it: whoever hears that may come here again
            self._hidden.setModified(False)
            self._hidden.close()
