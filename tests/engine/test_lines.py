"""Keep lines: a loss of edges, not of colours."""

from __future__ import annotations

import pytest
import torch

from support.networks import picture
from vaporbrush_daemon.engine.lines import LinesLoss


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("size", [(48, 64), (45, 63)])
def test_the_gradient_is_autograds(size: tuple[int, int], wrap: bool) -> None:
    loss, image = LinesLoss(picture(*size, 1), 0.7, wrap=wrap), picture(*size, 2).requires_grad_()
    gradient = torch.zeros_like(image).detach()
    value = loss(image.detach(), accumulate_into=gradient)
    (expected,) = torch.autograd.grad(loss(image, accumulate_into=torch.zeros_like(image)), image)
    assert float(value) > 0
    torch.testing.assert_close(gradient, expected)


def test_another_colour_costs_nothing_and_another_edge_does() -> None:
    content = picture(64, 64, 1)
    loss = LinesLoss(content, 1.0)
    free = torch.zeros_like(content)
    tinted = content + torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64).view(1, 3, 1, 1)
    assert float(loss(tinted, accumulate_into=free)) < 1e-12 * float(loss(content.flip(3), accumulate_into=free))


def test_at_zero_it_is_off() -> None:
    content = picture(64, 64, 1)
    gradient = torch.zeros_like(content)
    assert float(LinesLoss(content, 0.0)(content.flip(3), accumulate_into=gradient)) == 0
    assert not gradient.any()
