"""The dialog's fields in the real GIMP: the wheel, garbage that is mended, and what the new layers are called."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import QUICK, Screen
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]
WHEEL_DOWN, WHEEL_UP = "5", "4"  # the mouse's buttons, as X numbers them
GARBAGE = "“Detail levels” is “much”"


@pytest.fixture(scope="module")
def painting(root: Root, looks: Path) -> Iterator[Screen]:
    """GIMP with a painter that is quick; what is painted is another test's matter."""
    with gimp_on_screen(root, looks, "gimp-fields", real=False) as found:
        yield found


@pytest.fixture
def screen(painting: Screen) -> Screen:
    """GIMP at rest."""
    painting.rest()
    return painting


def unfold(screen: Screen) -> None:
    """Show the fields under Advanced, however busy the machine is."""
    x, y, _width, height = screen.find("Label", "Strength")["box"]

    def act() -> None:
        turn(screen, x + 4, y + height // 2, WHEEL_DOWN, 15)  # the column may be longer than the dialog
        left, top, _room, deep = screen.still(lambda: screen.find("Expander"))["box"]
        screen.desktop.click(left + 10, top + min(deep, 30) // 2)

    screen.until_done(act, lambda: screen.find("CheckButton", "Seamless"), "unfolding Advanced", attempt_s=20)


def turn(screen: Screen, x: int, y: int, button: str, notches: int) -> None:
    """Turn the wheel there."""
    notch = ["click", "--repeat", str(notches), "--delay", "80", button]
    screen.desktop.run(["xdotool", "mousemove", str(x), str(y), "sleep", "0.2", *notch])


def to_the_top(screen: Screen) -> None:
    """Scroll the column of fields up, with the wheel over its labels."""
    x, y, _width, height = screen.find("Button", "Presets ▾")["box"]  # right below the column's end
    left = screen.find("Label", "Strength")["box"][0]
    assert x > left
    turn(screen, left + 4, y - 2 * height, WHEEL_UP, 25)


@pytest.mark.parametrize("kind", ["SpinButton", "Scale"])
def test_the_wheel_over_a_number_scrolls_and_changes_nothing(screen: Screen, kind: str) -> None:
    screen.forget_values(*QUICK, "(strength 77)")
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    unfold(screen)
    to_the_top(screen)
    field = screen.still(lambda: screen.beside("Strength", kind))
    before = screen.still_seen(lambda: screen.find("Label", "Strength"))["box"][1]
    x, y, width, height = field["box"]
    turn(screen, x + width // 3, y + height // 2, WHEEL_DOWN, 3)
    after = screen.still_seen(lambda: screen.find("Label", "Strength"))["box"][1]
    assert after < before, "it did not scroll"
    screen.look(f"wheel-{kind}")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["values"]["strength"] == 77


def test_the_wheel_over_a_list_scrolls_and_chooses_nothing(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    unfold(screen)
    to_the_top(screen)
    label = screen.still_seen(lambda: screen.find("Label", "Quality"))
    right, before = screen.find("Button", "Presets ▾")["box"][0], label["box"][1]
    turn(screen, right, before + label["box"][3] // 2, WHEEL_DOWN, 3)
    after = screen.still_seen(lambda: screen.find("Label", "Quality"))["box"][1]
    assert after < before, "it did not scroll"
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["values"]["quality"] == "draft"


def test_garbage_in_a_field_is_said_once_by_the_field_s_name_until_it_is_mended(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    unfold(screen)
    field = screen.still(lambda: screen.beside("Detail levels", "Entry"))
    screen.click_on(field)
    screen.keys("ctrl+a")
    screen.desktop.type("much")
    screen.click("Button", "Preview")
    screen.wait_text(GARBAGE)
    screen.look("garbage")
    assert screen.texts().count(GARBAGE) == 1
    assert "layer-weights" not in screen.texts()
    screen.click_on(screen.still(lambda: screen.beside("Detail levels", "Entry")))
    screen.keys("ctrl+a")
    screen.desktop.type("1, 2, 3, 4, 5")
    screen.wait(lambda: GARBAGE not in screen.texts(), "the sentence goes as soon as it is mended")
    screen.leave()


def test_a_painting_is_called_the_same_by_dialog_repeat_and_script(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.choose("Bundled", "Impasto swirls")
    screen.click("Button", "OK")
    by_dialog = screen.until_layers(2)[0]
    screen.gone()
    screen.ask("image.set_selected_layers([image.get_layers()[-1]]) and None")

    def repeat() -> None:
        screen.focus_image()
        screen.keys("ctrl+f")

    screen.until_done(repeat, lambda: len(screen.layers) == 3, "Repeat Filter", attempt_s=60)
    by_repeat = screen.layers[1]
    screen.gone()
    given = {"style-name": "impasto", "size": "96", "steps": 4}
    asked = "".join(f"c.set_property({name!r}, {value!r}), " for name, value in given.items())
    called = screen.ask(
        "(p := Gimp.get_pdb().lookup_procedure('plug-in-vaporbrush-stylize'), c := p.create_config(),"
        " c.set_property('image', image), c.set_core_object_array('drawables', image.get_layers()[-1:]),"
        f" c.set_property('run-mode', Gimp.RunMode.NONINTERACTIVE), {asked} p.run(c).index(0).value_nick)[-1]"
    )
    assert called == "success"
    by_script = screen.layers[2]
    assert by_dialog == "Impasto swirls"
    assert by_repeat.startswith(by_dialog)  # GIMP counts layers of the same name: “Impasto swirls #1”
    assert by_script.startswith(by_dialog)
