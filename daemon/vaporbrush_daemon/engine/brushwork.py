"""The look `brushwork`: every position of the painting is painted by the style's position that resembles it most.

After neural neighbour style transfer (Kolkin et al. 2022, arXiv 2203.13215), with φ(x)_p the hypercolumn of picture x
at position p, each tap scaled so that all have the same say in the style:

    BrushworkLoss    BRUSH · strength · share · Σ_p ω_p (1 − cos(φ(x)_p, t_p) + LENGTH (‖φ(x)_p‖ / ‖t_p‖ − 1)²)

with Σω = 1.

The target t_p is the style's hypercolumn of largest cosine to the matched picture's at p, both centred on their own
mean. It is chosen once per phase and then fixed, so the loss is smooth, and L-BFGS may build on it. In the last phases,
the split finish, every tap has a target and a cosine of its own, which is what cleans the grain.

Where we deviate: the term with LENGTH, as a cosine does not mind whether a picture's contrast doubles, and at a high
strength it did; the content has the loss that it has in every look; taps are averaged, not sampled (`hypercolumns`);
the finish fixes its targets too. The gradient is written down: for a tap F with T its part of t and k its scale

    dL/dF = −ω k² (T / ‖t‖ − (cos / ‖φ‖ + 2 LENGTH (‖φ‖ / ‖t‖ − 1) / ‖t‖) F) / ‖φ‖

needs two numbers per position of all taps together, so a tile needs nothing of the others. Of a target only its place
in the style is kept, and its features are fetched where they are needed: the picture's size costs no memory here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import Pool

from .grams import rows, summable
from .hypercolumns import BRUSH_TAPS, GRID, gather, grid_of, inner_span, span
from .matching import Match, Search, shared_out
from .network import Network
from .tiles import Tile, grid_weights, tiles

BRUSH = 4e5  # what one of cosine distance counts, beside the content, at strength 1
LENGTH = 0.1  # of a relative error of a hypercolumn's length, squared, beside its cosine distance
SEEN = 0.5  # alpha of a style's position from which on it is part of the style
TINY = 1e-12

Columns = dict[str, Tensor]  # by tap (M, C): the features of some positions


@dataclass(frozen=True)
class Bank:
    """The features of a style at one scale, and the mean square norm of each tap's."""

    columns: Columns
    energy: dict[str, float]

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return sum(part.nbytes for part in self.columns.values())


@dataclass(frozen=True)
class Target:
    """What positions aim at, in a group of taps that share a cosine: all of them, or each one in the split finish."""

    taps: tuple[str, ...]
    index: Tensor  # (rows, columns): the place in the styles
    norm: Tensor  # (M',): ‖t‖ of every place in the styles


@dataclass(frozen=True)
class Slope:
    """Of one tap: dL/dF = of_target · t + of_self · F."""

    place: Tensor  # (m,): of t in the styles
    of_target: Tensor  # (m, 1)
    of_self: Tensor  # (m, 1)


def passes(
    network: Network,
    image: Tensor,
    pieces: Sequence[Tile],
    *,
    pool: Pool = "max",
    wrap: bool = False,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Tile, Columns]]:
    """Each tile of `image` (1, 3, H, W) with the features of its inner positions, in the network's precision."""
    for piece in pieces:
        alive()
        with torch.no_grad():
            taps = network(piece.cut(image).to(network.device), pool=pool, wrap=wrap, taps=BRUSH_TAPS)
        yield piece, {tap: inner_rows(taps.pop(tap), tap, piece, wrap=wrap) for tap in BRUSH_TAPS}


def inner_rows(tap: Tensor, name: str, t: Tile, *, wrap: bool) -> Tensor:
    """The features (m, C) of a tile's inner positions, from its whole tap (1, C, h, w)."""
    on_grid = gather(tap, name, grid_of(*t.size), wrap=wrap and t.whole)
    if not t.whole:
        y, x = inner_span(t)
        on_grid = on_grid[:, :, y, x]
    return rows(on_grid)


