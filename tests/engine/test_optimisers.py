"""The optimisers on functions with known answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vaporbrush_daemon.engine.optimisers import Adam, Lbfgs

CPU = torch.device("cpu")


def two_loop(gradient: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Nocedal & Wright, algorithm 7.4."""
    q, alphas = gradient.clone(), []
    for s, y in reversed(pairs):
        alpha = s.dot(q) / y.dot(s)
        q -= alpha * y
        alphas.append(alpha)
    s, y = pairs[-1]
    r = q * (s.dot(y) / y.dot(y))
    for (s, y), alpha in zip(pairs, reversed(alphas), strict=True):
        r += s * (alpha - y.dot(r) / y.dot(s))
    return r


def rosenbrock_gradient(x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    value = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    return torch.autograd.grad(value, x)[0]


@pytest.mark.parametrize("history", [1, 3, 8])
def test_directions_are_those_of_the_two_loop_recursion(history: int) -> None:
    x = torch.linspace(-0.5, 0.8, 30, dtype=torch.float64)
    optimiser = Lbfgs(30, history, CPU, first=1e-3, longest=1e9, dtype=torch.float64)
    pairs: list[tuple[Tensor, Tensor]] = []
    before: Tensor | None = None
    change = torch.zeros_like(x)
    for _ in range(3 * history + 4):
        gradient = rosenbrock_gradient(x)
        if before is not None:
            s, y = change, gradient - before
            if s.dot(y) > 1e-10 * s.norm() * y.norm():
                pairs = [*pairs, (s, y)][-history:]
        change = optimiser.step(gradient)
        if len(pairs) >= history:
            torch.testing.assert_close(change, -two_loop(gradient, pairs), rtol=1e-7, atol=1e-12)
        before = gradient
        x = x + change
    assert len(pairs) == history


def test_a_pair_without_positive_curvature_is_inert() -> None:
    """On a concave stretch y·s < 0: the direction must stay downhill, and finite."""
    optimiser = Lbfgs(6, 4, CPU, first=0.1, longest=0.5, dtype=torch.float64)
    x = torch.full((6,), 0.3, dtype=torch.float64)
    for _ in range(12):
        gradient = -torch.sin(x)  # of cos: concave until π/2, minimum at π
        change = optimiser.step(gradient)
        assert change.isfinite().all()
        assert float(change.dot(gradient)) < 0
        x = x + change
    torch.testing.assert_close(x, torch.full_like(x, torch.pi), rtol=1e-3, atol=0)


def test_a_gradient_of_zero_moves_nothing() -> None:
    for optimiser in (Lbfgs(5, 3, CPU, first=0.1, longest=0.1), Adam(5, CPU)):
        for _ in range(4):
            assert torch.equal(optimiser.step(torch.zeros(5)), torch.zeros(5))


def test_no_step_moves_further_than_allowed() -> None:
    optimiser = Lbfgs(40, 5, CPU, first=0.01, longest=0.05)
    x = torch.randn(40, generator=torch.Generator().manual_seed(0)) * 2
    for number in range(20):
        change = optimiser.step(rosenbrock_gradient(x))
        assert float(change.abs().mean()) <= (0.01 if number == 0 else 0.05) * 1.0001
        x = x + change


def test_lbfgs_finds_the_minimum_of_an_ill_conditioned_bowl_and_adam_comes_near() -> None:
    scales = torch.logspace(0, 3, 50)
    for optimiser, steps, tolerance in (
        (Lbfgs(50, 10, CPU, first=0.01, longest=0.1), 120, 0.01),
        (Adam(50, CPU), 400, 0.05),
    ):
        x = torch.ones(50)
        for _ in range(steps):
            x = x + optimiser.step(scales * x)
        assert float(x.abs().max()) < tolerance


def test_the_steps_do_not_depend_on_the_losses_unit() -> None:
    paths = []
    for unit in (1e-6, 1.0, 1e7):
        x, optimiser = (
            torch.linspace(-1, 1, 20, dtype=torch.float64),
            Lbfgs(20, 5, CPU, first=0.01, longest=0.1, dtype=torch.float64),
        )
        for _ in range(15):
            x = x + optimiser.step(unit * rosenbrock_gradient(x))
        paths.append(x)
    torch.testing.assert_close(paths[0], paths[1], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(paths[2], paths[1], rtol=1e-6, atol=1e-9)


def test_after_a_reset_the_steps_are_those_of_a_new_optimiser() -> None:
    used, fresh = (Lbfgs(20, 4, CPU, first=0.01, longest=0.1, dtype=torch.float64) for _ in range(2))
    start = torch.linspace(-1, 1, 20, dtype=torch.float64)
    x = start
    for _ in range(7):
        x = x + used.step(rosenbrock_gradient(x))
    used.reset(0.01)
    x, y = start, start
    for _ in range(7):
        x, y = x + used.step(rosenbrock_gradient(x)), y + fresh.step(rosenbrock_gradient(y))
    torch.testing.assert_close(x, y)
