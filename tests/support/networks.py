"""Small networks and pictures for the engine's tests."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaporbrush_daemon.engine.network import Network, Weights
from vaporbrush_daemon.engine.vgg19 import BLOCKS

WIDTHS = (5, 6, 7, 8, 9)  # of the blocks of a network small enough for finite differences
LOUD = 300.0  # brings a metric's losses to the size of VGG19's, which the range penalty is made for


def random_weights(*, metric: bool = False) -> Weights:
    """VGG19's shape with few channels and random filters."""
    generator = torch.Generator().manual_seed(7)
    convs, channels = {}, 3
    for block, width in zip(BLOCKS, WIDTHS, strict=True):
        for conv in block:
            scale = (2 / (9 * channels)) ** 0.5
            convs[conv.index] = (
                torch.randn(width, channels, 3, 3, generator=generator) * scale,
                torch.randn(width, generator=generator) * 0.1,
            )
            channels = width
    weights = Weights("tiny", convs, {})
    if not metric:
        return weights
    metrics = {tap: LOUD * torch.randn(n + 1, n + 1, generator=generator).triu() for tap, n in weights.widths.items()}
    return Weights("tiny", convs, metrics)


def tiny() -> Network:
    """A random network in double precision."""
    return Network(random_weights(), torch.device("cpu"), torch.float64)


def tiny_with_metric() -> Network:
    """The same with a metric for every tap."""
    network = Network(random_weights(metric=True), torch.device("cpu"), torch.float64)
    network.metrics = {tap: metric.double() for tap, metric in network.metrics.items()}
    return network


def picture(height: int, width: int, seed: int = 0) -> Tensor:
    """Smooth noise (1, 3, H, W) in [0, 1], double precision."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, max(2, height // 6), max(2, width // 6), generator=generator, dtype=torch.float64)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (smooth + 0.1 * torch.randn(1, 3, height, width, generator=generator, dtype=torch.float64)).clamp(0, 1)


def layer(height: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    """The same as an opaque layer (H, W, 4)."""
    rgb = picture(height, width, seed)[0].permute(1, 2, 0).float().numpy()
    return np.concatenate([rgb, np.ones_like(rgb[..., :1])], axis=2)
