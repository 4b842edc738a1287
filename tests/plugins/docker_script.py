"""The docker without Krita: driven offscreen with PyQt5 or PyQt6, a real daemon, and the fake worker. Tells JSON lines.

FAKE_KRITA_QT=6 python docker_script.py LOOKS-FOLDER
"""

import json
import sys
import time
import traceback
from pathlib import Path

from krita import Krita, Node, QtCore, QtWidgets

LOOKS = Path(sys.argv[1])
ENDLESS, DIES = 8, 2  # seeds that the fake worker obeys
PATIENCE_S = 60


def tell(name, value):
    print(json.dumps({"name": name, "value": value}), flush=True)


def until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain: {traceback.extract_stack()[-2].line}")
        QtWidgets.QApplication.processEvents(QtCore.QEventLoop.ProcessEventsFlag.AllEvents, 20)
        time.sleep(0.005)


def layer(document, name, tint, x=0, y=0, width=40, height=30):
    node = Node(name, "paintlayer")
    pixels = bytes((tint + i) % 251 if i % 4 != 3 else 255 for i in range(4 * width * height))
    node.setPixelData(QtCore.QByteArray(pixels), x, y, width, height)
    document.rootNode().addChildNode(node, None)
    return node


def main():
    QtWidgets.QApplication.setStyle("Fusion")
    application = QtWidgets.QApplication([])
    krita = Krita.instance()
    import vaporbrush  # registers itself
    from vaporbrush import chooser, layers

    from vaporbrush_host.request import StyleRef

    assert vaporbrush.HERE
    window = krita.open_window()
    docker = window.dockers()[0]
    controller = docker.controller
    tell("qt", QtCore.QT_VERSION_STR.split(".")[0])
    tell("actions", sorted(window.actions))
    window.qwindow().resize(340, 860)
    window.qwindow().show()
    until(lambda: controller.condition.reachable)

    def shot(name):
        QtWidgets.QApplication.processEvents()
        docker.grab().save(str(LOOKS / f"krita-qt{tell_qt}-{name}.png"))

    tell_qt = QtCore.QT_VERSION_STR.split(".")[0]
    tell("no document", [docker.button.isEnabled(), docker.expected.text()])
    document = krita.open_document("picture", 40, 30)
    content, style = layer(document, "Photo", 10, -7, 5), layer(document, "Starry", 90)
    document.setActiveNode(content)
    docker.canvasChanged(None)
    until(lambda: docker.expected.text() == "Choose a style to begin.")
    until(lambda: controller.bundled)
    docker.chooser.open(0)
    gallery = docker.chooser.gallery
    tell("gallery", [gallery.bundled.count(), gallery.layers.count()])
    QtWidgets.QApplication.processEvents()
    gallery.grab().save(str(LOOKS / f"krita-qt{tell_qt}-gallery.png"))
    gallery._clicked(gallery.bundled.item(0))
    tuned = controller.bundled[0]
    tell("tuned", [docker.values()["strength"], tuned.tuned["strength"]])
    ref = StyleRef("layer", "Starry", style.uniqueId().toString(), layers.document_id(document))
    docker.chooser.set_refs([ref])
    until(lambda: "full size" in docker.expected.text())
    shot("idle")

    def painted(seed, act=docker.button.click):
        docker.set_values({**docker.values(), "seed": seed})
        act()
        return list(controller.tasks.values())[-1]

    # done
    task = painted(0)
    until(lambda: task.state.ended)
    new = next(n for n in document.rootNode().childNodes() if n.name() == "Photo – Starry")
    negative = bytes(255 - byte for byte in content._data)
    tell("done", [task.state.stage, new.bounds() == content.bounds(), new._data == negative, task.state.report])
    names = [n.name() for n in document.rootNode().childNodes()]
    tell("order", names)
    shot("done")
    tell("stored", controller.recipe_of(document, new)[0]["seed"])

    # running, keep this
    task = painted(ENDLESS)
    until(lambda: task.state.preview is not None)
    shot("running")
    panel = docker.panels[task.run.key]
    until(panel.keep_button.isEnabled)
    panel.keep_button.click()
    until(lambda: task.state.ended)
    tell("kept", [task.state.stage, task.state.result.get("stopped")])

    # two at once, cancel
    first, second = painted(ENDLESS), painted(ENDLESS)
    until(lambda: first.state.stage == "running" and second.state.stage == "queued")
    shot("queue")
    docker.panels[second.run.key].cancel_button.click()
    docker.panels[first.run.key].cancel_button.click()
    until(lambda: first.state.ended and second.state.ended)
    tell("cancelled", [first.state.stage, second.state.stage, len(docker.panels)])

    # failed, copy details, try again
    task = painted(DIES)
    until(lambda: task.state.ended)
    panel = docker.panels[task.run.key]
    panel.details_button.click()
    tell("failed", [task.state.stage, task.state.error.code, panel.line.text(), panel.again_button.isVisible()])
    tell("details", QtWidgets.QApplication.clipboard().text())
    docker.scroll_area.verticalScrollBar().setValue(9999)
    shot("failed")
    task.run.order.values["seed"] = 0
    panel.again_button.click()
    again = list(controller.tasks.values())[-1]
    until(lambda: again.state.ended)
    tell("again", [again.state.stage, again is not task])

    # values survive in the document and anywhere
    docker.set_values({**docker.values(), "strength": 123.0, "size": 512, "steps": 7, "layer_weights": (1, 2, 3, 4, 5)})
    painted(0)
    until(lambda: all(t.state.ended for t in controller.tasks.values()))
    values, refs = controller.remembered(None)
    tell(
        "remembered",
        [values["strength"], values["size"], values["steps"], values["layer_weights"], [r.name for r in refs]],
    )
    docker.reset.click()
    tell("reset", [docker.values()["strength"], docker.values()["size"], docker.values()["steps"]])
    krita.open_document("other", 10, 10)
    docker._look()
    krita.documents()[-1].close()
    docker._look()
    tell("back", docker.values()["strength"])
    tell("own", chooser.own_layer_id(document) == content.uniqueId().toString())

    # a second window comes and goes
    other = krita.open_window()
    other.qwindow().show()
    QtWidgets.QApplication.processEvents()
    other.qwindow().close()
    other.qwindow().deleteLater()
    QtCore.QCoreApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete.value if tell_qt == "6" else 52)
    controller.condition_changed.emit(controller.condition)
    controller.styles_changed.emit(controller.bundled)
    painted(0)
    until(lambda: all(t.state.ended for t in controller.tasks.values()))
    tell("second window", True)

    # Krita ends while something runs
    task = painted(ENDLESS)
    until(lambda: task.state.stage == "running")
    began = time.monotonic()
    krita.notifier().applicationClosing.emit()
    tell("closed", [time.monotonic() - began, task.run.is_alive()])
    window.qwindow().close()
    application.quit()
    tell("end", True)


try:
    main()
except Exception:  # noqa: BLE001 (the test shows it)
    tell("error", traceback.format_exc())
