"""What can be shown of Krita's Flatpak without Flatpak: the real Krita with a Flatpak's folders and a Flatpak's limits.

It finds `/.flatpak-info`, keeps its data below `~/.var/app`, and cannot reach the daemon's socket file.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.host import Desktop
from hosts.krita import Krita, Run, cli, scenes
from hosts.krita_stage import REAL, small_pictures
from hosts.root import Root
from support.daemon import Daemon
from vaporbrush_protocol.endpoint import Connection

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

KRITA_S = 300


@pytest.fixture(scope="module")
def run(root: Root, looks: Path) -> Iterator[Run]:
    """Krita in a sandbox has done all that `sandbox.py` asks for."""
    if root.is_system:
        pytest.skip("a file cannot be put into the system's own root; `make hosts` as root builds another")
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        folder = Path(name)
        small_pictures(folder)
        own = folder / "home"
        home = own / ".local/share/vaporbrush"  # a Flatpak sees HOME, and no variable of ours
        daemon = Daemon(home, **REAL)
        try:
            with Desktop(root, folder, sandbox=True) as desktop:
                krita = Krita(desktop)
                installed = cli(home, "install", "krita", own=own).stdout
                sockets = home / "run"
                sockets.mkdir(mode=0o700)
                desktop.run(["mount", "-t", "tmpfs", "tmp", str(sockets)])  # inside only: what is there is not seen
                krita.start("sandbox")
                told = krita.wait(KRITA_S, {"run the command": lambda _: daemon.start()})
                log = krita.log.read_text(errors="replace")
            facts = {"installed": installed, "endpoints": Connection.read(home).endpoints, "log": log}
            yield Run(folder, told, facts)
        finally:
            daemon.stop()


@pytest.mark.parametrize("scene", scenes("sandbox"))
def test_the_scene_was_played_without_an_exception(run: Run, scene: str) -> None:
    run.told.played(scene)


def test_the_plug_in_is_installed_into_the_flatpaks_own_profile(run: Run) -> None:
    assert "Krita (Flatpak): the plug-in" in run.facts["installed"]
    assert ".var/app/org.kde.krita/data/krita/pykrita" in run.facts["installed"]


def test_the_docker_shows_the_command_that_starts_the_daemon_outside(run: Run) -> None:
    shown = run.told["not running"]
    assert shown["sentence"].startswith("A program in a Flatpak cannot start Vaporbrush. Run this in a terminal:\n")
    assert shown["verbs"] == ["copy_command"]
    assert not shown["button"]
    assert shown["cut"] == []


def test_the_copied_command_is_the_installed_one(run: Run) -> None:
    words = shlex.split(run.told["copied"])
    assert Path(words[0]).is_file(), words
    assert "serve" in words


def test_it_paints_over_tcp_as_soon_as_the_daemon_runs(run: Run) -> None:
    assert any(one.startswith("tcp://127.0.0.1:") for one in run.facts["endpoints"])
    assert run.told["painted"]["stage"] == "done", run.told["painted"]
    assert run.told["painted"]["after"] == ["Starry", "Photo – Starry", "Photo", "Background"]
