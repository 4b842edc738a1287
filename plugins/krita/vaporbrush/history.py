"""The window with what was painted before: thumbnails, and what can be done with each painting."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from functools import partial

from krita import Document, Krita, Node

from vaporbrush_host import history
from vaporbrush_host.history import Answer, Failed, HistoryThread, Listed, Recalled, Shown
from vaporbrush_host.regions import Place
from vaporbrush_host.request import StyleRef
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.endpoint import portable
from vaporbrush_protocol.recipe import Channels, Image

from . import layers, records
from .colour_space import DEPTHS, LINEAR, SRGB, LayerError, Space, native, space_of
from .controller import Controller
from .preset_menu import Shows
from .qt import Qt, QtCore, QtGui, QtWidgets, tip_text
from .thumbnails import pixmap

SIDE = 128  # px of a thumbnail, as the daemon makes them
TILE = (150, 186)  # px: a thumbnail, two lines, and the space around
SIZE = (520, 480)  # px; three columns
TICK_MS = 40
ITEM = 256  # Qt's first role for one's own data (Qt.UserRole)


def order_of(image: Image) -> Channels:
    """Krita keeps integers as B,G,R,A and floats as R,G,B,A."""
    return "BGRA" if image.depth in ("u8", "u16") else "RGBA"


def icon_list() -> QtWidgets.QListWidget:
    """A list of thumbnails in rows, with two lines below each."""
    made = QtWidgets.QListWidget()
    made.setViewMode(QtWidgets.QListView.ViewMode.IconMode)
    made.setMovement(QtWidgets.QListView.Movement.Static)
    made.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
    made.setIconSize(QtCore.QSize(SIDE, SIDE))
    made.setGridSize(QtCore.QSize(*TILE))
    made.setWordWrap(True)
    made.setUniformItemSizes(True)
    return made


class HistoryDialog(QtWidgets.QDialog):
    """Filled whenever it opens, and after every change."""

    def __init__(self, controller: Controller, shows: Shows, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self._controller, self._shows = controller, shows
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._thumbs: dict[str, bytes] = {}
        self._waits: Callable[[Recalled], None] | None = None  # what is done with the painting that is on its way
        self.setWindowTitle(f"Vaporbrush · {history.TITLE}")
        self.list = icon_list()
        self.list.itemActivated.connect(lambda _item: self.bring())
        self.list.currentItemChanged.connect(lambda _now, _before: self._enable())
        self.line = QtWidgets.QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        self.bring_button = self._button(history.BRING, history.BRING_TIP, self.bring)
        self.bring_button.setDefault(True)
        self.use_button = self._button(history.USE, history.USE_TIP, self.use)
        self.pin_button = self._button(history.PIN, history.PIN_TIP, self.pin)
        self.forget_button = self._button(history.FORGET, history.FORGET_TIP, self.forget)
        buttons = QtWidgets.QHBoxLayout()
        for button in (self.bring_button, self.use_button, self.pin_button, self.forget_button):
            buttons.addWidget(button)
        column = QtWidgets.QVBoxLayout(self)
        column.addWidget(self.list, 1)
        column.addWidget(self.line)
        column.addLayout(buttons)
        self.resize(*SIZE)
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._drain)

    def _button(self, text: str, tip: str, act: Callable[[], object]) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(text)
        button.setToolTip(tip_text(tip))
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: act())
        return button

    # ── what it shows ──

    def open(self) -> None:
        """Show it, and ask what there is."""
        self.show()
        self.raise_()
        self.activateWindow()
        self.list.setFocus()
        self._enable()
        self._ask(partial(history.listed, known=self._thumbs))

    def chosen(self) -> Shown | None:
        """The entry that the buttons are about."""
        item = self.list.currentItem()
        return None if item is None else item.data(ITEM)

    def _ask(self, act: Callable[[Client], Answer]) -> None:
        self._timer.start()
        HistoryThread(act, self._answers.put, self._controller.monitor.connect).start()

    def _drain(self) -> None:
        while not self._answers.empty():
            answer = self._answers.get()
            if isinstance(answer, Listed):
                self._fill(answer)
            elif isinstance(answer, Failed):
                self._waits = None
                self.line.setText(f"⚠ {answer.sentence}")
            elif self._waits is not None:
                waits, self._waits = self._waits, None
                self._tried(partial(waits, answer))
            self._enable()

    def _fill(self, listed: Listed) -> None:
        before = self.chosen()
        self._thumbs = {one.entry.thumb.blob: one.thumb for one in listed.entries if one.thumb}
        self.list.clear()
        now = time.time()
        for one in listed.entries:
            entry = one.entry
            item = QtWidgets.QListWidgetItem(
                QtGui.QIcon(pixmap(_picture(one), SIDE)),
                f"{history.PINNED if entry.pinned else ''}{history.caption(entry, now, self._controller.bundled)}",
            )
            item.setToolTip(tip_text(history.tip(entry)))
            item.setData(ITEM, one)
            self.list.addItem(item)
            if before is not None and before.entry.job == entry.job:
                self.list.setCurrentItem(item)
        if self.list.currentItem() is None and self.list.count():
            self.list.setCurrentRow(0)
        self.line.setText(listed.line if listed.entries else f"{history.NOTHING} {listed.line}")

    def _enable(self) -> None:
        chosen, busy = self.chosen(), self._waits is not None
        for button in (self.use_button, self.pin_button, self.forget_button):
            button.setEnabled(chosen is not None and not busy)
        self.bring_button.setEnabled(chosen is not None and not busy and Krita.instance().activeDocument() is not None)
        pinned = chosen is not None and chosen.entry.pinned
        self.pin_button.setText(history.UNPIN if pinned else history.PIN)

    def _tried(self, act: Callable[[], object]) -> None:
        try:
            act()
        except LayerError as error:
            self.line.setText(f"⚠ {error}")
        except OSError as error:
            self.line.setText(f"⚠ {error.strerror or error}")

    # ── what is done ──

    def bring(self) -> None:
        """Put the chosen painting into the document."""
        self._recall(self._put, pixels=True)

    def use(self) -> None:
        """Show the settings of the chosen painting in the docker."""
        self._recall(self._show, pixels=False)

    def pin(self) -> None:
        """Pin the chosen painting, or unpin it."""
        chosen = self.chosen()
        if chosen is not None:
            self._change(history.asked(chosen.entry.job, pinned=not chosen.entry.pinned))

    def forget(self) -> None:
        """Drop the chosen painting."""
        chosen = self.chosen()
        if chosen is not None:
            self._change(history.asked(chosen.entry.job, pinned=None))

    def _recall(self, then: Callable[[Recalled], None], *, pixels: bool) -> None:
        chosen = self.chosen()
        if chosen is not None and self._waits is None:
            self._waits = then
            self._enable()
            self._ask(partial(history.recalled, job=chosen.entry.job, pixels=pixels, order=order_of))

    def _change(self, act: Callable[[Client], object]) -> None:
        self._ask(partial(history.changed, act=act, known=self._thumbs))

    def _put(self, found: Recalled) -> None:
        document = Krita.instance().activeDocument()
        if document is None:
            return
        node = layers.active_layer(document)
        place = place_for(document, node, found.image)
        name = history.caption(found.entry, time.time(), self._controller.bundled).splitlines()[0]
        layer = insert(document, node, place, found.image, found.pixels, name)
        # what it was painted from, nobody knows; a layer below it, of its size, can be painted so anew
        content = node if node is not None and layers.place_of(document, node) == place else None
        values = history.values_of(found.recipe, self._shows.values())
        refs = self._refs(found, place)
        record = {
            "recipe": found.recipe.to_wire(),
            "values": values,
            "styles": [ref.to_json() for ref in refs],
            "content": "" if content is None else layers.id_of(content),
            "model": found.recipe.model,
            "frames": False,
            "region": None,
        }
        regions = [ref.region for ref in refs if ref.region is not None]
        records.store(document, layers.id_of(layer), record, None, regions)

    def _show(self, found: Recalled) -> None:
        document = Krita.instance().activeDocument()
        node = layers.active_layer(document)
        image = found.entry.image
        place = Place(0, 0, image.width, image.height) if document is None else place_for(document, node, image)
        self._shows.load((history.values_of(found.recipe, self._shows.values()), self._refs(found, place)))

    def _refs(self, found: Recalled, place: Place) -> tuple[StyleRef, ...]:
        return history.refs_of(
            found, place, self._controller.bundled, self._controller.home, lambda path: portable(str(path))
        )


def _picture(shown: Shown) -> QtGui.QImage | None:
    thumb = shown.entry.thumb
    if len(shown.thumb) != thumb.width * thumb.height * 3:
        return None
    return QtGui.QImage(
        shown.thumb, thumb.width, thumb.height, 3 * thumb.width, QtGui.QImage.Format.Format_RGB888
    ).copy()


def place_for(document: Document, node: Node | None, image: Image) -> Place:
    """Where a painting goes: over the active layer where it is as large as that, else at the canvas' corner."""
    whole = layers.canvas(document)
    if node is not None:
        place = layers.place_of(document, node)
        if (place.width, place.height) == (image.width, image.height):
            return place
    return Place(whole.x, whole.y, image.width, image.height)


def insert(document: Document, node: Node | None, place: Place, image: Image, pixels: Buffer, name: str) -> Node:
    """Put a painting of any form above a layer, or on top, as one undo step. Raises `LayerError`."""
    depth = next(theirs for theirs, ours in DEPTHS.items() if ours == image.depth)
    source: Space = ("RGBA", depth, LINEAR if image.transfer == "linear" else SRGB)
    layer = document.createNode(name, "paintlayer")
    space = space_of(layer)
    as_it_is = native(space) == (image.channels, image.depth, image.transfer)
    layers.put(layer, place, image, pixels, None if as_it_is else source, space)
    parent = document.rootNode() if node is None else node.parentNode()
    parent.addChildNode(layer, node)
    return layer
