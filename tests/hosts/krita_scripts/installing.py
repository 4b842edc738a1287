"""From the first start after the import to a painting, with the mouse alone. test_installing.py judges what is told."""

import time

from PyQt5.QtCore import QPoint
from PyQt5.QtWidgets import QFrame, QPushButton
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
    save,
    scene,
    screen_point,
    tree,
)

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


@scene
def from_the_first_page_to_a_painting(tell):
    began = time.time()
    document = new_document("picture", 320, 240)
    yield LOADED_S
    painted_layer(document, "Photo", "content")
    document.setActiveNode(named(document, "Photo"))
    yield lambda: docker().isVisible() and not docker().visibleRegion().isEmpty()  # unasked
    yield 1.0
    yield ask(tell, "shot", "install-krita-1-page")
    tell("page", [panel().title.text(), panel().text.text(), panel().action.text()])
    yield ask(tell, "click", screen_point(docker().findChild(QPushButton, "vaporbrush_install")))
    clicked = time.time()
    yield lambda: panel().bar.isVisible() and panel().bar.value() > 100 and panel().line.text().startswith("Fetching:")
    tell("progress", panel().line.text())
    yield ask(tell, "shot", "install-krita-2-progress")
    seen = []
    while not steps_until_ready(seen, clicked):
        until = time.time() + LOOK_S
        yield lambda until=until: steps_until_ready(seen, clicked) or time.time() > until
    tell("steps", seen)
    tell("installed", {"line": panel().line.text(), "seconds": round(time.time() - clicked, 1)})
    yield lambda: bool(controller().bundled)
    yield 1.0
    tell("ready after", round(time.time() - clicked, 1))
    yield ask(tell, "shot", "install-krita-3-ready")
    yield ask(tell, "click", screen_point(docker().chooser._rows[0].button))
    yield lambda: docker().chooser.gallery.isVisible() and docker().chooser.gallery.bundled.count() > 0
    yield 0.5
    yield ask(tell, "shot", "install-krita-gallery")
    yield ask(tell, "click", tile(docker().chooser.gallery.bundled, 0))
    yield docker().button.isEnabled
    tell("style", docker().chooser.refs()[0].name)
    docker().set_values({**docker().values(), "quality": "draft"})  # the installing is what is tried, not patience
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
    yield ask(tell, "shot", "install-krita-4-painted")
    tell("layers", tree(document.rootNode()))
    tell("painting", save(named(document, newest_name()), "painting"))
