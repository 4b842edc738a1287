"""Small habits that every widget of the docker has: the wheel scrolls, tooltips wrap, titles end in an ellipsis."""

from __future__ import annotations

from collections.abc import Callable

from vaporbrush_protocol.shown import plain

from .qt import Qt, QtCore, QtGui, QtWidgets, tip_text


class WheelGuard(QtCore.QObject):
    """Has the wheel scroll the docker, and never change a value that nobody has touched.

    Number fields and sliders take it while they have the keyboard's focus, lists not at all.
    """

    def guard(self, widget: QtWidgets.QWidget) -> None:
        """Watch over the fields in a widget."""
        for field in widget.findChildren(QtWidgets.QWidget):
            if isinstance(field, (QtWidgets.QComboBox, QtWidgets.QAbstractSpinBox, QtWidgets.QSlider)):
                field.setFocusPolicy(Qt.FocusPolicy.StrongFocus)  # else the wheel itself gives the focus
                field.installEventFilter(self)

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Pass a wheel on to the widget around the field."""
        if event is None or event.type() != QtCore.QEvent.Type.Wheel or not isinstance(watched, QtWidgets.QWidget):
            return False
        if watched.hasFocus() and not isinstance(watched, QtWidgets.QComboBox):
            return False
        event.ignore()
        return True


def set_tip(widget: QtWidgets.QWidget, text: str) -> None:
    """Give it a tooltip."""
    widget.setToolTip(tip_text(text))


def menu_entry(menu: QtWidgets.QMenu, text: str, act: Callable[[], object]) -> QtGui.QAction:
    """Add an entry that does something."""
    entry = menu.addAction(text)
    assert entry is not None
    entry.triggered.connect(lambda _checked=False: act())
    return entry


class Elided(QtWidgets.QLabel):
    """One line, cut with an ellipsis where there is no room; all of it in the tooltip."""

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._whole = ""
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.show_text(text)

    def show_text(self, text: str) -> None:
        """Show another text."""
        text = plain(text)
        if text != self._whole:
            self._whole = text
            set_tip(self, text)
            self._cut()

    def whole(self) -> str:
        """The text before it was cut."""
        return self._whole

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """As much as there is room for."""
        super().resizeEvent(event)
        self._cut()

    def _cut(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, max(self.width(), 40)))
