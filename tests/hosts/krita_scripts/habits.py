"""What a painter expects of any docker of Krita: undo, layers in their place, the wheel, buttons in sight, the menu.
test_krita_habits.py judges what is told.
"""

from krita import Krita, Selection
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    ask,
    choose,
    close,
    controller,
    docker,
    idle,
    in_sight,
    last,
    layer_ref,
    new_document,
    newest_name,
    painting,
    save,
    scene,
    screen_point,
    stage,
    tree,
)
from vaporbrush_driver.qt import QWidget

FOREIGN = ("RGBA", "U8", "Rec2020-elle-V4-g10.icc")  # a profile that is not Krita's own
ENDLESS = {**CHEAP, "steps": 5000}


def history():
    """What can be undone and redone."""
    return {name: Krita.instance().action(f"edit_{name}").isEnabled() for name in ("undo", "redo")}


@scene
def a_foreign_profile(tell):
    """Pressing Stylize leaves the undo history alone, and the painting is one step of it."""
    document, content, _style = yield from stage("foreign", *FOREIGN)
    Krita.instance().action("vaporbrush_stylize").trigger()
    document.rootNode().addChildNode(document.createNode("Redone", "paintlayer"), None)
    yield 0.5
    Krita.instance().action("edit_undo").trigger()
    yield 0.5
    document.setActiveNode(content)
    document.setModified(False)
    yield 0.3
    before, shown = history(), tree(document.rootNode())
    docker().set_values({**docker().values(), **ENDLESS})
    docker().button.click()
    yield lambda: last().state.stage == "running"
    now = history()
    tell("history while it paints", {"before": before, "now": now, "modified": document.modified()})
    controller().cancel(last().key)
    yield idle
    yield 0.3
    Krita.instance().action("edit_redo").trigger()
    yield 0.5
    tell("redone after a painting was cancelled", tree(document.rootNode()))
    Krita.instance().action("edit_undo").trigger()
    yield 0.5
    document.setActiveNode(content)
    docker().set_values({**docker().values(), **CHEAP})
    yield 0.3
    tell("painted in a foreign profile", (yield from painting(document)))
    Krita.instance().action("edit_undo").trigger()
    yield 0.5
    tell("one undo later", [shown, tree(document.rootNode())])
    tell("documents", len(Krita.instance().documents()))
    close(document)
    yield 0.4


@scene
def paintings_on_top_of_each_other(tell):
    """The second painting of a layer is above the first, below what covers both, and active."""
    document, content, style = yield from stage("twice")
    yield from painting(document)
    first = document.activeNode().uniqueId().toString()
    document.setActiveNode(content)
    yield 0.3
    yield from painting(document)
    second = document.activeNode().uniqueId().toString()
    yield from painting(document, Krita.instance().action("vaporbrush_restylize").trigger)
    third = document.activeNode().uniqueId().toString()
    names = {first: "first", second: "second", third: "third"}
    order = [names.get(node.uniqueId().toString(), node.name()) for node in reversed(document.rootNode().childNodes())]
    tell("order", order)
    yield ask(tell, "shot", "krita-habits-order")
    choose(document, content, layer_ref(document, style), **CHEAP)
    yield 0.3
    docker().button.click()
    document.setActiveNode(style)  # the painter goes on elsewhere
    yield idle
    yield 1.2
    tell("active where the painter went", document.activeNode().name())
    close(document)
    yield 0.4


@scene
def restylize_where_it_was(tell):
    """A feathered painting comes back feathered, without a selection, and takes other settings where asked to."""
    from vaporbrush.task import Stored

    document, _content, _style = yield from stage("region")
    chosen = Selection()
    chosen.select(20, 10, 40, 40, 255)
    chosen.select(60, 10, 10, 40, 100)
    document.setSelection(chosen)
    yield 0.4
    yield from painting(document)
    tell("region first", save(document.activeNode(), "region first"))
    document.setSelection(None)
    yield 0.3
    yield from painting(document, Krita.instance().action("vaporbrush_restylize").trigger)
    tell("region again", save(document.activeNode(), "region again"))
    docker().set_values({**docker().values(), "seed": 1234, "start": "noise"})
    yield from painting(document, docker().anew_action.trigger)
    tell("region anew", save(document.activeNode(), "region anew"))
    tell("seed anew", Stored.of(document, document.activeNode()).values["seed"])
    tell("its content", Stored.of(document, document.activeNode()).content == last().capture.node)
    close(document)
    yield 0.4


@scene
def the_wheel(tell):
    """Over a field it scrolls the docker; in a field that has the keyboard it changes the number."""
    document, _content, _style = yield from stage("wheel")
    Krita.instance().action("vaporbrush_stylize").trigger()
    docker().form.fold.setChecked(True)
    yield 0.5
    bar = docker().scroll_area.verticalScrollBar()
    found = {}
    for name in ("strength", "quality", "size", "style_scale"):
        bar.setValue(0)
        field = docker().fields[name]
        docker().scroll_area.ensureWidgetVisible(field)
        yield 0.3
        before, values = bar.value(), docker().values()
        for part in field.findChildren(QWidget):
            if part.isVisible() and in_sight(part):
                yield ask(tell, "wheel", screen_point(part))
        yield 0.3
        found[name] = {
            "scrolled": bar.value() > before or bar.value() == bar.maximum(),
            "same": docker().values() == values,
        }
    tell("wheel", found)
    spin = docker().fields["strength"].spin
    docker().scroll_area.ensureWidgetVisible(spin)
    yield 0.3
    yield ask(tell, "click", screen_point(spin))
    before = spin.value()
    yield ask(tell, "wheel", screen_point(spin))
    yield 0.3
    tell("wheel with focus", spin.value() != before)
    docker().form.fold.setChecked(False)
    close(document)
    yield 0.4


