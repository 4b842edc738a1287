"""From the plug-in's zip to a painting, with the mouse alone. test_installing.py judges what is told."""

import time

from krita import Krita
from PyQt5.QtWidgets import QFrame, QPushButton
from vaporbrush_driver.kit import (
    LOADED_S,
    ask,
    controller,
    docker,
    last,
    new_document,
    painted_layer,
    scene,
    screen_point,
)


def button(name):
    return docker().findChild(QPushButton, name)


@scene
def from_zip_to_painting(tell):
    began = time.time()
    document = new_document("picture", 320, 240)
    yield LOADED_S
    painted_layer(document, "Photo", "content")
    Krita.instance().action("vaporbrush_stylize").trigger()  # click 1: the menu's entry
    yield lambda: button("vaporbrush_install") is not None and button("vaporbrush_install").isVisible()
    yield 1.0
    panel = docker().findChild(QFrame, "vaporbrush_installer")
    tell("page", {"title": panel.title.text(), "text": panel.text.text(), "action": panel.action.text()})
    yield ask(tell, "shot", "install-krita-1-page")
    yield ask(tell, "click", screen_point(button("vaporbrush_install")))  # click 2
    clicked = time.time()
    yield lambda: panel.bar.isVisible() and panel.bar.value() > 300
    tell("progress", panel.line.text())
    yield ask(tell, "shot", "install-krita-2-progress")
    seen = []

    def done():
        line = panel.line.text()
        if line and (not seen or seen[-1][0].split(":")[0] != line.split(":")[0]):
            seen.append((line, round(time.time() - clicked, 1)))
        return controller().condition.reachable or (panel.line.text().startswith("⚠"))

    while not done():  # patience is for each line of progress
        before = panel.line.text()
        yield lambda before=before: done() or panel.line.text() != before
    tell("steps", seen)
    tell(
        "installed",
        {"condition": controller().condition.short, "line": panel.line.text(), "seconds": time.time() - clicked},
    )
    yield lambda: bool(controller().bundled)
    yield 1.0
    yield ask(tell, "shot", "install-krita-3-ready")
    tell("styles", [one.name for one in controller().bundled])
    from vaporbrush_host.request import StyleRef

    docker().chooser.set_refs([StyleRef("bundled", controller().bundled[0].name)])  # clicks 3 and 4: list, style
    docker().set_values({**docker().values(), "quality": "draft"})
    yield 1.0
    yield ask(tell, "click", screen_point(docker().button))  # click 5
    yield lambda: bool(controller().tasks)
    yield lambda: last().state.ended
    yield 1.0
    tell(
        "painted", {"stage": last().state.stage, "error": str(last().state.error or ""), "seconds": time.time() - began}
    )
    yield ask(tell, "shot", "install-krita-4-painted")
    tell("layers", [one.name() for one in document.topLevelNodes()])
