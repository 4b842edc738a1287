"""Styles by region: each style's mask says where it paints, and what no style is asked for stays as it is."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.torch import save_file

from support.networks import layer, random_weights
from vaporbrush_daemon.engine.painter import Painter, Painting, Pictures
from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style

HEIGHT, WIDTH = 90, 120


class Patient:
    """A caller that wants the whole painting."""

    def report(self, progress: Progress, image: object) -> None:
        pass

    def wanted(self) -> str:
        return "go"


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Painter:
    weights = random_weights(metric=True)
    tensors = {f"features.{i}.weight": w for i, (w, _) in weights.convs.items()}
    tensors |= {f"features.{i}.bias": b for i, (_, b) in weights.convs.items()}
    tensors |= {f"taps.{tap}.metric": r.contiguous() for tap, r in weights.metrics.items()}
    folder = tmp_path_factory.mktemp("regions")
    save_file(tensors, folder / "tiny.safetensors")
    return Painter("cpu", {"tiny": folder / "tiny.safetensors"}, folder)


@pytest.fixture
def content() -> Floats:
    return layer(HEIGHT, WIDTH)


@pytest.fixture
def styles() -> list[Floats]:
    return [layer(60, 60, seed) for seed in (1, 2)]


def soft(left: int, right: int, ramp: int = 8) -> Floats:
    """A region over these columns, which ends softly at its right."""
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    mask[20:70, left:right] = 1
    mask[20:70, right : right + ramp] = np.linspace(1, 0, ramp + 2)[1:-1]
    return mask


def paint(
    painter: Painter,
    content: Floats,
    styles: list[Floats],
    masks: list[Floats | None],
    selection: Floats | None = None,
    weights: tuple[float, ...] = (1, 1),
    **fields: object,
) -> Painting:
    entries = tuple(
        Style(Image("", style.shape[1], style.shape[0]), weight=weight)
        for style, weight in zip(styles, weights, strict=False)
    )
    given = {"model": "tiny", "size": "full", "steps": 6, "outside": "content"} | fields
    recipe = Recipe(Image("", WIDTH, HEIGHT), entries, **given)
    return painter.paint(recipe, Pictures(content, styles, selection, masks), Patient())


@pytest.mark.parametrize("look", ["texture", "brushwork"])
def test_what_no_region_covers_keeps_its_pixels_bit_for_bit(
    painter: Painter, content: Floats, styles: list[Floats], look: str
) -> None:
    masks = [soft(10, 40), soft(40, 80)]
    painted = paint(painter, content, styles, masks, look=look).pixels
    rest = (masks[0] + masks[1]) == 0
    assert np.array_equal(painted[rest], content[rest])
    for mask in masks:
        assert np.abs(painted - content)[mask == 1].mean() > 0.01


def test_a_layer_painted_in_regions_is_as_opaque_as_they_are(
    painter: Painter, content: Floats, styles: list[Floats]
) -> None:
    masks = [soft(10, 40), soft(40, 80)]
    painted = paint(painter, content, styles, masks, outside="transparent").pixels
    assert np.allclose(painted[..., 3], np.minimum(masks[0] + masks[1], 1), atol=1e-6)


def test_a_style_in_a_region_alone_paints_what_it_paints_in_a_selection(
    painter: Painter, content: Floats, styles: list[Floats]
) -> None:
    mask = soft(10, 40)
    for outside in ("content", "transparent"):
        region = paint(painter, content, styles[:1], [mask], outside=outside)
        selection = paint(painter, content, styles[:1], [None], mask, outside=outside)
        assert np.array_equal(region.pixels, selection.pixels)


def test_a_style_without_a_region_paints_the_rest(painter: Painter, content: Floats, styles: list[Floats]) -> None:
    mask = soft(10, 40)
    painted = paint(painter, content, styles, [None, mask], outside="transparent").pixels
    assert np.all(painted[..., 3] == 1)
    assert np.abs(painted - content)[mask == 0].mean() > 0.01


def test_one_without_weight_leaves_its_part_alone(painter: Painter, content: Floats, styles: list[Floats]) -> None:
    mask = soft(10, 40)
    painted = paint(painter, content, styles, [None, mask], weights=(0, 1)).pixels
    assert np.array_equal(painted[mask == 0], content[mask == 0])


def test_a_selection_limits_the_regions(painter: Painter, content: Floats, styles: list[Floats]) -> None:
    masks = [soft(10, 40), soft(40, 80)]
    selection = np.zeros((HEIGHT, WIDTH), np.float32)
    selection[:45] = 0.5
    painted = paint(painter, content, styles, masks, selection, outside="transparent").pixels
    assert np.allclose(painted[..., 3], np.minimum(masks[0] + masks[1], 1) * selection, atol=1e-6)


def test_an_overlap_is_shared(painter: Painter, content: Floats, styles: list[Floats]) -> None:
    """Where both apply, the painting is neither style's alone."""
    mask = soft(10, 80)
    both = paint(painter, content, styles, [mask, mask], steps=20).pixels
    inside = mask == 1
    for alone in ([mask, np.zeros_like(mask)], [np.zeros_like(mask), mask]):
        other = paint(painter, content, styles, alone, steps=20).pixels
        assert np.abs(both - other)[inside].mean() > 0.005


@pytest.mark.parametrize("selection", [None, soft(100, 110)])
def test_regions_that_hold_nothing_of_it_are_a_sentence(
    painter: Painter, content: Floats, styles: list[Floats], selection: Floats | None
) -> None:
    region = np.zeros((HEIGHT, WIDTH), np.float32) if selection is None else soft(10, 40)
    with pytest.raises(VaporbrushError, match="masks select nothing within what is to be painted"):
        paint(painter, content, styles, [region, region], selection)
