"""A film's frames: what stands still stays still, to the bit; what moves is painted; and how far it boils."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.test_painter import Watching, recipe_of
from support.networks import layer, picture, tiny
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.hold import Earlier, Hold, hold_of
from vaporbrush_daemon.engine.losses import Region, Weighting, tap_weights
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.painter import Painter, Painting, Pictures
from vaporbrush_daemon.engine.pyramid import Pyramid
from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_daemon.plan import Speed, predict
from vaporbrush_protocol.recipe import Held, Image, Recipe, Style

SIDE = 64
MARGIN = 24  # pixels beside what moved that may change with it, at two scales
STYLE = layer(40, 40, 1)


@pytest.fixture
def painter(tiny_file: Path, tmp_path: Path) -> Painter:
    return Painter("cpu", {"tiny": tiny_file}, tmp_path)


def frame(at: int, side: int = 128) -> Floats:
    """A still picture with a red square whose left edge is at a column."""
    pixels = layer(SIDE, side)
    pixels[24:40, at : at + 16, :3] = (0.9, 0.1, 0.1)
    return pixels


def paint(painter: Painter, content: Floats, *held: tuple[Floats, Painting], **fields: object) -> Painting:
    frames = tuple(Held(Image("", 128, SIDE), Image("", *canvas_size(one), "RGB", "f32")) for _, one in held)
    recipe = recipe_of(content, STYLE, held=frames, **{"steps": 8, **fields})
    pictures = Pictures(content, [STYLE], held=[(before, one.canvas) for before, one in held])
    return painter.paint(recipe, pictures, Watching())


def canvas_size(one: Painting) -> tuple[int, int]:
    return one.canvas.shape[1], one.canvas.shape[0]


def change(a: Painting, b: Painting, columns: slice) -> float:
    return float(np.abs(a.pixels - b.pixels)[:, columns].max())


@pytest.mark.parametrize("look", ["texture", "brushwork"])
def test_what_stands_still_keeps_every_bit_and_what_moves_is_painted(painter: Painter, look: str) -> None:
    first = paint(painter, frame(8), look=look)
    second = paint(painter, frame(12), (frame(8), first), look=look)
    assert change(first, second, slice(28 + MARGIN, None)) == 0
    assert change(first, second, slice(8, 28)) > 0.1


def test_a_frame_that_shows_the_same_is_the_same_painting_without_a_step(painter: Painter) -> None:
    first = paint(painter, frame(8))
    again = paint(painter, frame(8), (frame(8), first))
    assert np.array_equal(first.pixels, again.pixels)
    assert again.facts["steps_done"] == 0
    assert again.facts["losses"] is None


def test_what_was_hidden_for_a_while_comes_back_as_it_was_painted(painter: Painter) -> None:
    first = paint(painter, frame(8))
    away = paint(painter, frame(100), (frame(8), first))
    back = paint(painter, frame(8), (frame(100), away), (frame(8), first))
    assert np.array_equal(first.canvas, back.canvas)


def test_a_film_boils_the_more_the_more_it_is_asked_to(painter: Painter) -> None:
    first = paint(painter, frame(8))
    still = slice(28 + MARGIN, None)
    changes = [
        float(np.abs(first.pixels - one.pixels)[:, still].mean())
        for one in (paint(painter, frame(12), (frame(8), first), boil=boil, seed=5) for boil in (0.0, 0.2, 0.5, 0.8))
    ]
    assert changes[0] == 0
    assert changes == sorted(changes)
    assert changes[-1] > 0.01


def test_a_film_that_boils_wholly_holds_nothing(painter: Painter) -> None:
    first = paint(painter, frame(8))
    boiled = paint(painter, frame(12), (frame(8), first), boil=1.0)
    assert np.array_equal(boiled.pixels, paint(painter, frame(12)).pixels)


def test_the_colour_that_transparent_pixels_hide_changes_nothing(painter: Painter) -> None:
    """An animation's cel is transparent around what moves, and what moves changes what fills the holes."""
    cels = [layer(SIDE, 128), layer(SIDE, 128)]
    cels[1][:, :56, :3] = (0.9, 0.1, 0.1)
    for cel in cels:
        cel[:, 56:96, 3] = 0
    first = paint(painter, cels[0])
    second = paint(painter, cels[1], (cels[0], first))
    assert change(first, second, slice(97, None)) == 0


@pytest.mark.parametrize("color", ["match", "palette", "luma"])
def test_colours_that_are_taken_from_the_content_stay_when_something_moves_in(painter: Painter, color: str) -> None:
    empty = layer(SIDE, 128)
    first = paint(painter, empty, color=color)
    second = paint(painter, frame(12), (empty, first), color=color)
    assert change(first, second, slice(28 + MARGIN, None)) == 0


# -- the loss ----------------------------------------------------------------------------------------------------------


