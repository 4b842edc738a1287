"""A workstation that paints for this Krita, and vanishes. test_krita_workstation.py judges what is told."""

from types import SimpleNamespace

from krita import Krita
from vaporbrush_driver.kit import (
    ask,
    close,
    controller,
    cut_labels,
    docker,
    idle,
    in_sight,
    last,
    others_hidden,
    outcome,
    painting,
    scene,
    stage,
)

WELL, ENDLESS = 0, 8  # seeds that the fake worker obeys
WORLD = SimpleNamespace()  # the document and its layer, which all scenes use


def asked(device, seed=WELL):
    """The controls say so, and the photograph is chosen."""
    WORLD.document.setActiveNode(WORLD.content)  # a fake painting is the negative, also of what can be seen through
    docker().set_values({**docker().values(), "device": device, "seed": seed})
    yield 0.3


def begin():
    """Press Stylize."""
    known = set(controller().tasks)
    docker().button.click()
    assert set(controller().tasks) - known, f"nothing was begun: {docker().message.text()}"


def said():
    """What the newest painting's panel says."""
    return docker().panels[last().key].line.text()


def seen(tell, name):
    """A picture of the docker, and whether words are cut in it."""
    yield 0.5
    tell(f"cut {name}", cut_labels(docker()))
    yield ask(tell, "shot", f"krita-workstation-{name}")


@scene
def a_device_among_others(tell):
    """It was added when Krita ran already."""
    WORLD.document, WORLD.content, _style = yield from stage("far")
    others_hidden()
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield ask(tell, "add")
    box = docker().fields["device"].box
    yield lambda: box.findData("workstation") >= 0
    tell("offered", [box.itemText(place) for place in range(box.count())])
    docker().form.fold.setChecked(True)
    yield 0.5
    docker().scroll_area.ensureWidgetVisible(box)
    box.showPopup()
    yield 0.5
    yield ask(tell, "shot", "krita-workstation-offered")
    box.hidePopup()
    yield from asked("workstation")
    tell("chosen", box.currentText())
    yield from seen(tell, "chosen")
    docker().form.fold.setChecked(False)


@scene
def painted_there(tell):
    """As any other painting."""
    told = yield from painting(WORLD.document)
    tell("there", {**told, "device": last().state.result["device"]})
    yield from seen(tell, "painted-there")


@scene
def it_vanishes(tell):
    """While it paints: the painter is told, and may stop."""
    yield from asked("workstation", ENDLESS)
    begin()
    yield lambda: last().state.job is not None and last().state.job.progress
    yield ask(tell, "power cut")
    yield lambda: "workstation" in said()
    tell("vanished", [last().state.stage, said()])
    yield from seen(tell, "vanished")
    task, panel = last(), docker().panels[last().key]
    tell("may stop", [in_sight(panel.line), in_sight(panel.cancel_button)])
    panel.cancel_button.click()
    yield idle
    tell("stopped", task.state.stage)


@scene
def painted_here(tell):
    """Whoever leaves the choice to Vaporbrush gets the painting from this computer."""
    yield from asked("auto")
    begin()
    yield lambda: "workstation" in said()
    tell("waits", said())
    yield from seen(tell, "waits")
    yield idle
    yield 0.5
    tell("here", {**outcome(last()), "device": last().state.result["device"], "said": said()})
    yield from seen(tell, "painted-here")


@scene
def asked_for_all_the_same(tell):
    """It says why it cannot, and what can be done."""
    yield from asked("workstation")
    begin()
    yield idle
    panel = docker().panels[last().key]
    tell("asked for", {**outcome(last()), "said": said(), "again": panel.again_button.isVisible()})
    box = docker().fields["device"].box
    yield lambda: "not reachable" in box.currentText()
    tell("listed", box.currentText())
    yield from seen(tell, "asked-for")
    close(WORLD.document)
    yield 0.4


@scene
def rest(tell):
    """Nothing is left."""
    tell("left", [task.state.stage for task in controller().tasks.values() if not task.state.ended])
    yield 0.1
