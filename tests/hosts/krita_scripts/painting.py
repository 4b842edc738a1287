"""Paintings of every kind, one after the other in one Krita. What came of each is told; test_krita.py judges it."""

import time

from krita import InfoObject, Krita, Selection
from PyQt5.QtCore import QByteArray, QPoint
from PyQt5.QtGui import QColor
from PyQt5.QtWidgets import QAction
from vaporbrush_driver.kit import (
    LOADED_S,
    QT_FOLDER,
    SRGB,
    OwnMeter,
    StallMeter,
    activate,
    ask,
    box,
    choose,
    controller,
    cut_labels,
    docker,
    idle,
    last,
    layer_ref,
    named,
    new_document,
    others_hidden,
    outcome,
    painted_layer,
    said,
    save,
    screen_point,
    space,
    tree,
)

from vaporbrush_host.request import StyleRef

CHEAP = {"size": 96, "steps": 3, "model": "vgg19-lite", "quality": "draft", "seed": 7}


def run(tell, name, document, act=None):
    """Press Stylize (or `act`), wait for the end, tell what became of it."""
    before = tree(document.rootNode())
    active = document.activeNode().name()
    known = set(controller().tasks)
    (act or docker().button.click)()
    if not set(controller().tasks) - known:
        raise AssertionError(f"{name}: nothing was begun: {said()}")
    yield 0.05
    yield idle
    yield 0.5
    after = {"before": before, "after": tree(document.rootNode()), "active": [active, document.activeNode().name()]}
    tell(name, {**outcome(last()), **after})


