"""Two optimisers of one flat vector. Neither reads a value from the device, so nothing waits for it.

L-BFGS (Liu & Nocedal 1989) in the compact representation of Byrd, Nocedal & Schnabel (1994, theorem 2.2): the direction

    H g = γ g + [S  γY] [[R⁻ᵀ (D + γ YᵀY) R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]] [Sᵀ g; γ Yᵀ g]

needs the history only in two skinny products with the stacked (2m, n) matrix [S; Y]: one for all inner products with
the newest s, y and g, one for the linear combination. Of the image's size it holds that matrix and the last gradient,
nothing else. The numbers are those of the two-loop recursion. No line search: none of the published systems gains by
one; instead a step's mean absolute change is bounded.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from .device import small_dtype

# A pair counts if yᵀs exceeds this share of ‖y‖ ‖s‖: else it says nothing, or that the function is concave.
CURVATURE = 1e-10
TINY = 1e-30  # keeps a quotient finite where its divisor may vanish
CHUNK = 2**20  # variables per inner product: the newest s, y and g side by side are a copy, so never of all at once


class Optimiser(Protocol):
    """Something that moves a vector against a gradient."""

    def step(self, gradient: Tensor) -> Tensor:
        """The change (n,) to add to the variables at which `gradient` (n,) was taken. The optimiser keeps both, so they
        are to be read only.
        """
        ...

    def reset(self, first: float, /) -> None:
        """Begin anew, with a first step of `first`: what was learnt of one loss is not true of another."""
        ...


class Lbfgs:
    """Limited-memory BFGS of `size` variables with `history` pairs. The first step's mean absolute change per variable
    is `first`, any later one's at most `longest`.
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
        self.history, self.longest = history, longest
        self.stack = torch.zeros(2 * history, size, device=device, dtype=dtype)  # (2m, n): S above Y, ring buffers
        # the small matrices are ill-conditioned by nature: doubles where the device has them
        self.small = small_dtype(str(device))
        ring = torch.arange(history, device=device)
        self.rotations = (ring[:, None] + ring) % history  # (m, m): the ring's rows, beginning with each of them
        self.sy = torch.zeros(history, history, device=device, dtype=self.small)  # sy[i, j] = s_i · y_j
        self.yy = torch.zeros(history, history, device=device, dtype=self.small)
        self.ss = torch.zeros(history, device=device, dtype=self.small)
        self.reset(first)

    def reset(self, first: float, /) -> None:
        """See `Optimiser`. The stack's memory is kept."""
        self.first = first
        self.last: Tensor | None = None  # the gradient of the step before
        self.steps = 0  # taken; the pair that step i made is in the row i % m

    def step(self, gradient: Tensor) -> Tensor:
        """See `Optimiser`."""
        if self.last is None:
            change = gradient * -(self.first / gradient.abs().mean().clamp(min=TINY))
        else:
            torch.sub(gradient, self.last, out=self.stack[self.history + (self.steps - 1) % self.history])
            change = self._direction(gradient)
            # an absolute bound, and no lower one: the natural length of an L-BFGS step is 1
            change *= -(self.longest / change.abs().mean().clamp(min=TINY)).clamp(max=1.0)
        self.last = gradient
        self.stack[self.steps % self.history] = change
        self.steps += 1
        return change

    def _direction(self, gradient: Tensor) -> Tensor:
        """H g (n,), after taking in the newest pair."""
        m, row = self.history, (self.steps - 1) % self.history
        dots = torch.zeros(2 * m, 3, device=gradient.device, dtype=self.small)
        for part, g in zip(torch.split(self.stack, CHUNK, 1), torch.split(gradient, CHUNK), strict=True):
            dots += (torch.stack([part[row], part[m + row], g]) @ part.T).T  # this way round BLAS is faster by a third
        self.ss[row] = dots[row, 0]
        self.sy[row, :] = dots[m:, 0]
        self.sy[:, row] = dots[:m, 1]
        self.yy[row, :] = dots[m:, 1]
        self.yy[:, row] = dots[m:, 1]

        count = min(self.steps, m)
        order = self.rotations[(self.steps - count) % m][:count]  # rows of the pairs, oldest first
        sy, yy = self.sy[order][:, order], self.yy[order][:, order]
        s_g, y_g = dots[:m, 2][order], dots[m:, 2][order]
        # a pair without positive curvature is made inert: a unit on the diagonal, nothing beside it
        curvature, length = sy.diagonal(), yy.diagonal()
        good = (curvature > CURVATURE * length.sqrt() * self.ss[order].sqrt()) & (length > 0)
        both = good[:, None] & good[None, :]
        eye = torch.eye(count, device=sy.device, dtype=self.small)
        upper = torch.where(both, sy, 0.0).triu() + eye * (~good)
        yy = torch.where(both, yy, 0.0)
        s_g, y_g = torch.where(good, s_g, 0.0), torch.where(good, y_g, 0.0)
        # γ of the newest good pair (Nocedal & Wright 2006, 7.20)
        newest = torch.where(good, torch.arange(1, count + 1, device=sy.device), 0).argmax(0, keepdim=True)
        # gathered: torch would read a 0-d index back from the device to take a view
        gamma = torch.where(good.any(), curvature.gather(0, newest) / length.gather(0, newest).clamp(min=TINY), 1.0)[0]

        right = torch.linalg.solve_triangular(upper, s_g[:, None], upper=True)  # R⁻¹ Sᵀg
        middle = torch.where(good, curvature, 0.0)[:, None] * right + gamma * (yy @ right) - gamma * y_g[:, None]
        for_s = torch.linalg.solve_triangular(upper.T, middle, upper=False)[:, 0]
        for_y = -gamma * right[:, 0]
        weights = torch.zeros(2 * m, device=sy.device, dtype=self.small)
        weights[order] = torch.where(good, for_s, 0.0)
        weights[m + order] = torch.where(good, for_y, 0.0)
        dtype = self.stack.dtype
        direction = self.stack.T @ weights.to(dtype)
        return direction.addcmul_(gradient, gamma.to(dtype))


class Adam:
    """Adam (Kingma & Ba 2015) of `size` variables with a fixed rate, in units of the image's range [0, 1]."""

    def __init__(
        self, size: int, device: torch.device, *, rate: float = 0.02, decay: tuple[float, float] = (0.9, 0.99)
    ) -> None:
        self.rate, self.decay = rate, decay
        self.mean = torch.zeros(size, device=device)
        self.square = torch.zeros(size, device=device)
        self.reset(rate)

    def reset(self, _first: float, /) -> None:
        """See `Optimiser`. The rate gives the length of every step, the first one's too."""
        self.steps = 0
        self.mean.zero_()
        self.square.zero_()

    def step(self, gradient: Tensor) -> Tensor:
        """See `Optimiser`."""
        self.steps += 1
        first, second = self.decay
        self.mean.lerp_(gradient, 1 - first)
        self.square.lerp_(gradient.square(), 1 - second)
        mean = self.mean / (1 - first**self.steps)
        spread = (self.square / (1 - second**self.steps)).sqrt()
        # the gradient's scale is arbitrary, so the guard against zero is relative to it
        return -self.rate * mean / (spread + 1e-8 * spread.max() + TINY)
