"""The docker without Krita: driven offscreen with PyQt5 or PyQt6, a real daemon, and the fake worker. Tells JSON lines.

    FAKE_KRITA_QT=6 python docker_script.py LOOKS-FOLDER

Each scene is told for itself; one that fails is told too, and the next one plays.
"""

import json
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from krita import Krita, Node, QtCore, QtWidgets

LOOKS = Path(sys.argv[1])
ENDLESS, DIES, DIES_ONCE = 8, 2, 1  # seeds that the fake worker obeys
PATIENCE_S = 60
QT = QtCore.QT_VERSION_STR.split(".")[0]


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


class Play:
    """A Krita with one window and one picture. Its scenes are its public methods, in their order."""

    def __init__(self):
        import vaporbrush  # registers itself

        assert vaporbrush.HERE
        self.krita = Krita.instance()
        self.window = self.krita.open_window()
        self.docker = self.window.dockers()[0]
        self.controller = self.docker.controller
        tell("qt", QT)
        tell("actions", sorted(self.window.actions))
        self.window.qwindow().resize(340, 860)
        self.window.qwindow().show()
        until(lambda: self.controller.condition.reachable)
        tell("no document", [self.docker.button.isEnabled(), self.docker.expected.text()])
        self.document = self.krita.open_document("picture", 40, 30)
        self.content, self.style = layer(self.document, "Photo", 10, -7, 5), layer(self.document, "Starry", 90)
        self.document.setActiveNode(self.content)
        self.docker.canvasChanged(None)
        until(lambda: self.docker.expected.text() == "Choose a style to begin.")
        until(lambda: self.controller.bundled)

    def play(self):
        """All scenes, and what went wrong in those that did not end."""
        for name, scene in vars(Play).items():
            if name.startswith("scene_"):
                try:
                    self._chosen()
                    scene(self)
                except Exception:  # noqa: BLE001 (the test shows it)
                    tell(f"error in {name.removeprefix('scene_')}", traceback.format_exc())

    def _chosen(self):
        """As each scene begins: nothing paints, and a layer is the style."""
        from vaporbrush import layers

        from vaporbrush_host.request import StyleRef

        for key, task in list(self.controller.tasks.items()):
            if not task.state.ended:
                self.controller.cancel(key)
        self.settled()
        for one in self.document.rootNode().childNodes():
            if one.name() not in ("Photo", "Starry"):
                one.remove()
        ref = StyleRef("layer", "Starry", self.style.uniqueId().toString(), layers.document_id(self.document))
        self.docker.chooser.set_refs([ref])

    def settled(self):
        until(lambda: all(task.state.ended for task in self.controller.tasks.values()))

    def shot(self, name, widget=None):
        QtWidgets.QApplication.processEvents()
        (widget or self.docker).grab().save(str(LOOKS / f"krita-qt{QT}-{name}.png"))

    def painted(self, seed):
        """A painting that was begun."""
        self.docker.set_values({**self.docker.values(), "seed": seed})
        self.docker.button.click()
        return list(self.controller.tasks.values())[-1]

    def scene_gallery(self):
        self.docker.chooser.set_refs([])
        self.docker.chooser.open(0)
        gallery = self.docker.chooser.gallery
        tell("gallery", [gallery.bundled.count(), gallery.layers.count()])
        self.shot("gallery", gallery)
        gallery._clicked(gallery.bundled.item(0))
        tuned = self.controller.bundled[0]
        tell("tuned", [self.docker.values()["strength"], tuned.tuned["strength"]])

    def scene_done(self):
        until(lambda: "full size" in self.docker.expected.text())
        self.shot("idle")
        task = self.painted(0)
        until(lambda: task.state.ended)
        new = next(n for n in self.document.rootNode().childNodes() if n.name() == "Photo – Starry")
        negative = bytes(255 - byte for byte in self.content._data)
        same_place = new.bounds() == self.content.bounds()
        tell("done", [task.state.stage, same_place, new._data == negative, task.state.report])
        tell("order", [n.name() for n in self.document.rootNode().childNodes()])
        self.shot("done")
        from vaporbrush.task import Stored

        tell("stored", Stored.of(self.document, new).values["seed"])

    def scene_names(self):
        """Names are shown as they are: they are no HTML, and nothing in them acts."""
        name = "<b>bold</b>\u202egnp"
        odd = layer(self.document, name, 30)
        self.document.setActiveNode(odd)
        self.docker._look()
        task = self.painted(0)
        until(lambda: task.state.ended)
        title = self.docker.panels[task.run.key].title
        tips = [self.docker.button.toolTip(), title.toolTip()]
        tell("names", [title.whole(), title.textFormat() == QtCore.Qt.TextFormat.PlainText, *tips])
        self.document.setActiveNode(self.content)
        self.docker._look()

    def scene_kept(self):
        task = self.painted(ENDLESS)
        until(lambda: task.state.preview is not None)
        self.shot("running")
        panel = self.docker.panels[task.run.key]
        until(panel.keep_button.isEnabled)
        panel.keep_button.click()
        until(lambda: task.state.ended)
        tell("kept", [task.state.stage, task.state.result.get("stopped")])

    def scene_two_at_once(self):
        first, second = self.painted(ENDLESS), self.painted(ENDLESS)
        until(lambda: first.state.stage == "running" and second.state.stage == "queued")
        self.shot("queue")
        panels = self.docker.panels
        panels[second.run.key].cancel_button.click()
        panels[first.run.key].cancel_button.click()
        until(lambda: first.state.ended and second.state.ended)
        left = [key for key in panels if key in (first.run.key, second.run.key)]
        tell("cancelled", [first.state.stage, second.state.stage, len(left)])

    def scene_failed(self):
        """Copy details, try again."""
        task = self.painted(DIES)
        until(lambda: task.state.ended)
        panel = self.docker.panels[task.run.key]
        panel.details_button.click()
        tell("failed", [task.state.stage, task.state.error.code, panel.line.text(), panel.again_button.isVisible()])
        tell("details", QtWidgets.QApplication.clipboard().text())
        self.docker.task_area.verticalScrollBar().setValue(9999)
        self.shot("failed")
        task.run.order.values["seed"] = 0
        panel.again_button.click()
        again = list(self.controller.tasks.values())[-1]
        until(lambda: again.state.ended)
        tell("again", [again.state.stage, again is not task])

    def scene_noted(self):
        """Its worker died once."""
        task = self.painted(DIES_ONCE)
        until(lambda: task.state.ended)
        tell("noted", [task.state.stage, self.docker.panels[task.run.key].line.text()])

    def scene_devices(self):
        """The daemon has told of two GPUs, and then of what is free on one."""
        from vaporbrush_host.controls import Option

        known = self.controller.condition
        box = self.docker.form.fields["device"].box
        first = (Option("cuda:0", "NVIDIA H200, 141 GB"), Option("cuda:1", "NVIDIA T4, 16 GB"))
        self.controller.condition_changed.emit(replace(known, devices=first))
        self.docker.set_values({**self.docker.values(), "device": "cuda:1"})
        told = (first[0], Option("cuda:1", "NVIDIA T4, 15 GB free"))
        self.controller.condition_changed.emit(replace(known, devices=told))
        tell("devices", [box.itemText(place) for place in range(box.count())])
        tell("device chosen", [self.docker.values()["device"], box.currentText()])
        self.docker.form.fold.setChecked(True)
        until(self.docker.form.advanced.isVisible)
        self.docker.scroll_area.verticalScrollBar().setValue(9999)
        self.shot("devices")
        self.docker.form.fold.setChecked(False)
        self.docker.form.reset.click()

    def scene_remembered(self):
        """Values survive in the document and anywhere."""
        from vaporbrush import chooser

        mine = {"strength": 123.0, "size": 512, "steps": 7, "layer_weights": (1, 2, 3, 4, 5)}
        self.docker.set_values({**self.docker.values(), **mine})
        self.painted(0)
        self.settled()
        values, refs = self.controller.memory.last(None)
        tell("remembered", [*(values[name] for name in mine), [ref.name for ref in refs]])
        self.docker.form.reset.click()
        tell("reset", [self.docker.values()[name] for name in ("strength", "size", "steps")])
        self.krita.open_document("other", 10, 10)
        self.docker._look()
        self.krita.documents()[-1].close()
        self.docker._look()
        tell("back", self.docker.values()["strength"])
        tell("own", chooser.own_layer_id(self.document) == self.content.uniqueId().toString())

    def scene_second_window(self):
        """It comes and goes."""
        other = self.krita.open_window()
        other.qwindow().show()
        QtWidgets.QApplication.processEvents()
        other.qwindow().close()
        other.qwindow().deleteLater()
        deferred = QtCore.QEvent.Type.DeferredDelete.value if QT == "6" else 52
        QtCore.QCoreApplication.sendPostedEvents(None, deferred)
        self.controller.condition_changed.emit(self.controller.condition)
        self.controller.styles_changed.emit(self.controller.bundled)
        self.painted(0)
        self.settled()
        tell("second window", True)

    def scene_krita_ends(self):
        """While something runs; the last scene."""
        task = self.painted(ENDLESS)
        until(lambda: task.state.stage == "running")
        began = time.monotonic()
        self.krita.notifier().applicationClosing.emit()
        tell("closed", [time.monotonic() - began, task.run.is_alive()])
        self.window.qwindow().close()


QtWidgets.QApplication.setStyle("Fusion")
application = QtWidgets.QApplication([])
Play().play()
application.quit()
tell("end", True)
