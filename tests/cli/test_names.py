"""File names as people and attackers have them: not UTF-8, as long as the disk allows, full of control characters."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.daemon import Daemon
from vaporbrush_daemon import logs
from vaporbrush_daemon.cli import doctor
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.styles import StyleLibrary

WAIT_S = 60
LATIN_1 = b"caf\xe9.png"
LONGEST = b"n" * 251 + b".png"  # 255 bytes: what ext4, APFS and NTFS allow
ATTACK = b"\x1b[2J\x1b]0;X\x07.png"
EMOJI = "🎨".encode() * 62 + b".png"  # 252 bytes in 66 characters


def vaporbrush(*arguments: str | bytes | Path, **options) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "vaporbrush_daemon", *map(os.fsencode, arguments)]
    return subprocess.run(command, check=False, capture_output=True, timeout=WAIT_S, **options)


@pytest.fixture
def fake(home: Path) -> Iterator[Path]:
    """A home whose daemon paints with the fake worker."""
    Daemon(home)
    yield home
    assert vaporbrush("stop", "--now").returncode == 0


def painted(path: Path, tint: int = 1) -> Path:
    pixels = np.random.default_rng(tint).integers(0, 256, (48, 64, 3), np.uint8)
    pictures.write(path, pictures.Picture(pixels))
    return path


@pytest.mark.parametrize("name", [LATIN_1, LONGEST, ATTACK, EMOJI], ids=["Latin-1", "255 bytes", "escapes", "emoji"])
def test_any_name_works_as_content_as_style_and_as_output(fake: Path, tmp_path: Path, name: bytes) -> None:
    folders = [tmp_path / part for part in ("content", "style", "out")]
    for folder in folders:
        folder.mkdir()
    content, style, out = (folder / os.fsdecode(name) for folder in folders)
    painted(content)
    painted(style, 2)
    for again in ((), ("--json",)):
        done = vaporbrush("stylize", content, style, "-o", out, *again)
        assert done.returncode == 0, done.stderr
        assert b"\x1b" not in done.stdout + done.stderr
    assert json.loads(done.stdout)["out"] == str(out)
    assert pictures.read(out).width == 64
    assert [os.fsencode(path.name) for path in folders[2].iterdir()] == [name]
    listed = vaporbrush("jobs")
    assert listed.returncode == 0
    assert b"\x1b" not in listed.stdout
    assert vaporbrush("status").returncode == 0


@pytest.mark.parametrize("name", [LATIN_1, LONGEST], ids=["Latin-1", "255 bytes"])
def test_any_name_works_as_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> None:
    """The command line starts the daemon, paints with a style from there, asks, and starts it again."""
    there = home.parent / os.fsdecode(name)
    monkeypatch.setenv("VAPORBRUSH_HOME", str(there))
    Daemon(there)
    (there / "styles").mkdir()
    painted(there / "styles" / "wall.png", 2)
    content = painted(tmp_path / "content.png")
    try:
        for out in (tmp_path / "1.png", tmp_path / "2.png"):
            done = vaporbrush("stylize", content, "@wall", "-o", out)
            assert done.returncode == 0, done.stderr
            assert pictures.read(out).width == 64
            for command in ("status", "jobs", "styles", "logs"):
                asked = vaporbrush(command)
                assert asked.returncode == 0, asked.stderr
                assert asked.stdout.decode(), "what is not UTF-8 is shown as an escape"
            assert vaporbrush("stop", "--now").returncode == 0
    finally:
        vaporbrush("stop", "--now")
    assert (there / "logs" / "daemon.log").stat().st_size
    assert sorted(path.name for path in home.parent.iterdir()) == sorted([there.name, "user"]), "nothing beside it"
    json.loads((there / "connection.json").read_text())["endpoints"][0].encode()


def test_a_name_that_is_too_long_is_reported_before_anything_is_painted(home: Path, tmp_path: Path) -> None:
    content = painted(tmp_path / "content.png")
    done = vaporbrush("stylize", content, content, "-o", tmp_path / ("n" * 252 + ".png"))
    assert done.returncode == 2
    assert b"cannot be written: File name too long." in done.stderr
    done = vaporbrush("stylize", content, content, "-o", tmp_path / "o.png", "--continue", "n" * 300)
    assert done.returncode == 3  # no such file, and no daemon to ask for a job of that name
    assert not (home / "run").exists()


def test_a_label_with_markup_is_listed_as_it_is(fake: Path, tmp_path: Path) -> None:
    content = painted(tmp_path / "x[bold]y :smile:.png")
    assert vaporbrush("stylize", content, content, "-o", tmp_path / "o.png").returncode == 0
    done = vaporbrush("jobs", env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0
    assert b"x[bold]y :smile:.png" in done.stdout


def test_control_characters_in_the_log_are_shown_not_obeyed(home: Path) -> None:
    logs.configure(home, "info", stderr=False)
    logs.event("painted", label="\x1b[2J\x9b1m\u202e", path=os.fsdecode(LATIN_1))
    written = (home / "daemon.log").read_text(encoding="utf-8")
    assert r"\x1b[2J\x9b1m\u202e" in written
    assert r"caf\xe9.png" in written
    assert not {"\x1b", "\x9b", "\u202e"} & set(written)


def test_logs_shows_no_escape_of_an_older_log(home: Path) -> None:
    (home / "logs").mkdir(parents=True)
    (home / "logs" / "daemon.log").write_bytes(b"label=\x1b[2J\xc2\x9b1m\n")
    done = vaporbrush("logs")
    assert done.returncode == 0
    assert done.stdout == b"label=\\x1b[2J\\x9b1m\n"


@pytest.fixture
def styles(home: Path) -> Path:
    folder = home / "styles"
    folder.mkdir(parents=True)
    painted(folder / "good.png")
    for name in (LATIN_1, LONGEST, ATTACK):
        (folder / os.fsdecode(name)).write_bytes((folder / "good.png").read_bytes())
    (folder / "notes.png").write_text("not a picture")
    return folder


def test_one_bad_file_among_the_styles_is_not_the_end_of_all_styles(styles: Path, tmp_path: Path) -> None:
    done = vaporbrush("styles")
    assert done.returncode == 0, done.stderr
    assert b"@good" in done.stdout
    assert b"@vaporwave" in done.stdout
    assert b"\x1b" not in done.stdout
    content = painted(tmp_path / "content.png")
    Daemon(styles.parent)
    for style in ("@good", "@ink"):
        done = vaporbrush("stylize", content, style, "-o", tmp_path / "o.png")
        assert done.returncode == 0, done.stderr
    assert vaporbrush("stop", "--now").returncode == 0


def test_each_bad_file_among_the_styles_is_one_line_in_doctor(styles: Path) -> None:
    found = {finding.text: finding for finding in doctor.CHECKS["Styles"]()}
    assert len(found) == 4, list(found)
    for name, reason in (
        ("caf", "not UTF-8"),
        ("nnn", "longer than 200 bytes"),
        ("[2J", "cannot be shown"),
        ("notes.png", "cannot identify image file"),
    ):
        (one,) = [finding for text, finding in found.items() if name in text and reason in text]
        assert (one.state, one.cure) == ("failed", "Rename, replace or delete it.")


def test_a_folder_of_styles_that_cannot_be_read_leaves_the_bundled_ones(home: Path) -> None:
    home.mkdir()
    (home / "styles").symlink_to("styles")
    library = StyleLibrary.of(home)
    assert library.file("ink").name == "ink"
    assert len(library.problems()) == 1


@pytest.mark.parametrize(
    ("recipe", "sentence"),
    [
        ("[" * 100_000, "neither a PNG with a recipe nor JSON"),
        ('{"size": 32, "content": {"width": "a", "height": []}}', None),
        ('{"size": 64, "content": {"width": 64, "height": "x"}}', None),
        ('{"size": "vast"}', "`size` is 'vast'"),
    ],
)
def test_a_damaged_recipe_is_a_sentence_not_a_defect(
    fake: Path, tmp_path: Path, recipe: str, sentence: str | None
) -> None:
    content, file = painted(tmp_path / "content.png"), tmp_path / "recipe.json"
    file.write_text(recipe)
    done = vaporbrush("stylize", content, content, "-o", tmp_path / "o.png", "--recipe", file)
    assert b"defect" not in done.stderr
    assert done.returncode == (2 if sentence else 0), done.stderr
    assert not sentence or sentence.encode() in done.stderr
