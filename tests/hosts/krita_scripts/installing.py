"""From the first start after the import to a painting, with the mouse alone. test_installing.py judges what is told."""

import json
import os
import time

from krita import Krita
from vaporbrush_driver.kit import (
    LOADED_S,
    ask,
    controller,
    docker,
    last,
    named,
    new_document,
    newest_name,
    painted_layer,
    picture,
    save,
    scene,
    screen_point,
    tree,
)
from vaporbrush_driver.qt import QApplication, QFrame, QMdiArea, QMessageBox, QPoint, QPushButton, QToolButton

LOOK_S = 20.0  # how often it says that it still waits: an install may take minutes


def panel():
    """The first page."""
    return docker().findChild(QFrame, "vaporbrush_installer")


def steps_until_ready(seen, began):
    """Each step of the install with the second at which it began; whether there is a daemon, or it failed."""
    line = panel().line.text()
    step = line.split(":")[0].rstrip("…")
    if line and (not seen or seen[-1][0] != step):
        seen.append((step, round(time.time() - began, 1)))
    return controller().condition.reachable or line.startswith("⚠")


def tile(view, row):
    """Where a style of the gallery is on the screen."""
    point = view.viewport().mapToGlobal(view.visualItemRect(view.item(row)).center() - QPoint(0, 10))
    return [point.x(), point.y()]


def place(widget):
    """Where a widget is on the screen, with its frame."""
    point = widget.mapToGlobal(QPoint(0, 0))
    return [point.x(), point.y(), widget.width(), widget.height()]


def looked_at(tell, name):
    """A screenshot for people, and where the docker is on it; `yield from`."""
    yield ask(tell, "shot", name)
    tell("docker", place(docker()))


@scene
def from_the_first_page_to_a_painting(tell):
    began = time.time()
    _bytes, width, height = picture("content")
    document = new_document("picture", width, height)
    yield LOADED_S
    painted_layer(document, "Photo", "content")
    document.setActiveNode(named(document, "Photo"))
    yield lambda: docker().isVisible() and not docker().visibleRegion().isEmpty()  # unasked
    yield 1.0
    yield from looked_at(tell, "install-krita-1-page")
    tell("page", [panel().title.text(), panel().text.text(), panel().action.text()])
    yield ask(tell, "click", screen_point(docker().findChild(QPushButton, "vaporbrush_install")))
    clicked = time.time()
    yield lambda: panel().bar.isVisible() and panel().bar.value() > 100 and panel().line.text().startswith("Fetching:")
    tell("progress", panel().line.text())
    yield from looked_at(tell, "install-krita-2-progress")
    seen = []
    while not steps_until_ready(seen, clicked):
        until = time.time() + LOOK_S
        yield lambda until=until: steps_until_ready(seen, clicked) or time.time() > until
    tell("steps", seen)
    tell("installed", {"line": panel().line.text(), "seconds": round(time.time() - clicked, 1)})
    yield lambda: bool(controller().bundled)
    yield 1.0
    tell("ready after", round(time.time() - clicked, 1))
    yield from looked_at(tell, "install-krita-3-ready")
    yield ask(tell, "click", screen_point(docker().chooser._rows[0].button))
    yield lambda: docker().chooser.gallery.isVisible() and docker().chooser.gallery.bundled.count() > 0
    yield 0.5
    yield ask(tell, "shot", "install-krita-gallery")
    yield ask(tell, "click", tile(docker().chooser.gallery.bundled, 0))
    yield docker().button.isEnabled
    tell("style", docker().chooser.refs()[0].name)
    docker().set_values({**docker().values(), **json.loads(os.environ["INSTALL_VALUES"])})
    pressed = time.time()
    yield ask(tell, "click", screen_point(docker().button))
    yield lambda: bool(controller().tasks)
    while not last().state.ended:
        until = time.time() + LOOK_S
        yield lambda until=until: last().state.ended or time.time() > until
    yield lambda: last().state.stage != "done" or named(document, newest_name()) is not None
    yield 3.0  # for the layers' thumbnails
    error = last().state.error
    tell("painted", {"stage": last().state.stage, "error": error and error.message, "seconds": time.time() - pressed})
    tell("seconds", round(time.time() - began, 1))
    yield from looked_at(tell, "install-krita-4-painted")
    tell("canvas", place(Krita.instance().activeWindow().qwindow().findChild(QMdiArea)))
    tell("layers", tree(document.rootNode()))
    tell("painting", save(named(document, newest_name()), "painting"))


def open_box():
    """The question that is open, or None."""
    return next(
        (one for one in QApplication.topLevelWidgets() if isinstance(one, QMessageBox) and one.isVisible()), None
    )


@scene
def the_painter_is_removed_by_the_menu(tell):
    more = next(one for one in docker().findChildren(QToolButton) if one.text() == "⋯")
    yield ask(tell, "click", screen_point(more))
    yield more.menu().isVisible
    yield 0.5
    action = next(one for one in more.menu().actions() if one.text() == "Remove the painter…")
    point = more.menu().mapToGlobal(more.menu().actionGeometry(action).center())
    yield ask(tell, "click", [point.x(), point.y()])
    yield lambda: open_box() is not None
    yield 0.5
    yield ask(tell, "shot", "install-krita-5-remove")
    keep = next(one for one in open_box().buttons() if "Keep" in one.text())
    yield ask(tell, "click", screen_point(keep))
    yield lambda: panel().isVisible() and panel().action.isVisible()
    tell("removed", [panel().line.text(), panel().action.text()])
    yield 0.5
    yield ask(tell, "shot", "install-krita-6-removed")
