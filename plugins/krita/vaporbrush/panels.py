"""The parts of the docker below its controls: the paintings under way, and the daemon's condition."""

from __future__ import annotations

from collections.abc import Sequence

from krita import Krita

from vaporbrush_host import ui_text
from vaporbrush_host.daemon_monitor import COPY_DETAILS, Action
from vaporbrush_host.job_threads import RunState
from vaporbrush_host.ui_text import _

from . import sources
from .controller import Controller
from .habits import Elided, set_tip
from .qt import Qt, QtCore, QtGui, QtWidgets, Signal
from .task import Task

PREVIEW_HEIGHT = 220  # px at most; the controls stay in view beside it
PROGRESS_STEPS = 1000
DOTS = {
    "ready": "#5cb85c",
    "lite": "#5cb85c",
    "loading": "#e0a030",
    "starting": "#e0a030",
    "looking": "#909090",
    "stopped": "#909090",
    "absent": "#d9534f",
    "wrong_version": "#d9534f",
    "refused": "#d9534f",
    "broken": "#d9534f",
}


def copy(text: str) -> None:
    """Put a text on the clipboard."""
    clipboard = QtWidgets.QApplication.clipboard()
    assert clipboard is not None  # only a program without windows has none
    clipboard.setText(text)


class Words(QtWidgets.QLabel):
    """A label that only its layout's width makes higher. Qt's own would keep the height that its text has in a narrower
    width, and what is below it would be pushed out of sight.
    """

    def sizeHint(self) -> QtCore.QSize:
        """A line."""
        return QtCore.QSize(0, self.fontMetrics().lineSpacing())

    def minimumSizeHint(self) -> QtCore.QSize:
        """A line."""
        return self.sizeHint()


def small(text: str = "", kind: type[QtWidgets.QLabel] = QtWidgets.QLabel) -> QtWidgets.QLabel:
    """A label that wraps, and whose text can be selected."""
    label = kind(text)
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    label.setTextFormat(Qt.TextFormat.PlainText)
    # a long word (a path) must not widen the docker
    label.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.MinimumExpanding)
    return label


def thin_bar() -> QtWidgets.QProgressBar:
    """A bar for how far something is, without words in it."""
    bar = QtWidgets.QProgressBar()
    bar.setRange(0, PROGRESS_STEPS)
    bar.setTextVisible(False)
    bar.setMaximumHeight(8)
    return bar


def show_fraction(bar: QtWidgets.QProgressBar, fraction: float | None) -> None:
    """So far it is; None: nobody knows how far."""
    bar.setRange(0, 0 if fraction is None else PROGRESS_STEPS)
    bar.setValue(round(PROGRESS_STEPS * (fraction or 0)))


