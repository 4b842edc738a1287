"""Installing the painter from inside Krita: one for all windows. `vaporbrush_host` decides what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vaporbrush_host.daemon_monitor import DaemonMonitor
from vaporbrush_host.installer import removal
from vaporbrush_host.installer.page import Event, Page
from vaporbrush_host.ui_text import _

from .qt import QtCore, QtWidgets, Signal


class Installer(QtCore.QObject):
    """One for the whole of Krita: the page, and what follows when a painter has become ready."""

    changed = Signal()

    def __init__(
        self,
        folder: Path,
        post: Callable[[object], None],
        monitor: DaemonMonitor,
        *,
        by: str,
        home: Path | None = None,
    ) -> None:
        super().__init__()
        self.page = Page(folder, post, by=by, home=home)
        self._monitor = monitor
        self.page.resume()

    def take(self, event: Event) -> None:
        """A thread of the page's reports."""
        if self.page.take(event):
            self._monitor.start_daemon()
        self.changed.emit()

    def add_to(self, menu: QtWidgets.QMenu) -> None:
        """*Remove the painter…*, where a plug-in installed one."""
        action = menu.addAction(removal.ACTION)
        assert action is not None
        action.triggered.connect(lambda: self._ask_to_remove(menu))
        menu.aboutToShow.connect(lambda: action.setVisible(self.page.removable))

    def _ask_to_remove(self, parent: QtWidgets.QWidget) -> None:
        """Everything, or all but the person's own styles and settings."""
        box = QtWidgets.QMessageBox(parent)
        box.setWindowTitle("Vaporbrush")
        box.setText(removal.QUESTION)
        box.setInformativeText(removal.REASSURANCE)
        roles = QtWidgets.QMessageBox.ButtonRole
        keep = box.addButton(removal.KEEP, roles.AcceptRole)
        everything = box.addButton(removal.EVERYTHING, roles.DestructiveRole)
        box.addButton(_("Cancel"), roles.RejectRole)
        box.exec()
        if box.clickedButton() in (keep, everything):
            self.page.remove(everything=box.clickedButton() is everything)
            self.changed.emit()
