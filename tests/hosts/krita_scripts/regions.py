"""Styles by region, by mouse: a second style on a selection, only there, in several documents and after reopening.
test_krita_regions.py judges what is told.
"""

from krita import Krita, Selection
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    QT_FOLDER,
    ask,
    choose,
    close,
    controller,
    docker,
    idle,
    last,
    layer_ref,
    named,
    newest_name,
    others_hidden,
    painted_layer,
    painting,
    said,
    save,
    scene,
    screen_point,
    stage,
)
from vaporbrush_driver.qt import QInputDialog

POLL_S = 0.8  # the docker looks for another selection every half second
LEFT, RIGHT = (8, 12, 30, 48), (50, 12, 30, 48)  # x, y, width, height
SOFT = 100  # of 255: how far the column right of a selection is selected


def selection(x, y, width, height):
    """A rectangle with a soft column at its right."""
    chosen = Selection()
    chosen.select(x, y, width, height, 255)
    chosen.select(x + width, y, 6, height, SOFT)
    return chosen


def clicked(tell, widget):
    """A click of the mouse; `yield from`."""
    yield ask(tell, "click", screen_point(widget))
    yield 0.4


def tile(tell, name):
    """Click on a bundled style in the gallery; `yield from`."""
    gallery = docker().chooser.gallery
    yield gallery.isVisible
    yield gallery.bundled.count
    gallery.tabs.setCurrentIndex(0)
    view = gallery.bundled
    items = [view.item(row) for row in range(view.count())]
    wanted = next(item for item in items if item.data(256).name == name)
    view.scrollToItem(wanted)
    yield 0.4
    point = view.viewport().mapToGlobal(view.visualItemRect(wanted).center())
    yield ask(tell, "click", [point.x(), point.y()])
    yield lambda: not gallery.isVisible()
    yield 0.3


def entry(tell, button, title):
    """Open a region's menu and click on an entry; `yield from`."""
    yield ask(tell, "click", screen_point(button))
    yield button.choices.isVisible
    yield 0.2
    action = next(one for one in button.choices.actions() if one.text() == title)
    point = button.choices.mapToGlobal(button.choices.actionGeometry(action).center())
    yield ask(tell, "click", [point.x(), point.y()])
    yield 0.4


def row(index):
    """A chosen style's row."""
    return docker().chooser._rows[index]


def shown():
    """What the rows say: the style, where it paints, and whether it has a region."""
    texts = [[part.strip() for part in one.button.text().split("\n")] for one in docker().chooser._rows]
    return [[*text, ref.region is not None] for text, ref in zip(texts, docker().refs(), strict=True)]


def seen(document):
    """The picture as it is on the canvas, for the test; without undoing anything."""
    document.refreshProjection()
    document.waitForDone()
    return document.rootNode().projectionPixelData(0, 0, document.width(), document.height()).data()


@scene
def a_second_style_on_a_selection(tell):
    """Three clicks: another style here, which one, stylize. The first style paints the rest."""
    document, content, style = yield from stage("two styles")
    style.setVisible(False)  # it lies over the painting
    Krita.instance().action("vaporbrush_stylize").trigger()
    others_hidden()
    yield lambda: controller().bundled
    yield POLL_S
    tell("without a selection", docker().chooser.add_here.isVisible())
    yield ask(tell, "shot", "krita-regions-none")
    document.setSelection(selection(*RIGHT))
    yield POLL_S
    yield ask(tell, "shot", "krita-regions-selected")
    yield from clicked(tell, docker().chooser.add_here)
    yield from tile(tell, "mosaic")
    docker().set_values({**docker().values(), **CHEAP})
    tell("rows", shown())
    tell("use selection", docker().fields["use_selection"].isEnabled())
    yield POLL_S
    yield ask(tell, "shot", "krita-regions-two")
    before = set(controller().tasks)
    yield from clicked(tell, docker().button)
    yield lambda: set(controller().tasks) - before
    yield idle
    yield 0.6
    tell("stage", last().state.stage)
    tell("second style", save(document.activeNode(), "second style"))
    yield ask(tell, "shot", "krita-regions-painted")
    choose(document, content, layer_ref(document, style), **CHEAP)
    document.setSelection(None)
    yield from painting(document)
    tell("first style alone", save(document.activeNode(), "first style alone"))
    close(document)
    yield 0.4