def shape_of(t: Tile) -> tuple[int, int]:
    """Rows and columns of positions in a tile's inner part."""
    y, x = span(t)
    return y.stop - y.start, x.stop - x.start


def style_bank(
    network: Network,
    image: Tensor,
    alpha: Tensor | None,
    *,
    pool: Pool = "max",
    tile: int | None = None,
    quarters: int = 1,
    alive: Callable[[], None] = lambda: None,
) -> Bank:
    """The features of a style `image` (1, 3, H, W) where its `alpha` (H, W) shows it; with `quarters` 4 also of the
    style turned by 90, 180 and 270 degrees, so that its strokes may run any way.
    """
    parts: dict[str, list[Tensor]] = {tap: [] for tap in BRUSH_TAPS}
    shown = None if alpha is None else (grid_weights(alpha, GRID) > SEEN)
    if shown is not None and not bool(shown.any()):
        shown = None  # nowhere opaque: then all of it is as good as the rest
    for turn in range(quarters):
        turned = torch.rot90(image, turn, (2, 3))
        kept = None if shown is None else torch.rot90(shown, turn, (0, 1))
        pieces = tiles(turned.shape[3], turned.shape[2], tile)
        for piece, columns in passes(network, turned, pieces, pool=pool, alive=alive):
            own = None if kept is None else kept[span(piece)].flatten().to(network.device)
            for tap in BRUSH_TAPS:
                part = columns.pop(tap)
                parts[tap].append(part if own is None else part[own])
    whole = {tap: torch.cat(own) if len(own) > 1 else own[0] for tap, own in parts.items()}
    energy = torch.stack([summable(f).square().sum(1).mean() for f in whole.values()]).tolist()  # in one transfer
    return Bank(whole, dict(zip(whole, energy, strict=True)))