class Preview(QtWidgets.QWidget):
    """The painting as it is now, fitted into the width."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._most = PREVIEW_HEIGHT
        self._image: QtGui.QImage | None = None
        policy = QtWidgets.QSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_image(self, image: QtGui.QImage | None) -> None:
        """Show a QImage; None hides the preview."""
        size = None if self._image is None else self._image.size()
        self._image = image
        self.setVisible(image is not None)
        if image is not None and image.size() != size:
            self.updateGeometry()
        self.update()

    def set_most(self, height: int) -> None:
        """It may be so high."""
        if height != self._most:
            self._most = height
            self.updateGeometry()

    def image(self) -> QtGui.QImage | None:
        """What is shown."""
        return self._image

    def hasHeightForWidth(self) -> bool:
        """The picture's aspect ratio decides."""
        return True

    def heightForWidth(self, width: int) -> int:
        """The height that shows the whole picture."""
        if self._image is None:
            return 0
        return min(self._most, max(1, width * self._image.height() // self._image.width()))

    def sizeHint(self) -> QtCore.QSize:
        """As high as the present width asks for."""
        return QtCore.QSize(200, self.heightForWidth(max(self.width(), 200)))

    def paintEvent(self, _event: QtGui.QPaintEvent | None) -> None:
        """Draw it."""
        if self._image is None:
            return
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.RenderHint.SmoothPixmapTransform)
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        x, y = (self.width() - size.width()) // 2, (self.height() - size.height()) // 2
        painter.drawImage(QtCore.QRect(QtCore.QPoint(x, y), size), self._image)
        painter.end()


class TaskPanel(QtWidgets.QFrame):
    """One painting: preview, progress and buttons while it runs; afterwards what came of it."""

    keep = Signal(str)
    cancel = Signal(str)
    again = Signal(str)
    dismiss = Signal(str)

    def __init__(self, key: str, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.key = key
        self._seen: object = None  # the preview that is shown
        self._report = ""
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.title = Elided()
        self.close_button = QtWidgets.QToolButton()
        self.close_button.setText("✕")
        self.close_button.setAutoRaise(True)
        self.close_button.clicked.connect(lambda: self.dismiss.emit(self.key))
        self.preview = Preview()
        self.preview.hide()
        self.bar = thin_bar()
        self.line = small(kind=Words)
        self.left = QtWidgets.QLabel()
        self.keep_button = QtWidgets.QPushButton(_("Keep this"))
        self.keep_button.setToolTip(_("Stop here and take the painting as it is now."))
        self.keep_button.clicked.connect(lambda: self.keep.emit(self.key))
        self.cancel_button = QtWidgets.QPushButton(_("Cancel"))
        self.cancel_button.setToolTip(_("Stop and keep nothing."))
        self.cancel_button.clicked.connect(self._cancel)
        self.again_button = QtWidgets.QPushButton(_("Try again"))
        self.again_button.clicked.connect(lambda: self.again.emit(self.key))
        self.details_button = QtWidgets.QPushButton(_("Copy details"))
        self.details_button.setToolTip(_("Copies what happened, for a report. No picture is in it."))
        self.details_button.clicked.connect(lambda: copy(self._report))
        head = QtWidgets.QHBoxLayout()
        head.addWidget(self.title, 1)
        head.addWidget(self.close_button)
        words_row = QtWidgets.QHBoxLayout()
        words_row.addWidget(self.line, 1)
        words_row.addWidget(self.left, 0, Qt.AlignmentFlag.AlignTop)
        buttons = QtWidgets.QHBoxLayout()
        for button in (self.keep_button, self.cancel_button, self.again_button, self.details_button):
            buttons.addWidget(button, 1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.setSpacing(6)
        column.addLayout(head)
        column.addWidget(self.preview)
        column.addWidget(self.bar)
        column.addLayout(words_row)
        column.addLayout(buttons)

    def height_for(self, width: int) -> int:
        """The height that shows everything in this width."""
        layout = self.layout()
        assert layout is not None
        return layout.heightForWidth(width) if layout.hasHeightForWidth() else self.sizeHint().height()

    def show_task(self, task: Task, *, log: str) -> None:
        """Show the state of a painting."""
        state = task.state
        running = not state.ended
        self.title.show_text(_("{layer} in the style of {style}").format(layer=task.capture.name, style=state.label))
        self._show_preview(state if running else None)
        self.bar.setVisible(running and state.stage != "queued")
        show_fraction(self.bar, state.fraction)
        self.line.setText(self._words(task, log))
        self.left.setText(state.left)
        self.left.setVisible(bool(state.left))
        animation = task.animation is not None
        self.keep_button.setVisible(running and not animation)
        if animation:  # one button: what is painted is kept in any case
            self.cancel_button.setText(_("Stop"))
            self.cancel_button.setToolTip(_("Stop here. The frames that are painted are kept; the others stay empty."))
        self.keep_button.setEnabled(
            state.stage == "running" and state.job is not None and bool(state.job.progress and state.job.progress.step)
        )
        self.cancel_button.setVisible(running)
        failed = state.stage == "failed"
        self.again_button.setVisible(failed)
        self.details_button.setVisible(failed)
        self.close_button.setVisible(state.ended)
        if failed and state.error is not None:
            version = f"Krita {Krita.instance().version()}"
            details = ui_text.details(state.error, log=log, host=version)
            self._report = f"{details}\n\n{state.report}"

    def _words(self, task: Task, log: str) -> str:
        state = task.state
        if state.stage == "failed" and state.error is not None:
            said = ui_text.failure(state.error, begun=state.job is not None)
            return f"{said}\n{ui_text.log_line(log)}" if log else said
        if state.stage == "done":
            line = ui_text.result_line(state.result) if task.animation is None else state.line
            return "\n".join((line, *task.notes))
        return "\n".join(filter(None, (state.line, state.note)))

    def _show_preview(self, state: RunState | None) -> None:
        if state is None or state.preview is None:
            self.preview.show_image(None)
        elif state.preview is not self._seen:
            self._seen = state.preview
            self.preview.show_image(sources.to_qimage(state.preview))

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.keep_button.setEnabled(False)
        self.line.setText(_("Stopping…"))
        self.cancel.emit(self.key)


class ConditionPanel(QtWidgets.QWidget):
    """The daemon's condition: a dot, words, and what can be done."""

    def __init__(self, controller: Controller, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.controller = controller
        self._error = None
        self.dot = QtWidgets.QLabel("●")
        self.short = Elided()
        self.sentence = small()
        self.buttons = QtWidgets.QHBoxLayout()
        self.buttons.setSpacing(6)
        self.bar = thin_bar()
        self.bar.hide()
        head = QtWidgets.QHBoxLayout()
        head.setSpacing(6)
        head.addWidget(self.dot)
        head.addWidget(self.short, 1)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addLayout(head)
        column.addWidget(self.sentence)
        column.addWidget(self.bar)
        column.addLayout(self.buttons)
        controller.condition_changed.connect(self.refresh)  # bound methods: Qt cuts them when the window is closed
        controller.fetch_changed.connect(self.refresh)
        self._shown: tuple[Action, ...] = ()
        self.refresh()

    def refresh(self, _news: object = None) -> None:
        """Show what is known now."""
        condition = self.controller.condition
        fetch = self.controller.fetch_state
        fetching = fetch is not None and self.controller.fetch is not None
        self.dot.setStyleSheet(f"color: {DOTS[condition.kind]}")
        self.short.show_text(condition.short)
        tip = "\n".join(
            part
            for part in (
                condition.daemon,
                condition.device,
                ui_text.log_line(condition.log) if condition.log else "",
            )
            if part
        )
        set_tip(self.short, tip)
        sentence, actions = condition.sentence, condition.actions
        if fetch is not None and fetching:
            sentence, actions = _("Fetching the full model… {line}").format(line=fetch.line), ()
        elif fetch is not None and fetch.error is not None and condition.kind == "lite":
            sentence = ui_text.failure(fetch.error, begun=False)
            actions = (*(a for a in actions if a.verb == "fetch"), COPY_DETAILS)
        if COPY_DETAILS in actions and condition.log and condition.log not in sentence:
            sentence += "\n" + ui_text.log_line(condition.log)
        self.sentence.setText(sentence)
        self.sentence.setVisible(bool(sentence))
        self.bar.setVisible(fetching)
        if fetch is not None and fetching:
            show_fraction(self.bar, fetch.fraction)
        if actions != self._shown:
            self._shown = actions
            self._rebuild(actions)

    def _rebuild(self, actions: Sequence[Action]) -> None:
        while self.buttons.count():
            item = self.buttons.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for action in actions:
            button = QtWidgets.QPushButton(action.label)
            button.setObjectName(f"vaporbrush_do_{action.verb}")
            button.setToolTip(action.tip)
            button.clicked.connect(lambda _checked=False, action=action: self.do(action))
            self.buttons.addWidget(button)
        self.buttons.addStretch(1)

    def do(self, action: Action) -> None:
        """A button was pressed."""
        condition = self.controller.condition
        if action.verb == "start":
            self.controller.monitor.start_daemon()
        elif action.verb == "unload":
            self.controller.monitor.unload()
        elif action.verb == "fetch":
            self.controller.get_full_model()
        elif action.verb == "copy_command":
            copy(condition.command)
        else:
            lines = (condition.short, self.sentence.text(), f"Krita {Krita.instance().version()}")
            copy("\n".join(lines))
