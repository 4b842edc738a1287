"""Layers in a real GIMP without a screen, of every kind and depth: one run of gimp-console, one test per thing."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from hosts.gimp_console import HEIGHT, WIDTH, Session, alike, close
from vaporbrush_daemon.images.pixels import decode_srgb

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1500)]


def test_the_filter_is_in_the_menu_and_documents_itself(session: Session) -> None:
    found = session["registered"]
    assert found["menus"] == [["<Image>/Filters/Artistic"]] * 2
    assert [label.replace("_", "") for label in found["labels"]] == ["Vaporbrush...", "Vaporbrush: Restylize..."]
    assert "style" in found["blurb"]
    assert "daemon" in found["help"]
    assert {"style", "style-file", "style-name", "strength", "style-scale", "quality", "size", "color", "seed"} <= set(
        found["arguments"]
    )
    assert all(blurb for _nick, blurb, _type in found["arguments"].values())
    assert found["arguments"]["strength"][2] == "gdouble"
    assert [name for name, (_nick, blurb, _type) in found["arguments"].items() if "Five numbers" in blurb] == [
        "layer-weights"
    ]
    assert "0: what suits the bundled style" in found["arguments"]["strength"][1]
    assert found["returns"] == ["GimpLayer"]


def test_a_layer_becomes_a_painting_directly_above_it(session: Session) -> None:
    found = session["eight_bits"]
    assert found["layers"] == [found["name"], "Harbour"]
    assert (found["size"], found["offset"], found["position"]) == ([WIDTH, HEIGHT], [-7, 5], 0)
    assert found["alpha"]
    assert not found["grey"]
    assert found["selected"] == [found["name"]]
    assert found["content"]["offset"] == [-7, 5]


def test_gimp_and_the_command_line_paint_the_same(session: Session) -> None:
    painted = session["eight_bits"] and session.pixels("eight_bits")
    assert close(painted, session.cli) <= 1
    assert alike(painted, session.content) > 3, "nothing was painted"


def test_the_recipe_is_kept_with_the_layer(session: Session) -> None:
    kept = session["eight_bits"]["record"]
    assert kept["recipe"]["size"] == 64
    assert kept["recipe"]["steps"] == 3
    assert kept["recipe"]["model"] == kept["result"]["model"] == "vgg19-lite"  # pinned: not "auto"
    assert kept["content"]["name"] == "Harbour"
    assert [style["kind"] for style in kept["styles"]] == ["layer"]


@pytest.mark.parametrize(
    ("precision", "depth", "step"),
    [
        ("U8_LINEAR", "f32", 13.0),  # eight linear bits are 13/255 apart in the shadows
        ("U16_NON_LINEAR", "u16", 0.01),
        ("U16_LINEAR", "f32", 0.1),
        ("U32_NON_LINEAR", "f32", 0.001),
        ("HALF_NON_LINEAR", "f32", 0.13),
        ("HALF_LINEAR", "f32", 0.13),
        ("FLOAT_NON_LINEAR", "f32", 0.001),
        ("FLOAT_LINEAR", "f32", 0.001),
        ("FLOAT_PERCEPTUAL", "f32", 0.001),
        ("DOUBLE_NON_LINEAR", "f32", 0.001),
        ("DOUBLE_LINEAR", "f32", 0.001),
    ],
)
def test_every_precision_is_painted_as_by_the_command_line(
    session: Session, precision: str, depth: str, step: float
) -> None:
    """`step`: the precision's own, in 1/255. Unpainted (blend 0) nothing may change but by rounding to it, twice."""
    assert session["precisions"][precision]["depth"] == depth
    assert close(session.pixels(f"unpainted-{precision}"), session.content) <= 2 * step
    painted = session.pixels(f"precision-{precision}")
    # a wrong transfer function, the same in both directions, would make it 20 and more
    assert alike(painted, session.cli) < 3 + step
    cli = session.by_cli_from(f"precision-{precision}", depth)
    if precision == "U8_LINEAR":  # one level of it is 13/255 of sRGB's encoding: compared as the layer holds it
        painted[..., :3], cli[..., :3] = decode_srgb(painted[..., :3]), decode_srgb(cli[..., :3])
    assert close(painted, cli) <= 1


@pytest.mark.parametrize(("precision", "depth"), [("U8_NON_LINEAR", "u8"), ("FLOAT_LINEAR", "f32")])
def test_a_grey_image_stays_grey(session: Session, precision: str, depth: str) -> None:
    found = session["grey"][precision]
    assert found["grey"]
    assert found["alpha"]
    painted, content = session.pixels(f"grey-{precision}"), session.pixels(f"grey-content-{precision}")
    assert np.ptp(painted[..., :3], axis=2).max() * 255 < 1
    assert np.abs(painted - content).mean() * 255 > 2
    cli = session.by_cli_from(f"grey-{precision}", depth)
    assert close(painted[..., 0], session.grey(cli, depth)) <= 1