def steps(tell):
    application = Krita.instance()
    tell("actions", sorted(a.objectName() for a in application.actions() if a.objectName().startswith("vaporbrush")))
    menu = [a.text() for m in application.activeWindow().qwindow().menuBar().actions() for a in leaves(m)]
    tell("menu", [text.replace("&", "") for text in menu if "aporbrush" in text or "tyliz" in text])

    # ── the docker, idle; the first painting by real mouse clicks ──
    document = new_document("picture", 96, 72)
    yield LOADED_S
    others_hidden()
    content = painted_layer(document, "Photo", "content")
    style = painted_layer(document, "Starry", "style", -10, -5)
    yield 0.5
    document.setActiveNode(content)
    application.action("vaporbrush_stylize").trigger()
    yield 1.0
    tell("docker", [docker().isVisible(), docker().chooser.refs() == ()])
    yield lambda: controller().condition.reachable
    yield ask(tell, "shot", "krita-docker-new")
    yield ask(tell, "click", screen_point(docker().chooser._rows[0].button))
    yield docker().chooser.gallery.isVisible
    yield 0.4
    gallery = docker().chooser.gallery
    tell("gallery", {"bundled": gallery.bundled.count(), "layers": gallery.layers.count()})
    yield ask(tell, "shot", "krita-gallery-bundled")
    gallery.tabs.setCurrentIndex(1)
    yield 0.4
    yield ask(tell, "shot", "krita-gallery-layers")
    item = next(
        gallery.layers.item(i) for i in range(gallery.layers.count()) if gallery.layers.item(i).text() == "Starry"
    )
    middle = gallery.layers.viewport().mapToGlobal(gallery.layers.visualItemRect(item).center())
    yield ask(tell, "click", [middle.x(), middle.y()])
    yield lambda: not gallery.isVisible()
    tell("chosen", [ref.name for ref in docker().chooser.refs()])
    docker().set_values({**docker().values(), **CHEAP})
    yield lambda: "full size" in docker().expected.text()
    tell("expected", docker().expected.text())
    yield 0.3
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", "krita-docker-idle")
    docker().fold.setChecked(True)
    yield 0.4
    tell("cut advanced", cut_labels(docker()))
    yield ask(tell, "shot", "krita-docker-advanced")
    docker().fold.setChecked(False)
    before = tree(document.rootNode())
    yield ask(tell, "click", screen_point(docker().button))
    yield lambda: controller().tasks
    yield idle
    yield 0.3
    tell(
        "first",
        {
            **outcome(last()),
            "before": before,
            "after": tree(document.rootNode()),
            "active": document.activeNode().name(),
        },
    )
    painting = named(document, last_name(document))
    tell("first pixels", save(painting, "first"))
    yield ask(tell, "shot", "krita-docker-done")

    # ── one undo step ──
    application.action("edit_undo").trigger()
    yield 0.4
    tell("undone", tree(document.rootNode()))
    application.action("edit_redo").trigger()
    yield 0.4
    tell("redone", tree(document.rootNode()))

    # ── repeat, restylize, copy settings ──
    document.setActiveNode(content)
    yield from run(tell, "repeat", document, application.action("vaporbrush_repeat").trigger)
    painting = named(document, last_name(document))
    docker().set_values({**docker().values(), "strength": 20.0, "seed": 9})
    document.setActiveNode(painting)
    yield 0.6
    docker().copy_settings()
    tell("copied", {name: docker().values()[name] for name in ("strength", "seed", "steps", "size")})
    count = len(document.rootNode().childNodes())
    yield from run(tell, "restylize", document, application.action("vaporbrush_restylize").trigger)
    tell("restylized", len(document.rootNode().childNodes()) - count)
    document.setActiveNode(style)
    yield 0.3
    application.action("vaporbrush_restylize").trigger()
    yield 0.2
    tell("restylize a plain layer", said())

    # ── stored in the file ──
    other = application.createDocument(120, 96, "style", "RGBA", "U8", SRGB, 120.0)
    other.setBatchmode(True)
    painted_layer(other, "Starry", "style")
    other.refreshProjection()
    other.waitForDone()
    other.saveAs(QT_FOLDER + "/style ü.kra")
    other.close()
    path = QT_FOLDER + "/saved ü.kra"
    document.saveAs(path)
    yield 0.5
    again = application.openDocument(path)
    application.activeWindow().addView(again)
    yield LOADED_S
    painted = named(again, painting.name())
    stored = controller().recipe_of(again, painted)
    tell(
        "stored",
        None
        if stored is None
        else [
            stored[0]["seed"],
            stored[0]["strength"],
            [r.name for r in stored[1]],
            stored[2] == content.uniqueId().toString(),
        ],
    )
    yield lambda: docker()._document == again.rootNode().uniqueId().toString()
    shown = {name: docker().values()[name] for name in ("seed", "strength")}
    tell("values of the reopened file", {**shown, "styles": [ref.name for ref in docker().chooser.refs()]})
    close(again)
    yield 0.5

    # ── a selection with soft edges ──
    document = new_document("selected", 96, 72)
    yield LOADED_S
    content = painted_layer(document, "Photo", "content")
    style = painted_layer(document, "Starry", "style")
    selection = Selection()
    selection.select(20, 10, 40, 40, 255)
    selection.select(60, 10, 10, 40, 100)
    document.setSelection(selection)
    yield 0.4
    choose(document, content, layer_ref(document, style), **CHEAP)
    yield 0.4
    yield from run(tell, "selection", document)
    tell("selection pixels", save(named(document, last_name(document)), "selection"))
    selection = Selection()
    selection.select(200, 200, 10, 10, 255)
    document.setSelection(selection)
    yield 0.3
    docker().button.click()
    yield 0.3
    yield ask(tell, "shot", "krita-docker-message")
    tell("nothing selected", said())
    document.setSelection(None)
    close(document)
    yield 0.5

    # ── colour depths and models, offsets, off the canvas ──
    for model, depth, profile, x, y in (
        ("RGBA", "U16", "", 0, 0),
        ("RGBA", "F32", "", -37, 53),
        ("RGBA", "F16", "", 0, 0),
        ("CMYKA", "U8", "", 0, 0),
        ("GRAYA", "U8", "", 3, 4),
        ("LABA", "U16", "", 0, 0),
        ("RGBA", "U8", "Rec2020-elle-V4-g10.icc", 0, 0),
    ):
        name = f"{model} {depth} {profile}".strip()
        document = new_document(name, 96, 72, model, depth, profile)
        yield LOADED_S
        content = painted_layer(document, "Photo", "content", x, y)
        style = painted_layer(document, "Starry", "style")
        yield 0.3
        choose(document, content, layer_ref(document, style), **CHEAP)
        yield 0.3
        yield from run(tell, name, document)
        painting = named(document, last_name(document))
        tell(f"{name} pixels", save(painting, name))
        tell(f"{name} content", [box(content), space(content)])
        for part, layer in (("content", content), ("style", style)):
            tell(f"{name} {part} pixels", save(layer, f"{name} {part}"))
        shown = painting.duplicate()
        shown.setColorSpace("RGBA", "U8", SRGB)
        tell(f"{name} shown", save(shown, f"{name} shown"))
        close(document)
        yield 0.4

    # ── groups, masks, hidden, empty; two styles, one of them in a second document ──
    document = new_document("groups", 96, 72)
    yield LOADED_S
    group = document.createGroupLayer("Group")
    document.rootNode().addChildNode(group, None)
    painted_layer(document, "Below", "content", parent=group)
    top = painted_layer(document, "Above", "style", 48, 0, parent=group)
    style = painted_layer(document, "Starry", "style")
    yield 0.5
    document.refreshProjection()
    choose(document, group, layer_ref(document, style), **CHEAP)
    yield 0.5
    yield from run(tell, "group", document)
    second = new_document("second", 120, 96)
    yield LOADED_S
    other = painted_layer(second, "Elsewhere", "style")
    yield 0.4
    activate(document)
    yield 0.6
    content = named(document, "Below")
    choose(document, content, layer_ref(second, other), layer_ref(document, top, 0.5), **CHEAP)
    yield 0.4
    yield from run(tell, "two styles", document)
    tell("two styles pixels", save(named(document, last_name(document)), "two"))
    mask = document.createTransparencyMask("Mask")
    content.addChildNode(mask, None)
    mask.setPixelData(QByteArray(bytes([255]) * 96 * 72), 0, 0, 96, 72)  # a new mask hides everything
    document.refreshProjection()
    yield 0.3
    document.setActiveNode(mask)
    yield 0.3
    docker().chooser.set_refs([layer_ref(document, style)])
    yield from run(tell, "mask active", document)
    content.setVisible(False)
    content.setLocked(True)
    yield 0.3
    document.setActiveNode(content)
    yield from run(tell, "hidden and locked", document)
    group.setVisible(False)
    yield 0.3
    document.setActiveNode(group)
    yield 0.3
    yield from run(tell, "hidden group", document)
    tell("hidden group pixels", save(named(document, last_name(document)), "hidden"))
    empty = document.createNode("Empty", "paintlayer")
    document.rootNode().addChildNode(empty, None)
    yield 0.3
    document.setActiveNode(empty)
    yield 0.2
    docker().button.click()
    yield 0.2
    tell("empty", said())
    document.setActiveNode(style)
    yield 0.2
    docker().button.click()
    yield 0.2
    tell("own style", said())
    vector = document.createVectorLayer("Vector")
    document.rootNode().addChildNode(vector, None)
    vector.addShapesFromSvg(
        '<svg xmlns="http://www.w3.org/2000/svg" width="96pt" height="72pt">'
        '<rect x="5" y="5" width="50" height="30" fill="#c03020"/></svg>'
    )
    everywhere = Selection()  # an empty one would hide the layer
    everywhere.select(0, 0, 96, 72, 255)
    colour = InfoObject()
    colour.setProperty("color", QColor("#c03020"))
    fill = document.createFillLayer("Fill", "color", colour, everywhere)
    document.rootNode().addChildNode(fill, None)
    clone = document.createCloneLayer("Clone", named(document, "Above"))
    document.rootNode().addChildNode(clone, None)
    file = document.createFileLayer("File", QT_FOLDER + "/content.png", "None", "Bicubic")
    document.rootNode().addChildNode(file, None)
    document.refreshProjection()
    yield 1.5
    for layer in (vector, fill, clone, file):
        choose(document, layer, layer_ref(document, style), **CHEAP)
        yield 0.4
        yield from run(tell, layer.type(), document)
    tell("filelayer pixels", save(named(document, last_name(document)), "filelayer"))

    # ── styles from files: as a picture, and as what only Krita reads ──
    flat = painted_layer(document, "Photo", "content")
    yield 0.4
    for name in ("style ü.png", "style ü.kra"):
        choose(document, flat, StyleRef("file", f"{QT_FOLDER}/{name}"), **CHEAP)
        yield 0.4
        yield from run(tell, name, document)
        tell(f"{name} name", last_name(document))
    choose(document, flat, StyleRef("file", QT_FOLDER + "/gone.png"), **CHEAP)
    yield 0.3
    docker().button.click()
    yield 0.2
    tell("file gone", said())
    flat.remove()
    close(second)
    yield 0.3
    activate(document)
    yield 0.3

    yield from strokes(tell, document, "strokes while idle")

    # ── at standard quality, as a person would leave it ──
    choose(
        document,
        named(document, "Above"),
        layer_ref(document, style),
        **{**CHEAP, "steps": None, "quality": "standard"},
    )
    yield 0.4
    yield from run(tell, "standard", document)
    tell("standard steps", last().state.result.get("steps_done"))

    # ── several at once; cancel; keep this; a layer and a document that go meanwhile ──
    content = named(document, "Above")
    long = {**CHEAP, "steps": 5000}
    choose(document, content, layer_ref(document, style), **long)
    yield 0.3
    count = len(list(everything(document.rootNode())))
    docker().button.click()
    docker().button.click()
    yield lambda: [t for t in controller().tasks.values() if t.state.stage == "running" and t.state.preview is not None]
    yield 0.6
    docker().scroll_area.verticalScrollBar().setValue(9999)
    running, waiting = [t for t in controller().tasks.values() if not t.state.ended]
    tell("queue", [running.state.stage, waiting.state.stage, waiting.state.line])
    tell("cut running", cut_labels(docker()))
    yield ask(tell, "shot", "krita-docker-running")
    yield from strokes(tell, document, "strokes while it paints")
    panel = docker().panels[running.run.key]
    yield lambda: running.state.job.progress.step >= 3
    panel.keep_button.click()
    yield lambda: running.state.ended
    yield 0.4
    tell(
        "kept",
        {
            **outcome(running),
            "steps": running.state.result.get("steps_done"),
            "stopped": running.state.result.get("stopped"),
            "added": len(list(everything(document.rootNode()))) - count,
        },
    )
    yield lambda: waiting.state.stage == "running"
    began = time.monotonic()
    docker().panels[waiting.run.key].cancel_button.click()
    yield lambda: waiting.state.ended
    tell(
        "cancelled",
        {
            **outcome(waiting),
            "seconds": time.monotonic() - began,
            "added": len(list(everything(document.rootNode()))) - count,
            "panels": len([k for k in docker().panels if k == waiting.run.key]),
        },
    )
    activate(document)
    document.setActiveNode(named(document, "Above"))
    yield 0.3
    docker().button.click()
    yield lambda: last().state.stage == "running" and last().state.preview is not None
    named(document, "Above").remove()
    controller().keep(last().run.key)
    yield idle
    yield 0.3
    tell("layer gone", {**outcome(last()), "after": tree(document.rootNode())[0]})
    doomed = new_document("doomed", 96, 72)
    yield LOADED_S
    content = painted_layer(doomed, "Photo", "content")
    choose(doomed, content, layer_ref(document, style), **long)
    yield 0.4
    docker().button.click()
    yield lambda: last().state.stage == "running"
    gone = last()
    began = time.monotonic()
    close(doomed)
    yield lambda: gone.state.ended
    tell("document gone", {**outcome(gone), "seconds": time.monotonic() - began})

    # ── a huge layer, painted small ──
    huge = new_document("huge", 4096, 4096)
    yield LOADED_S + 1
    noise = huge.createNode("Huge", "paintlayer")
    row = QByteArray(bytes(range(256)) * 64)  # 4096 pixels
    for y in range(0, 4096, 64):
        noise.setPixelData(QByteArray(bytes(row) * 64), 0, y, 4096, 64)
    huge.rootNode().addChildNode(noise, None)
    yield 1.5
    choose(huge, noise, layer_ref(document, style), **CHEAP)
    yield 1.5
    timed = Timed()
    own = OwnMeter()
    meter = StallMeter()
    began = time.monotonic()
    docker().button.click()
    tell("huge read", time.monotonic() - began)
    yield idle
    yield 0.5
    tell("stalls huge", meter.stop())
    tell("own work", own.stop())
    tell(
        "huge",
        {
            **outcome(last()),
            "pixels work": timed.stop(),
            "seconds": time.monotonic() - began,
            "after": tree(huge.rootNode()),
            "box": box(named(huge, last_name(huge))),
        },
    )
    close(huge)
    yield 0.5
    activate(document)
    yield 0.5

    # ── Krita ends while something is painted ──
    choose(document, style, layer_ref(document, named(document, "Fill")), **long)
    yield 0.3
    docker().button.click()
    yield lambda: last().state.stage == "running"
    application.notifier().applicationClosing.connect(lambda: tell("let go"))  # heard after the plug-in's own
    tell("quitting")


