"""The recipe's pictures at every scale, as the losses want them, and the regions in which each style applies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_daemon.plan import Scale
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.limits import MIN_SIDE
from vaporbrush_protocol.recipe import STYLE_TAPS, Recipe, Style

from . import color_transfer, compose
from .grams import Grams
from .hold import Earlier, Hold, hold_of
from .losses import Region
from .pyramid import resize
from .transfer import Transfer

OWN_COLOURS = ("style", "palette")  # what is painted with the style as it is
# Pixels a side of a blot of the noise that a painting may start from. The network hardly sees what varies from pixel to
# pixel, so what of it is there at the start is there at the end, as grain
BLOT = 4
NOISE = 0.15  # its spread, in units of the image's range
BOILING = 0.1  # and that of what makes a film boil, at the most
SKETCH = 256  # pixels, longest side: the size at which colours are measured


@dataclass(frozen=True)
class Pictures:
    """The recipe's pictures, decoded: float32, straight RGBA, sRGB-encoded, nominally in [0, 1]."""

    content: Floats  # (H, W, 4)
    styles: Sequence[Floats]  # (h, w, 4) each
    mask: Floats | None = None  # (H, W)
    style_masks: Sequence[Floats | None] = ()  # (H, W) each, one per style
    start: Floats | None = None  # (h, w, 3): a canvas to go on from
    held: Sequence[tuple[Floats, Floats]] = ()  # earlier frames (H, W, 4) of a film, each with its canvas (h, w, 3)


