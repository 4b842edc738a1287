"""Presets from the command line, in the daemon's own home."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.program import vaporbrush
from vaporbrush_daemon.images import files as pictures


def told(*arguments: str | Path) -> str:
    done = vaporbrush(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def inky(fake: Path, style: Path) -> Path:
    """A preset of two styles, whose picture has gone since."""
    told("presets", "save", "Inky", "@impasto", style, "--style-weights", "2,1", "--strength", "300", "--steps", "4",
         "--size", "32")  # fmt: skip
    style.unlink()
    return fake


def test_a_painting_in_a_preset_has_its_styles_and_settings(inky: Path, content: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    recipe = json.loads(told("stylize", content, "@inky", "-o", out, "--json"))["recipe"]
    assert (recipe["strength"], recipe["steps"], recipe["size"]) == (300, 4, 32)
    assert [one["weight"] for one in recipe["styles"]] == [2, 1]
    assert (recipe["styles"][1]["image"]["width"], recipe["styles"][1]["image"]["height"]) == (40, 40)
    assert pictures.read(out).recipe is not None


def test_what_is_given_beside_a_preset_goes_before_it(inky: Path, content: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    asked = ("stylize", content, "@Inky", "--strength", "50", "--style-weights", "1,9", "-o", out, "--json")
    recipe = json.loads(told(*asked))["recipe"]
    assert (recipe["strength"], recipe["steps"]) == (50, 4)
    assert [one["weight"] for one in recipe["styles"]] == [1, 9]


@pytest.mark.usefixtures("inky")
def test_a_preset_is_named_alone(content: Path, tmp_path: Path) -> None:
    done = vaporbrush("stylize", content, "@inky", "@mosaic", "-o", tmp_path / "out.png")
    assert done.returncode == 2
    assert "@Inky is a preset with styles of its own: name it alone" in done.stderr


@pytest.mark.usefixtures("inky")
def test_presets_are_listed_and_shown(tmp_path: Path) -> None:
    line = told("presets", "list").splitlines()[1]
    assert line.split(maxsplit=1) == ["@Inky", "@impasto + style · strength 300 · steps 4 · size 32"]
    shown = told("presets", "show", "@inky")
    assert "@impasto × 2" in shown
    assert json.loads(told("presets", "list", "--json"))["presets"][0]["settings"]["strength"] == 300


@pytest.mark.usefixtures("inky")
def test_a_preset_goes_through_one_file(tmp_path: Path) -> None:
    told("presets", "export", "inky", tmp_path / "inky")
    told("presets", "delete", "inky")
    assert "There is none yet" in vaporbrush("presets", "list").stderr
    told("presets", "import", tmp_path / "inky.vbpreset")
    assert told("presets", "list").splitlines()[1].startswith("@Inky")
    again = vaporbrush("presets", "import", tmp_path / "inky.vbpreset")
    assert again.returncode == 2
    assert "There is a preset “Inky” already" in again.stderr
    told("presets", "import", tmp_path / "inky.vbpreset", "--replace")
    told("presets", "import", tmp_path / "inky.vbpreset", "--name", "other")
    assert [one["name"] for one in json.loads(told("presets", "list", "--json"))["presets"]] == ["Inky", "other"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["presets", "show", "nothing"], "There is no preset “nothing”; there is none."),
        (["presets", "save", "a/b", "@mosaic"], "“a/b” cannot be a preset's name: it may not contain /."),
        (["presets", "save", "x", "@nowhere"], "There is no style `nowhere`"),
        (["presets", "save", "x", "/nowhere/x.png"], "The style /nowhere/x.png cannot be read"),
        (["presets", "save", "x", "@mosaic", "--strength", "-5"], "“Strength” is -5"),
        (["presets", "import", "/etc/hostname"], "/etc/hostname is no preset"),
        (["presets", "import", "/nowhere"], "/nowhere cannot be read"),
    ],
)
@pytest.mark.usefixtures("home")
def test_what_is_wrong_is_one_sentence(arguments: list[str], sentence: str) -> None:
    done = vaporbrush(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
