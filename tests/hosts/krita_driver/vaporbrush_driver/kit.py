"""What the scripts driven inside Krita share: documents, layers, docker and controller, a word with the test."""

import json
import os
import time
from functools import cache
from pathlib import Path

from krita import Krita
from PyQt5.QtCore import QByteArray, QPoint
from PyQt5.QtWidgets import QApplication, QMdiArea, QWidget

FOLDER = Path(os.environ["VAPORBRUSH_REPORT"]).parent
SRGB = "sRGB-elle-V2-srgbtrc.icc"
QT_FOLDER = os.fsencode(FOLDER).decode("utf-8")  # as Qt spells it: this Python takes it for Latin-1
LOADED_S = 1.2  # after `addView`, before which Krita has no active layer


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


class OwnMeter:
    """CPU milliseconds of the plug-in's own work on the GUI thread, tick by tick: what a busy machine does not change.

    The tick that puts a painting into the document is apart: it writes pixels.
    """

    def __init__(self):
        self.ticks, self.deliveries = [], []
        self.hooked = [(controller()._timer, controller()._drain), (docker()._poll, docker()._look)]
        for timer, slot in self.hooked:
            timer.timeout.disconnect()
            timer.timeout.connect(lambda slot=slot: self.timed(slot))

    def timed(self, slot):
        running = [task for task in controller().tasks.values() if not task.state.ended]
        began = time.thread_time()
        slot()
        spent = round(1000 * (time.thread_time() - began), 1)
        delivered = any(task.state.stage == "done" for task in running)
        (self.deliveries if delivered else self.ticks).append(spent)

    def stop(self):
        """The longest ticks, and those that delivered."""
        for timer, slot in self.hooked:
            timer.timeout.disconnect()
            timer.timeout.connect(slot)
        return {
            "longest": sorted(self.ticks, reverse=True)[:5],
            "count": len(self.ticks),
            "deliveries": self.deliveries,
        }


class StallMeter:
    """How long the GUI thread is held: gaps between ticks of a 5 ms timer."""

    def __init__(self):
        from PyQt5.QtCore import QTimer

        self.gaps = []
        self.last = time.perf_counter()
        self.timer = QTimer()
        self.timer.setTimerType(0)  # precise
        self.timer.setInterval(5)
        self.timer.timeout.connect(self.tick)
        self.timer.start()

    def tick(self):
        now = time.perf_counter()
        stages = [task.state.stage for task in controller().tasks.values() if not task.state.ended]
        self.gaps.append((round(1000 * (now - self.last), 1), stages[0] if stages else ""))
        self.last = now

    def stop(self):
        """The longest gaps, longest first: milliseconds, and what was going on."""
        self.timer.stop()
        return sorted(self.gaps, reverse=True)[:10]
