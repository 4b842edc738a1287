"""Layers of every kind and depth, painted one by one. test_krita.py judges what is told."""

from functools import partial

from krita import InfoObject, Selection
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    QT_FOLDER,
    SRGB,
    activate,
    ask,
    box,
    choose,
    close,
    docker,
    layer_ref,
    named,
    new_document,
    newest_name,
    painted_layer,
    painting,
    refused,
    said,
    save,
    scene,
    space,
    stage,
)
from vaporbrush_driver.qt import QByteArray, QColor

from vaporbrush_host.request import StyleRef

SPACES = (
    ("RGBA", "U16", "", 0, 0),
    ("RGBA", "F32", "", -37, 53),
    ("RGBA", "F16", "", 0, 0),
    ("CMYKA", "U8", "", 0, 0),
    ("GRAYA", "U8", "", 3, 4),
    ("LABA", "U16", "", 0, 0),
    ("RGBA", "U8", "Rec2020-elle-V4-g10.icc", 0, 0),
)


@scene
def selection(tell):
    document, _content, _style = yield from stage("selected")
    chosen = Selection()
    chosen.select(20, 10, 40, 40, 255)
    chosen.select(60, 10, 10, 40, 100)
    document.setSelection(chosen)
    yield 0.4
    tell("selection", (yield from painting(document)))
    tell("selection pixels", save(named(document, newest_name()), "selection"))
    close(document)
    yield 0.4


@scene
def selection_elsewhere(tell):
    document, _content, _style = yield from stage("elsewhere")
    chosen = Selection()
    chosen.select(200, 200, 10, 10, 255)
    document.setSelection(chosen)
    yield 0.3
    docker().button.click()
    yield 0.3
    yield ask(tell, "shot", "krita-docker-message")
    tell("nothing selected", said())
    document.setSelection(None)
    close(document)
    yield 0.5


def in_space(model, depth, profile, x, y, tell):
    name = f"{model} {depth} {profile}".strip()
    document, content, style = yield from stage(name, model, depth, profile, at=(x, y))
    tell(name, (yield from painting(document)))
    layer = named(document, newest_name())
    tell(f"{name} pixels", save(layer, name))
    tell(f"{name} content", [box(content), space(content)])
    for part, given in (("content", content), ("style", style)):
        tell(f"{name} {part} pixels", save(given, f"{name} {part}"))
    shown = layer.duplicate()
    shown.setColorSpace("RGBA", "U8", SRGB)
    tell(f"{name} shown", save(shown, f"{name} shown"))
    close(document)
    yield 0.4


for one in SPACES:
    play = partial(in_space, *one)
    play.__name__ = f"in_space_{one[0]}_{one[1]}" + ("_wide" if one[2] else "")
    scene(play)


def grouped(name):
    """A stage with a group: (document, group, the layer below in it, the one above, the style)."""
    document = new_document(name, 96, 72)
    yield LOADED_S
    group = document.createGroupLayer("Group")
    document.rootNode().addChildNode(group, None)
    below = painted_layer(document, "Below", "content", parent=group)
    above = painted_layer(document, "Above", "style", 48, 0, parent=group)
    style = painted_layer(document, "Starry", "style")
    yield 0.5
    document.refreshProjection()
    yield 0.3
    return document, group, below, above, style


@scene
def group(tell):
    document, whole, _below, _above, style = yield from grouped("group")
    choose(document, whole, layer_ref(document, style), **CHEAP)
    yield 0.5
    tell("group", (yield from painting(document)))
    close(document)
    yield 0.4


@scene
def two_styles(tell):
    """One of them lies in another document."""
    document, _group, below, above, _style = yield from grouped("two styles")
    second = new_document("second", 120, 96)
    yield LOADED_S
    other = painted_layer(second, "Elsewhere", "style")
    yield 0.4
    activate(document)
    yield 0.6
    choose(document, below, layer_ref(second, other), layer_ref(document, above, 0.5), **CHEAP)
    yield 0.4
    tell("two styles", (yield from painting(document)))
    tell("two styles pixels", save(named(document, newest_name()), "two"))
    close(second)
    yield 0.3
    close(document)
    yield 0.4