class Inputs:
    """The recipe's pictures at every scale, on one device: values in [0, 1], sizes (width, height)."""

    def __init__(
        self, recipe: Recipe, pictures: Pictures, frame: compose.Frame, device: torch.device, transfer: Transfer
    ) -> None:
        """`transfer` is of the network's device, where the pictures may be, too."""
        self.recipe, self.pictures, self.frame, self.device = recipe, pictures, frame, device
        self.cover = cover_of(recipe.styles, pictures)
        self.transfer = transfer
        self.source = compose.tensor(np.ascontiguousarray(pictures.content[frame.slices]), device)
        if not bool((self.source[:, 3] > 0).any()):
            raise VaporbrushError("bad_field", "The content is wholly transparent: there is nothing to paint.")
        self.digests: dict[int, str] = {}
        self.palette: color_transfer.Palette | None = None
        self.sketch: tuple[Tensor, Tensor | None] | None = None  # the content, small: for colours and previews

    def content(self, scale: Scale) -> tuple[Tensor, Tensor | None]:
        """RGB (1, 3, h, w) without holes, and alpha (h, w), None if opaque."""
        return self._at(scale, self.source)

    def _at(self, scale: Scale, source: Tensor) -> tuple[Tensor, Tensor | None]:
        rgb, alpha = compose.shrink(source, scale.width, scale.height, wrap=self.recipe.tileable)
        return (color_transfer.grey(rgb) if self.recipe.color == "luma" else rgb), alpha

    def hold(self, scale: Scale, content: Tensor, alpha: Tensor | None) -> Hold | None:
        """What is kept of earlier frames by one that is `content` (1, 3, h, w); None: nothing is."""
        if not self.pictures.held or self.recipe.boil >= 1:
            return None
        found = []
        for frame, canvas in self.pictures.held:
            before = self._at(scale, compose.tensor(np.ascontiguousarray(frame[self.frame.slices]), self.device))
            painted = compose.tensor(canvas, self.device)
            found.append(Earlier(*before, resize(painted, scale.width, scale.height, wrap=self.recipe.tileable)))
        return hold_of(content, alpha, found, self.recipe.boil, wrap=self.recipe.tileable)

    def start(self, scale: Scale, content: Tensor) -> Tensor:
        """What the first scale starts from (1, 3, h, w)."""
        if self.pictures.start is not None:
            return resize(
                compose.tensor(self.pictures.start, self.device), scale.width, scale.height, wrap=self.recipe.tileable
            )
        if self.recipe.start == "content":
            return content
        return (0.5 + NOISE * self._noise(scale)).clamp(0, 1)

    def begun(self, scale: Scale, hold: Hold) -> Tensor:
        """What a film's frame starts from (1, 3, h, w)."""
        return hold.begun(BOILING * self.recipe.boil * self._noise(scale) if self.recipe.boil else None)

    def _noise(self, scale: Scale) -> Tensor:
        """(1, 3, h, w), of variance 1 before it is enlarged."""
        # on the CPU: the same numbers on every device
        generator = torch.Generator().manual_seed(self.recipe.seed % 2**63)
        blots = max(1, scale.height // BLOT), max(1, scale.width // BLOT)
        return resize(torch.randn(1, 3, *blots, generator=generator).to(self.device), scale.width, scale.height,
                      wrap=self.recipe.tileable)  # fmt: skip

    def mask(self, scale: Scale) -> Tensor | None:
        """The selection (h, w), None without one."""
        return None if self.pictures.mask is None else self._mask(self.pictures.mask, scale)

    def style_masks(self, scale: Scale) -> list[Tensor | None]:
        """Each style's mask (h, w), None without one."""
        masks = self.pictures.style_masks or [None] * len(self.pictures.styles)
        return [None if mask is None else self._mask(mask, scale) for mask in masks]

    def _mask(self, mask: Floats, scale: Scale) -> Tensor:
        part = compose.tensor(np.ascontiguousarray(mask[self.frame.slices])[..., None], self.device)
        return resize(part, scale.width, scale.height)[0, 0].clamp(0, 1)

    def style_size(self, number: int, scale: Scale) -> tuple[int, int]:
        """Of a style: its longest side is `style_scale` times the painted one, its shorter one at least MIN_SIDE."""
        height, width = self.pictures.styles[number].shape[:2]
        factor = self.recipe.style_scale * max(scale.width, scale.height) / max(width, height)
        factor = max(factor, MIN_SIDE / min(width, height))
        return max(MIN_SIDE, round(width * factor)), max(MIN_SIDE, round(height * factor))

    def style(self, number: int, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """RGB (1, 3, h, w) in the colours that the recipe wants, and alpha (h, w), None if opaque."""
        source = compose.tensor(self.pictures.styles[number], self.device)
        if not bool((source[:, 3] > 0).any()):
            raise VaporbrushError("bad_field", f"Style {number + 1} is wholly transparent: there is nothing to learn.")
        rgb, alpha = compose.shrink(source, *size)
        if self.recipe.color in OWN_COLOURS:
            return rgb, alpha
        content, content_alpha = self._sketched()
        change = color_transfer.match if self.recipe.color == "match" else color_transfer.match_luma
        return change(rgb, alpha, content, content_alpha), alpha

    def style_sketched(self, number: int) -> tuple[Tensor, Tensor | None]:
        """A style at no more than SKETCH pixels, in the colours that the recipe wants."""
        height, width = self.pictures.styles[number].shape[:2]
        factor = min(1.0, SKETCH / max(width, height))
        return self.style(number, (max(1, round(width * factor)), max(1, round(height * factor))))

    def _sketched(self) -> tuple[Tensor, Tensor | None]:
        """The framed content at no more than SKETCH pixels, in its own colours. Of a film it is the oldest frame that
        is known, or the same thing would have another colour as others come and go.
        """
        if self.sketch is None:
            source = self.source
            if self.pictures.held:
                oldest = self.pictures.held[-1][0]
                source = compose.tensor(np.ascontiguousarray(oldest[self.frame.slices]), self.device)
            factor = min(1.0, SKETCH / max(self.frame.width, self.frame.height))
            size = max(1, round(self.frame.width * factor)), max(1, round(self.frame.height * factor))
            self.sketch = compose.shrink(source, *size)
        return self.sketch

    def style_digest(self, number: int) -> str:
        """Names a style's pixels and what is done to their colours."""
        if number not in self.digests:
            own = self.recipe.color in OWN_COLOURS
            digest = hashlib.sha256(b"style" if own else self.recipe.color.encode())
            digest.update(np.ascontiguousarray(self.pictures.styles[number]).data)
            digest.update(repr(self.pictures.styles[number].shape).encode())
            if not own:
                for part in self._sketched():
                    digest.update(b"opaque" if part is None else part.cpu().contiguous().numpy().data)
            self.digests[number] = digest.hexdigest()
        return self.digests[number]

    def recolour(self) -> compose.Recolour | None:
        """What is done to the finished painting's colours; None: nothing."""
        if self.recipe.color == "luma":
            return color_transfer.with_luma
        if self.recipe.color != "palette":
            return None
        if self.palette is None:
            content, content_alpha = self._sketched()
            heaviest = max(range(len(self.recipe.styles)), key=lambda number: self.recipe.styles[number].weight)
            style, alpha = self.style_sketched(heaviest)
            self.palette = color_transfer.Palette.of(content, content_alpha, style, alpha)
        return self.palette

    def preview(self, image: Tensor, side: int) -> tuple[bytes, int, int]:
        """The layer as it would be delivered now: RGB8 rows, width, height."""
        height, width = self.pictures.content.shape[:2]
        factor = min(1.0, side / max(width, height), max(image.shape[2:]) / max(self.frame.width, self.frame.height))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        whole = self.frame.width == width and self.frame.height == height
        painted = image.detach().clamp(0, 1)
        recolour = self.recolour()
        if whole and recolour is None and self.recipe.blend >= 1 and self.cover is None:
            shown = resize(painted, *size).clamp(0, 1)
        else:
            base, _ = compose.shrink(compose.tensor(self.pictures.content, self.device), *size)
            left, top = round(self.frame.left * factor), round(self.frame.top * factor)
            w = max(1, min(size[0] - left, round(self.frame.width * factor)))
            h = max(1, min(size[1] - top, round(self.frame.height * factor)))
            under = base[:, :, top : top + h, left : left + w]
            part = resize(painted, w, h)
            if recolour is not None:
                part = recolour(under, part.clamp(0, 1))
            cover: Tensor | float = self.recipe.blend
            if self.cover is not None:
                mask = compose.tensor(np.ascontiguousarray(self.cover[self.frame.slices])[..., None], self.device)
                cover = self.recipe.blend * resize(mask, w, h).clamp(0, 1)
            shown = base.clone()
            shown[:, :, top : top + h, left : left + w] = under + cover * (part - under)
        data = (shown[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous()
        return self.transfer.fetch(data).get().numpy().tobytes(), size[0], size[1]


@dataclass(frozen=True)
class Area:
    """Where which styles apply together: what every look paints by."""

    styles: tuple[int, ...]  # their numbers
    share: float = 1.0  # of the style loss
    mask: Tensor | None = None  # (H, W), 0 to 1; None: everywhere


def areas(
    styles: Sequence[Style], masks: Sequence[Tensor | None], alpha: Tensor | None, selection: Tensor | None
) -> list[Area]:
    """Which styles are wanted where, at one scale.

    `masks` (h, w) are those of `styles`, `alpha` and `selection` (h, w) the content's; None: everywhere. Raises
    `bad_field` if nothing is left.

    Styles without a mask of their own share what the masked ones leave; without any such style, only the masks' sum is
    painted. An area's share of the loss is its share of the painted one, so that a pixel is painted as strongly in a
    small area as in a large one, times its styles' weight relative to the other areas'. Transparent and unselected
    pixels belong to none.
    """
    cover = None
    for part in (alpha, selection):
        if part is not None:
            cover = part if cover is None else cover * part
    groups: list[tuple[Tensor | None, tuple[int, ...]]] = []
    free = tuple(i for i, mask in enumerate(masks) if mask is None and styles[i].weight > 0)
    taken = tuple(i for i, mask in enumerate(masks) if mask is not None and styles[i].weight > 0)
    wanted = [mask for mask in (masks[i] for i in taken) if mask is not None]
    together = torch.stack(wanted).sum(0).clamp(0, 1) if wanted else None  # 1 where the masks leave nothing
    painted = cover
    if free:
        rest = cover
        if together is not None:
            rest = 1 - together if cover is None else (1 - together) * cover
        groups.append((rest, free))
    elif together is not None:
        painted = together if cover is None else together * cover
    for i in taken:
        mask = masks[i]
        assert mask is not None
        groups.append((mask if cover is None else mask * cover, (i,)))
    if len(groups) == 1 and not taken:
        return [Area(free, 1.0, cover)]
    area = 1.0 if painted is None else max(1e-9, float(painted.mean()))
    typical = sum(styles[i].weight for i in (*free, *taken)) / len(groups)
    found = []
    for mask, members in groups:
        assert mask is not None
        share = float(mask.mean()) / area * sum(styles[i].weight for i in members) / typical
        if share > 0:
            found.append(Area(members, share, mask))
    if not found:
        raise VaporbrushError("bad_field", "The styles' masks select nothing within what is to be painted.")
    return found


def regions(styles: Sequence[Style], targets: Sequence[Grams], found: Sequence[Area]) -> list[Region]:
    """Which Gram matrices are wanted where: those of an area's styles, averaged by weight."""
    return [Region(_average(styles, targets, area.styles), area.share, area.mask) for area in found]


def cover_of(styles: Sequence[Style], pictures: Pictures) -> Floats | None:
    """How far anything is painted at all, (H, W) in [0, 1]; None: everywhere.

    That is the selection, and where every style that counts has a mask, the sum of these within it: what no style is
    asked for stays as it is.
    """
    masks = pictures.style_masks or [None] * len(pictures.styles)
    wanted = [mask for style, mask in zip(styles, masks, strict=True) if style.weight > 0]
    given = [mask for mask in wanted if mask is not None]
    if not given or len(given) < len(wanted):
        return pictures.mask
    together = given[0].copy()
    for mask in given[1:]:
        together += mask
    np.minimum(together, 1, out=together)
    return together if pictures.mask is None else together * pictures.mask


def framed(styles: Sequence[Style], pictures: Pictures) -> compose.Frame:
    """The part to paint. Raises `bad_field` if nothing is selected, `too_small` for a style with too few pixels."""
    height, width = pictures.content.shape[:2]
    frame = compose.frame_of(cover_of(styles, pictures), width, height)
    if frame is None:
        if pictures.mask is None or pictures.mask.any():
            raise VaporbrushError("bad_field", "The styles' masks select nothing within what is to be painted.")
        raise VaporbrushError("bad_field", "The mask selects nothing: every pixel of it is 0.")
    for number, style in enumerate(pictures.styles):
        if min(style.shape[:2]) < MIN_SIDE:
            raise VaporbrushError(
                "too_small",
                f"Style {number + 1} is {style.shape[1]}×{style.shape[0]} pixels, "
                f"but each side needs at least {MIN_SIDE}.",
            )
    return frame


def _average(styles: Sequence[Style], targets: Sequence[Grams], members: Sequence[int]) -> Grams:
    total = sum(styles[i].weight for i in members)
    return {
        tap: sum((targets[i][tap] * (styles[i].weight / total) for i in members), torch.zeros(())) for tap in STYLE_TAPS
    }
