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

MAX_INTEGER = 2**53 - 1  # what a peer that only has doubles can repeat exactly

Check = Callable[[str, Any], Any]  # the field's name and a value → the value to keep; raises RequestError
Rule = Mapping[str, Any]


# ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def bad(field: str, value: object, want: str) -> RequestError:
    """One sentence for a field that is not acceptable."""
    shown = repr(value) if isinstance(value, (str, int, float, bool, type(None))) else f"a {type(value).__name__}"
    return RequestError("bad_field", f"`{field}` is {shown[:80]}, but must be {want}.")


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
        raise bad(field, value, f"a list of {least} to {most} items")
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


def rule(check: Check | None, kind: str, means: str) -> Rule:
    """A check, what it lets pass, and what the field means. Without a check the record's own code reads the field."""
    return {"check": check, "kind": kind, "means": means}


def integer(low: int, high: int, means: str) -> Rule:
    """A whole number in [low, high]."""
    return rule(lambda name, value: whole(name, value, low, high), f"integer, {low} to {high}", means)


def real(low: float, high: float, means: str) -> Rule:
    """A number in [low, high]."""
    return rule(lambda name, value: number(name, value, low, high), f"number, {low:.10g} to {high:.10g}", means)


def word(literal: object, means: str) -> Rule:
    """One of the words of a `Literal` type."""
    words = get_args(literal)
    kind = "text: " + ", ".join(f"`{one}`" for one in words[:-1]) + f" or `{words[-1]}`"
    return rule(lambda name, value: choice(name, value, words), kind, means)


def line(means: str) -> Rule:
    """A text of at most `MAX_NAME_BYTES`."""
    return rule(text, f"text, at most {MAX_NAME_BYTES} bytes", means)


def flag(means: str) -> Rule:
    """A truth value."""
    return rule(truth, "true or false", means)


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
        elif each.default is MISSING:
            raise RequestError("bad_field", f"`{prefix}{each.name}` is missing; it must be given.")
    return given
