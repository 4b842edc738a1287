"""The plug-in's zip is imported with the mouse, by Krita's own importer. test_installing.py judges what is told."""

from krita import Krita
from vaporbrush_driver.kit import QT_FOLDER, ask, scene, screen_point
from vaporbrush_driver.qt import QApplication, QFileDialog, QLineEdit, QMessageBox


def entry(menu, words):
    """The entry of a menu (or menu bar) that begins so, and where it is on the screen."""
    action = next(one for one in menu.actions() if one.text().replace("&", "").startswith(words))
    point = menu.mapToGlobal(menu.actionGeometry(action).center())
    return action, [point.x(), point.y()]


def dialog(kind):
    """The dialog in front, if it is of this kind."""
    found = QApplication.activeModalWidget()
    return found if isinstance(found, kind) and found.isVisible() else None


@scene
def import_the_zip(tell):
    yield 1.0
    menu = Krita.instance().activeWindow().qwindow().menuBar()
    for words in ("Tools", "Scripts", "Import Python Plugin from File"):
        action, point = entry(menu, words)
        yield ask(tell, "click", point)
        if action.menu() is not None:
            menu = action.menu()
            yield menu.isVisible
            yield 0.3
    yield lambda: dialog(QFileDialog) is not None
    yield 0.5
    field = dialog(QFileDialog).findChild(QLineEdit)
    field.setText(f"{QT_FOLDER}/vaporbrush.zip")
    field.setFocus()
    yield ask(tell, "keys", ["Return"])
    yield lambda: dialog(QMessageBox) is not None
    yield 0.5
    box = dialog(QMessageBox)
    tell("question", box.text())
    yield ask(tell, "shot", "install-krita-0-import")
    yield ask(tell, "click", screen_point(box.button(QMessageBox.StandardButton.Yes)))
    yield lambda: dialog(QMessageBox) is None
    yield 0.5