@scene
def mask_active(tell):
    document, content, _style = yield from stage("mask")
    mask = document.createTransparencyMask("Mask")
    content.addChildNode(mask, None)
    mask.setPixelData(QByteArray(bytes([255]) * 96 * 72), 0, 0, 96, 72)  # a new mask hides everything
    document.refreshProjection()
    yield 0.3
    document.setActiveNode(mask)
    yield 0.3
    tell("mask active", (yield from painting(document)))
    close(document)
    yield 0.4


@scene
def hidden_and_locked(tell):
    document, content, _style = yield from stage("hidden")
    content.setVisible(False)
    content.setLocked(True)
    yield 0.3
    document.setActiveNode(content)
    tell("hidden and locked", (yield from painting(document)))
    close(document)
    yield 0.4


@scene
def hidden_group(tell):
    document, whole, _below, _above, style = yield from grouped("hidden group")
    whole.setVisible(False)
    yield 0.3
    choose(document, whole, layer_ref(document, style), **CHEAP)
    yield 0.5
    tell("hidden group", (yield from painting(document)))
    tell("hidden group pixels", save(named(document, newest_name()), "hidden"))
    close(document)
    yield 0.4


@scene
def refusals(tell):
    document, _content, style = yield from stage("refused")
    empty = document.createNode("Empty", "paintlayer")
    document.rootNode().addChildNode(empty, None)
    tell("empty", (yield from refused(document, empty)))
    tell("own style", (yield from refused(document, style)))
    close(document)
    yield 0.4


def made(document, kind):
    """A layer of a kind that has no pixels of its own."""
    root = document.rootNode()
    if kind == "vectorlayer":
        layer = document.createVectorLayer("Vector")
        root.addChildNode(layer, None)
        layer.addShapesFromSvg(
            '<svg xmlns="http://www.w3.org/2000/svg" width="96pt" height="72pt">'
            '<rect x="5" y="5" width="50" height="30" fill="#c03020"/></svg>'
        )
        return layer
    if kind == "filllayer":
        everywhere = Selection()  # an empty one would hide the layer
        everywhere.select(0, 0, 96, 72, 255)
        colour = InfoObject()
        colour.setProperty("color", QColor("#c03020"))
        layer = document.createFillLayer("Fill", "color", colour, everywhere)
    elif kind == "clonelayer":
        layer = document.createCloneLayer("Clone", named(document, "Photo"))
    else:
        layer = document.createFileLayer("File", QT_FOLDER + "/content.png", "None", "Bicubic")
    root.addChildNode(layer, None)
    return layer


def of_kind(kind, tell):
    document, _content, style = yield from stage(kind)
    layer = made(document, kind)
    document.refreshProjection()
    yield 1.5
    assert layer.type() == kind, layer.type()
    choose(document, layer, layer_ref(document, style), **CHEAP)
    yield 0.4
    tell(kind, (yield from painting(document)))
    tell(f"{kind} pixels", save(named(document, newest_name()), kind))
    close(document)
    yield 0.4


for one in ("vectorlayer", "filllayer", "clonelayer", "filelayer"):
    play = partial(of_kind, one)
    play.__name__ = f"kind_{one}"
    scene(play)


def style_file(name, tell):
    """As a picture, or as what only Krita reads."""
    document, content, _style = yield from stage(name)
    choose(document, content, StyleRef("file", f"{QT_FOLDER}/{name}"), **CHEAP)
    yield 0.4
    tell(name, (yield from painting(document)))
    tell(f"{name} name", newest_name())
    close(document)
    yield 0.4


for one in ("style ü.png", "style ü.kra"):
    play = partial(style_file, one)
    play.__name__ = f"style_file_{one[-3:]}"
    scene(play)


@scene
def style_file_gone(tell):
    document, content, _style = yield from stage("gone")
    choose(document, content, StyleRef("file", QT_FOLDER + "/gone.png"), **CHEAP)
    document.setActiveNode(content)
    yield 1.0
    tell("file gone", {"said": docker().expected.text(), "button": docker().button.isEnabled()})
    close(document)
    yield 0.4
