"""The docker in another language. test_host_languages.py judges what is told."""

import os

from krita import Krita
from vaporbrush_driver.kit import ask, choose, close, controller, cut_labels, docker, others_hidden, scene, stage

from vaporbrush_host.request import StyleRef

LANGUAGE = os.environ["LANGUAGE"]


@scene
def the_docker(tell):
    """As it opens, and with everything that is folded away."""
    document, content, _style = yield from stage("language")
    Krita.instance().action("vaporbrush_stylize").trigger()
    others_hidden()
    yield lambda: controller().bundled
    choose(document, content, StyleRef("bundled", "impasto"))
    yield 0.8
    tell("button", docker().button.text())
    tell("cut", cut_labels(docker()))
    yield ask(tell, "shot", f"krita-language-{LANGUAGE}")
    docker().form.fold.setChecked(True)
    yield 0.8
    tell("cut unfolded", cut_labels(docker()))
    yield ask(tell, "shot", f"krita-language-{LANGUAGE}-unfolded")
    docker().form.fold.setChecked(False)
    close(document)
    yield 0.4
