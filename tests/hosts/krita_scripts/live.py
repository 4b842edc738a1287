"""Live by the mouse: the picture in the docker follows the controls and the layer. test_krita_live.py judges what is
told.
"""

import time

from krita import Krita
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    ask,
    choose,
    close,
    cut_labels,
    docker,
    idle,
    last,
    new_document,
    others_hidden,
    painted_layer,
    scene,
    screen_point,
    tree,
)
from vaporbrush_driver.meters import strokes
from vaporbrush_driver.qt import QByteArray

from vaporbrush_host.request import StyleRef

USUAL = {"strength": 100.0, "style_scale": 1.0, "quality": "standard", "size": "auto", "steps": None, "seed": 7}


def panel():
    """The live picture."""
    return docker().live


def pixels():
    """What it shows."""
    image = panel().picture.image()
    return None if image is None else bytes(image.constBits().asstring(image.sizeInBytes()))


def rests():
    """Whether it has ended to grow."""
    return panel().line.text().endswith("px.")


def begun(tell):
    """A document with a photograph, and Live switched on with the mouse."""
    document = new_document("live", 640, 480)
    yield LOADED_S
    content = painted_layer(document, "Photo", "large")
    yield 0.5
    document.refreshProjection()
    choose(document, content, StyleRef("bundled", "impasto"), **USUAL)
    Krita.instance().action("vaporbrush_stylize").trigger()
    others_hidden()
    yield lambda: docker().controller.bundled  # by whose titles paintings are called
    yield 0.5
    yield ask(tell, "click", screen_point(panel().button))
    yield lambda: panel().is_on
    return document, content


@scene
def follows_the_controls(tell):
    """The picture grows by itself; a moved slider changes it at once."""
    document, _content = yield from begun(tell)
    before = tree(document.rootNode())
    yield lambda: pixels() is not None
    tell("said", panel().line.text())
    yield rests
    tell("rested", panel().line.text())
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", "krita-live")
    for name, value in (("strength", 1500.0), ("strength", 15.0)):
        shown = pixels()
        field, began = docker().fields[name], time.monotonic()
        field.spin.setValue(value)
        yield lambda shown=shown: pixels() != shown
        tell("first change", round(time.monotonic() - began, 3))
        yield lambda: "160 px" not in panel().line.text() or rests()  # a busy machine goes no further
        tell("in the style", round(time.monotonic() - began, 3))
        yield rests
        tell("settled", round(time.monotonic() - began, 3))
    yield ask(tell, "shot", "krita-live-weak")
    tell("layers", tree(document.rootNode()) == before)
    yield ask(tell, "click", screen_point(panel().button))
    yield lambda: not panel().isVisible()
    tell("off", [panel().is_on, pixels() is None])
    close(document)
    yield 0.4


@scene
def follows_the_layer(tell):
    """What is painted on the layer is seen in the picture; drawing does not stutter; a real painting comes first."""
    document, content = yield from begun(tell)
    yield rests
    shown = pixels()
    blue = bytes((200, 60, 30, 255)) * (320 * 240)
    content.setPixelData(QByteArray(blue), 0, 0, 320, 240)
    document.refreshProjection()
    began = time.monotonic()
    yield lambda: pixels() != shown
    tell("stroke seen", round(time.monotonic() - began, 3))
    yield from strokes(tell, document, "strokes while live")
    document.setActiveNode(content)
    docker().set_values({**docker().values(), **CHEAP})
    yield 0.5
    yield ask(tell, "click", screen_point(docker().button))
    yield lambda: docker().controller.tasks and idle()
    yield 0.5
    tell("painted", [last().state.stage, tree(document.rootNode())])
    tell("still on", panel().is_on)
    docker().hide()
    yield 0.3
    tell("hidden", panel().is_on)
    docker().show()
    yield lambda: panel().is_on
    docker().live.button.setChecked(False)
    yield 0.3
    close(document)
    yield 0.4
