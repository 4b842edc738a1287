"""What the scripts driven inside Krita share: documents, layers, docker and controller, a word with the test."""

import json
import os
import time
from functools import cache
from pathlib import Path

from krita import Krita

from .qt import QApplication, QByteArray, QDialog, QMdiArea, QPoint, QWidget

FOLDER = Path(os.environ["VAPORBRUSH_REPORT"]).parent
SRGB = "sRGB-elle-V2-srgbtrc.icc"
QT_FOLDER = os.fsencode(FOLDER).decode("utf-8")  # as Qt spells it: this Python takes it for Latin-1
LOADED_S = 1.2  # after `addView`, before which Krita has no active layer
DELIVERY_S = 60.0  # for a painting that is done to be in its document, on a busy machine
CHEAP = {"size": 96, "steps": 3, "model": "vgg19-lite", "quality": "draft", "seed": 7}
SCENES = []  # in the order in which the scripts have them


def scene(function):
    """What is done in one go and judged for itself; `tell` comes first."""
    SCENES.append(function)
    return function


def tidy():
    """After a scene that failed: no dialog is open, and nothing paints any more."""
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, QDialog) and widget.isVisible():
            widget.reject()
    while QApplication.activePopupWidget() is not None:
        QApplication.activePopupWidget().close()
    yield 0.3
    for key, task in list(controller().tasks.items()):
        if not task.state.ended:
            controller().cancel(key)
    yield idle


def ask(tell, name, value=None):
    """Ask the test for something (a screenshot, a click); yield the result to wait until it has been done."""
    ticket = FOLDER / f"answer-{time.time_ns()}"
    tell("ask", {"what": name, "value": value, "ticket": ticket.name})
    return ticket.exists


def new_document(name, width, height, model="RGBA", depth="U8", profile=""):
    """A new document in a view of its own; yield LOADED_S afterwards."""
    document = Krita.instance().createDocument(width, height, name, model, depth, profile, 120.0)
    document.setBatchmode(True)
    Krita.instance().activeWindow().addView(document)
    return document


def picture(name):
    """(BGRA bytes, width, height) of a picture that the test put into the folder."""
    size = json.loads((FOLDER / f"{name}.json").read_text())
    return (FOLDER / f"{name}.bgra").read_bytes(), *size


def painted_layer(document, name, source, x=0, y=0, space=None, parent=None):
    """A layer with a picture on it, in the document's (or the given) colour space, at the top."""
    data, width, height = picture(source)
    layer = document.createNode(name, "paintlayer")
    own = space or (layer.colorModel(), layer.colorDepth(), layer.colorProfile())
    layer.setColorSpace("RGBA", "U8", SRGB)
    layer.setPixelData(QByteArray(data), x, y, width, height)
    layer.setColorSpace(*own)
    (parent or document.rootNode()).addChildNode(layer, None)
    return layer


def tree(node):
    """The layers below a node, topmost first, as nested names."""
    found = []
    for child in reversed(node.childNodes()):
        inner = tree(child)
        found.append([child.name(), inner] if inner else child.name())
    return found


def named(document, name):
    """The layer of this name."""
    return document.nodeByName(name)


def box(layer):
    """A layer's bounds as a list."""
    rect = layer.bounds()
    return [rect.x(), rect.y(), rect.width(), rect.height()]


def space(layer):
    """A layer's colour space as a list."""
    return [layer.colorModel(), layer.colorDepth(), layer.colorProfile()]


def save(layer, name):
    """Write a layer's raw pixels for the test to look at; returns what they are."""
    rect = layer.bounds()
    data = layer.pixelData(rect.x(), rect.y(), rect.width(), rect.height()).data()
    (FOLDER / f"{name}.raw").write_bytes(data)
    return {"file": f"{name}.raw", "box": box(layer), "space": space(layer), "name": layer.name()}


@cache
def docker():
    """The plug-in's docker in the one window. Found once: to look through all widgets holds the GUI thread."""
    return next(w for w in QApplication.instance().allWidgets() if type(w).__name__ == "VaporbrushDocker")


def controller():
    """The plug-in's controller."""
    return docker().controller


def layer_ref(document, layer, weight=1.0):
    """A layer as a style."""
    from vaporbrush_host.request import StyleRef

    root = document.rootNode().uniqueId().toString()
    return StyleRef("layer", layer.name(), layer.uniqueId().toString(), root, weight)