class BrushworkLoss:
    """BRUSH · strength · share · Σ_p ω_p (1 − cos(φ_p, t_p) + …) over one region of an image."""

    def __init__(
        self, banks: Sequence[Bank], weights: Sequence[float], factor: float, mask: Tensor | None, size: tuple[int, int]
    ) -> None:
        """`banks` and `weights` are of the region's styles; `factor` = strength · share; `mask` (H, W); `size` of the
        image (height, width).
        """
        total = sum(weights)
        self.banks, self.shares = banks, [weight / total for weight in weights]
        self.scales = {  # k: then each tap's mean square norm in the styles is 1
            tap: (sum(w * b.energy[tap] for w, b in zip(self.shares, banks, strict=True)) + TINY) ** -0.5
            for tap in BRUSH_TAPS
        }
        self.columns = {  # of all the styles, one after the other (M', C)
            tap: torch.cat([b.columns[tap] for b in banks]) if len(banks) > 1 else banks[0].columns[tap]
            for tap in BRUSH_TAPS
        }
        self.grid = grid_of(*size)
        self.weights = None if mask is None else grid_weights(mask, GRID)  # ω, not normalised: (rows, columns)
        self.total = self.positions if self.weights is None else max(1e-6, float(self.weights.sum()))  # Σω
        self.factor = BRUSH * factor / self.total
        self.targets: list[Target] = []

    @property
    def positions(self) -> int:
        """M, those outside of the region too."""
        return self.grid[0] * self.grid[1]

    def match(self, seen: Callable[[], Iterable[tuple[Tile, Columns]]], *, split: bool) -> None:
        """Choose the targets for a picture, each of whose tiles `seen()` gives with its features, as often as asked."""
        groups = [(tap,) for tap in BRUSH_TAPS] if split else [BRUSH_TAPS]
        sums = [torch.zeros(()) for _ in groups]
        for t, columns in seen():
            w = self._weights(t)
            for number, group in enumerate(groups):
                features = self._joined(columns, group)
                part = features.sum(0) if w is None else w.to(features) @ features
                sums[number] = sums[number].to(part) + part
        means = [each / self.total for each in sums]  # (ΣC,)
        searches = [
            [Search(self._joined(bank.columns, group), self.positions) for bank in self.banks] for group in groups
        ]
        found: list[list[list[tuple[Tile, Match]]]] = [[[] for _ in self.banks] for _ in groups]
        for t, columns in seen():
            for group, mean, search, own in zip(groups, means, searches, found, strict=True):
                queries = self._joined(columns, group)
                for one, matches in zip(search, own, strict=True):
                    matches.append((t, one(queries, mean)))
        self.targets = [
            Target(group, self._chosen(own), self._norm(group)) for group, own in zip(groups, found, strict=True)
        ]

    def _chosen(self, found: Sequence[Sequence[tuple[Tile, Match]]]) -> Tensor:
        """The place of each position's target among all styles' (rows, columns), from each style's matches by tile."""
        whole = []
        for matches in found:
            index = matches[0][1].index.new_empty(self.grid)
            cosine = matches[0][1].cosine.new_empty(self.grid)
            for t, match in matches:
                index[span(t)], cosine[span(t)] = match.index.view(shape_of(t)), match.cosine.view(shape_of(t))
            whole.append(Match(index.flatten(), cosine.flatten()))
        chosen = whole[0].index
        if len(whole) > 1:
            owner = shared_out(whole, self.shares)
            first = 0
            for number, (bank, match) in enumerate(zip(self.banks, whole, strict=True)):
                chosen = torch.where(owner == number, match.index + first, chosen)
                first += len(bank.columns[BRUSH_TAPS[0]])
        return chosen.view(self.grid)

    def _norm(self, group: Sequence[str]) -> Tensor:
        """‖t‖ (M',) of all candidates, over the taps of a group."""
        squares = [summable(self.columns[tap]).square().sum(1) * self.scales[tap] ** 2 for tap in group]
        return (torch.stack(squares).sum(0) + TINY).sqrt()

    def _joined(self, columns: Columns, group: Sequence[str]) -> Tensor:
        """The taps of a group side by side, each in its scale: (M, ΣC) fp32."""
        return torch.cat([summable(columns[tap]) * self.scales[tap] for tap in group], 1)

    def loss(self, t: Tile, features: Columns) -> tuple[Tensor, dict[str, Slope]]:
        """The loss (0-d) of a tile with `features` (m, C) by tap, and what `gradient` makes dL/dF of."""
        weights = self._weights(t)
        factor = self.factor / len(self.targets)
        loss = torch.zeros((), device=self.columns[BRUSH_TAPS[0]].device)
        slopes: dict[str, Slope] = {}
        for target in self.targets:
            place = target.index[span(t)].flatten()  # (m,)
            dots, squares = [], []
            for tap in target.taps:
                f = summable(features[tap])
                dots.append((f * self.columns[tap][place]).sum(1) * self.scales[tap] ** 2)
                squares.append(f.square().sum(1) * self.scales[tap] ** 2)
            norm, length = (torch.stack(squares).sum(0) + TINY).sqrt(), target.norm[place]  # ‖φ‖, ‖t‖ (m,)
            cosine = torch.stack(dots).sum(0) / (norm * length)
            w = factor if weights is None else factor * weights.to(norm)
            stretch = norm / length - 1
            loss = loss + (w * (1 - cosine + LENGTH * stretch.square())).sum()
            for tap in target.taps:
                by = w * self.scales[tap] ** 2 / norm
                slopes[tap] = Slope(
                    place, (-by / length)[:, None], (by * (cosine / norm + 2 * LENGTH * stretch / length))[:, None]
                )
        return loss, slopes

    def gradient(self, tap: str, f: Tensor, slope: Slope) -> Tensor:
        """dL/dF (m, C) in the precision of `f` (m, C)."""
        return (self.columns[tap][slope.place] * slope.of_target.to(f.dtype)).addcmul_(f, slope.of_self.to(f.dtype))

    def _weights(self, t: Tile) -> Tensor | None:
        """ω of a tile's inner positions (m,)."""
        return None if self.weights is None else self.weights[span(t)].flatten()
