"""No colours that the style does not have."""

from __future__ import annotations

import pytest
import torch

from vaporbrush_daemon.engine.gamut import BAND, GAMUT, NEAR, Gamut, GamutLoss, nearest_colours

RED, BLUE, GREEN = (torch.tensor(c).view(1, 3, 1, 1) for c in ([0.9, 0.1, 0.1], [0.1, 0.1, 0.9], [0.1, 0.8, 0.1]))


def two_colours(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """(1, 3, 32, 32), the left half of one colour and the right half of another."""
    return torch.cat([a.expand(1, 3, 32, 16), b.expand(1, 3, 32, 16)], 3)


def gamut_loss(style: torch.Tensor, mask: torch.Tensor | None = None) -> GamutLoss:
    return GamutLoss([Gamut(nearest_colours([(style, None)]), mask)], strength=100.0)


def test_the_styles_own_colours_cost_nothing() -> None:
    image, gradient = two_colours(RED, BLUE), torch.zeros(1, 3, 32, 32)
    assert float(gamut_loss(image)(image, accumulate_into=gradient)) == 0
    assert not gradient.any()


def test_a_foreign_colour_is_drawn_to_the_nearest_of_the_style() -> None:
    loss, image = gamut_loss(two_colours(RED, BLUE)), torch.full((1, 3, 16, 16), 0.4) + 0.2 * (RED - 0.5)
    curvature = 2 * GAMUT * 100.0 / (16 * 16)
    gradient = torch.zeros_like(image)
    loss(image, accumulate_into=gradient)
    image = image - gradient / curvature  # Newton's step: as far as the loss pulls
    assert float((image - RED).square().sum(1).sqrt().max()) <= NEAR + 1e-6


def test_gradient_is_that_of_the_loss() -> None:
    torch.manual_seed(0)
    loss = gamut_loss(torch.rand(1, 3, 24, 24).double(), torch.rand(20, 20).double())
    # in the middle of its cell of the table, so that a small step leaves its nearest colour as it is
    image = ((torch.rand(1, 3, 20, 20).double() * 32).floor() + 0.5) / 32
    gradient = torch.zeros_like(image)
    loss(image, accumulate_into=gradient)
    direction = torch.randn_like(image)
    step = 1e-7
    there, back = (
        float(loss(image + sign * step * direction, accumulate_into=torch.zeros_like(image))) for sign in (1, -1)
    )
    assert (there - back) / (2 * step) == pytest.approx(float((gradient * direction).sum()), rel=1e-5)


def test_only_where_its_mask_is() -> None:
    mask = torch.zeros(32, 32)
    mask[:, :16] = 1
    image, gradient = two_colours(GREEN, GREEN), torch.zeros(1, 3, 32, 32)
    gamut_loss(two_colours(RED, BLUE), mask)(image, accumulate_into=gradient)
    assert gradient[..., :16].any()
    assert not gradient[..., 16:].any()


def test_what_a_style_hides_is_no_colour_of_it() -> None:
    alpha = torch.zeros(32, 32)
    alpha[:, :16] = 0.5
    table = nearest_colours([(two_colours(RED, BLUE), alpha)])
    assert torch.equal(table, RED.view(1, 3).expand_as(table))


def test_several_styles_lend_their_colours_together() -> None:
    table = nearest_colours([(two_colours(RED, RED), None), (two_colours(BLUE, BLUE), None)])
    assert {tuple(row) for row in table.unique(dim=0).tolist()} == {tuple(c.flatten().tolist()) for c in (RED, BLUE)}


def test_a_large_picture_is_looked_up_in_bands_and_the_sum_is_the_whole() -> None:
    torch.manual_seed(0)
    quarter = torch.rand(1, 3, 200, 1000)
    large = torch.cat([quarter] * 4, 2)
    assert large.shape[2] * large.shape[3] > BAND
    loss, gradients = gamut_loss(two_colours(RED, BLUE)), [torch.zeros_like(each) for each in (quarter, large)]
    values = [float(loss(each, accumulate_into=g)) for each, g in zip((quarter, large), gradients, strict=True)]
    assert values[1] == pytest.approx(values[0], rel=1e-5)
    assert torch.allclose(gradients[1] * 4, torch.cat([gradients[0]] * 4, 2), rtol=1e-5)
