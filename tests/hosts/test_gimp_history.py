"""The history in the real GIMP's dialog, which shares it with the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import HEIGHT, QUICK, WIDTH, Screen
from hosts.host import GRADIENTS
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]

TOP_LAYER = (
    "list(image.get_layers()[0].get_buffer().get(Gegl.Rectangle.new(0, 0, {width}, {height}), 1.0, "
    "\"R'G'B'A u8\", Gegl.AbyssPolicy.NONE))"
)


@pytest.fixture(scope="module")
def painted(root: Root, looks: Path) -> Iterator[Screen]:
    """GIMP, and two paintings of the command line."""
    with gimp_on_screen(root, looks, "gimp-history", real=False, settings=GRADIENTS) as found:
        content, style = str(found.gimp.folder / "scene.png"), str(found.gimp.folder / "style.png")
        more = ("--steps", "2", "--seed")
        found.gimp.vaporbrush_cli("stylize", content, "@mosaic", "-o", str(found.gimp.folder / "one.png"), *more, "3")
        sky = found.gimp.folder / "sky.png"
        Image.fromarray(np.repeat(np.uint8([[255]] * (HEIGHT // 2) + [[0]] * (HEIGHT // 2)), WIDTH, 1)).save(sky)
        region = ("--region", f"1:{sky}", "--strength", "321")
        found.gimp.vaporbrush_cli(
            "stylize", content, style, "-o", str(found.gimp.folder / "two.png"), *more, "4", *region
        )
        yield found


@pytest.fixture
def screen(painted: Screen) -> Screen:
    """GIMP at rest."""
    painted.rest()
    return painted


def open_history(screen: Screen) -> None:
    """Open the dialog, and the history from it."""
    screen.forget_values(*QUICK)
    screen.open()
    screen.until_done(
        lambda: screen.click("Button", "History…"), lambda: screen.find("Button", "Use its settings"), "the history"
    )
    screen.wait_text("the last 50 are kept")


def listed(screen: Screen) -> list[dict[str, Any]]:
    """What the command line lists."""
    return json.loads(screen.gimp.vaporbrush_cli("history", "--json"))["entries"]


def leave(screen: Screen) -> None:
    """Close what is open."""
    screen.until_done(lambda: screen.keys("Escape"), lambda: not screen.desktop.windows("^Vaporbrush – "), "closing")
    screen.gone()


def test_what_another_program_painted_comes_back_as_a_layer_as_it_was(screen: Screen) -> None:
    open_history(screen)
    screen.look("list")
    screen.click("Button", "Bring back as a layer")
    screen.until_layers(2)
    pixels = screen.ask(TOP_LAYER.format(width=WIDTH, height=HEIGHT))
    shown = np.asarray(Image.open(screen.gimp.folder / "two.png").convert("RGBA"))
    found = np.array(pixels, np.uint8).reshape(HEIGHT, WIDTH, 4)
    assert np.array_equal(found, shown)
    record = screen.record()
    assert (record["recipe"]["strength"], record["recipe"]["seed"]) == (321, 4)
    screen.look("brought")
    leave(screen)


def test_a_layer_from_the_history_has_its_region_for_restylize(screen: Screen) -> None:
    open_history(screen)
    screen.click("Button", "Bring back as a layer")
    screen.until_layers(2)
    region = screen.record()["styles"][0]["region"]
    assert region["place"] == [0, 0, WIDTH, HEIGHT // 2]
    assert f"vaporbrush-region-{region['mask']}" in screen.ask("image.get_layers()[0].get_parasite_list()")
    leave(screen)


def test_its_settings_paint_again_with_the_picture_of_its_style(screen: Screen) -> None:
    open_history(screen)
    screen.click("Button", "Use its settings")
    screen.wait(lambda: screen.beside("Strength", "SpinButton")["text"] == "321.0", "its strength")
    screen.look("used")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    record = screen.record()
    assert (record["recipe"]["strength"], record["recipe"]["seed"]) == (321, 4)
    (style,) = record["styles"]
    assert style["kind"] == "file"
    assert "styles-of-history" in style["name"]
    newest = listed(screen)[0]
    assert newest["label"] == "scene.png"
    assert newest["styles"] == [Path(style["name"]).stem], "GIMP's own paintings are in it, too"


def test_what_is_pinned_is_marked_and_what_is_forgotten_is_gone(screen: Screen) -> None:
    before = listed(screen)
    open_history(screen)
    screen.click("Button", "Pin")
    screen.wait(lambda: screen.find("Button", "Unpin"), "it is pinned")
    screen.look("pinned")
    assert listed(screen)[0]["pinned"]
    screen.click("Button", "Forget")
    screen.wait(lambda: screen.find("Button", "Pin"), "another one is chosen")
    assert [one["job"] for one in listed(screen)] == [one["job"] for one in before[1:]]
    leave(screen)
