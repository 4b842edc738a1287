"""A node whose disk is full: another one's turn; where only that one is wanted, one sentence. And it is all seen."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.daemon import ended, environment, negative, picture, until
from support.nodes import Node, StudioOfNodes, studio
from support.program import vaporbrush
from vaporbrush_protocol import Client, Job, Recipe, Style

pytestmark = pytest.mark.skipif(not hasattr(psutil, "RLIMIT_FSIZE"), reason="only Linux limits a running process")
SIDE = 400  # a picture of 480 kB
ROOM_BYTES = 200_000  # that fit into a file where a disk is "full"


@pytest.fixture(scope="module")
def boxes() -> Iterator[StudioOfNodes]:
    two = {"box1": ("--gpus", "24"), "box2": ("--gpus", "24")}
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, studio(Path(folder), Path(folder) / "home", two) as made:
        yield made


def fill_disk(node: Node, full: bool = True) -> None:
    """From now on the kernel keeps this node from writing long files."""
    assert node.process is not None
    most = ROOM_BYTES if full else psutil.RLIM_INFINITY
    psutil.Process(node.process.pid).rlimit(psutil.RLIMIT_FSIZE, (most, psutil.RLIM_INFINITY))


def large(client: Client, tint: int, device: str = "auto") -> Job:
    content, pixels = picture(SIDE, SIDE, tint)
    style, strokes = picture(tint=tint + 100)
    client.upload(pixels)
    client.upload(strokes)
    recipe = Recipe(content=content, styles=(Style(image=style),), device=device)
    return client.submit(recipe, str(uuid.uuid4()), lease_s=600.0)


def test_it_is_another_nodes_turn_and_the_full_one_paints_again_when_there_is_room(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        usual = ended(client, large(client, 1))
        assert usual.result is not None
        full = boxes.nodes[usual.result["device"].split("/")[0]]  # the one that the next job goes to, too
        fill_disk(full)
        job = ended(client, large(client, 2))
        assert (job.state, job.error) == ("done", None)
        assert job.result is not None
        assert not job.result["device"].startswith(f"{full.name}/")
        assert f"{full.name} cannot keep a picture" in " ".join(job.notes)
        assert bytes(client.download(job.image)) == negative(picture(SIDE, SIDE, 2)[1])
        assert client.status()["counters"].get("jobs_failed", 0) == 0
        fill_disk(full, full=False)
        until(lambda: len(boxes.devices()) == 2, f"it may paint again: {boxes.told()}", 90.0)
        assert ended(client, large(client, 3, f"{full.name}/cuda:0")).state == "done"


def with_a_full_disk(boxes: StudioOfNodes, client: Client, tint: int) -> Job:
    """What becomes of a job for box2, whose disk is full meanwhile."""
    fill_disk(boxes.nodes["box2"])
    try:
        return ended(client, large(client, tint, "box2/cuda:0"))
    finally:
        fill_disk(boxes.nodes["box2"], full=False)


def test_where_only_that_node_is_wanted_a_sentence_says_why(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        job = with_a_full_disk(boxes, client, 4)
        assert job.error is not None
        assert job.error.code == "disk_full"
        assert "box2 cannot keep a picture" in job.error.message
        assert ended(client, large(client, 4, "box2/cuda:0")).state == "done"


def test_status_tells_bytes_and_the_last_failures(boxes: StudioOfNodes) -> None:
    with boxes.head.client() as client:
        for tint, device in ((5, "box1/cuda:0"), (6, "box2/cuda:0")):
            assert ended(client, large(client, tint, device)).state == "done"
        with_a_full_disk(boxes, client, 7)
    told = json.loads(vaporbrush("studio", "status", "--json", env=environment(boxes.head.home)).stdout)
    assert {one["name"]: one["moved_bytes"] > SIDE * SIDE * 3 for one in told["nodes"]} == {"box1": True, "box2": True}
    assert told["moved_bytes"] == sum(one["moved_bytes"] for one in told["nodes"])
    assert told["failures"][0]["node"] == "box2"
    assert "cannot keep a picture" in told["failures"][0]["message"]
    shown = " ".join(vaporbrush("studio", "status", env=environment(boxes.head.home)).stdout.split())
    assert "of pictures have moved" in shown
    assert "Last failures:" in shown
    assert "box2: box2 cannot keep a picture" in shown
