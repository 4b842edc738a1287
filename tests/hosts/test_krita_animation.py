"""An animated layer in the real Krita: every frame painted, held to the ones before, as one new layer.

One run (`krita_scripts/animation.py`) does it all and tells what came of it; each test judges one thing that an
animator would notice.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture

from hosts.host import Desktop
from hosts.krita import REAL_WORKER, Krita, Run, cli, picture, scenes
from hosts.root import Root
from support.daemon import Daemon, until
from vaporbrush_daemon import packaged

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

KRITA_S = 500  # it takes a minute and a half on two free cores
TIMES = [0, 3, 7, 8, 12]
MOVED = (56, 8)  # the left and top edge of what the second frame has in another way
MOVED_ON = (30, 36)  # and of what the third has besides
MARGIN = 8  # pixels beside what changes that may change with it


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita has done all that `animation.py` asks for; the command line has painted some of the frames."""
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        folder = Path(name)
        art = packaged.art()
        picture(folder, "content", art / "demo" / "content.jpg", (96, 72))
        with Picture.open(folder / "content.png") as still, Picture.open(art / "styles" / "mosaic.jpg") as moving:
            still.paste(moving.resize((24, 32)), MOVED)
            still.save(folder / "moved.png")
            still.paste(moving.resize((24, 32)), MOVED_ON)
            still.save(folder / "moved_on.png")
        picture(folder, "second", folder / "moved.png", (96, 72))
        picture(folder, "third", folder / "moved_on.png", (96, 72))
        picture(folder, "style", art / "styles" / "impasto.jpg", (96, 72))
        home = folder / "vh"
        daemon = Daemon(home, worker_command=REAL_WORKER, weights="").start()
        try:
            paint(home, folder, "painted", "content", "second", "style")
            paint(home, folder, "turning", "content", "second", "content", "third", loop=True)
            with Desktop(root, folder) as desktop:
                krita = Krita(desktop)
                cli(home, "install", "krita", own=desktop.home)
                krita.start("animation", env={"VAPORBRUSH_HOME": str(home)})
                told = krita.wait(KRITA_S)
                (looks / "krita-animation.jsonl").write_bytes(krita.report.read_bytes())
            with daemon.client() as client:
                until(lambda: not client.status()["queue"]["jobs"], "the daemon's queue is empty")
                last = client.jobs()[-1]
            yield Run(folder, told, {"last": last})
        finally:
            daemon.stop()


def paint(home: Path, folder: Path, out: str, *frames: str, loop: bool = False) -> None:
    """What the plug-in asks for, by the command line. The style is the layer in Krita, which has the canvas's size."""
    film = folder / f"film-{out}"
    film.mkdir()
    for number, source in enumerate(frames, 1):
        shutil.copy(folder / f"{source}.png", film / f"{number}.png")
    recipe = ("--size", "96", "--steps", "3", "--quality", "draft", "--seed", "7", "--model", "vgg19-lite")
    pictures = (str(film), str(folder / "style.png"))
    cli(home, "animate", *pictures, *recipe, *(["--loop"] if loop else []), "-o", str(folder / out))


def frame(run: Run, name: str, moment: int) -> np.ndarray[Any, Any]:
    """A frame that Krita saved, as RGBA floats 0..1."""
    deep = run.told["deep"]["space"][1] == "F32" and name == "deep"
    kind, order = (np.float32, [0, 1, 2, 3]) if deep else (np.uint8, [2, 1, 0, 3])
    pixels = np.frombuffer((run.folder / f"{name}-{moment}.raw").read_bytes(), kind).reshape(72, 96, 4)
    return pixels[..., order].astype(np.float64) / (1 if deep else 255)


