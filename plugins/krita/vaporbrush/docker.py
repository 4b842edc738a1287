"""The docker: the controls made from the shared table, the paintings under way, and the daemon's condition."""

from __future__ import annotations

from krita import Canvas, DockWidget, Document, Krita, Node

from vaporbrush_host import controls, history, ui_text, variations
from vaporbrush_host.controls import Values
from vaporbrush_host.daemon_monitor import Condition, Estimated
from vaporbrush_host.regions import Place
from vaporbrush_host.request import StyleRef
from vaporbrush_host.ui_text import _

from . import animation, layers, several
from .chooser import StyleChooser, own_layer_id
from .controller import Controller
from .controls_form import ControlsForm, FilmForm
from .fields import SizeField
from .habits import WheelGuard, menu_entry, set_tip
from .history import HistoryDialog
from .installer_panel import with_installer
from .live import LivePanel
from .panels import ConditionPanel, TaskPanel, small
from .preset_menu import PresetMenu
from .qt import Qt, QtCore, QtGui, QtWidgets
from .task import Stored, Task
from .task_area import TaskArea
from .variations import VariationsDialog

POLL_MS = 500  # Krita tells nobody that the active layer or the selection changed
ESTIMATE_MS = 250  # after the last change of a control
MESSAGE_MS = 12000
LEAST_CONTROLS = 90  # px of height that the controls keep beside the paintings


