"""A chosen style in the docker: thumbnail and name, where it paints, how much it counts."""

from __future__ import annotations

from vaporbrush_host import regions
from vaporbrush_host.regions import Place, Region
from vaporbrush_host.request import StyleRef
from vaporbrush_host.ui_text import _

from .habits import menu_entry, set_tip
from .qt import Qt, QtCore, QtGui, QtWidgets, Signal
from .thumbnails import pixmap, region_pixmap

ROW_SIDE = 44  # px; two lines of text beside it
LOW = 30  # px; of a region's button above the weight
BESIDE = 72  # px; the width of region and weight
LEAST_NAME = 60  # px; of a style's name, before it is cut


class RegionButton(QtWidgets.QToolButton):
    """Gives a style the selection as its region by one click; once it has one, shows it and opens a menu."""

    placed = Signal()  # in the selection
    freed = Signal()  # it paints everywhere
    asked = Signal()  # its region is to be the selection

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown: tuple[Region, Place, bool] | None = None
        self.setAutoRaise(True)
        self.setStyleSheet(
            "QToolButton { padding: 0; } QToolButton::menu-indicator { image: none; }"  # it would lie over the picture
        )
        self.clicked.connect(self.placed)
        self.choices = QtWidgets.QMenu(self)
        self.here = menu_entry(self.choices, regions.HERE, self.placed.emit)
        menu_entry(self.choices, regions.EVERYWHERE, self.freed.emit)
        menu_entry(self.choices, regions.SELECT, self.asked.emit)

    def show_region(self, region: Region | None, canvas: Place | None, *, selected: bool, low: bool) -> None:
        """Show a region of this picture. `selected`: whether there is a selection that can be one; `low`: half as high
        as a row.
        """
        width, height = (BESIDE, LOW) if low else (ROW_SIDE + 10, ROW_SIDE + 10)
        self.setFixedSize(width, height)
        self.setIconSize(QtCore.QSize(width - 4, height - 2 if low else height - 8))
        self.here.setEnabled(selected)
        self.setVisible(region is not None or selected)
        if region is None or canvas is None:
            self.setMenu(None)
            self.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.DelayedPopup)
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
            self.setText(regions.HERE_SHORT if low else regions.HERE_SHORT.replace(" ", "\n", 1))
            set_tip(self, regions.HERE_TIP)
        else:
            self.setMenu(self.choices)
            self.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
            self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
            if (region, canvas, low) != self._shown:
                self.setIcon(QtGui.QIcon(region_pixmap(region, canvas, self.iconSize())))
            set_tip(self, regions.REGION_TIP)
        self._shown = None if region is None or canvas is None else (region, canvas, low)


class StyleRow(QtWidgets.QFrame):
    """One chosen style."""

    opened = Signal()
    removed = Signal()
    weighed = Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.button = QtWidgets.QToolButton()
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setIconSize(QtCore.QSize(ROW_SIDE, ROW_SIDE))
        self.button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Fixed)
        self.button.setFixedHeight(ROW_SIDE + 10)
        self.button.setToolTip(_("The picture whose style is painted with. Drop a picture file here, too."))
        self.button.clicked.connect(self.opened)
        self.region = RegionButton()
        self.weight = QtWidgets.QDoubleSpinBox()
        self.weight.setRange(0.1, 100.0)
        self.weight.setSingleStep(0.5)
        self.weight.setDecimals(1)
        self.weight.setPrefix("× ")
        self.weight.setToolTip(_("How much this style counts among the others."))
        self.weight.valueChanged.connect(self.weighed)
        self.remove = QtWidgets.QToolButton()
        self.remove.setText("✕")
        self.remove.setAutoRaise(True)
        self.remove.setToolTip(_("Paint without this style"))
        self.remove.clicked.connect(self.removed)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        row.addWidget(self.button, 1)
        self.weight.setFixedWidth(BESIDE)
        beside = QtWidgets.QVBoxLayout()
        beside.setSpacing(0)
        beside.addStretch(1)
        beside.addWidget(self.region)
        beside.addWidget(self.weight)
        beside.addStretch(1)
        row.addLayout(beside)
        row.addWidget(self.remove)

    def show_ref(self, ref: StyleRef | None, title: str, image: QtGui.QImage | None, where: str, several: bool) -> None:
        """Show a style, or (None) the invitation to choose one."""
        if ref is None:
            self.button.setIcon(QtGui.QIcon(pixmap(None, ROW_SIDE)))
            self.button.setText(_("  Choose a style…"))
        else:
            self.button.setIcon(QtGui.QIcon(pixmap(image, ROW_SIDE)))
            metrics = self.button.fontMetrics()
            alone = self.region.width() if self.region.isVisibleTo(self) else 0
            room = max(LEAST_NAME, self.width() - ROW_SIDE - 30 - (BESIDE + 28 if several else alone))
            name = metrics.elidedText(title, Qt.TextElideMode.ElideRight, room)
            place = metrics.elidedText(where, Qt.TextElideMode.ElideRight, room)
            self.button.setText(f"  {name}\n  {place}")
            self.weight.blockSignals(True)
            self.weight.setValue(ref.weight)
            self.weight.blockSignals(False)
        self.weight.setVisible(several)
        self.remove.setVisible(several)
