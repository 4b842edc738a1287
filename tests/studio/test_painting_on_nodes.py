"""A daemon has the nodes of its studio paint, over real TLS connections between real processes."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import PIL.Image
import psutil
import pytest

from studio.conftest import paint
from support import fake_worker as fake
from support.daemon import ended, environment, negative, picture, running, until
from support.nodes import StudioOfNodes, keys_are_closed, listening, studio
from support.program import PROGRAM, vaporbrush
from vaporbrush_host import devices
from vaporbrush_protocol import Recipe, RemoteError, Style

THREE = {"box1": ("--gpus", "24"), "box2": ("--gpus", "24"), "box3": ("--gpus", "4")}
MOST_BYTES = 500 * 1000**2  # that the bridge and three nodes may have resident, their painters aside


@pytest.fixture(scope="module")
def boxes() -> Iterator[StudioOfNodes]:
    with (
        tempfile.TemporaryDirectory(prefix="vp-") as folder,
        studio(Path(folder), Path(folder) / "home", THREE) as made,
    ):
        yield made


def test_pictures_are_painted_on_the_nodes_with_progress_and_previews(boxes: StudioOfNodes) -> None:
    boxes.wait_for("box1/cuda:0", "box2/cuda:0", "box3/cuda:0")
    with boxes.head.client() as client:
        jobs = [running(client, paint(client, tint=n, seed=fake.ENDLESS)) for n in range(3)]
        assert {boxes.working_on(job.job) for job in jobs} == {"box1/cuda:0", "box2/cuda:0", "box3/cuda:0"}
        shown = until(lambda: client.watch(jobs[0].job, 0, 0.5, preview_side=64).preview, "a preview comes through")
        assert max(shown.width, shown.height) <= 64
        for number, job in enumerate(jobs):
            client.finish(job.job)
            done = ended(client, job)
            assert (done.state, done.attempts) == ("done", 1), done.error
            assert done.result is not None
            assert done.result["device"].startswith("box")
            assert bytes(client.download(done.image)) == negative(picture(tint=number)[1])


def test_a_cancelled_job_gives_its_node_back_at_once(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        job = running(client, paint(client, seed=fake.ENDLESS, device="box2/cuda:0"))
        began = time.monotonic()
        client.cancel(job.job)
        assert ended(client, paint(client, tint=5, device="box2/cuda:0")).state == "done", "and the next one is painted"
        assert time.monotonic() - began < 10.0  # a step and two turns of the wire: wanted are 0.5 s


def test_the_same_pictures_do_not_travel_to_a_node_twice(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        first = ended(client, paint(client, tint=30, device="box1/cuda:0"))
        before = client.status()["counters"]["studio_bytes_moved"]
        again = ended(client, paint(client, tint=30, seed=fake.STUCK + 100, device="box1/cuda:0"))
        assert (first.state, again.state) == ("done", "done")
        moved = client.status()["counters"]["studio_bytes_moved"] - before
        assert moved <= again.image.size_bytes, "only what was painted came back"


def test_an_artists_own_style_is_painted_on_a_node_that_does_not_have_it(boxes: StudioOfNodes) -> None:
    own = boxes.head.home / "styles"
    own.mkdir(exist_ok=True)
    PIL.Image.new("RGB", (32, 32), (200, 30, 90)).save(own / "mine.png")
    with boxes.head.client() as client:
        content, pixels = picture(tint=40)
        client.upload(pixels)
        named = Recipe(content=content, styles=(Style(name="mine"),), device="box1/cuda:0")
        done = ended(client, client.submit(named, str(uuid.uuid4()), lease_s=600.0))
        assert done.state == "done", done.error
        assert bytes(client.download(done.image)) == negative(pixels)
    assert not list((boxes.nodes["box1"].home / "styles").glob("*"))


def test_what_a_painter_there_says_of_its_job_is_told_here(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        failed = ended(client, paint(client, seed=fake.DIVERGES, device="box3/cuda:0"))
        assert failed.error is not None
        assert failed.error.code == "diverged"
        spared = ended(client, paint(client, seed=fake.OOM_ONCE, tint=6, device="box3/cuda:0"))
        assert spared.state == "done", "the cheaper plan reaches the node"
        again = ended(client, paint(client, seed=fake.DIES_ONCE, tint=7, device="box3/cuda:0"))
        assert (again.state, again.attempts) == ("done", 2)
        twice = ended(client, paint(client, seed=fake.DIES, tint=8, device="box3/cuda:0"))
        assert twice.error is not None
        assert twice.error.code == "worker_crashed"
        broken = ended(client, paint(client, seed=fake.NONSENSE, tint=9, device="box3/cuda:0"))
        assert broken.error is not None
        assert broken.error.code == "internal"
        assert ended(client, paint(client, tint=10, device="box3/cuda:0")).state == "done", "and it paints on"


def test_nodes_are_devices_wherever_devices_are_chosen(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        offered = {option.value: option.label for option in devices.offered(client.status())}
        assert offered["box1/cuda:0"].startswith("box1 (Fake 24)")
        with pytest.raises(RemoteError) as refused:
            paint(client, device="box9/cuda:0")
        assert refused.value.code == "device_missing"
    told = vaporbrush("studio", "status", "--json", env=environment(boxes.head.home))
    nodes = {one["name"]: one for one in json.loads(told.stdout)["nodes"]}
    assert nodes["box1"]["devices"][0]["device"] == "box1/cuda:0"
    shown = vaporbrush("studio", "status", env=environment(boxes.head.home))
    assert "box3 (Fake 4)" in shown.stdout


def test_watching_the_studio_shows_what_each_node_paints(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        job = running(client, paint(client, seed=fake.ENDLESS, device="box2/cuda:0", label="The harbour"))
        command = [*PROGRAM, "studio", "status", "--watch"]
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment(boxes.head.home))
        try:
            assert watching.stdout is not None
            seen = ""
            while seen.count("The studio at") < 3:  # it goes on showing it
                seen += watching.stdout.readline()
        finally:
            watching.terminate()
            watching.communicate()
            client.cancel(job.job)
    line = next(line for line in seen.splitlines() if "box2 (Fake 24)" in line)
    assert f"busy The harbour · {job.job[:8]} · Painting" in line
    assert "box2: in, " in seen
    assert "moved" in seen


def test_each_process_has_one_port_and_the_daemon_none(boxes: StudioOfNodes) -> None:
    assert listening(boxes.bridge()) == [("127.0.0.1", boxes.port)]
    for node in boxes.nodes.values():
        assert node.process is not None
        (only,) = listening(node.process.pid)
        assert only[0] == "127.0.0.1"
        assert keys_are_closed(node.home / "node")
    assert all(isinstance(one, str) or not one for one in listening(boxes.head.pid)), "a local socket has no port"
    assert keys_are_closed(boxes.head.home / "studio")


def test_a_whole_studio_is_small(boxes: StudioOfNodes) -> None:
    pids = [boxes.bridge(), *(node.process.pid for node in boxes.nodes.values() if node.process)]
    assert sum(psutil.Process(pid).memory_full_info().uss for pid in pids) < MOST_BYTES
