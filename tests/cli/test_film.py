"""Films: frames in order, held to the ones before; equal ones once; cuts, loops, and one that was stopped."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from support import fake_worker
from support import reel as films
from support.daemon import until
from support.program import PROGRAM, vaporbrush
from support.reel import QUICK, Pixels, drawing, held, names, recipe_of
from vaporbrush_daemon.cli.batch_plan import JOURNAL
from vaporbrush_daemon.cli.reel import natural
from vaporbrush_daemon.images import files as pictures


def reel(folder: Path, *drawings: Pixels) -> Path:
    return films.reel(folder, *drawings, name="walk", first=8)


def told(*arguments: str | Path) -> dict[str, Any]:
    return films.told(*arguments, *QUICK)


def held_drawings(path: Path) -> list[str]:
    """The hashes of what a painting was held to showed."""
    return [one["content"]["blob"] for one in recipe_of(path)["held"]]


def drawing_hash(at: int) -> str:
    return hashlib.sha256(drawing(at).tobytes()).hexdigest()


def test_frames_are_painted_in_their_order_each_held_to_the_one_before_and_to_the_scenes_first(
    fake: Path, style: Path, tmp_path: Path
) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8, 12))), tmp_path / "out"
    done = vaporbrush("animate", frames, style, "-o", out, *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{out}: 4 painted"
    assert "2 of 4: walk9.png" in done.stderr
    found = [held(out / f"walk{number}.png", frames) for number in (8, 9, 10, 11)]
    assert found == [[], ["walk8.png"], ["walk9.png", "walk8.png"], ["walk10.png", "walk8.png"]]
    assert np.array_equal(pictures.read(out / "walk9.png").pixels, 255 - drawing(4))


def test_equal_frames_are_painted_once(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 0, 8, 0, 8))), tmp_path / "out"
    found = told(frames, style, "-o", out)
    assert names(found["painted"]) == ["walk8.png", "walk10.png"]
    assert names(found["repeated"]) == ["walk9.png", "walk11.png", "walk12.png"]
    assert (out / "walk11.png").read_bytes() == (out / "walk8.png").read_bytes()
    assert (out / "walk12.png").read_bytes() == (out / "walk10.png").read_bytes()


def test_a_cut_begins_anew(fake: Path, style: Path, tmp_path: Path) -> None:
    shots = [drawing(0), drawing(4), drawing(4, scene=2), drawing(8, scene=2)]
    frames, out = reel(tmp_path / "walk", *shots), tmp_path / "out"
    told(frames, style, "-o", out)
    assert [held(out / f"walk{number}.png", frames) for number in (9, 10, 11)] == [["walk8.png"], [], ["walk10.png"]]


def test_boil_goes_into_every_frame_with_a_seed_of_its_own(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8))), tmp_path / "out"
    told(frames, style, "-o", out, "--boil", "0.5", "--seed", "20")
    found = [recipe_of(out / f"walk{number}.png") for number in (8, 9, 10)]
    assert [(one["boil"], one["seed"]) for one in found] == [(0.5, 20), (0.5, 21), (0.5, 22)]
    told(frames, style, "-o", out, "--boil", "1", "--seed", "20")
    assert [len(recipe_of(out / f"walk{number}.png")["held"]) for number in (8, 9, 10)] == [0, 0, 0]
    told(frames, style, "-o", out, "--seed", "20")
    assert {recipe_of(out / f"walk{number}.png")["seed"] for number in (8, 9, 10)} == {20}


def test_a_loop_closes_by_its_first_frame_between_the_last_and_the_second(
    fake: Path, style: Path, tmp_path: Path
) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 8, 16, 0, 4))), tmp_path / "out"
    told(frames, style, "-o", out, "--loop")
    assert held(out / "walk8.png", frames) == ["walk12.png", "walk9.png"]
    assert (out / "walk11.png").read_bytes() == (out / "walk8.png").read_bytes()
    again = told(frames, style, "-o", out, "--loop")
    assert (again["painted"], len(again["there_already"])) == ([], 5)
    assert names(told(frames, style, "-o", out)["painted"]) == ["walk8.png"]


def test_a_loop_of_drawings_that_are_held_closes_to_the_second_drawing(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 0, 8, 8, 16, 16))), tmp_path / "out"
    told(frames, style, "-o", out, "--loop")
    assert held_drawings(out / "walk8.png") == [drawing_hash(16), drawing_hash(8)]
    two = reel(tmp_path / "two", drawing(0), drawing(8))
    assert len(told(two, style, "-o", tmp_path / "out2", "--loop")["painted"]) == 2
    assert len(told(two, style, "-o", tmp_path / "out2", "--loop")["there_already"]) == 2


def test_an_animation_that_would_not_fit_the_memory_is_refused_once_before_anything_is_painted(
    fake: Path, style: Path, tmp_path: Path
) -> None:
    frames = reel(tmp_path / "walk", *map(drawing, (0, 4)))
    pictures.write(frames / "walk1.png", pictures.Picture(np.zeros((9000, 9000, 3), np.uint8)))
    for number in range(100, 1100):
        (frames / f"walk{number}.png").symlink_to(frames / "walk8.png")
    done = vaporbrush("animate", frames, style, "-o", tmp_path / "out.webp")
    assert done.returncode == 1
    assert "an animation of 1003 frames, needs about" in done.stderr
    assert done.stderr.count("needs about") == 1


def test_what_was_changed_is_painted_again_and_nothing_else(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8, 12))), tmp_path / "out"
    told(frames, style, "-o", out)
    pictures.write(frames / "walk10.png", pictures.Picture(drawing(30)))
    assert names(told(frames, style, "-o", out)["painted"]) == ["walk10.png"]
    assert held(out / "walk10.png", frames) == ["walk9.png", "walk8.png"]
    assert len(told(frames, style, "-o", out, "--boil", "0.1", "--seed", "20")["painted"]) == 4


def test_a_film_that_was_stopped_goes_on_also_when_the_daemon_has_forgotten_it(
    fake: Path, style: Path, tmp_path: Path
) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8, 12))), tmp_path / "out"
    told(frames, style, "-o", out)
    first = recipe_of(out / "walk10.png")["held"][0]["canvas"]
    for name in ("walk10.png", "walk11.png"):
        (out / name).unlink()
    vaporbrush("stop", "--now")
    for path in (fake / "spool").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            path.unlink()
    assert names(told(frames, style, "-o", out)["painted"]) == ["walk10.png", "walk11.png"]
    second = recipe_of(out / "walk10.png")["held"][0]["canvas"]
    assert held(out / "walk10.png", frames) == ["walk9.png", "walk8.png"]
    assert first["blob"] == second["blob"]  # the fake worker's canvas is its painting


def test_ctrl_c_keeps_what_is_done(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8))), tmp_path / "out"
    command = [*PROGRAM, "animate", str(frames), str(style), "-o", str(out), "--size", "72", "--steps", "600"]
    film = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: "walk9.png" in vaporbrush("jobs").stdout, "the second frame is under way")
    film.send_signal(signal.SIGINT)
    _out, err = film.communicate()
    assert film.returncode == 130
    assert "1 painted. The same command goes on from here." in err
    done = vaporbrush("animate", frames, style, "-o", out, "--size", "72", "--steps", "600")
    assert done.stdout.strip() == f"{out}: 2 painted, 1 there already"


def test_one_bad_frame_is_one_line_at_the_end_and_the_next_one_is_held_to_the_last_good_one(
    fake: Path, style: Path, tmp_path: Path
) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8))), tmp_path / "out"
    whole = (frames / "walk9.png").read_bytes()
    (frames / "walk9.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = vaporbrush("animate", frames, style, "-o", out, *QUICK)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("vaporbrush: walk9.png: ")
    assert done.stdout.strip() == f"{out}: 2 painted, 1 failed"
    (frames / "walk9.png").write_bytes(whole)
    assert held(out / "walk10.png", frames) == ["walk8.png"]
    assert names(told(frames, style, "-o", out)["painted"]) == ["walk9.png"]


def test_a_frame_that_cannot_be_painted_stops_no_other(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8))), tmp_path / "out"
    found = told(frames, style, "-o", out, "--boil", "0.5", "--seed", str(fake_worker.HUGE))
    assert [Path(one["out"]).name for one in found["failed"]] == ["walk8.png"]
    assert names(found["painted"]) == ["walk9.png", "walk10.png"]
    assert held(out / "walk10.png", frames) == ["walk9.png"]


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_an_animated_file_keeps_its_frames_their_times_and_its_loops(
    fake: Path, style: Path, tmp_path: Path, suffix: str
) -> None:
    source, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    frames = [Image.fromarray(drawing(at)) for at in (0, 16, 0, 32)]
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    times = [80, 240, 120, 400]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=times, loop=3, **options)
    done = vaporbrush("animate", source, style, "-o", out, *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{out}: 3 painted, 1 repeated"
    with Image.open(out) as painted:
        assert painted.n_frames == 4
        assert painted.info["loop"] == 3
        for number, at in enumerate((0, 16, 0, 32)):
            painted.seek(number)
            painted.load()
            assert painted.info["duration"] == times[number]
            difference = np.abs(np.asarray(painted.convert("RGB"), int) - (255 - drawing(at).astype(int)))
            assert difference.mean() < (1 if suffix == ".webp" else 6)
    assert not (tmp_path / f"out{suffix}.frames").exists()
    into = tmp_path / "frames"
    told(source, style, "-o", into)
    assert sorted(one.name for one in into.iterdir() if one.name != JOURNAL) == [f"in-{i}.png" for i in range(1, 5)]


def test_a_folder_becomes_an_animated_file_of_so_many_frames_a_second(fake: Path, style: Path, tmp_path: Path) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4, 8))), tmp_path / "out.webp"
    (frames / "walk9.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = vaporbrush("animate", frames, style, "-o", out, *QUICK, "--fps", "25")
    assert done.returncode == 1
    assert (tmp_path / "out.webp.frames" / "walk8.png").exists()  # it can go on
    reel(frames, *map(drawing, (0, 4, 8)))
    done = vaporbrush("animate", frames, style, "-o", out, *QUICK, "--fps", "25")
    assert done.returncode == 0, done.stderr
    with Image.open(out) as painted:
        painted.load()
        assert (painted.n_frames, painted.info["duration"], painted.info["loop"]) == (3, 40, 0)


def test_every_frame_is_painted_at_the_size_that_automatic_means_for_the_first(
    fake: Path, style: Path, tmp_path: Path
) -> None:
    frames, out = reel(tmp_path / "walk", *map(drawing, (0, 4))), tmp_path / "out"
    done = vaporbrush("animate", frames, style, "-o", out, "--steps", "2")
    assert done.returncode == 0, done.stderr
    assert {recipe_of(out / f"walk{number}.png")["size"] for number in (8, 9)} == {72}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{walk}/walk8.png", "@mosaic", "-o", "{out}"], "is not animated: name a folder of frames"),
        (["{walk}/none.gif", "@mosaic", "-o", "{out}"], "{walk}/none.gif does not exist"),
        (["{walk}", "@mosaic", "-o", "{walk}"], "holds the frames themselves"),
        (["{walk}", "@mosaic", "-o", "{out}.png"], "{out}.png holds one picture; for a film -o names a folder"),
        (["{walk}/cut.gif", "@mosaic", "-o", "{out}"], "is damaged"),
        (["{walk}", "@mosaic", "-o", "{out}", "--boil", "2"], "`boil` is 2"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(fake: Path, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    places = {"walk": reel(tmp_path / "walk", drawing(0)), "out": tmp_path / "out"}
    frames = [Image.fromarray(drawing(at)) for at in (0, 8)]
    frames[0].save(tmp_path / "whole.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "walk" / "cut.gif").write_bytes((tmp_path / "whole.gif").read_bytes()[:900])
    done = vaporbrush("animate", *(argument.format(**places) for argument in arguments))
    assert done.returncode in (1, 2)
    assert sentence.format(**places) in done.stderr
    assert "Traceback" not in done.stderr


def test_people_count_2_before_10() -> None:
    names = ["f10.png", "f2.png", "F1.png", "f2b.png", "a/f1.png", "007.png", "8.png"]
    assert sorted(names, key=natural) == ["007.png", "8.png", "a/f1.png", "F1.png", "f2.png", "f2b.png", "f10.png"]
