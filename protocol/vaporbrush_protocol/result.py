"""What a painting gives: the pictures' descriptors and how they came about. Made by a worker, shown to every client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from .limits import MAX_SIDE, MAX_STEPS
from .recipe import Image, Recipe
from .rules import flag, integer, line, mapping, number, read, ref, rule, sequence, text, truth, whole, word

Stopped = Literal["steps", "converged", "finish"]
MAX_SENTENCE_BYTES = 4096
_HUGE = 1e300  # a loss is finite, or the job has failed


def _image(name: str, value: object) -> Image:
    return Image.from_wire(f"result.{name}", value)


def _recipe(_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value)


def _size(name: str, value: object) -> tuple[int, int]:
    width, height = sequence(name, value, 2, 2)
    return whole(f"{name}[0]", width, 0, MAX_SIDE), whole(f"{name}[1]", height, 0, MAX_SIDE)


def _numbers(name: str, value: object) -> dict[str, float]:
    return {key: number(f"{name}.{key}", each, -_HUGE, _HUGE) for key, each in mapping(name, value).items()}


def _truths(name: str, value: object) -> dict[str, bool]:
    return {key: truth(f"{name}.{key}", each) for key, each in mapping(name, value).items()}


def _texts(name: str, value: object) -> dict[str, str]:
    return {key: text(f"{name}.{key}", each) for key, each in mapping(name, value).items()}


def _sentence(name: str, value: object) -> str:
    return text(name, value, MAX_SENTENCE_BYTES)


def _map_of(kind: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": kind}}


_PAIR = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": 0, "maximum": MAX_SIDE}}


@dataclass(frozen=True, slots=True)
class Result:
    """One finished painting."""

    image: Image = field(
        metadata=rule(
            _image, "image", "what is delivered: size, channels, depth and transfer of the content", ref("image")
        )
    )
    recipe: Recipe = field(
        metadata=rule(
            _recipe,
            "recipe",
            "with everything pinned that was chosen: size, model, device, style pictures. Submitted again on the same "
            "machine, it gives the same picture",
            ref("recipe"),
        )
    )
    model: str = field(metadata=line("what painted it"))
    device: str = field(metadata=line("where"))
    steps_done: int = field(metadata=integer(0, MAX_STEPS, "optimiser steps"))
    stopped: Stopped = field(metadata=word(Stopped, "why it ended"))
    canvas: Image | None = field(
        default=None,
        metadata=rule(
            _image,
            "image",
            "what was painted, unblended, at the painted size (`RGB`, `f32`): a later recipe's `start_image`",
            ref("image"),
        ),
    )
    precision: str = field(default="", metadata=line("of the convolutions"))
    plan: str = field(default="", metadata=line("how it was painted, for people"))
    painted: tuple[int, int] = field(
        default=(0, 0), metadata=rule(_size, "list of 2 integers", "width and height that were painted", _PAIR)
    )
    delivered: tuple[int, int] = field(
        default=(0, 0), metadata=rule(_size, "list of 2 integers", "width and height that are delivered", _PAIR)
    )
    losses: Mapping[str, float] | None = field(
        default=None,
        metadata=rule(
            _numbers,
            "map: name → number",
            "`content`, `style`, `total` at the end; nil without steps",
            _map_of("number"),
        ),
    )
    seconds: Mapping[str, float] = field(
        default_factory=dict, metadata=rule(_numbers, "map: name → number", "per phase", _map_of("number"))
    )
    clipped: bool = field(default=False, metadata=flag("whether the content had values outside 0 to 1"))
    degraded: str | None = field(
        default=None, metadata=rule(_sentence, "text", "why a cheaper plan was used", {"type": "string"})
    )
    cached: Mapping[str, bool] = field(
        default_factory=dict,
        metadata=rule(
            _truths,
            "map: name → true or false",
            "`blobs`, `style_targets`, `worker_warm`: what was there already",
            _map_of("boolean"),
        ),
    )
    versions: Mapping[str, str] = field(
        default_factory=dict,
        metadata=rule(_texts, "map: name → text", "of `vaporbrush`, `torch`, `python`", _map_of("string")),
    )

    @classmethod
    def from_wire(cls, wire: object) -> Result:
        """Validate; unknown fields are ignored. Raises `RequestError`."""
        return cls(**read(cls, mapping("result", wire), "result."))

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        wire: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        wire["image"] = self.image.to_wire()
        wire["canvas"] = None if self.canvas is None else self.canvas.to_wire()
        wire["recipe"] = self.recipe.to_wire()
        for name in ("painted", "delivered"):
            wire[name] = list(wire[name])
        for name in ("seconds", "cached", "versions"):
            wire[name] = dict(wire[name])
        if self.losses is not None:
            wire["losses"] = dict(self.losses)
        return wire
