"""The total loss of an image and its gradient, from the network's pass over the whole image or over its tiles.

`Objective` holds what all looks share; each look adds the term that speaks of the style.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS, Pool

from .brushwork import BrushworkLoss, Slope, inner_rows, passes, shape_of
from .gamut import GamutLoss
from .grams import Grams, rows
from .hold import Hold, HoldLoss
from .hypercolumns import BRUSH_TAPS, grid_of, inner_span, scatter
from .lines import LinesLoss
from .losses import ContentLoss, Losses, Region, StyleLoss, Weighting, range_penalty, total_variation
from .network import Network, Tape
from .phases import Phase
from .tiles import Tile, tiles
from .transfer import Fetched, Sent, Transfer

TapGradient = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Canvas:
    """What of a painting's scale every look's objective needs."""

    network: Network
    content: Tensor  # (1, 3, H, W) fp32 in [0, 1], on any device
    weighting: Weighting
    pool: Pool = "max"
    wrap: bool = False  # opposite edges are neighbours
    tile: int | None = None  # side in pixels, a multiple of 16; None for one pass over the whole
    alive: Callable[[], None] = lambda: None  # called before each tile, and may raise
    gamut: GamutLoss | None = None  # None: any colour will do
    transfer: Transfer | None = None  # between the network's device and the host, where the content may be
    hold: Hold | None = None  # what is kept of a film's earlier frames


class Objective(ABC):
    """L = content + style of all regions + lines + total variation + range penalty + what is held, for images of one
    size.
    """

    def __init__(self, canvas: Canvas) -> None:
        height, width = canvas.content.shape[2:]
        self.canvas, self.network = canvas, canvas.network
        self.transfer = canvas.transfer or Transfer(canvas.network.device)
        self.tiles = tiles(width, height, canvas.tile, wrap=canvas.wrap)
        self.content = ContentLoss(self.network, width, height)
        self.lines = LinesLoss(canvas.content, canvas.weighting.lines, wrap=canvas.wrap)
        self.hold = HoldLoss(canvas.hold)
        here = canvas.content.device
        with torch.no_grad():
            self.content_activations = [  # P of each tile's inner part (1, C, h, w), wherever the image is
                self.transfer.kept(t.inside(self._activations(part, (CONTENT_TAP,))[CONTENT_TAP], CONTENT_TAP).to(here))
                for t, part in self._brought(canvas.content)
            ]

    @abstractmethod
    def aim(self, phase: Phase, image: Tensor) -> None:
        """A phase begins, with the painting at `image` (1, 3, H, W): what is wanted from now on."""

    @abstractmethod
    def _passes(self, image: Tensor) -> Iterable[tuple[Tape, Tensor | None, TapGradient]]:
        """For each tile what its pass recorded, the style's loss (0-d; None where another tile's holds it all), and
        the style's part of the gradient of a tap.
        """

    def __call__(self, image: Tensor) -> tuple[Losses, Tensor]:
        """The losses at `image` (1, 3, H, W) fp32, and dL/d(image) of the same shape, on the same device."""
        gradient = torch.zeros_like(image)
        content = style = torch.zeros((), device=self.network.device)
        under_way: tuple[Tile, Fetched] | None = None  # to the host, while the next tile is worked on
        for number, (t, (tape, part, of_style)) in enumerate(zip(self.tiles, self._passes(image), strict=True)):
            content = content + self._content_loss(number, tape.taps[CONTENT_TAP])
            style = style if part is None else style + part
            own = self.network.backward(tape, partial(self._tap_gradient, number, of_style), t.size)
            if not self.transfer.far(gradient):
                t.paste(gradient, own)
                continue
            if under_way is not None:
                under_way[0].paste(gradient, under_way[1].get())
            under_way = t, self.transfer.fetch(own)
        if under_way is not None:
            under_way[0].paste(gradient, under_way[1].get())
        weighting = self.canvas.weighting
        variation = total_variation(image, weighting.tv, wrap=self.canvas.wrap, accumulate_into=gradient)
        penalty = range_penalty(image, accumulate_into=gradient)
        lines = self.lines(image, accumulate_into=gradient)
        hold = self.hold(image, accumulate_into=gradient)
        gamut = torch.zeros_like(lines)
        if self.canvas.gamut is not None:
            gamut = self.canvas.gamut(image, accumulate_into=gradient)
        terms = (one.to(content.device) for one in (variation, penalty, lines, hold, gamut))
        return Losses(content, style, *terms), gradient

    def _content_loss(self, number: int, activations: Tensor) -> Tensor:
        """The part of one tile, from its activations (1, C, h, w)."""
        f = rows(self.tiles[number].inside(activations, CONTENT_TAP))
        return self.content.loss(f, rows(self.content_activations[number]))

    def _tap_gradient(self, number: int, of_style: TapGradient, tap: str, activations: Tensor) -> Tensor:
        """dL/d(activations) of one tile, in their shape (1, C, h, w), layout and precision."""
        if tap != CONTENT_TAP:
            return of_style(tap, activations)
        t = self.tiles[number]
        inner = t.inside(activations, tap)
        f = rows(inner)  # (m, C)
        gradient = self.content.gradient(f, rows(self.content_activations[number])).to(f.dtype)
        own = widened(t, tap, gradient.view(1, *inner.shape[2:], -1).permute(0, 3, 1, 2), activations)
        return own if tap not in self.style_taps else own + of_style(tap, activations)

    @property
    @abstractmethod
    def style_taps(self) -> tuple[str, ...]:
        """The taps whose style loss counts now."""

    def _brought(self, image: Tensor) -> Iterator[tuple[Tile, Tensor]]:
        """Each tile with its part of the image (1, 3, h, w), margins and all, where the network is. The next part is on
        its way while one is worked on.
        """
        following: Sent | None = None
        for t, after in zip(self.tiles, [*self.tiles[1:], None], strict=True):
            part = following or self.transfer.send(t.cut(image))
            following = None
            if after is not None and self.transfer.far(image):
                following = self.transfer.send(after.cut(image))
            self.canvas.alive()
            yield t, part.get()

    def _activations(self, part: Tensor, taps: Sequence[str]) -> dict[str, Tensor]:
        """The taps (1, C, h, w) of a tile's part of an image."""
        return self.network(part, pool=self.canvas.pool, wrap=self.canvas.wrap, taps=taps)

    def _record(self, part: Tensor) -> Tape:
        """The same of all taps that count now, to go back from."""
        taps = tuple({*self.style_taps, CONTENT_TAP})
        return self.network.record(part, taps, pool=self.canvas.pool, wrap=self.canvas.wrap)


