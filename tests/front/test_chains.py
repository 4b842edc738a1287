"""Jobs after other jobs, in a real daemon: their canvases are brought together there, and no client waits between."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from support import fake_worker as fake
from support.daemon import Daemon, ended, invited, recipe, running, serving
from vaporbrush_protocol import Client, Job, Recipe, RemoteError


def submit(client: Client, asked: Recipe, after: Job | None = None, *, holds: bool = False, name: str = "") -> Job:
    return client.submit(
        asked, name or str(uuid.uuid4()), 60.0, after=after.job if after is not None else None, holds=holds
    )


def test_a_films_frames_are_sent_ahead_and_each_is_held_to_the_one_before(daemon: Daemon) -> None:
    with daemon.client() as client:
        asked = [recipe(client, tint=tint) for tint in range(4)]
        jobs = [submit(client, asked[0])]
        for one in asked[1:]:
            jobs.append(submit(client, one, jobs[-1], holds=True))
        done = [ended(client, job) for job in jobs]
        assert [job.state for job in done] == ["done"] * 4
        for before, job, what in zip(done, done[1:], asked, strict=False):
            assert job.result is not None
            held = Recipe.from_wire(job.result["recipe"]).held
            assert [(one.content, one.canvas) for one in held] == [(what.content, before.canvas)]


def test_the_same_submit_again_gives_the_job_and_another_predecessor_is_a_conflict(daemon: Daemon) -> None:
    with daemon.client() as client:
        first = running(client, submit(client, recipe(client, fake.ENDLESS)))
        asked, name = recipe(client, tint=1), str(uuid.uuid4())
        second = submit(client, asked, first, name=name)
        assert submit(client, asked, first, name=name).job == second.job
        with pytest.raises(RemoteError, match="already taken by a different job"):
            submit(client, asked, name=name)
        client.finish(first.job)
        assert ended(client, second).state == "done"
        assert submit(client, asked, first, name=name).state == "done"


def test_after_a_restart_a_canvas_that_is_gone_is_said_to_be(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        first = ended(client, submit(client, recipe(client)))
        assert first.canvas is not None
    for path in home.rglob(first.canvas.blob):
        path.unlink()
    with serving(home) as daemon, daemon.client() as client:
        with pytest.raises(RemoteError, match=f"The canvas of job {first.job} is not here any more") as refused:
            submit(client, recipe(client, tint=1), first)
        assert refused.value.code == "unknown_blob"


def test_a_guest_goes_on_from_its_own_jobs_only(daemon: Daemon) -> None:
    with daemon.client() as owner, invited(daemon, "ann") as ann:
        owners = ended(owner, submit(owner, recipe(owner)))
        anns = ended(ann, submit(ann, recipe(ann, tint=1)))
        with pytest.raises(RemoteError, match="is known here") as refused:
            submit(ann, recipe(ann, tint=2), owners)
        assert refused.value.code == "unknown_job"
        assert ended(ann, submit(ann, recipe(ann, tint=3), anns, holds=True)).state == "done"
