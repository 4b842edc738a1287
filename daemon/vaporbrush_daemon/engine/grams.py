"""Gram matrices: of an image's taps, through a metric, and what whitens the difference of two.

F (M, N) are a tap's activations, one row per position; G = Fᵀ diag(ω) F with Σω = 1 is its Gram matrix (N, N).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import STYLE_TAPS, Pool

from .network import Network
from .tiles import position_weights, tiles
from .vgg19 import STRIDES

CHUNK = 2**22  # numbers of a tap that are held in fp32 at once: 16 MiB
# How much a whitened difference evens out the style's spectrum (1: entirely), and the share of the largest eigenvalue
# below which it does not: what is smaller is noise to the eye and to the loss. Measured in tests/bench/NOTES.md.
WHITENING = 0.7
FLOOR = 1e-2

Grams = dict[str, Tensor]  # by tap, (N, N) fp32 each


def rows(tap: Tensor) -> Tensor:
    """F: (1, C, h, w) channels-last to (h*w, C), without a copy."""
    return tap.permute(0, 2, 3, 1).flatten(0, 2)


def summable(features: Tensor) -> Tensor:
    """In fp32 at least: sums over positions never run in half precision, whose range and digits they exceed."""
    return features.to(torch.promote_types(features.dtype, torch.float32))


def raw_gram(features: Tensor, weights: Tensor | None, *, augmented: bool) -> Tensor:
    """Fᵀ diag(ω) F (N, N), at least fp32, of `features` F (M, N) and `weights` ω (M,), not normalised; None: all 1.

    `augmented` borders it as if F had a column of ones, (N + 1, N + 1): what a metric maps.
    """
    channels = features.shape[1]
    size = channels + augmented
    dtype = torch.promote_types(features.dtype, torch.float32)
    whole = torch.zeros(size, size, device=features.device, dtype=dtype)
    gram, border = whole[:channels, :channels], whole[-1]
    rows_at_once = max(1, CHUNK // channels)
    for start in range(0, len(features), rows_at_once):
        f = summable(features[start : start + rows_at_once])
        w = None if weights is None else weights[start : start + rows_at_once]
        weighted = f if w is None else f * w[:, None]
        gram.addmm_(f.T, weighted)
        if augmented:
            border[:channels] += weighted.sum(0)  # (N,)
        del f, weighted  # before the next ones are made
    if augmented:
        whole[:channels, -1] = border[:channels]
        if weights is None:
            whole[-1, -1:].fill_(len(features))  # a number that is assigned travels to the device first
        else:
            whole[-1, -1] = weights.sum()
    return whole


def through(metric: Tensor | None, gram: Tensor) -> Tensor:
    """A Gram matrix (n, n) in the published network's inner product, by R (K, n): R G Rᵀ. Without a metric itself."""
    return gram if metric is None else metric @ gram @ metric.T


def style_statistics(
    network: Network,
    image: Tensor,
    mask: Tensor | None,
    *,
    pool: Pool = "max",
    tile: int | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Grams:
    """The five Gram matrices of a style `image` (1, 3, H, W) in [0, 1], over the positions that `mask` (H, W) weighs.

    Image and mask may be in the computer's memory: one tile of `tile` pixels a side at a time is brought to the
    network's device. `alive` is called before each, and may raise to end this.
    """
    sums: Grams = {}
    device, (height, width) = network.device, image.shape[2:]
    weights = {tap: position_weights(mask, tap) for tap in STYLE_TAPS}
    for piece in tiles(width, height, tile):
        alive()
        with torch.no_grad():
            taps = network(piece.cut(image).to(device), pool=pool)
        for tap in STYLE_TAPS:
            own = piece.weights(weights[tap], tap)
            raw = raw_gram(
                rows(piece.inside(taps.pop(tap), tap)),
                None if own is None else own.to(device),
                augmented=tap in network.metrics,
            )
            sums[tap] = sums[tap] + raw if tap in sums else raw
    return {
        tap: through(network.metrics.get(tap), raw / total_weight(weights[tap], tap, width, height))
        for tap, raw in sums.items()
    }


def total_weight(weights: Tensor | None, tap: str, width: int, height: int) -> float:
    """Σω over an image, from its `position_weights` (h, w); without a mask M, the number of a tap's positions."""
    if weights is None:
        return float((height // STRIDES[tap]) * (width // STRIDES[tap]))
    return max(1e-6, float(weights.sum()))


def whitener(target: Tensor) -> Tensor:
    """The symmetric V (N, N) such that in V (G − A) V the small eigenvalues of A (`target`, (N, N)) weigh nearly as
    much as the large.

    An activation along an eigenvector of A moves the Gram matrix as much as the eigenvalue is large, and a style's
    eigenvalues span four decades: in ‖G − A‖² the small ones converge slowly, and with them the picture. V is
    (A/λ₁)^−WHITENING, with a floor, and 1 along the first eigenvector, so that no direction counts less than before.
    """
    # on the CPU everywhere: some devices lack eigh, and none is faster at a matrix of this size
    values, vectors = torch.linalg.eigh(target.cpu().nan_to_num())  # the loss will say what is wrong
    relative = values.clamp(min=0) / values[-1].clamp(min=torch.finfo(values.dtype).tiny)
    gains = ((relative + FLOOR) / (1 + FLOOR)) ** -WHITENING
    v: Tensor = (vectors * gains) @ vectors.T
    return v.to(target.device)
