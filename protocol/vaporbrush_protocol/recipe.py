"""The recipe: everything that determines a painting. One frozen record from the dialog to the engine and into the file.

Fields are declared once, in the dataclasses; `Field` metadata carries the range. `from_wire` accepts what msgpack or
JSON gives, ignores unknown fields (a newer peer may send them) and raises `RequestError` naming field and value.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from .errors import RequestError
from .limits import MAX_BLOB_BYTES, MAX_NAME_BYTES, MAX_SIDE, MAX_STEPS, MAX_STYLES

Channels = Literal["RGB", "RGBA", "BGRA", "GRAY", "GRAYA"]
Depth = Literal["u8", "u16", "f16", "f32"]
Transfer = Literal["srgb", "linear"]
Quality = Literal["draft", "standard", "fine"]
Color = Literal["style", "luma", "match"]
Start = Literal["content", "noise"]
Optimizer = Literal["lbfgs", "adam"]
Pool = Literal["max", "avg"]
Outside = Literal["transparent", "content"]

CHANNEL_COUNT: dict[str, int] = {"RGB": 3, "RGBA": 4, "BGRA": 4, "GRAY": 1, "GRAYA": 2}
DEPTH_BYTES: dict[str, int] = {"u8": 1, "u16": 2, "f16": 2, "f32": 4}
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")  # the five style taps of Gatys et al. 2016
CONTENT_LAYER = "relu4_2"

# The style:content ratio in the unit of Gatys' notebook, where his own choice is 1000 and neural-style's default is 20.
# Chosen by eye; see the engine's notes.
DEFAULT_STRENGTH = 1000.0
MIN_STRENGTH, MAX_STRENGTH = 1.0, 1_000_000.0
MIN_STYLE_SCALE, MAX_STYLE_SCALE = 0.1, 4.0


def bad(field: str, value: object, want: str) -> RequestError:
    """One sentence for a field that is not acceptable."""
    shown = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else type(value).__name__
    return RequestError("bad_field", f"`{field}` is {shown[:80]}, but must be {want}.")


def number(field: str, value: object, low: float, high: float) -> float:
    """A finite real number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise bad(field, value, f"a number from {low:g} to {high:g}")
    if not low <= value <= high:
        raise bad(field, value, f"a number from {low:g} to {high:g}")
    return float(value)


