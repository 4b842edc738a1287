"""Styles by region in the real GIMP's dialog, by mouse: a second style on a selection takes three clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hosts.gimp import floats
from hosts.gimp_acts import repeat, search
from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import HEIGHT, QUICK, WIDTH, Screen
from hosts.host import Desktop
from hosts.root import Root
from vaporbrush_protocol.recipe import Image

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]
# The dialog is opened by the menu everywhere: Filters ▸ Re-show would show Restylize again after that was called.
LEFT, RIGHT = (20, 30, 70, 110), (140, 40, 50, 90)  # x, y, width, height


@pytest.fixture(scope="module")
def painting(root: Root, looks: Path) -> Iterator[Screen]:
    """GIMP with a painter that is quick; the last test has the real one."""
    with gimp_on_screen(root, looks, "gimp-regions", real=False) as found:
        yield found


@pytest.fixture
def screen(painting: Screen) -> Screen:
    """GIMP at rest."""
    painting.rest()
    return painting


@pytest.fixture
def clicks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Every click of the mouse from here on."""
    found: list[tuple[int, int]] = []
    click = Desktop.click

    def counted(self: Desktop, x: int, y: int, button: int = 1) -> None:
        found.append((x, y))
        click(self, x, y, button)

    monkeypatch.setattr(Desktop, "click", counted)
    return found


def select(screen: Screen, x: int, y: int, width: int, height: int) -> None:
    """A rectangle with soft edges, as a person selects it."""
    screen.ask("Gimp.context_push()")
    screen.ask("[Gimp.context_set_feather(True), Gimp.context_set_feather_radius(6, 6)] and None")
    screen.ask(f"image.select_rectangle(Gimp.ChannelOps.REPLACE, {x}, {y}, {width}, {height})")
    screen.ask("Gimp.context_pop()")


def pixels(screen: Screen, what: str, name: str, channels: int = 4) -> Any:
    """A drawable's pixels, 0 to 1, over the whole image."""
    babl = "R'G'B'A float" if channels == 4 else "Y float"
    area = f"Gegl.Rectangle.new(0, 0, {WIDTH}, {HEIGHT})"
    path = screen.gimp.folder / f"{name}.raw"
    data = f"{what}.get_buffer().get({area}, 1.0, {babl!r}, Gegl.AbyssPolicy.NONE)"
    screen.ask(f"open({str(path)!r}, 'wb').write({data})")
    return floats(path, WIDTH, HEIGHT, channels)


def selection(screen: Screen, name: str) -> Any:
    """The image's selection, 0 to 1."""
    return pixels(screen, "image.get_selection()", name, 1)[..., 0]


def seen(screen: Screen, name: str) -> Any:
    """What the image shows, 8 bits."""
    return (pixels(screen, "Gimp.Layer.new_from_visible(image, image, 'seen')", name) * 255).round()


def regions(screen: Screen) -> None:
    """Give the style that is chosen the left part, and Mosaic the right."""
    select(screen, *LEFT)
    screen.click("Button", "Paint here")
    screen.wait(lambda: screen.find("MenuButton"), "its region is shown")
    select(screen, *RIGHT)
    screen.wait(lambda: screen.find("Button", "Paint another style here"), "there is a selection")
    screen.click("RadioButton", "Bundled")
    screen.click("Button", "Paint another style here")
    screen.click("Tile", "Mosaic")
    screen.wait(lambda: len(screen.all("MenuButton")) == 2, "both regions are shown")
    screen.ask("Gimp.Selection.none(image)")


def region_picture(screen: Screen) -> Any:
    """The small picture of the one region that is shown, in numbers."""
    button = screen.find("MenuButton")
    if button is None:
        return None
    x, y, width, height = button["box"]
    inside = [
        one for one in screen.all("Image") if x <= one["box"][0] <= x + width and y <= one["box"][1] <= y + height
    ]
    return inside[0]["picture"] if inside else None


def pick(screen: Screen, open_menu: Callable[[], None], title: str) -> None:
    """An entry of a region's menu."""
    screen.until_done(open_menu, lambda: screen.find("AccelLabel", title), "the region's menu")
    screen.click_on(screen.still_seen(lambda: screen.find("AccelLabel", title)))


def mask(screen: Screen, number: int) -> Any:
    """Where a style of the painting on top was asked for: what has travelled by the hash in its recipe, 0 to 255."""
    image = Image.from_wire("mask", screen.record()["recipe"]["styles"][number]["mask"])
    with screen.daemon.client() as client:
        data = client.download(image)
    return np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH)


def test_a_second_style_on_a_selection_takes_three_clicks(screen: Screen, clicks: list[tuple[int, int]]) -> None:
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    screen.wait_text("Takes ")
    assert screen.find("Button", "Paint another style here") is None
    select(screen, *RIGHT)
    screen.wait(lambda: screen.find("Button", "Paint another style here"), "there is a selection")
    screen.look("selected")
    screen.click("RadioButton", "Bundled")  # the second style may be on any page
    screen.still(lambda: screen.find("Tile", "Mosaic"))
    before = len(clicks)
    screen.click("Button", "Paint another style here")
    screen.click("Tile", "Mosaic")
    screen.wait_text("In its region")
    assert "In the rest" in screen.texts()
    screen.wait(lambda: not screen.find("CheckButton", "Use selection")["sensitive"], "regions stand in for it")
    screen.look("second")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert len(clicks) - before <= 3
    first, second = screen.record()["styles"]
    assert "region" not in first
    assert second["name"] == "mosaic"
    assert screen.record()["recipe"].get("mask") is None, "the selection limits the painting as well"
    assert screen.record()["recipe"]["styles"][0].get("mask") is None
    assert np.array_equal(mask(screen, 1), (selection(screen, "right") * 255).round())