def last_name(document):
    """The name of the newest painting's layer."""
    return last_layer_name(last())


def last_layer_name(task):
    return f"{task.capture.name} – {task.state.label}"


def everything(node):
    for child in node.childNodes():
        yield child
        yield from everything(child)


def leaves(action):
    if not isinstance(action, QAction) or action.menu() is None:
        yield action
        return
    for inner in action.menu().actions():
        yield from leaves(inner)


def strokes(tell, document, name):
    """Draw with the mouse, and tell how long the GUI thread was held meanwhile."""
    layer = document.createNode("Strokes", "paintlayer")
    document.rootNode().addChildNode(layer, None)
    yield 0.3
    document.setActiveNode(layer)
    window = Krita.instance().activeWindow().qwindow()
    middle = window.mapToGlobal(QPoint(window.width() // 3, window.height() // 2))
    yield 0.3
    meter = StallMeter()
    yield ask(tell, "stroke", [middle.x(), middle.y()])
    yield 0.3
    tell(name, {"gaps": meter.stop(), "drawn": box(layer)})
    layer.remove()
    yield 0.3


def close(document):
    document.setModified(False)
    document.close()


class Timed:
    """Seconds that the controller spends reading and writing pixels on the GUI thread."""

    def __init__(self):
        from vaporbrush import layers

        self.layers = layers
        self.spent = {}
        self.kept = {name: getattr(layers, name) for name in ("read", "insert")}
        for name, function in self.kept.items():
            setattr(layers, name, self.timed(name, function))

    def timed(self, name, function):
        def inner(*given, **named_):
            began = time.perf_counter()
            try:
                return function(*given, **named_)
            finally:
                self.spent[name] = self.spent.get(name, 0.0) + time.perf_counter() - began

        return inner

    def stop(self):
        for name, function in self.kept.items():
            setattr(self.layers, name, function)
        return {name: round(1000 * value, 1) for name, value in self.spent.items()}
