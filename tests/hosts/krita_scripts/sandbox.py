"""Krita as in a Flatpak: other folders, no way to start programs outside, no way to the daemon's socket file."""

from krita import Krita
from vaporbrush_driver.kit import (
    CHEAP,
    LOADED_S,
    ask,
    choose,
    controller,
    cut_labels,
    docker,
    idle,
    last,
    layer_ref,
    new_document,
    others_hidden,
    outcome,
    painted_layer,
    scene,
    tree,
)
from vaporbrush_driver.qt import QApplication, QPushButton


@scene
def in_a_flatpak(tell):
    application = Krita.instance()
    document = new_document("picture", 96, 72)
    yield LOADED_S
    others_hidden()
    content = painted_layer(document, "Photo", "content")
    style = painted_layer(document, "Starry", "style")
    yield 0.5
    document.setActiveNode(content)
    application.action("vaporbrush_stylize").trigger()
    yield lambda: controller().condition.kind != "looking"
    choose(document, content, layer_ref(document, style), **CHEAP)
    yield 1.0
    condition = controller().condition
    shown = {"sentence": condition.sentence, "verbs": [action.verb for action in condition.actions]}
    tell("not running", {**shown, "button": docker().button.isEnabled(), "cut": cut_labels(docker())})
    docker().findChild(QPushButton, "vaporbrush_do_copy_command").click()
    tell("copied", QApplication.clipboard().text())
    yield ask(tell, "shot", "krita-flatpak")
    yield ask(tell, "run the command")  # as a person does, in a terminal outside
    yield lambda: controller().condition.reachable
    tell("endpoint", controller().monitor._client.connection.endpoints)
    yield 0.5
    docker().button.click()
    yield idle
    yield 0.5
    tell("painted", {**outcome(last()), "after": tree(document.rootNode())})