def test_a_wide_gamut_image_keeps_its_colours(session: Session) -> None:
    assert "Adobe" in session["foreign_profile"]
    assert close(session.pixels("unpainted-foreign_profile"), session.content) < 0.5
    assert close(session.pixels("foreign_profile"), session.by_cli_from("foreign_profile")) <= 1


def test_transparency_is_kept(session: Session) -> None:
    assert session["alpha"]["alpha"]
    painted, content = session.pixels("alpha"), session.pixels("alpha-content")
    assert close(painted[..., 3], content[..., 3]) < 0.5
    cli = session.by_cli("alpha.png")
    assert close(painted[..., :3] * painted[..., 3:], cli[..., :3] * cli[..., 3:]) <= 1  # what is clear has no colour


def test_the_painting_goes_into_the_content_s_group(session: Session) -> None:
    found = session["inside_a_group"]
    assert found["parent"] == "Sketches"
    assert found["position"] == 1
    assert found["offset"] == [11, -3]
    assert found["group"][0] == "Over"


def test_a_group_is_painted_as_it_looks(session: Session) -> None:
    found = session["a_group_as_content"]
    assert found["offset"] == [4, 6]
    assert found["size"] == [WIDTH, HEIGHT]
    assert found["layers"][1:] == ["Sketches", found["layers"][2]]
    assert found["position"] == 0
    assert close(session.pixels("a_group_as_content"), session.cli) <= 1


def test_outside_a_selection_the_painting_is_transparent(session: Session) -> None:
    assert session["hard_selection"]["size"] == [WIDTH, HEIGHT]
    assert not session["hard_selection"]["selection_gone"]
    coverage = session.pixels("hard_selection")[..., 3]
    wanted = np.zeros((HEIGHT, WIDTH), np.float32)
    wanted[8:28, 10:40] = 1
    assert np.array_equal(coverage, wanted)
    assert close(laid_over_content(session, "hard_selection"), masked_by_cli(session, wanted)) <= 1


def test_a_selection_can_be_ignored(session: Session) -> None:
    assert session["hard_selection"]
    assert close(session.pixels("selection_not_used"), session.cli) <= 1


def test_a_selection_s_softness_is_kept(session: Session) -> None:
    values = np.array(session["soft_selection"]["values"], np.float32) / 255
    assert ((values > 0.02) & (values < 0.98)).mean() > 0.2, "the selection is not soft"
    assert session["soft_selection"]["offset"] == [9, -4]
    assert close(session.pixels("soft_selection")[..., 3], values) <= 1
    assert close(laid_over_content(session, "soft_selection"), masked_by_cli(session, values)) <= 1


def laid_over_content(session: Session, name: str) -> NDArray[np.float32]:
    """The painting over its content: the command line delivers it so."""
    painted = session.pixels(name)
    alpha = painted[..., 3:]
    return painted[..., :3] * alpha + session.content[..., :3] * (1 - alpha)


def masked_by_cli(session: Session, mask: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the command line paints within a mask."""
    Image.fromarray(np.rint(mask * 255).astype("u1")).save(session.folder / "mask.png")
    return session.by_cli("content.png", "style.png", "--mask", "mask.png")[..., :3]


def test_a_layer_mask_comes_along(session: Session) -> None:
    found = session["layer_mask"]
    assert not found["edits_mask"]
    ramp = np.tile(np.linspace(0, 1, WIDTH, dtype=np.float32), (HEIGHT, 1))
    assert close(session.pixels("layer_mask-mask", channels=1)[..., 0], ramp) <= 1
    assert close(session.pixels("layer_mask"), session.cli) <= 1  # the layer itself is painted whole


def test_the_list_of_layers_shows_the_mask_as_it_is(session: Session) -> None:
    row = session["layer_mask"]["thumbnail"]
    assert row == sorted(row)
    assert row[0] < 50  # GIMP 3.2 gives it as sRGB: 42 where 3.0 gives 6
    assert row[-1] > 235


def test_a_layer_s_filters_are_painted_too(session: Session) -> None:
    found = session["filters_count"]
    assert found["filters_left"] == 1
    assert len(found["layers"]) == 2
    assert close(session.pixels("filters"), session.pixels("filters-expected")) <= 1


def test_a_text_layer_is_painted(session: Session) -> None:
    found = session["text"]
    width, height = found["size"]
    assert not found["is_text"]
    assert found["size"] == found["content"]["size"]
    assert found["offset"] == found["content"]["offset"]
    painted, content = (session.pixels(name, width, height) for name in ("text", "text-content"))
    assert close(painted[..., 3], content[..., 3]) < 0.5
    assert np.abs(painted - content)[content[..., 3] > 0.5].mean() * 255 > 2
