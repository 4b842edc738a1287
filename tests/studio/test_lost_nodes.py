"""Nodes, the bridge and the daemon are killed, frozen and removed: each picture is delivered once, and right."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.conftest import paint
from support import fake_worker as fake
from support.daemon import ended, environment, negative, picture, running, until
from support.nodes import Node, StudioOfNodes, studio
from support.program import gone, vaporbrush

TWO = {"box1": ("--gpus", "24"), "box2": ("--gpus", "24")}
LOST_S = 30.0  # ten times what is wanted of a killed node
FROZEN_S = 90.0  # the head waits 10 s for a heartbeat, and looks every 10 s


@pytest.fixture
def boxes(tmp_path: Path, home: Path) -> Iterator[StudioOfNodes]:
    with studio(tmp_path, home, TWO) as made:
        yield made


def other(device: str) -> str:
    return {"box1/cuda:0": "box2/cuda:0", "box2/cuda:0": "box1/cuda:0"}[device]


def moved_on(boxes: StudioOfNodes, job: str, lost: str, deadline_s: float) -> float:
    """Wait until another node paints the job. Returns after how many seconds."""
    began = time.monotonic()
    until(lambda: boxes.working_on(job) == other(lost), f"it is painted elsewhere: {boxes.told()}", deadline_s)
    return time.monotonic() - began


def test_a_node_that_is_killed_has_its_job_painted_by_another_and_comes_back(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        assert ended(client, paint(client, tint=1)).state == "done"
        job = running(client, paint(client, tint=2, seed=fake.ENDLESS))
        lost = boxes.working_on(job.job)
        node = boxes.nodes[lost.split("/")[0]]
        painters = node.workers()
        node.kill()
        print(f"elsewhere after {moved_on(boxes, job.job, lost, LOST_S):.1f} s")
        until(lambda: all(map(gone, painters)), "its painters are gone")
        assert boxes.devices() == [other(lost)]
        client.finish(job.job)
        done = ended(client, job)
        assert (done.state, done.attempts) == ("done", 2), done.error
        assert node.name in done.notes[0]
        assert bytes(client.download(done.image)) == negative(picture(tint=2)[1])
        assert client.status()["counters"].get("jobs_failed", 0) == 0
        node.start()
        boxes.wait_for("box1/cuda:0", "box2/cuda:0")
        assert ended(client, paint(client, tint=3, device=lost)).state == "done"


def test_a_node_that_freezes_is_given_up_and_paints_nothing_when_it_thaws(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        job = running(client, paint(client, tint=4, seed=fake.ENDLESS))
        lost = boxes.working_on(job.job)
        node = boxes.nodes[lost.split("/")[0]]
        assert node.process is not None
        painters = node.workers()
        os.kill(node.process.pid, signal.SIGSTOP)
        print(f"elsewhere after {moved_on(boxes, job.job, lost, FROZEN_S):.1f} s")
        os.kill(node.process.pid, signal.SIGCONT)
        until(lambda: all(map(gone, painters)), "the old painter is gone")
        client.finish(job.job)
        done = ended(client, job)
        assert (done.state, done.attempts) == ("done", 2), done.error
        assert bytes(client.download(done.image)) == negative(picture(tint=4)[1])
        boxes.wait_for("box1/cuda:0", "box2/cuda:0")


def test_a_bridge_that_is_killed_loses_no_job_and_leaves_no_painter(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        jobs = [running(client, paint(client, tint=n, seed=fake.ENDLESS)) for n in range(2)]
        for _ in range(2):
            painters = [pid for node in boxes.nodes.values() for pid in node.workers()]
            os.kill(boxes.bridge(), signal.SIGKILL)
            assert client.ping() < 5.0
            until(lambda old=painters: all(map(gone, old)), "the painters end", 60.0)
            for job in jobs:
                until(lambda job=job: boxes.working_on(job.job), f"it is painted again: {boxes.told()}", 90.0)
        for number, job in enumerate(jobs):
            client.finish(job.job)
            done = ended(client, job)
            assert done.state == "done", done.error
            assert bytes(client.download(done.image)) == negative(picture(tint=number)[1])


def test_a_bridge_that_is_killed_while_a_painter_starts_fails_no_job(tmp_path: Path, home: Path) -> None:
    with (
        studio(tmp_path, home, {"box1": ("--gpus", "24", "--start", "slow")}) as boxes,
        boxes.head.client() as client,
    ):
        jobs = [paint(client, tint=n) for n in range(3)]

        def starting() -> bool:
            return any(one["state"] == "starting" for one in client.status()["workers"] if "/" in one["device"])

        until(starting, "a painter starts")
        os.kill(boxes.bridge(), signal.SIGKILL)
        for number, job in enumerate(jobs):
            done = ended(client, job, 90.0)
            assert done.state == "done", done.error
            assert bytes(client.download(done.image)) == negative(picture(tint=number)[1])


def test_a_daemon_that_is_killed_leaves_no_bridge_and_no_painter(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        running(client, paint(client, seed=fake.ENDLESS))
    bridge, painters = boxes.bridge(), [pid for node in boxes.nodes.values() for pid in node.workers()]
    assert painters
    boxes.head.kill()
    until(lambda: gone(bridge), "the bridge ends")
    until(lambda: all(map(gone, painters)), "the painters end")
    boxes.head.start()
    boxes.wait_for("box1/cuda:0", "box2/cuda:0")


def test_a_removed_node_is_cut_off_and_gets_in_no_more(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        job = running(client, paint(client, tint=5, seed=fake.ENDLESS))
        lost = boxes.working_on(job.job)
        node = boxes.nodes[lost.split("/")[0]]
        removed = vaporbrush("studio", "remove", node.name, env=environment(boxes.head.home))
        assert removed.returncode == 0, removed.stderr
        moved_on(boxes, job.job, lost, LOST_S)
        assert node.process is not None
        assert node.process.wait(30.0) == 1
        assert f"{node.name} was removed from the studio" in node.said.replace("\n", " ")
        node.start()
        until(lambda: "does not let" in node.said.replace("\n", " "), f"it is told: {boxes.told()}", 60.0)
        assert boxes.devices() == [other(lost)]
        client.finish(job.job)
        assert ended(client, job).state == "done"


def test_a_node_of_another_version_is_refused_in_a_sentence(boxes: StudioOfNodes, tmp_path: Path) -> None:
    node = Node("box3", tmp_path / "box3", "--gpus", "24").let_in(boxes.head, tmp_path)
    older = tmp_path / "older"
    older.mkdir()
    (older / "sitecustomize.py").write_text("from vaporbrush_protocol import version\nversion.__version__ = '0.0.9'\n")
    path = node.environment()["PYTHONPATH"]
    node.environment = lambda: {
        **environment(node.home),
        "PYTHONPATH": f"{older}{os.pathsep}{path}",
    }  # an older machine
    node.start()
    assert node.process is not None
    try:
        assert node.process.wait(60.0) == 1
    finally:
        node.stop()
    assert "this node 0.0.9" in node.said.replace("\n", " "), node.said
    assert "defect" not in node.said
    assert boxes.devices() == ["box1/cuda:0", "box2/cuda:0"]
