"""A real daemon on a machine with several GPUs, as its workers tell: fake ones, in real processes."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from support.daemon import FAKE_WORKER, Daemon, ended, recipe, running, serving, until
from support.fake_worker import DIES_ONCE, ENDLESS
from vaporbrush_protocol import Client, Image, Job, Recipe, RemoteError, Style


def machine(home: Path, gigabytes: str):
    """A daemon that finds GPUs of so many GB."""
    return serving(home, worker_command=[*FAKE_WORKER, "--gpus", gigabytes], devices=[])


def submit(client: Client, asked: Recipe) -> Job:
    return client.submit(asked, str(uuid.uuid4()), lease_s=60.0)


def large(client: Client) -> Recipe:
    """A picture that an 8 GB card could only paint in tiles."""
    side = 3000
    pixels = bytes(side * side * 3)
    content = Image.of(pixels, side, side, "RGB")
    style = bytes(16 * 16 * 3)
    client.upload(pixels)
    client.upload(style)
    return Recipe(content=content, styles=(Style(image=Image.of(style, 16, 16, "RGB")),), size="full", seed=ENDLESS)


def states(client: Client) -> dict[str, str]:
    return {worker["device"]: worker["state"] for worker in client.status()["workers"]}


def on(client: Client, job: Job) -> str:
    """The device that is at work on a job; empty while none is."""
    return next((worker["device"] for worker in client.status()["workers"] if worker["job"] == job.job), "")


def test_jobs_paint_on_all_gpus_at_once_with_previews_of_each(home: Path) -> None:
    with machine(home, "24,24") as daemon, daemon.client() as client:
        jobs = [submit(client, recipe(client, ENDLESS, tint=tint)) for tint in (1, 2)]
        jobs = [running(client, job) for job in jobs]
        assert {on(client, job) for job in jobs} == {"cuda:0", "cuda:1"}
        for begun, side in zip(jobs, (64, 96), strict=True):
            job = begun
            while job.preview is None or job.preview.width != side:
                job = client.watch(job.job, job.seq, 5.0, side)
            client.finish(job.job)
            done = ended(client, job)
            assert done.result is not None
            assert done.result["device"] in ("cuda:0", "cuda:1")


def test_one_job_starts_one_worker_and_status_lists_every_device_by_name(home: Path) -> None:
    with machine(home, "24,8") as daemon, daemon.client() as client:
        assert client.status()["devices"] == []
        assert ended(client, submit(client, recipe(client))).state == "done"
        assert states(client) == {"cuda:0": "idle", "cuda:1": "stopped", "cpu": "stopped"}
        shown = [(one["device"], one["title"], one["memory_bytes"]) for one in client.status()["devices"]]
        assert shown == [("cuda:0", "Fake 24", 24 * 10**9), ("cuda:1", "Fake 8", 8 * 10**9), ("cpu", "", 0)]
    again = Daemon(home).start()  # with the processor configured, of what is remembered only that can be painted on
    try:
        with again.client() as client:
            assert [one["device"] for one in client.status()["devices"]] == ["cpu"]
    finally:
        again.stop()


def test_the_largest_jobs_go_to_the_gpu_with_memory_for_them(home: Path) -> None:
    with machine(home, "8,24") as daemon, daemon.client() as client:
        first = running(client, submit(client, large(client)))
        until(lambda: on(client, first) != "", "it paints")
        client.cancel(first.job)  # the first worker found the devices out; from here on they are known
        until(lambda: "busy" not in states(client).values(), "all workers rest")
        big = running(client, submit(client, large(client)))
        small = running(client, submit(client, recipe(client, ENDLESS, tint=5)))
        assert (on(client, big), on(client, small)) == ("cuda:1", "cuda:0")
        waiting = submit(client, large(client))
        client.finish(small.job)
        assert ended(client, small).state == "done"
        assert client.watch(waiting.job).state == "queued", "the small card rests, and the large job waits for its own"
        client.finish(big.job)
        ended(client, big)
        waiting = running(client, client.watch(waiting.job))
        assert on(client, waiting) == "cuda:1"
        client.finish(waiting.job)
        ended(client, waiting)


def test_a_recipe_may_name_the_second_gpu_and_one_that_is_not_there_is_refused(home: Path) -> None:
    with machine(home, "24,24") as daemon, daemon.client() as client:
        asked = recipe(client, device="cuda:1")
        done = ended(client, submit(client, asked))
        assert done.result is not None
        assert done.result["device"] == "cuda:1"
        with pytest.raises(RemoteError, match="there is cuda:0, cuda:1, cpu") as refused:
            submit(client, recipe(client, device="cuda:2"))
        assert refused.value.code == "device_missing"


def test_a_worker_that_dies_leaves_its_job_to_another_gpu(home: Path) -> None:
    with machine(home, "24,24") as daemon, daemon.client() as client:
        other = running(client, submit(client, recipe(client, ENDLESS, tint=1)))
        job = ended(client, submit(client, recipe(client, DIES_ONCE, tint=2)))
        assert (job.state, job.attempts) == ("done", 2)
        client.finish(other.job)
        assert ended(client, other).state == "done"


def test_a_gpu_that_disappears_takes_no_job_with_it(home: Path) -> None:
    with machine(home, "24,24") as daemon, daemon.client() as client:
        assert ended(client, submit(client, recipe(client))).state == "done"
        (home / "gone-cuda:1").touch()
        jobs = [submit(client, recipe(client, tint=tint)) for tint in range(3, 9)]
        lost = submit(client, recipe(client, tint=9, device="cuda:1"))
        assert [ended(client, job).state for job in jobs] == ["done"] * 6
        failed = ended(client, lost)
        assert failed.error is not None
        assert failed.error.code == "worker_crashed"
        assert "cuda:1 does not exist here; there is cuda:0, cpu" in failed.error.message


def test_an_estimate_says_how_many_such_paintings_run_side_by_side(home: Path) -> None:
    with machine(home, "24,24,8") as daemon, daemon.client() as client:
        asked = recipe(client)
        assert client.estimate(asked)["at_once"] == 1, "nobody knows the devices yet"
        assert ended(client, submit(client, asked)).state == "done"
        assert client.estimate(asked)["at_once"] == 3
        assert client.estimate(large(client))["at_once"] == 2, "the small one would cut it into tiles"
        assert client.estimate(recipe(client, device="cuda:2"))["at_once"] == 1


def test_an_estimate_counts_only_gpus_to_which_the_job_goes_where_the_first_one_would_cut_it_into_tiles(
    home: Path,
) -> None:
    with machine(home, "8,24,24") as daemon, daemon.client() as client:
        assert ended(client, submit(client, recipe(client))).state == "done"
        assert client.estimate(large(client))["at_once"] == 2
