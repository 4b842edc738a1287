"""Keep lines: the Laplacian loss (Li et al. 2017, "Laplacian-Steered Neural Style Transfer", arXiv 1707.01253).

    LinesLoss    LINES · lines² · Σ_k Σ (D(pool_k Y(x)) − D(pool_k Y(c)))² / positions

Y is the luma, D the Laplacian, pool_k the mean over k×k pixels. It asks that edges be where the content has them, of
the same contrast, and does not care for the colours, which the paper holds too. It lives in pixels: a thousandth of a
step, and its gradient is the adjoint of the same linear maps.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from .color_transfer import LUMA

LINES = 1.5e9  # at strength 100 lines at 1 hold letters and eyes whole; measured in tests/bench/NOTES.md
POOLED = (2, 4)  # pixels a side. The paper has 4 and 16 at 512 px; letters and eyes are smaller


class LinesLoss:
    """The loss of images as large as `content` (1, 3, H, W); `lines` from 0, off, to 1."""

    def __init__(self, content: Tensor, lines: float, *, wrap: bool = False) -> None:
        self.wrap = wrap
        self.luma = content.new_tensor(LUMA).view(1, 3, 1, 1)  # kept: made anew in each step it would travel there
        sizes = tuple(k for k in POOLED if min(content.shape[2:]) >= 2 * k) if lines else ()
        # squared: the lower half of the control is where it shows without ruling
        self.factor = LINES * lines**2
        self.wanted = {k: self._edges(self._grey(content), k) for k in sizes}  # D(pool_k Y(c))

    def __call__(self, image: Tensor, *, accumulate_into: Tensor) -> Tensor:
        """The loss (0-d) of `image` (1, 3, H, W); its gradient is added to `accumulate_into` (1, 3, H, W)."""
        loss = torch.zeros((), device=image.device)
        if not self.wanted:
            return loss
        grey = self._grey(image)  # (1, 1, H, W)
        slope = torch.zeros_like(grey)
        for k, wanted in self.wanted.items():
            error = self._edges(grey, k) - wanted  # (1, 1, H // k, W // k)
            scale = self.factor / error.numel()
            loss = loss + scale * error.square().sum()
            coarse = 2 * scale * self._laplacian_adjoint(error)
            fine = coarse.repeat_interleave(k, 2).repeat_interleave(k, 3) / k**2
            slope[:, :, : fine.shape[2], : fine.shape[3]] += fine
        accumulate_into += slope * self.luma
        return loss

    def _grey(self, image: Tensor) -> Tensor:
        return (image * self.luma).sum(1, keepdim=True)

    def _edges(self, grey: Tensor, k: int) -> Tensor:
        return self._laplacian(functional.avg_pool2d(grey, k))

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
