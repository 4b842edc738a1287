"""Requests of the vectors with one value replaced by something else: everything a field can be that it must not be."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

import msgpack

from support import vectors
from vaporbrush_protocol.limits import PROTOCOL

# Names of types, constants and errors that only a Python programmer knows.
PYTHON = re.compile(
    r"\b(dict|int|str|bool|float|tuple|bytearray|NoneType|None|True|False|ExtType|Timestamp|memoryview"
    r"|an? (bytes|object|list\b(?! of))|\w+Error|\w*Exception)\b|\bb'|<class|\\ud"
)
NOT_UTF8 = "lone \udcff surrogate"  # packed with surrogatepass below: what some msgpack libraries send
DEEP: list[Any] = []
for _ in range(100):
    DEEP = [DEEP]
STRANGE: tuple[Any, ...] = (
    None, True, False, -1, 2**63, 1.5, -0.0, float("nan"), float("inf"), "", "x", "x" * 300, NOT_UTF8, [], [7],
    ["x"] * 20, {}, {"a": 1}, {1: 2}, {b"k": 1}, b"", b"\0\xff", msgpack.ExtType(5, b"x"), msgpack.Timestamp(1), DEEP,
)  # fmt: skip


def frames(header: object) -> list[bytes]:
    """A message with whatever msgpack can say as its header."""
    return [PROTOCOL, msgpack.packb(header, unicode_errors="surrogateescape")]


def requests(*names: str) -> Iterator[dict[str, Any]]:
    """The headers of the good requests, all or of these names, each value in turn replaced; `id` is left alone."""
    for vector in vectors.load("good.json"):
        if vector.get("request") and (not names or vector["request"] in names):
            for path in _paths(vector["header"]):
                for value in STRANGE:
                    changed = copy.deepcopy(vector["header"])
                    _put(changed, path, value)
                    yield changed


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        if before or step != "id":
            yield (*before, step)
            yield from _paths(inner, (*before, step))


def _put(inside: Any, path: tuple[Any, ...], value: object) -> None:
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
