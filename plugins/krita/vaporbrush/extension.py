"""The menu actions, and the one controller behind them and behind every window's docker."""

from __future__ import annotations

from collections.abc import Callable

from krita import DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita, Window

from vaporbrush_host.ui_text import _

from .controller import Controller
from .docker import VaporbrushDocker
from .qt import Qt, QtCore, QtWidgets

MENU = "tools/scripts"
DOCKER_ID = "vaporbrush_docker"
COMFORTABLE = 560  # px of height that show the controls and a preview
SETTLED_MS = 500  # after a picture is opened, before which Krita may still arrange its dockers


class VaporbrushExtension(Extension):
    """Made once; Krita calls `createActions` for each window."""

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self.controller = Controller(self)
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self.controller.close)
        notifier.viewCreated.connect(lambda _view: QtCore.QTimer.singleShot(SETTLED_MS, self._introduce))
        notifier.imageClosed.connect(lambda _name: self.controller.document_closed())

    def setup(self) -> None:
        """Krita calls this once; everything is set up already."""

    def createActions(self, window: Window) -> None:
        """The entries of Tools ▸ Scripts."""
        stylize = window.createAction("vaporbrush_stylize", _("Stylize Layer with Vaporbrush…"), MENU)
        stylize.triggered.connect(open_docker)  # the window that Krita gave is a wrapper that dies
        repeat = window.createAction("vaporbrush_repeat", _("Repeat Last Stylize"), MENU)
        repeat.triggered.connect(lambda: self._and_show(self.controller.repeat))
        restylize = window.createAction("vaporbrush_restylize", _("Restylize"), MENU)
        restylize.triggered.connect(lambda: self._and_show(self.controller.restylize))

    def _introduce(self) -> None:
        """After the import nothing else would show a person where the plug-in is: Krita hides new dockers."""
        if self.controller.installer.page.introduce():
            open_docker()

    @staticmethod
    def _and_show(begin: Callable[[], object]) -> None:
        open_docker()  # what it says while it paints, or why it does not, stands there
        begin()


def open_docker() -> bool:
    """Show the docker of the active window and give it the keyboard. Returns whether there is one."""
    window = Krita.instance().activeWindow()
    dockers = window.dockers() if window is not None else []
    docker = next((one for one in dockers if one.objectName() == DOCKER_ID), None)
    if window is None or docker is None:
        return False
    if not docker.isVisible():
        docker.setVisible(True)
        if docker.height() < COMFORTABLE and not docker.isFloating():  # Krita gives a new docker the smallest room
            window.qwindow().resizeDocks([docker], [COMFORTABLE], Qt.Orientation.Vertical)
    docker.raise_()
    docker.findChild(QtWidgets.QPushButton, "vaporbrush_button").setFocus()
    return True


def add_to(application: Krita) -> None:
    """Register the actions and the docker."""
    extension = VaporbrushExtension(application)
    VaporbrushDocker.controller = extension.controller
    application.addExtension(extension)
    application.addDockWidgetFactory(DockWidgetFactory(DOCKER_ID, DockWidgetFactoryBase.DockRight, VaporbrushDocker))
