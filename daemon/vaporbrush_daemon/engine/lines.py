"""Keep lines: the Laplacian loss (Li et al. 2017, "Laplacian-Steered Neural Style Transfer", arXiv 1707.01253).

    LinesLoss    LINES · lines · Σ_k Σ (D(pool_k x) − D(pool_k c))² / (3 · positions)

D is the Laplacian, pool_k the mean over k×k pixels. It asks that edges be where the content has them, of the same
contrast, and does not care for the colours between. It lives in pixels: a thousandth of a step, and its gradient is the
adjoint of the same two linear maps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

LINES = 3e8  # a first choice: about what the content term weighs at strength 100
POOLED = (2, 4)  # pixels a side. The paper has 4 and 16 at 512 px; letters and eyes are smaller


class LinesLoss:
    """The loss of images as large as `content` (1, 3, H, W); `lines` from 0, off, to 1."""

    def __init__(self, content: Tensor, lines: float, *, wrap: bool = False) -> None:
        self.wrap = wrap
        sizes = tuple(k for k in POOLED if min(content.shape[2:]) >= 2 * k) if lines else ()
        # squared: the lower half of the control is where it shows without ruling
        self.factor = LINES * lines**2
        self.wanted = {k: self._edges(content, k) for k in sizes}  # D(pool_k c)

    def __call__(self, image: Tensor, *, accumulate_into: Tensor) -> Tensor:
        """The loss (0-d) of `image` (1, 3, H, W); its gradient is added to `accumulate_into` (1, 3, H, W)."""
        loss = torch.zeros((), device=image.device)
        for k, wanted in self.wanted.items():
            error = self._edges(image, k) - wanted  # (1, 3, H // k, W // k)
            scale = self.factor / error.numel()
            loss = loss + scale * error.square().sum()
            coarse = 2 * scale * self._laplacian_adjoint(error)
            fine = coarse.repeat_interleave(k, 2).repeat_interleave(k, 3) / k**2
            accumulate_into[:, :, : fine.shape[2], : fine.shape[3]] += fine
        return loss

    def _edges(self, image: Tensor, k: int) -> Tensor:
        return self._laplacian(functional.avg_pool2d(image, k))

    def _laplacian(self, image: Tensor) -> Tensor:
        """The mean of the four neighbours less the position's own; at an edge it is its own neighbour."""
        total = torch.zeros_like(image)
        for axis in (2, 3):
            step = self._steps(image, axis)
            total += self._spread(step, axis)
        return total / 4

    # D = −∇ᵀ∇/4 with the differences ∇ of neighbours, so it is its own adjoint
    _laplacian_adjoint = _laplacian

    def _steps(self, image: Tensor, axis: int) -> Tensor:
        return image.roll(-1, axis) - image if self.wrap else image.diff(dim=axis)

    def _spread(self, step: Tensor, axis: int) -> Tensor:
        """−∇ᵀ of the differences."""
        if self.wrap:
            return step - step.roll(1, axis)
        padding = (0, 0, 1, 1) if axis == 2 else (1, 1)
        return functional.pad(step, padding).diff(dim=axis)
