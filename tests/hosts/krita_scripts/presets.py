"""Presets by mouse and keyboard: keep what the docker shows, choose it again, hand it on as a file."""

from krita import Krita
from vaporbrush_driver.kit import CHEAP, ask, choose, close, docker, last, outcome, painting, scene, screen_point, stage
from vaporbrush_driver.qt import QApplication, QFileDialog, QInputDialog, QMessageBox, QPushButton

from vaporbrush_host.request import StyleRef

TYPED = {**CHEAP, "strength": 321.0, "color": "luma", "seed": 90}  # the fake painter has accidents by smaller seeds


def entry(tell, *titles):
    """Click through the menu of presets; `yield from`."""
    docker().scroll_area.ensureWidgetVisible(docker().form.presets)
    yield 0.5
    yield ask(tell, "click", screen_point(docker().form.presets))
    yield docker().presets.isVisible
    menu = docker().presets
    for title in titles:
        action = next(one for one in menu.actions() if one.text() == title)
        point = menu.mapToGlobal(menu.actionGeometry(action).center())
        yield ask(tell, "click", [point.x(), point.y()])
        yield 0.5
        menu = action.menu() or menu


def open_dialog(kind):
    """The dialog of this kind that is open, or None."""
    return next((one for one in QApplication.topLevelWidgets() if isinstance(one, kind) and one.isVisible()), None)


def dialog(kind):
    """The same, as soon as it is there; `yield from`."""
    yield lambda: open_dialog(kind)
    yield 0.5
    return open_dialog(kind)


def choose_file(tell, name):
    """Type a path and click on Open or Save, as often as the list of completions takes the click."""
    files = yield from dialog(QFileDialog)
    yield ask(tell, "type path", name)
    button = next(one for one in files.findChildren(QPushButton) if one.isDefault())
    point = screen_point(button)
    for _attempt in range(5):
        yield ask(tell, "click", point)
        yield 0.7
        if open_dialog(QFileDialog) is None:
            return
    raise AssertionError("the dialog of files stays open")


def shown():
    """What the docker shows, as far as presets keep it."""
    values = docker().values()
    return {
        "values": {name: values[name] for name in ("strength", "color", "size", "steps", "seed")},
        "styles": [[ref.kind, ref.name, ref.weight] for ref in docker().chooser.refs()],
    }


@scene
def keep_and_choose(tell):
    """A layer as style is kept as a picture; what another program kept is there too."""
    document, content, _style = yield from stage("presets")
    bundled = StyleRef("bundled", "mosaic", weight=2.0)
    choose(document, content, *docker().chooser.refs(), bundled, **TYPED)
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield 0.5
    yield from entry(tell)
    yield 0.5
    tell("menu", [one.text() for one in docker().presets.actions()])
    yield ask(tell, "shot", "krita-presets-menu")
    docker().presets.close()
    yield 0.3
    yield from entry(tell, "Save as preset…")
    document.setModified(False)
    yield from dialog(QInputDialog)
    yield ask(tell, "shot", "krita-presets-name")
    yield ask(tell, "type", "oil & alt")
    yield docker().message.isVisible
    tell("kept", docker().message.text())
    tell("modified by keeping", document.modified())
    docker().form.reset.click()
    docker().chooser.set_refs([StyleRef("bundled", "impasto")])
    yield 0.3
    yield from entry(tell, "oil && alt")
    tell("chosen", shown())
    yield ask(tell, "shot", "krita-presets-chosen")
    document.setActiveNode(content)
    yield 0.3
    yield from painting(document)
    tell("painted", {**outcome(last()), "strength": last().values["strength"]})
    yield from entry(tell, "Éclair")
    tell("from the command line", shown())
    close(document)
    yield 0.4


@scene
def hand_on(tell):
    """As one file to elsewhere, and back; a name that is taken is not lost by accident."""
    document, _content, _style = yield from stage("handed on")
    yield from entry(tell, "Export", "Éclair")
    yield from choose_file(tell, "eclair.vbpreset")
    yield docker().message.isVisible
    tell("exported", docker().message.text())
    docker().message.hide()
    yield from entry(tell, "Delete", "Éclair")
    box = yield from dialog(QMessageBox)
    tell("asked before deleting", box.text())
    yield ask(tell, "click", screen_point(box.button(QMessageBox.StandardButton.Yes)))
    yield 0.5
    tell("after deleting", docker().presets.store.names())
    yield from entry(tell, "Import…")
    yield from choose_file(tell, "eclair.vbpreset")
    yield docker().message.isVisible
    tell("imported", shown())
    docker().message.hide()
    yield from entry(tell, "Import…")
    yield from choose_file(tell, "hostile.vbpreset")
    yield docker().message.isVisible
    tell("hostile", docker().message.text())
    docker().message.hide()
    yield from entry(tell, "Save as preset…")
    yield from dialog(QInputDialog)
    yield ask(tell, "type", "a/b")
    yield docker().message.isVisible
    tell("no name", docker().message.text())
    yield ask(tell, "shot", "krita-presets-no-name")
    close(document)
    yield 0.4
