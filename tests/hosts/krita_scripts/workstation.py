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
    last,
    outcome,
    painting,
    scene,
    stage,
)

WELL, ENDLESS = 0, 8  # seeds that the fake worker obeys
WORLD = SimpleNamespace()  # the document, which all scenes use


def asked(device, seed=WELL):
    """The controls say so."""
    docker().set_values({**docker().values(), "device": device, "seed": seed})


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
    WORLD.document, _content, _style = yield from stage("far")
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
    asked("workstation")
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
    asked("workstation", ENDLESS)
    docker().button.click()
    yield lambda: last().state.job is not None and last().state.job.progress
    yield ask(tell, "power cut")
    yield lambda: "workstation" in said()
    tell("vanished", [last().state.stage, said()])
    yield from seen(tell, "vanished")
    docker().panels[last().key].cancel_button.click()
    yield idle
    tell("stopped", last().state.stage)


@scene
def painted_here(tell):
    """Whoever leaves the choice to Vaporbrush gets the painting from this computer."""
    asked("auto")
    docker().button.click()
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
    asked("workstation")
    docker().button.click()
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
