"""A film on a studio: every node paints a part of it, and one that dies takes none of it along."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from support.daemon import until
from support.nodes import StudioOfNodes, studio
from support.program import PROGRAM, vaporbrush
from vaporbrush_daemon.images import files as pictures

FRAMES, STEPS, STEP_S = 28, 8, 0.05
BOXES = {name: ("--gpus", "24", "--step", str(STEP_S)) for name in ("box1", "box2", "box3")}
# One node would take 11 s. Three of which two die take as long, and fail at ten times that and the program's start.
PAINTED_S = 10 * FRAMES * STEPS * STEP_S + 60.0


def reel(folder: Path) -> list[np.ndarray]:
    """A folder of frames of one scene."""
    folder.mkdir()
    scene = np.random.default_rng(1).integers(0, 256, (24, 24, 3), np.uint8)
    shown = []
    for number in range(FRAMES):
        pixels = scene.copy()
        pixels[0, 0] = number, 0, 0
        pictures.write(folder / f"f{number}.png", pictures.Picture(pixels))
        shown.append(pixels)
    pictures.write(folder.with_name("style.png"), pictures.Picture(255 - scene))
    return shown


def begun(folder: Path) -> subprocess.Popen[str]:
    named = (str(folder / "in"), str(folder / "style.png"), "-o", str(folder / "out"))
    command = [*PROGRAM, "animate", *named, "--steps", str(STEPS), "--size", "24", "--json"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def busy(boxes: StudioOfNodes) -> set[str]:
    """The nodes that paint just now."""
    with boxes.head.client() as client:
        return {one["device"].partition("/")[0] for one in client.status()["workers"] if one["state"] == "busy"}


def test_two_of_three_nodes_die_under_a_film_and_each_frame_is_painted_once(tmp_path: Path, home: Path) -> None:
    shown, out = reel(tmp_path / "in"), tmp_path / "out"
    with studio(tmp_path, home, BOXES) as boxes:
        film = begun(tmp_path)
        try:
            until(lambda: busy(boxes) == set(BOXES) or film.poll() is not None, "all nodes paint", PAINTED_S)
            for share, name in ((0.3, "box1"), (0.6, "box3")):
                until(
                    lambda share=share: len(list(out.glob("*.png"))) >= share * FRAMES or film.poll() is not None,
                    "it goes on",
                    PAINTED_S,
                )
                boxes.nodes[name].kill()
            told, err = film.communicate(timeout=PAINTED_S)
        finally:
            if film.poll() is None:
                film.kill()
        assert film.returncode == 0, f"{err}\n{boxes.told()}"
        assert [Path(one).name for one in json.loads(told)["painted"]] == [f"f{i}.png" for i in range(FRAMES)]
        for number, one in enumerate(shown):
            assert np.array_equal(pictures.read(out / f"f{number}.png").pixels, 255 - one), f"frame {number}"
        counters = json.loads(vaporbrush("status", "--json").stdout)["counters"]
        assert counters["jobs_done"] == FRAMES
        assert counters.get("jobs_failed", 0) == 0
