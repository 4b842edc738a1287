"""A workstation with a GPU paints for the real Krita on a laptop, over a real sshd; then its power is cut.

One run (`krita_scripts/workstation.py`) meets it all; each test judges one thing that a painter would notice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.host import Desktop
from hosts.krita import Krita, Run, cli, picture, scenes
from hosts.root import Root
from support.daemon import serving
from support.far_painter import must_add, power_cut, workstation_with_gpu
from vaporbrush_daemon import packaged

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

KRITA_S = 600  # it takes two minutes on two free cores; one of them is the minute for which the line is tried again
AWAY = "workstation does not answer: it is off, asleep or in another network"


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita has seen the workstation come and go."""
    art = packaged.art()
    with (
        tempfile.TemporaryDirectory(prefix="vp-") as name,
        workstation_with_gpu() as there,
        serving(Path(name) / "vh") as laptop,
    ):
        folder = Path(name)
        picture(folder, "content", art / "demo" / "content.jpg", (96, 72))
        picture(folder, "style", art / "styles" / "impasto.jpg", (120, 96))
        answers = {"add": lambda _: must_add(there, laptop.home), "power cut": lambda _: power_cut(there)}
        with Desktop(root, folder) as desktop:
            krita = Krita(desktop)
            cli(laptop.home, "install", "krita", own=desktop.home)
            krita.start("workstation", env={"VAPORBRUSH_HOME": str(laptop.home)})
            told = krita.wait(KRITA_S, answers)
            (looks / "krita-workstation.jsonl").write_bytes(krita.report.read_bytes())
        yield Run(folder, told, {})


@pytest.mark.parametrize("scene", scenes("workstation"))
def test_the_scene_was_played_without_an_exception(run: Run, scene: str) -> None:
    run.told.played(scene)


def test_a_workstation_is_a_device_by_the_name_of_its_gpu_as_soon_as_it_is_added(run: Run) -> None:
    assert run.told["offered"] == ["Automatic", "Processor (CPU)", "workstation (RTX 4090)"]
    assert run.told["chosen"] == "workstation (RTX 4090)"


def test_a_workstation_paints_for_the_laptop(run: Run) -> None:
    there = run.told["there"]
    assert (there["stage"], there["device"]) == ("done", "workstation/cuda:0")
    assert there["after"] == ["Starry", "Photo – Starry", "Photo", "Background"]
    assert there["notes"] == []


def test_a_workstation_that_vanishes_under_a_painting_is_said_and_the_painter_may_stop(run: Run) -> None:
    stage, said = run.told["vanished"]
    assert stage == "running"
    assert "If that machine still runs, the painting goes on there." in said
    assert run.told["may stop"] == [True, True]
    assert run.told["stopped"] == "cancelled"


def test_a_workstation_that_vanishes_leaves_the_painter_here(run: Run) -> None:
    assert AWAY in run.told["waits"]
    assert "then the picture is painted here" in run.told["waits"]
    here = run.told["here"]
    assert (here["stage"], here["device"]) == ("done", "cpu")
    assert here["said"].startswith("Done in ")
    assert AWAY in here["said"]
    assert here["said"].endswith("It is painted here.")


def test_whoever_insists_on_it_is_told_why_and_what_to_do(run: Run) -> None:
    asked = run.told["asked for"]
    assert (asked["stage"], asked["error"][0]) == ("failed", "unreachable")
    assert AWAY in asked["said"]
    assert "Choose the device “Automatic” under Advanced." in asked["said"]
    assert asked["again"]
    assert run.told["listed"] == "workstation (RTX 4090), not reachable"


@pytest.mark.parametrize("name", ["chosen", "painted-there", "vanished", "waits", "painted-here", "asked-for"])
def test_no_word_is_cut(run: Run, name: str) -> None:
    assert run.told[f"cut {name}"] == []


def test_nothing_is_left_under_way(run: Run) -> None:
    assert run.told["left"] == []
