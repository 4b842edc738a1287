"""Two optimisers of one flat vector. Neither branches on a value from the device, so nothing waits for it.

L-BFGS (Liu & Nocedal 1989) in the compact representation of Byrd, Nocedal & Schnabel (1994, theorem 2.2): the direction

    H g = γ g + [S  γY] [[R⁻ᵀ (D + γ YᵀY) R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]] [Sᵀ g; γ Yᵀ g]

needs the history only in two skinny products with the stacked (2m, n) matrix [S; Y]: one for all inner products with
the newest s, y and g, one for the linear combination. The numbers are those of the two-loop recursion. No line
search: none of the published systems gains by one; instead a step's mean absolute change is bounded.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

CURVATURE = (
    1e-10  # a pair counts if yᵀs exceeds this share of ‖y‖ ‖s‖: else it says nothing, or that the function is concave
)


class Optimiser(Protocol):
    """Something that moves a vector against a gradient."""

    def step(self, gradient: Tensor) -> Tensor:
        """The change (n,) to add to the variables at which `gradient` (n,) was taken."""
        ...


class Lbfgs:
    """Limited-memory BFGS with `history` pairs. `first` and `longest` bound a step's mean absolute change per
    variable.
    """

    def __init__(
        self,
        size: int,
        history: int,
        device: torch.device,
        *,
        first: float,
        longest: float,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.history, self.first, self.longest = history, first, longest
        self.stack = torch.zeros(2 * history, size, device=device, dtype=dtype)  # (2m, n): S above Y, ring buffers
        # the small matrices are ill-conditioned by nature: doubles where the device has them
        self.small = torch.float32 if device.type == "mps" else torch.float64
        self.sy = torch.zeros(history, history, device=device, dtype=self.small)  # sy[i, j] = s_i · y_j
        self.yy = torch.zeros(history, history, device=device, dtype=self.small)
        self.ss = torch.zeros(history, device=device, dtype=self.small)
        self.pairs = 0  # steps since the start; the pair i sits in the row i % m
        self.gradient: Tensor | None = None
        self.change: Tensor | None = None

    def step(self, gradient: Tensor) -> Tensor:
        """See `Optimiser`."""
        if self.gradient is None or self.change is None:
            direction = gradient
            limit = self.first
        else:
            direction, limit = self._direction(gradient), self.longest
        reach = direction.abs().mean()
        scale = limit / reach.clamp(min=1e-30)
        if self.change is not None:
            scale = scale.clamp(max=1.0)
        self.change = direction * -scale
        self.gradient = gradient
        return self.change

    def _direction(self, gradient: Tensor) -> Tensor:
        """H g, after taking in the newest pair."""
        assert self.gradient is not None
        assert self.change is not None
        m, row = self.history, self.pairs % self.history
        self.stack[row] = self.change
        torch.sub(gradient, self.gradient, out=self.stack[m + row])
        self.pairs += 1
        newest = torch.stack([self.stack[row], self.stack[m + row], gradient])  # (3, n)
        dots = (self.stack @ newest.T).to(self.small)  # (2m, 3)
        self.ss[row] = dots[row, 0]
        self.sy[row, :] = dots[m:, 0]
        self.sy[:, row] = dots[:m, 1]
        self.yy[row, :] = dots[m:, 1]
        self.yy[:, row] = dots[m:, 1]
        s_g, y_g = dots[:m, 2], dots[m:, 2]

        count = min(self.pairs, m)
        order = [(self.pairs - count + i) % m for i in range(count)]  # oldest first
        sy, yy = self.sy[order][:, order], self.yy[order][:, order]
        s_g, y_g = s_g[order], y_g[order]
        # a pair without positive curvature is made inert: a unit on the diagonal, nothing beside it
        curvature, length = sy.diagonal(), yy.diagonal()
        good = (curvature > CURVATURE * length.sqrt() * self.ss[order].sqrt()) & (length > 0)
        both = good[:, None] & good[None, :]
        eye = torch.eye(count, device=sy.device, dtype=self.small)
        upper = torch.where(both, sy, torch.zeros_like(sy)).triu() + eye * (~good)
        yy = torch.where(both, yy, torch.zeros_like(yy))
        zero = torch.zeros_like(s_g)
        s_g, y_g = torch.where(good, s_g, zero), torch.where(good, y_g, zero)
        # γ of the newest good pair (Nocedal & Wright 7.20)
        place = torch.where(good, torch.arange(1, count + 1, device=sy.device), 0).argmax()
        gamma = torch.where(
            good.any(), curvature[place] / length[place].clamp(min=1e-300), torch.ones_like(length[place])
        )

        right = torch.linalg.solve_triangular(upper, s_g[:, None], upper=True)  # R⁻¹ Sᵀg
        middle = torch.where(good, curvature, zero)[:, None] * right + gamma * (yy @ right) - gamma * y_g[:, None]
        for_s = torch.linalg.solve_triangular(upper.T, middle, upper=False)[:, 0]
        for_y = -gamma * right[:, 0]
        weights = torch.zeros(2 * m, device=sy.device, dtype=self.small)
        weights[order] = torch.where(good, for_s, zero)
        weights[[m + i for i in order]] = torch.where(good, for_y, zero)
        return torch.addmv(gradient * gamma.to(gradient.dtype), self.stack.T, weights.to(gradient.dtype))


class Adam:
    """Adam (Kingma & Ba 2015) with a fixed rate, in units of the image's range [0, 1]."""

    def __init__(
        self, size: int, device: torch.device, *, rate: float = 0.02, decay: tuple[float, float] = (0.9, 0.99)
    ) -> None:
        self.rate, self.decay, self.steps = rate, decay, 0
        self.mean = torch.zeros(size, device=device)
        self.square = torch.zeros(size, device=device)

    def step(self, gradient: Tensor) -> Tensor:
        """See `Optimiser`."""
        self.steps += 1
        first, second = self.decay
        self.mean.lerp_(gradient, 1 - first)
        self.square.lerp_(gradient.square(), 1 - second)
        mean = self.mean / (1 - first**self.steps)
        spread = (self.square / (1 - second**self.steps)).sqrt()
        # the gradient's scale is arbitrary, so the guard against zero is relative to it
        return -self.rate * mean / (spread + 1e-8 * spread.max() + 1e-30)
