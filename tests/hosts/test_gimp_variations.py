"""Variations in the real GIMP's dialog; how they look in the real painter, Krita's test shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import QUICK, Screen
from hosts.host import GRADIENTS
from hosts.root import Root
from support.daemon import until

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]

NINE_S = 900  # for nine small paintings, on a machine that is busy


@pytest.fixture(scope="module")
def painting(root: Root, looks: Path) -> Iterator[Screen]:
    """GIMP with a painter that is quick."""
    with gimp_on_screen(root, looks, "gimp-variations", real=False, settings=GRADIENTS) as found:
        yield found


def test_one_press_on_a_small_painting_has_it_painted_in_full(painting: Screen) -> None:
    screen = painting
    screen.rest()
    screen.forget_values(*QUICK, "(strength 100.000000)", "(style-scale 1.000000)")
    screen.open()
    screen.choose("Layers", "style")
    screen.until_done(
        lambda: screen.click("Button", "Variations…"),
        lambda: "Press one to paint it in full." in screen.texts(),
        "the window of variations",
    )
    until(lambda: "Painting" not in screen.texts(), "nine are painted", NINE_S)
    screen.look("nine")
    captions = [f"Strength {strength}\nScale {scale}" for strength in (20, 100, 500) for scale in (0.5, 1, 2)]
    assert [one["text"] for one in screen.all("Tile") if one["text"].startswith("Strength")] == captions
    assert screen.layers == ["scene.png"], "nothing came into the image yet"
    screen.click_on(screen.still_seen(lambda: screen.find("Tile", captions[2])))
    screen.wait(lambda: screen.beside("Strength", "SpinButton")["text"] == "20.0", "the fields show it")
    assert screen.beside("Style scale", "SpinButton")["text"] == "2.00"
    screen.look("taken")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    recipe = screen.record()["recipe"]
    assert (recipe["strength"], recipe["style_scale"], recipe["size"]) == (20, 2, 96)
    listed = json.loads(screen.gimp.vaporbrush_cli("history", "--json"))["entries"]
    assert [one["label"] for one in listed] == ["scene.png"], "the small ones are not in the history"
