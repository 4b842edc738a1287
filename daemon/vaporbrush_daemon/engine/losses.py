"""The terms of the loss (Gatys, Ecker & Bethge 2016), each with its gradient in closed form.

Notation: F (M, N) a tap's activations, one row per position; G = Fᵀ diag(ω) F its Gram matrix (N, N), with Σω = 1, so
that without a mask ω = 1/M; A the style's Gram matrix; P the content's activations.

    ContentLoss        Σ (F − P)² / (N M)
    StyleLoss          strength · share · Σ_taps w · mean_{N²} (G − A)²       w = 1/N² unless the recipe says otherwise
    total_variation    tv · Σ (differences of neighbouring pixels)² / (H W)
    range_penalty      RANGE · Σ (outside of [0, 1])² / (3 H W)

The paper's E_l = Σ(FᵀF − AᵀA)² / (4 N² M²) is a quarter of our mean_{N²}(G − A)²; 1/N² is what Gatys' released code
weighs it with. Dividing the content term by N M, which the paper does not, makes one strength mean the same at every
size. Where a narrow network has a metric R, F and P stand for R [s; 1] of its activations s.

The gradients are written down instead of derived by autograd: 2 ω F (dL/dG) for a tap, which costs one product where
autograd costs two, and which is what makes exact tiling possible: the Gram matrices are summed over all tiles before
any gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS

from .grams import Grams, raw_gram, summable, through, total_weight, whitener
from .network import Network
from .tiles import position_weights
from .vgg19 import WIDTHS

# The penalty on values outside [0, 1], in units of the total loss per mean squared excursion. Without it the loss of
# the saved (clamped) picture is a multiple of the optimised one's; see tests/bench/NOTES.md.
RANGE = 1e8


@dataclass(frozen=True)
class Weighting:
    """How much each term counts."""

    strength: float  # of style relative to content, in Gatys' notebook's unit
    taps: Mapping[str, float]  # w by style tap
    tv: float = 0.0
    lines: float = 0.0  # 0 to 1, see `lines`


@dataclass(frozen=True)
class Region:
    """Where a style applies."""

    target: Grams  # A by tap
    share: float = 1.0  # of the style loss
    mask: Tensor | None = None  # (H, W), 0 to 1; None: everywhere


@dataclass(frozen=True)
class Losses:
    """The terms as they enter the total: 0-d tensors on the device, `style` with its strength."""

    content: Tensor
    style: Tensor
    variation: Tensor
    range: Tensor
    lines: Tensor
    hold: Tensor
    gamut: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.content + self.style + self.variation + self.range + self.lines + self.hold + self.gamut

    def reported(self) -> Tensor:
        """Content, style and total (3,): what is read from the device at once."""
        return torch.stack([self.content, self.style, self.total])

    def read(self) -> LossValues:
        """Their values, in one transfer from the device."""
        return LossValues.of(self.reported())


@dataclass(frozen=True)
class LossValues:
    """The losses that are reported."""

    content: float
    style: float
    total: float

    @classmethod
    def of(cls, reported: Tensor) -> LossValues:
        """From `Losses.reported`."""
        content, style, total = reported.tolist()
        return cls(content, style, total)


def tap_weights(relative: Sequence[float] | None) -> dict[str, float]:
    """w of each style tap. `relative` ones are scaled to the default ones' sum, so that the strength keeps its
    meaning.
    """
    default = {tap: 1.0 / WIDTHS[tap] ** 2 for tap in STYLE_TAPS}
    if relative is None:
        return default
    scale = sum(default.values()) / sum(relative)
    return {tap: weight * scale for tap, weight in zip(STYLE_TAPS, relative, strict=True)}


class ContentLoss:
    """Σ (F − P)² / (N M) of relu4_2 over an image of `width` × `height` pixels, from parts of its positions."""

    def __init__(self, network: Network, width: int, height: int) -> None:
        metric = network.metrics.get(CONTENT_TAP)
        # the offset of a metric is the same in F and P: only its linear part counts
        self.metric = None if metric is None else metric[:, :-1].T @ metric[:, :-1]  # (C, C)
        self.scale = 1.0 / (network.normaliser(CONTENT_TAP) * total_weight(None, CONTENT_TAP, width, height))

    def loss(self, f: Tensor, p: Tensor) -> Tensor:
        """The part of the positions in `f`, `p` (m, C)."""
        difference, mapped = self._difference(f, p)
        return self.scale * (difference * mapped).sum()

    def gradient(self, f: Tensor, p: Tensor) -> Tensor:
        """dL/dF (m, C)."""
        return 2 * self.scale * self._difference(f, p)[1]

    def _difference(self, f: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
        """F − P in fp32, and what the metric makes of it."""
        difference = summable(f) - p.to(f.device, non_blocking=True)
        return difference, difference if self.metric is None else difference @ self.metric


class StyleLoss:
    """strength · share · Σ_taps w · mean_{N²} (G − A)² of one region of an image of `width` × `height` pixels.

    Its gradient may be whitened: where style is nearly all of the loss, a painting first approaches by
    mean_{N²} (V^½ (G − A) V^½)², V from `grams.whitener`, which has V (G − A) V where the published one has G − A; and
    then settles in the published one. The minimum that it ends in is Gatys', only the way there is shorter. The loss
    that is reported is always the published one.
    """

    def __init__(self, network: Network, region: Region, weighting: Weighting, width: int, height: int) -> None:
        self.target, self.metrics = region.target, network.metrics
        self.weights = {tap: position_weights(region.mask, tap) for tap in STYLE_TAPS}  # ω, not normalised: (h, w)
        self.total_weights = {tap: total_weight(w, tap, width, height) for tap, w in self.weights.items()}  # Σω
        self.factors = {  # of Σ (G − A)²
            tap: weighting.strength * region.share * weighting.taps[tap] / network.normaliser(tap) ** 2
            for tap in STYLE_TAPS
        }
        self.whiteners: Grams = {}  # V by tap; none: the gradient is the published one

    def whiten(self, taps: Sequence[str]) -> None:
        """From now on the gradients of `taps`, and no others, are whitened."""
        self.whiteners = {tap: whitener(self.target[tap]) for tap in taps}

    def raw_gram(self, tap: str, f: Tensor, weights: Tensor | None) -> Tensor:
        """G · Σω (C, C), or (C + 1, C + 1) for a metric, from `f` (m, C) and its own `weights` (m,)."""
        return raw_gram(f, weights, augmented=tap in self.metrics)

    def loss(self, raw_grams: Grams) -> tuple[Tensor, Grams]:
        """The loss (0-d) over the taps in `raw_grams`, and dL/d(raw Gram matrix) by tap."""
        loss: Tensor | None = None
        slopes: Grams = {}
        for tap, raw in raw_grams.items():
            metric = self.metrics.get(tap)
            error = through(metric, raw / self.total_weights[tap]) - self.target[tap]  # G − A (N, N)
            part = self.factors[tap] * error.square().sum()
            loss = part if loss is None else loss + part
            if tap in self.whiteners:
                error = self.whiteners[tap] @ error @ self.whiteners[tap]
            slope = 2 * self.factors[tap] / self.total_weights[tap] * error
            slopes[tap] = slope if metric is None else metric.T @ slope @ metric
        assert loss is not None
        return loss, slopes

    @staticmethod
    def gradient(slope: Tensor, f: Tensor, weights: Tensor | None) -> Tensor:
        """dL/dF = 2 ω F dL/dG (m, C), in the precision of `f` (m, C): what it is handed on to has no more digits."""
        d, channels = (2 * slope).to(f.dtype), f.shape[1]
        # a metric adds a column of ones to F: its row of dL/dG is added to every position
        part = torch.addmm(d[channels, :channels], f, d[:channels, :channels]) if len(d) > channels else f @ d
        return part if weights is None else part.mul_(weights[:, None])


def total_variation(image: Tensor, tv: float, *, wrap: bool, accumulate_into: Tensor) -> Tensor:
    """Total variation with squared differences (Mahendran & Vedaldi 2015, β = 2), per pixel of `image` (1, 3, H, W),
    times `tv`. Its gradient is added to `accumulate_into` (1, 3, H, W).
    """
    loss = torch.zeros((), device=image.device)
    if not tv:
        return loss
    scale = tv / (image.shape[2] * image.shape[3])
    for axis in (2, 3):
        if wrap:
            step = image.roll(-1, axis) - image  # (1, 3, H, W)
            accumulate_into += 2 * scale * (step.roll(1, axis) - step)
        else:
            step = image.diff(dim=axis)  # (1, 3, H - 1, W) or (1, 3, H, W - 1)
            length = step.shape[axis]
            accumulate_into.narrow(axis, 0, length).sub_(2 * scale * step)
            accumulate_into.narrow(axis, 1, length).add_(2 * scale * step)
        loss = loss + scale * step.square().sum()
    return loss


def range_penalty(image: Tensor, *, accumulate_into: Tensor) -> Tensor:
    """RANGE times the mean square of what will be clamped when `image` (1, 3, H, W) is saved. Its gradient is added to
    `accumulate_into` (1, 3, H, W).
    """
    outside = image - image.clamp(0, 1)
    scale = RANGE / image.numel()
    accumulate_into += 2 * scale * outside
    return scale * outside.square().sum()
