"""The daemon's replies have the fields that the specification lists, and no others."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from support.daemon import ended, picture, recipe, serving
from support.fake_worker import ENDLESS
from support.schema import problems
from support.spec import first_column, mentioned, reply_fields, section
from vaporbrush_protocol import Client, Style
from vaporbrush_protocol.replies import check_reply

SELF = {"id", "ok"}


def reply(client: Client, name: str, chunk: bytes | None = None, **fields: Any) -> set[str]:
    """The fields of the reply; request and reply fit the schema and the rules."""
    header, came = client.request(name, fields, chunk)
    assert problems(f"request.{name}", {"id": 1, "request": name, **fields}) == []
    assert problems(f"reply.{name}", header) == []
    check_reply(name, header, came)
    return set(header) - SELF


def test_every_reply_is_as_the_specification_says(home: Path) -> None:
    job_fields = first_column(section("Job"))
    with serving(home) as daemon, daemon.client() as client:
        asked = recipe(client)
        for name in ("hello", "models", "styles", "unload"):
            assert reply(client, name) == reply_fields(name), name
        assert reply(client, "ping") == set()
        assert reply(client, "estimate", recipe=asked.to_wire()) == reply_fields("estimate")

        image, pixels = picture(tint=9)
        assert reply(client, "put", pixels, blob=image.blob, size=len(pixels)) == reply_fields("put")
        assert reply(client, "get", blob=image.blob) == reply_fields("get")

        job = str(uuid.uuid4())
        assert reply(client, "submit", job=job, recipe=asked.to_wire()) == job_fields
        result = ended(client, job).result
        assert result is not None
        assert set(result) <= first_column(section("Result"))
        for name in ("watch", "cancel", "finish"):
            assert reply(client, name, job=job) == job_fields, name
        assert reply(client, "list") == reply_fields("list")
        assert {key for one in client.request("list")[0]["jobs"] for key in one} == job_fields

        status = client.status()
        assert set(status) - SELF == reply_fields("status")
        assert set(status["workers"][0]) <= mentioned("status", "workers")
        assert status["workers"][0]["state"] in mentioned("status", "workers")
        for name in ("queue", "spool"):
            assert set(status[name]) <= mentioned("status", name)
        assert {key for model in client.models()["models"] for key in model} <= mentioned("models", "models")
        styles = client.styles()["styles"]
        assert styles
        assert {key for style in styles for key in style} <= mentioned("styles", "styles")
        assert Style.from_wire("styles[0]", {"name": styles[0]["name"]}).name == styles[0]["name"]
        assert reply(client, "release", job=job) == job_fields
        assert reply(client, "shutdown") == set()


def test_a_preview_comes_with_its_chunk_as_the_specification_says(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        job = client.submit(recipe(client, ENDLESS, tint=3))
        while job.preview is None:
            job = client.watch(job.job, job.seq, 5.0, 64)
        found, chunk = client.request("watch", {"job": job.job, "preview": 64})
        assert set(found["preview"]) <= mentioned("watch", "preview")
        assert chunk is not None
        assert len(chunk) == found["preview"]["width"] * found["preview"]["height"] * 3
        client.finish(job.job)
        assert ended(client, job).state == "done"
