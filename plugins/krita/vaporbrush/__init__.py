"""Vaporbrush in Krita: registers the menu actions and the docker.

Registering cannot fail. Whatever goes wrong while the plug-in is imported is kept and shown when a person chooses the
menu entry; Krita itself would only grey the plug-in out.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from krita import Extension, Krita, Window

HERE = Path(__file__).resolve().parent
if (HERE / "vendor").is_dir():  # an installed copy brings the protocol and what the hosts share; a checkout does not
    sys.path.insert(0, str(HERE / "vendor"))


class BrokenExtension(Extension):
    """Stands in for a plug-in that could not be imported: one action that says why."""

    reason = ""

    def setup(self) -> None:
        """Krita calls this once; there is nothing to set up."""

    def createActions(self, window: Window) -> None:
        """Called for each window."""
        action = window.createAction("vaporbrush_stylize", "Stylize Layer with Vaporbrush…", "tools/scripts")
        action.triggered.connect(self.tell)

    def tell(self) -> None:
        """The dialog with the reason."""
        import pykrita

        major = getattr(pykrita, "qt_major_version", lambda: 5)()
        box = __import__(f"PyQt{major}.QtWidgets", fromlist=["QMessageBox"]).QMessageBox()
        box.setIcon(box.Icon.Warning)
        box.setWindowTitle("Vaporbrush")
        box.setText("Vaporbrush's plug-in is damaged or does not fit this Krita.")
        box.setInformativeText("Install it again with: vaporbrush install krita")
        box.setDetailedText(f"{self.reason}\nPython {sys.version}\nKrita {Krita.instance().version()}")
        box.exec()


def register() -> None:
    """Tell Krita about the plug-in, or about why it does not work."""
    application = Krita.instance()
    try:
        from . import language

        language.follow()  # the texts are made while the rest is imported
        from .extension import add_to
    except Exception:  # noqa: BLE001 (whatever it is, the menu entry tells it)
        extension = BrokenExtension(application)
        extension.reason = traceback.format_exc()
        application.addExtension(extension)
    else:
        add_to(application)


register()
