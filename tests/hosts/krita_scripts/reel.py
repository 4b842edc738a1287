"""All frames of a long film, which several machines paint at once. test_krita_reel.py judges what came of it."""

from types import SimpleNamespace

from krita import Krita
from vaporbrush_driver.film import animate, frames, save
from vaporbrush_driver.kit import (
    LOADED_S,
    ask,
    choose,
    controller,
    cut_labels,
    docker,
    last,
    layer_ref,
    named,
    new_document,
    others_hidden,
    outcome,
    painted_layer,
    scene,
    tree,
)

WORLD = SimpleNamespace()
COUNT = 24
TIMES = [number + number // 4 for number in range(COUNT)]
VALUES = {"size": 96, "steps": 8, "model": "auto", "quality": "draft", "seed": 100}  # with which the fake does well
SEEN = 8  # frames painted when it is looked at
MORE = 4  # painted by several devices when it is stopped


def reel():
    """The film, chosen, with nothing painted of it; `yield from` gives its document."""
    document = WORLD.document
    for layer in document.rootNode().childNodes():
        if layer.name() == "Reel – Starry":
            layer.remove()
            yield 0.3
    choose(document, named(document, "Reel"), layer_ref(document, named(document, "Starry")), **VALUES)
    yield 0.6
    return document


@scene
def long_film(tell):
    """From the button to the new layer."""
    document = WORLD.document = new_document("reel", 96, 72)
    yield LOADED_S
    others_hidden()
    painted_layer(document, "Starry", "style")
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield lambda: controller().condition.reachable
    yield from animate(document, "Reel", TIMES, [f"frame{number}" for number in range(COUNT)])
    tell("source", frames(named(document, "Reel")))
    yield from reel()
    before = tree(document.rootNode())
    docker().frames_button.click()
    task, lines, running = last(), [], []

    def heard():
        if not lines or lines[-1] != task.state.line:
            lines.append(task.state.line)
            running.append(len([one for one in task.run.states() if one.stage == "running"]))
        return task.state.ended

    yield lambda: heard() or task.animation.film.painted >= SEEN
    docker().task_area.verticalScrollBar().setValue(9999)
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", "krita-reel-running")
    yield heard
    yield 0.5
    tell("painted", {**outcome(task), "before": before, "after": tree(document.rootNode())})
    tell("lines", lines)
    tell("at once", max(running))
    tell("pixels", save(named(document, "Reel – Starry"), "reel"))
    document.setCurrentTime(TIMES[-1])
    document.waitForDone()
    named(document, "Reel").setVisible(False)
    named(document, "Starry").setVisible(False)
    document.refreshProjection()
    yield 0.5
    yield ask(tell, "shot", "krita-reel-done")
    named(document, "Reel").setVisible(True)


@scene
def stopped(tell):
    """What is painted by then is kept, wherever it is in the film."""
    document = yield from reel()
    docker().frames_button.click()
    task = last()
    yield lambda: len(task.run.states()) > 1
    stops = task.animation.film.painted + MORE
    yield lambda: task.animation.film.painted >= stops
    docker().panels[task.key].cancel_button.click()
    yield lambda: task.state.ended and "Reel – Starry" in tree(document.rootNode())
    yield 0.3
    tell("stop", outcome(task))
    save(named(document, "Reel – Starry"), "stopped")
