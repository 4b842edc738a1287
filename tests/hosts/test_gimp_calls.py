"""Calls of the plug-in in a real GIMP without a screen: styles, refusals, accidents, other languages."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hosts.gimp_console import HEIGHT, WIDTH, Session, alike, close
from hosts.host import Desktop
from hosts.root import Root
from vaporbrush_daemon import packaged
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1500)]


def test_a_style_from_a_file_is_the_same_as_from_a_layer(session: Session) -> None:
    assert session["style_file"]["name"] == "style"
    assert [style["kind"] for style in session["style_file"]["record"]] == ["file"]
    assert close(session.pixels("style_file"), session.cli) <= 1


def test_a_style_layer_s_filters_count_and_its_image_is_left_alone(session: Session) -> None:
    found = session["a_style_with_filters"]
    assert not found["dirty"]
    assert found["filters_left"] == 1
    assert close(session.pixels("a_style_with_filters"), session.pixels("a_style_with_filters-expected")) <= 1


def test_a_bundled_style_paints_with_the_strength_that_suits_it(session: Session) -> None:
    found = session["bundled_style"]
    assert found["record"] == [{"kind": "bundled", "name": "mosaic", "layer": "", "document": "", "weight": 1.0}]
    assert found["name"] == "Mosaic"  # as the dialog calls it
    own = StyleLibrary(packaged.art() / "styles", Path("nowhere")).file("mosaic")
    assert found["strengths"] == [own.tuned["strength"], 3000]  # its own; the caller's
    assert own.tuned["strength"] != DEFAULT_STRENGTH, "the default: choose another style for this test"
    assert close(session.pixels("bundled_style"), session.by_cli("content.png", "@mosaic")) <= 1
    assert np.array_equal(session.pixels("bundled_style"), session.pixels("bundled_style_again"))


def test_several_styles_are_mixed_by_their_weights(session: Session) -> None:
    found = session["several_styles"]
    assert [(style["kind"], style["weight"]) for style in found["record"]] == [("layer", 2), ("bundled", 1)]
    assert found["name"] == "Brush study + Ink hatching"
    cli = session.by_cli("content.png", "style.png", "@ink", "--style-weights", "2,1")
    assert close(session.pixels("several_styles"), cli) <= 1
    assert found["again"] == found["record"]
    assert np.array_equal(session.pixels("several_styles"), session.pixels("several_styles_again"))
    assert close(session.pixels("two_layers"), session.by_cli("content.png", "style.png", "other.png")) <= 1


def test_every_selected_layer_is_painted_above_its_own(session: Session) -> None:
    found = session["several_layers"]
    names = [name.split(" #")[0] for name in found["layers"]]  # GIMP numbers layers of one name
    assert names == ["Third", "Third", "Second", "Third", "Background"]
    assert found["position"] == 3  # the first one's, which is returned
    assert np.array_equal(session.pixels("several-first"), session.pixels("several-second"))  # the same picture


def test_restylize_paints_the_same_again(session: Session) -> None:
    found = session["restylize"]
    assert found["position"] == 0
    assert len(found["layers"]) == 3
    assert found["record"] == 7
    assert np.array_equal(session.pixels("restylize-first"), session.pixels("restylize-second"))
    assert "was not painted by Vaporbrush" in found["refused"][2]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("no style", "No style is chosen"),
        ("its own style", "cannot be its own style"),
        (
            "style weights",
            "“style-weights” is “2”, but must be one number for each style (2)",
        ),
        ("a weight of 0", "“style-weights” is “0”"),
        ("a weight in words", "“style-weights” is “much”"),
        ("strength", "“strength” is “0.05”, but must be 0 or from 0.1 to 100000"),
        ("style name", "no-such-style"),
        ("style file", "missing.png does not exist"),
        ("not a picture", "notes.txt cannot be opened"),
        ("size", "“size” is “12x”"),
        ("weights", "“layer-weights” is “1, 2”"),
        ("model", "resnet"),
        ("another image's layer", "“Brush study” is a layer of another image"),
        ("no layers", "No layer is selected"),
        ("channel", "is a channel: select a layer"),
        ("selection elsewhere", "The selection does not touch the layer"),
        ("floating", "floating selection"),
        ("indexed", "Image ▸ Mode ▸ RGB"),
        ("empty group", "“Nothing” is empty"),
        ("1×1", "each side needs at least 16"),
    ],
)
def test_what_cannot_be_painted_gets_a_sentence(session: Session, wrong: str, says: str) -> None:
    status, layer, error = session["refusals"][wrong]
    assert status != "success"
    assert layer is None
    assert says in error
    assert "Traceback" not in error
    assert "defect" not in error


def test_a_transparent_layer_is_no_crash(session: Session) -> None:
    status, error = session["a_transparent_layer"]
    if status == "success":
        assert session.pixels("a_transparent_layer")[..., 3].max() == 0
    else:
        assert "transparent" in error or "empty" in error


def test_standard_quality_paints_more_than_a_draft_of_three_steps(session: Session) -> None:
    found = session["standard_quality"]
    assert found["record"]["quality"] == "standard"
    assert alike(session.pixels("standard_quality"), session.content) > alike(session.cli, session.content)


def test_a_large_layer_is_painted_small_and_returned_whole(
    session: Session, record_property: pytest.Subclass[Any] | Any
) -> None:
    found = session["a_large_layer"]
    record_property("seconds", found["seconds"])
    record_property("peak_bytes", found["peak_bytes"])
    print(f"4096²: {found['seconds']:.1f} s, the plug-in's process {found['peak_bytes'] / 2**20:.0f} MiB")
    assert found["size"] == [4096, 4096]
    row = np.fromfile(session.folder / "a_large_layer.raw", "<f4").reshape(-1, 4)
    assert (row[:, 3] == 1).all()
    assert row[:, :3].std() > 0.01
    assert 0 < found["peak_bytes"] < 2**30  # the layer is 64 MiB; in and out and one band more


def test_without_a_daemon_the_sentence_says_how_to_start_it(session: Session) -> None:
    status, layer, error, layers = session["daemon_absent"]
    assert status != "success"
    assert layer is None
    assert len(layers) == 1
    assert "vaporbrush serve" in error or "could not be started" in error


def test_a_daemon_of_another_version_is_named(session: Session) -> None:
    status, _layer, error, layers = session["other_version"]
    assert status != "success"
    assert len(layers) == 1
    assert "version" in error
    assert "install" in error


def test_a_killed_worker_costs_nothing_but_time(session: Session) -> None:
    status, layer, error = session["worker_killed"]
    assert status == "success", error
    assert layer["size"] == [WIDTH, HEIGHT]


def test_a_killed_daemon_is_reported_and_the_next_painting_works(session: Session) -> None:
    found = session["daemon_killed"]
    assert found["status"] != "success"
    assert len(found["left"]) == 1
    assert found["error"]
    assert "Traceback" not in found["error"]
    assert found["later"]["size"] == [WIDTH, HEIGHT]


def test_scheme_can_call_it_too(session: Session, root: Root) -> None:
    with Desktop(root, session.folder) as desktop:
        gimp = copy.copy(session.gimp)
        gimp.desktop = desktop
        out = session.folder / "scheme.txt"
        script = f"""
        (let* ((image (car (gimp-file-load 1 "{session.folder}/content.png")))
               (style (car (gimp-file-load 1 "{session.folder}/style.png")))
               (result (plug-in-vaporbrush-stylize #:run-mode 1 #:image image
                         #:drawables (car (gimp-image-get-layers image))
                         #:style (vector-ref (car (gimp-image-get-layers style)) 0)
                         #:size "64" #:steps 3 #:quality "draft"))
               (layers (car (gimp-image-get-layers image)))
               (port (open-output-file "{out}")))
          (write (list (vector-length layers) (car (gimp-item-get-name (car result)))) port)
          (close-output-port port))"""
        process = gimp.start(
            "gimp-console", "-i", "-d", "-f", "--batch-interpreter=plug-in-script-fu-eval", "-b",
            " ".join(script.split()), "--quit",
        )  # fmt: skip
        assert process.wait(120) == 0, gimp.tail()
    assert out.read_text().startswith("(2 "), out.read_text()


def test_the_profile_holds_nothing_after_uninstalling(session: Session) -> None:
    target = session.gimp.profile / "plug-ins" / "vaporbrush"
    assert target.is_dir()
    session.gimp.vaporbrush_cli("uninstall", "gimp")
    assert not target.exists()
