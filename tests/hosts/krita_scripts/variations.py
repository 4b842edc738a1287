"""Variations by the mouse: the layer is painted small in nine ways, and one press paints one in full."""

from vaporbrush_driver.kit import CHEAP, ask, choose, close, docker, idle, last, outcome, scene, stage, tree

from vaporbrush_host.request import StyleRef


def window():
    """The window of variations."""
    return docker().variations


def captions():
    """What is written below the pictures."""
    return [window().list.item(row).text().splitlines() for row in range(window().list.count())]


def painted():
    """How many of the pictures are there: no two of a grid look alike."""
    images = (window().list.item(row).icon().pixmap(128).toImage() for row in range(window().list.count()))
    return len({bytes(image.constBits().asstring(image.sizeInBytes())) for image in images})


def at(row):
    """Where a picture is on the screen."""
    view = window().list
    point = view.viewport().mapToGlobal(view.visualItemRect(view.item(row)).center())
    return [point.x(), point.y()]


@scene
def by_look(tell):
    """A grid over strength and scale; the one that is pressed is painted in full, and the docker shows its values."""
    document, content, _style = yield from stage("variations")
    values = {**CHEAP, "strength": 100.0, "style_scale": 1.0}
    choose(document, content, StyleRef("bundled", "impasto"), **values)
    yield 0.3
    before = tree(document.rootNode())
    docker().variations_action.trigger()
    yield lambda: window().list.count() == 9
    yield lambda: "Painting" not in window().line.text()
    tell("captions", captions())
    tell("line", window().line.text())
    yield ask(tell, "shot", "krita-variations")
    tell("layers before", tree(document.rootNode()) == before)
    yield ask(tell, "click", at(2))
    yield lambda: not window().isVisible()
    tell("shown", {name: docker().values()[name] for name in ("strength", "style_scale", "steps", "size")})
    yield lambda: docker().controller.tasks and idle()
    yield 0.5
    tell("painted", {**outcome(last()), "values": {k: last().values[k] for k in ("strength", "style_scale", "size")}})
    tell("layers", tree(document.rootNode()))
    close(document)
    yield 0.4


@scene
def by_chance(tell):
    """Nine seeds; closing the window ends what it paints."""
    document, content, _style = yield from stage("seeds")
    choose(document, content, StyleRef("bundled", "impasto"), **CHEAP)
    yield 0.3
    docker().variations_action.trigger()
    yield lambda: window().list.count() == 9
    window().kinds.setCurrentIndex(1)
    yield lambda: captions()[0] == ["Seed 7"]
    yield lambda: "Painting" not in window().line.text()
    tell("seeds", captions())
    tell("different", painted())
    yield ask(tell, "shot", "krita-variations-seeds")
    window().kinds.setCurrentIndex(0)
    yield lambda: len(captions()[0]) == 2
    window().close()
    yield 1.0
    close(document)
    yield 0.4
