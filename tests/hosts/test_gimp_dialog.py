"""The dialog in the full GIMP on a virtual screen, worked by mouse and keyboard. Screenshots go to build/looks/."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hosts.gimp_acts import repeat
from hosts.gimp_screen import ENDLESS, HEIGHT, PATIENCE_S, QUICK, TITLE, WIDTH, Screen, painting
from support.daemon import until
from vaporbrush_daemon import packaged
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]
IDLE_WITHIN_S = 10.0  # what the design promises for GIMP's own Cancel: a lease of 5 s and then some


def test_from_the_menu_to_a_painted_layer(screen: Screen) -> None:
    """Open, choose a layer as style, preview, OK: the preview's own job delivers the layer. One undo takes it away."""
    before = len(screen.jobs())
    screen.forget_values(*QUICK)
    screen.open(screen.call_from_menu)
    screen.wait(lambda: screen.find("Tile", "Risograph"), "the bundled styles")
    screen.look("dialog-opened")
    screen.choose("Layers", "style")
    screen.wait_text("Takes ")  # the expected time
    screen.look("dialog-style-chosen")
    screen.about_to_paint()
    screen.keys("alt+p")
    screen.job(lambda job: job.state == "done", "the preview is painted")
    screen.wait_text("Painted. OK takes it.")
    screen.look("dialog-painted")
    screen.keys("alt+o")
    layers = screen.until_layers(2)
    screen.gone()
    assert layers[0] == "style"  # the only layer of a file is called like the file
    assert len(screen.jobs()) == before + 1, "OK started over"
    screen.look("result")
    screen.focus_image()
    screen.keys("ctrl+z")
    screen.until_layers(1)
    screen.keys("ctrl+y")
    screen.until_layers(2)


def test_repeat_filter_paints_with_the_last_values(screen: Screen) -> None:
    """Without the dialog, and with the same styles: GIMP forgets which layers those were, the plug-in does not."""
    screen.forget_values(*QUICK)
    screen.open()
    screen.choose("Layers", "style")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    first = screen.record()
    screen.ask("image.set_selected_layers([image.get_layers()[-1]]) and None")

    screen.about_to_paint()
    screen.until_done(lambda: repeat(screen), lambda: len(screen.layers) == 3, "Repeat Filter")
    again = screen.ask("list(image.get_layers()[1].get_parasite('vaporbrush-recipe').get_data())")
    assert json.loads(bytes(again))["recipe"] == first["recipe"]
    assert not screen.desktop.windows(TITLE)


