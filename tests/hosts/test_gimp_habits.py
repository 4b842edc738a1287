"""What a retoucher expects of any dialog of GIMP: undo history, wheel, small and dense screens, help, search."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hosts.gimp_screen import QUICK, TITLE, Screen

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
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
        found[precision] = screen.wait(lambda: _largest_picture(screen), "the layer as it is")
        screen.look(f"habits-original-{precision.lower()}")
        _close(screen)
    screen.ask("image.convert_precision(Gimp.Precision.U8_NON_LINEAR)")
    width, height, mean, spread = found.pop("U8_NON_LINEAR")
    assert spread > 10
    for precision, picture in found.items():
        assert picture[:2] == [width, height], precision
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
