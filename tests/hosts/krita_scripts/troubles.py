"""Everything that can be wrong with the daemon, in one Krita. test_krita_troubles.py judges what is told."""

import time
from types import SimpleNamespace

from krita import Krita
from vaporbrush_driver.kit import (
    LOADED_S,
    activate,
    ask,
    choose,
    controller,
    docker,
    last,
    layer_ref,
    new_document,
    others_hidden,
    outcome,
    painted_layer,
    scene,
    screen_point,
    tree,
)
from vaporbrush_driver.meters import StallMeter
from vaporbrush_driver.qt import QApplication, QPushButton

ENDLESS, DIES = 8, 2  # seeds that the fake worker obeys
WORLD = SimpleNamespace()  # the document and its layers, which all scenes use


def shown(condition):
    return {
        "kind": condition.kind,
        "short": condition.short,
        "sentence": condition.sentence,
        "verbs": [action.verb for action in condition.actions],
    }


def button(verb):
    return docker().findChild(QPushButton, f"vaporbrush_do_{verb}")


def kind(*names):
    return lambda: controller().condition.kind in names


def rest(tell):
    """The daemon that Krita started runs, and the photograph is chosen."""
    if not controller().condition.reachable:
        yield ask(tell, "same version")
        yield lambda: controller().condition.reachable
    activate(WORLD.document)
    choose(WORLD.document, WORLD.content, layer_ref(WORLD.document, WORLD.style), seed=0)
    yield 0.3


@scene
def never_started(tell):
    """It was never installed nor started here."""
    document, content, style = WORLD.document, WORLD.content, WORLD.style = yield from pictures()
    monitor = controller().monitor
    WORLD.command = monitor._start_command
    monitor._start_command = ()
    document.setActiveNode(content)
    Krita.instance().action("vaporbrush_stylize").trigger()
    yield kind("absent")
    docker().chooser.set_refs([layer_ref(document, style)])
    yield 1.0
    told = shown(controller().condition)
    tell("absent", {**told, "button": docker().button.isEnabled(), "why": docker().expected.text()})
    yield ask(tell, "shot", "krita-daemon-absent")
    button("copy_command").click()
    tell("copied", QApplication.clipboard().text())


def pictures():
    document = new_document("picture", 96, 72)
    yield LOADED_S
    others_hidden()
    content = painted_layer(document, "Photo", "content")
    style = painted_layer(document, "Starry", "style")
    yield 0.5
    return document, content, style


@scene
def start_fails(tell):
    """It is installed, but cannot be started."""
    monitor = controller().monitor
    monitor._start_command = ("/bin/false",)
    monitor.look()
    yield kind("stopped")
    button("start").click()
    yield lambda: controller().condition.short == "Vaporbrush did not start"
    yield 0.5
    tell("start failed", shown(controller().condition))
    yield ask(tell, "shot", "krita-daemon-start-failed")


@scene
def starts(tell):
    monitor = controller().monitor
    monitor._start_command = WORLD.command
    monitor.start_daemon()
    yield kind("starting")
    tell("starting", shown(controller().condition))
    yield ask(tell, "shot", "krita-daemon-starting")
    yield lambda: controller().condition.reachable
    tell("started", shown(controller().condition))


@scene
def fetch(tell):
    """The full model is fetched."""
    yield lambda: button("fetch") is not None
    yield ask(tell, "click", screen_point(button("fetch")))
    yield lambda: controller().fetch_state is not None and (controller().fetch_state.fraction or 0) > 0.3
    yield 0.2
    tell("fetching", docker().condition.sentence.text())
    yield ask(tell, "shot", "krita-model-fetching")
    yield lambda: controller().fetch is None
    tell("fetched", controller().fetch_state.stage)


@scene
def worker_dies(tell):
    """Twice, so that the painting fails."""
    yield from rest(tell)
    docker().set_values({**docker().values(), "seed": DIES})
    docker().button.click()
    yield lambda: last().state.ended
    yield 0.4
    docker().task_area.verticalScrollBar().setValue(9999)
    tell("failed", {**outcome(last()), "shown": docker().panels[last().run.key].line.text()})
    yield ask(tell, "shot", "krita-painting-failed")
    controller().dismiss(last().run.key)


@scene
def daemon_killed(tell):
    """While it paints; *Try again* starts it anew."""
    yield from rest(tell)
    docker().set_values({**docker().values(), "seed": ENDLESS})
    docker().button.click()
    yield lambda: last().state.stage == "running"
    yield 0.5
    meter = StallMeter()
    began = time.monotonic()
    yield ask(tell, "kill")
    yield lambda: last().state.ended
    seconds = time.monotonic() - began
    yield kind("stopped")
    yield 0.5
    docker().task_area.verticalScrollBar().setValue(9999)
    panel = docker().panels[last().run.key]
    told = {"seconds": seconds, "shown": panel.line.text(), "stalls": meter.stop(), **shown(controller().condition)}
    tell("killed", {**outcome(last()), **told})
    yield ask(tell, "shot", "krita-daemon-killed")
    last().run.order.values["seed"] = 0
    panel.again_button.click()
    yield lambda: last().state.ended
    yield 0.3
    tell("again", {**outcome(last()), "after": tree(WORLD.document.rootNode())})


@scene
def other_version(tell):
    yield from rest(tell)
    yield ask(tell, "other version")
    yield kind("wrong_version")
    yield 0.3
    tell("wrong version", shown(controller().condition))
    yield ask(tell, "shot", "krita-daemon-wrong-version")
    docker().button.click()
    yield lambda: last().state.ended
    tell("painting with the wrong version", outcome(last()))
    controller().dismiss(last().run.key)
    yield ask(tell, "same version")
    yield lambda: controller().condition.reachable


@scene
def without_torch(tell):
    """The daemon runs, but nothing can be painted: no green light, and no button that fails."""
    yield from rest(tell)
    yield ask(tell, "without torch")
    yield kind("broken")
    yield 0.4
    told = {"button": docker().button.isEnabled(), "says": docker().expected.text()}
    tell("without torch", {**shown(controller().condition), **told})
    yield ask(tell, "shot", "krita-daemon-without-torch")
    yield ask(tell, "same version")
    yield lambda: controller().condition.startable
    yield 0.6
    tell("with torch again", docker().button.isEnabled())


@scene
def unloaded(tell):
    """The memory is given back."""
    yield from rest(tell)
    docker().button.click()
    yield lambda: last().state.ended
    yield lambda: button("unload") is not None
    yield ask(tell, "shot", "krita-daemon-ready")
    yield ask(tell, "click", screen_point(button("unload")))
    yield lambda: "unload" not in [action.verb for action in controller().condition.actions]
    tell("unloaded", shown(controller().condition))


@scene
def stopped(tell):
    """The daemon ends politely."""
    yield from rest(tell)
    began = time.monotonic()
    yield ask(tell, "stop")
    yield kind("stopped")
    told = {"seconds": time.monotonic() - began, "button": docker().button.isEnabled()}
    tell("stopped", {**shown(controller().condition), **told})
    yield 0.4
    yield ask(tell, "shot", "krita-daemon-stopped")
