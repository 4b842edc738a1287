"""Whatever a worker does wrong, a job ends alike here and on a node: same state, same attempts, same words."""

from __future__ import annotations

import os
import signal
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from studio.conftest import paint
from support import fake_worker as fake
from support.daemon import FAKE_WORKER, ended, negative, picture, recipe, running, until
from support.nodes import StudioOfNodes, studio
from support.program import children
from vaporbrush_protocol import Client, Job

HERE, THERE = "cuda:0", "box1/cuda:0"
SEEDS = {name: value for name, value in vars(fake).items() if name.isupper() and isinstance(value, int) and value < 15}
WELL = ("WELL", "DIES_ONCE", "STUCK_ONCE", "OOM_ONCE")  # those that are painted in the end
TOLD = ("DEAF", "ENDLESS")  # those that only end when they are told to
SLOW_S = 90.0  # a worker that hears nothing gets ten seconds; and the machine is busy


@pytest.fixture(scope="module")
def boxes() -> Iterator[StudioOfNodes]:
    """One node, and a daemon with the same GPU."""
    here = {"worker_command": [*FAKE_WORKER, "--gpus", "24"], "devices": [], "stuck_after_s": 1.0}
    with (
        tempfile.TemporaryDirectory(prefix="vp-") as folder,
        studio(Path(folder), Path(folder) / "home", {"box1": ("--gpus", "24")}, **here) as made,
        made.head.client() as client,
    ):
        assert ended(client, paint(client, device=HERE), SLOW_S).state == "done", "its devices are known now"
        yield made


def outcome(client: Client, job: Job) -> dict[str, Any]:
    """How a job ended, in words without the names of devices."""
    done = ended(client, job, SLOW_S)
    told = {
        "state": done.state,
        "attempts": done.attempts,
        "notes": done.notes,
        "code": done.error.code if done.error else "",
        "sentence": done.error.message if done.error else "",
        "retryable": done.error.retryable if done.error else None,
        "degraded": done.result["degraded"] if done.result else "",
        "stopped": done.result["stopped"] if done.result else "",
    }
    return {name: str(value).replace(THERE, "GPU").replace(HERE, "GPU") for name, value in told.items()}


def both(boxes: StudioOfNodes, what: Callable[[Client, str], Job]) -> dict[str, Any]:
    """Let it happen on both. Returns how it ended."""
    with boxes.head.client() as client:
        here, there = (outcome(client, what(client, device)) for device in (HERE, THERE))
        assert there == here
        for device in (HERE, THERE):
            well = ended(client, paint(client, tint=77, device=device), SLOW_S)
            assert well.state == "done", f"{device} paints on: {well.error}"
            assert bytes(client.download(well.image)) == negative(picture(tint=77)[1])
    return there


def painters(boxes: StudioOfNodes, device: str) -> list[psutil.Process]:
    node = boxes.nodes["box1"].process
    assert node is not None
    return children(boxes.head.pid if device == HERE else node.pid, "fake_worker")


@pytest.mark.parametrize("name", sorted(set(SEEDS) - set(TOLD)))
def test_each_way_to_misbehave_ends_alike(boxes: StudioOfNodes, name: str) -> None:
    told = both(boxes, lambda client, device: paint(client, seed=SEEDS[name], tint=SEEDS[name], device=device))
    assert told["state"] == ("done" if name in WELL else "failed")


@pytest.mark.parametrize("name", TOLD)
def test_a_cancelled_job_ends_alike(boxes: StudioOfNodes, name: str) -> None:
    def cancelled(client: Client, device: str) -> Job:
        job = running(client, paint(client, seed=SEEDS[name], device=device))
        client.cancel(job.job)
        return job

    assert both(boxes, cancelled)["state"] == "cancelled"


def test_a_job_that_is_told_to_finish_ends_alike(boxes: StudioOfNodes) -> None:
    def finished(client: Client, device: str) -> Job:
        job = running(client, paint(client, seed=fake.ENDLESS, device=device))
        client.finish(job.job)
        return job

    assert both(boxes, finished)["stopped"] == "finish"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_painter_that_is_killed_or_stopped_under_a_job_costs_one_attempt(
    boxes: StudioOfNodes, how: signal.Signals
) -> None:
    def hurt(client: Client, device: str) -> Job:
        asked = recipe(client, steps=200, device=device)
        job = running(client, client.submit(asked, str(uuid.uuid4()), lease_s=600.0))
        for painter in painters(boxes, device):
            os.kill(painter.pid, how)
        return job

    told = both(boxes, hurt)
    assert (told["state"], told["attempts"]) == ("done", "2")


def test_a_device_that_vanishes_while_no_painter_runs_ends_alike(boxes: StudioOfNodes) -> None:
    def vanished(client: Client, device: str) -> Job:
        home = boxes.head.home if device == HERE else boxes.nodes["box1"].home
        client.unload()
        until(lambda: not painters(boxes, device), "no painter runs")
        (home / f"gone-{HERE}").touch()
        job = paint(client, device=device)
        ended(client, job, SLOW_S)
        (home / f"gone-{HERE}").unlink()
        return job

    told = both(boxes, vanished)
    assert (told["state"], told["code"]) == ("failed", "worker_crashed")
    assert "The device GPU does not exist here" in told["sentence"]
