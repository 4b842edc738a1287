"""The paintings under way, below the docker's controls: always in sight, whatever the docker's height."""

from __future__ import annotations

from vaporbrush_host.job_threads import RunState

from .panels import PREVIEW_HEIGHT, TaskPanel
from .qt import Qt, QtCore, QtWidgets

LEAST_PREVIEW = 48  # px; a picture is told from others at this height
LAYOUT_MS = 60  # until a panel has its new size


class TaskArea(QtWidgets.QScrollArea):
    """A panel for each painting. `fit` gives it as much height as there is; the preview gives way to the buttons."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._room = PREVIEW_HEIGHT
        self._newest: TaskPanel | None = None
        self._panels: list[TaskPanel] = []
        self._moments: set[tuple[str, bool, str, bool]] = set()
        self._inner = QtWidgets.QWidget()
        self._column = QtWidgets.QVBoxLayout(self._inner)
        self._column.setContentsMargins(6, 6, 6, 0)
        self._column.setSpacing(6)
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(self._inner)
        self._inner.installEventFilter(self)
        self._show_panel = QtCore.QTimer(self)
        self._show_panel.setSingleShot(True)
        self._show_panel.setInterval(LAYOUT_MS)
        self._show_panel.timeout.connect(self._bring_into_view)
        self.hide()

    def add(self, panel: TaskPanel) -> None:
        """Show one more painting."""
        self._panels.append(panel)
        self._column.addWidget(panel)
        self.show()

    def remove(self, panel: TaskPanel) -> None:
        """Show it no more."""
        self._panels.remove(panel)
        panel.hide()  # `deleteLater` alone leaves it painted over the others for a moment
        self._column.removeWidget(panel)
        panel.deleteLater()
        self.setVisible(bool(self._panels))
        self._fit()

    def follow(self, panel: TaskPanel, state: RunState) -> None:
        """Scroll to a panel, as soon as it has its size, when its painting begins, when its picture appears, when
        something is noted of it and when it ends; else the painter scrolls as they like.
        """
        moment = (panel.key, state.preview is not None, state.note, state.ended)
        if moment not in self._moments:
            self._moments.add(moment)
            self._newest = panel
            self._show_panel.start()

    def _bring_into_view(self) -> None:
        if self._newest not in self._panels or self._newest is None:
            return
        self.ensureWidgetVisible(self._newest)
        viewport, bar = self.viewport(), self.verticalScrollBar()
        if viewport is not None and bar is not None and self._newest.height() > viewport.height():
            bar.setValue(self._newest.geometry().bottom() - viewport.height() + 1)  # the buttons rather than the title

    def fit(self, room: int) -> None:
        """So many pixels of height may be used."""
        self._room = room
        self._fit()

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """A panel has become higher or lower."""
        if watched is self._inner and event is not None and event.type() == QtCore.QEvent.Type.LayoutRequest:
            self._fit()
        return False

    def _fit(self) -> None:
        width, margins = max(1, self.width()), self._column.contentsMargins()
        inside = width - margins.left() - margins.right()
        for panel in self._panels:
            around = panel.height_for(inside) - panel.preview.heightForWidth(inside)
            panel.preview.set_most(min(PREVIEW_HEIGHT, max(LEAST_PREVIEW, self._room - around - margins.top())))
        self._column.invalidate()
        varies = self._column.hasHeightForWidth()
        wanted = self._column.heightForWidth(width) if varies else self._column.sizeHint().height()
        height = max(1, min(wanted, self._room))
        # in the width beside a scroll bar the words need more height, so that one that came would stay
        policy = Qt.ScrollBarPolicy
        self.setVerticalScrollBarPolicy(policy.ScrollBarAsNeeded if wanted > self._room else policy.ScrollBarAlwaysOff)
        if self.height() != height or self.maximumHeight() != height:
            self.setFixedHeight(height)