def choose(document, layer, *styles, **values):
    """Make a layer active (Krita allows that in the active document only), choose styles, set the controls."""
    assert document == Krita.instance().activeDocument(), "another document is active"
    document.setActiveNode(layer)
    docker().chooser.set_refs(styles)
    docker().set_values({**docker().values(), **values})


def idle():
    """Whether no painting is under way."""
    return all(task.state.ended for task in controller().tasks.values())


def delivered(document):
    """Whether the newest painting is in, or why not is said. Converting its colours lets Krita's events, and so this
    script, go on in between.
    """
    return last().state.stage != "done" or bool(last().notes) or named(document, newest_name()) is not None


def last():
    """The newest painting."""
    return list(controller().tasks.values())[-1]


def said():
    """What the docker says in its message line, and nothing from before."""
    label = docker().message
    text = label.text() if label.isVisible() else ""
    label.hide()
    return text


def outcome(task):
    """What became of a painting."""
    state = task.state
    error = None if state.error is None else [state.error.code, state.error.message]
    return {"stage": state.stage, "line": state.line, "error": error, "notes": task.notes, "report": state.report}


def activate(document):
    """Bring a document's view to the front, as a click on its tab does. Krita's own calls for this do nothing."""
    area = Krita.instance().activeWindow().qwindow().findChild(QMdiArea)
    for view in area.subWindowList():
        area.setActiveSubWindow(view)
        if Krita.instance().activeDocument() == document:
            return
    raise AssertionError("the document has no view")


def screen_point(widget):
    """The middle of a widget on the screen."""
    point = widget.mapToGlobal(QPoint(widget.width() // 2, widget.height() // 2))
    return [point.x(), point.y()]


def others_hidden():
    """Hide the other dockers but the layers, so that ours has the column."""
    for other in Krita.instance().activeWindow().dockers():
        keep = ("vaporbrush_docker", "KisLayerBox", "ToolBox")
        if other.isVisible() and other.objectName() not in keep:
            other.hide()


def in_sight(widget):
    """Whether all of a widget can be seen and clicked on."""
    return widget.isVisible() and widget.visibleRegion().boundingRect() == widget.rect()


def cut_labels(widget):
    """Visible labels and buttons whose text does not fit, as text: a designer would see them."""
    found = []
    for child in widget.findChildren(QWidget):
        if not child.isVisible() or not hasattr(child, "text") or not callable(child.text) or not child.text():
            continue
        right = child.mapTo(widget, QPoint(child.width(), 0)).x()
        hint = child.minimumSizeHint()
        if right > widget.width() or (hint.width() > child.width() + 1 and child.sizePolicy().horizontalPolicy() != 13):
            found.append(child.text())
    return found


def stage(name, *form, at=(0, 0)):
    """A document with a photograph on a layer and a style on another; `yield from` gives (document, content, style).

    `form` is its model, depth and profile, `at` where the photograph lies.
    """
    document = new_document(name, 96, 72, *form)
    yield LOADED_S
    content = painted_layer(document, "Photo", "content", *at)
    style = painted_layer(document, "Starry", "style")
    yield 0.5
    document.refreshProjection()
    choose(document, content, layer_ref(document, style), **CHEAP)
    yield 0.5
    return document, content, style


def painting(document, act=None):
    """Press Stylize (or `act`) and wait for the end; `yield from` gives what became of it."""
    before = tree(document.rootNode())
    active = document.activeNode().name()
    known = set(controller().tasks)
    (act or docker().button.click)()
    if not set(controller().tasks) - known:
        raise AssertionError(f"nothing was begun: {said()}")
    yield 0.05
    yield idle
    give_up = time.monotonic() + DELIVERY_S
    yield lambda: delivered(document) or time.monotonic() > give_up
    document.waitForDone()  # Krita puts a layer in by a stroke, which a busy machine begins later
    yield 0.5
    after = tree(document.rootNode())
    return {**outcome(last()), "before": before, "after": after, "active": [active, document.activeNode().name()]}


def refused(document, layer):
    """Press Stylize for a layer that cannot be painted; `yield from` gives what is said."""
    document.setActiveNode(layer)
    yield 0.3
    docker().button.click()
    yield 0.3
    return said()


def newest_name():
    """The name of the newest painting's layer."""
    return f"{last().capture.name} – {last().state.label}"


def everything(node):
    """All layers below a node."""
    for child in node.childNodes():
        yield child
        yield from everything(child)


def close(document):
    """Close without a question."""
    document.setModified(False)
    document.close()
