"""All frames of a layer, painted, stopped, tried again. What came of it is told; test_krita_animation.py judges it."""

import time
from types import SimpleNamespace

from krita import Krita
from vaporbrush_driver.film import animate, frames, save
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    QT_FOLDER,
    activate,
    ask,
    choose,
    close,
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
    scene,
    space,
    tree,
)
from vaporbrush_driver.qt import QByteArray

WORLD = SimpleNamespace()  # the film, which most scenes use
TIMES = [0, 3, 7, 8, 12]  # the third shows what the first does, the fourth nothing


def walk(**values):
    """The film, without paintings of it, and the walk chosen; `yield from` gives (document, layer, style)."""
    document = WORLD.document
    activate(document)
    while newest(document).name() == "Walk – Starry":
        newest(document).remove()
        yield 0.3
    layer, style = named(document, "Walk"), named(document, "Starry")
    choose(document, layer, layer_ref(document, style), **{**CHEAP, **values})
    yield 0.6
    return document, layer, style


def framed():
    """Press the button for all frames and wait for the end."""
    docker().frames_button.click()
    yield idle
    yield 0.5


@scene
def still(tell):
    """A layer without frames has no button."""
    document = WORLD.document = new_document("film", 96, 72)
    yield LOADED_S
    others_hidden()
    style = painted_layer(document, "Starry", "style")
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield lambda: controller().condition.reachable
    choose(document, style, layer_ref(document, named(document, "Background")), **CHEAP)
    yield 0.7
    tell("still", docker().frames_button.isVisible() or docker().film.isVisible())


@scene
def all_frames(tell):
    yield from animate(WORLD.document, "Walk", TIMES, ["content", "second", "content", None, "style"])
    named(WORLD.document, "Walk").setOpacity(128)
    document, layer, _style = yield from walk()
    tell("source", frames(layer))
    tell("animated", [docker().frames_button.isVisible(), docker().frames_button.isEnabled()])
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", "krita-animation-idle")
    before = tree(document.rootNode())
    docker().frames_button.click()
    tell("open documents", [len(Krita.instance().documents()), len(list(docker_styles()))])
    yield idle
    yield 0.5
    after = {"after": tree(document.rootNode()), "time": document.currentTime()}
    tell("painted", {**outcome(last()), "before": before, **after, "active": document.activeNode().name()})
    tell("pixels", save(named(document, "Walk – Starry"), "walk"))
    docker().task_area.verticalScrollBar().setValue(9999)
    yield 0.2
    yield ask(tell, "shot", "krita-animation-done")


@scene
def undo(tell):
    document, _layer, _style = yield from walk()
    yield from framed()
    Krita.instance().action("edit_undo").trigger()
    yield 0.5
    tell("undone", [tree(document.rootNode()), document.currentTime()])
    Krita.instance().action("edit_redo").trigger()
    yield 0.5
    tell("redone", [tree(document.rootNode()), save(named(document, "Walk – Starry"), "redone")["frames"]])


@scene
def shown(tell):
    """What the canvas shows while it plays."""
    document, _layer, _style = yield from walk()
    yield from framed()
    found = []
    for moment in (0, 2, 3, 7, 9, 12, 30):
        document.setCurrentTime(moment)
        document.waitForDone()
        yield 0.2
        layer = named(document, "Walk – Starry")
        found.append([moment, layer.projectionPixelData(40, 30, 1, 1).data() == expected(layer, moment)])
    document.setCurrentTime(5)
    tell("shown", found)


@scene
def restylize(tell):
    """Again, by what is stored with it; and as a file has it."""
    document, _layer, _style = yield from walk()
    yield from framed()
    document.setActiveNode(named(document, "Walk – Starry"))
    yield 0.5
    Krita.instance().action("vaporbrush_restylize").trigger()
    yield idle
    yield 0.5
    tell("restylized", [tree(document.rootNode()), frames(document.rootNode().childNodes()[-1])])
    path = QT_FOLDER + "/film ü.kra"
    document.saveAs(path)
    again = Krita.instance().openDocument(path)
    tell("reopened", frames(named(again, "Walk – Starry")))
    again.close()


@scene
def boil(tell):
    """How much the paint changes: shown for an animated layer, painted with, and stored."""
    document, _layer, _style = yield from walk()
    field = docker().film.fields["boil"]
    field.set_value(0.5)
    yield 0.2
    yield ask(tell, "shot", "krita-animation-boil")
    yield from framed()
    field.set_value(0.0)
    from vaporbrush.task import Stored

    painting = named(document, "Walk – Starry")
    tell(
        "boil", [last().animation.film.manner.boil, docker().film.isVisible(), Stored.of(document, painting).film.boil]
    )
    save(painting, "boiled")


