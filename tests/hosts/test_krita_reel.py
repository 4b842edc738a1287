"""A long film in the real Krita, painted by a studio of two machines at once (`krita_scripts/reel.py`)."""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Picture

from hosts.host import Desktop
from hosts.krita import Krita, Run, cli, picture, scenes
from hosts.root import Root
from support.daemon import until
from support.nodes import check_extra, studio
from vaporbrush_daemon import packaged

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

KRITA_S = 500  # it takes a minute and a half on two free cores
COUNT = 24
TIMES = [number + number // 4 for number in range(COUNT)]
BOXES = dict.fromkeys(("box1", "box2"), ("--gpus", "24", "--step", "0.05"))
ALPHA = 60  # of the frames: the fake painter's negative of that is seen
SIZE = (96, 72)


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita has had the film painted and has stopped it the second time; of the first, `facts` tells the jobs."""
    check_extra()
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        folder = Path(name)
        art = packaged.art()
        picture(folder, "style", art / "styles" / "impasto.jpg", SIZE)
        still = Picture.open(art / "demo" / "content.jpg").convert("RGBA").resize(SIZE)
        still.putalpha(ALPHA)
        for number in range(COUNT):
            frame = still.copy()
            frame.paste((250, 20, 20, ALPHA), (3 * number, 30, 3 * number + 12, 42))
            frame.save(folder / f"drawn{number}.png")
            picture(folder, f"frame{number}", folder / f"drawn{number}.png", SIZE)
        home = folder / "vh"
        with studio(folder, home, BOXES) as boxes, Desktop(root, folder) as desktop:
            krita = Krita(desktop)
            cli(home, "install", "krita", own=desktop.home)
            krita.start("reel", env={"VAPORBRUSH_HOME": str(home)})
            told = krita.wait(KRITA_S)
            (looks / "krita-reel.jsonl").write_bytes(krita.report.read_bytes())
            with boxes.head.client() as client:
                until(lambda: not client.status()["queue"]["jobs"], "the daemon's queue is empty")
                jobs = [client.watch(one.job) for one in client.jobs()]
            yield Run(folder, told, {"jobs": jobs})


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.frombuffer(path.read_bytes(), np.uint8).reshape(SIZE[1], SIZE[0], 4)


def painted(run: Run, name: str) -> list[int]:
    """The frames that have their own painting; all others have to be empty."""
    found = []
    for number, moment in enumerate(TIMES):
        here = pixels(run.folder / f"{name}-{moment}.raw")
        if here.any():
            wanted = 255 - pixels(run.folder / f"frame{number}.bgra")
            assert np.array_equal(here, wanted), f"frame {number} has another one's painting"
            found.append(number)
    return found


@pytest.mark.parametrize("scene", scenes("reel"))
def test_the_scene_was_played_without_an_exception(run: Run, scene: str) -> None:
    run.told.played(scene)


def test_every_frame_is_painted_in_its_place(run: Run) -> None:
    assert run.told["painted"]["stage"] == "done", run.told["painted"]
    assert run.told["source"] == run.told["pixels"]["frames"] == TIMES
    assert painted(run, "reel") == list(range(COUNT))
    assert run.told["painted"]["after"] == ["Reel – Starry", *run.told["painted"]["before"]]


def test_both_machines_have_painted_and_each_frame_once(run: Run) -> None:
    done = [job for job in run.facts["jobs"][:COUNT] if job.state == "done"]
    assert len(done) == COUNT
    assert len({job.result["recipe"]["content"]["blob"] for job in done}) == COUNT
    assert {job.result["device"] for job in done} == {"box1/cuda:0", "box2/cuda:0"}


def test_the_second_machine_begins_with_a_key_that_is_held_to_the_first_one_s(run: Run) -> None:
    blobs = [hashlib.sha256((run.folder / f"frame{number}.bgra").read_bytes()).hexdigest() for number in range(COUNT)]
    recipes = {one["content"]["blob"]: one for one in (job.result["recipe"] for job in run.facts["jobs"][:COUNT])}
    last = [recipes[blob]["held"][0]["content"]["blob"] for blob in blobs[1:]]
    keys = [number for number in range(1, COUNT) if last[number - 1] != blobs[number - 1]]
    assert len(keys) == 1
    assert last[keys[0] - 1] in blobs[1 : keys[0] - 1]


def test_several_frames_are_under_way_at_once_and_the_panel_counts_those_that_are_done(run: Run) -> None:
    assert run.told["at once"] >= 2, "one that is just brought back may be the third"
    counted = [re.match(r"(\d+) of 24 frames · ", line) for line in run.told["lines"]]
    numbers = [int(found[1]) for found in counted if found is not None]
    assert len(set(numbers)) > COUNT / 4
    assert numbers == sorted(numbers)
    assert run.told["painted"]["line"].startswith("24 frames in ")
    assert run.told["cut"] == []


def test_stop_keeps_what_both_have_painted_by_then(run: Run) -> None:
    assert run.told["stop"]["stage"] == "done", run.told["stop"]
    kept = painted(run, "stopped")
    assert run.told["stop"]["line"].startswith(f"{len(kept)} of 24 frames in ")
    assert len(kept) < COUNT
    assert kept != list(range(len(kept))), "they are of both parts of the film"
