"""What a host asks for: pixels it read, the style, and the controls' values. The recipe is made from it in a thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.controls import TUNED, tuned
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Channels, Depth, Held, Image, Recipe, Style, Transfer

from .controls import recipe_fields
from .regions import Place, Region
from .ui_text import _

MAX_WEIGHT = 1000.0  # of a style among several; the recipe's


@dataclass(frozen=True)
class Pixels:
    """Raw pixels as the host gave them: rows from the top, packed. `data` may be empty where only the size matters."""

    data: Buffer
    width: int
    height: int
    channels: Channels = "RGBA"
    depth: Depth = "u8"
    transfer: Transfer = "srgb"

    def image(self) -> Image:
        """The descriptor, hashed (takes about a second per GB: never on a host's own thread)."""
        return Image.of(self.data, self.width, self.height, self.channels, self.depth, self.transfer)

    def sizes_only(self) -> Image:
        """The descriptor without a hash, for an estimate."""
        return Image("", self.width, self.height, self.channels, self.depth, self.transfer)

    def __repr__(self) -> str:
        return f"Pixels({self.width}×{self.height} {self.channels} {self.depth} {self.transfer})"


def coverage(mask: bytes | None, place: Place) -> Pixels | None:
    """A mask over `place` as it travels; None without one."""
    return None if mask is None else Pixels(mask, place.width, place.height, "GRAY", "u8", "srgb")


def region_over(region: Region | None, place: Place, style: str, layer: str) -> Pixels | None:
    """A style's mask over the layer to be painted; None without a region. `style` and `layer` are their names. Raises
    `RequestError` where nothing of the region is on the layer.
    """
    if region is None:
        return None
    mask = region.over(place)
    if mask is None:
        sentence = _("The region of “{style}” is not on the layer “{layer}”: choose it anew, or paint it everywhere.")
        raise RequestError("bad_field", sentence.format(style=style, layer=layer))
    return coverage(mask, place)


def _none(_blob: str) -> bytes | None:
    return None


@dataclass(frozen=True)
class StyleRef:
    """Where a style comes from, as remembered and stored with a layer.

    `kind` is "bundled" (`name`), "file" (`name` is the path) or "layer" (`name` is the layer's name, `layer` its id in
    the host, `document` the id or path of the document it is in). `region`: where it paints; None: what regions leave.
    """

    kind: str
    name: str
    layer: str = ""
    document: str = ""
    weight: float = 1.0
    region: Region | None = None

    @classmethod
    def from_json(cls, raw: object, find: Callable[[str], bytes | None] = _none) -> StyleRef | None:
        """A remembered reference, or None where it is none. `find` gives the packed mask of a hash."""
        if not isinstance(raw, Mapping) or raw.get("kind") not in ("bundled", "file", "layer"):
            return None
        texts = {name: str(raw.get(name, "")) for name in ("kind", "name", "layer", "document")}
        weight = raw.get("weight", 1.0)
        good = isinstance(weight, (int, float)) and not isinstance(weight, bool) and 0 < weight <= MAX_WEIGHT
        region = Region.from_json(raw.get("region"), find)
        return cls(**texts, weight=float(weight) if good else 1.0, region=region)

    @classmethod
    def several(cls, raw: object, find: Callable[[str], bytes | None] = _none) -> tuple[StyleRef, ...]:
        """The references in a remembered list."""
        found = [cls.from_json(one, find) for one in raw] if isinstance(raw, list) else []
        return tuple(ref for ref in found if ref is not None)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; a region without its mask."""
        told = {name: getattr(self, name) for name in ("kind", "name", "layer", "document", "weight")}
        return told if self.region is None else {**told, "region": self.region.to_json()}

    def weighted(self, weight: float) -> StyleRef:
        """The same style with another weight."""
        return replace(self, weight=weight)

    def placed(self, region: Region | None) -> StyleRef:
        """The same style, which paints elsewhere."""
        return replace(self, region=region)

    def same_source(self, other: object) -> bool:
        """Whether both name the same picture, whatever its weight."""
        if not isinstance(other, StyleRef):
            return False
        if self.kind == "layer":
            return (self.kind, self.layer) == (other.kind, other.layer)
        return (self.kind, self.name) == (other.kind, other.name)


@dataclass(frozen=True)
class StyleInput:
    """One style of an order: pixels, or the name of a bundled style."""

    pixels: Pixels | None = None
    name: str = ""
    weight: float = 1.0
    mask: Pixels | None = None


@dataclass(frozen=True)
class Before:
    """An earlier frame of an animation: its pixels, and its job's canvas."""

    content: Pixels
    canvas: Image


@dataclass(frozen=True)
class PaintRequest:
    """One painting that was asked for. `values` are the controls'; of those that a style brings along, what is left
    out is found when it is painted (`with_tuned`). `start` is an earlier job's canvas; `held`
    are earlier frames, the last one first.
    """

    content: Pixels
    styles: tuple[StyleInput, ...]
    values: Mapping[str, Any]
    mask: Pixels | None = None
    start: Image | None = None
    held: tuple[Before, ...] = ()
    label: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)  # further recipe fields, from a script
    titles: tuple[str, ...] = ()  # of the styles, in their order, for the history
    history: bool = True  # whether the painting is kept there

    @property
    def left_open(self) -> bool:
        """Whether the daemon's list of styles has to say with which values to paint."""
        alone = len(self.styles) == 1 and bool(self.styles[0].name)
        return alone and not all(name in self.values for name in TUNED)

    def with_tuned(self, listed: Mapping[str, Any]) -> PaintRequest:
        """The order with its style's own values where they were left open. `listed` is the daemon's list of styles."""
        found = [tuned(style) for style in listed.get("styles") or () if style.get("name") == self.styles[0].name]
        return replace(self, values={**found[0], **self.values}) if found else self

    def sizes_only(self) -> Recipe:
        """The recipe for an estimate: nothing is hashed."""
        return self._recipe(Pixels.sizes_only)

    def prepared(self) -> tuple[Recipe, dict[str, Buffer]]:
        """The recipe, and the bytes by hash of what it names."""
        pictures: dict[str, Buffer] = {}

        def hashed(pixels: Pixels) -> Image:
            image = pixels.image()
            pictures[image.blob] = pixels.data
            return image

        return self._recipe(hashed), pictures

    def _recipe(self, image: Any) -> Recipe:
        def optional(pixels: Pixels | None) -> Image | None:
            return None if pixels is None else image(pixels)

        styles = tuple(
            Style(image=optional(style.pixels), name=style.name, weight=style.weight, mask=optional(style.mask))
            for style in self.styles
        )
        recipe = Recipe(
            content=image(self.content),
            styles=styles,
            mask=optional(self.mask),
            start_image=self.start,
            held=tuple(Held(image(before.content), before.canvas) for before in self.held),
            **{**recipe_fields(self.values), **self.extra},
        )
        return Recipe.from_wire(recipe.to_wire(), hashed=bool(recipe.content.blob))  # the same checks as the daemon's
