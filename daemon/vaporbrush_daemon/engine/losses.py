"""The losses of Gatys, Ecker & Bethge (2016) and their gradients, in closed form.

Notation: F (M, N) a tap's activations, one row per position; G = Fᵀ diag(ω) F its Gram matrix (N, N), with Σω = 1, so
that without a mask ω = 1/M; A the style's Gram matrix; P the content's activations.

    style    = Σ_regions share · Σ_taps w · mean_{N²} (G − A)²      w = 1/N² unless the recipe says otherwise
    content  = Σ (F − P)² / (N M)
    total    = content + strength · style + tv · variation + RANGE · Σ (outside of [0, 1])² / (3 H W)

The paper's E_l = Σ(FᵀF − AᵀA)² / (4 N² M²) is a quarter of our mean_{N²}(G − A)²; 1/N² is what Gatys' released code
weighs it with. Dividing the content term by N M, which the paper does not, makes one strength mean the same at every
size.

A painting first approaches by the whitened style loss, mean_{N²}(V^½ (G − A) V^½)² with V from `grams.whitener`, whose
gradient has V (G − A) V where the published one has G − A; and then settles in the published one: the minimum that
it ends in is Gatys', only the way there is shorter.

The gradients are written down instead of derived by autograd: 2 ω F (dL/dG) for a tap, which costs one product where
autograd costs two, and which is what makes exact tiling possible: the statistics are summed over all tiles before any
gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import CONTENT_LAYER, STYLE_LAYERS, Pool

from .features import PUBLISHED_WIDTHS, STRIDES, TAPS, Network
from .grams import Grams, position_weights, raw_gram, rows, summable, through, whitener

# The penalty on values outside [0, 1], in units of the total loss per mean squared excursion. Without it the loss of
# the saved (clamped) picture is a multiple of the optimised one's; see tests/bench/NOTES.md.
RANGE = 1e8
MARGIN = 80  # pixels around a tile: conv5_1 sees 78 to each side, rounded up to the stride of its tap


@dataclass(frozen=True)
class Weighting:
    """How much each term counts. `taps` are the five w, in the order of STYLE_LAYERS."""

    strength: float
    taps: tuple[float, ...]
    tv: float = 0.0


@dataclass(frozen=True)
class Region:
    """Where a style applies: its Gram matrices, its share of the style loss, and (H, W) weights (None: everywhere)."""

    target: Grams
    share: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True)
class Losses:
    """The terms as they enter the total (0-d tensors on the device): `style` includes the strength."""

    content: Tensor
    style: Tensor
    variation: Tensor
    range: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        return self.content + self.style + self.variation + self.range


def tap_weights(relative: Sequence[float] | None) -> tuple[float, ...]:
    """The five w. Relative weights are scaled to the default ones' sum, so that the strength keeps its meaning."""
    default = tuple(1.0 / PUBLISHED_WIDTHS[tap] ** 2 for tap in STYLE_LAYERS)
    if relative is None:
        return default
    scale = sum(default) / sum(relative)
    return tuple(weight * scale for weight in relative)


@dataclass(frozen=True)
class Tile:
    """Rows and columns: `outer` goes through the network, `inner` counts. Outer ones may lie beyond the edges if
    wrapped.
    """

    outer: tuple[int, int, int, int]  # top, bottom, left, right
    inner: tuple[int, int, int, int]


def tiles(width: int, height: int, side: int | None, *, wrap: bool = False) -> list[Tile]:
    """Cover an image by tiles whose inner parts are at most `side` (a multiple of 16) pixels; None: one tile."""
    whole = (0, height, 0, width)
    if side is None or (width <= side and height <= side):
        return [Tile(whole, whole)]

    def spans(length: int) -> list[tuple[int, int, int, int]]:
        if length <= side:
            return [(0, length, 0, length)]
        found = []
        for start in range(0, length, side):
            end = min(length, start + side)
            if end < length and length - end < 16:  # a remainder without a single relu5_1 goes to its neighbour
                end = length
            low, high = start - MARGIN, end + MARGIN
            found.append((low if wrap else max(0, low), high if wrap else min(length, high), start, end))
            if end == length:
                break
        return found

    return [
        Tile((top, bottom, left, right), (top_in, bottom_in, left_in, right_in))
        for top, bottom, top_in, bottom_in in spans(height)
        for left, right, left_in, right_in in spans(width)
    ]


