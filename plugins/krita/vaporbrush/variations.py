"""The window of variations: the active layer painted small in several ways, of which one press paints one in full."""

from __future__ import annotations

import queue
from collections.abc import Callable

from krita import Krita

from vaporbrush_host import controls, variations
from vaporbrush_host.controls import Values
from vaporbrush_host.request import PaintRequest, StyleRef
from vaporbrush_host.variations import Variation, VariationsEnded, VariationsThread, Varied
from vaporbrush_protocol.errors import VaporbrushError

from . import layers, sources
from .colour_space import LayerError
from .controller import Controller
from .history import ITEM, SIDE, icon_list
from .preset_menu import Shows
from .qt import Qt, QtCore, QtGui, QtWidgets, tip_text
from .thumbnails import pixmap

SIZE = (520, 640)  # px; three columns and rows
TICK_MS = 40


class VariationsDialog(QtWidgets.QDialog):
    """Begins anew whenever it opens. What it paints ends with it."""

    def __init__(self, controller: Controller, shows: Shows, window: QtWidgets.QWidget) -> None:
        super().__init__(window)
        self._controller, self._shows = controller, shows
        self._news: queue.SimpleQueue[Varied | VariationsEnded] = queue.SimpleQueue()
        self._thread: VariationsThread | None = None
        self._ticket = 0
        self._order: PaintRequest | None = None
        self._refs: tuple[StyleRef, ...] = ()
        self._values: Values = {}
        self._partly = False  # whether regions or a selection will say where the full painting goes
        self.setWindowTitle(f"Vaporbrush · {variations.TITLE}")
        self.kinds = QtWidgets.QComboBox()
        self.kinds.addItem(variations.BY_LOOK)
        self.kinds.addItem(variations.BY_SEED)
        self.kinds.setItemData(1, tip_text(variations.BY_SEED_TIP), Qt.ItemDataRole.ToolTipRole)
        self.kinds.currentIndexChanged.connect(lambda _index: self._begin())
        self.list = icon_list()
        self.list.itemClicked.connect(self.take)
        self.list.itemActivated.connect(self.take)
        self.line = QtWidgets.QLabel()
        self.line.setWordWrap(True)
        self.line.setTextFormat(Qt.TextFormat.PlainText)
        column = QtWidgets.QVBoxLayout(self)
        column.addWidget(self.kinds)
        column.addWidget(self.list, 1)
        column.addWidget(self.line)
        self.resize(*SIZE)
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self._drain)
        self.finished.connect(lambda _result: self._stop())

    def open(self) -> None:
        """Read the active layer and the docker, and begin to paint."""
        try:
            self._read()
        except LayerError as error:
            self._shows.say(str(error), True)
            return
        except VaporbrushError as error:
            self._shows.say(error.message, True)
            return
        self.show()
        self.raise_()
        self.activateWindow()
        self.list.setFocus()
        self._timer.start()
        self._begin()

    def _read(self) -> None:
        document = Krita.instance().activeDocument()
        self._refs, self._values = self._shows.refs(), controls.clean(self._shows.values())
        self._partly = any(ref.region for ref in self._refs) or (
            bool(self._values["use_selection"]) and document is not None and document.selection() is not None
        )
        styles = sources.small_styles(self._refs, variations.STYLE_SIDE)
        node = layers.active_layer(document)
        self._order = sources.small_order(document, node, styles, self._values, variations.SIDE)

    def _begin(self) -> None:
        self._stop()
        if self._order is None or not self.isVisible():
            return
        make: Callable[[Values], tuple[Variation, ...]] = (variations.by_look, variations.by_seed)[
            max(0, self.kinds.currentIndex())
        ]
        wanted = make(self._values)
        self.list.clear()
        for one in wanted:
            item = QtWidgets.QListWidgetItem(QtGui.QIcon(pixmap(None, SIDE)), one.caption)
            item.setData(ITEM, one)
            self.list.addItem(item)
        self.list.setCurrentRow(0)
        self._tell(0)
        self._ticket += 1
        self._thread = VariationsThread(
            self._ticket, self._order, wanted, self._news.put, self._controller.monitor.connect
        )
        self._thread.start()

    def _stop(self) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def _tell(self, done: int) -> None:
        self.line.setText(variations.line(done, self.list.count(), partly=self._partly))

    def _drain(self) -> None:
        while not self._news.empty():
            news = self._news.get()
            if news.ticket != self._ticket:
                continue
            if isinstance(news, Varied):
                item = self.list.item(news.number)
                if item is not None:
                    item.setIcon(QtGui.QIcon(pixmap(_seen(news), SIDE)))
                self._tell(news.number + 1)
            elif news.sentence:
                self.line.setText(f"⚠ {news.sentence}")

    def take(self, item: QtWidgets.QListWidgetItem) -> None:
        """Show what makes this variation in the docker, and paint it in full."""
        if not self.isVisible():  # a double click is two presses
            return
        one: Variation = item.data(ITEM)
        values = {**self._values, **one.changes}
        self.done(0)
        self._shows.load((values, self._refs))
        self._controller.stylize(values, self._refs)


def _seen(news: Varied) -> QtGui.QImage:
    width, height = news.image.width, news.image.height
    return QtGui.QImage(bytes(news.pixels), width, height, 4 * width, QtGui.QImage.Format.Format_RGBA8888).copy()
