"""What both plug-ins share, apart from a daemon: controls, words, row strips, remembered values, requests."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.daemon import ROOT, serving
from support.paint_request import order
from vaporbrush_host import controls, row_strips, ui_text
from vaporbrush_host.request import StyleRef
from vaporbrush_host.settings import Settings
from vaporbrush_protocol import Image, LinkError, Recipe, Style
from vaporbrush_protocol.errors import CODES
from vaporbrush_protocol.progress import Progress


def test_the_defaults_are_the_recipes_defaults() -> None:
    recipe = Recipe(content=Image("0" * 64, 32, 32), styles=(Style(name="woodcut"),))
    for name, value in controls.recipe_fields(controls.defaults()).items():
        assert getattr(recipe, name) == value, name


def test_every_default_is_acceptable_and_explained() -> None:
    for control in controls.CONTROLS:
        assert control.accepts(control.default), control.name
        assert control.label
        assert control.tip.endswith("."), control.name


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # a busy machine is no defect of the code
@given(
    st.dictionaries(
        st.sampled_from([*controls.BY_NAME, "nonsense"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.floats(), max_size=6)
        ),
    )
)
def test_whatever_was_remembered_makes_a_valid_recipe(remembered: dict[str, Any]) -> None:
    values = controls.clean(remembered)
    assert values.keys() == controls.defaults().keys()
    recipe = Recipe(Image("0" * 64, 32, 32), (Style(name="woodcut"),), **controls.recipe_fields(values))
    Recipe.from_wire(recipe.to_wire())


def test_a_stored_recipe_comes_back_into_the_controls() -> None:
    values = {**controls.defaults(), "strength": 50.0, "size": 512, "steps": 12, "layer_weights": (1.0, 0.5, 0, 0, 2.0)}
    recipe = Recipe(Image("0" * 64, 32, 32), (Style(name="woodcut"),), **controls.recipe_fields(values))
    stored = json.loads(json.dumps(recipe.to_wire()))
    assert controls.from_recipe(stored) == values


@given(st.sampled_from([c for c in controls.CONTROLS if c.kind == "number"]), st.floats(0, 1))
def test_a_slider_says_what_it_shows(control: controls.Control, place: float) -> None:
    value = controls.from_slider(control, place)
    assert control.accepts(value)
    if control.logarithmic:  # three significant digits: at most half a percent away
        rounding = math.log(1.005) / math.log(control.high / control.low)
    else:
        rounding = 0.5 * 10**-control.decimals / (control.high - control.low)
    assert controls.to_slider(control, value) == pytest.approx(place, abs=rounding * 1.01)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "under a second"),
        (1, "1 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (154, "2 min 30 s"),
        (601, "10 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
        (7190, "2 h"),
    ],
)
def test_durations_are_said_as_people_do(seconds: float, text: str) -> None:
    assert ui_text.duration(seconds) == text


def test_a_long_path_may_be_wrapped_where_its_parts_end_and_short_words_stay_as_they_are() -> None:
    said = (
        "⚠ uv-0.13.9-py3-none-manylinux_2_17.whl is not in C:\\Users\\Maximiliane\\AppData\\Local: try again, or go on"
    )
    shown = ui_text.breakable(said)
    assert shown.replace("\u200b", "") == said
    assert all(len(part) < 16 for part in re.split("[ \u200b]", shown))
    assert ui_text.breakable("What is here is kept; go-on, half/half.") == "What is here is kept; go-on, half/half."


def test_sizes_are_said_as_people_do() -> None:
    assert [ui_text.byte_count(n) for n in (12, 5e4, 52.4e6, 1.25e9, 12e9)] == [
        "12 bytes", "50 KB", "52 MB", "1.2 GB", "12 GB",
    ]  # fmt: skip


def test_the_expected_time_says_how_large_is_painted() -> None:
    estimate = {"painted_width": 1024, "painted_height": 700, "width": 4096, "height": 2800, "seconds": 40.0}
    assert ui_text.expected(estimate) == "about 40 s · painted at 1024 of 4096 px"
    whole = {**estimate, "width": 1024, "height": 700, "measured": False}
    assert ui_text.expected(whole) == "roughly 40 s · full size (1024 px)"


def test_progress_is_said_with_scale_step_and_time_left() -> None:
    progress = Progress("painting", 2, 3, 45, 150, 512, 384, eta_s=61.0)
    assert ui_text.progress_line(progress) == "Scale 2 of 3 · step 45 of 150"
    assert ui_text.time_left(progress) == "1 min left"
    assert ui_text.progress_line(Progress("downloading", step=26_000_000, steps=574_000_000)) == "26 MB of 574 MB"
    for phase in ("loading", "measuring", "style", "finishing"):
        assert ui_text.progress_line(Progress(phase)).endswith("…")


def test_every_next_step_belongs_to_a_code() -> None:
    assert set(ui_text.NEXT_STEP) <= set(CODES)


def test_details_name_the_code_and_the_log() -> None:
    text = ui_text.details(LinkError("timeout", "It hangs."), log="/x/daemon.log", host="Krita 5.2.9")
    assert text == "code: timeout\nLinkError: It hangs.\nhost: Krita 5.2.9\nlog: /x/daemon.log"


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 70))
def test_bands_cover_every_row_once(height: int, row_bytes: int, band_bytes: int) -> None:
    rows = [row for top, count in row_strips.bands(height, row_bytes, band_bytes) for row in range(top, top + count)]
    assert rows == list(range(height))


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 50))
def test_what_is_written_in_bands_is_read_again(height: int, row_bytes: int, band_bytes: int) -> None:
    pixels = bytes(i % 251 for i in range(height * row_bytes))
    host = bytearray(len(pixels))

    def put(top: int, rows: int, data: bytes) -> None:
        host[top * row_bytes : (top + rows) * row_bytes] = data

    row_strips.write(height, row_bytes, pixels, put, band_bytes)
    read = row_strips.read(
        height, row_bytes, lambda top, rows: bytes(host[top * row_bytes : (top + rows) * row_bytes]), band_bytes
    )
    assert read == pixels


def test_a_host_that_gives_too_few_bytes_is_noticed() -> None:
    with pytest.raises(row_strips.ShortReadError, match="8 bytes came"):
        row_strips.read(4, 4, lambda _top, _rows: b"12345678")
    with pytest.raises(row_strips.ShortReadError, match="3 bytes came"):
        row_strips.write(4, 4, b"123", lambda *_: None)


def test_values_are_remembered_apart_for_each_host(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "new")
    assert settings.put("krita", "last", {"seed": 1})
    assert settings.put("gimp", "last", {"seed": 2})
    assert Settings(tmp_path / "new").get("krita", "last") == {"seed": 1}
    assert settings.get("krita", "nothing", 5) == 5


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"krita": 3}', "\0\xff"])
def test_a_damaged_file_is_as_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "hosts.json").write_text(text, encoding="latin-1")
    settings = Settings(tmp_path)
    assert settings.get("krita", "last", "default") == "default"
    assert settings.put("krita", "last", 1)
    assert settings.get("krita", "last") == 1


def test_a_folder_that_cannot_be_written_costs_the_memory_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not Settings(tmp_path / "file" / "below").put("krita", "last", 1)


def test_style_references_survive_json() -> None:
    ref = StyleRef("layer", "Starry", "{id}", "{document}", 2.5)
    assert StyleRef.from_json(json.loads(json.dumps(ref.to_json()))) == ref
    for junk in (None, 3, {}, {"kind": "x"}):
        assert StyleRef.from_json(junk) is None
    assert StyleRef.from_json({"kind": "file", "name": "/a.png", "weight": -1}) == StyleRef("file", "/a.png")


def test_an_order_becomes_a_recipe_with_its_pictures() -> None:
    recipe, pictures = order(seed=3).prepared()
    assert recipe.seed == 3
    assert set(pictures) == {image.blob for image in recipe.images}
    assert order().sizes_only().content.blob == ""


def test_the_shared_code_is_python_310_and_imports_nothing_else() -> None:
    allowed = {*sys.stdlib_module_names, "vaporbrush_protocol", "vaporbrush_host"}
    for path in (ROOT / "plugins" / "common").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= allowed, path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").split(".")[0] in allowed, path


def test_a_home_with_an_umlaut_works_in_a_python_without_utf8(tmp_path: Path) -> None:
    """Krita rewrites LANG without a character set: its Python takes file names for Latin-1, or for ASCII."""
    home = tmp_path / "Bücher"
    program = (
        "import sys; from vaporbrush_protocol.client import connect; from vaporbrush_host.settings import Settings\n"
        "assert sys.getfilesystemencoding() != 'utf-8', sys.getfilesystemencoding()\n"
        "with connect() as client: print(client.status()['pid'])\n"
        "assert Settings().put('krita', 'last', {'name': 'B\\xfccher'})\n"
    )
    paths = os.pathsep.join(str(ROOT / name) for name in ("protocol", "plugins/common"))
    with serving(home) as daemon:
        env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**env, "PYTHONPATH": paths, "VAPORBRUSH_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) == daemon.pid
    assert (home / "hosts.json").is_file()
