"""A film on several devices: keys first, chains from them, each frame once, whatever dies meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from support.daemon import FAKE_WORKER, Daemon, serving, until
from support.program import PROGRAM, vaporbrush
from support.reel import QUICK, Pixels, drawing, held, names, recipe_of, reel, told
from vaporbrush_daemon.cli.batch_plan import Journal
from vaporbrush_daemon.images import files as pictures
from vaporbrush_protocol.client import connect

SLOW = ("--size", "72", "--steps", "30")


@pytest.fixture
def machine(home: Path) -> Iterator[Daemon]:
    """A daemon that finds three GPUs."""
    with serving(home, worker_command=[*FAKE_WORKER, "--gpus", "24,24,24"], devices=[]) as daemon:
        yield daemon


def is_painted(out: Path, drawings: list[Pixels]) -> bool:
    return all(np.array_equal(pictures.read(out / f"f{i}.png").pixels, 255 - one) for i, one in enumerate(drawings))


def jobs_done() -> int:
    return int(json.loads(vaporbrush("status", "--json").stdout)["counters"]["jobs_done"])


def test_all_devices_paint_each_a_part_from_its_key_on(machine: Daemon, style: Path, tmp_path: Path) -> None:
    drawings = [drawing(at) for at in range(13)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    found = told(frames, style, "-o", out, *QUICK)
    assert names(found["painted"]) == [f"f{i}.png" for i in range(13)]
    assert is_painted(out, drawings)
    assert jobs_done() == 13
    assert {recipe_of(out / f"f{i}.png")["device"] for i in range(13)} == {"auto"}
    holds = [held(out / f"f{i}.png", frames) for i in range(13)]
    assert holds[:3] == [[], ["f0.png"], ["f1.png", "f0.png"]]
    assert (holds[6], holds[10]) == (["f1.png", "f0.png"], ["f6.png", "f0.png"]), "each key is held to the one before"
    assert (holds[7], holds[11]) == (["f6.png", "f0.png"], ["f10.png", "f0.png"]), "and each chain begins at its key"


def test_cuts_equal_frames_and_bad_ones_are_what_they_are_to_one_device(
    machine: Daemon, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(at, scene) for scene in (1, 2) for at in (0, 0, 4, 8, 12, 16, 20, 4)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    (frames / "f5.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found = told(frames, style, "-o", out, *QUICK)
    assert names(found["repeated"]) == ["f1.png", "f7.png", "f9.png", "f15.png"]
    assert [Path(one["out"]).name for one in found["failed"]] == ["f5.png"]
    assert (out / "f7.png").read_bytes() == (out / "f2.png").read_bytes()
    pictures.write(frames / "f5.png", pictures.Picture(drawings[5]))
    assert held(out / "f6.png", frames)[0] == "f4.png"
    assert held(out / "f8.png", frames) == []
    again = told(frames, style, "-o", out, *QUICK)
    assert (names(again["painted"]), len(again["there_already"])) == (["f5.png"], 15)
    assert is_painted(out, drawings)


def test_a_frame_that_cannot_be_painted_stops_no_other_and_the_next_is_held_to_the_last_good_one(
    machine: Daemon, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(at) for at in range(14)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    bad = machine.home / f"diverges-{hashlib.sha256(pictures.read(frames / 'f7.png').data()).hexdigest()}"
    bad.touch()
    found = told(frames, style, "-o", out, *QUICK)
    assert [(Path(one["out"]).name, one["code"]) for one in found["failed"]] == [("f7.png", "diverged")]
    assert names(found["painted"]) == [f"f{i}.png" for i in range(14) if i != 7]
    assert held(out / "f8.png", frames) == ["f6.png", "f0.png"]
    bad.unlink()
    assert names(told(frames, style, "-o", out, *QUICK)["painted"]) == ["f7.png"]
    assert is_painted(out, drawings)


@pytest.mark.parametrize(("bad", "shown"), [(0, 9), (7, 12)], ids=["before the chains", "in a chain"])
def test_every_frame_is_told_of_where_one_that_others_repeat_cannot_be_painted(
    machine: Daemon, style: Path, tmp_path: Path, bad: int, shown: int
) -> None:
    drawings = [drawing(at) for at in range(14)]
    drawings[shown] = drawings[bad]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    mark = machine.home / f"diverges-{hashlib.sha256(pictures.read(frames / f'f{bad}.png').data()).hexdigest()}"
    mark.touch()
    found = told(frames, style, "-o", out, *QUICK)
    codes = [(Path(one["out"]).name, one["code"]) for one in found["failed"]]
    assert codes == [(f"f{number}.png", "diverged") for number in (bad, shown)]
    assert len(found["painted"]) == 12
    mark.unlink()
    again = told(frames, style, "-o", out, *QUICK)
    assert names([*again["painted"], *again["repeated"]]) == [f"f{bad}.png", f"f{shown}.png"]
    assert is_painted(out, drawings)


@pytest.mark.parametrize("of_disk", [False, True], ids=["the daemon's", "of the files"])
def test_a_film_that_was_stopped_goes_on_with_the_canvases_that_there_are(
    machine: Daemon, style: Path, tmp_path: Path, of_disk: bool
) -> None:
    drawings = [drawing(at) for at in range(13)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    told(frames, style, "-o", out, *QUICK)
    for number in (3, 4, 6, 9, 11, 12):
        (out / f"f{number}.png").unlink()
    machine.stop()
    for path in (machine.home / "spool").rglob("*") if of_disk else ():
        if path.is_file() and path.suffix != ".lock":
            path.unlink()
    machine.start()
    assert names(told(frames, style, "-o", out, *QUICK)["painted"]) == [f"f{i}.png" for i in (3, 4, 6, 9, 11, 12)]
    assert is_painted(out, drawings)
    assert held(out / "f12.png", frames)[1] == "f0.png"


def test_workers_that_are_killed_at_random_cost_time_only(machine: Daemon, style: Path, tmp_path: Path) -> None:
    drawings = [drawing(at) for at in range(22)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    film = subprocess.Popen(
        [*PROGRAM, "animate", str(frames), str(style), "-o", str(out), *SLOW, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        for _ in range(2):
            seen = len(list(out.glob("*.png"))) if out.is_dir() else 0
            until(lambda seen=seen: film.poll() is not None or len(list(out.glob("*.png"))) > seen + 4, "it goes on")
            with connect() as client:
                pids = [one["pid"] for one in client.status()["workers"] if one["state"] == "busy"]
            for pid in pids[:1]:
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, signal.SIGKILL)
    finally:
        told_out, told_err = film.communicate(timeout=120)
    assert film.returncode == 0, told_err
    assert names(json.loads(told_out)["painted"]) == [f"f{i}.png" for i in range(22)]
    assert is_painted(out, drawings)
    assert jobs_done() == 22, "each is painted once"


def test_a_daemon_that_dies_and_comes_back_is_given_what_it_has_forgotten(
    machine: Daemon, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(at) for at in range(22)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    film = subprocess.Popen(
        [*PROGRAM, "animate", str(frames), str(style), "-o", str(out), *SLOW, "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        until(lambda: film.poll() is not None or len(list(out.glob("*.png"))) > 5, "some are painted")
        machine.kill()
        machine.start()
    finally:
        told_out, told_err = film.communicate(timeout=120)
    assert film.returncode == 0, told_err
    assert len(json.loads(told_out)["painted"]) == 22
    assert is_painted(out, drawings)


def test_a_queue_with_less_room_than_the_devices_could_use_is_waited_for(
    home: Path, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(at) for at in range(13)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    with serving(home, worker_command=[*FAKE_WORKER, "--gpus", "24,24,24"], devices=[], max_jobs=1):
        assert len(told(frames, style, "-o", out, *QUICK)["painted"]) == 13
    assert is_painted(out, drawings)


def test_ctrl_c_keeps_what_is_done_and_leaves_nothing_to_paint(machine: Daemon, style: Path, tmp_path: Path) -> None:
    drawings = [drawing(at) for at in range(13)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    command = [*PROGRAM, "animate", str(frames), str(style), "-o", str(out), "--size", "72", "--steps", "100"]
    film = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: len(list(out.glob("*.png"))) > 2, "some are painted")
        film.send_signal(signal.SIGINT)
        _out, err = film.communicate(timeout=60)
    finally:
        film.kill()  # where it has not ended by itself
    assert film.returncode == 130
    assert "The same command goes on from here." in err
    with connect() as client:
        assert all(job.final for job in client.jobs())
    assert not psutil.pid_exists(film.pid)
    done = vaporbrush("animate", frames, style, "-o", out, "--size", "72", "--steps", "100")
    assert done.returncode == 0, done.stderr
    assert is_painted(out, drawings)


def test_a_loop_closes_and_an_animated_file_is_put_together_in_order(
    machine: Daemon, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(4 * at) for at in range(13)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    told(frames, style, "-o", out, "--loop", *QUICK)
    assert held(out / "f0.png", frames) == ["f12.png", "f1.png"]
    from PIL import Image

    film = tmp_path / "film.webp"
    source = tmp_path / "in.webp"
    shots = [Image.fromarray(one) for one in drawings]
    shots[0].save(source, save_all=True, append_images=shots[1:], duration=80, lossless=True)
    done = vaporbrush("animate", source, style, "-o", film, *QUICK)
    assert done.stdout.strip() == f"{film}: 13 painted", done.stderr
    with Image.open(film) as painted:
        for number, one in enumerate(drawings):
            painted.seek(number)
            painted.load()
            assert np.abs(np.asarray(painted.convert("RGB"), int) - (255 - one.astype(int))).mean() < 1


def test_a_loop_whose_first_picture_is_damaged_is_painted_and_closed_when_that_is_mended(
    machine: Daemon, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(4 * at) for at in range(13)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    (frames / "f0.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    found = told(frames, style, "-o", out, "--loop", *QUICK)
    assert [Path(one["out"]).name for one in found["failed"]] == ["f0.png"]
    assert len(found["painted"]) == 12
    pictures.write(frames / "f0.png", pictures.Picture(drawings[0]))
    assert told(frames, style, "-o", out, "--loop", *QUICK)["failed"] == []
    assert held(out / "f0.png", frames) == ["f12.png", "f1.png"]


def test_a_journal_that_was_cut_where_the_machine_was_keeps_what_is_whole(
    machine: Daemon, style: Path, tmp_path: Path
) -> None:
    drawings = [drawing(at) for at in (0, 4)]
    frames, out = reel(tmp_path / "walk", *drawings), tmp_path / "out"
    told(frames, style, "-o", out, *QUICK)
    journal = next(out.glob(".vaporbrush*"))
    journal.write_bytes(journal.read_bytes()[:-20])
    assert names(told(frames, style, "-o", out, *QUICK)["painted"]) == ["f1.png"]
    assert Journal(out)._stamps.keys() == {"f0.png", "f1.png"}
