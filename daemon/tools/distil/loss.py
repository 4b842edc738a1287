"""What the student is measured by: the variance of the teacher's taps that it explains, and Gram differences."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from data import Maps
from network import FAST, STYLE_TAPS, TAPS, Vgg, rows
from torch import Tensor

#: Weight of each tap in the loss. The deep taps learn slowest and carry the large strokes.
TAP_WEIGHTS = {"relu1_1": 0.6, "relu2_1": 0.8, "relu3_1": 1.0, "relu4_1": 1.4, "relu4_2": 1.0, "relu5_1": 1.8}
#: Weight of the Gram error beside the unexplained variance: it is what paintings are wrong by (relu4_1 most of all).
GRAM_WEIGHT = 2.0
AVERAGE, RIDGE = 0.985, 1e-4
#: The least ridge, of the mean energy of a channel: a channel that is dead just now must not end the training.
LEAST_RIDGE = 1e-9
#: Steps for which a solved map is used again.
MAP_AGE = 4


@dataclass
class Taught:
    """A batch and what the teacher makes of it: taps (B, P, N) in bf16, their Gram matrices (B, N, N) in fp32."""

    images: Tensor
    taps: dict[str, Tensor]
    grams: dict[str, Tensor]


@torch.no_grad()
def teach(teacher: Vgg, images: Tensor) -> Taught:
    taps, grams = {}, {}
    for name, tap in teacher(images).items():
        full = rows(tap)
        grams[name] = full.transpose(1, 2) @ full / full.shape[1]
        taps[name] = full.bfloat16()
    return Taught(images, taps, grams)


@dataclass
class Learner:
    """A student, its optimiser, and the running averages from which its maps to the teacher are solved."""

    net: Vgg
    optimiser: torch.optim.Optimizer
    own: dict[str, Tensor] = field(default_factory=dict)  # tap: mean of [s; 1][s; 1]', (n+1, n+1)
    cross: dict[str, Tensor] = field(default_factory=dict)  # tap: mean of [s; 1] t', (n+1, N)
    spread: dict[str, Tensor] = field(default_factory=dict)  # tap: variance of the teacher's tap, summed over channels
    seen: dict[str, int] = field(default_factory=dict)  # tap: batches observed
    solved: Maps = field(default_factory=dict)

    def observe(self, name: str, own: Tensor, cross: Tensor, spread: Tensor) -> None:
        count = self.seen[name] = self.seen.get(name, 0) + 1
        fresh = max(1 / count, 1 - AVERAGE)  # a plain mean at first: no batch may dominate
        for store, new in ((self.own, own), (self.cross, cross), (self.spread, spread)):
            store[name] = new if count == 1 else (1 - fresh) * store[name] + fresh * new

    def map(self, name: str) -> Tensor:
        """(n+1, N): the ridge solution; the bias (last row) is not shrunk, and a dead channel is not used."""
        own = self.own[name].double()
        shrink = RIDGE * own.diagonal() + LEAST_RIDGE * own.diagonal().mean()
        shrink[-1] = 0
        return torch.linalg.solve(own + shrink.diag(), self.cross[name].double()).float()

    def maps(self) -> Maps:
        return {name: self.map(name) for name in TAPS}


def forward(net: Vgg, images: Tensor) -> dict[str, Tensor]:
    """Convolutions in FAST on fp32 weights."""
    with torch.autocast("cpu", FAST, enabled=FAST is torch.bfloat16):
        taps: dict[str, Tensor] = net(images)
    return taps


def gram_error(predicted: Tensor, true: Tensor) -> Tensor:
    """How wrong the Gram *differences* of neighbouring pictures are: ΔG is all that a style loss sees.

    `predicted`, `true`: (B, N, N). Pairs that differ little count against a tenth of their own size.
    """
    wrong = predicted - true
    wrong = (wrong - wrong.roll(1, 0)).square().sum((1, 2))
    size = true.square().sum((1, 2))
    apart = (true - true.roll(1, 0)).square().sum((1, 2)) + 0.05 * (size + size.roll(1, 0))
    return (wrong / apart).mean()


def compare(learner: Learner, taught: Taught, *, observe: bool) -> dict[str, tuple[Tensor, Tensor]]:
    """Per tap: the share of the teacher's variance that the mapped student leaves unexplained, and the Gram error.

    Both need only second moments (|T - S W|^2 = tr T'T - 2 tr W'S'T + tr W'S'S W), never the mapped features.
    """
    figures = {}
    for name, tap in forward(learner.net, taught.images).items():
        s = rows(tap)
        s = torch.cat([s, torch.ones(*s.shape[:2], 1)], 2)  # (B, P, n+1)
        t = taught.taps[name].float()  # (B, P, N)
        own = s.transpose(1, 2) @ s / s.shape[1]
        cross = s.transpose(1, 2) @ t / s.shape[1]
        true = taught.grams[name]
        energy = true.diagonal(dim1=1, dim2=2).sum(1).mean()
        if observe:
            spread = energy - t.mean((0, 1)).square().sum()
            learner.observe(name, own.detach().mean(0), cross.detach().mean(0), spread)
        if name not in learner.solved or (observe and learner.seen[name] % MAP_AGE == 0):
            learner.solved[name] = learner.map(name)
        w = learner.solved[name]
        carried = own @ w  # (B, n+1, N)
        left = energy - 2 * (w * cross.mean(0)).sum() + (w * carried.mean(0)).sum()
        predicted = w.T @ carried
        figures[name] = (left / learner.spread[name], gram_error(predicted, true))
    return figures


def loss_of(figures: dict[str, tuple[Tensor, Tensor]]) -> Tensor:
    total = torch.zeros(())
    for name, (left, wrong) in figures.items():
        total = total + TAP_WEIGHTS[name] * (left + (GRAM_WEIGHT * wrong if name in STYLE_TAPS else 0))
    return total