def whole(field: str, value: object, low: int, high: int) -> int:
    """An integer in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise bad(field, value, f"a whole number from {low} to {high}")
    return value


def choice(field: str, value: object, options: Sequence[str]) -> str:
    """One of a few words."""
    if not isinstance(value, str) or value not in options:
        raise bad(field, value, "one of " + ", ".join(options))
    return value


def text(field: str, value: object, longest: int = MAX_NAME_BYTES) -> str:
    """A short text."""
    if not isinstance(value, str) or len(value.encode("utf-8", "replace")) > longest:
        raise bad(field, value, f"a text of at most {longest} bytes")
    return value


def truth(field: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise bad(field, value, "true or false")
    return value


def mapping(field: str, value: object) -> Mapping[str, Any]:
    """A map with text keys (the codec guarantees the keys)."""
    if not isinstance(value, Mapping):
        raise bad(field, value, "a map")
    return value


def sequence(field: str, value: object, least: int, most: int) -> Sequence[Any]:
    """A list of `least` to `most` things."""
    if not isinstance(value, (list, tuple)) or not least <= len(value) <= most:
        raise bad(field, value, f"a list of {least} to {most} items")
    return value


def sha256(field: str, value: object, *, empty: bool = False) -> str:
    """A sha256 as 64 lower-case hexadecimal digits."""
    if isinstance(value, str) and (
        (empty and not value) or (len(value) == 64 and set(value) <= set("0123456789abcdef"))
    ):
        return value
    raise bad(field, value, "a sha256 as 64 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Image:
    """Raw pixels: rows from the top, packed, little-endian, straight alpha. `blob` is the sha256 of these bytes."""

    blob: str
    width: int
    height: int
    channels: Channels = "RGBA"
    depth: Depth = "u8"
    transfer: Transfer = "srgb"

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
    def from_wire(cls, field: str, wire: object, *, hashed: bool = True) -> Image:
        """Validate; `hashed=False` allows an empty `blob` (an estimate needs sizes only)."""
        raw = mapping(field, wire)
        image = cls(
            blob=sha256(f"{field}.blob", raw.get("blob", ""), empty=not hashed),
            width=whole(f"{field}.width", raw.get("width"), 1, MAX_SIDE),
            height=whole(f"{field}.height", raw.get("height"), 1, MAX_SIDE),
            channels=choice(f"{field}.channels", raw.get("channels", "RGBA"), get_args(Channels)),  # type: ignore[arg-type]
            depth=choice(f"{field}.depth", raw.get("depth", "u8"), get_args(Depth)),  # type: ignore[arg-type]
            transfer=choice(f"{field}.transfer", raw.get("transfer", "srgb"), get_args(Transfer)),  # type: ignore[arg-type]
        )
        if image.size_bytes > MAX_BLOB_BYTES:
            raise RequestError(
                "too_large",
                f"`{field}` is {image.width}×{image.height} pixels, {image.size_bytes} bytes; "
                f"at most {MAX_BLOB_BYTES} fit.",
            )
        return image

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Style:
    """One style: a picture (`image`) or a bundled style (`name`), its weight among the styles, and where it applies."""

    image: Image | None = None
    name: str = ""
    weight: float = 1.0
    mask: Image | None = None  # GRAY, in the content's frame: where in the content this style paints

    @classmethod
    def from_wire(cls, field: str, wire: object, *, hashed: bool = True) -> Style:
        """Validate one entry of `styles`."""
        raw = mapping(field, wire)
        image, name, mask = raw.get("image"), text(f"{field}.name", raw.get("name", "")), raw.get("mask")
        if (image is None) == (not name):
            raise bad(field, None if image is None else "both", "a map with either `image` or `name`")
        return cls(
            image=None if image is None else Image.from_wire(f"{field}.image", image, hashed=hashed),
            name=name,
            weight=number(f"{field}.weight", raw.get("weight", 1.0), 0.0, 1000.0),
            mask=None if mask is None else Image.from_wire(f"{field}.mask", mask, hashed=hashed),
        )

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
class Recipe:
    """Everything that determines a painting.

    `size` is the longest side that is painted, in pixels, or "full" (the content's own) or "auto" (the largest whose
    predicted time fits the quality's budget). `strength` is the style:content ratio in Gatys' notebook unit.
    `layer_weights` are relative weights of the five style taps (None: ∝ 1/N², as in Gatys' released code).
    `start` is where the optimisation begins: the content, noise, or (`start_image`) an earlier painting.
    `outside` says what the delivered picture shows where `mask` is zero.
    """

    content: Image
    styles: tuple[Style, ...]
    mask: Image | None = None
    start_image: Image | None = None
    size: int | Literal["full", "auto"] = "auto"
    quality: Quality = "standard"
    strength: float = DEFAULT_STRENGTH
    style_scale: float = 1.0
    color: Color = "style"
    blend: float = 1.0
    tileable: bool = False
    start: Start = "content"
    steps: int | None = None
    optimizer: Optimizer = "lbfgs"
    layer_weights: tuple[float, ...] | None = None
    pool: Pool = "max"
    tv: float = 0.0
    seed: int = 0
    model: str = "auto"
    device: str = "auto"
    outside: Outside = "transparent"

    @classmethod
    def from_wire(cls, wire: object, *, hashed: bool = True) -> Recipe:
        """Validate a recipe from msgpack or JSON. Unknown fields are ignored."""
        raw = mapping("recipe", wire)
        known = {f.name for f in fields(cls)}
        given: dict[str, Any] = {k: v for k, v in raw.items() if k in known}
        given["content"] = Image.from_wire("content", raw.get("content"), hashed=hashed)
        styles = sequence("styles", raw.get("styles"), 1, MAX_STYLES)
        given["styles"] = tuple(Style.from_wire(f"styles[{i}]", s, hashed=hashed) for i, s in enumerate(styles))
        for optional in ("mask", "start_image"):
            if given.get(optional) is not None:
                given[optional] = Image.from_wire(optional, given[optional], hashed=hashed)
        for name, check in _CHECKS.items():
            if name in given:
                given[name] = check(name, given[name])
        recipe = cls(**given)
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
            raise bad("styles", 0, "a list in which at least one style has a weight above 0")
        return recipe

    @property
    def images(self) -> tuple[Image, ...]:
        """Every picture that the recipe names, in a fixed order; a bundled style has none."""
        styles = (image for style in self.styles for image in (style.image, style.mask))
        every = (self.content, *styles, self.mask, self.start_image)
        return tuple(image for image in every if image is not None)

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        wire: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        wire["content"] = self.content.to_wire()
        wire["styles"] = [style.to_wire() for style in self.styles]
        for optional in ("mask", "start_image"):
            if wire[optional] is not None:
                wire[optional] = wire[optional].to_wire()
        if self.layer_weights is not None:
            wire["layer_weights"] = list(self.layer_weights)
        return wire


def _size(field: str, value: object) -> int | str:
    return choice(field, value, ("full", "auto")) if isinstance(value, str) else whole(field, value, 1, MAX_SIDE)


def _steps(field: str, value: object) -> int | None:
    return None if value is None else whole(field, value, 0, MAX_STEPS)


def _layer_weights(field: str, value: object) -> tuple[float, ...] | None:
    if value is None:
        return None
    weights = tuple(number(f"{field}[{i}]", v, 0.0, 1e9) for i, v in enumerate(sequence(field, value, 5, 5)))
    if not any(weights):
        raise bad(field, 0, "five weights, at least one above 0")
    return weights


_CHECKS: dict[str, Any] = {
    "size": _size,
    "quality": lambda f, v: choice(f, v, get_args(Quality)),
    "strength": lambda f, v: number(f, v, MIN_STRENGTH, MAX_STRENGTH),
    "style_scale": lambda f, v: number(f, v, MIN_STYLE_SCALE, MAX_STYLE_SCALE),
    "color": lambda f, v: choice(f, v, get_args(Color)),
    "blend": lambda f, v: number(f, v, 0.0, 1.0),
    "tileable": truth,
    "start": lambda f, v: choice(f, v, get_args(Start)),
    "steps": _steps,
    "optimizer": lambda f, v: choice(f, v, get_args(Optimizer)),
    "layer_weights": _layer_weights,
    "pool": lambda f, v: choice(f, v, get_args(Pool)),
    "tv": lambda f, v: number(f, v, 0.0, 1e6),
    "seed": lambda f, v: whole(f, v, 0, 2**63 - 1),
    "model": text,
    "device": text,
    "outside": lambda f, v: choice(f, v, get_args(Outside)),
}
