"""Paintings that wait, are kept, cancelled, overtaken by events, or huge. test_krita.py judges what is told."""

import time

from krita import Krita
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    activate,
    ask,
    box,
    choose,
    close,
    controller,
    cut_labels,
    docker,
    everything,
    idle,
    last,
    layer_ref,
    named,
    new_document,
    newest_name,
    outcome,
    painting,
    scene,
    stage,
    tree,
)
from vaporbrush_driver.meters import OwnMeter, StallMeter, Timed, strokes
from vaporbrush_driver.qt import QApplication, QByteArray

LONG = {**CHEAP, "steps": 5000}


def running():
    return last().state.stage == "running"


def under_way():
    return [task for task in controller().tasks.values() if not task.state.ended]


@scene
def standard_quality(tell):
    """As a person would leave it."""
    document, content, style = yield from stage("standard")
    choose(document, content, layer_ref(document, style), **{**CHEAP, "steps": None, "quality": "standard"})
    yield 0.4
    tell("standard", (yield from painting(document)))
    tell("standard steps", last().state.result.get("steps_done"))
    close(document)
    yield 0.4


@scene
def strokes_while_idle(tell):
    document, _content, _style = yield from stage("strokes")
    yield from strokes(tell, document, "strokes while idle")
    close(document)
    yield 0.4


@scene
def queue_and_keep(tell):
    """Two at once; somebody draws meanwhile; the first is kept, the second cancelled."""
    document, content, style = yield from stage("queue")
    choose(document, content, layer_ref(document, style), **LONG)
    yield 0.3
    count = len(list(everything(document.rootNode())))
    docker().button.click()
    docker().button.click()
    yield lambda: [task for task in under_way() if task.state.stage == "running" and task.state.preview is not None]
    yield 0.6
    docker().task_area.verticalScrollBar().setValue(9999)
    first, second = under_way()
    tell("queue", [first.state.stage, second.state.stage, second.state.line])
    tell("cut running", cut_labels(docker()))
    yield ask(tell, "shot", "krita-docker-running")
    yield from strokes(tell, document, "strokes while it paints")
    panel = docker().panels[first.run.key]
    yield lambda: first.state.job.progress.step >= 3
    panel.keep_button.click()
    yield lambda: first.state.ended
    yield 0.4
    added = len(list(everything(document.rootNode()))) - count
    result = first.state.result
    kept = {"steps": result.get("steps_done"), "stopped": result.get("stopped"), "added": added}
    tell("kept", {**outcome(first), **kept})
    yield lambda: second.state.stage == "running"
    began = time.monotonic()
    docker().panels[second.run.key].cancel_button.click()
    yield lambda: second.state.ended
    seconds = time.monotonic() - began
    added = len(list(everything(document.rootNode()))) - count
    panels = len([key for key in docker().panels if key == second.run.key])
    tell("cancelled", {**outcome(second), "seconds": seconds, "added": added, "panels": panels})
    close(document)
    yield 0.4


@scene
def layer_gone(tell):
    document, content, style = yield from stage("layer gone")
    choose(document, content, layer_ref(document, style), **LONG)
    yield 0.3
    docker().button.click()
    yield lambda: running() and last().state.preview is not None
    content.remove()
    controller().keep(last().run.key)
    yield idle
    yield 0.3
    tell("layer gone", {**outcome(last()), "after": tree(document.rootNode())[0]})
    close(document)
    yield 0.4


@scene
def document_gone(tell):
    document, content, style = yield from stage("doomed")
    choose(document, content, layer_ref(document, style), **LONG)
    yield 0.4
    docker().button.click()
    yield running
    gone = last()
    began = time.monotonic()
    close(document)
    yield lambda: gone.state.ended
    tell("document gone", {**outcome(gone), "seconds": time.monotonic() - began})


@scene
def huge(tell):
    """4096², painted small."""
    styled, _content, style = yield from stage("style of the huge")
    document = new_document("huge", 4096, 4096)
    yield LOADED_S + 1
    noise = document.createNode("Huge", "paintlayer")
    rows = QByteArray(bytes(range(256)) * 64 * 64)  # 64 rows of 4096 pixels
    for y in range(0, 4096, 64):
        noise.setPixelData(rows, 0, y, 4096, 64)
    document.rootNode().addChildNode(noise, None)
    yield 1.5
    choose(document, noise, layer_ref(styled, style), **CHEAP)
    yield 1.5
    timed, own, meter = Timed(), OwnMeter(), StallMeter()
    began = time.monotonic()
    docker().button.click()
    yield idle
    yield lambda: own.deliveries  # Krita's own event loop runs while the layer is put in
    yield 0.5
    tell("stalls huge", meter.stop())
    tell("own work", own.stop())
    seconds, where = time.monotonic() - began, box(named(document, newest_name()))
    tell("huge", {**outcome(last()), "pixels work": timed.stop(), "seconds": seconds, "box": where})
    close(document)
    yield 0.5
    activate(styled)
    close(styled)
    yield 0.5


@scene
def krita_ends(tell):
    """While something is painted. The last scene: Krita ends after it."""
    document, content, style = yield from stage("end")
    choose(document, content, layer_ref(document, style), **LONG)
    yield 0.3
    docker().button.click()
    yield running
    signals = [Krita.instance().notifier().applicationClosing, QApplication.instance().aboutToQuit]

    def let_go():
        for signal in signals:
            signal.disconnect(let_go)
        tell("let go")

    for signal in signals:  # heard after the plug-in's own; Krita 5.3 does not tell the first
        signal.connect(let_go)
    tell("quitting")