class VaporbrushDocker(DockWidget):
    """One docker per window; the controller behind it is one for all."""

    controller: Controller  # set by the extension before Krita makes dockers

    def __init__(self) -> None:
        super().__init__()
        self.setWindowTitle("Vaporbrush")
        self.panels: dict[str, TaskPanel] = {}
        self._document: str | None = None
        self._target: tuple[str, Place] | None = None
        self._ticket: int | None = None
        self._loading = False
        self._brought: Values = {}  # by the bundled style that stands alone
        self.chooser = StyleChooser(self.controller)
        self.form = ControlsForm()
        self.fields = self.form.fields
        self.task_area = TaskArea()
        self.presets = PresetMenu(self.controller, self, self)
        self.form.presets.setMenu(self.presets)
        self.history = HistoryDialog(self.controller, self, self)
        self.variations = VariationsDialog(self.controller, self, self)
        self.live = LivePanel(self.controller, self)
        self.setWidget(self._build())
        self._wheel = WheelGuard(self)
        self._wheel.guard(self.form)
        self._wheel.guard(self.film)
        self.chooser.guard = self._wheel.guard
        self.chooser.own = lambda: own_layer_id(self.document())
        self.chooser.changed.connect(self._style_changed)
        self.chooser.said.connect(self.say)
        self.form.changed.connect(self._changed)
        for part in (self.form, self.chooser):
            part.changed.connect(self.live.changed)
        self.form.unfolded.connect(
            lambda: QtCore.QTimer.singleShot(0, lambda: self.scroll_area.ensureWidgetVisible(self.form.advanced))
        )
        self.controller.task_changed.connect(self._task_changed)
        self.controller.task_removed.connect(self._task_removed)
        self.controller.estimated.connect(self._estimated)
        self.controller.condition_changed.connect(self._condition_changed)
        self.controller.said.connect(self.say)
        self._poll = QtCore.QTimer(self)
        self._poll.setInterval(POLL_MS)
        self._poll.timeout.connect(self._look)
        self._soon = QtCore.QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(ESTIMATE_MS)
        self._soon.timeout.connect(self._ask_estimate)
        self.load(self.controller.memory.last(None))
        for task in list(self.controller.tasks.values()):
            self._task_changed(task)
        self._enable(None, None)  # until the first look

    # ── how it is built ──

    def _build(self) -> QtWidgets.QWidget:
        inner = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(inner)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(8)
        column.addWidget(self.chooser)
        column.addWidget(self.form)
        column.addStretch(1)
        self.scroll_area = QtWidgets.QScrollArea()
        self.scroll_area.setWidgetResizable(True)
        self.scroll_area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroll_area.setWidget(inner)
        inner.installEventFilter(self)
        self.bottom = QtWidgets.QWidget()
        self.bottom.setLayout(self._bottom())
        self.outer = QtWidgets.QWidget()
        outer_column = QtWidgets.QVBoxLayout(self.outer)
        outer_column.setContentsMargins(0, 0, 0, 0)
        outer_column.setSpacing(0)
        outer_column.addWidget(self.scroll_area, 1)
        outer_column.addWidget(self.task_area)
        outer_column.addWidget(self.bottom)
        self.outer.installEventFilter(self)
        self.bottom.installEventFilter(self)
        return with_installer(self.controller.installer, self.outer)

    def _bottom(self) -> QtWidgets.QVBoxLayout:
        """What is always in sight: messages, the expected time, the buttons, the daemon's condition."""
        self.message = small()
        self.message.setObjectName("vaporbrush_message")
        self.message.hide()
        self._message_end = QtCore.QTimer(self)
        self._message_end.setSingleShot(True)
        self._message_end.timeout.connect(self.message.hide)
        self.expected = small()
        self.button = QtWidgets.QPushButton(_("Stylize"))
        self.button.setObjectName("vaporbrush_button")
        self.button.setDefault(True)
        self.button.clicked.connect(self.stylize)
        self.frames_button = QtWidgets.QPushButton(_("All frames"))
        self.frames_button.clicked.connect(lambda: self.stylize(frames=True))
        self.film = FilmForm()
        go = QtWidgets.QHBoxLayout()
        go.setSpacing(6)
        go.addWidget(self.live.button)
        for button in (self.button, self.frames_button):
            go.addWidget(button, 1)
        go.addWidget(self._menu_button())
        self.condition = ConditionPanel(self.controller)
        bottom = QtWidgets.QVBoxLayout()
        bottom.setContentsMargins(6, 6, 6, 6)
        bottom.setSpacing(6)
        for widget in (self.live, self.message, self.expected, self.film):
            bottom.addWidget(widget)
        bottom.addLayout(go)
        bottom.addWidget(self.condition)
        return bottom

    def _menu_button(self) -> QtWidgets.QToolButton:
        button = QtWidgets.QToolButton()
        button.setText("⋯")
        button.setStyleSheet("QToolButton::menu-indicator { image: none; }")  # it would lie over the dots
        button.setPopupMode(QtWidgets.QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setToolTip(_("More"))
        button.setSizePolicy(QtWidgets.QSizePolicy.Policy.Fixed, QtWidgets.QSizePolicy.Policy.Preferred)
        menu = QtWidgets.QMenu(button)
        self.repeat_action = menu_entry(menu, _("Repeat last stylize"), self.controller.repeat)
        self.restylize_action = menu_entry(menu, _("Restylize this painting"), self.controller.restylize)
        self.anew_action = menu_entry(menu, _("Restylize with the settings above"), self.restylize_anew)
        self.copy_action = menu_entry(menu, _("Copy settings from this painting"), self.copy_settings)
        self.history_action = menu_entry(menu, history.ENTRY, self.history.open)
        self.variations_action = menu_entry(menu, variations.ENTRY, self.variations.open)
        self.controller.installer.add_to(menu)
        menu.aboutToShow.connect(self._menu_opens)
        button.setMenu(menu)
        return button

    def eventFilter(self, watched: QtCore.QObject | None, event: QtCore.QEvent | None) -> bool:
        """Nothing is ever cut at the right: the docker cannot be narrower than its controls are just now. And the
        paintings get the height that the controls can do without.
        """
        inner, bar = self.scroll_area.widget(), self.scroll_area.verticalScrollBar()
        laid_out = event is not None and event.type() == QtCore.QEvent.Type.LayoutRequest
        if laid_out and watched is inner and inner is not None and bar is not None:
            self.scroll_area.setMinimumWidth(inner.minimumSizeHint().width() + bar.sizeHint().width())
        sized = event is not None and event.type() in (QtCore.QEvent.Type.Resize, QtCore.QEvent.Type.LayoutRequest)
        if sized and watched in (self.outer, self.bottom):
            self.live.fit(self.outer.height())
            self.task_area.fit(self.outer.height() - self.bottom.sizeHint().height() - LEAST_CONTROLS)
        return False

    # ── what Krita tells ──

    def canvasChanged(self, canvas: Canvas) -> None:
        """Krita calls this when another view becomes active, and when the last one closes."""
        self.controller.document_closed()
        self._switch(self.document())

    def document(self) -> Document | None:
        """The document of the active view."""
        return Krita.instance().activeDocument()

    def showEvent(self, event: QtGui.QShowEvent | None) -> None:
        """From now on the daemon's condition is kept fresh."""
        super().showEvent(event)
        self.controller.look(id(self), True)
        self._poll.start()
        self.live.refresh()
        self._look()

    def hideEvent(self, event: QtGui.QHideEvent | None) -> None:
        """A hidden docker asks nothing."""
        super().hideEvent(event)
        self.controller.look(id(self), False)
        self._poll.stop()
        self.live.refresh(seen=False)

    def _condition_changed(self, condition: Condition) -> None:
        self.form.offer_devices(condition.devices)
        self._changed()

    def _switch(self, document: Document | None) -> None:
        key = layers.document_id(document) if document is not None else None
        if key != self._document:
            self._document = key
            came_back = self.chooser.turn_to(key)
            if document is not None and self.controller.memory.knows(document):
                values, refs = self.controller.memory.last(document)
                self.load((values, self.chooser.refs() if came_back else refs))
        self._look()

    def _look(self) -> None:
        """Notice another document, layer or size, which Krita does not announce."""
        document = self.document()
        key = layers.document_id(document) if document is not None else None
        if key != self._document:
            self._switch(document)
            return
        self.chooser.show_selection(document is not None and document.selection() is not None)
        node = layers.active_layer(document)
        target = (
            None if document is None or node is None else (node.uniqueId().toString(), layers.place_of(document, node))
        )
        if target != self._target:
            self._target = target
            size = self.fields["size"]
            if target is not None and isinstance(size, SizeField):
                size.suggest(max(target[1].width, target[1].height))
            self._changed()
        self._enable(document, node)

    def _enable(self, document: Document | None, node: Node | None) -> None:
        problem = ""
        if document is None:
            problem = _("Open a picture to begin.")
        elif node is None:
            problem = _("Choose the layer to be painted.")
        elif not self.chooser.refs():
            problem = _("Choose a style to begin.")
        elif lost := self.chooser.lost():
            problem = _("The style “{name}” is not open any more: choose another one.").format(name=lost)
        elif self.controller.condition.kind == "broken":
            problem = _("Vaporbrush cannot paint yet: see below.")
        elif self.controller.condition.command:
            problem = _("Vaporbrush has to be started first.")
        self.button.setEnabled(not problem)
        name = node.name() if node is not None else ""
        count = len(several.selected())
        self.button.setText(several.label(count))
        set_tip(self.button, problem or several.tip(count, name))
        self.frames_button.setVisible(animation.can(node))
        self.film.setVisible(animation.can(node))
        self.frames_button.setEnabled(not problem)
        if animation.can(node):
            tip = _("Paint every frame of “{layer}” on a new animated layer; what stands still stays still.")
            set_tip(self.frames_button, problem or tip.format(layer=name))
        if problem:
            self.expected.setText(problem)

    # ── the controls ──

    def values(self) -> Values:
        """What the controls say."""
        return self.form.values()

    def refs(self) -> tuple[StyleRef, ...]:
        """The chosen styles."""
        return self.chooser.refs()

    def set_values(self, values: Values) -> None:
        """Show other values."""
        self.form.set_values(values)

    def load(self, remembered: tuple[Values, tuple[StyleRef, ...]]) -> None:
        """Show other values and styles."""
        values, refs = remembered
        self.set_values(values)
        self._loading = True
        self.chooser.set_refs(refs)
        self._loading = False

    def _style_changed(self) -> None:
        refs = self.chooser.refs()
        self.form.stand_in_for_selection(any(ref.region for ref in refs))
        alone = refs[0].name if len(refs) == 1 and refs[0].kind == "bundled" else ""
        style = next((s for s in self.controller.bundled if s.name == alone), None)
        if not self._loading and (style is not None or not alone):
            # it brings along what suits it; what another brought goes with that one, unless it was changed since
            values, usual = self.values(), controls.defaults()
            left = {name: usual[name] for name, value in self._brought.items() if values[name] == value}
            self._brought = {} if style is None else dict(style.tuned)
            if left or self._brought:
                self.set_values({**values, **left, **self._brought})
                self._brought = {name: self.values()[name] for name in self._brought}  # as the fields round them
        self._changed()

    def _changed(self, _news: object = None) -> None:
        if not self._loading:
            self._soon.start()

    def _ask_estimate(self) -> None:
        document = self.document()
        node = layers.active_layer(document)
        self._enable(document, node)
        if not self.button.isEnabled():
            return
        self._ticket = self.controller.estimate(self.values(), self.chooser.refs(), document, node)
        if self._ticket is None:
            self.expected.setText("")
        self.expected.setVisible(True)

    def _estimated(self, answer: Estimated) -> None:
        if answer.ticket != self._ticket or not self.button.isEnabled():
            return
        if answer.error is not None:
            self.expected.setText(answer.error.message)
        elif answer.estimate is not None:
            line = ui_text.expected(answer.estimate)
            self.expected.setText(line[:1].upper() + line[1:])

    # ── painting ──

    def stylize(self, *, frames: bool = False) -> object:
        """The buttons."""
        nodes = several.selected()
        if len(nodes) > 1 and not frames:
            return several.stylize(self.controller, self.values(), self.chooser.refs(), nodes)
        film = self.film.manner() if frames else None
        return self.controller.stylize(self.values(), self.chooser.refs(), film=film)

    def restylize_anew(self) -> Task | None:
        """What the active painting was made from, where it was painted, with what the docker says now."""
        return self.controller.restylize(self.values(), self.chooser.refs())

    def copy_settings(self) -> None:
        """Show the settings stored with the active painting."""
        stored = self._stored()
        if stored is not None:
            self.load((stored.values, stored.styles))

    def _stored(self) -> Stored | None:
        document = self.document()
        node = layers.active_layer(document)
        return Stored.of(document, node) if document is not None and node is not None else None

    def _menu_opens(self) -> None:
        painted = self._stored() is not None
        self.restylize_action.setEnabled(painted)
        self.anew_action.setEnabled(painted and bool(self.chooser.refs()))
        self.copy_action.setEnabled(painted)
        self.repeat_action.setEnabled(layers.active_layer(self.document()) is not None)
        self.variations_action.setEnabled(self.button.isEnabled())

    def say(self, text: str, error: bool = False) -> None:
        """A sentence for the painter, for a while."""
        self.message.setText(("⚠ " if error else "") + text)
        self.message.show()
        self._message_end.start(MESSAGE_MS)

    def _task_changed(self, task: Task) -> None:
        key = task.key
        panel = self.panels.get(key)
        if panel is None:
            if not task.state.ended:
                self._clear_finished()
            panel = self.panels[key] = TaskPanel(key)
            panel.keep.connect(self.controller.keep)
            panel.cancel.connect(self.controller.cancel)
            panel.again.connect(self.controller.again)
            panel.dismiss.connect(self.controller.dismiss)
            self.task_area.add(panel)
        panel.show_task(task, log=self.controller.condition.log)
        self.task_area.follow(panel, task.state)

    def _task_removed(self, key: str) -> None:
        if (panel := self.panels.pop(key, None)) is not None:
            self.task_area.remove(panel)

    def _clear_finished(self) -> None:
        """What was done well needs no more room once something new begins."""
        for key, task in list(self.controller.tasks.items()):
            if task.state.stage == "done":
                self.controller.dismiss(key)