@scene
def only_in_their_regions(tell):
    """Both styles have one, softly and with an overlap; the rest of the picture stays, and Restylize knows them."""
    from vaporbrush.task import Stored

    document, _content, style = yield from stage("regions")
    style.setVisible(False)  # it lies over the painting
    docker().chooser.set_refs(docker().chooser.refs()[:1])
    document.setSelection(selection(*LEFT))
    yield POLL_S
    yield from clicked(tell, row(0).region)
    document.setSelection(selection(30, 20, 30, 40))
    yield POLL_S
    yield from clicked(tell, docker().chooser.add_here)
    yield from tile(tell, "mosaic")
    docker().set_values({**docker().values(), **CHEAP})
    document.setSelection(None)
    yield POLL_S
    yield ask(tell, "shot", "krita-regions-only")
    before = seen(document)
    yield from painting(document)
    tell("both", save(document.activeNode(), "both"))
    after = seen(document)
    covered = [
        255 if any(before[4 * at + part] != after[4 * at + part] for part in range(4)) else 0
        for at in range(len(before) // 4)
    ]
    tell("changed on the canvas", covered)
    stored = Stored.of(document, document.activeNode())
    tell(
        "stored",
        [[one.region.blob, one.region == ref.region] for one, ref in zip(stored.styles, docker().refs(), strict=True)],
    )
    yield from painting(document, Krita.instance().action("vaporbrush_restylize").trigger)
    tell("both again", save(document.activeNode(), "both again"))
    path = QT_FOLDER + "/regions ü.kra"
    name = document.activeNode().name()
    document.saveAs(path)
    yield 0.5
    close(document)
    yield 0.5
    reopened = Krita.instance().openDocument(path)
    Krita.instance().activeWindow().addView(reopened)
    yield LOADED_S
    tell("annotations", sorted(one for one in reopened.annotationTypes() if "region" in one))
    yield POLL_S
    tell("rows reopened", shown())
    reopened.setActiveNode(named(reopened, name))
    yield 0.5
    yield from painting(reopened, Krita.instance().action("vaporbrush_restylize").trigger)
    tell("both reopened", save(reopened.activeNode(), "both reopened"))
    close(reopened)
    yield 0.4


@scene
def its_menu(tell):
    """Its region as the selection, to be changed; another one; everywhere."""
    document, _content, _style = yield from stage("menu of a region")
    docker().chooser.set_refs(docker().chooser.refs()[:1])
    document.setSelection(selection(*LEFT))
    yield POLL_S
    yield from clicked(tell, row(0).region)
    document.setSelection(None)
    yield POLL_S
    button = row(0).region
    yield ask(tell, "click", screen_point(button))
    yield button.choices.isVisible
    yield 0.3
    yield ask(tell, "shot", "krita-regions-menu")
    tell("menu", [[one.text(), one.isEnabled()] for one in button.choices.actions()])
    button.choices.close()
    yield 0.3
    yield from entry(tell, button, "Select its region")
    chosen, wanted = document.selection(), selection(*LEFT)
    area = (0, 0, document.width(), document.height())
    tell("selected again", chosen is not None and chosen.pixelData(*area).data() == wanted.pixelData(*area).data())
    document.setSelection(selection(*RIGHT))
    yield POLL_S
    yield from entry(tell, button, "Paint this style here")
    place = docker().refs()[0].region.place
    tell("moved", [place.x, place.y, place.width, place.height])
    yield from entry(tell, button, "Paint it everywhere")
    tell("freed", docker().refs()[0].region is None)
    close(document)
    yield 0.4


@scene
def in_another_picture(tell):
    """Regions belong to their picture: another one has none, and they come back with the first. So do presets."""
    document, _content, _style = yield from stage("first picture")
    document.setSelection(selection(*LEFT))
    yield POLL_S
    yield from clicked(tell, row(0).region)
    tell("in the first", [ref.region is not None for ref in docker().refs()])
    presets = docker().presets
    docker().scroll_area.ensureWidgetVisible(docker().form.presets)
    yield 0.4
    yield from clicked(tell, docker().form.presets)
    action = next(one for one in presets.actions() if one.text() == "Save as preset…")
    point = presets.mapToGlobal(presets.actionGeometry(action).center())
    yield ask(tell, "click", [point.x(), point.y()])
    from vaporbrush_driver.qt import QApplication

    yield lambda: any(isinstance(one, QInputDialog) and one.isVisible() for one in QApplication.topLevelWidgets())
    yield 0.4
    yield ask(tell, "type", "with a region")
    yield docker().message.isVisible
    tell("kept", said())
    first = docker().refs()
    other = Krita.instance().createDocument(96, 72, "second picture", "RGBA", "U8", "", 120.0)
    Krita.instance().activeWindow().addView(other)
    yield LOADED_S + POLL_S
    tell("in the second", [ref.region is not None for ref in docker().refs()])
    close(other)
    yield LOADED_S
    tell("back in the first", docker().refs() == first)
    moved = document.rootNode().childNodes()[0]
    layer = painted_layer(document, "Elsewhere", "style", 300, 300)
    yield 0.5
    document.setActiveNode(layer)
    assert moved is not None
    yield 0.4
    said()
    docker().button.click()
    yield 0.4
    tell("not on the layer", said())
    tell("newest", newest_name() if controller().tasks else "")
    close(document)
    yield 0.4
