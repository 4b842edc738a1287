"""What a retoucher expects of any dialog of GIMP: undo history, wheel, small and dense screens, help, search."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.gimp_acts import search
from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import ENDLESS, QUICK, TITLE, WIDTH, Screen
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]
NETBOOK = (1024, 600)
DENSE = "2560x1600x24"


@pytest.fixture
def filtered(screen: Screen) -> Iterator[None]:
    """The scene's layer has a non-destructive filter."""
    layer = "image.get_layers()[0]"
    screen.ask(f"{layer}.append_filter(Gimp.DrawableFilter.new({layer}, 'gegl:invert-gamma', 'Invert')) and None")
    yield
    screen.ask("[one.delete() for one in image.get_layers()[-1].get_filters()] and None")


@pytest.mark.usefixtures("filtered")
def test_a_preview_of_a_layer_with_filters_leaves_the_undo_history_alone(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    _leave_something_to_redo(screen)
    screen.open()
    screen.choose("Layers", "style")
    screen.click("Button", "Preview")
    screen.wait_text("Painted. OK takes it.")
    screen.look("habits-filters-preview")
    _close(screen)
    assert not screen.ask("image.is_dirty()")
    screen.focus_image()
    screen.keys("ctrl+y")
    assert screen.until_layers(2)[0] == "Redone"


@pytest.mark.usefixtures("filtered")
def test_a_painting_of_a_layer_with_filters_is_one_step_of_undo(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    screen.choose("Layers", "style")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    screen.focus_image()
    screen.keys("ctrl+z")
    screen.until_layers(1)
    assert screen.ask("len(image.get_layers()[0].get_filters())") == 1


def _close(screen: Screen) -> None:
    screen.until_done(lambda: screen.keys("Escape"), lambda: not screen.desktop.windows(TITLE), "closing the dialog")
    screen.gone()


def _leave_something_to_redo(screen: Screen) -> None:
    new = "Gimp.Layer.new(image, 'Redone', 8, 8, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)"
    screen.ask(f"image.insert_layer({new}, None, 0)")
    screen.until_layers(2)
    screen.focus_image()
    screen.keys("ctrl+z")
    screen.until_layers(1)
    screen.ask("image.set_selected_layers(image.get_layers()) and None")
    screen.ask("image.clean_all()")


def test_the_original_is_shown_in_every_precision(screen: Screen) -> None:
    found = {}
    for precision in ("U8_NON_LINEAR", "U16_NON_LINEAR", "HALF_LINEAR", "FLOAT_LINEAR"):
        if precision != "U8_NON_LINEAR":
            screen.ask(f"image.convert_precision(Gimp.Precision.{precision})")
        screen.open()
        screen.choose("Layers", "style")
        screen.wait_text("Takes ")  # the last line to come; it is fitted to the room that is left
        found[precision] = screen.still_seen(lambda: _largest_picture(screen))
        screen.look(f"habits-original-{precision.lower()}")
        _close(screen)
    screen.ask("image.convert_precision(Gimp.Precision.U8_NON_LINEAR)")
    width, height, mean, spread = found.pop("U8_NON_LINEAR")
    assert spread > 10
    for precision, picture in found.items():
        assert picture[:2] == pytest.approx([width, height], rel=0.02), precision  # before or after the dialog's layout
        assert picture[2:] == pytest.approx([mean, spread], abs=4), precision  # linear light shown as it is: 40 darker


def _largest_picture(screen: Screen) -> list[float] | None:
    pictures = [one["picture"] for one in screen.all("Image") if one.get("picture")]
    return max(pictures, key=lambda picture: picture[0], default=None)


def test_the_help_is_ours(screen: Screen) -> None:
    screen.open()
    for call in (lambda: screen.click("Button", "Help"), lambda: screen.keys("F1")):
        call()
        screen.wait_text("How far the picture moves from the layer towards the style.")
        screen.look("habits-help")
        screen.click("Button", "Close")
        screen.wait(lambda: not screen.desktop.windows("^Vaporbrush Help"), "it is closed")
    _close(screen)


@pytest.mark.parametrize("words", ["stylize", "neural style", "style transfer"])
def test_the_action_search_finds_the_filter(screen: Screen, words: str) -> None:
    screen.forget_values(*QUICK)

    shot = screen.looks / f"gimp-habits-search-{words.split(maxsplit=1)[0]}.png"
    screen.open(lambda: search(screen, words, shot))
    _close(screen)


def test_the_style_used_last_is_in_sight(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
    lowest = max(screen.all("Tile"), key=lambda tile: tile["box"][1])["text"]
    _close(screen)
    name = screen.style_names()[lowest]
    screen.forget_values(*QUICK, f'(style-name "{name}")')
    screen.open()

    def in_sight() -> bool:
        tile, view = screen.find("Tile", lowest), screen.find("Grid")
        if tile is None or view is None or not tile["active"]:
            return False
        top, bottom = tile["box"][1], tile["box"][1] + tile["box"][3]
        return view["box"][1] <= top and bottom <= view["box"][1] + view["box"][3] + 1

    screen.wait(in_sight, f"{lowest} is chosen and seen")
    screen.look("habits-remembered")
    _close(screen)


def test_no_style_is_beyond_the_side_of_the_chooser(screen: Screen) -> None:
    screen.open()
    screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
    grid = screen.still_seen(lambda: screen.find("Grid"))["box"]
    tiles = screen.all("Tile")
    assert len(tiles) > 8
    assert {one["text"] for one in tiles if one["box"][0] + one["box"][2] > grid[0] + grid[2]} == set()
    screen.look("habits-all-styles")
    _close(screen)


def test_a_wider_dialog_has_more_to_show(screen: Screen) -> None:
    screen.open()
    dialog = screen.desktop.windows(TITLE)[0]
    screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")

    def columns() -> int:
        return len({tile["box"][0] for tile in screen.all("Tile")})

    before = columns()
    screen.desktop.run(["xdotool", "windowmove", dialog.id, "10", "30"])
    screen.desktop.run(["xdotool", "windowsize", "--sync", dialog.id, "1500", "800"])
    screen.wait(lambda: columns() > before, "more columns")
    screen.look("habits-wide")
    _close(screen)


def test_stop_says_what_it_does(screen: Screen) -> None:
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.choose("Layers", "style")
    before = screen.find("Button", "Preview")["tip"]
    screen.click("Button", "Preview")
    tip = screen.wait(lambda: screen.find("Button", "Stop"), "it can be stopped")["tip"]
    assert tip
    assert tip != before
    screen.click("Button", "Stop")
    screen.wait(lambda: screen.find("Button", "Preview"), "it is stopped")
    _close(screen)


def test_an_indexed_image_cannot_be_painted(screen: Screen) -> None:
    lookup = "Gimp.get_pdb().lookup_procedure('plug-in-vaporbrush-stylize')"
    assert screen.ask(f"{lookup}.get_image_types()") == "RGB*, GRAY*", "what GIMP greys the entry by"
    kinds = "Gimp.ConvertDitherType.NONE, Gimp.ConvertPaletteType.GENERATE"
    screen.ask(f"image.convert_indexed({kinds}, 16, False, False, '') and None")
    screen.ask("Gimp.displays_flush()")  # the menus know it from here on
    screen.wait(lambda: screen.desktop.windows("Indexed color"), "the image's window says so")
    screen.call_from_menu()
    screen.look("habits-indexed")
    # GIMP greys the entry when it finds the time to; who is quicker is told
    assert not screen.widgets() or "has indexed colours, which cannot be painted" in screen.texts()
    screen.leave()
    assert len(screen.layers) == 1
    screen.ask("image.convert_rgb() and None")


def test_the_dialog_fits_a_netbook_with_a_notice_too(root: Root, looks: Path) -> None:
    width, height = NETBOOK
    with gimp_on_screen(root, looks, "gimp-netbook", screen=f"{width}x{height}x24") as screen:
        screen.forget_values(*QUICK)
        screen.open(screen.call_from_menu)
        screen.choose("Bundled", "Mosaic")
        screen.wait_text("Takes ")
        screen.look("dialog")
        _is_on_screen(screen)
        screen.daemon.kill()
        screen.click("Button", "Preview")
        screen.wait(lambda: screen.find("Button", "Copy details"), "the error")
        screen.look("dialog-error")
        _is_on_screen(screen)
        _close(screen)


def _is_on_screen(screen: Screen) -> None:
    width, height = NETBOOK
    for name in ("OK", "Cancel", "Preview", "Keep this"):
        button = screen.still_seen(lambda name=name: screen.find("Button", name))["box"]
        assert button[0] >= 0, name
        assert button[0] + button[2] <= width, name
        assert button[1] + button[3] <= height, name


def test_pictures_are_sharp_on_a_dense_screen(root: Root, looks: Path) -> None:
    with gimp_on_screen(root, looks, "gimp-dense", screen=DENSE, extra={"GDK_SCALE": "2"}, real=False) as screen:
        screen.forget_values(*QUICK)
        screen.open(screen.call_from_menu)
        screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
        picture = screen.wait(lambda: _largest_picture(screen), "the layer as it is")
        canvas = screen.find("Canvas")["box"]
        screen.look("dialog")
        assert picture[0] > 1.8 * (canvas[2] - 10) > WIDTH
        _close(screen)
