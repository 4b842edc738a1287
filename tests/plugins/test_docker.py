"""The docker's own logic, without Krita: with PyQt5 and with PyQt6, offscreen, against a real daemon."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.daemon import ROOT, serving
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

HERE = Path(__file__).parent
LOOKS = ROOT / "build" / "looks"
SCRIPT_S = 200


def environment(home: Path, qt: int) -> dict[str, str]:
    paths = [HERE / "fake_krita", ROOT / "plugins/krita", ROOT / "plugins/common", ROOT / "protocol"]
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith(("QT_", "VAPORBRUSH_"))},
        "VAPORBRUSH_HOME": str(home),
        "FAKE_KRITA_QT": str(qt),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "QT_QPA_PLATFORM": "offscreen",
        "XDG_RUNTIME_DIR": str(home),
    }


class Told(dict[str, Any]):
    """What the script told. What it did not tell is the failure of the test that asks."""

    def __missing__(self, name: str) -> Any:
        wrong = "\n".join(f"{key}: {value}" for key, value in self.items() if key.startswith("error in "))
        raise AssertionError(f"the script did not tell {name!r}\n{wrong or self['stderr'][-3000:]}")


@pytest.fixture(scope="module", params=[5, 6], ids=["PyQt5", "PyQt6"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the script told, by name."""
    assert importlib.util.find_spec(f"PyQt{request.param}"), f"PyQt{request.param} is missing: pip install -e .[dev]"
    LOOKS.mkdir(parents=True, exist_ok=True)
    home = tmp_path_factory.mktemp("vp")
    with serving(home):
        done = subprocess.run(
            [sys.executable, str(HERE / "docker_script.py"), str(LOOKS)],
            env=environment(home, request.param),
            capture_output=True,
            text=True,
            check=False,
            timeout=SCRIPT_S,
        )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    found = Told({line["name"]: line["value"] for line in lines})
    found |= {"wanted qt": str(request.param), "stderr": done.stderr}
    return found


def test_every_scene_ends_without_an_exception(told: dict[str, Any]) -> None:
    assert told["end"]
    assert [value for key, value in told.items() if key.startswith("error in ")] == []
    assert "Traceback" not in told["stderr"], told["stderr"][-3000:]


def test_the_plug_in_uses_the_qt_that_krita_names(told: dict[str, Any]) -> None:
    assert told["qt"] == told["wanted qt"]
    assert told["actions"] == ["vaporbrush_repeat", "vaporbrush_restylize", "vaporbrush_stylize"]


def test_without_a_document_the_button_waits_and_says_why(told: dict[str, Any]) -> None:
    assert told["no document"] == [False, "Open a picture to begin."]


def test_the_gallery_shows_bundled_styles_and_other_layers(told: dict[str, Any]) -> None:
    bundled, layers = told["gallery"]
    assert bundled >= 8
    assert layers == 1


def test_a_bundled_style_brings_its_own_strength(told: dict[str, Any]) -> None:
    assert told["tuned"][0] == pytest.approx(told["tuned"][1])


def test_a_painting_lands_above_its_content_to_the_pixel(told: dict[str, Any]) -> None:
    assert told["done"][:3] == ["done", True, True], told["done"]
    assert told["order"] == ["Photo", "Photo – Starry", "Starry"]
    assert told["stored"] == 0


def test_names_are_shown_as_they_are_and_do_nothing(told: dict[str, Any]) -> None:
    title, is_plain, button, tip = told["names"]
    assert title == r"<b>bold</b>\u202egnp in the style of Starry"
    assert is_plain
    for shown in (button, tip):
        assert r"&lt;b&gt;bold&lt;/b&gt;\u202egnp" in shown
        assert "<b>" not in shown


def test_keep_this_delivers_what_there_is(told: dict[str, Any]) -> None:
    assert told["kept"] == ["done", "finish"]


def test_cancelled_paintings_leave_no_panel(told: dict[str, Any]) -> None:
    assert told["cancelled"] == ["cancelled", "cancelled", 0]


def test_a_failure_says_what_and_what_next(told: dict[str, Any]) -> None:
    stage, code, line, again = told["failed"]
    assert (stage, code, again) == ("failed", "worker_crashed", True)
    assert "Try again" in line
    assert "code: worker_crashed" in told["details"]
    assert "Krita 5.99" in told["details"]


def test_try_again_paints_the_same_order(told: dict[str, Any]) -> None:
    assert told["again"] == ["done", True]


def test_what_happened_on_the_way_is_said_with_the_painting(told: dict[str, Any]) -> None:
    stage, line = told["noted"]
    assert stage == "done"
    assert line.endswith("the job was started again.")


def test_values_are_remembered(told: dict[str, Any]) -> None:
    assert told["remembered"] == [123.0, 512, 7, [1, 2, 3, 4, 5], ["Starry"]]


def test_reset_brings_the_defaults_and_the_document_its_own_values_back(told: dict[str, Any]) -> None:
    assert told["reset"] == [DEFAULT_STRENGTH, "auto", None]
    assert told["back"] == 123.0
    assert told["own"]


def test_a_second_window_may_be_closed(told: dict[str, Any]) -> None:
    assert told["second window"]


def test_krita_ends_while_something_is_painted(told: dict[str, Any]) -> None:
    """A second is wanted and reported; ten are a failure."""
    seconds, alive = told["closed"]
    print(f"\nthe docker let go of a running painting after {seconds:.2f} s")
    assert seconds < 10 * 1.0
    assert not alive


def test_an_import_error_becomes_a_menu_entry_that_tells_it(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['vaporbrush_host'] = None\n"
        "from krita import Krita, QtWidgets\n"
        "app = QtWidgets.QApplication([]); import vaporbrush\n"
        "krita = Krita.instance(); window = krita.open_window()\n"
        "box = QtWidgets.QMessageBox; shown = []\n"
        "box.exec = lambda self: shown.append(self.informativeText() + self.detailedText())\n"
        "window.actions['vaporbrush_stylize'].triggered.emit()\n"
        "print(shown[0])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment(tmp_path, 5), capture_output=True, text=True, check=True
    )
    assert "Install it again with: vaporbrush install krita" in done.stdout
    assert "vaporbrush_host" in done.stdout


def test_gpus_can_be_chosen_by_name_and_what_is_chosen_stays(told: dict[str, Any]) -> None:
    gpus = ["NVIDIA H200, 141 GB", "NVIDIA T4, 15 GB free"]
    assert told["devices"] == ["Automatic", "Processor (CPU)", *gpus]
    assert told["device chosen"] == ["cuda:1", gpus[1]]
