"""Which of a style's hypercolumns paint which positions of a picture: nearest neighbours by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

CHUNK = 2**24  # similarities that are held at once: 64 MiB in fp32
# Products of a search without reduced features, in multiply-adds: so much costs about as much as two steps at 256 px
EXACT = 2**36
REDUCED = 192  # numbers of a reduced feature: a first choice, not yet measured against the exact search
CANDIDATES = 2**15  # positions of a style among which is searched: all of one of 720 × 720 pixels
ROUNDS = 60  # in which several styles share the picture out


@dataclass(frozen=True)
class Match:
    """For each position the place of its nearest candidate, and their cosine."""

    index: Tensor  # (M,) int64
    cosine: Tensor  # (M,) fp32


class Search:
    """For queries the candidate of largest cosine, both centred on their own mean: what distinguishes positions from
    each other, not what a whole picture has in common.
    """

    def __init__(self, candidates: Tensor, positions: int, *, exact: int = EXACT) -> None:
        """`candidates` (M', C) fp32. Where the search for `positions` queries would cost more than `exact`
        multiply-adds, it is done in the candidates' main directions.
        """
        self.chosen: Tensor | None = None
        if len(candidates) > CANDIDATES:  # evenly spread, the same ones every time
            self.chosen = torch.linspace(0, len(candidates) - 1, CANDIDATES, device=candidates.device).long()
            candidates = candidates[self.chosen]
        count, channels = candidates.shape
        candidates = candidates - candidates.mean(0)
        self.axes: Tensor | None = None
        if positions * count * channels > exact and channels > REDUCED:
            self.axes = principal(candidates, REDUCED)  # (C, REDUCED)
            candidates = candidates @ self.axes
        # of unit length within the subspace too: what a candidate has outside of it no query could tell
        self.directions = unit(candidates)

    def __call__(self, queries: Tensor, mean: Tensor) -> Match:
        """For `queries` (M, C) fp32 of which `mean` (C,) is to be taken off."""
        best, cosines = [], []
        for part in torch.split(queries, max(1, CHUNK // max(1, len(self.directions)))):
            centred = part - mean
            if self.axes is not None:
                centred = centred @ self.axes
            cosine, index = (unit(centred) @ self.directions.T).max(1)
            best.append(index)
            cosines.append(cosine)
        index = torch.cat(best)
        return Match(index if self.chosen is None else self.chosen[index], torch.cat(cosines))


def unit(features: Tensor) -> Tensor:
    """Rows (M, C) of length 1."""
    return functional.normalize(features, dim=1)


def principal(features: Tensor, count: int) -> Tensor:
    """Orthonormal axes (C, count) that hold most of the variance of centred `features` (M, C): subspace iteration
    (Halko, Martinsson & Tropp 2011) from fixed numbers, so that the same pictures give the same axes.
    """
    generator = torch.Generator().manual_seed(0)
    axes = torch.randn(features.shape[1], count, generator=generator).to(features)
    for _ in range(3):
        axes = features.T @ (features @ axes)  # (C, count)
        axes = torch.linalg.qr(axes.cpu())[0].to(features)  # some devices lack qr
    return axes


def shared_out(matches: Sequence[Match], weights: Sequence[float]) -> Tensor:
    """For each position (M,) the number of the style that paints it, so that each style gets its weight's share of the
    positions, and those where it fits best: a stroke belongs to one style, mixing two would give mud.
    """
    cosines = torch.stack([match.cosine for match in matches])  # (S, M)
    wanted = torch.tensor([weight / sum(weights) for weight in weights], device=cosines.device)
    handicap = torch.zeros(len(matches), 1, device=cosines.device)
    pace = cosines.std() + 1e-6
    for _ in range(ROUNDS):
        owner = (cosines + handicap).argmax(0)
        share = torch.stack([(owner == number).float().mean() for number in range(len(matches))])
        handicap = handicap + pace * (wanted - share)[:, None]
        pace = 0.95 * pace
    return (cosines + handicap.masked_fill((wanted <= 0)[:, None], -torch.inf)).argmax(0)