@scene
def buttons_in_sight(tell):
    """At the height that Krita gives the docker, with all its neighbours."""
    document, _content, _style = yield from stage("sight")
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield 0.5
    docker().set_values({**docker().values(), **ENDLESS})
    docker().button.click()
    yield lambda: last().state.stage == "running" and last().state.preview is not None
    yield 1.0
    panel = docker().panels[last().key]
    parts = {"keep": panel.keep_button, "cancel": panel.cancel_button, "preview": panel.preview, "go": docker().button}
    tell("in sight", {"height": docker().height(), **{name: in_sight(part) for name, part in parts.items()}})
    yield ask(tell, "shot", "krita-habits-sight")
    panel.cancel_button.click()
    yield idle
    close(document)
    yield 0.4


@scene
def menu_entries(tell):
    """They can be chosen on every kind of layer that can be painted."""
    document, _content, _style = yield from stage("menu")
    group, vector = document.createGroupLayer("Group"), document.createVectorLayer("Vector")
    for node in (group, vector):
        document.rootNode().addChildNode(node, None)
    yield 0.5
    found = {}
    for node in (group, vector):
        document.setActiveNode(node)
        yield 0.6
        names = ("vaporbrush_stylize", "vaporbrush_repeat", "vaporbrush_restylize")
        found[node.type()] = {name: Krita.instance().action(name).isEnabled() for name in names}
    tell("menu entries", found)
    close(document)
    yield 0.4


@scene
def several_layers_at_once(tell):
    """Those that are selected are painted one after the other, each above its own; what cannot be is said."""
    document, content, style = yield from stage("several")
    Krita.instance().action("vaporbrush_stylize").trigger()
    for name in ("Second", "Third"):
        copy = content.duplicate()
        copy.setName(name)
        document.rootNode().addChildNode(copy, None)
    group = document.createGroupLayer("Empty")
    document.rootNode().addChildNode(group, None)
    yield 0.5
    document.setActiveNode(content)
    style.remove()
    yield 0.5
    from vaporbrush_host.request import StyleRef

    docker().chooser.set_refs([StyleRef("bundled", "mosaic")])
    docker().set_values({**docker().values(), **CHEAP})
    Krita.instance().action("select_all_layers").trigger()
    yield 1.2
    tell("button for several", docker().button.text())
    yield ask(tell, "shot", "krita-habits-several")
    docker().button.click()
    tell("several began", len([task for task in controller().tasks.values() if not task.state.ended]))
    tell("several said", docker().message.text())
    yield idle
    yield 1.0
    tell("several order", [node.name() for node in reversed(document.rootNode().childNodes())])
    document.setActiveNode(content)
    yield 1.0
    tell("button for one", docker().button.text())
    close(document)
    yield 0.4


@scene
def a_style_that_was_closed(tell):
    """The docker says so before the button is pressed."""
    document, content, _style = yield from stage("lost")
    other = new_document("other", 96, 72)
    yield LOADED_S
    ref = layer_ref(other, other.rootNode().childNodes()[0])
    close(other)
    yield 0.8
    choose(document, content, ref, **CHEAP)
    yield 1.0
    tell("lost style", {"enabled": docker().button.isEnabled(), "says": docker().expected.text()})
    close(document)
    yield 0.4


@scene
def a_bundled_style_takes_its_settings_along(tell):
    """What it brought goes with it; what the painter set stays."""
    from vaporbrush_host.request import StyleRef

    document, _content, style = yield from stage("tuned")
    yield lambda: controller().bundled
    own = {one.name: dict(one.tuned) for one in controller().bundled}
    name = next(name for name, values in own.items() if values.get("strength"))
    usual = docker().form.fields["strength"].control.default
    docker().chooser.set_refs([StyleRef("bundled", name)])
    with_it = docker().values()["strength"]
    docker().chooser.set_refs([layer_ref(document, style)])
    after = docker().values()["strength"]
    docker().chooser.set_refs([StyleRef("bundled", name)])
    docker().set_values({**docker().values(), "strength": 77.0})
    docker().chooser.set_refs([layer_ref(document, style)])
    strengths = {"own": own[name]["strength"], "with it": with_it, "usual": usual, "after": after}
    tell("tuned", {**strengths, "set by hand": docker().values()["strength"]})
    close(document)
    yield 0.4


@scene
def tooltips(tell):
    """They are of several lines, not one that is wider than the screen."""
    tips = [child.toolTip() for child in docker().findChildren(QWidget) if len(child.toolTip()) > 80]
    tell("tooltips", [tip for tip in tips if not tip.startswith("<qt>")])
    tell("long tooltips", len(tips))
    yield 0.1
    tell("newest", newest_name() if controller().tasks else "")
