"""One painting as a visitor of the project's page sees it: a photograph, a bundled style, and what came of both."""

import json

from krita import Krita
from vaporbrush_driver.kit import (
    FOLDER,
    LOADED_S,
    QT_FOLDER,
    ask,
    choose,
    controller,
    cut_labels,
    docker,
    idle,
    last,
    new_document,
    others_hidden,
    outcome,
    painted_layer,
    picture,
    scene,
    tree,
)
from vaporbrush_driver.qt import Qt

from vaporbrush_host.request import StyleRef

DOCKER_HEIGHT = 720  # px: all controls and what is said about the painting


@scene
def showcase(tell):
    wish = json.loads((FOLDER / "showcase.json").read_text())
    application = Krita.instance()
    _, width, height = picture("content")
    document = new_document("piazza", width, height)
    yield LOADED_S
    others_hidden()
    document.saveAs(QT_FOLDER + "/piazza.kra")
    document.nodeByName("Background").remove()
    content = painted_layer(document, "Photo", "content")
    yield 0.5
    document.setActiveNode(content)
    application.action("vaporbrush_stylize").trigger()
    yield lambda: controller().bundled
    window = application.activeWindow().qwindow()
    window.resizeDocks([docker()], [DOCKER_HEIGHT], Qt.Orientation.Vertical)
    yield 0.5
    application.action("zoom_to_fit_height").trigger()
    choose(document, content, StyleRef("bundled", wish["style"]))
    docker()._style_changed()  # as a click in the gallery does: the style's own strength
    docker().set_values({**docker().values(), **wish["values"]})
    yield lambda: "painted at" in docker().expected.text()
    document.save()
    docker().button.click()
    yield lambda: controller().condition.kind == "loading" or last().state.preview is not None
    if controller().condition.kind == "loading":  # a quick machine may have loaded it before anybody asked
        yield ask(tell, "shot", "krita-daemon-loading")
    yield lambda: last().state.preview is not None
    yield 2.0
    docker().task_area.verticalScrollBar().setValue(9999)
    yield ask(tell, "shot", "krita-showcase-running")
    while not idle():  # longer than one wait may be
        yield 1.0
    yield 0.5
    document.save()
    docker().task_area.verticalScrollBar().setValue(0)
    yield 3.0  # Krita's own messages on the canvas have gone
    tell("showcase", {**outcome(last()), "after": tree(document.rootNode()), "cut": cut_labels(docker())})
    yield ask(tell, "shot", "krita-showcase")