def test_regions_are_kept_with_the_painting(screen: Screen) -> None:
    """The list of styles shows them; Repeat and Restylize paint in them again."""
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    regions(screen)
    screen.look("two")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    first = screen.record()
    assert not np.array_equal(mask(screen, 0), mask(screen, 1))
    assert ((mask(screen, 0) > 0) & (mask(screen, 0) < 255)).any(), "nothing is soft"
    parasites = screen.ask("image.get_layers()[0].get_parasite_list()")
    kept = {f"vaporbrush-region-{style['region']['mask']}" for style in first["styles"]}
    assert kept == {name for name in parasites if "region" in name}

    screen.focus_image()
    screen.keys("ctrl+z")  # takes the layer away, and the masks with it
    screen.until_layers(1)
    screen.ask("image.set_selected_layers(image.get_layers()) and None")

    screen.until_done(lambda: repeat(screen), lambda: len(screen.layers) == 2, "Repeat Filter", attempt_s=60)
    assert screen.record()["recipe"] == first["recipe"]

    screen.ask("[image.detach_parasite(name) for name in image.get_parasite_list()] and None")
    screen.ask("image.set_selected_layers([image.get_layers()[0]]) and None")

    screen.open(lambda: search(screen, "restylize"))
    screen.wait(lambda: len(screen.all("MenuButton")) == 2, "both regions are back")
    screen.look("restylize")
    screen.click("Button", "OK")
    screen.until_layers(3)
    screen.gone()
    assert screen.record()["recipe"] == first["recipe"]


def test_repeat_in_another_image_does_not_paint_without_the_regions(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    regions(screen)
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    screen.ask("[image.remove_layer(image.get_layers()[0]), image.detach_parasite('vaporbrush-last-regions')] and None")
    screen.ask("image.set_selected_layers(image.get_layers()) and None")

    screen.until_done(lambda: repeat(screen), lambda: screen.find("Button", "Copy details"), "the message")
    assert "The regions used last belong to another image" in screen.texts()
    screen.leave()


def test_a_region_can_be_selected_moved_and_given_up(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    select(screen, *LEFT)
    left = selection(screen, "was selected")
    screen.click("Button", "Paint here")
    screen.wait(lambda: screen.find("MenuButton"), "its region is shown")
    screen.ask("Gimp.Selection.none(image)")
    screen.wait(lambda: screen.find("Button", "Paint another style here") is None, "nothing is selected")

    def menu() -> None:
        screen.click("MenuButton")

    screen.until_done(menu, lambda: screen.find("AccelLabel", "Select its region"), "the region's menu")
    screen.look("region-menu")
    screen.click_on(screen.still_seen(lambda: screen.find("AccelLabel", "Select its region")))
    screen.wait(lambda: not screen.ask("Gimp.Selection.is_empty(image)"), "it is selected")
    assert np.abs(selection(screen, "is selected") - left).max() < 1.5 / 255
    assert screen.ask("[one.get_name() for one in image.get_channels()]") == []
    shown = region_picture(screen)
    select(screen, *RIGHT)
    pick(screen, menu, "Paint this style here")
    screen.wait(lambda: region_picture(screen) != shown, "its picture shows another place")
    pick(screen, menu, "Paint it everywhere")
    screen.wait(lambda: screen.find("MenuButton") is None, "it has none")
    screen.leave()


def test_a_region_that_is_not_on_the_layer_is_a_sentence(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    new = "Gimp.Layer.new(image, 'Corner', 40, 40, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)"
    screen.ask(f"image.insert_layer({new}, None, 0)")
    screen.ask("image.get_layers()[0].fill(Gimp.FillType.FOREGROUND)")
    screen.ask("image.set_selected_layers([image.get_layers()[0]]) and None")
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    select(screen, *RIGHT)
    screen.click("Button", "Paint here")
    screen.wait(lambda: screen.find("MenuButton"), "its region is shown")
    screen.click("Button", "Preview")
    screen.wait_text("The region of “style” is not on the layer “Corner”: choose it anew")
    screen.look("elsewhere")
    screen.leave()


def test_what_no_region_covers_keeps_its_pixels_bit_for_bit(gimp: Screen) -> None:
    screen = gimp
    screen.rest()
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    before = seen(screen, "before")
    regions(screen)
    select(screen, *LEFT)
    left = selection(screen, "left")
    select(screen, *RIGHT)
    covered = np.minimum(left + selection(screen, "right"), 1)
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    painted = pixels(screen, "image.get_layers()[0]", "both")
    assert np.abs(painted[..., 3] - covered).max() < 1.5 / 255
    after = seen(screen, "after")
    assert np.array_equal(after[covered == 0], before[covered == 0])
    assert (after != before).any(-1)[covered > 0.99].mean() > 0.9
    screen.ask("Gimp.Selection.none(image)")
    screen.look("regions-painted")