def earlier(height: int, width: int, changed: slice) -> tuple[Tensor, Earlier]:
    """A frame, and one before it that differs in some columns, half of them a little."""
    content = picture(height, width, 2)
    before = content.clone()
    before[..., changed] = picture(height, width, 5)[..., changed]
    middle = (changed.start + changed.stop) // 2
    before[..., middle : changed.stop] = content[..., middle : changed.stop] * 0.97
    return content, Earlier(before, None, picture(height, width, 6))


def objective(content: Tensor, hold: Hold, **options: object) -> TextureObjective:
    network = tiny()
    canvas = Canvas(network, content, Weighting(30.0, tap_weights(None)), hold=hold, **options)
    return TextureObjective(canvas, [Region(style_statistics(network, picture(48, 64, 3), None))])


@pytest.mark.parametrize("options", [{}, {"tile": 32}, {"wrap": True}])
@pytest.mark.parametrize("boil", [0.0, 0.4])
def test_the_gradient_is_the_losses_derivative(options: dict[str, object], boil: float) -> None:
    content, before = earlier(64, 48, slice(8, 24))
    hold = hold_of(content, None, [before], boil, wrap="wrap" in options)
    image = picture(64, 48, 1) * 0.8 + 0.1
    loss = objective(content, hold, **options)
    found, gradient = loss(image)
    assert float(found.hold) > 0
    for seed in range(3):
        direction = torch.randn(image.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        step = 1e-6 * direction
        expected = float((loss(image + step)[0].total - loss(image - step)[0].total) / 2e-6)
        assert float((gradient * direction).sum()) == pytest.approx(expected, rel=2e-5)


def test_tiles_give_what_the_whole_gives() -> None:
    content, before = earlier(304, 240, slice(40, 90))
    hold = hold_of(content, None, [before], 0.2, wrap=False)
    image = picture(304, 240, 1)
    whole, cut = (objective(content, hold, tile=tile)(image) for tile in (None, 96))
    assert float(cut[0].hold) == pytest.approx(float(whole[0].hold), rel=1e-10)
    torch.testing.assert_close(cut[1], whole[1], rtol=1e-8, atol=1e-10 * float(whole[1].abs().max()))


def test_what_changes_a_little_is_drawn_after_the_change_and_what_changes_much_is_free() -> None:
    content, before = earlier(64, 64, slice(16, 48))
    hold = hold_of(content, None, [before], 0.0, wrap=False)
    kept = hold.kept[0, 0, 32]
    assert kept[:8].eq(1).all()
    assert kept[18:28].max() < 0.2
    assert 0.2 < float(kept[42]) < 1
    assert torch.equal(hold.target[..., :8], before.canvas[..., :8])


def test_a_change_is_painted_in_the_paintings_colours() -> None:
    """What went from red to grey in a painting that turns colours round does not leave their difference as it was."""
    d = picture(64, 64, 2)
    mix = torch.tensor([[0.1, 0.5, 0.0], [0.0, 0.2, 0.4], [0.3, 0.0, 0.1]], dtype=torch.float64)

    def paint(x: Tensor) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", mix, x) + 0.2

    content = d.clone()
    content[..., 20:40] = picture(64, 64, 5)[..., 20:40]
    hold = hold_of(content, None, [Earlier(d, None, paint(d))], 0.0, wrap=False)
    torch.testing.assert_close(hold.target, paint(content), rtol=0, atol=0.02)


def test_steps_through_the_pyramid_leave_what_is_kept_alone() -> None:
    free = torch.zeros(1, 1, 37, 50)
    free[..., 20:] = 0.5
    pyramid = Pyramid.of(37, 50, free=free)
    generator = torch.Generator().manual_seed(0)
    flat, image = torch.randn(pyramid.variables, generator=generator), torch.randn(1, 3, 37, 50, generator=generator)
    moved = pyramid.forward(flat)
    assert moved[..., :20].eq(0).all()
    torch.testing.assert_close((moved * image).sum(), (flat * pyramid.backward(image)).sum(), rtol=1e-4, atol=1e-3)


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_a_film_s_frame_costs_at_most_four_tenths_of_a_first_one() -> None:
    content, canvas = Image("", 1024, 768), Image("", 1024, 768, "RGB", "f32")
    first = Recipe(content, (Style(Image("", 800, 600)),), size=1024)
    after = Recipe(content, first.styles, size=1024, held=(Held(content, canvas),))
    costs = [sum(scale.cost for scale in predict(one, Speed()).scales) for one in (first, after)]
    assert costs[1] <= 0.4 * costs[0]
    boiling = Recipe(content, first.styles, size=1024, held=after.held, boil=1.0)
    assert predict(boiling, Speed()).scales == predict(first, Speed()).scales
    told = Recipe(content, first.styles, size=1024, held=after.held, steps=50)
    assert predict(told, Speed()).steps == 50