class TextureObjective(Objective):
    """The look `texture`, see `losses.StyleLoss`.

    With several tiles the image passes the network twice: once to sum the Gram matrices over all tiles, once more for
    the gradients. The result is that of one pass over the whole image.
    """

    def __init__(self, canvas: Canvas, regions: Sequence[Region]) -> None:
        height, width = canvas.content.shape[2:]
        self._taps: tuple[str, ...] = STYLE_TAPS
        self.styles = [StyleLoss(canvas.network, region, canvas.weighting, width, height) for region in regions]
        super().__init__(canvas)

    @property
    def style_taps(self) -> tuple[str, ...]:
        """See `Objective`. Without the deepest one, what lies before it is left out of the network too."""
        return self._taps

    def aim(self, phase: Phase, image: Tensor) -> None:  # noqa: ARG002 - a style's statistics ask for no picture
        """See `Objective`."""
        self._taps = phase.taps
        for style in self.styles:
            style.whiten(phase.taps if phase.whitened else ())

    def _passes(self, image: Tensor) -> Iterable[tuple[Tape, Tensor | None, TapGradient]]:
        tapes: Iterable[Tape] = (self._record(part) for _, part in self._brought(image))
        if len(self.tiles) == 1:  # the same pass serves both
            tapes = list(tapes)
            sums = self._raw_grams(tape.taps for tape in tapes)
        else:
            sums = self._raw_grams(self._activations(part, self.style_taps) for _, part in self._brought(image))
        found = [style.loss(grams) for style, grams in zip(self.styles, sums, strict=True)]
        slopes = [slope for _, slope in found]
        loss: Tensor | None = torch.stack([loss for loss, _ in found]).sum() if len(found) > 1 else found[0][0]
        for t, tape in zip(self.tiles, tapes, strict=True):
            yield tape, loss, partial(self._style_gradient, t, slopes)
            loss = None

    def _raw_grams(self, passes: Iterable[Mapping[str, Tensor]]) -> list[Grams]:
        """The Gram matrices of each region, summed over the tiles and not yet divided by Σω."""
        sums: list[Grams] = [{} for _ in self.styles]
        for t, activations in zip(self.tiles, passes, strict=True):
            for style, grams in zip(self.styles, sums, strict=True):
                for tap in self.style_taps:
                    f = rows(t.inside(activations[tap], tap))  # (m, C)
                    raw = style.raw_gram(tap, f, self._weights(style, tap, t))
                    grams[tap] = grams[tap] + raw if tap in grams else raw
        return sums

    def _style_gradient(self, t: Tile, slopes: Sequence[Grams], tap: str, activations: Tensor) -> Tensor:
        inner = t.inside(activations, tap)
        f = rows(inner)  # (m, C)
        parts = [
            style.gradient(slope[tap], f, self._weights(style, tap, t))
            for style, slope in zip(self.styles, slopes, strict=True)
        ]
        gradient = sum(parts[1:], parts[0])
        return widened(t, tap, gradient.view(1, *inner.shape[2:], -1).permute(0, 3, 1, 2), activations)

    def _weights(self, style: StyleLoss, tap: str, t: Tile) -> Tensor | None:
        """ω of a tile's inner positions (m,), where the network is."""
        weights = t.weights(style.weights[tap], tap)
        return None if weights is None else weights.to(self.network.device)


