"""schema.json lets through what the specification's vectors call good, and refuses what they call bad."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from support.schema import DOCUMENT, problems
from support.vectors import load
from vaporbrush_protocol.codec import decode
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.messages import REQUESTS
from vaporbrush_protocol.replies import REPLIES, check_reply

named = {"ids": lambda vector: vector["name"]}
GOOD = [vector for vector in load("good.json") if "request" in vector]
BAD = [vector for vector in load("bad.json") if vector["layer"] == "request"]
REPLIED, WRONG = load("replies.json"), load("bad_replies.json")
# What a JSON Schema of the header cannot say: the chunk, bytes of UTF-8, sums, and that 4.0 is no integer.
BEYOND = {
    "ping with a chunk",
    "get with an empty chunk",
    "put beyond its size",
    "put with a float for a size",
    "hello with a name of 201 bytes in 67 characters",
    "content of more than 2 GiB",
    "mask of another size",
    "a held frame of another size",
}


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(DOCUMENT)


@pytest.mark.parametrize("vector", GOOD, **named)
def test_every_good_request_fits(vector: dict[str, Any]) -> None:
    assert problems(f"request.{vector['request']}", vector["header"]) == []
    assert problems("request", vector["header"]) == []


@pytest.mark.parametrize("vector", [vector for vector in BAD if vector["name"] not in BEYOND], **named)
def test_every_bad_request_is_refused(vector: dict[str, Any]) -> None:
    assert problems("request", decode(vector["frames"])[0])


def test_what_the_schema_cannot_say_is_little_and_known() -> None:
    fit = {vector["name"] for vector in BAD if not problems("request", decode(vector["frames"])[0])}
    assert fit == BEYOND


@pytest.mark.parametrize("vector", REPLIED, **named)
def test_every_good_reply_fits_and_is_let_through(vector: dict[str, Any]) -> None:
    header, chunk = decode(vector["frames"])
    assert (header, chunk) == (vector["header"], vector["chunk"])
    assert problems(f"reply.{vector['reply']}", header) == []
    check_reply(vector["reply"], header, chunk)


@pytest.mark.parametrize("vector", WRONG, **named)
def test_every_bad_reply_is_refused(vector: dict[str, Any]) -> None:
    header, chunk = decode(vector["frames"])
    with pytest.raises(RequestError) as refusal:
        check_reply(vector["reply"], header, chunk)
    assert refusal.value.code == vector["error"]
    if vector["error"] == "bad_field" and vector["name"] != "have as a fraction":
        assert problems(f"reply.{vector['reply']}", header), "the schema sees it too"


def test_every_request_and_every_reply_has_a_good_vector() -> None:
    assert {vector["request"] for vector in GOOD} == set(REQUESTS)
    assert {vector["reply"] for vector in REPLIED if vector["header"]["ok"]} == set(REPLIES)


def test_every_field_of_a_request_is_in_one_vector_and_left_out_of_another_where_it_may_be() -> None:
    headers = [vector["header"] for vector in GOOD]
    recipes = [header["recipe"] for header in headers if "recipe" in header]
    records = {
        **{f"request.{name}": [one for one in headers if one["request"] == name] for name in REQUESTS},
        "recipe": recipes,
        "style": [style for recipe in recipes for style in recipe["styles"]],
        "held": [held for recipe in recipes for held in recipe.get("held") or ()],
        "image": [recipe["content"] for recipe in recipes if recipe["content"]["blob"]],
    }
    for name, found in records.items():
        schema = DOCUMENT["$defs"][name]
        for field in schema["properties"]:
            given = {one.get(field) is not None for one in found}
            assert given == ({True} if field in schema["required"] else {True, False}), f"{name}: {field}"


def nullable(schema: dict[str, Any]) -> Iterator[str]:
    for name, each in schema["properties"].items():
        if {"type": "null"} in each.get("anyOf", ()):
            yield name


@pytest.mark.parametrize("record", ["job", "progress", "result"])
def test_every_field_of_a_reply_that_may_be_nil_is_nil_in_one_vector_and_not_in_another(record: str) -> None:
    jobs = [vector["header"] for vector in REPLIED if "seq" in vector["header"]]
    records = jobs if record == "job" else [job[record] for job in jobs if job[record] is not None]
    for name in nullable(DOCUMENT["$defs"][record]):
        assert {each[name] is None for each in records} == {True, False}, name
