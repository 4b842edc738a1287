"""Records within the replies: their rules and their JSON Schema, made from their fields."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from .errors import RequestError
from .rules import Rule, bad, mapping, read, rule, sequence

MANY = 1000  # entries of a list in a reply; its header's size is the true bound


def record(kind: type, means: str) -> Rule:
    """The rule of a field that holds a record."""
    return rule(lambda name, value: checked(kind, name, value), f"map: {_names(kind)}", means, record_schema(kind))


def records(kind: type, means: str) -> Rule:
    """The rule of a field that holds a list of records."""

    def check(name: str, value: object) -> list[Any]:
        return [checked(kind, f"{name}[{i}]", one) for i, one in enumerate(sequence(name, value, 0, MANY))]

    return rule(check, f"list of maps: {_names(kind)}", means, {"type": "array", "items": record_schema(kind)})


def _names(kind: type) -> str:
    return ", ".join(f"`{each.name}`" for each in fields(kind))


def checked(kind: type, name: str, value: object) -> dict[str, Any]:
    """A record's fields, all of which have to be there; nil only where that is said."""
    raw, prefix = mapping(name, value), f"{name}." if name else ""
    for each in fields(kind):
        if each.metadata and each.name not in raw and not each.metadata.get("optional"):
            raise RequestError("bad_field", f"`{prefix}{each.name}` is missing; every reply has it.")
        if each.metadata and each.name in raw and raw[each.name] is None and each.default is not None:
            raise bad(f"{prefix}{each.name}", None, "something: it is never nil")
    return read(kind, raw, prefix)


def record_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema of a record in a reply: every field is there; what may be nil has None for a default."""
    listed = [each for each in fields(kind) if each.metadata]
    return {
        "type": "object",
        "required": [each.name for each in listed if not each.metadata.get("optional")],
        "properties": {
            each.name: {"anyOf": [each.metadata["schema"], {"type": "null"}]}
            if each.default is None
            else each.metadata["schema"]
            for each in listed
        },
    }
