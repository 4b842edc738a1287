"""Batches: folders and patterns, many styles, one that was stopped, one bad file among good ones."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support import fake_worker
from support.daemon import until
from support.program import PROGRAM, vaporbrush
from vaporbrush_daemon.cli.batch_plan import JOURNAL
from vaporbrush_daemon.images import files as pictures

QUICK = ("--size", "32", "--steps", "2")


def paint(path: Path, tint: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(tint).integers(0, 256, (48, 64, 3), np.uint8)
    pictures.write(path, pictures.Picture(pixels))
    return path


@pytest.fixture
def scans(fake: Path, tmp_path: Path) -> Path:
    """Three pictures, one of them deeper, and something else."""
    folder = tmp_path / "scans"
    for number, name in enumerate(["a.png", "b.jpg", "below/c.png"]):
        paint(folder / name, number)
    (folder / "notes.txt").write_text("no picture")
    return folder


def told(*arguments: str | Path) -> dict[str, Any]:
    done = vaporbrush("stylize", *arguments, *QUICK, "--json")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def names(folder: Path) -> list[str]:
    """Every painting below a folder."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != JOURNAL
    )


def test_every_picture_of_a_folder_is_painted_under_its_own_name(scans: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    done = vaporbrush("stylize", scans, style, "-o", out, *QUICK)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{out}: 2 painted"
    assert "1 of 2: a.png" in done.stderr
    assert names(out) == ["a.png", "b.jpg"]
    assert pictures.read(out / "a.png").recipe is not None


def test_a_pattern_keeps_the_folders_below_it(scans: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told(f"{scans}/**/*.png", style, "-o", out)
    assert names(out) == ["a.png", "below/c.png"]


def test_many_styles_are_painted_each_by_itself(scans: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    vaporbrush("presets", "save", "Inky", style, "--strength", "300")
    told(scans, "@mosaic", "@inky", style, "-o", out, "--each")
    looks = ["inky", "mosaic", "style"]
    assert names(out) == [f"{name[0]} - {look}.{name[2:]}" for name in ("a.png", "b.jpg") for look in looks]
    recipe = (pictures.read(out / "a - inky.png").recipe or {})["recipe"]
    assert recipe["strength"] == 300
    palette = tmp_path / "palette"
    shutil.copytree(scans, palette)
    told(scans / "a.png", palette, "-o", tmp_path / "out2")
    assert names(tmp_path / "out2") == ["a - a.png", "a - b.png"]


def test_one_bad_file_is_one_line_at_the_end(scans: Path, style: Path, tmp_path: Path) -> None:
    (scans / "aa.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    out = tmp_path / "out"
    done = vaporbrush("stylize", scans, style, "-o", out, *QUICK)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert lines[-1].startswith("vaporbrush: aa.png: ")
    assert sum("aa.png: " in line for line in lines) == 1
    assert done.stdout.strip() == f"{out}: 2 painted, 1 failed"
    assert names(out) == ["a.png", "b.jpg"]
    (scans / "aa.png").unlink()
    again = told(scans, style, "-o", out)
    assert (again["painted"], len(again["there_already"]), again["failed"]) == ([], 2, [])


def test_what_was_changed_is_painted_again_and_nothing_else(scans: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told(scans, style, "-o", out)
    paint(scans / "b.jpg", 77)
    (out / "a.png").unlink()
    paint(scans / "new.png", 5)
    assert [Path(path).name for path in told(scans, style, "-o", out)["painted"]] == ["a.png", "b.jpg", "new.png"]
    assert len(told(scans, style, "-o", out, "--strength", "50")["painted"]) == 3


def test_a_batch_that_was_stopped_goes_on(scans: Path, style: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paint(scans / "c.png", 9)
    told(scans, style, "-o", out)
    for name in ("b.jpg", "c.png"):
        (out / name).unlink()
    before = (out / "a.png").stat().st_mtime_ns
    endless = ["--seed", str(fake_worker.ENDLESS)]
    command = [*PROGRAM, "stylize", str(scans), str(style), "-o", str(tmp_path / "stopped"), *QUICK, *endless]
    batch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: "running" in vaporbrush("jobs", "--json").stdout, "it paints")
    batch.send_signal(signal.SIGINT)
    _out, err = batch.communicate()
    assert batch.returncode == 130
    assert "Cancelled: 0 painted. The same command goes on from here." in err
    assert names(tmp_path / "stopped") == []
    assert len(told(scans, style, "-o", out)["painted"]) == 2
    assert (out / "a.png").stat().st_mtime_ns == before


def test_nothing_of_ones_own_is_overwritten(scans: Path, style: Path, tmp_path: Path) -> None:
    whole = (scans / "a.png").read_bytes()
    told_in_place = told(scans, style, "-o", scans)
    assert [one["code"] for one in told_in_place["failed"]] == ["bad_field", "bad_field"]
    assert (scans / "a.png").read_bytes() == whole
    out = tmp_path / "out"
    mine = paint(out / "a.png", 50).read_bytes()
    found = told(scans, style, "-o", out)
    assert "is there already and is from no batch" in found["failed"][0]["error"]
    assert (out / "a.png").read_bytes() == mine


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{empty}", "@mosaic", "-o", "{out}"], "There is no picture in {empty}"),
        (["{scans}/*.bmp", "@mosaic", "-o", "{out}"], "There is no picture in {scans}/*.bmp"),
        (["{scans}", "@mosaic", "-o", "{scans}/a.png"], "is a file; for several pictures -o has to name a folder"),
        (["{scans}", "@mosaic", "-o", "{out}", "--mask", "{scans}/a.png"], "belong to one picture"),
        (
            ["{scans}", "@mosaic", "@ink", "-o", "{out}", "--each", "--style-weights", "1,2"],
            "each is painted alone",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_painted(
    scans: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "empty").mkdir()
    places = {"empty": tmp_path / "empty", "scans": scans, "out": tmp_path / "out"}
    done = vaporbrush("stylize", *(argument.format(**places) for argument in arguments))
    assert done.returncode == 2
    assert sentence.format(**places) in done.stderr
    assert not (tmp_path / "out").exists()