class BrushworkObjective(Objective):
    """The look `brushwork`, see `brushwork.BrushworkLoss`. A position needs nothing of the others, so one pass serves
    every tile.
    """

    style_taps = BRUSH_TAPS

    def __init__(self, canvas: Canvas, regions: Sequence[BrushworkLoss]) -> None:
        self.styles = regions
        super().__init__(canvas)

    def aim(self, phase: Phase, image: Tensor) -> None:
        """See `Objective`. The matched picture is the content as far as the painting may not have its own way yet; the
        split finish goes on from what is painted.
        """
        share = phase.of_content
        matched = (image.clamp(0, 1) * (1 - share)).add_(self.canvas.content, alpha=share)
        canvas = self.canvas
        see = partial(passes, self.network, matched, self.tiles, pool=canvas.pool, wrap=canvas.wrap, alive=canvas.alive)
        if len(self.tiles) == 1:  # its features are small enough to be kept
            once = list(see())
            for style in self.styles:
                style.match(lambda: once, split=phase.split)
        else:
            for style in self.styles:
                style.match(see, split=phase.split)

    def _passes(self, image: Tensor) -> Iterable[tuple[Tape, Tensor | None, TapGradient]]:
        for t, part in self._brought(image):
            tape = self._record(part)
            features = {tap: inner_rows(tape.taps[tap], tap, t, wrap=self.canvas.wrap) for tap in BRUSH_TAPS}
            found = [style.loss(t, features) for style in self.styles]
            del features  # made again when the backward pass gets there: less is held
            slopes = [each for _, each in found]
            yield tape, torch.stack([loss for loss, _ in found]).sum(), partial(self._style_gradient, t, slopes)

    def _style_gradient(self, t: Tile, slopes: Sequence[Mapping[str, Slope]], tap: str, activations: Tensor) -> Tensor:
        wrap = self.canvas.wrap and t.whole
        f = inner_rows(activations, tap, t, wrap=self.canvas.wrap)  # (m, C)
        parts = [style.gradient(tap, f, own[tap]) for style, own in zip(self.styles, slopes, strict=True)]
        gradient = sum(parts[1:], parts[0]).view(1, *shape_of(t), -1).permute(0, 3, 1, 2)
        if not t.whole:
            y, x = inner_span(t)
            padded = gradient.new_zeros(1, gradient.shape[1], *grid_of(*t.size))
            padded[:, :, y, x] = gradient
            gradient = padded
        return scatter(gradient, activations, tap, wrap=wrap)


def widened(t: Tile, tap: str, inner: Tensor, activations: Tensor) -> Tensor:
    """The gradient of a tile's inner part (1, C, h, w), with zeros in the margins, which count for nothing."""
    if t.whole:
        return inner
    padded = torch.zeros_like(activations)
    t.inside(padded, tap).copy_(inner)
    return padded
