"""Presets in the real GIMP's dialog, which shares them with the command line, by mouse and keyboard."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import QUICK, Screen
from hosts.root import Root
from support.daemon import FAKE_WORKER, ended, recipe

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def painting(root: Root, looks: Path) -> Iterator[Screen]:
    """GIMP with a painter that is quick; what is painted is another test's matter."""
    with gimp_on_screen(root, looks, "gimp-presets", real=False) as found:
        yield found


@pytest.fixture
def screen(painting: Screen) -> Screen:
    """GIMP at rest."""
    painting.rest()
    return painting


def pick(screen: Screen, *titles: str) -> None:
    """Click through the menu of presets."""
    screen.until_done(
        lambda: screen.click("Button", "Presets ▾"), lambda: screen.find("MenuItem"), "the menu of presets"
    )
    for title in titles:
        screen.click_on(screen.still_seen(lambda title=title: screen.find("AccelLabel", title)))


def kept(screen: Screen) -> dict[str, dict[str, Any]]:
    """What the command line finds."""
    listed = json.loads(screen.gimp.vaporbrush_cli("presets", "list", "--json"))["presets"]
    return {one["name"]: one for one in listed}


def type_line(screen: Screen, text: str) -> None:
    """Into the dialog in front, and Return."""
    screen.desktop.type(text, after_s=1)
    screen.keys("Return")


def test_what_the_dialog_shows_is_kept_and_comes_back(screen: Screen) -> None:
    screen.forget_values(*QUICK, "(strength 321.000000)", '(color "luma")')
    screen.open()
    screen.choose("Layers", "style")
    pick(screen, "Save as preset…")
    screen.wait_text("What is it to be called?")
    screen.look("name")
    type_line(screen, "Ink & water")
    screen.wait_text("Kept as “Ink & water”.")
    found = kept(screen)["Ink & water"]
    assert (found["settings"]["strength"], found["settings"]["color"]) == (321, "luma")
    assert not {"device", "use_selection"} & set(found["settings"])
    (style,) = found["styles"]
    assert Path(style["picture"]).name == "style.png"
    shown = np.asarray(Image.open(screen.gimp.folder / "style.png").convert("RGBA"))
    assert np.array_equal(np.asarray(Image.open(style["picture"])), shown)
    screen.choose("Bundled", "Mosaic")
    screen.type_into(lambda: screen.beside("Strength", "SpinButton"), "50.0")
    pick(screen, "Ink & water")
    screen.wait(lambda: screen.beside("Strength", "SpinButton")["text"] == "321.0", "its strength")
    screen.look("chosen")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    record = screen.record()
    assert (record["recipe"]["strength"], record["recipe"]["color"]) == (321, "luma")
    assert [one["kind"] for one in record["styles"]] == ["file"]


def test_the_command_line_s_preset_paints_in_gimp_with_what_suits_its_style(screen: Screen) -> None:
    screen.gimp.vaporbrush_cli("presets", "save", "plain", "@mosaic", "--size", "96", "--steps", "4", "--replace")
    screen.forget_values(*QUICK, "(strength 321.000000)")
    screen.open()
    screen.wait(lambda: screen.find("Tile", "Mosaic"), "the bundled styles")
    pick(screen, "plain")
    screen.wait(lambda: screen.find("Tile", "Mosaic")["active"], "its style is chosen")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    styles = json.loads(screen.gimp.vaporbrush_cli("styles", "--json"))["styles"]
    own = next(one["strength"] for one in styles if one["name"] == "mosaic")
    assert screen.record()["recipe"]["strength"] == own


def test_an_impossible_name_is_a_sentence(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    screen.choose("Layers", "style")
    pick(screen, "Save as preset…")
    screen.wait_text("What is it to be called?")
    type_line(screen, "a/b")
    screen.wait_text("“a/b” cannot be a preset's name: it may not contain /.")
    screen.look("no-name")
    screen.leave()


def test_gpus_are_offered_by_name_with_their_memory_and_the_chosen_one_paints(screen: Screen) -> None:
    screen.daemon.stop()
    screen.daemon.configure(worker_command=[*FAKE_WORKER, "--gpus", "24,8"], devices=[])
    screen.daemon.start()
    try:
        with screen.daemon.client() as client:
            ended(client, client.submit(recipe(client), lease_s=60.0))  # what there is, the first worker finds out
        screen.forget_values(*QUICK)
        screen.open()
        screen.choose("Layers", "style")
        screen.unfold_advanced()
        device = screen.still(lambda: screen.beside("Device", "ComboBoxText"))
        assert device["text"] == "Automatic"
        screen.click_on(device)
        screen.look("devices")
        screen.keys("End", "Return")
        screen.wait(lambda: screen.beside("Device", "ComboBoxText")["text"] == "Fake 8, 8.0 GB free", "it is chosen")
        screen.look("device-chosen")
        screen.click("Button", "OK")
        screen.until_layers(2)
        screen.gone()
        assert screen.record()["result"]["device"] == "cuda:1"
    finally:
        screen.daemon.stop()
        screen.daemon.configure()
        screen.daemon.start()
