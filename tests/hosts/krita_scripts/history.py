"""The history by mouse and keyboard: what was painted here and on the command line comes back, with its settings."""

import time

from krita import Krita
from vaporbrush_driver.kit import CHEAP, ask, choose, close, docker, painting, save, scene, screen_point, stage, tree

from vaporbrush_host.request import StyleRef


def window():
    """The window of the history."""
    return docker().history


def shown():
    """What it lists: the lines under each thumbnail."""
    items = [window().list.item(row) for row in range(window().list.count())]
    return [item.text().splitlines() for item in items]


def opened(tell, count):
    """Open it by the menu's entry, and wait for so many paintings; `yield from`."""
    docker().history_action.trigger()
    yield lambda: window().list.count() == count
    yield 0.5


def chosen(text):
    """Choose the painting whose caption begins so."""
    row = next(row for row, lines in enumerate(shown()) if text in lines[0])
    window().list.setCurrentRow(row)


@scene
def bring_back(tell):
    """What the command line painted comes back as a layer, within a second, as it was."""
    document, content, _style = yield from stage("history")
    choose(document, content, StyleRef("bundled", "impasto"), **{**CHEAP, "seed": 5})
    yield 0.3
    yield from painting(document)
    yield from opened(tell, 3)
    tell("listed", shown())
    tell("line", window().line.text())
    yield ask(tell, "shot", "krita-history")
    chosen("Mosaic")
    yield 0.3
    document.setActiveNode(content)
    before = tree(document.rootNode())
    began = time.monotonic()
    window().bring_button.click()
    yield lambda: len(tree(document.rootNode())) > len(before)
    tell("seconds", time.monotonic() - began)
    yield 0.5
    layer = next(node for node in document.topLevelNodes() if node.name() not in before)
    tell("brought", save(layer, "brought"))
    tell("layers", tree(document.rootNode()))
    yield ask(tell, "shot", "krita-history-brought")
    Krita.instance().action("edit_undo").trigger()
    yield lambda: len(tree(document.rootNode())) == len(before)
    tell("undone", tree(document.rootNode()) == before)
    window().close()
    close(document)
    yield 0.4


@scene
def bring_back_elsewhere(tell):
    """A document in another colour space takes it too, by the keyboard."""
    document, _content, _style = yield from stage("linear", "RGBA", "F32", "sRGB-elle-V2-g10.icc")
    before = tree(document.rootNode())
    yield from opened(tell, 3)
    chosen("Mosaic")
    yield ask(tell, "keys", "Return")
    yield lambda: len(tree(document.rootNode())) > len(before)
    yield 0.5
    layer = next(node for node in document.topLevelNodes() if node.name() not in before)
    tell("brought elsewhere", save(layer, "elsewhere"))
    window().close()
    close(document)
    yield 0.4


@scene
def use_and_keep(tell):
    """Its settings are shown to paint with; what is pinned is marked, what is forgotten is gone."""
    document, content, _style = yield from stage("settings")
    choose(document, content, StyleRef("bundled", "mosaic"), **{**CHEAP, "strength": 55.0})
    yield from opened(tell, 3)
    chosen("style.png")
    yield 0.3
    yield ask(tell, "click", screen_point(window().use_button))
    yield lambda: docker().values()["strength"] == 321
    refs = docker().chooser.refs()
    tell("used", {"kind": refs[0].kind, "name": refs[0].name, "seed": docker().values()["seed"]})
    chosen("style.png")
    yield ask(tell, "click", screen_point(window().pin_button))
    yield lambda: "★" in str(shown())
    tell("pinned", shown())
    tell("button", window().pin_button.text())
    yield ask(tell, "shot", "krita-history-pinned")
    chosen("Mosaic")
    yield ask(tell, "click", screen_point(window().forget_button))
    yield lambda: window().list.count() == 2
    tell("left", shown())
    window().close()
    document.setActiveNode(content)
    yield 0.3
    yield from painting(document)
    tell("painted again", docker().controller.tasks[list(docker().controller.tasks)[-1]].state.stage)
    close(document)
    yield 0.4
