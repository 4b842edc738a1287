"""What was painted before and is kept: entries of the history, as a client sees them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any

from .limits import MAX_STYLES
from .nested import records
from .recipe import Image, Recipe
from .rules import (
    MAX_INTEGER,
    count,
    flag,
    line,
    mapping,
    read,
    real,
    ref,
    rule,
    sequence,
    text,
    truth,
    whole,
)

MAX_ENTRIES = 1000  # in one reply; the header's size is the true bound


def style_names(name: str, value: object) -> tuple[str, ...]:
    """What people call the styles of a painting, in their order."""
    return tuple(text(f"{name}[{i}]", one) for i, one in enumerate(sequence(name, value, 0, MAX_STYLES)))


STYLE_NAMES = {"type": "array", "maxItems": MAX_STYLES, "items": {"type": "string", "maxLength": 200}}


def _image(name: str, value: object) -> Image:
    return Image.from_wire(name, value)


def _recipe(_name: str, value: object) -> Recipe:
    return Recipe.from_wire(value)


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One painting that is kept."""

    job: str = field(metadata=line("the job that painted it: a UUID"))
    at: float = field(metadata=real(0.0, MAX_INTEGER, "when it was done: Unix seconds"))
    label: str = field(metadata=line("what people call it"))
    styles: tuple[str, ...] = field(
        metadata=rule(style_names, "list of texts", "names of its styles; empty ones are not known", STYLE_NAMES)
    )
    pinned: bool = field(metadata=flag("whether it stays until it is unpinned"))
    bytes: int = field(metadata=count("of its pictures; what other entries have, too, is counted for each"))
    image: Image = field(metadata=rule(_image, "an image", "the painting", ref("image")))
    thumb: Image = field(metadata=rule(_image, "an image", "a small one", ref("image")))

    @classmethod
    def from_wire(cls, name: str, wire: object) -> HistoryEntry:
        """Validate one entry. Raises `RequestError`."""
        return cls(**read(cls, mapping(name, wire), f"{name}."))

    def to_wire(self) -> dict[str, Any]:
        """The map that `from_wire` reads."""
        wire = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**wire, "styles": list(self.styles), "image": self.image.to_wire(), "thumb": self.thumb.to_wire()}


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of the history, the newest first, and what it takes."""

    entries: tuple[HistoryEntry, ...] = field(
        metadata=records(
            HistoryEntry,
            "the newest first; `thumb`: `RGB` `u8`, at most 128 pixels: fetch its blob with `get`",
        )
    )
    more: bool = field(metadata=flag("whether another page follows"))
    bytes: int = field(metadata=count("that the whole history of this client's user takes on disk"))
    room: int = field(metadata=count("bytes that everybody's may take"))
    kept: int = field(metadata=count("how many entries are kept beside those that are pinned"))

    @classmethod
    def from_wire(cls, wire: object) -> HistoryPage:
        """Validate a reply to `history`. Raises `RequestError`."""
        raw = mapping("history", wire)
        listed = enumerate(sequence("entries", raw.get("entries"), 0, MAX_ENTRIES))
        return cls(
            entries=tuple(HistoryEntry.from_wire(f"entries[{i}]", one) for i, one in listed),
            more=truth("more", raw.get("more")),
            **{name: whole(name, raw.get(name), 0, MAX_INTEGER) for name in ("bytes", "room", "kept")},
        )


@dataclass(frozen=True, slots=True)
class Recalled:
    """A painting that was brought back, and the recipe that painted it."""

    entry: HistoryEntry
    recipe: Recipe

    @classmethod
    def from_wire(cls, wire: object) -> Recalled:
        """Validate a reply to `recall`. Raises `RequestError`."""
        raw = mapping("recall", wire)
        return cls(HistoryEntry.from_wire("entry", raw), Recipe.from_wire(raw.get("recipe")))


RecallReply = make_dataclass(
    "RecallReply",
    [
        *((each.name, each.type, field(metadata=each.metadata)) for each in fields(HistoryEntry)),
        ("recipe", Recipe, field(metadata=rule(_recipe, "recipe", "as in a result (section 7.6)", ref("recipe")))),
    ],
    frozen=True,
)
