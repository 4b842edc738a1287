"""The history in the real Krita, which shares it with the command line.

One run plays `krita_scripts/history.py`; each test judges one thing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hosts.host import GRADIENTS
from hosts.krita import Run, cli, raw, scenes
from hosts.krita_stage import stage
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita with the plug-in has played all scenes."""
    with stage(root, **GRADIENTS) as on:
        content, style, out = (str(on.folder / name) for name in ("content.png", "style.png", "out.png"))
        cli(on.daemon.home, "stylize", content, "@mosaic", "-o", out, "--seed", "3", "--steps", "2")
        cli(on.daemon.home, "stylize", content, style, "-o", str(on.folder / "more.png"),
            "--seed", "4", "--steps", "2", "--strength", "321")  # fmt: skip
        told = on.play("history", looks, {"keys": on.desktop.keys})
        listed = json.loads(cli(on.daemon.home, "history", "--json").stdout)["entries"]
        yield Run(on.folder, told, {"listed": listed, "out": np.asarray(Image.open(out).convert("RGBA")) / 255})


@pytest.mark.parametrize("name", scenes("history"))
def test_the_scene_played_to_its_end(run: Run, name: str) -> None:
    run.told.played(name)


def test_the_list_has_what_every_program_painted_the_newest_first_and_what_it_takes(run: Run) -> None:
    assert [lines[0] for lines in run.told["listed"]] == ["Impasto swirls", "style.png", "Mosaic"]
    assert all(len(lines) == 2 for lines in run.told["listed"])
    assert "the last 50 are kept" in run.told["line"]


def test_a_painting_comes_back_as_it_was_within_a_second_and_one_undo_takes_it_away(run: Run) -> None:
    found, what = raw(run, "brought")
    assert np.array_equal(np.rint(found * 255), np.rint(run.facts["out"] * 255))
    assert what["box"][2:] == [96, 72]
    assert run.told["seconds"] < 10.0, "ten times what is wanted"
    assert run.told["undone"]


def test_a_painting_comes_back_into_another_colour_space_as_it_looked(run: Run) -> None:
    found, what = raw(run, "brought elsewhere")
    assert what["space"] == ["RGBA", "F32", "sRGB-elle-V2-g10.icc"]
    light = run.facts["out"][..., :3]
    light = np.where(light <= 0.04045, light / 12.92, ((light + 0.055) / 1.055) ** 2.4)
    assert np.abs(found[..., :3] - light).max() < 0.01


def test_the_settings_of_a_painting_paint_again_with_the_picture_of_its_style(run: Run) -> None:
    used = run.told["used"]
    assert (used["kind"], used["seed"]) == ("file", 4)
    assert "styles-of-history" in used["name"]
    assert run.told["painted again"] == "done"


def test_what_is_pinned_is_marked_and_what_is_forgotten_is_gone_for_every_program(run: Run) -> None:
    assert [lines[0] for lines in run.told["pinned"]] == ["Impasto swirls", "★ style.png", "Mosaic"]
    assert run.told["button"].replace("&", "") == "Unpin"  # Krita gives every button a letter for the keyboard
    assert [lines[0] for lines in run.told["left"]] == ["Impasto swirls", "★ style.png"]
    marks = [(one["styles"], one["pinned"]) for one in run.facts["listed"][1:]]
    assert marks == [(["Impasto swirls"], False), (["style.png"], True)]
