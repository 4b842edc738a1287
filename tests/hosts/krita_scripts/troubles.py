"""Everything that can be wrong with the daemon, one after the other in one Krita. test_krita.py judges what is told."""

import time

from krita import Krita
from PyQt5.QtWidgets import QApplication, QPushButton
from vaporbrush_driver.kit import (
    LOADED_S,
    StallMeter,
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
    screen_point,
    tree,
)

ENDLESS, DIES = 8, 2  # seeds that the fake worker obeys


def told(condition):
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


def steps(tell):
    application = Krita.instance()
    document = new_document("picture", 96, 72)
    yield LOADED_S
    others_hidden()
    content = painted_layer(document, "Photo", "content")
    style = painted_layer(document, "Starry", "style")
    yield 0.5
    monitor = controller().monitor
    start_command = monitor._start_command

    # ── it was never installed nor started here ──
    monitor._start_command = ()
    document.setActiveNode(content)
    application.action("vaporbrush_stylize").trigger()
    yield kind("absent")
    docker().chooser.set_refs([layer_ref(document, style)])
    yield 1.0
    tell(
        "absent",
        {**told(controller().condition), "button": docker().button.isEnabled(), "why": docker().expected.text()},
    )
    yield ask(tell, "shot", "krita-daemon-absent")
    button("copy_command").click()
    tell("copied", QApplication.clipboard().text())

    # ── it is installed, but cannot be started ──
    monitor._start_command = ("/bin/false",)
    monitor.look()
    yield kind("stopped")
    button("start").click()
    yield lambda: controller().condition.short == "Vaporbrush did not start"
    yield 0.5
    tell("start failed", told(controller().condition))
    yield ask(tell, "shot", "krita-daemon-start-failed")

    # ── it is installed, and starts ──
    monitor._start_command = start_command
    monitor.start_daemon()
    yield kind("starting")
    tell("starting", told(controller().condition))
    yield ask(tell, "shot", "krita-daemon-starting")
    yield lambda: controller().condition.reachable
    tell("started", told(controller().condition))

    # ── the full model is fetched ──
    yield lambda: button("fetch") is not None
    yield ask(tell, "click", screen_point(button("fetch")))
    yield lambda: controller().fetch_state is not None and (controller().fetch_state.fraction or 0) > 0.3
    yield 0.2
    tell("fetching", docker().condition.sentence.text())
    yield ask(tell, "shot", "krita-model-fetching")
    yield lambda: controller().fetch is None
    tell("fetched", controller().fetch_state.stage)

    # ── a worker that dies twice ──
    choose(document, content, layer_ref(document, style), seed=DIES)
    docker().button.click()
    yield lambda: last().state.ended
    yield 0.4
    docker().scroll_area.verticalScrollBar().setValue(9999)
    tell("failed", {**outcome(last()), "shown": docker().panels[last().run.key].line.text()})
    yield ask(tell, "shot", "krita-painting-failed")
    controller().dismiss(last().run.key)

    # ── the daemon is killed while it paints ──
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
    docker().scroll_area.verticalScrollBar().setValue(9999)
    panel = docker().panels[last().run.key]
    tell(
        "killed",
        {
            **outcome(last()),
            "seconds": seconds,
            "shown": panel.line.text(),
            "stalls": meter.stop(),
            **told(controller().condition),
        },
    )
    yield ask(tell, "shot", "krita-daemon-killed")
    last().run.order.values["seed"] = 0
    panel.again_button.click()
    yield lambda: last().state.ended
    yield 0.3
    tell("again", {**outcome(last()), "after": tree(document.rootNode())})

    # ── a daemon of another version ──
    yield ask(tell, "other version")
    yield kind("wrong_version")
    yield 0.3
    tell("wrong version", told(controller().condition))
    yield ask(tell, "shot", "krita-daemon-wrong-version")
    docker().button.click()
    yield lambda: last().state.ended
    tell("painting with the wrong version", outcome(last()))
    controller().dismiss(last().run.key)
    yield ask(tell, "same version")
    yield lambda: controller().condition.reachable

    # ── the memory is given back, and the daemon ends politely ──
    docker().set_values({**docker().values(), "seed": 0})
    docker().button.click()
    yield lambda: last().state.ended
    yield lambda: button("unload") is not None
    yield ask(tell, "shot", "krita-daemon-ready")
    yield ask(tell, "click", screen_point(button("unload")))
    yield lambda: "unload" not in [action.verb for action in controller().condition.actions]
    tell("unloaded", told(controller().condition))
    began = time.monotonic()
    yield ask(tell, "stop")
    yield kind("stopped")
    tell(
        "stopped",
        {**told(controller().condition), "seconds": time.monotonic() - began, "button": docker().button.isEnabled()},
    )
    yield 0.4
    yield ask(tell, "shot", "krita-daemon-stopped")
