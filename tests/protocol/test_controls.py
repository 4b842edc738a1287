"""A setting is declared once: whoever adds a field to the recipe and a line to the table finds it everywhere."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from vaporbrush_protocol.controls import BY_NAME, CONTROLS, FILM, FILM_SETTINGS, SETTINGS, TUNED, tuned
from vaporbrush_protocol.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {"content", "styles", "mask", "start_image", "held"}
NOT_OFFERED = {"outside"}  # the hosts and the command line each have one right answer

FIELD = '    glow: float = field(default=0.25, metadata=real(0.125, 2.0, "how bright light areas are"))\n'
CONTROL = (
    '    _control("glow", "Glow", "How bright the light areas of the {content} become.", decimals=3, tuned=True),\n'
)

ARGUMENTS = """
import json, sys
from gi.repository import Gimp
from vaporbrush_gimp.arguments import add_arguments
procedure = Gimp.Procedure()
add_arguments(procedure)
print(json.dumps(procedure.arguments["glow"][:3] + procedure.arguments["glow"][3:6]))
"""
DOCKER = """
import json
from krita import Krita, QtWidgets
application = QtWidgets.QApplication([])
import vaporbrush
docker = Krita.instance().open_window().dockers()[0]
field = docker.fields["glow"]
spin = field.spin
print(json.dumps([docker.values()["glow"], field.toolTip(), spin.minimum(), spin.maximum(), spin.decimals()]))
"""
STYLES = """
import json
from pathlib import Path
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon import packaged
print(json.dumps({one.name: one.tuned["glow"] for one in StyleLibrary(packaged.art() / "styles", Path("-")).files()}))
"""
SET = """
import json
from vaporbrush_daemon.cli.request import SETTINGS
print(json.dumps("glow" in SETTINGS))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's sources with one setting more, declared in two places."""
    folder = tmp_path_factory.mktemp("copy")
    left_out = shutil.ignore_patterns("__pycache__", "*.jpg", "*.safetensors", "tools")
    for part in ("protocol", "daemon", "plugins"):
        shutil.copytree(ROOT / part, folder / part, ignore=left_out)
    for path in (ROOT / "daemon/vaporbrush_daemon/art/styles").glob("*.jpg"):
        (folder / path.relative_to(ROOT)).touch()
    package = folder / "protocol" / "vaporbrush_protocol"
    insert(package / "recipe.py", FIELD, before="    model: str = field(")
    insert(package / "controls.py", CONTROL, before='    _control(\n        "model",')
    insert(folder / "daemon/vaporbrush_daemon/art/styles/styles.toml", "glow = 0.5\n", before="\n[[style]]", last=True)
    run(folder, str(folder / "protocol" / "generate.py"))
    return folder


def insert(path: Path, text: str, *, before: str, last: bool = False) -> None:
    source = path.read_text(encoding="utf-8")
    at = source.rindex(before) if last else source.index(before)
    path.write_text(source[:at] + text + source[at:], encoding="utf-8")


def run(copy: Path, *arguments: str, path: tuple[Path, ...] = (), **variables: str) -> str:
    """What a Python program says that sees nothing but the copy."""
    places = [copy / "protocol", copy / "daemon", copy / "plugins" / "common", *path]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QT_", "VAPORBRUSH_"))}
    environment |= {"PYTHONPATH": os.pathsep.join(map(str, places)), "VAPORBRUSH_HOME": str(copy / "home")}
    done = subprocess.run(
        [sys.executable, *arguments],
        check=False, capture_output=True, text=True, timeout=120, cwd=copy, env={**environment, **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_setting_of_the_recipe_has_a_control() -> None:
    assert {each.name for each in fields(Recipe)} - PICTURES - NOT_OFFERED == {
        *SETTINGS,
        *FILM_SETTINGS,
    }


def test_a_control_never_lets_through_what_the_recipe_refuses() -> None:
    picture = {"blob": "0" * 64, "width": 32, "height": 32}
    for control in (*CONTROLS, *FILM):
        if not control.recipe:
            continue
        values: list[Any] = [*control.words, control.default]
        if control.kind in ("number", "whole", "size", "steps"):
            values += [control.low, control.high]
        for value in values:
            assert control.accepts(value), (control.name, value)
            Recipe.from_wire({"content": picture, "styles": [{"name": "ink"}], control.name: value})


def test_a_style_brings_along_only_what_it_may_and_what_is_acceptable() -> None:
    assert tuned({"strength": 3, "style_scale": 99.0, "seed": 4, "title": "Ink"}) == {"strength": 3.0}
    assert all(BY_NAME[name].kind == "number" for name in TUNED)


def test_a_new_setting_is_in_the_specification_and_in_kritas_manual(copy: Path) -> None:
    spec = (copy / "protocol" / "SPEC.md").read_text(encoding="utf-8")
    assert "| `glow` | number, 0.125 to 2 | `0.25` | how bright light areas are |" in spec
    manual = (copy / "plugins" / "krita" / "vaporbrush" / "manual.html").read_text(encoding="utf-8")
    assert "<dt>Glow</dt><dd>How bright the light areas of the layer become.</dd>" in manual


def test_a_recipe_file_may_set_a_new_setting(copy: Path) -> None:
    assert json.loads(run(copy, "-c", SET)) is True


def test_a_new_setting_is_an_option_of_the_command_line(copy: Path) -> None:
    shown = " ".join(run(copy, "-m", "vaporbrush_daemon", "stylize", "--help", COLUMNS="200", TERM="dumb").split())
    told = "How bright the light areas of the picture become. From 0.125 to 2."
    assert f"--glow R {told} [default: (0.25, or what suits a bundled style)]" in shown


def test_a_new_setting_is_an_argument_of_gimps_procedures(copy: Path) -> None:
    places = (copy / "plugins" / "gimp" / "vaporbrush", ROOT / "tests" / "plugins" / "fake_gi")
    method, label, tip, low, high, default = json.loads(run(copy, "-c", ARGUMENTS, path=places))
    assert (method, label.replace("_", "")) == ("add_double_argument", "Glow")
    assert tip.startswith("How bright the light areas of the layer become. 0: ")
    assert (low, high, default) == (0, 2.0, 0)  # 0: as the style wants it


@pytest.mark.parametrize("qt", ["5", "6"])
def test_a_new_setting_is_in_kritas_docker(copy: Path, qt: str) -> None:
    places = (ROOT / "tests" / "plugins" / "fake_krita", copy / "plugins" / "krita")
    shown = run(copy, "-c", DOCKER, path=places, FAKE_KRITA_QT=qt, QT_QPA_PLATFORM="offscreen")
    assert json.loads(shown) == [0.25, "How bright the light areas of the layer become.", 0.125, 2.0, 3]


def test_a_bundled_style_may_bring_a_new_setting_along(copy: Path) -> None:
    listed: Mapping[str, float] = json.loads(run(copy, "-c", STYLES))
    assert sorted(set(listed.values())) == [0.25, 0.5]
    assert sum(value == 0.5 for value in listed.values()) == 1


def test_kritas_manual_says_what_the_controls_say() -> None:
    manual = (ROOT / "plugins" / "krita" / "vaporbrush" / "manual.html").read_text(encoding="utf-8")
    told = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", manual))
    for control in (control.worded("layer") for control in CONTROLS):
        assert told[control.label].startswith(control.tip), control.name