def wanted(run: Run, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(Picture.open(run.folder / f"{name}.png").convert("RGBA")) / 255


@pytest.mark.parametrize("scene", scenes("animation"))
def test_the_scene_was_played_without_an_exception(run: Run, scene: str) -> None:
    run.told.played(scene)


def test_only_an_animated_layer_has_the_button(run: Run) -> None:
    assert run.told["still"] is False
    assert run.told["animated"] == [True, True]


def test_no_label_is_cut_off(run: Run) -> None:
    assert (run.told["cut"], run.told["cut running"]) == ([], [])


def test_the_paintings_are_one_new_layer_above(run: Run) -> None:
    painted = run.told["painted"]
    assert painted["stage"] == "done", painted
    assert painted["before"] == ["Walk", "Starry", "Background"]
    assert painted["after"] == ["Walk – Starry", "Walk", "Starry", "Background"]


def test_the_time_stays_and_the_painting_is_active(run: Run) -> None:
    assert run.told["painted"]["time"] == 5
    assert run.told["painted"]["active"] == "Walk – Starry"


def test_every_frame_is_at_its_time(run: Run) -> None:
    assert run.told["source"] == TIMES
    assert run.told["pixels"]["frames"] == TIMES
    assert run.told["reopened"] == TIMES


def test_the_first_frame_is_what_the_command_line_paints(run: Run) -> None:
    assert np.abs(frame(run, "walk", 0) - wanted(run, "painted/1")).max() <= 1 / 255


def test_what_stands_still_keeps_every_bit_and_what_has_changed_is_painted(run: Run) -> None:
    still, moved = slice(0, MOVED[0] - MARGIN), slice(MOVED[0], MOVED[0] + 24)
    first, second = frame(run, "walk", 0), frame(run, "walk", 3)
    assert np.array_equal(first[:, still], second[:, still])
    assert np.abs(first[8:40, moved] - second[8:40, moved])[..., :3].max() > 0.1


def test_boil_goes_into_the_frames_and_is_kept_with_the_painting(run: Run) -> None:
    assert run.told["boil"] == [0.5, True, 0.5]
    still = slice(0, MOVED[0] - MARGIN)
    assert np.abs(frame(run, "boiled", 0)[:, still] - frame(run, "boiled", 3)[:, still])[..., :3].max() > 2 / 255


def test_the_next_frame_is_held_as_the_command_line_holds_it(run: Run) -> None:
    assert np.abs(frame(run, "walk", 3) - wanted(run, "painted/2")).max() <= 1 / 255


def test_a_frame_after_a_cut_begins_anew_as_the_command_line_s(run: Run) -> None:
    assert np.abs(frame(run, "walk", 12) - wanted(run, "painted/3")).max() <= 1 / 255


def test_a_loop_closes_as_the_command_line_closes_it(run: Run) -> None:
    looped = run.told["looped"]
    assert (looped["closing"], looped["stored"]) == (True, True)
    assert looped["line"].startswith("4 frames in ")
    assert looped["frames"] == [0, 2, 4, 6]
    for number, moment in enumerate(looped["frames"], 1):
        assert np.abs(frame(run, "looped", moment) - wanted(run, f"turning/{number}")).max() <= 1 / 255, moment


def test_a_frame_that_shows_the_same_is_painted_the_same(run: Run) -> None:
    assert np.array_equal(frame(run, "walk", 7), frame(run, "walk", 0))


def test_an_empty_frame_stays_empty(run: Run) -> None:
    assert not frame(run, "walk", 8).any()
    assert "4 frames in" in run.told["painted"]["line"]


def test_the_layers_own_opacity_is_not_taken_over(run: Run) -> None:
    assert run.told["pixels"]["opacity"] == 255


def test_each_frame_holds_until_the_next(run: Run) -> None:
    assert all(right for _, right in run.told["shown"]), run.told["shown"]


def test_one_undo_takes_all_frames_away_and_redo_returns_them(run: Run) -> None:
    assert run.told["undone"] == [run.told["painted"]["before"], 5]
    assert run.told["redone"] == [run.told["painted"]["after"], TIMES]


def test_restylize_paints_all_frames_again(run: Run) -> None:
    tree, frames = run.told["restylized"]
    assert tree == ["Walk – Starry", "Walk – Starry", "Walk", "Starry", "Background"]
    assert frames == TIMES


def test_the_frames_under_way_are_in_a_document_that_nobody_sees(run: Run) -> None:
    documents, styles = run.told["open documents"]
    assert documents == 2
    assert styles == 3  # Walk, Starry and the background
    assert run.told["documents left"] == 1


def test_the_panel_tells_which_frame_it_is_and_how_long_it_takes(run: Run) -> None:
    line, left, keep, button = run.told["line"]
    assert line.startswith("Frame 2 of 5 · ")
    assert left.endswith(" left")
    assert (keep, button) == (False, "Stop")


def test_stop_keeps_what_is_done_and_leaves_the_rest_empty(run: Run) -> None:
    assert (run.told["stop"]["stage"], run.told["stop"]["added"]) == ("done", 1)
    assert run.told["stop"]["seconds"] < 20  # ten times what it takes
    assert "1 of 5 frames" in run.told["stop"]["line"]
    assert run.told["stopped"]["frames"] == TIMES
    assert frame(run, "stopped", 0).any()
    for moment in TIMES[1:]:
        assert not frame(run, "stopped", moment).any(), moment


def test_stopped_before_the_first_frame_nothing_is_left(run: Run) -> None:
    assert run.told["stopped at once"] == ["cancelled", True, False]


def test_a_failed_frame_says_why_and_try_again_goes_on(run: Run) -> None:
    failed = run.told["failed"]
    assert (failed["stage"], failed["error"][0]) == ("failed", "weights_missing")
    assert "vgg19-lite" in failed["shown"]
    assert run.told["again"]["stage"] == "done"
    assert run.told["again"]["frames"] == TIMES
    assert np.abs(frame(run, "again", 3) - frame(run, "walk", 3)).max() <= 1 / 255


def test_frames_are_painted_as_they_look_through_their_mask(run: Run) -> None:
    assert run.told["masked"]["stage"] == "done", run.told["masked"]
    assert run.told["masked"]["masks"] == 0
    for moment in (0, 3, 12):
        alpha = frame(run, "masked", moment)[..., 3]
        assert not alpha[:, :48].any(), moment
        assert alpha[:, 48:].all(), moment
    assert np.abs(frame(run, "masked", 3) - frame(run, "masked", 0))[..., :3].max() > 0.1  # each its own frame


def test_float_frames_keep_their_depth(run: Run) -> None:
    deep = run.told["deep"]
    assert deep["stage"] == "done", deep
    assert deep["space"] == deep["source"]
    assert len(np.unique(frame(run, "deep", 4)[..., 0])) > 1000


def test_closing_the_document_stops_the_painting_of_its_frames(run: Run) -> None:
    stage, documents, _said = run.told["closed"]
    assert stage in ("cancelled", "done")
    assert documents == 1


def test_krita_ends_while_frames_are_painted(run: Run) -> None:
    print(f"\nKrita ended {run.told.since('quitting'):.2f} s after it was told to while frames were painted")
    assert run.told.since("quitting") < 10  # a second is wanted, and Krita needs some itself
    assert run.facts["last"].state == "cancelled"
