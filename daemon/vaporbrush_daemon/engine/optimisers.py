"""Two optimisers of one flat vector. Neither reads a value from the device, so nothing waits for it.

L-BFGS (Liu & Nocedal 1989) in the compact representation of Byrd, Nocedal & Schnabel (1994, theorem 2.2): the direction

    H g = γ g + [S  γY] [[R⁻ᵀ (D + γ YᵀY) R⁻¹, −R⁻ᵀ], [−R⁻¹, 0]] [Sᵀ g; γ Yᵀ g]

needs the history only in two skinny products with the stacked (2m, n) matrix [S; Y]: one for all inner products with
the newest s, y and g, one for the linear combination. Of the image's size it holds that matrix and the last gradient,
nothing else. The numbers are those of the two-loop recursion. No line search: none of the published systems gains by
one; instead a step's mean absolute change is bounded.

A step can be recorded and replayed (`graphs`). What is recorded has the numbers and shapes of its day: so within
`recorded` whatever changes from step to step, the place in the ring of pairs say, is read from the device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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

    def recorded(self) -> AbstractContextManager[None]:
        """Within, `step` is not taken but recorded: a later one, at least the second since the last reset."""
        ...

    def replayed(self) -> None:
        """What was recorded has been replayed once: a step was taken."""
        ...


class Recordable:
    """What an optimiser that can be recorded knows of it."""

    steps: int  # taken
    recording = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Within, steps are recorded."""
        self.recording = True
        try:
            yield
        finally:
            self.recording = False

    def replayed(self) -> None:
        """See `Optimiser`."""
        self.steps += 1


class Lbfgs(Recordable):
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
        self.place = torch.zeros(1, device=device, dtype=torch.long)  # of a recording: the newest pair's row
        self.reset(first)

    def reset(self, first: float, /) -> None:
        """See `Optimiser`. The stack's memory is kept."""
        self.first = first
        self.last: Tensor | None = None  # the gradient of the step before
        self.steps = 0  # taken; the pair that step i made is in the row i % m
        for matrix in (self.sy, self.yy, self.ss):  # a pair without length is inert
            matrix.zero_()

    def recorded(self) -> AbstractContextManager[None]:
        """See `Optimiser`."""
        assert self.last is not None, "a first step is another than those that follow"
        self.last = self.last.clone()  # which every replay overwrites
        self.place.fill_((self.steps - 1) % self.history)
        return self.noted()

    def step(self, gradient: Tensor) -> Tensor:
        """See `Optimiser`."""
        if self.recording:
            return self._recorded_step(gradient)
        if self.last is None:
            change = gradient * -(self.first / gradient.abs().mean().clamp(min=TINY))
        else:
            m, row = self.history, (self.steps - 1) % self.history
            torch.sub(gradient, self.last, out=self.stack[m + row])
            count = min(self.steps, m)
            order = self.rotations[(self.steps - count) % m][:count]
            change = self._bounded(self._direction(gradient, self._products(row, gradient), order))
        self.last = gradient
        self.stack[self.steps % self.history] = change
        self.steps += 1
        return change

    def _recorded_step(self, gradient: Tensor) -> Tensor:
        """The same with the newest pair's row from the device, and with all pairs: those not yet made are inert."""
        m, place = self.history, self.place
        assert self.last is not None
        self.stack.index_copy_(0, place + m, (gradient - self.last)[None])
        dots = self._products(place, gradient)
        place.add_(1).remainder_(m)  # now the oldest pair's, and the next one's
        change = self._bounded(self._direction(gradient, dots, self.rotations.index_select(0, place)[0]))
        self.last.copy_(gradient)
        self.stack.index_copy_(0, place, change[None])
        return change

    def _bounded(self, direction: Tensor) -> Tensor:
        """The change against a direction: an absolute bound, and no lower one, as the natural length of an L-BFGS step
        is 1.
        """
        return direction.mul_(-(self.longest / direction.abs().mean().clamp(min=TINY)).clamp(max=1.0))

    def _products(self, row: int | Tensor, gradient: Tensor) -> Tensor:
        """The inner products of all pairs with the s, y in a row and with the gradient (2m, 3); the pair's are kept."""
        m = self.history
        dots = torch.zeros(2 * m, 3, device=gradient.device, dtype=self.small)
        for part, g in zip(torch.split(self.stack, CHUNK, 1), torch.split(gradient, CHUNK), strict=True):
            newest = torch.stack([_row(part, row), _row(part, m + row), g])
            dots += (newest @ part.T).T  # this way round BLAS is faster by a third
        if isinstance(row, int):
            self.ss[row] = dots[row, 0]
            self.sy[row, :] = dots[m:, 0]
            self.sy[:, row] = dots[:m, 1]
            self.yy[row, :] = dots[m:, 1]
            self.yy[:, row] = dots[m:, 1]
        else:
            self.ss.index_copy_(0, row, dots[:, 0].index_select(0, row))
            self.sy.index_copy_(0, row, dots[m:, 0][None])
            self.sy.index_copy_(1, row, dots[:m, 1][:, None])
            self.yy.index_copy_(0, row, dots[m:, 1][None])
            self.yy.index_copy_(1, row, dots[m:, 1][:, None])
        return dots

    def _direction(self, gradient: Tensor, dots: Tensor, order: Tensor) -> Tensor:
        """H g (n,) from the pairs in the rows `order` (count,), oldest first, and [S; Y] g in the last of `dots`."""
        m, count = self.history, len(order)
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


def _row(matrix: Tensor, row: int | Tensor) -> Tensor:
    """A row (n,) of a matrix, whose number may be on the device (1,): torch would read it back to take a view."""
    return matrix[row] if isinstance(row, int) else matrix.index_select(0, row)[0]


class Adam(Recordable):
    """Adam (Kingma & Ba 2015) of `size` variables with a fixed rate, in units of the image's range [0, 1]."""

    def __init__(
        self, size: int, device: torch.device, *, rate: float = 0.02, decay: tuple[float, float] = (0.9, 0.99)
    ) -> None:
        self.rate, self.decay = rate, decay
        self.mean = torch.zeros(size, device=device)
        self.square = torch.zeros(size, device=device)
        self.decays = torch.tensor(decay, device=device, dtype=small_dtype(str(device)))  # (2,)
        self.decayed = self.decays.clone()  # of a recording: both to the power of the steps taken (2,)
        self.reset(rate)

    def reset(self, _first: float, /) -> None:
        """See `Optimiser`. The rate gives the length of every step, the first one's too."""
        self.steps = 0
        self.mean.zero_()
        self.square.zero_()

    def recorded(self) -> AbstractContextManager[None]:
        """See `Optimiser`."""
        torch.pow(self.decays, self.steps, out=self.decayed)
        return self.noted()

    def step(self, gradient: Tensor) -> Tensor:
        """See `Optimiser`."""
        first, second = self.decay
        self.mean.lerp_(gradient, 1 - first)
        self.square.lerp_(gradient.square(), 1 - second)
        if not self.recording:
            self.steps += 1
            mean = self.mean / (1 - first**self.steps)
            spread = (self.square / (1 - second**self.steps)).sqrt()
        else:
            left = (1 - self.decayed.mul_(self.decays)).to(self.mean.dtype)
            mean, spread = self.mean / left[0], (self.square / left[1]).sqrt()
        # the gradient's scale is arbitrary, so the guard against zero is relative to it
        return -self.rate * mean / (spread + 1e-8 * spread.max() + TINY)
