"""The menu actions, and the one studio behind them and behind every window's docker."""

from krita import DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from vaporbrush_host.words import _

from .docker import DOCKER_ID, VaporbrushDocker, open_docker
from .studio import Studio

MENU = "tools/scripts"


class VaporbrushExtension(Extension):
    """Made once; Krita calls `createActions` for each window."""

    def __init__(self, parent):
        super().__init__(parent)
        self.studio = Studio(self)
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self.studio.close)
        notifier.imageClosed.connect(lambda _name: self.studio.document_closed())

    def setup(self):
        """Krita calls this once; everything is set up already."""

    def createActions(self, window):
        """The entries of Tools ▸ Scripts."""
        stylize = window.createAction("vaporbrush_stylize", _("Stylize Layer with Vaporbrush…"), MENU)
        stylize.triggered.connect(open_docker)  # the window that Krita gave is a wrapper that dies
        repeat = window.createAction("vaporbrush_repeat", _("Repeat Last Stylize"), MENU)
        repeat.triggered.connect(lambda: self._and_show(self.studio.repeat))
        restylize = window.createAction("vaporbrush_restylize", _("Restylize"), MENU)
        restylize.triggered.connect(lambda: self._and_show(self.studio.restylize))

    @staticmethod
    def _and_show(begin):
        open_docker()  # what it says while it paints, or why it does not, stands there
        begin()


def add_to(application):
    """Register the actions and the docker."""
    extension = VaporbrushExtension(application)
    VaporbrushDocker.studio = extension.studio
    application.addExtension(extension)
    application.addDockWidgetFactory(DockWidgetFactory(DOCKER_ID, DockWidgetFactoryBase.DockRight, VaporbrushDocker))