class Objective:
    """The total loss of an image of one size, and its gradient.

    Holds the content's activations and the regions' targets. With several tiles the image passes the network twice:
    once to sum the Gram matrices over all tiles, once to pull the gradients back; the result is that of one pass over
    all.
    """

    def __init__(
        self,
        network: Network,
        content: Tensor,
        regions: Sequence[Region],
        weighting: Weighting,
        *,
        pool: Pool = "max",
        wrap: bool = False,
        tile: int | None = None,
        frugal: bool = False,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.network, self.regions, self.weighting = network, tuple(regions), weighting
        self.pool, self.wrap, self.frugal, self.alive = pool, wrap, frugal, alive
        self.style_taps: tuple[str, ...]
        self.whiteners: list[Grams]  # of each region
        self.settle()
        height, width = content.shape[2:]
        self.tiles = tiles(width, height, tile, wrap=wrap)
        self.positions = {tap: (height // stride) * (width // stride) for tap, stride in STRIDES.items()}  # M
        self.region_totals = [  # Σω of each region and tap
            {tap: self._total(region.mask, tap, (height, width)) for tap in STYLE_LAYERS} for region in self.regions
        ]
        with torch.no_grad():
            self.content = [  # wherever the image lives
                self._taps(self._cut(content, t), t, (CONTENT_LAYER,))[CONTENT_LAYER].to(content.device)
                for t in self.tiles
            ]

    def approach(self, taps: tuple[str, ...]) -> None:
        """From now on, gradients of the whitened style loss, over `taps` alone: leaving out the deepest saves what lies
        before it. The losses told stay Gatys', of these taps.
        """
        self.style_taps = taps
        self.whiteners = [{tap: whitener(region.target[tap]) for tap in taps} for region in self.regions]

    def settle(self) -> None:
        """From now on, the gradient of the published loss."""
        self.style_taps = STYLE_LAYERS
        self.whiteners = [{} for _ in self.regions]

    def __call__(self, image: Tensor) -> tuple[Losses, Tensor]:
        """`image` (1, 3, H, W) fp32. The losses there and their gradient (see `approach`), of the image's shape."""
        gradient = torch.zeros_like(image)
        if len(self.tiles) == 1:
            leaf = self._cut(image, self.tiles[0]).detach().requires_grad_()
            taps = self._taps(leaf, self.tiles[0])
            style, slopes = self._style(self._sums([taps]))
            content, pulls = self._pulls(taps, 0, slopes)
            gradient = torch.autograd.grad(list(taps.values()), leaf, pulls)[0].to(image.device)
        else:
            with torch.no_grad():
                style, slopes = self._style(
                    self._sums(self._taps(self._cut(image, t), t, self.style_taps) for t in self.tiles)
                )
            content = torch.zeros((), device=self.network.device)
            for number, t in enumerate(self.tiles):
                leaf = self._cut(image, t).detach().requires_grad_()
                taps = self._taps(leaf, t)
                part, pulls = self._pulls(taps, number, slopes)
                content = content + part
                self._paste(gradient, torch.autograd.grad(list(taps.values()), leaf, pulls)[0], t)
        variation, range_ = self._smoothness(image, gradient), self._excess(image, gradient)
        return Losses(content, style, variation.to(content.device), range_.to(content.device)), gradient

    # -- style ---------------------------------------------------------------------------------------------------------

    def _sums(self, passes: object) -> list[Grams]:
        """The Gram matrices of each region, summed over the tiles (ω not normalised)."""
        sums: list[Grams] = [{} for _ in self.regions]
        for t, taps in zip(self.tiles, passes, strict=True):  # type: ignore[call-overload]
            for region, grams in zip(self.regions, sums, strict=True):
                for tap in self.style_taps:
                    raw = raw_gram(
                        rows(taps[tap]).detach(),
                        self._weights(region.mask, tap, t),
                        augmented=tap in self.network.metrics,
                    )
                    grams[tap] = grams[tap] + raw if tap in grams else raw
        return sums

    def _style(self, sums: list[Grams]) -> tuple[Tensor, list[Grams]]:
        """The style loss, and for each region and tap dL/d(raw Gram matrix) (N, N)."""
        loss, slopes = torch.zeros((), device=self.network.device), []
        for region, grams, totals, whiteners in zip(
            self.regions, sums, self.region_totals, self.whiteners, strict=True
        ):
            slope: Grams = {}
            for tap, weight in zip(self.style_taps, self.weighting.taps, strict=False):
                metric, n = self.network.metrics.get(tap), self.network.normaliser(tap)
                error = through(metric, grams[tap] / totals[tap]) - region.target[tap]
                factor = self.weighting.strength * region.share * weight / n**2
                loss = loss + factor * error.square().sum()
                if tap in whiteners:
                    error = whiteners[tap] @ error @ whiteners[tap]
                d = 2 * factor / totals[tap] * error
                slope[tap] = d if metric is None else metric.T @ d @ metric
            slopes.append(slope)
        return loss, slopes

    # -- content, and everything pulled back to the taps ---------------------------------------------------------------

    def _pulls(self, taps: Mapping[str, Tensor], number: int, slopes: list[Grams]) -> tuple[Tensor, list[Tensor]]:
        """The content loss of one tile, and dL/d(tap) for each of `taps`, in their layout and precision."""
        content, pulls = torch.zeros((), device=self.network.device), []
        for tap, value in taps.items():
            own = rows(value).detach()
            if tap == CONTENT_LAYER:
                features = summable(own)
                difference = features - rows(self.content[number]).to(features.device)
                metric = self.network.metrics.get(tap)
                scale = 1.0 / (self.network.normaliser(tap) * self.positions[tap])
                mapped = difference if metric is None else difference @ (metric[:, :-1].T @ metric[:, :-1])
                content = scale * (difference * mapped).sum()
                pull = 2 * scale * mapped
            else:
                # in the network's own precision: what it hands on to the convolutions has no more digits
                pull = torch.zeros_like(own)
                for region, slope in zip(self.regions, slopes, strict=True):
                    d, n = (2 * slope[tap]).to(own.dtype), own.shape[1]
                    part = own @ d[:n, :n]
                    if len(d) > n:  # the column of ones that a metric adds
                        part = part + d[n, :n]
                    weights = self._weights(region.mask, tap, self.tiles[number])
                    pull += part if weights is None else part * weights[:, None].to(own.dtype)
            pulls.append(pull.to(value.dtype).view(1, *value.shape[2:], -1).permute(0, 3, 1, 2))
        return content, pulls

    # -- terms of the image itself -------------------------------------------------------------------------------------

    def _smoothness(self, image: Tensor, gradient: Tensor) -> Tensor:
        """Total variation with squared differences (Mahendran & Vedaldi 2015, β = 2), per pixel."""
        if not self.weighting.tv:
            return torch.zeros((), device=image.device)
        loss, scale = torch.zeros((), device=image.device), self.weighting.tv / (image.shape[2] * image.shape[3])
        for axis in (2, 3):
            if self.wrap:
                step = image.roll(-1, axis) - image
                gradient += 2 * scale * (step.roll(1, axis) - step)
            else:
                step = image.diff(dim=axis)
                length = step.shape[axis]
                gradient.narrow(axis, 0, length).sub_(2 * scale * step)
                gradient.narrow(axis, 1, length).add_(2 * scale * step)
            loss = loss + scale * step.square().sum()
        return loss

    def _excess(self, image: Tensor, gradient: Tensor) -> Tensor:
        """The penalty on values that will be clamped when the picture is saved."""
        outside = image - image.clamp(0, 1)
        scale = RANGE / image.numel()
        gradient += 2 * scale * outside
        return scale * outside.square().sum()

    # -- tiles ---------------------------------------------------------------------------------------------------------

    def _indices(self, t: Tile, image: Tensor) -> tuple[Tensor, Tensor]:
        top, bottom, left, right = t.outer
        height, width = image.shape[2:]
        return (
            torch.arange(top, bottom, device=image.device) % height,
            torch.arange(left, right, device=image.device) % width,
        )

    def _cut(self, image: Tensor, t: Tile) -> Tensor:
        if len(self.tiles) == 1:
            return image.to(self.network.device)
        r, c = self._indices(t, image)
        return image.index_select(2, r).index_select(3, c).to(self.network.device)

    def _paste(self, gradient: Tensor, part: Tensor, t: Tile) -> None:
        r, c = self._indices(t, gradient)
        flat = (r[:, None] * gradient.shape[3] + c).flatten()  # positions; with wrapping a tile may meet itself
        gradient[0].flatten(1).index_add_(1, flat, part[0].flatten(1).to(gradient.device))

    def _taps(self, image: Tensor, t: Tile, wanted: Sequence[str] = ()) -> dict[str, Tensor]:
        """The taps of a tile, cut to its inner part."""
        self.alive()
        wanted = wanted or (*self.style_taps, CONTENT_LAYER)
        found = self.network(
            image, pool=self.pool, wrap=self.wrap, frugal=self.frugal, taps={tap: TAPS[tap] for tap in wanted}
        )
        if t.outer == t.inner:
            return found
        inner = {}
        for tap, value in found.items():
            top, bottom, left, right = self._span(t, tap)
            y, x = t.outer[0] // STRIDES[tap], t.outer[2] // STRIDES[tap]
            inner[tap] = value[:, :, top - y : bottom - y, left - x : right - x]
        return inner

    @staticmethod
    def _span(t: Tile, tap: str) -> tuple[int, int, int, int]:
        top, bottom, left, right = (edge // STRIDES[tap] for edge in t.inner)
        return top, bottom, left, right

    def _weights(self, mask: Tensor | None, tap: str, t: Tile) -> Tensor | None:
        """ω of a tile's inner positions, not normalised (h*w,)."""
        if mask is None:
            return None
        height, width = mask.shape
        size = (height // STRIDES[tap], width // STRIDES[tap])
        weights = position_weights(mask, tap, size)
        assert weights is not None
        top, bottom, left, right = self._span(t, tap)
        return weights.view(size)[top:bottom, left:right].flatten().to(self.network.device)

    def _total(self, mask: Tensor | None, tap: str, size: tuple[int, int]) -> Tensor:
        """Σω over the whole image."""
        weights = position_weights(mask, tap, (size[0] // STRIDES[tap], size[1] // STRIDES[tap]))
        if weights is None:
            return torch.tensor(float(self.positions[tap]), device=self.network.device)
        return weights.sum().clamp(min=1e-6).to(self.network.device)
