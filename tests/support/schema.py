"""The protocol's JSON Schema, ready to check headers with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from support.spec import FOLDER

DOCUMENT = json.loads((FOLDER / "schema.json").read_text(encoding="utf-8"))


@cache
def validator(name: str) -> Draft202012Validator:
    """Checks against one of the schema's definitions: `request`, `reply.hello`, `recipe` …"""
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": DOCUMENT["$defs"]})


def problems(name: str, header: Mapping[str, Any]) -> list[str]:
    """What a header has against it."""
    return [f"{error.json_path}: {error.message}"[:300] for error in validator(name).iter_errors(header)]
