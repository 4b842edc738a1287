"""Measures that no look optimises: of a saved painting against its content and its style.

`swd`, patches and `content` read taps that no loss of any look reads. `to_style` says how well the painting's patches
are known in the style, `coverage` how much of the style is found in the painting. `off_palette` is the share of pixels
that are farther than a just noticeable difference from every colour of the style. Lower is better, but for `edges`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from tests.bench import evaluate
from torch import Tensor
from torch.nn import functional

from vaporbrush_daemon.engine.color_transfer import luma, oklab

TAPS = (17, 24, 26)  # relu3_4, relu4_3 and relu4_4, torchvision's indices; `brushwork` reads all before relu3_4
POSITIONS = 2048  # of a tap that are compared, evenly spread
NOTICEABLE = 0.02  # of OKLab's distance: what one just sees (Ottosson 2020)
COLOURS = 4096  # of a style, evenly spread over its pixels
EDGE_SHARE = 0.1  # of the pixels that count as edges: the steepest
BINS = 8  # of a colour histogram, along each axis of RGB


@dataclass(frozen=True)
class Measures:
    """What a painting is worth by them."""

    swd: float
    to_style: float
    coverage: float
    edges: float  # F1, 0 to 1
    histogram: float
    off_palette: float
    content: float  # distance to the content on held-out taps: what pairs are matched by


def measured(painting: Path, content: Path, style: Path, weights: Path) -> Measures:
    """Of a saved painting. Content and style are brought to its size."""
    image = evaluate.read(painting)
    size = image.shape[3], image.shape[2]
    original = evaluate.fitted(evaluate.read(content), *size)
    model = evaluate.read(style)
    factor = max(size) / max(model.shape[2:])
    model = evaluate.fitted(model, round(model.shape[3] * factor), round(model.shape[2] * factor))
    ours, theirs, wanted = (activations(one, weights) for one in (image, model, original))
    swd = [evaluate.wasserstein(ours[index], theirs[index]) for index in TAPS]
    there, back = zip(*(patches(ours[index], theirs[index]) for index in TAPS), strict=True)
    return Measures(
        sum(swd) / len(swd),
        sum(there) / len(there),
        sum(back) / len(back),
        edge_f1(image, original),
        histogram_distance(image, model),
        off_palette(image, model),
        content_distance(ours, wanted),
    )


@torch.no_grad()
def activations(image: Tensor, weights: Path) -> dict[int, Tensor]:
    """Rows (M, C) of the held-out taps by torchvision's index."""
    found, x = {}, (image - evaluate.MEAN) / evaluate.STD
    for index, layer in enumerate(evaluate.network(weights)):
        x = layer(x)
        if index in TAPS:
            found[index] = x[0].flatten(1).T
        if index == TAPS[-1]:
            break
    return found


def spread(rows: Tensor, count: int) -> Tensor:
    """At most `count` of the rows, evenly spread."""
    return rows if len(rows) <= count else rows[torch.linspace(0, len(rows) - 1, count).long()]


def patches(ours: Tensor, theirs: Tensor) -> tuple[float, float]:
    """Mean cosine distance of (M, C) to the nearest of (M', C), and the other way round, centred on the style."""
    mean = theirs.mean(0)
    a, b = (functional.normalize(spread(one, POSITIONS) - mean, dim=1) for one in (ours, theirs))
    cosines = a @ b.T
    return float(1 - cosines.max(1).values.mean()), float(1 - cosines.max(0).values.mean())


def content_distance(ours: dict[int, Tensor], wanted: dict[int, Tensor]) -> float:
    """Mean squared difference of unit features over the held-out taps, as LPIPS without its learnt weights."""
    parts = [
        (functional.normalize(ours[index], dim=1) - functional.normalize(wanted[index], dim=1)).square().sum(1).mean()
        for index in TAPS
    ]
    return float(torch.stack(parts).mean())


def edge_map(image: Tensor) -> Tensor:
    """The steepest pixels (H, W) by Sobel's gradient."""
    kernel = torch.tensor([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]]).view(1, 1, 3, 3)
    grey = functional.pad(luma(image), (1, 1, 1, 1), mode="replicate")
    steep = torch.hypot(functional.conv2d(grey, kernel), functional.conv2d(grey, kernel.transpose(2, 3)))[0, 0]
    limit = steep.flatten().kthvalue(int((1 - EDGE_SHARE) * steep.numel())).values
    return steep > limit


def edge_f1(image: Tensor, content: Tensor) -> float:
    """F1 of the painting's edges against the content's, a pixel's shift forgiven."""
    ours, theirs = edge_map(image), edge_map(content)
    near = [functional.max_pool2d(one[None, None].float(), 3, 1, 1)[0, 0] > 0 for one in (ours, theirs)]
    precision = float((ours & near[1]).sum()) / max(1, int(ours.sum()))
    recall = float((theirs & near[0]).sum()) / max(1, int(theirs.sum()))
    return 2 * precision * recall / max(1e-9, precision + recall)


def histogram_distance(image: Tensor, style: Tensor) -> float:
    """Half the sum of the differences of two colour histograms: 0 the same, 1 nothing in common."""
    found = []
    for one in (image, style):
        cells = (one[0].flatten(1) * BINS).long().clamp(0, BINS - 1)  # (3, H*W)
        flat = (cells[0] * BINS + cells[1]) * BINS + cells[2]
        found.append(torch.bincount(flat, minlength=BINS**3) / len(flat))
    return float((found[0] - found[1]).abs().sum() / 2)


def off_palette(image: Tensor, style: Tensor) -> float:
    """The share of pixels whose colour the style does not have."""
    pixels, colours = (oklab(one)[0].flatten(1).T for one in (image, style))  # (M, 3)
    colours = spread(colours, COLOURS)
    far = [torch.cdist(part, colours).min(1).values > NOTICEABLE for part in pixels.split(8192)]
    return float(torch.cat(far).float().mean())
