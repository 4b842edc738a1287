"""The live picture: the active layer painted small while the controls move, above the docker's buttons."""

from __future__ import annotations

import queue
from collections.abc import Callable

from krita import Krita

from vaporbrush_host import controls, live
from vaporbrush_host.live import LiveLine, LiveNews, LivePicture, LiveThread
from vaporbrush_host.request import StyleInput, StyleRef
from vaporbrush_protocol.errors import VaporbrushError

from . import layers, sources
from .colour_space import LayerError
from .controller import Controller
from .habits import set_tip
from .panels import Preview, small
from .preset_menu import Shows
from .qt import Qt, QtCore, QtGui, QtWidgets

TICK_MS = 40
SOON_MS = 30  # a slider that is being moved asks once for several of its values
FOLLOW_MS = 500  # Krita tells nobody that a layer changed
FINGERPRINT = 48  # px of the longest side; a stroke that it does not show changes no small painting
# Krita's own themes hardly show which button is pressed.
PRESSED = "QPushButton:checked { background: palette(highlight); color: palette(highlighted-text); }"
LEAST_HEIGHT, MOST_SHARE = 80, 3  # px of the picture; of the docker's height at most a third


class LivePanel(QtWidgets.QWidget):
    """`button` switches it; the docker tells it what has `changed`, and when it is not seen."""

    def __init__(self, controller: Controller, shows: Shows) -> None:
        super().__init__()
        self._controller, self._shows = controller, shows
        self._news: queue.SimpleQueue[LiveNews] = queue.SimpleQueue()
        self._thread: LiveThread | None = None
        self._looked: object = None  # at which layer, and how it was
        self._styles: tuple[tuple[StyleRef, ...], tuple[StyleInput, ...]] = ((), ())  # read last
        self.button = QtWidgets.QPushButton(live.ENTRY)
        self.button.setObjectName("vaporbrush_live")
        self.button.setCheckable(True)
        self.button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Fixed, QtWidgets.QSizePolicy.Policy.Fixed)
        self.button.setStyleSheet(PRESSED)
        set_tip(self.button, live.TIP)
        self.button.toggled.connect(lambda _on: self.refresh())
        self.picture = Preview()
        self.picture.hide()
        self.line = small()
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.picture)
        column.addWidget(self.line)
        self._soon = self._timer(SOON_MS, self._ask)
        self._soon.setSingleShot(True)
        self._follow = self._timer(FOLLOW_MS, self._look)
        self._tick = self._timer(TICK_MS, self._drain)
        self.hide()

    def _timer(self, every_ms: int, act: Callable[[], object]) -> QtCore.QTimer:
        timer = QtCore.QTimer(self)
        timer.setInterval(every_ms)
        timer.timeout.connect(act)
        return timer

    @property
    def is_on(self) -> bool:
        """Whether it paints."""
        return self._thread is not None

    def refresh(self, *, seen: bool = True) -> None:
        """Begin or end, as the button says and the docker is seen."""
        on = self.button.isChecked() and seen
        if on and self._thread is None:
            self._news = queue.SimpleQueue()  # the last one's thread may still say something
            self._thread = LiveThread(self._news.put, self._controller.monitor.connect)
            self._thread.start()
            self._follow.start()
            self._tick.start()
            self._looked, self._styles = None, ((), ())
            self.show()
            self._look()
        elif not on and self._thread is not None:
            self._thread.stop()
            self._thread = None
            self._follow.stop()
            self._tick.stop()
            self.picture.show_image(None)
            self.hide()

    def changed(self) -> None:
        """A control, a style or the layer is another one now."""
        if self._thread is not None and not self._soon.isActive():
            self._soon.start()

    def fit(self, height: int) -> None:
        """The docker is so high."""
        self.picture.set_most(max(LEAST_HEIGHT, height // MOST_SHARE))

    def _look(self) -> None:
        """Notice that the layer was painted on, but never in the middle of a stroke: that must not stutter."""
        if QtWidgets.QApplication.mouseButtons() != Qt.MouseButton.NoButton:
            return
        document = Krita.instance().activeDocument()
        node = layers.active_layer(document)
        image = None if node is None else sources.layer_thumbnail(node, FINGERPRINT)
        looked = (None if node is None else layers.id_of(node), None if image is None else _bytes(image))
        if looked != self._looked:
            self._looked = looked
            self.changed()

    def _ask(self) -> None:
        if self._thread is None:
            return
        document = Krita.instance().activeDocument()
        node = layers.active_layer(document)
        try:
            values = controls.clean(self._shows.values())
            refs = self._shows.refs()
            if refs != self._styles[0] or not refs:
                self._styles = (refs, sources.small_styles(refs, live.STYLE_SIDE))
            order = sources.small_order(document, node, self._styles[1], values, live.SIDES[-1])
        except LayerError as error:
            self.line.setText(str(error))
        except VaporbrushError as error:
            self.line.setText(error.message)
        else:
            assert node is not None  # `small_order` says so else
            self._thread.ask(order, layers.id_of(node))

    def _drain(self) -> None:
        newest: LivePicture | None = None
        while not self._news.empty():
            news = self._news.get()
            if isinstance(news, LiveLine):
                self.line.setText(news.line if news.error is None else f"⚠ {news.line}")
            else:
                newest = news
        if newest is not None:
            self.picture.show_image(sources.to_qimage(newest.preview))


def _bytes(image: QtGui.QImage) -> bytes:
    bits = image.constBits()
    assert bits is not None  # a picture that is not null has pixels
    bits.setsize(image.sizeInBytes())
    return bits.asstring()
