"""A workstation with a GPU paints for the real GIMP on a laptop, over a real sshd; then its power is cut."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import ENDLESS, QUICK, Screen, Widget, painting
from hosts.root import Root
from support import fake_worker
from support.far_painter import must_add, power_cut, workstation_with_gpu
from support.ssh_server import SshServer

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(2400)]
AWAY = "workstation does not answer: it is off, asleep or in another network"
DEVICES = ["Automatic", "Processor (CPU)", "workstation (RTX 4090)"]
THERE = '(device "workstation")'
POPS_UP_S = 0.5  # a menu is a window without a name: there is nothing to wait for


@dataclass
class Two:
    """The laptop's screen, and the workstation."""

    screen: Screen
    there: SshServer


@pytest.fixture(scope="module")
def both(root: Root, looks: Path) -> Iterator[Two]:
    """The workstation was added."""
    with workstation_with_gpu() as there, gimp_on_screen(root, looks, "gimp-workstation", real=False) as screen:
        must_add(there, screen.daemon.home)
        yield Two(screen, there)


@pytest.fixture
def two(both: Two) -> Two:
    """GIMP at rest."""
    both.screen.rest()
    return both


def device(screen: Screen) -> Widget:
    """The list of devices."""
    return screen.still(lambda: screen.beside("Device", "ComboBoxText"))


def choose_device(screen: Screen, label: str) -> None:
    """From the list, by the mouse and the arrow keys."""

    def act() -> None:
        steps = DEVICES.index(label) - DEVICES.index(device(screen)["text"])
        screen.click_on(device(screen))
        time.sleep(POPS_UP_S)
        screen.desktop.shot(screen.looks / "gimp-workstation-offered.png")
        screen.keys(*["Down" if steps > 0 else "Up"] * abs(steps), "Return")

    screen.until_done(act, lambda: device(screen)["text"] == label, f"choosing {label}")


def begin(screen: Screen, *values: str) -> None:
    """The dialog, with these values and a style."""
    screen.forget_values(*values)
    screen.open(screen.call_from_menu)
    screen.choose("Layers", "style")
    screen.about_to_paint()


def test_a_workstation_is_chosen_by_the_name_of_its_gpu_and_paints(two: Two) -> None:
    screen = two.screen
    begin(screen, *QUICK)
    screen.unfold_advanced()
    choose_device(screen, "workstation (RTX 4090)")
    screen.look("chosen")
    screen.click("Button", "Preview")
    screen.wait_text("Painted. OK takes it.")
    assert "workstation does not" not in screen.texts()
    screen.look("painted-there")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["result"]["device"] == "workstation/cuda:0"


def test_a_workstation_that_vanishes_leaves_the_painter_here(two: Two) -> None:
    screen = two.screen
    begin(screen, *ENDLESS, THERE, f"(seed {fake_worker.ENDLESS})")
    screen.click("Button", "Preview")
    screen.job(painting, "it paints there")
    power_cut(two.there)
    screen.wait_text("If that machine still runs, the painting goes on there.")
    screen.look("vanished")
    screen.click("Button", "Stop")
    screen.job(lambda job: job.state == "cancelled", "it is cancelled")
    screen.wait(lambda: screen.find("Button", "Preview"), "it is stopped")
    screen.leave()
    begin(screen, *QUICK)
    screen.click("Button", "Preview")
    screen.wait_text("then the picture is painted here")
    screen.look("waits")
    screen.wait_text("Painted. OK takes it.")
    screen.wait_text("It is painted here.")
    assert AWAY in screen.texts()
    screen.look("painted-here")
    screen.click("Button", "OK")
    screen.until_layers(2)
    screen.gone()
    assert screen.record()["result"]["device"] == "cpu"
    screen.wait(lambda: screen.desktop.windows("^GIMP Message$"), "GIMP says the same to whoever did not look there")
    screen.look("said-with-the-layer")


def test_whoever_insists_on_a_workstation_that_is_away_is_told_why_and_what_to_do(two: Two) -> None:
    screen = two.screen
    if two.there.process is not None:  # else it is away already
        power_cut(two.there)
    begin(screen, *QUICK, THERE)
    screen.click("Button", "Preview")
    screen.wait(lambda: screen.find("Button", "Copy details"), "the error")
    assert AWAY in screen.texts()
    assert "Choose the device “Automatic” under Advanced." in screen.texts()
    screen.look("asked-for")
    screen.unfold_advanced()
    screen.wait(lambda: device(screen)["text"] == f"{DEVICES[-1]}, not reachable", "the list says so too")
    screen.look("not-reachable")
    screen.leave()
    assert len(screen.layers) == 1
