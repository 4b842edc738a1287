"""The recipe: everything that determines a painting. One frozen record from the dialog to the engine and into the file.

Fields are declared once, in the dataclasses, with their rules as metadata. `from_wire` accepts what msgpack or JSON
gives, ignores unknown fields (a newer peer may send them) and raises `RequestError` naming field and value.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from .errors import RequestError
from .limits import MAX_BLOB_BYTES, MAX_HELD, MAX_SIDE, MAX_STEPS, MAX_STYLES
from .rules import (
    MAX_INTEGER,
    SHA256,
    bad,
    choice,
    flag,
    integer,
    line,
    mapping,
    number,
    read,
    real,
    ref,
    rule,
    sequence,
    sha256,
    whole,
    word,
)

Channels = Literal["RGB", "RGBA", "BGRA", "GRAY", "GRAYA"]
Depth = Literal["u8", "u16", "f16", "f32"]
Transfer = Literal["srgb", "linear"]
Quality = Literal["draft", "standard", "fine"]
Color = Literal["style", "luma", "match", "palette"]
Look = Literal["texture", "brushwork"]
Start = Literal["content", "noise"]
Optimizer = Literal["lbfgs", "adam"]
Pool = Literal["max", "avg"]
Outside = Literal["transparent", "content"]

CHANNEL_COUNT: dict[str, int] = {"RGB": 3, "RGBA": 4, "BGRA": 4, "GRAY": 1, "GRAYA": 2}
DEPTH_BYTES: dict[str, int] = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
STYLE_TAPS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # the five style taps of Gatys et al. 2016
CONTENT_TAP = "relu4_2"

# The style:content ratio in the unit of Gatys' notebook, where his own choice is 1000 and neural-style's default is 20.
# Chosen by eye: at 10 every shape of the content is there, at 1000 few are; see tests/bench/NOTES.md.
DEFAULT_STRENGTH = 100.0
MIN_STRENGTH, MAX_STRENGTH = 0.1, 100_000.0
MIN_STYLE_SCALE, MAX_STYLE_SCALE = 0.1, 4.0
MAX_LAYER_WEIGHT = 1e9  # relative to each other only

# As JSON Schemas: a mask's picture, and a style that counts.
_MASK = {"allOf": [ref("image"), {"required": ["channels"], "properties": {"channels": {"const": "GRAY"}}}]}
_WEIGHTY = {"not": {"required": ["weight"], "properties": {"weight": {"const": 0}}}}


def _maybe_sha256(name: str, value: object) -> str:
    return "" if value == "" else sha256(name, value)


def _size(name: str, value: object) -> int | str:
    return choice(name, value, ("full", "auto")) if isinstance(value, str) else whole(name, value, 1, MAX_SIDE)


def _layer_weights(name: str, value: object) -> tuple[float, ...]:
    weights = tuple(number(f"{name}[{i}]", v, 0.0, MAX_LAYER_WEIGHT) for i, v in enumerate(sequence(name, value, 5, 5)))
    if not any(weights):
        raise RequestError("bad_field", f"All weights in `{name}` are 0, but one at least must be above 0.")
    return weights


@dataclass(frozen=True, slots=True)
class Image:
    """Raw pixels: rows from the top, packed, little-endian, straight alpha. `blob` is the sha256 of these bytes."""

    blob: str = field(
        metadata=rule(_maybe_sha256, "text: a sha256", "the hash of the pixels' bytes", {"pattern": SHA256})
    )
    width: int = field(metadata=integer(1, MAX_SIDE, "pixels"))
    height: int = field(metadata=integer(1, MAX_SIDE, "pixels"))
    channels: Channels = field(default="RGBA", metadata=word(Channels, "the order of a pixel's samples"))
    depth: Depth = field(default="u8", metadata=word(Depth, "the type of a sample, little-endian"))
    transfer: Transfer = field(default="srgb", metadata=word(Transfer, "how samples encode light; alpha is linear"))

    @classmethod
    def of(
        cls,
        pixels: bytes | bytearray | memoryview,
        width: int,
        height: int,
        channels: Channels = "RGBA",
        depth: Depth = "u8",
        transfer: Transfer = "srgb",
    ) -> Image:
        """The descriptor of these bytes. Raises `RequestError` where their number does not fit the size."""
        digest = hashlib.sha256(pixels).hexdigest()
        image = cls(digest, width, height, channels, depth, transfer)
        given = memoryview(pixels).nbytes
        if given != image.size_bytes:
            raise RequestError(
                "bad_field",
                f"A picture of {width}×{height} {channels} {depth} pixels has {image.size_bytes} bytes, not {given}.",
            )
        return image

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel."""
        return CHANNEL_COUNT[self.channels] * DEPTH_BYTES[self.depth]

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole picture."""
        return self.width * self.height * self.pixel_bytes

    @classmethod
    def from_wire(cls, name: str, wire: object, *, hashed: bool = True) -> Image:
        """Validate the field `name`; `hashed=False` allows an empty `blob` (an estimate needs sizes only)."""
        image = cls(**read(cls, {"blob": "", **mapping(name, wire)}, f"{name}."))
        if hashed:
            sha256(f"{name}.blob", image.blob)
        if image.size_bytes > MAX_BLOB_BYTES:
            raise RequestError(
                "too_large",
                f"`{name}` is {image.width}×{image.height} pixels, {image.size_bytes} bytes; "
                f"at most {MAX_BLOB_BYTES} fit.",
            )
        return image

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Style:
    """One style: a picture (`image`) or a bundled style (`name`), its weight among the styles, and where it applies."""

    image: Image | None = field(default=None, metadata=rule(None, "map: an image", "the style picture", ref("image")))
    name: str = field(default="", metadata=line("a bundled or user style, instead of `image`"))
    weight: float = field(default=1.0, metadata=real(0.0, 1000.0, "its share among the styles"))
    mask: Image | None = field(
        default=None,
        metadata=rule(None, "map: an image, `GRAY`, as large as the content", "where in it this style paints", _MASK),
    )

    @classmethod
    def from_wire(cls, name: str, wire: object, *, hashed: bool = True) -> Style:
        """Validate one entry of `styles`."""
        raw = mapping(name, wire)
        given = read(cls, raw, f"{name}.")
        for picture in ("image", "mask"):
            if raw.get(picture) is not None:
                given[picture] = Image.from_wire(f"{name}.{picture}", raw[picture], hashed=hashed)
        style = cls(**given)
        if (style.image is None) == (not style.name):
            raise RequestError("bad_field", f"`{name}` needs either an `image` or a `name`, not both and not neither.")
        return style

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        wire: dict[str, Any] = {"weight": self.weight}
        if self.image is not None:
            wire["image"] = self.image.to_wire()
        if self.name:
            wire["name"] = self.name
        if self.mask is not None:
            wire["mask"] = self.mask.to_wire()
        return wire


@dataclass(frozen=True, slots=True)
class Held:
    """An earlier frame of a film: what it showed, and what was painted of it."""

    content: Image = field(
        metadata=rule(None, "map: an image, as large as the recipe's content", "the frame", ref("image"))
    )
    canvas: Image = field(
        metadata=rule(None, "map: an image", "the `canvas` of its painting, with the same mask", ref("image"))
    )

    @classmethod
    def from_wire(cls, name: str, wire: object, *, hashed: bool = True) -> Held:
        """Validate one entry of `held`."""
        raw = mapping(name, wire)
        pictures = (Image.from_wire(f"{name}.{one}", raw.get(one), hashed=hashed) for one in ("content", "canvas"))
        return cls(*pictures)

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        return {"content": self.content.to_wire(), "canvas": self.canvas.to_wire()}


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that determines a painting.

    `size` is the longest side that is painted, in pixels, or "full" (the content's own) or "auto" (the largest whose
    predicted time fits the quality's budget). `strength` is the style:content ratio in Gatys' notebook unit.
    `layer_weights` are relative weights of the five style taps (None: ∝ 1/N², as in Gatys' released code).
    `start` is where the optimisation begins: the content, noise, or (`start_image`) an earlier painting. `held` are
    earlier frames of a film, and `boil` how far their paintings may change.
    `outside` says what the delivered picture shows where `mask` is zero.
    """

    content: Image = field(metadata=rule(None, "map: an image", "what is repainted", ref("image")))
    styles: tuple[Style, ...] = field(
        metadata=rule(
            None,
            f"list of 1 to {MAX_STYLES} styles",
            "in what manner",
            {"type": "array", "minItems": 1, "maxItems": MAX_STYLES, "items": ref("style"), "contains": _WEIGHTY},
        )
    )
    mask: Image | None = field(
        default=None,
        metadata=rule(None, "map: an image, `GRAY`, as large as the content", "where to paint: 0 is not at all", _MASK),
    )
    start_image: Image | None = field(
        default=None,
        metadata=rule(None, "map: an image", "where to begin, in place of `start`: an earlier `canvas`", ref("image")),
    )
    held: tuple[Held, ...] = field(
        default=(),
        metadata=rule(
            None,
            f"list of 0 to {MAX_HELD} earlier frames",
            "of a film, the likeliest first: where the content is that of one of them, its painting stays",
            {"type": "array", "maxItems": MAX_HELD, "items": ref("held")},
        ),
    )
    boil: float = field(
        default=0.0,
        metadata=real(0.0, 1.0, "how far what is held may be painted anew: 0 is not at all, 1 as if nothing were held"),
    )
    size: int | Literal["full", "auto"] = field(
        default="auto",
        metadata=rule(
            _size,
            f"integer, 1 to {MAX_SIDE}, or text: `full` or `auto`",
            "the longest side that is painted, in pixels, but never more than the content's; `full`: the content's "
            "own; `auto`: the largest whose predicted time fits the quality's budget",
            {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_SIDE}, {"enum": ["full", "auto"]}]},
        ),
    )
    quality: Quality = field(default="standard", metadata=word(Quality, "how much time `auto` may take"))
    strength: float = field(
        default=DEFAULT_STRENGTH,
        metadata=real(MIN_STRENGTH, MAX_STRENGTH, "style against content, in the unit of Gatys' notebook"),
    )
    look: Look = field(
        default="texture",
        metadata=word(
            Look,
            "what of the style is painted: its statistics (Gram matrices), or for every place the one of the style "
            "that resembles it most (nearest neighbours)",
        ),
    )
    turns: bool = field(
        default=False, metadata=flag("whether `brushwork` may also turn the style by 90, 180 and 270 degrees")
    )
    lines: float = field(
        default=0.0, metadata=real(0.0, 1.0, "how strictly the content's lines stay where they are: 0 is not at all")
    )
    style_scale: float = field(
        default=1.0,
        metadata=real(MIN_STYLE_SCALE, MAX_STYLE_SCALE, "1: the style's longest side is the painted size"),
    )
    color: Color = field(
        default="style",
        metadata=word(
            Color,
            "the style's colours, or the content's: by luma only, or by matching first; or (`palette`) the content's "
            "moved into the style's palette",
        ),
    )
    blend: float = field(default=1.0, metadata=real(0.0, 1.0, "share of the painting over the content"))
    tileable: bool = field(default=False, metadata=flag("whether opposite edges of the painting fit together"))
    start: Start = field(default="content", metadata=word(Start, "where the optimisation begins"))
    steps: int | None = field(
        default=None, metadata=integer(0, MAX_STEPS, "optimiser steps in all; left out: the quality's own")
    )
    optimizer: Optimizer = field(default="lbfgs", metadata=word(Optimizer, "L-BFGS or Adam"))
    layer_weights: tuple[float, ...] | None = field(
        default=None,
        metadata=rule(
            _layer_weights,
            f"list of 5 numbers, 0 to {MAX_LAYER_WEIGHT:g}, one above 0 at least",
            "relative weights of the style taps relu1_1 … relu5_1; left out: in proportion to 1/N²",
            {
                "type": "array",
                "minItems": len(STYLE_TAPS),
                "maxItems": len(STYLE_TAPS),
                "items": {"type": "number", "minimum": 0, "maximum": MAX_LAYER_WEIGHT},
                "contains": {"exclusiveMinimum": 0},
            },
        ),
    )
    pool: Pool = field(default="max", metadata=word(Pool, "how the network pools"))
    tv: float = field(default=0.0, metadata=real(0.0, 1_000_000.0, "weight of the total variation"))
    seed: int = field(default=0, metadata=integer(0, MAX_INTEGER, "of the noise that `start` may ask for"))
    model: str = field(default="auto", metadata=line("`auto`, or a name that `models` gives"))
    device: str = field(default="auto", metadata=line("`auto`, or a device that `status` gives"))
    outside: Outside = field(default="transparent", metadata=word(Outside, "what is delivered where the mask is 0"))

    @classmethod
    def from_wire(cls, wire: object, *, hashed: bool = True) -> Recipe:
        """Validate a recipe from msgpack or JSON. Unknown fields are ignored."""
        raw = mapping("recipe", wire)
        given = read(cls, raw)
        given["content"] = Image.from_wire("content", raw.get("content"), hashed=hashed)
        styles = sequence("styles", raw.get("styles"), 1, MAX_STYLES)
        given["styles"] = tuple(Style.from_wire(f"styles[{i}]", s, hashed=hashed) for i, s in enumerate(styles))
        for optional in ("mask", "start_image"):
            if raw.get(optional) is not None:
                given[optional] = Image.from_wire(optional, raw[optional], hashed=hashed)
        if raw.get("held") is not None:
            held = sequence("held", raw["held"], 0, MAX_HELD)
            given["held"] = tuple(Held.from_wire(f"held[{i}]", one, hashed=hashed) for i, one in enumerate(held))
        recipe = cls(**given)
        for i, one in enumerate(recipe.held):
            if (one.content.width, one.content.height) != (recipe.content.width, recipe.content.height):
                raise bad(
                    f"held[{i}].content",
                    f"{one.content.width}×{one.content.height}",
                    f"as large as the content, {recipe.content.width}×{recipe.content.height}",
                )
        for mask in (recipe.mask, *(s.mask for s in recipe.styles)):
            if mask is not None and mask.channels != "GRAY":
                raise bad("mask.channels", mask.channels, "GRAY")
            if mask is not None and (mask.width, mask.height) != (recipe.content.width, recipe.content.height):
                raise bad(
                    "mask",
                    f"{mask.width}×{mask.height}",
                    f"as large as the content, {recipe.content.width}×{recipe.content.height}",
                )
        if not any(style.weight > 0 for style in recipe.styles):
            raise RequestError("bad_field", "All weights in `styles` are 0, but one at least must be above 0.")
        return recipe

    @property
    def images(self) -> tuple[Image, ...]:
        """Every picture that the recipe names, in a fixed order; a bundled style has none."""
        styles = (image for style in self.styles for image in (style.image, style.mask))
        frames = (image for one in self.held for image in (one.content, one.canvas))
        every = (self.content, *styles, self.mask, self.start_image, *frames)
        return tuple(image for image in every if image is not None)

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        wire: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        wire["content"] = self.content.to_wire()
        wire["styles"] = [style.to_wire() for style in self.styles]
        wire["held"] = [one.to_wire() for one in self.held]
        for optional in ("mask", "start_image"):
            if wire[optional] is not None:
                wire[optional] = wire[optional].to_wire()
        if self.layer_weights is not None:
            wire["layer_weights"] = list(self.layer_weights)
        return wire
