"""Presets in the real Krita, which shares them with the command line.

One run plays `krita_scripts/presets.py`; each test judges one thing.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hosts.krita import Run, cli, scenes
from hosts.krita_stage import stage
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita with the plug-in has played all scenes."""
    with stage(root) as on:  # what is painted is another test's matter
        with zipfile.ZipFile(on.folder / "hostile.vbpreset", "w") as archive:
            archive.writestr("preset.json", '{"vaporbrush_preset": 1, "styles": [{"picture": "../../x.png"}]}')
        cli(on.daemon.home, "presets", "save", "Éclair", str(on.folder / "style.png"), "--strength", "55")
        answers = {"type": on.desktop.type_line, "type path": lambda text: on.desktop.type(str(on.folder / text))}
        told = on.play("presets", looks, answers)
        listed = json.loads(cli(on.daemon.home, "presets", "list", "--json").stdout)["presets"]
        kept = {one["name"]: one for one in listed}
        pictures = {
            name: [np.asarray(Image.open(style["picture"])) for style in one["styles"] if "picture" in style]
            for name, one in kept.items()
        }
        yield Run(on.folder, told, {"kept": kept, "pictures": pictures})


@pytest.mark.parametrize("name", scenes("presets"))
def test_the_scene_played_to_its_end(run: Run, name: str) -> None:
    run.told.played(name)


def test_the_menu_has_the_presets_and_what_can_be_done(run: Run) -> None:
    assert run.told["menu"] == ["Éclair", "", "Save as preset…", "Import…", "Export", "Delete"]


def test_what_the_docker_shows_is_kept_and_comes_back(run: Run) -> None:
    assert run.told["kept"] == "Kept as “oil & alt”. On the command line it is @oil & alt."
    chosen = run.told["chosen"]
    assert chosen["values"] == {"strength": 321, "color": "luma", "size": 96, "steps": 3, "seed": 90}
    (kind, path, weight), mosaic = chosen["styles"]
    assert (kind, Path(path).name, weight) == ("file", "Starry.png", 1)
    assert mosaic == ["bundled", "mosaic", 2]
    assert not run.told["modified by keeping"]


def test_a_layer_is_kept_as_the_picture_that_it_shows(run: Run) -> None:
    (kept,) = run.facts["pictures"]["oil & alt"]
    assert np.array_equal(kept, np.asarray(Image.open(run.folder / "style.png")))


def test_a_preset_paints(run: Run) -> None:
    assert run.told["painted"]["stage"] == "done", run.told["painted"]
    assert run.told["painted"]["strength"] == 321


def test_the_command_line_s_presets_are_krita_s_and_the_other_way_round(run: Run) -> None:
    found = run.told["from the command line"]
    assert found["values"]["strength"] == 55
    assert [Path(path).name for _kind, path, _weight in found["styles"]] == ["style.png"]
    kept = run.facts["kept"]["oil & alt"]
    assert (kept["settings"]["strength"], kept["settings"]["color"]) == (321, "luma")
    assert "device" not in kept["settings"]
    assert "use_selection" not in kept["settings"]


def test_a_preset_goes_into_one_file_and_comes_back(run: Run) -> None:
    assert "eclair.vbpreset" in run.told["exported"]
    assert "Éclair" in run.told["asked before deleting"]
    assert run.told["after deleting"] == ["oil & alt"]
    assert run.told["imported"]["values"]["strength"] == 55
    assert "Éclair" in run.facts["kept"]


def test_a_hostile_file_and_an_impossible_name_are_a_sentence(run: Run) -> None:
    assert "is refused: “../../x.png” is no name of a picture in it." in run.told["hostile"]
    assert "“a/b” cannot be a preset's name: it may not contain /." in run.told["no name"]
