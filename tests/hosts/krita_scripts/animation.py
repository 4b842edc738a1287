"""All frames of a layer, painted, stopped, tried again. What came of it is told; test_krita_animation.py judges it."""

import time

from krita import Krita
from PyQt5.QtCore import QByteArray
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
    layer_ref,
    named,
    new_document,
    others_hidden,
    outcome,
    painted_layer,
    picture,
    said,
    space,
    tree,
)

CHEAP = {"size": 96, "steps": 3, "model": "vgg19-lite", "quality": "draft", "seed": 7}
TIMES = [0, 3, 7, 8, 12]  # the third shows what the first does, the fourth nothing


def frames(layer):
    """The times of a layer's keyframes."""
    return [time for time in range(40) if layer.hasKeyframeAtTime(time)]


def save(layer, name):
    """Write every frame's pixels on the canvas for the test to look at; returns what they are."""
    for moment in frames(layer):
        (FOLDER / f"{name}-{moment}.raw").write_bytes(layer.pixelDataAtTime(0, 0, 96, 72, moment).data())
    return {"frames": frames(layer), "space": space(layer), "name": layer.name(), "opacity": layer.opacity()}


def animate(document, name, times, sources):
    """An animated layer at the top, made as an artist makes it: by the action for a new frame."""
    layer = document.createNode(name, "paintlayer")
    document.rootNode().addChildNode(layer, None)
    yield 0.4
    document.setActiveNode(layer)
    yield 0.4
    layer.enableAnimation()
    for moment, source in zip(times, sources, strict=True):
        document.setCurrentTime(moment)
        document.waitForDone()
        yield 0.2
        if not layer.hasKeyframeAtTime(moment):
            Krita.instance().action("add_blank_frame").trigger()
            document.waitForDone()
            yield 0.2
        if source is not None:
            own = space(layer)
            drawn = document.createNode("drawn", "paintlayer")
            data, width, height = picture(source)
            drawn.setColorSpace("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
            drawn.setPixelData(QByteArray(data), 0, 0, width, height)
            drawn.setColorSpace(*own)
            layer.setPixelData(drawn.pixelData(0, 0, width, height), 0, 0, width, height)
    document.setCurrentTime(5)
    document.waitForDone()
    yield 0.4


def steps(tell):
    application = Krita.instance()
    document = new_document("film", 96, 72)
    yield LOADED_S
    others_hidden()
    style = painted_layer(document, "Starry", "style")
    application.action("vaporbrush_stylize").trigger()
    yield lambda: controller().condition.reachable

    # ── a layer without frames has no button ──
    choose(document, style, layer_ref(document, named(document, "Background")), **CHEAP)
    yield 0.7
    tell("still", docker().frames_button.isVisible())

    yield from animate(document, "Walk", TIMES, ["content", "second", "content", None, "style"])
    layer = named(document, "Walk")
    layer.setOpacity(128)
    tell("source", frames(layer))
    choose(document, layer, layer_ref(document, style), **CHEAP)
    yield 0.8
    tell("animated", [docker().frames_button.isVisible(), docker().frames_button.isEnabled()])
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", "krita-animation-idle")
    before = tree(document.rootNode())
    docker().frames_button.click()
    tell("open documents", [len(application.documents()), len(list(docker_styles()))])
    yield idle
    yield 0.5
    painting = named(document, "Walk – Starry")
    tell(
        "painted",
        {
            **outcome(last()),
            "before": before,
            "after": tree(document.rootNode()),
            "time": document.currentTime(),
            "active": document.activeNode().name(),
        },
    )
    tell("pixels", save(painting, "walk"))
    docker().scroll_area.verticalScrollBar().setValue(9999)
    yield 0.2
    yield ask(tell, "shot", "krita-animation-done")
    application.action("edit_undo").trigger()
    yield 0.5
    tell("undone", [tree(document.rootNode()), document.currentTime()])
    application.action("edit_redo").trigger()
    yield 0.5
    tell("redone", [tree(document.rootNode()), save(named(document, "Walk – Starry"), "redone")["frames"]])

    # ── what the canvas shows while it plays ──
    shown = []
    for moment in (0, 2, 3, 7, 9, 12, 30):
        document.setCurrentTime(moment)
        document.waitForDone()
        yield 0.2
        layer = named(document, "Walk – Starry")
        shown.append([moment, layer.projectionPixelData(40, 30, 1, 1).data() == expected(layer, moment)])
    tell("shown", shown)
    document.setCurrentTime(5)

    # ── again, by what is stored with it ──
    document.setActiveNode(named(document, "Walk – Starry"))
    yield 0.5
    application.action("vaporbrush_restylize").trigger()
    yield idle
    yield 0.5
    tell("restylized", [tree(document.rootNode()), frames(document.rootNode().childNodes()[-1])])
    path = QT_FOLDER + "/film ü.kra"
    document.saveAs(path)
    again = application.openDocument(path)
    tell("reopened", frames(named(again, "Walk – Starry")))
    again.close()

    while newest(document).name() == "Walk – Starry":
        newest(document).remove()
        yield 0.3

    # ── stopped: what is painted is kept ──
    layer = named(document, "Walk")
    choose(document, layer, layer_ref(document, style), **{**CHEAP, "steps": 400})
    yield 0.5
    known = tree(document.rootNode())
    docker().frames_button.click()
    task = last()
    yield lambda: task.animation.painted == 1 and task.state.stage == "running" and task.state.preview is not None
    yield lambda: "step" in task.state.line and task.state.left
    yield 0.3
    docker().scroll_area.verticalScrollBar().setValue(9999)
    panel = docker().panels[task.key]
    tell("line", [task.state.line, task.state.left, panel.keep_button.isVisible(), panel.cancel_button.text()])
    tell("cut running", cut_labels(docker()))
    yield ask(tell, "shot", "krita-animation-running")
    began = time.monotonic()
    panel.cancel_button.click()
    yield lambda: task.state.ended
    tell(
        "stop",
        {**outcome(task), "seconds": time.monotonic() - began, "added": len(tree(document.rootNode())) - len(known)},
    )
    yield 0.3
    tell("stopped", save(newest(document), "stopped"))
    newest(document).remove()

    # ── stopped before the first: nothing is left ──
    yield 0.4
    document.setActiveNode(layer)
    yield 0.3
    docker().frames_button.click()
    task = last()
    yield lambda: task.state.stage == "running"
    docker().panels[task.key].cancel_button.click()
    yield lambda: task.state.ended
    tell("stopped at once", [task.state.stage, tree(document.rootNode()) == known, task.key in docker().panels])

    # ── a frame fails; *Try again* goes on with it ──
    choose(document, layer, layer_ref(document, style), **{**CHEAP, "model": "vgg19"})
    yield 0.5
    docker().frames_button.click()
    task = last()
    yield lambda: task.state.ended
    yield 0.3
    tell("failed", {**outcome(task), "shown": docker().panels[task.key].line.text()})
    task.run.order.values["model"] = "vgg19-lite"
    docker().panels[task.key].again_button.click()
    yield 0.1
    yield idle
    yield 0.3
    tell("again", {**outcome(last()), **save(newest(document), "again")})
    newest(document).remove()
    tell("documents left", len(application.documents()))

    # ── a mask on the layer hides the left half of every frame ──
    mask = document.createTransparencyMask("Half")
    layer.addChildNode(mask, None)
    mask.setPixelData(QByteArray((bytes(48) + bytes([255]) * 48) * 72), 0, 0, 96, 72)
    document.refreshProjection()
    yield 0.5
    choose(document, layer, layer_ref(document, style), **CHEAP)
    yield 0.5
    docker().frames_button.click()
    yield idle
    yield 0.5
    masks = len(newest(document).childNodes())
    tell("masked", {**outcome(last()), **save(newest(document), "masked"), "masks": masks})

    # ── a depth beyond 8 bits ──
    deep = new_document("deep", 96, 72, "RGBA", "F32")
    yield LOADED_S
    yield from animate(deep, "Float", [0, 4], ["content", "second"])
    float_layer = named(deep, "Float")
    choose(deep, float_layer, layer_ref(document, style), **CHEAP)
    yield 0.5
    docker().frames_button.click()
    yield idle
    yield 0.5
    tell("deep", {**outcome(last()), **save(named(deep, "Float – Starry"), "deep"), "source": space(float_layer)})

    # ── its document is closed meanwhile ──
    choose(deep, float_layer, layer_ref(document, style), **{**CHEAP, "steps": 5000})
    yield 0.5
    docker().frames_button.click()
    task = last()
    yield lambda: task.state.stage == "running"
    deep.setModified(False)
    deep.close()
    yield lambda: task.state.ended
    yield 0.3
    tell("closed", [task.state.stage, len(application.documents()), said()])

    # ── Krita ends meanwhile ──
    choose(document, layer, layer_ref(document, style), **{**CHEAP, "steps": 5000})
    yield 0.5
    docker().frames_button.click()
    yield lambda: last().state.stage == "running"
    tell("quitting")


def newest(document):
    """The topmost layer: the painting of the walk, or the walk itself."""
    return document.rootNode().childNodes()[-1]


def expected(layer, moment):
    """The pixel of the frame that holds at this time."""
    holds = max(time for time in frames(layer) if time <= moment)
    return layer.pixelDataAtTime(40, 30, 1, 1, holds).data()


def docker_styles():
    """The layers that the gallery would offer: none of a document that nobody sees."""
    from vaporbrush import sources

    return sources.layer_refs()
