"""schema.json: the messages' headers as a JSON Schema (2020-12), made from the records of the code.

What it cannot say stays with the specification's text: chunks, sizes in bytes of UTF-8, that a mask is as large as the
content. A request that fits the schema may still be refused; one that does not fit is always refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from vaporbrush_protocol.job import Job
from vaporbrush_protocol.limits import PROTOCOL_MAJOR, PROTOCOL_MINOR
from vaporbrush_protocol.messages import REQUESTS
from vaporbrush_protocol.nested import record_schema
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Held, Image, Recipe, Style
from vaporbrush_protocol.replies import REPLIES, Preview, Refusal
from vaporbrush_protocol.result import Result
from vaporbrush_protocol.rules import MAX_INTEGER, ref

Schema = dict[str, Any]
ID = {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER}
SIZES_ONLY = {
    "image": "estimated_image",
    "style": "estimated_style",
    "held": "estimated_held",
    "recipe": "estimated_recipe",
}


def asked(kind: type) -> Schema:
    """A record in a request: what has a default may be absent or nil."""
    listed = [each for each in fields(kind) if each.metadata]
    needed = [each.name for each in listed if each.default is MISSING and each.default_factory is MISSING]
    properties = {
        each.name: each.metadata["schema"]
        if each.name in needed
        else {"anyOf": [each.metadata["schema"], {"type": "null"}]}
        for each in listed
    }
    return {"type": "object", "required": needed, "properties": properties}


def with_fields(schema: Schema, **more: Mapping[str, Any]) -> Schema:
    """The schema with further fields that have to be there."""
    return {**schema, "required": [*more, *schema["required"]], "properties": {**more, **schema["properties"]}}


def renamed(schema: Any) -> Any:
    """The schema of an estimate's record: the hashes of pictures may be empty."""
    text = json.dumps(schema)
    for name, other in SIZES_ONLY.items():
        text = text.replace(json.dumps(ref(name)["$ref"]), json.dumps(ref(other)["$ref"]))
    return json.loads(text)


def _style() -> Schema:
    given = {"type": ["object", "string"], "minLength": 1}
    one_of = [{"required": [name], "properties": {name: given}} for name in ("image", "name")]
    return {**asked(Style), "oneOf": one_of}


def _estimated_image() -> Schema:
    image = asked(Image)
    blob = {"anyOf": [image["properties"]["blob"], {"const": ""}, {"type": "null"}]}
    needed = [name for name in image["required"] if name != "blob"]
    return {**image, "required": needed, "properties": {**image["properties"], "blob": blob}}


def definitions() -> dict[str, Schema]:
    """Every record and message by its name."""
    found: dict[str, Schema] = {"image": asked(Image), "style": _style(), "held": asked(Held), "recipe": asked(Recipe)}
    found["estimated_image"] = _estimated_image()
    for name in ("style", "held", "recipe"):
        found[SIZES_ONLY[name]] = renamed(found[name])
    found["progress"], found["result"] = record_schema(Progress), record_schema(Result)
    found["error"], found["job"] = record_schema(Refusal), record_schema(Job)
    for name, kind in REQUESTS.items():
        found[f"request.{name}"] = with_fields(asked(kind), id=ID, request={"const": name})
    for name, kind in REPLIES.items():
        success = with_fields(record_schema(kind), id=ID, ok={"const": True})
        if name == "watch":
            success["properties"]["preview"] = {"anyOf": [record_schema(Preview), {"type": "null"}]}
        found[f"reply.{name}"] = {"anyOf": [success, ref("refusal")]}
    nobody = {"anyOf": [ID, {"type": "null"}]}
    empty: Schema = {"type": "object", "required": [], "properties": {}}
    found["refusal"] = with_fields(empty, id=nobody, ok={"const": False}, error=ref("error"))
    found["request"] = {"oneOf": [ref(f"request.{name}") for name in REQUESTS]}
    found["reply"] = {"anyOf": [ref(f"reply.{name}") for name in REPLIES]}
    return found


def document() -> str:
    """The file."""
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:vaporbrush:protocol:{PROTOCOL_MAJOR}.{PROTOCOL_MINOR}",
        "title": "Headers of the Vaporbrush protocol",
        "description": "Made by `python protocol/generate.py`; SPEC.md is normative. A request is checked against "
        "`#/$defs/request`, a reply against `#/$defs/reply.NAME` of the request that it answers.",
        "anyOf": [ref("request"), ref("reply")],
        "$defs": definitions(),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
