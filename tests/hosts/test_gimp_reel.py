"""A longer film in the real GIMP, painted by two GPUs at once (`gimp_driver/console_reel.py`)."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hosts.gimp import Gimp, floats, value_of
from hosts.gimp_console import HEIGHT, RUN_S, WIDTH, pictures
from hosts.host import Desktop
from hosts.root import Root
from support.daemon import FAKE_WORKER, serving
from vaporbrush_daemon import packaged
from vaporbrush_protocol import Job

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

COUNT = 14
WHOLE = (5, 10)  # frames that are laid over nothing


@dataclass
class Played:
    """The run of gimp-console, and the jobs that the daemon then has."""

    folder: Path
    told: dict[str, Any]
    jobs: list[Job]


@pytest.fixture(scope="module")
def played(root: Root) -> Iterator[Played]:
    """GIMP has had the film painted."""
    command = [*FAKE_WORKER, "--gpus", "24,24", "--step", "0.1"]
    with tempfile.TemporaryDirectory(prefix="vp-gimp-") as name:
        folder = Path(name)
        pictures(folder)
        Image.open(packaged.art() / "styles" / "mosaic.jpg").convert("RGB").resize((16, 20)).save(folder / "patch.png")
        with serving(folder / "home", worker_command=command, devices=[]) as daemon, Desktop(root, folder) as desktop:
            gimp = Gimp(desktop, daemon.home)
            gimp.drive("gimp-console", "console_reel.py", "-i", "-d", "--quit").wait(RUN_S)
            assert "end" in gimp.told(), gimp.tail()
            with daemon.client() as client:
                jobs = [client.watch(one.job) for one in client.jobs()]
            yield Played(folder, value_of(gimp.told(), "reel"), jobs)


def frames(folder: Path) -> list[Image.Image]:
    """What each frame shows."""
    content, patch = (Image.open(folder / f"{name}.png").convert("RGBA") for name in ("content", "patch"))
    found = [content]
    for number in range(1, COUNT):
        shown = content.copy() if number in WHOLE else found[-1].copy()
        if number not in WHOLE:
            shown.paste(patch, (3 * number, number))
        found.append(shown)
    return found


def test_every_frame_is_painted_in_its_place_with_what_it_is_laid_over(played: Played) -> None:
    for number, shown in enumerate(frames(played.folder)):
        painted = floats(played.folder / f"reel-{number + 1}.raw", WIDTH, HEIGHT)[..., :3] * 255
        assert np.abs(painted - (255 - np.asarray(shown.convert("RGB"), np.float32))).max() <= 1, number
    assert played.told["names"] == played.told["source"]
    assert played.told["images"] == 1, "the paintings, and nothing that nobody sees"


def test_both_gpus_have_painted_and_each_drawing_once(played: Played) -> None:
    done = [job for job in played.jobs if job.state == "done"]
    drawings = COUNT - len(WHOLE)  # those that are laid over nothing show what the first does
    assert len(done) == len(played.jobs) == drawings
    assert len({job.result["recipe"]["content"]["blob"] for job in done}) == drawings
    assert {job.result["device"] for job in done} == {"cuda:0", "cuda:1"}


def test_the_second_gpu_begins_with_a_key_that_is_held_to_the_first_one_s(played: Played) -> None:
    blobs = [hashlib.sha256(one.tobytes()).hexdigest() for one in frames(played.folder)]
    recipes = {one["content"]["blob"]: one for one in (job.result["recipe"] for job in played.jobs)}
    assert recipes.keys() == set(blobs)
    beside = [number for number in range(1, COUNT) if number not in WHOLE and number - 1 not in WHOLE]
    last = {number: recipes[blobs[number]]["held"][0]["content"]["blob"] for number in beside}
    keys = [number for number in beside if last[number] != blobs[number - 1]]
    assert len(keys) == 1
    assert last[keys[0]] in blobs[1 : keys[0] - 1]
