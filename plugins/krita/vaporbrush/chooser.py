"""The style chooser: a row with thumbnail and name for each chosen style, and the gallery that opens from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from krita import Document, Krita

from vaporbrush_host import regions
from vaporbrush_host.regions import Region
from vaporbrush_host.request import StyleRef
from vaporbrush_host.style_selection import StyleSelection
from vaporbrush_host.ui_text import _

from . import layers, sources
from .colour_space import LayerError
from .controller import Controller
from .habits import set_tip
from .qt import Qt, QtCore, QtGui, QtWidgets, Signal, tip_text
from .style_row import ROW_SIDE, StyleRow
from .thumbnails import density, pixmap

TILE_SIDE = 72
GALLERY_SIZE = (360, 420)


class StyleList(QtWidgets.QListWidget):
    """Thumbnails with names; `note` is shown instead while there are none."""

    note: tuple[QtWidgets.QStackedWidget, QtWidgets.QLabel]


class Gallery(QtWidgets.QFrame):
    """The pop-up with everything that can be a style. `chosen` carries a `StyleRef`."""

    chosen = Signal(object)

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.controller = controller
        self.own: str | None = None
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.tabs = QtWidgets.QTabWidget()
        self.tabs.setDocumentMode(True)
        self.bundled = self._list()
        self.layers = self._list()
        self.files = self._list()
        file_page = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(file_page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.files)
        self.browse = QtWidgets.QPushButton(_("Choose a picture…"))
        self.browse.clicked.connect(self._browse)
        column.addWidget(self.browse)
        self.tabs.addTab(self._page(self.bundled), _("Bundled"))
        self.tabs.addTab(self._page(self.layers), _("Layers"))
        self.tabs.addTab(file_page, _("Files"))
        box = QtWidgets.QVBoxLayout(self)
        box.setContentsMargins(6, 6, 6, 6)
        box.addWidget(self.tabs)
        self.resize(*GALLERY_SIZE)
        controller.styles_changed.connect(self._styles_arrived)

    def _styles_arrived(self, _styles: object) -> None:
        if self.isVisible():
            self.fill(self.own)

    def _page(self, view: StyleList) -> QtWidgets.QStackedWidget:
        page = QtWidgets.QStackedWidget()
        note = QtWidgets.QLabel()
        note.setTextFormat(Qt.TextFormat.PlainText)
        note.setWordWrap(True)
        note.setAlignment(Qt.AlignmentFlag.AlignCenter)
        note.setMargin(16)
        page.addWidget(view)
        page.addWidget(note)
        view.note = (page, note)
        return page

    def _list(self) -> StyleList:
        view = StyleList()
        view.setViewMode(QtWidgets.QListView.ViewMode.IconMode)
        view.setIconSize(QtCore.QSize(TILE_SIDE, TILE_SIDE))
        view.setGridSize(QtCore.QSize(TILE_SIDE + 32, TILE_SIDE + 2 * view.fontMetrics().height() + 10))
        view.setResizeMode(QtWidgets.QListView.ResizeMode.Adjust)
        view.setMovement(QtWidgets.QListView.Movement.Static)
        view.setWordWrap(True)
        view.setTextElideMode(Qt.TextElideMode.ElideNone)  # with ElideRight, Qt cuts where it could wrap
        view.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        view.itemClicked.connect(self._clicked)
        view.itemActivated.connect(self._clicked)
        return view

    def fill(self, own: str | None) -> None:
        """Show what there is now. `own` is the id of the layer to be painted, which cannot be its own style."""
        self.own = own
        tile = round(TILE_SIDE * density())
        self.bundled.clear()
        for style in self.controller.bundled:
            image = sources.bundled_thumbnail(style) if style.thumb else None
            self._add(self.bundled, StyleRef("bundled", style.name), style.title, image, style.description)
        self._say(self.bundled, _("The bundled styles show when Vaporbrush runs."))
        self.layers.clear()
        active = layers.document_id(Krita.instance().activeDocument())
        for ref, document, node in sources.layer_refs(own):
            name = Path(document.fileName()).name or document.name() or _("Unnamed")
            title = ref.name if ref.document == active else f"{ref.name}\n{name}"
            self._add(self.layers, ref, title, sources.layer_thumbnail(node, tile), f"{ref.name} · {name}")
        self._say(
            self.layers, _("Any other layer can be the style. Put a painting on a layer, or open it as a document.")
        )
        self.files.clear()
        for path in self.controller.memory.recent_files():
            if sources.is_file(path):
                self._add(self.files, StyleRef("file", path), Path(path).stem, sources.file_thumbnail(path, tile), path)

    def _say(self, view: StyleList, text: str) -> None:
        page, note = view.note
        note.setText(text)
        page.setCurrentIndex(0 if view.count() else 1)

    def _add(self, view: StyleList, ref: StyleRef, title: str, image: QtGui.QImage | None, tip: str) -> None:
        item = QtWidgets.QListWidgetItem(QtGui.QIcon(pixmap(image, TILE_SIDE)), title)
        item.setData(Qt.ItemDataRole.UserRole, ref)
        item.setToolTip(tip_text(tip))
        item.setSizeHint(view.gridSize())
        item.setTextAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        view.addItem(item)

    def open_at(self, widget: QtWidgets.QWidget, own: str | None, kind: str) -> None:
        """Open below (or above) a widget, on the tab where the present style is."""
        if not self.controller.bundled and self.controller.condition.startable:
            self.controller.monitor.start_daemon()  # who looks for a style is going to paint
        self.fill(own)
        order = ["bundled", "layer", "file"]
        self.tabs.setCurrentIndex(order.index(kind) if kind in order else (0 if self.bundled.count() else 1))
        corner = widget.mapToGlobal(QtCore.QPoint(0, widget.height() + 2))
        screen = QtGui.QGuiApplication.screenAt(corner) or QtGui.QGuiApplication.primaryScreen()
        assert screen is not None  # what has a corner is on one
        free = screen.availableGeometry()
        if corner.y() + self.height() > free.bottom():
            corner = widget.mapToGlobal(QtCore.QPoint(0, -self.height() - 2))
        x = min(max(corner.x(), free.left()), free.right() - self.width())
        self.move(x, max(free.top(), corner.y()))
        self.show()

    def _clicked(self, item: QtWidgets.QListWidgetItem) -> None:
        self.hide()
        self.chosen.emit(item.data(Qt.ItemDataRole.UserRole))

    def _browse(self) -> None:
        self.hide()
        recent = self.controller.memory.recent_files()
        start = str(Path(recent[0]).parent) if recent else ""
        path, _kind = QtWidgets.QFileDialog.getOpenFileName(
            self.parentWidget(),
            _("Choose a picture as the style"),
            start,
            _("Pictures") + f" ({sources.PICTURE_FILES})",
        )
        if path:
            self.chosen.emit(StyleRef("file", path))


class StyleChooser(QtWidgets.QWidget):
    """The chosen styles. `changed` fires when another one is chosen, or paints elsewhere; `said` tells the painter."""

    changed = Signal()
    said = Signal(str, bool)

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self.own: Callable[[], str | None] = lambda: None  # the id of the layer to be painted
        self.guard: Callable[[QtWidgets.QWidget], None] = lambda _widget: None  # against the wheel
        self._mix: StyleSelection[StyleRef] = StyleSelection()
        self._rows: list[StyleRow] = []
        self._document: str | None = None  # the picture that regions belong to, by its id
        self._left: dict[str, tuple[StyleRef, ...]] = {}  # styles with regions, of pictures that were turned from
        self._selected = False  # whether the document has a selection
        self.setAcceptDrops(True)
        self.gallery = Gallery(controller, self)
        self.gallery.chosen.connect(self._chosen)
        self.add = QtWidgets.QToolButton()
        self.add.setText(_("+ Add another style"))
        self.add.setAutoRaise(True)
        self.add.setToolTip(_("Mix several styles, each with its weight."))
        self.add.clicked.connect(lambda: self.open(len(self.refs())))
        self.add_here = QtWidgets.QToolButton()
        self.add_here.setText(f"+ {regions.ANOTHER}")
        self.add_here.setAutoRaise(True)
        set_tip(self.add_here, regions.ANOTHER_TIP)
        self.add_here.clicked.connect(self._add_here)
        self.column = QtWidgets.QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(4)
        self.column.addWidget(self.add_here)
        self.column.addWidget(self.add)
        controller.styles_changed.connect(self._show)
        self._show()

    def refs(self) -> tuple[StyleRef, ...]:
        """The chosen styles."""
        return self._mix.styles

    def lost(self) -> str:
        """The name of a style whose layer or file is gone; empty where all are there."""
        for ref in self.refs():
            if (ref.kind == "layer" and sources.layer_of(ref) is None) or (
                ref.kind == "file" and not sources.is_file(ref.name)
            ):
                return sources.title(ref)
        return ""

    def set_refs(self, refs: Sequence[StyleRef]) -> None:
        """Show other styles."""
        if tuple(refs) != self.refs():
            self._set(StyleSelection.of(refs))

    def turn_to(self, document: str | None) -> bool:
        """Another picture is shown. Regions belong to the one before; whether its own ones have come back."""
        if self._document is not None and any(ref.region for ref in self.refs()):
            self._left[self._document] = self.refs()
        self._document = document
        own = self._left.pop(document, None) if document is not None else None
        self.set_refs([ref.placed(None) for ref in self.refs()] if own is None else own)
        return own is not None

    def show_selection(self, selected: bool) -> None:
        """The document has a selection from now on, or has none."""
        if selected != self._selected:
            self._selected = selected
            self._show()

    def open(self, index: int, region: Region | None = None) -> None:
        """Open the gallery for the style at this place (one past the end adds one, which paints in the region)."""
        self._mix = self._mix.turn(index) if region is None else self._mix.add(region)
        kind = self._mix.chosen.kind if self._mix.chosen is not None else ""
        anchor = self._rows[min(index, len(self._rows) - 1)]
        self.gallery.open_at(anchor, self.own(), kind)

    def _set(self, mix: StyleSelection[StyleRef]) -> None:
        self._mix = mix
        self._show()
        self.changed.emit()

    def _chosen(self, ref: StyleRef) -> None:
        self._set(self._mix.choose(ref))

    def _removed(self, index: int) -> None:
        self._set(self._mix.remove(index))

    # ── where they paint ──

    def _selection(self) -> Region | None:
        """What is selected; where nothing is, that is said."""
        document = Krita.instance().activeDocument()
        try:
            return None if document is None else layers.selected_region(document)
        except LayerError as error:
            self.said.emit(str(error), True)
            return None

    def _add_here(self) -> None:
        region = self._selection()
        if region is not None:
            self.open(len(self.refs()), region)

    def _placed(self, index: int) -> None:
        region = self._selection()
        if region is not None:
            self._set(self._mix.place(index, region))

    def _asked(self, index: int) -> None:
        document, region = Krita.instance().activeDocument(), self.refs()[index].region
        if document is not None and region is not None:
            layers.select(document, region)

    def _weighed(self, index: int, weight: float) -> None:
        self._mix = self._mix.weigh(index, weight)  # the row shows it already
        self.changed.emit()

    def _show(self, _styles: object = None) -> None:
        refs = self.refs()
        wanted = max(1, len(refs))
        while len(self._rows) > wanted:
            row = self._rows.pop()
            row.hide()
            row.deleteLater()
        while len(self._rows) < wanted:
            index = len(self._rows)
            row = StyleRow()
            row.opened.connect(lambda index=index: self.open(index))
            row.removed.connect(lambda index=index: self._removed(index))
            row.region.placed.connect(lambda index=index: self._placed(index))
            row.region.freed.connect(lambda index=index: self._set(self._mix.place(index, None)))
            row.region.asked.connect(lambda index=index: self._asked(index))
            row.weighed.connect(lambda weight, index=index: self._weighed(index, weight))
            self.guard(row)
            self.column.insertWidget(index, row)
            self._rows.append(row)
        document = Krita.instance().activeDocument()
        canvas = None if document is None else layers.canvas(document)
        for index, row in enumerate(self._rows):
            ref = refs[index] if index < len(refs) else None
            several = len(refs) > 1
            row.region.show_region(
                None if ref is None else ref.region, canvas, selected=self._selected and ref is not None, low=several
            )
            if ref is None:
                row.show_ref(None, "", None, "", several)
            else:
                image = sources.thumbnail(ref, ROW_SIDE * 2, self.controller.bundled)
                row.show_ref(ref, sources.title(ref, self.controller.bundled), image, self._where(ref), several)
        self.add.setVisible(bool(refs) and not self._mix.full)
        self.add_here.setVisible(self._selected and bool(refs) and not self._mix.full)

    def _where(self, ref: StyleRef) -> str:
        found = sources.layer_of(ref) if ref.kind == "layer" else None
        if ref.kind == "layer" and found is None:
            return _("The layer is not there any more")
        if ref.kind == "file" and not sources.is_file(ref.name):
            return _("The file is not there any more")
        if any(other.region for other in self.refs()):
            return regions.IN_REGION if ref.region else regions.IN_THE_REST
        if found is None:
            return Path(ref.name).name if ref.kind == "file" else _("Bundled style")
        name = Path(found[0].fileName()).name or found[0].name() or _("Unnamed")
        return _("Layer in {document}").format(document=name)

    def resizeEvent(self, event: QtGui.QResizeEvent | None) -> None:
        """The names are cut to the room there is."""
        super().resizeEvent(event)
        if event is not None and event.oldSize().width() != event.size().width():
            QtCore.QTimer.singleShot(0, self._show)

    def dragEnterEvent(self, event: QtGui.QDragEnterEvent | None) -> None:
        """Picture files may be dropped."""
        if event is not None and sources.dropped_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QtGui.QDropEvent | None) -> None:
        """The dropped files become the styles."""
        if event is None:
            return
        files = sources.dropped_files(event.mimeData())
        self.set_refs([StyleRef("file", path) for path in files])
        event.acceptProposedAction()


def own_layer_id(document: Document | None) -> str | None:
    """The id of the layer that would be painted."""
    node = layers.active_layer(document)
    return None if node is None else node.uniqueId().toString()
