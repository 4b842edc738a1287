"""The first painting by real mouse clicks, and what can be done with a painting. test_krita.py judges what is told."""

from krita import Krita
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    QT_FOLDER,
    SRGB,
    ask,
    close,
    controller,
    cut_labels,
    docker,
    idle,
    last,
    named,
    new_document,
    newest_name,
    others_hidden,
    outcome,
    painted_layer,
    painting,
    said,
    save,
    scene,
    screen_point,
    stage,
    tree,
)
from vaporbrush_driver.qt import QAction


def leaves(action):
    if not isinstance(action, QAction) or action.menu() is None:
        yield action
        return
    for inner in action.menu().actions():
        yield from leaves(inner)


@scene
def menu(tell):
    application = Krita.instance()
    tell("actions", sorted(a.objectName() for a in application.actions() if a.objectName().startswith("vaporbrush")))
    texts = [a.text() for m in application.activeWindow().qwindow().menuBar().actions() for a in leaves(m)]
    tell("menu", [text.replace("&", "") for text in texts if "aporbrush" in text or "tyliz" in text])
    yield 0.1


@scene
def first_painting(tell):
    """A person opens the docker, chooses a style in the gallery, and presses the button."""
    document = new_document("picture", 96, 72)
    yield LOADED_S
    others_hidden()
    content = painted_layer(document, "Photo", "content")
    painted_layer(document, "Starry", "style", -10, -5)
    yield 0.5
    document.setActiveNode(content)
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield 1.0
    tell("docker", [docker().isVisible(), docker().chooser.refs() == ()])
    yield lambda: controller().condition.reachable
    yield ask(tell, "shot", "krita-docker-new")
    yield from choose_in_the_gallery(tell)
    docker().set_values({**docker().values(), **CHEAP})
    yield lambda: "full size" in docker().expected.text()
    tell("expected", docker().expected.text())
    yield 0.3
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", "krita-docker-idle")
    docker().form.fold.setChecked(True)
    yield 0.4
    tell("cut advanced", cut_labels(docker()))
    yield ask(tell, "shot", "krita-docker-advanced")
    docker().form.fold.setChecked(False)
    before = tree(document.rootNode())
    yield ask(tell, "click", screen_point(docker().button))
    yield lambda: controller().tasks
    yield idle
    yield 0.3
    after = {"after": tree(document.rootNode()), "active": document.activeNode().name()}
    tell("first", {**outcome(last()), "before": before, **after})
    tell("first pixels", save(named(document, newest_name()), "first"))
    yield ask(tell, "shot", "krita-docker-done")


def choose_in_the_gallery(tell):
    """Click on the style's button, and on a layer in the window that opens."""
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


@scene
def undo(tell):
    document, _content, _style = yield from stage("undo")
    yield from painting(document)
    Krita.instance().action("edit_undo").trigger()
    yield 0.4
    tell("undone", tree(document.rootNode()))
    Krita.instance().action("edit_redo").trigger()
    yield 0.4
    tell("redone", tree(document.rootNode()))
    close(document)
    yield 0.4


@scene
def repeat(tell):
    document, content, _style = yield from stage("repeat")
    yield from painting(document)
    document.setActiveNode(content)
    tell("repeat", (yield from painting(document, Krita.instance().action("vaporbrush_repeat").trigger)))
    close(document)
    yield 0.4


@scene
def copied_settings(tell):
    document, _content, _style = yield from stage("copy")
    yield from painting(document)
    docker().set_values({**docker().values(), "strength": 20.0, "seed": 9})
    document.setActiveNode(named(document, newest_name()))
    yield 0.6
    docker().copy_settings()
    tell("copied", {name: docker().values()[name] for name in ("strength", "seed", "steps", "size")})
    close(document)
    yield 0.4


@scene
def restylize(tell):
    document, _content, style = yield from stage("restylize")
    yield from painting(document)
    document.setActiveNode(named(document, newest_name()))
    yield 0.6
    count = len(document.rootNode().childNodes())
    tell("restylize", (yield from painting(document, Krita.instance().action("vaporbrush_restylize").trigger)))
    tell("restylized", len(document.rootNode().childNodes()) - count)
    document.setActiveNode(style)
    yield 0.3
    Krita.instance().action("vaporbrush_restylize").trigger()
    yield 0.2
    tell("restylize a plain layer", said())
    close(document)
    yield 0.4


@scene
def stored_in_the_file(tell):
    document, content, _style = yield from stage("stored")
    yield from painting(document)
    name, identity = newest_name(), content.uniqueId().toString()
    path = QT_FOLDER + "/saved ü.kra"
    document.saveAs(path)
    yield 0.5
    close(document)
    yield 0.5
    again = Krita.instance().openDocument(path)
    Krita.instance().activeWindow().addView(again)
    yield LOADED_S
    from vaporbrush.task import Stored  # there once the plug-in is loaded

    stored = Stored.of(again, named(again, name))
    tell(
        "stored",
        None
        if stored is None
        else [stored[0]["seed"], stored[0]["strength"], [r.name for r in stored[1]], stored[2] == identity],
    )
    yield lambda: docker()._document == again.rootNode().uniqueId().toString()
    shown = {field: docker().values()[field] for field in ("seed", "strength")}
    tell("values of the reopened file", {**shown, "styles": [ref.name for ref in docker().chooser.refs()]})
    close(again)
    yield 0.5


@scene
def a_picture_of_krita_s_own(_tell):
    """What the scene of style files takes: a document as a file."""
    other = Krita.instance().createDocument(120, 96, "style", "RGBA", "U8", SRGB, 120.0)
    other.setBatchmode(True)
    painted_layer(other, "Starry", "style")
    other.refreshProjection()
    other.waitForDone()
    other.saveAs(QT_FOLDER + "/style ü.kra")
    other.close()
    yield 0.3
