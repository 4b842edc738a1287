"""The losses of Gatys, Ecker & Bethge (2016) and their gradients, in closed form.

Notation: F (M, N) a tap's activations, one row per position; G = Fᵀ diag(ω) F its Gram matrix (N, N), with Σω = 1, so
that without a mask ω = 1/M; A the style's Gram matrix; P the content's activations.

    style    = Σ_regions share · Σ_taps w · mean_{N²} (G − A)²      w = 1/N² unless the recipe says otherwise
    content  = Σ (F − P)² / (N M)
    total    = content + strength · style + tv · variation + RANGE · Σ (outside of [0, 1])² / (3 H W)

The paper's E_l = Σ(FᵀF − AᵀA)² / (4 N² M²) is a quarter of our mean_{N²}(G − A)²; 1/N² is what Gatys' released code
weighs it with. Dividing the content term by N M, which the paper does not, makes one strength mean the same at every
size.

Where style is nearly all of the loss, a painting first approaches by the whitened style loss,
mean_{N²}(V^½ (G − A) V^½)² with V from `grams.whitener`, whose gradient has V (G − A) V where the published one has
G − A; and then settles in the published one: the minimum that it ends in is Gatys', only the way there is shorter.

The gradients are written down instead of derived by autograd: 2 ω F (dL/dG) for a tap, which costs one product where
autograd costs two, and which is what makes exact tiling possible: the statistics are summed over all tiles before any
gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS, Pool

from .features import PUBLISHED_WIDTHS, TAPS, Network, Trace
from .grams import Grams, positions, raw_gram, rows, summable, through, whitener
from .tiles import Tile, position_weights, tiles

# The penalty on values outside [0, 1], in units of the total loss per mean squared excursion. Without it the loss of
# the saved (clamped) picture is a multiple of the optimised one's; see tests/bench/NOTES.md.
RANGE = 1e8


@dataclass(frozen=True)
class Weighting:
    """How much each term counts. `taps` are the five w, in the order of STYLE_TAPS."""

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
    default = tuple(1.0 / PUBLISHED_WIDTHS[tap] ** 2 for tap in STYLE_TAPS)
    if relative is None:
        return default
    scale = sum(default) / sum(relative)
    return tuple(weight * scale for weight in relative)


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
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self.network, self.regions, self.weighting = network, tuple(regions), weighting
        self.pool, self.wrap, self.alive = pool, wrap, alive
        self.style_taps: tuple[str, ...]
        self.whiteners: list[Grams]  # of each region
        self.aim(STYLE_TAPS, whitened=False)
        height, width = content.shape[2:]
        self.tiles = tiles(width, height, tile, wrap=wrap)
        self.pooled = [  # ω of each region and tap
            {tap: position_weights(region.mask, tap) for tap in STYLE_TAPS} for region in self.regions
        ]
        self.totals = [  # Σω
            {tap: positions(pooled[tap], tap, width, height) for tap in STYLE_TAPS} for pooled in self.pooled
        ]
        self.content_positions = positions(None, CONTENT_TAP, width, height)
        with torch.no_grad():
            self.content = [  # wherever the image lives
                t.inside(self._taps(content, t, (CONTENT_TAP,))[CONTENT_TAP], CONTENT_TAP).to(content.device)
                for t in self.tiles
            ]

    def aim(self, taps: tuple[str, ...], *, whitened: bool) -> None:
        """From now on, gradients of the style loss over `taps` alone (leaving out the deepest saves what lies before
        it), whitened or as published. The losses told stay the published ones, of these taps.
        """
        self.style_taps = taps
        self.whiteners = [
            {tap: whitener(region.target[tap]) for tap in taps} if whitened else {} for region in self.regions
        ]

    def __call__(self, image: Tensor) -> tuple[Losses, Tensor]:
        """`image` (1, 3, H, W) fp32. The losses there and their gradient (see `aim`), of the image's shape."""
        gradient = torch.zeros_like(image)
        traces: Iterable[Trace] = (self._trace(image, t) for t in self.tiles)
        if len(self.tiles) == 1:  # one pass is enough: what the statistics are taken from goes back too
            traces = list(traces)
            style, slopes = self._style(self._sums(trace.taps for trace in traces))
        else:
            style, slopes = self._style(self._sums(self._taps(image, t, self.style_taps) for t in self.tiles))
        content = torch.zeros((), device=self.network.device)
        for number, (t, trace) in enumerate(zip(self.tiles, traces, strict=True)):
            content = content + self._content(trace.taps[CONTENT_TAP], number)
            t.paste(gradient, self.network.back(trace, partial(self._pull, number, slopes), t.size))
        variation, range_ = self._smoothness(image, gradient), self._excess(image, gradient)
        return Losses(content, style, variation.to(content.device), range_.to(content.device)), gradient

    # -- style ---------------------------------------------------------------------------------------------------------

    def _sums(self, passes: Iterable[Mapping[str, Tensor]]) -> list[Grams]:
        """The Gram matrices of each region, summed over the tiles (ω not normalised)."""
        sums: list[Grams] = [{} for _ in self.regions]
        for t, taps in zip(self.tiles, passes, strict=True):
            for pooled, grams in zip(self.pooled, sums, strict=True):
                for tap in self.style_taps:
                    raw = raw_gram(
                        rows(t.inside(taps[tap], tap)),
                        self._weights(pooled[tap], tap, t),
                        augmented=tap in self.network.metrics,
                    )
                    grams[tap] = grams[tap] + raw if tap in grams else raw
        return sums

    def _style(self, sums: list[Grams]) -> tuple[Tensor, list[Grams]]:
        """The style loss, and for each region and tap dL/d(raw Gram matrix) (N, N)."""
        loss, slopes = torch.zeros((), device=self.network.device), []
        for region, grams, totals, whiteners in zip(self.regions, sums, self.totals, self.whiteners, strict=True):
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

    def _content(self, value: Tensor, number: int) -> Tensor:
        """The content loss of one tile."""
        difference, mapped, scale = self._difference(value, number)
        return scale * (difference * mapped).sum()

    def _difference(self, value: Tensor, number: int) -> tuple[Tensor, Tensor, float]:
        """F − P of one tile's inner part (M, N), the same through the metric, and 1 / (N M) of the whole image."""
        features = summable(rows(self.tiles[number].inside(value, CONTENT_TAP)))
        difference = features - rows(self.content[number]).to(features.device)
        metric = self.network.metrics.get(CONTENT_TAP)
        mapped = difference if metric is None else difference @ (metric[:, :-1].T @ metric[:, :-1])
        return difference, mapped, 1.0 / (self.network.normaliser(CONTENT_TAP) * self.content_positions)

    def _pull(self, number: int, slopes: list[Grams], tap: str, value: Tensor) -> Tensor:
        """dL/d(tap) of one tile, in the shape, layout and precision of its activations `value`."""
        t = self.tiles[number]
        inner = t.inside(value, tap)
        own = rows(inner)
        if tap == CONTENT_TAP:
            _, mapped, scale = self._difference(value, number)
            pull = (2 * scale * mapped).to(value.dtype)
        else:
            # in the network's own precision: what it hands on to the convolutions has no more digits
            parts = []
            for pooled, slope in zip(self.pooled, slopes, strict=True):
                d, n = (2 * slope[tap]).to(own.dtype), own.shape[1]
                # a metric adds a column of ones
                part = torch.addmm(d[n, :n], own, d[:n, :n]) if len(d) > n else own @ d
                weights = self._weights(pooled[tap], tap, t)
                parts.append(part if weights is None else part.mul_(weights[:, None]))
            pull = sum(parts[1:], parts[0])
        shaped = pull.view(1, *inner.shape[2:], -1).permute(0, 3, 1, 2)
        if t.outer == t.inner:
            return shaped
        whole = torch.zeros_like(value)
        t.inside(whole, tap).copy_(shaped)
        return whole

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

    def _taps(self, image: Tensor, t: Tile, wanted: Sequence[str]) -> dict[str, Tensor]:
        """The taps of a tile and its margins."""
        self.alive()
        taps = {tap: TAPS[tap] for tap in wanted}
        return self.network(t.cut(image).to(self.network.device), pool=self.pool, wrap=self.wrap, taps=taps)

    def _trace(self, image: Tensor, t: Tile) -> Trace:
        """The same, of all taps that count now, ready to go back."""
        self.alive()
        taps = (*self.style_taps, CONTENT_TAP)
        return self.network.trace(t.cut(image).to(self.network.device), taps, pool=self.pool, wrap=self.wrap)

    def _weights(self, pooled: Tensor | None, tap: str, t: Tile) -> Tensor | None:
        """ω of a tile's inner positions (m,), where the network is."""
        weights = t.weights(pooled, tap)
        return None if weights is None else weights.to(self.network.device)
