"""A plug-in that was copied only in part: its menu entry says so. test_krita.py judges what is told."""

from krita import Krita
from vaporbrush_driver.kit import LOADED_S, ask, new_document, scene
from vaporbrush_driver.qt import QApplication, QMessageBox, QTimer


@scene
def the_menu_entry(tell):
    new_document("picture", 96, 72)
    yield LOADED_S
    action = Krita.instance().action("vaporbrush_stylize")
    tell("action", action is not None)
    shown = {}

    def look():
        # A modal dialog holds the script: whoever looks at it has to come from outside.
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            shown.update(text=box.text(), cure=box.informativeText(), details=box.detailedText())
            shown["done"] = shown.get("done") or ask(tell, "shot", "krita-broken")
            if shown["done"]():
                box.close()

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(300)
    action.trigger()
    timer.stop()
    tell("dialog", {name: text for name, text in shown.items() if isinstance(text, str)})
