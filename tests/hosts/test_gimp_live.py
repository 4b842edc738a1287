"""Live in the real GIMP's dialog, with the real painter and its small model."""

from __future__ import annotations

from typing import Any

import pytest

from hosts.gimp_screen import QUICK, Screen

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]


def canvas(screen: Screen) -> Any:
    """What the large picture on the left shows, in numbers."""
    large = max(screen.all("Image"), key=lambda one: one["box"][2] * one["box"][3])
    return large["picture"]


def rested(screen: Screen) -> bool:
    return "Live: painted at " in screen.texts()


def test_the_picture_follows_the_fields_and_ok_paints_in_full(screen: Screen) -> None:
    screen.forget_values(*QUICK, "(strength 100.000000)")
    screen.open()
    before = canvas(screen)
    screen.click("LiveButton", "Live")
    screen.wait_text("Live: choose a style.")
    screen.choose("Layers", "style")
    screen.wait_text("Live: painting at ")
    screen.wait(lambda: rested(screen), "it has grown")
    painted = canvas(screen)
    assert painted != before
    screen.look("live")
    screen.type_into(lambda: screen.beside("Strength", "SpinButton"), "5000")
    screen.wait(lambda: canvas(screen) != painted, "the picture is another one")
    screen.wait(lambda: rested(screen), "it has grown again")
    screen.look("live-strong")
    strong = canvas(screen)
    assert screen.layers == ["scene.png"], "nothing came into the image"
    screen.about_to_paint()
    screen.click("Button", "Preview")
    screen.wait_text("Painted. OK takes it.")
    assert canvas(screen) != strong, "the preview is shown now"
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["recipe"]["strength"] == 5000


def test_who_switches_it_off_sees_the_layer_again_and_nothing_is_painted(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    screen.choose("Layers", "style")
    before = canvas(screen)
    screen.click("LiveButton", "Live")
    screen.wait(lambda: canvas(screen) != before, "it is painted")
    screen.click("LiveButton", "Live")
    screen.wait(lambda: canvas(screen) == before, "the layer as it is")
    screen.wait(lambda: "busy" not in screen.worker_states(), "the worker is idle")
    assert "Live: painting" not in screen.texts()
    screen.leave()
