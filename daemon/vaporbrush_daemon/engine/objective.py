"""The total loss of an image and its gradient, from the network's pass over the whole image or over its tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS, Pool

from .grams import Grams, rows
from .losses import ContentLoss, Losses, Region, StyleLoss, Weighting, range_penalty, total_variation
from .network import Network, Tape
from .tiles import Tile, tiles


class Objective:
    """L = content + style of all regions + total variation + range penalty, for images of one size; see `losses`.

    With several tiles the image passes the network twice: once to sum the Gram matrices over all tiles, once more for
    the gradients. The result is that of one pass over the whole image.
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
        """`content` (1, 3, H, W) fp32 in [0, 1], on any device; `wrap`: opposite edges are neighbours; `tile`: side in
        pixels, a multiple of 16, None for one pass over the whole. `alive` is called before each tile, and may raise.
        """
        height, width = content.shape[2:]
        self.network, self.pool, self.wrap, self.alive, self.tv = network, pool, wrap, alive, weighting.tv
        self.taps: tuple[str, ...] = STYLE_TAPS  # whose style loss counts
        self.tiles = tiles(width, height, tile, wrap=wrap)
        self.styles = [StyleLoss(network, region, weighting, width, height) for region in regions]
        self.content = ContentLoss(network, width, height)
        with torch.no_grad():
            self.content_activations = [  # P of each tile's inner part (1, C, h, w), wherever the image is
                t.inside(self._activations(content, t, (CONTENT_TAP,))[CONTENT_TAP], CONTENT_TAP).to(content.device)
                for t in self.tiles
            ]

    def aim(self, taps: tuple[str, ...], *, whitened: bool) -> None:
        """From now on the style loss is that of `taps` alone, its gradient whitened or as published. Without the
        deepest tap, what lies before it is left out of the network too.
        """
        self.taps = taps
        for style in self.styles:
            style.whiten(taps if whitened else ())

    def __call__(self, image: Tensor) -> tuple[Losses, Tensor]:
        """The losses at `image` (1, 3, H, W) fp32, and dL/d(image) of the same shape, on the same device."""
        gradient = torch.zeros_like(image)
        tapes: Iterable[Tape] = (self._record(image, t) for t in self.tiles)
        if len(self.tiles) == 1:  # the same pass serves both
            tapes = list(tapes)
            sums = self._raw_grams(tape.taps for tape in tapes)
        else:
            sums = self._raw_grams(self._activations(image, t, self.taps) for t in self.tiles)
        found = [style.loss(grams) for style, grams in zip(self.styles, sums, strict=True)]
        slopes = [slope for _, slope in found]
        content = torch.zeros((), device=self.network.device)
        for number, (t, tape) in enumerate(zip(self.tiles, tapes, strict=True)):
            content = content + self._content_loss(number, tape.taps[CONTENT_TAP])
            t.paste(gradient, self.network.backward(tape, partial(self._tap_gradient, number, slopes), t.size))
        variation = total_variation(image, self.tv, wrap=self.wrap, accumulate_into=gradient)
        penalty = range_penalty(image, accumulate_into=gradient)
        style = torch.stack([loss for loss, _ in found]).sum() if len(found) > 1 else found[0][0]
        return Losses(content, style, variation.to(content.device), penalty.to(content.device)), gradient

    def _raw_grams(self, passes: Iterable[Mapping[str, Tensor]]) -> list[Grams]:
        """The Gram matrices of each region, summed over the tiles and not yet divided by Σω."""
        sums: list[Grams] = [{} for _ in self.styles]
        for t, activations in zip(self.tiles, passes, strict=True):
            for style, grams in zip(self.styles, sums, strict=True):
                for tap in self.taps:
                    f = rows(t.inside(activations[tap], tap))  # (m, C)
                    raw = style.raw_gram(tap, f, self._weights(style, tap, t))
                    grams[tap] = grams[tap] + raw if tap in grams else raw
        return sums

    def _content_loss(self, number: int, activations: Tensor) -> Tensor:
        """The part of one tile, from its activations (1, C, h, w)."""
        f = rows(self.tiles[number].inside(activations, CONTENT_TAP))
        return self.content.loss(f, rows(self.content_activations[number]))

    def _tap_gradient(self, number: int, slopes: Sequence[Grams], tap: str, activations: Tensor) -> Tensor:
        """dL/d(activations) of one tile, in their shape (1, C, h, w), layout and precision."""
        t = self.tiles[number]
        inner = t.inside(activations, tap)
        f = rows(inner)  # (m, C)
        if tap == CONTENT_TAP:
            gradient = self.content.gradient(f, rows(self.content_activations[number])).to(f.dtype)
        else:
            parts = [
                style.gradient(slope[tap], f, self._weights(style, tap, t))
                for style, slope in zip(self.styles, slopes, strict=True)
            ]
            gradient = sum(parts[1:], parts[0])
        shaped = gradient.view(1, *inner.shape[2:], -1).permute(0, 3, 1, 2)
        if t.whole:
            return shaped
        padded = torch.zeros_like(activations)  # the margins count for nothing
        t.inside(padded, tap).copy_(shaped)
        return padded

    def _activations(self, image: Tensor, t: Tile, taps: Sequence[str]) -> dict[str, Tensor]:
        """The taps (1, C, h, w) of a tile, margins and all."""
        self.alive()
        return self.network(t.cut(image).to(self.network.device), pool=self.pool, wrap=self.wrap, taps=taps)

    def _record(self, image: Tensor, t: Tile) -> Tape:
        """The same of all taps that count now, to go back from."""
        self.alive()
        taps = (*self.taps, CONTENT_TAP)
        return self.network.record(t.cut(image).to(self.network.device), taps, pool=self.pool, wrap=self.wrap)

    def _weights(self, style: StyleLoss, tap: str, t: Tile) -> Tensor | None:
        """ω of a tile's inner positions (m,), where the network is."""
        weights = t.weights(style.weights[tap], tap)
        return None if weights is None else weights.to(self.network.device)