def test_repeat_filter_does_not_leave_a_closed_style_out(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.ask("style.duplicate() and None")
    screen.open()
    screen.choose("Layers", "style.png")  # the copy has no file
    screen.click("Button", "Add another style")
    screen.choose("Layers", "style")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    screen.ask("[one.delete() for one in Gimp.get_images() if one not in (image, style)] and None")

    screen.until_done(lambda: repeat(screen), lambda: screen.find("Button", "Copy details"), "the message")
    assert "A style used last is not open any more" in screen.texts()
    screen.look("message-repeat")
    screen.leave()
    assert len(screen.layers) == 2
    screen.open()
    screen.wait(lambda: (tile := screen.find("Tile", "style")) and tile["active"], "the dialog offers what is left")
    screen.leave()


def test_a_bundled_style_brings_its_strength_until_it_is_changed(screen: Screen) -> None:
    own = {
        style.title: style.tuned["strength"]
        for style in StyleLibrary(packaged.art() / "styles", Path("nowhere")).files()
    }
    assert len({own["Mosaic"], own["Woodcut"], DEFAULT_STRENGTH, 55}) == 4
    screen.forget_values(*QUICK)
    screen.open()

    def field() -> Any:
        return screen.beside("Strength", "SpinButton")

    def strength() -> float:
        return float(field()["text"])

    assert strength() == DEFAULT_STRENGTH
    screen.choose("Bundled", "Mosaic")
    until(lambda: strength() == own["Mosaic"], "Mosaic's own strength")
    screen.type_into(field, "55")
    screen.click("Button", "Save Settings")
    screen.choose("Bundled", "Woodcut")
    until(lambda: strength() == own["Woodcut"], "Woodcut's own strength")
    screen.click("Button", "Load Saved Settings")
    until(lambda: strength() == 55, "what was saved")
    screen.wait(lambda: screen.find("Tile", "Mosaic")["active"], "with its style")
    screen.choose("Bundled", "Woodcut")
    screen.choose("Layers", "style")
    until(lambda: strength() == DEFAULT_STRENGTH, "a layer has none of its own")
    screen.choose("Bundled", "Mosaic")
    until(lambda: strength() == own["Mosaic"], "Mosaic's again")
    screen.look("dialog-bundled")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["recipe"]["strength"] == own["Mosaic"]
    screen.last_values("(strength 55)")
    screen.open()
    until(lambda: strength() == 55, "what was set is kept with the style")
    screen.leave()


def test_several_styles_are_mixed(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    screen.choose("Bundled", "Ink hatching")
    screen.click("Button", "Add another style")
    screen.wait_text("Choose the next style above.")
    screen.look("dialog-adding-a-style")
    screen.choose("Layers", "style")
    screen.wait(lambda: len(screen.all("ListBoxRow")) == 2, "both are listed")
    screen.type_into(lambda: screen.all("SpinButton")[1], "2.5")
    screen.click("Button", "Add another style")
    screen.choose("Bundled", "Woodcut")
    screen.wait(lambda: len(screen.all("ListBoxRow")) == 3, "three are listed")
    screen.wait_text("Takes ")
    screen.look("dialog-several-styles")
    first = screen.all("ListBoxRow")[0]["box"]
    inside = [one for one in screen.all("Button") if first[1] <= one["box"][1] <= first[1] + first[3]]
    screen.click_on(max(inside, key=lambda one: one["box"][0]))  # its ✕
    screen.wait(lambda: len(screen.all("ListBoxRow")) == 2, "one was taken out")
    screen.about_to_paint()
    screen.click("Button", "OK")
    layers = screen.until_layers(2)
    screen.gone()
    assert layers[0] == "style + Woodcut"
    found = screen.record()
    assert [(style["kind"], style["weight"]) for style in found["styles"]] == [("layer", 2.5), ("bundled", 1.0)]
    assert [style["weight"] for style in found["recipe"]["styles"]] == [2.5, 1.0]
    screen.open()
    screen.wait(lambda: len(screen.all("ListBoxRow")) == 2, "the mix is remembered")
    assert screen.all("SpinButton")[0]["text"] == "2.5"
    screen.leave()


def test_every_advanced_field_can_be_set_as_its_tip_says(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    screen.choose("Bundled", "Ink hatching")
    screen.unfold_advanced()
    screen.type_into(lambda: screen.beside("Smoothing", "SpinButton"), "0.0010")
    screen.type_into(lambda: screen.beside("Blend", "SpinButton"), "0.85")
    screen.type_into(lambda: screen.beside("Steps", "SpinButton"), "3")
    screen.click("CheckButton", "Seamless")
    screen.look("dialog-advanced")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    recipe = screen.record()["recipe"]
    assert {name: recipe[name] for name in ("tv", "blend", "steps", "tileable")} == {
        "tv": 0.001, "blend": 0.85, "steps": 3, "tileable": True,
    }  # fmt: skip


def test_a_selection_limits_the_painting_softness_included(screen: Screen) -> None:
    screen.forget_values(*QUICK)
    screen.open()
    assert not screen.wait(lambda: screen.find("CheckButton", "Use selection"), "the box")["sensitive"]
    screen.leave()
    screen.ask("image.select_ellipse(0, 40, 30, 120, 100)")
    screen.ask("Gimp.Selection.feather(image, 12)")
    mask = _values(screen, "image.get_selection()", "Y u8")
    assert ((mask > 0) & (mask < 255)).mean() > 0.1, "the selection is not soft"
    screen.open()
    screen.choose("Layers", "style")
    box = screen.find("CheckButton", "Use selection")
    assert box["sensitive"]
    assert box["active"]
    screen.about_to_paint()
    screen.click("Button", "Preview")
    screen.wait_text("Painted. OK takes it.")
    screen.look("dialog-selection")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    screen.look("result-selection")
    assert np.abs(_values(screen, "image.get_layers()[0]", "A u8") - mask).max() <= 1
    screen.ask("image.set_selected_layers([image.get_layers()[-1]]) and None")
    screen.open()
    screen.click("CheckButton", "Use selection")
    screen.wait(lambda: not screen.find("CheckButton", "Use selection")["active"], "it is not used")
    screen.click("Button", "OK")
    screen.until_layers(3)
    screen.gone()
    assert _values(screen, "image.get_layers()[1]", "A u8").min() == 255


def _values(screen: Screen, drawable: str, babl: str) -> Any:
    """One channel of a layer or the selection, (height, width)."""
    area = f"Gegl.Rectangle.new(0, 0, {WIDTH}, {HEIGHT})"
    values = screen.ask(f"list({drawable}.get_buffer().get({area}, 1.0, {babl!r}, Gegl.AbyssPolicy.NONE))")
    return np.array(values).reshape(HEIGHT, WIDTH)


def test_keep_this_takes_what_there_is(screen: Screen) -> None:
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.choose("Bundled", "Watercolour wash")
    screen.about_to_paint()
    screen.keys("alt+p")
    screen.job(painting, "it paints")
    screen.wait(lambda: screen.find("Button", "Keep this")["sensitive"], "there is something to keep")
    screen.look("dialog-preview")
    screen.keys("alt+k")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["result"]["stopped"] == "finish"


def test_a_change_while_it_paints_is_said(screen: Screen) -> None:
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.choose("Bundled", "Watercolour wash")
    screen.about_to_paint()
    screen.click("Button", "Preview")
    screen.job(painting, "it paints")
    screen.choose("Bundled", "Risograph")
    screen.wait_text("Something was changed: Preview shows it.")
    screen.look("dialog-changed")
    screen.click("Button", "Preview")
    screen.job(lambda job: job.state == "cancelled" or painting(job), "it begins anew")
    screen.wait(lambda: screen.find("Button", "Stop"), "it can be stopped")
    screen.click("Button", "Stop")
    screen.wait_text("Cancelled")
    screen.leave()
    until(lambda: "busy" not in screen.worker_states(), "the worker is idle", PATIENCE_S)
    assert len(screen.layers) == 1


def test_cancel_leaves_the_image_alone_and_frees_the_worker(screen: Screen) -> None:
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.choose("Bundled", "Watercolour wash")
    screen.about_to_paint()
    screen.keys("alt+o")
    screen.job(painting, "it paints")
    screen.wait_text(" left")
    screen.look("dialog-painting")
    screen.keys("Escape")
    screen.gone()
    screen.job(lambda job: job.state == "cancelled", "the job is cancelled")
    assert len(screen.layers) == 1


def test_gimp_s_own_cancel_frees_the_worker(screen: Screen, record_property: Any) -> None:
    """GIMP kills the plug-in's process: the daemon has to notice the silence."""
    screen.forget_values(*ENDLESS)
    screen.open()
    screen.choose("Layers", "style")
    screen.about_to_paint()
    screen.keys("alt+o")
    screen.job(painting, "it paints")
    window = screen.image_window
    cancel = (window.x + 1310, window.y + 945)  # at the end of the status bar, which is GIMP's own
    screen.until_done(lambda: screen.desktop.click(*cancel), lambda: not screen.desktop.windows(TITLE), "GIMP's Cancel")
    began = time.monotonic()
    until(lambda: "busy" not in screen.worker_states(), "the worker is idle", PATIENCE_S)
    seconds = time.monotonic() - began
    record_property("seconds", seconds)
    print(f"GIMP's cancel: the worker was idle after {seconds:.1f} s")
    assert screen.job(lambda job: job.final, "the job has ended").state == "cancelled"
    assert seconds < IDLE_WITHIN_S * 10  # ten times what is promised, for a busy machine
    assert len(screen.layers) == 1
