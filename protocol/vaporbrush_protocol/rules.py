"""What a field on the wire may be: checks that raise one clear sentence, and rules that pair a check with its words.

A dataclass field carries its rule as metadata, so that the check, the specification's table and the default stand in
one place.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, get_args

from .errors import RequestError
from .limits import MAX_NAME_BYTES
from .shown import in_words

SHA256 = "^[0-9a-f]{64}$"
UUID4 = "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
MAX_INTEGER = 2**53 - 1  # what a peer that only has doubles can repeat exactly

MAX_SENTENCE_BYTES = 4096  # of what people read; more would not fit a header besides the rest
MAX_TEXTS = 1000  # in one list; the header's size is the true bound

Check = Callable[[str, Any], Any]  # the field's name and a value → the value to keep; raises RequestError
Rule = Mapping[str, Any]


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def bad(field: str, value: object, want: str) -> RequestError:
    """One sentence for a field that is not acceptable."""
    return RequestError("bad_field", f"`{field}` is {in_words(value)}, but must be {want}.")


def number(field: str, value: object, low: float, high: float) -> float:
    """A finite real number in [low, high]."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
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
        raise bad(field, value, f"a list of {least if least == most else f'{least} to {most}'} items")
    return value


def sha256(field: str, value: object) -> str:
    """A sha256 as 64 lower-case hexadecimal digits."""
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise bad(field, value, "a sha256 as 64 lower-case hexadecimal digits")
    return value


def uuid4(field: str, value: object) -> str:
    """A UUID of version 4 as 36 lower-case characters."""
    try:
        parsed = uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value or parsed.version != 4:
        raise bad(field, value, "a UUID (version 4, lower case)")
    return str(parsed)


# ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────


def rule(check: Check | None, kind: str, means: str, schema: Mapping[str, Any] | None = None) -> Rule:
    """A check, what it lets pass in words and as a JSON Schema, and what the field means.

    Without a check the record's own code reads the field.
    """
    return {"check": check, "kind": kind, "means": means, "schema": schema or {}}


def ref(record: str) -> dict[str, str]:
    """The JSON Schema of a record that `schema.json` defines by this name."""
    return {"$ref": f"#/$defs/{record}"}


def integer(low: int, high: int, means: str) -> Rule:
    """A whole number in [low, high]."""
    schema = {"type": "integer", "minimum": low, "maximum": high}
    return rule(lambda name, value: whole(name, value, low, high), f"integer, {low} to {high}", means, schema)


def real(low: float, high: float, means: str) -> Rule:
    """A number in [low, high]."""
    kind, schema = f"number, {low:.10g} to {high:.10g}", {"type": "number", "minimum": low, "maximum": high}
    return rule(lambda name, value: number(name, value, low, high), kind, means, schema)


def word(literal: object, means: str) -> Rule:
    """One of the words of a `Literal` type."""
    words = get_args(literal)
    kind = "text: " + ", ".join(f"`{one}`" for one in words[:-1]) + f" or `{words[-1]}`"
    return rule(lambda name, value: choice(name, value, words), kind, means, {"enum": list(words)})


def line(means: str) -> Rule:
    """A text of at most `MAX_NAME_BYTES`."""
    kind, schema = f"text, at most {MAX_NAME_BYTES} bytes", {"type": "string", "maxLength": MAX_NAME_BYTES}
    return rule(text, kind, means, schema)


def flag(means: str) -> Rule:
    """A truth value."""
    return rule(truth, "true or false", means, {"type": "boolean"})


def digest(means: str) -> Rule:
    """A sha256."""
    return rule(sha256, "text: a sha256", means, {"type": "string", "pattern": SHA256})


def identity(means: str) -> Rule:
    """A job's id."""
    return rule(uuid4, "text: a UUID", means, {"type": "string", "pattern": UUID4})


def count(means: str) -> Rule:
    """How many of something there are."""
    return {**integer(0, MAX_INTEGER, means), "kind": "integer"}


def amount(means: str) -> Rule:
    """A number that is not negative."""
    schema = {"type": "number", "minimum": 0}
    return rule(lambda name, value: number(name, value, 0.0, float(MAX_INTEGER)), "number", means, schema)


def sentence(means: str) -> Rule:
    """A text that people read."""
    schema = {"type": "string", "maxLength": MAX_SENTENCE_BYTES}
    return rule(lambda name, value: text(name, value, MAX_SENTENCE_BYTES), "text", means, schema)


def texts(means: str) -> Rule:
    """A list of such texts."""

    def check(name: str, value: object) -> tuple[str, ...]:
        listed = enumerate(sequence(name, value, 0, MAX_TEXTS))
        return tuple(text(f"{name}[{i}]", one, MAX_SENTENCE_BYTES) for i, one in listed)

    return rule(check, "list of texts", means, {"type": "array", "items": {"type": "string"}})


def map_of(check: Check, kind: str, schema: Mapping[str, Any], means: str) -> Rule:
    """A map whose values are all of one kind."""

    def checked(name: str, value: object) -> dict[str, Any]:
        return {key: check(f"{name}.{key}", one) for key, one in mapping(name, value).items()}

    return rule(checked, f"map: name → {kind}", means, {"type": "object", "additionalProperties": dict(schema)})


def optional(declared: Rule) -> Rule:
    """The rule of a reply's field that may be absent."""
    return {**declared, "optional": True}


def read(kind: type, raw: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The fields of a dataclass from a map, each by its rule. Unknown keys are ignored; nil is a field left out."""
    given: dict[str, Any] = {}
    for each in fields(kind):
        check = each.metadata.get("check")
        if check is None:
            continue
        value = raw.get(each.name)
        if value is not None:
            given[each.name] = check(f"{prefix}{each.name}", value)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise RequestError("bad_field", f"`{prefix}{each.name}` is missing; it must be given.")
    return given