@scene
def looped(tell):
    """The end leads back to the beginning, whose first drawing shows twice."""
    turn = new_document("turn", 96, 72)
    yield LOADED_S
    yield from animate(turn, "Turn", [0, 2, 4, 6], ["content", "second", "content", "third"])
    style = layer_ref(WORLD.document, named(WORLD.document, "Starry"))
    choose(turn, named(turn, "Turn"), style, **CHEAP)
    docker().film.fields["loop"].set_value(True)
    yield 0.5
    docker().frames_button.click()
    task = last()
    lines = []
    yield lambda: lines.append(task.state.line) or task.state.ended
    yield 0.5
    docker().film.fields["loop"].set_value(False)
    from vaporbrush.task import Stored

    painting = named(turn, "Turn – Starry")
    closing = [line for line in lines if line.startswith("Where the loop closes · ")]
    looked = {"closing": bool(closing), "line": task.state.line, "stored": Stored.of(turn, painting).film.loop}
    tell("looped", {**looked, **save(painting, "looped")})
    close(turn)
    yield 0.4


@scene
def stopped(tell):
    """What is painted is kept."""
    document, _layer, _style = yield from walk(steps=400)
    known = tree(document.rootNode())
    docker().frames_button.click()
    task = last()
    yield lambda: task.animation.film.painted == 1 and task.state.stage == "running" and task.state.preview is not None
    yield lambda: "step" in task.state.line and task.state.left
    yield 0.3
    docker().task_area.verticalScrollBar().setValue(9999)
    panel = docker().panels[task.key]
    tell("line", [task.state.line, task.state.left, panel.keep_button.isVisible(), panel.cancel_button.text()])
    tell("cut running", cut_labels(docker()))
    yield ask(tell, "shot", "krita-animation-running")
    began = time.monotonic()
    panel.cancel_button.click()
    yield lambda: task.state.ended and tree(document.rootNode()) != known  # it ends a moment before its layer is in
    seconds, added = time.monotonic() - began, len(tree(document.rootNode())) - len(known)
    tell("stop", {**outcome(task), "seconds": seconds, "added": added})
    yield 0.3
    tell("stopped", save(newest(document), "stopped"))


@scene
def stopped_at_once(tell):
    """Before the first frame is painted: nothing is left."""
    document, _layer, _style = yield from walk(steps=400)
    known = tree(document.rootNode())
    docker().frames_button.click()
    task = last()
    yield lambda: task.state.stage == "running"
    docker().panels[task.key].cancel_button.click()
    yield lambda: task.state.ended
    tell("stopped at once", [task.state.stage, tree(document.rootNode()) == known, task.key in docker().panels])


@scene
def frame_fails(tell):
    """*Try again* goes on with it."""
    document, _layer, _style = yield from walk(model="vgg19")
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
    tell("documents left", len(Krita.instance().documents()))


@scene
def masked(tell):
    """A mask on the layer hides the left half of every frame."""
    document, layer, style = yield from walk()
    mask = document.createTransparencyMask("Half")
    layer.addChildNode(mask, None)
    mask.setPixelData(QByteArray((bytes(48) + bytes([255]) * 48) * 72), 0, 0, 96, 72)
    document.refreshProjection()
    yield 0.5
    choose(document, layer, layer_ref(document, style), **CHEAP)
    yield 0.5
    yield from framed()
    masks = len(newest(document).childNodes())
    tell("masked", {**outcome(last()), **save(newest(document), "masked"), "masks": masks})
    mask.remove()
    yield 0.3


def float_film():
    """A film beyond 8 bits; `yield from` gives (document, layer)."""
    deep = new_document("deep", 96, 72, "RGBA", "F32")
    yield LOADED_S
    yield from animate(deep, "Float", [0, 4], ["content", "second"])
    return deep, named(deep, "Float")


@scene
def deep(tell):
    film, layer = yield from float_film()
    choose(film, layer, layer_ref(WORLD.document, named(WORLD.document, "Starry")), **CHEAP)
    yield 0.5
    yield from framed()
    tell("deep", {**outcome(last()), **save(named(film, "Float – Starry"), "deep"), "source": space(layer)})
    close(film)
    yield 0.4


@scene
def document_closed(tell):
    """While its frames are painted."""
    film, layer = yield from float_film()
    style = layer_ref(WORLD.document, named(WORLD.document, "Starry"))
    choose(film, layer, style, **{**CHEAP, "steps": 5000})
    yield 0.5
    docker().frames_button.click()
    task = last()
    yield lambda: task.state.stage == "running"
    close(film)
    yield lambda: task.state.ended
    yield 0.3
    tell("closed", [task.state.stage, len(Krita.instance().documents()), said()])


@scene
def krita_ends(tell):
    """While frames are painted. The last scene: Krita ends after it."""
    yield from walk(steps=5000)
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
