"""The first page in the docker, from which the painter is installed by one click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vaporbrush_host.installer.page import shown_path
from vaporbrush_host.ui_text import _, breakable

from .installer import Installer
from .panels import copy, show_fraction, small, thin_bar
from .qt import Qt, QtWidgets, Signal


def with_installer(installer: Installer, controls: QtWidgets.QWidget) -> QtWidgets.QWidget:
    """The docker's whole: the first page above the controls, or alone where nothing can paint yet."""
    panel = InstallerPanel(installer)
    filler = QtWidgets.QWidget()
    outer = QtWidgets.QWidget()
    column = QtWidgets.QVBoxLayout(outer)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(0)
    for widget, stretch in ((panel, 0), (controls, 1), (filler, 1)):
        column.addWidget(widget, stretch)

    def arrange() -> None:
        controls.setVisible(not panel.blocks)
        filler.setVisible(panel.blocks)

    panel.mode_changed.connect(arrange)
    arrange()
    return outer


class InstallerPanel(QtWidgets.QFrame):
    """Shows the page's view, and hands it the clicks."""

    mode_changed = Signal()

    def __init__(self, installer: Installer, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self.page = installer.page
        self.setObjectName("vaporbrush_installer")
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.title = QtWidgets.QLabel()
        self.title.setStyleSheet("font-weight: bold")
        self.title.setWordWrap(True)
        self.text = small()
        self.place = small()
        self.folder_button = self._button(_("Change…"), _("Install into another folder."), self._choose_folder)
        self.action = self._button(
            "", _("Nothing needs an administrator. You can go on painting meanwhile."), self._press
        )
        self.action.setObjectName("vaporbrush_install")
        self.file_button = self._button(
            _("From a file…"), _("For computers without a network: an offline bundle of Vaporbrush."), self._choose_file
        )
        self.network_button = self._button(
            _("Network…"), _("A package index and a proxy of your own."), self._choose_network
        )
        self.later = self._button("", "", self._dismiss)
        self.cancel = self._button(_("Stop"), _("What has been fetched is kept."), self._cancel)
        self.cancel.setObjectName("vaporbrush_install_cancel")
        self.details = self._button(_("Copy details"), _("Copies what happened, for a report."), self._copy)
        self.bar = thin_bar()
        self.line = small()
        self.line.setObjectName("vaporbrush_install_line")
        self.line.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)  # it is `breakable`
        self._build()
        installer.changed.connect(self.refresh)  # a bound method: Qt cuts it when the window is closed
        self._mode = ""
        self.refresh()

    def _button(self, label: str, tip: str, pressed: Callable[[], None]) -> QtWidgets.QPushButton:
        button = QtWidgets.QPushButton(label)
        button.setToolTip(tip)
        button.clicked.connect(lambda _checked=False: pressed())
        return button

    def _build(self) -> None:
        place = QtWidgets.QHBoxLayout()
        place.addWidget(self.place, 1)
        place.addWidget(self.folder_button)
        more = QtWidgets.QHBoxLayout()
        for button in (self.file_button, self.network_button, self.later, self.details, self.cancel):
            more.addWidget(button)
        more.addStretch(1)
        column = QtWidgets.QVBoxLayout(self)
        column.setSpacing(8)
        column.addWidget(self.title)
        column.addWidget(self.text)
        column.addLayout(place)
        column.addWidget(self.action)
        column.addWidget(self.bar)
        column.addWidget(self.line)
        column.addLayout(more)

    @property
    def blocks(self) -> bool:
        """Whether there is nothing yet that could paint."""
        return self._mode == "full"

    def refresh(self) -> None:
        """Show what the page says now."""
        view = self.page.view()
        self.setVisible(view.mode != "hidden")
        self.title.setText(view.title)
        self.text.setText(view.text)
        self.text.setVisible(bool(view.text))
        self.place.setText(shown_path(view.place))
        self.place.setVisible(bool(view.place))
        self.folder_button.setVisible(bool(view.place))
        self.action.setText(view.action)
        self.action.setVisible(bool(view.action))
        self.bar.setVisible(view.running)
        show_fraction(self.bar, view.fraction)
        self.line.setText(breakable(("⚠ " if view.error else "") + view.line))
        self.line.setVisible(bool(view.line))
        self.cancel.setVisible(view.running)
        self.cancel.setEnabled(not view.stopping)
        self.later.setText(view.dismiss)
        self.later.setVisible(view.dismissable)
        self.details.setVisible(view.error)
        for button in (self.file_button, self.network_button):
            button.setVisible(view.mode == "full" and not view.running)
        if view.mode != self._mode:
            self._mode = view.mode
            self.mode_changed.emit()

    def _press(self) -> None:
        self.page.press()
        self.refresh()

    def _cancel(self) -> None:
        self.page.cancel()
        self.refresh()

    def _dismiss(self) -> None:
        self.page.dismiss()
        self.refresh()

    def _copy(self) -> None:
        copy(self.page.details())

    def _choose_folder(self) -> None:
        chosen = QtWidgets.QFileDialog.getExistingDirectory(self, _("Where should the painter go?"), str(Path.home()))
        if chosen:
            self.page.choose_folder(Path(chosen))
            self.refresh()

    def _choose_file(self) -> None:
        chosen, _kind = QtWidgets.QFileDialog.getOpenFileName(
            self, _("An offline bundle of Vaporbrush"), str(Path.home()), _("Bundles (*.zip)")
        )
        if chosen:
            self.page.choose_bundle(Path(chosen))
            self.refresh()

    def _choose_network(self) -> None:
        index = self.page.index()
        dialog = QtWidgets.QDialog(self)
        dialog.setWindowTitle(_("Network"))
        form = QtWidgets.QFormLayout(dialog)
        url, proxy = QtWidgets.QLineEdit(index.url), QtWidgets.QLineEdit(index.proxy)
        url.setPlaceholderText("https://pypi.org/simple")
        proxy.setPlaceholderText(_("the system's"))
        url.setMinimumWidth(360)
        form.addRow(_("Package index:"), url)
        form.addRow(_("Proxy:"), proxy)
        buttons = QtWidgets.QDialogButtonBox.StandardButton
        box = QtWidgets.QDialogButtonBox(buttons.Ok | buttons.Cancel)
        box.accepted.connect(dialog.accept)
        box.rejected.connect(dialog.reject)
        form.addRow(box)
        if dialog.exec():
            self.page.set_index(url.text(), proxy.text())
            self.refresh()
