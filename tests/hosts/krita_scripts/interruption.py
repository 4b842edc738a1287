"""An install under which Krita is killed, and its next start. test_installing.py says where, kills it, and judges."""

import os
import time

from vaporbrush_driver.kit import LOADED_S, ask, controller, docker, new_document, scene, screen_point
from vaporbrush_driver.qt import QFrame, QPushButton

CLICK, KILL_AT = os.environ["INSTALL_CLICK"], os.environ["INSTALL_KILL_AT"]
LOOK_S = 20.0  # how often it says that it still waits: an install may take minutes
SOME = 100  # of a thousand: an eighth or so of the bytes is here


def panel():
    """The first page."""
    return docker().findChild(QFrame, "vaporbrush_installer")


def has_come_to(step):
    """Whether the page says that it is in the middle of this step; an error is said, too, and fails the scene."""
    line = panel().line.text()
    assert not line.startswith("⚠"), line
    return line.startswith(step) and (panel().bar.maximum() == 0 or panel().bar.value() > SOME)


def ready():
    """Whether the painter's daemon answers, or it failed."""
    line = panel().line.text()
    assert not line.startswith("⚠"), line
    return controller().condition.reachable


@scene
def an_install_goes_on(tell):
    new_document("picture", 320, 240)
    yield LOADED_S
    yield lambda: docker().isVisible() and not docker().visibleRegion().isEmpty()  # unasked
    if CLICK:
        yield ask(tell, "click", screen_point(docker().findChild(QPushButton, "vaporbrush_install")))
    if KILL_AT:
        yield lambda: has_come_to(KILL_AT)
        yield ask(tell, "shot", "install-krita-killed-" + KILL_AT.rstrip(":").lower())
        tell("seen", [panel().title.text(), panel().line.text()])
        yield ask(tell, "kill", KILL_AT)
    while not ready():
        until = time.time() + LOOK_S
        yield lambda until=until: ready() or time.time() > until
    yield lambda: bool(controller().bundled)
    tell("page", panel().isVisible())
    yield ask(tell, "shot", "install-krita-killed-ready")
