"""Whatever can be wrong with the daemon or the plug-in itself, in the real Krita: said in words, with the next step.

One run (`krita_scripts/troubles.py`) meets it all and tells what the docker showed; each test judges one trouble.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.host import Desktop
from hosts.krita import Krita, Run, cli, scenes
from hosts.krita_stage import small_pictures
from hosts.root import Root
from support.daemon import Daemon, environment
from support.router import Router
from vaporbrush_daemon.install import host_programs
from vaporbrush_protocol.errors import VaporbrushError

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

KRITA_S = 500  # it takes a minute on two free cores


FETCH = """
import os, sys, time, msgpack
def tell(**event):
    body = msgpack.packb({"job": sys.argv[1], **event})
    os.write(1, len(body).to_bytes(4, "big") + body)
for part in range(1, 11):
    tell(event="progress", progress={"phase": "downloading", "step": part * 57_400_000, "steps": 574_000_000})
    time.sleep(0.4)
tell(event="fetched", model="vgg19", bytes=52_000_000)
"""


class Keepers:
    """Starts, kills and replaces the daemon as the script in Krita asks, and when its Start button runs `start.sh`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "vh"
        self.home.mkdir()
        (folder / "fetch.py").write_text(FETCH)
        self.settings = {"fetch_command": [sys.executable, str(folder / "fetch.py")], "weights": "/nowhere.pth"}
        self.wish = folder / "please-start"
        self.command = ["/bin/sh", str(folder / "start.sh")]
        (folder / "start.sh").write_text(f"touch '{self.wish}'; exec sleep 60\n")
        self.daemon: Daemon | None = None
        self.router: Router | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._over.wait(0.1):
            if self.wish.exists():
                time.sleep(1.5)  # so that *Starting* can be seen
                self.wish.unlink()
                self.start()

    def without_torch(self, _: object) -> None:
        """A daemon that runs the real painter by a Python that has no torch."""
        self.stop()
        (self.home.parent / "none").mkdir()
        (self.home.parent / "none" / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None")
        paths = os.pathsep.join([str(self.home.parent / "none"), environment(self.home)["PYTHONPATH"]])
        painter = [sys.executable, "-P", "-m", "vaporbrush_daemon.workers.painter"]
        settings = {**self.settings, "worker_command": painter}
        self.daemon = Daemon(self.home, **settings).start(env={"PYTHONPATH": paths})

    def start(self, _: object = None) -> None:
        self.stop()
        if self.router is not None:
            self.router.stop()
            self.router = None
        self.daemon = Daemon(self.home, **self.settings).start()

    def kill(self, _: object) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon = None

    def stop(self, _: object = None) -> None:
        if self.daemon is not None:
            self.daemon.stop()
            self.daemon = None

    def other_version(self, _: object) -> None:
        self.stop()
        self.router = Router(self.home)
        sentence = "This daemon speaks version 2 of the protocol; the client speaks 1."
        self.router.answers["hello"] = VaporbrushError("unsupported_version", sentence)
        self.router.connection.write(self.home)

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.stop()
        if self.router is not None:
            self.router.stop()


@pytest.fixture(scope="module")
def troubles(root: Root, looks: Path) -> Iterator[Run]:
    """Krita with the plug-in has met everything that can be wrong with the daemon."""
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        folder = Path(name)
        small_pictures(folder)
        keepers = Keepers(folder)
        answers = {
            "kill": keepers.kill,
            "stop": keepers.stop,
            "other version": keepers.other_version,
            "same version": keepers.start,
            "without torch": keepers.without_torch,
        }
        try:
            with Desktop(root, folder) as desktop:
                krita = Krita(desktop)
                cli(keepers.home, "install", "krita", own=desktop.home)
                start = {"start": keepers.command, "version": "0"}
                (krita.pykrita / "vaporbrush" / host_programs.START_FILE).write_text(json.dumps(start))
                krita.start("troubles", env={"VAPORBRUSH_HOME": str(keepers.home)})
                told = krita.wait(KRITA_S, answers)
                (looks / "krita-troubles.jsonl").write_bytes(krita.report.read_bytes())
            yield Run(folder, told, {})
        finally:
            keepers.close()


@pytest.mark.parametrize("scene", scenes("troubles"))
def test_the_scene_was_played_without_an_exception(troubles: Run, scene: str) -> None:
    troubles.told.played(scene)


def test_a_daemon_that_was_never_started_shows_the_command(troubles: Run) -> None:
    absent = troubles.told["absent"]
    assert absent["kind"] == "absent"
    assert "vaporbrush serve" in absent["sentence"]
    assert troubles.told["copied"] == "vaporbrush serve"
    assert not absent["button"]
    assert absent["why"] == "Vaporbrush has to be started first."


def test_a_daemon_that_cannot_be_started_says_why(troubles: Run) -> None:
    failed = troubles.told["start failed"]
    assert "ended at once" in failed["sentence"]
    assert failed["verbs"] == ["start", "copy_details"]


def test_the_daemon_is_started_from_the_docker(troubles: Run) -> None:
    assert troubles.told["starting"]["short"] == "Starting Vaporbrush…"
    assert troubles.told["started"]["kind"] in ("ready", "lite")


def test_the_full_model_is_fetched_with_progress(troubles: Run) -> None:
    assert "of 574 MB" in troubles.told["fetching"]
    assert troubles.told["fetched"] == "done"


def test_a_failed_painting_says_what_to_do(troubles: Run) -> None:
    failed = troubles.told["failed"]
    assert (failed["stage"], failed["error"][0]) == ("failed", "worker_crashed")
    assert "Try again" in failed["shown"]


def test_a_killed_daemon_fails_its_painting_and_nothing_hangs(troubles: Run) -> None:
    killed = troubles.told["killed"]
    assert killed["stage"] == "failed"
    assert killed["error"][0] in ("no_daemon", "link_lost")
    assert killed["kind"] == "stopped"
    said, log = killed["shown"].split("\n")
    assert said == "Vaporbrush ended while it painted this. “Try again” starts it anew."
    assert log.endswith("/vh/logs/daemon.log")
    assert killed["seconds"] < 60
    print(f"\ndaemon killed: painting failed after {killed['seconds']:.1f} s, longest stalls {killed['stalls'][:3]}")


def test_try_again_starts_the_daemon_and_paints(troubles: Run) -> None:
    again = troubles.told["again"]
    assert again["stage"] == "done", again
    assert "Photo – Starry" in again["after"]


def test_another_version_is_said_with_its_cure(troubles: Run) -> None:
    wrong = troubles.told["wrong version"]
    assert wrong["kind"] == "wrong_version"
    assert "run: vaporbrush install gimp (or krita)" in wrong["sentence"]
    assert troubles.told["painting with the wrong version"]["error"][0] == "unsupported_version"


def test_a_python_without_torch_is_no_green_light(troubles: Run) -> None:
    found = troubles.told["without torch"]
    assert found["kind"] == "broken"
    assert "PyTorch is missing, without which nothing can be painted." in found["sentence"]
    assert "-m pip install torch torchvision" in found["sentence"]
    assert found["verbs"] == ["copy_command"]
    assert not found["button"]
    assert found["says"] == "Vaporbrush cannot paint yet: see below."
    assert troubles.told["with torch again"]


def test_memory_is_given_back_by_a_button(troubles: Run) -> None:
    assert "unload" not in troubles.told["unloaded"]["verbs"]


def test_a_daemon_that_ends_is_noticed_and_may_be_started_by_painting(troubles: Run) -> None:
    stopped = troubles.told["stopped"]
    assert stopped["verbs"] == ["start"]
    assert stopped["button"]


def test_a_plug_in_that_cannot_be_imported_says_why(root: Root, looks: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="vp-") as name, Desktop(root, Path(name)) as desktop:
        krita = Krita(desktop)
        cli(Path(name) / "vh", "install", "krita", own=desktop.home)
        (krita.pykrita / "vaporbrush" / "vendor" / "vaporbrush_host" / "ui_text.py").unlink()
        krita.start("broken")
        told = krita.wait(KRITA_S)
    assert not told.errors, told.errors
    assert told["action"]
    dialog = told["dialog"]
    assert dialog["text"] == "Vaporbrush's plug-in is damaged or does not fit this Krita."
    assert dialog["cure"] == "Install it again with: vaporbrush install krita"
    assert "vaporbrush_host.ui_text" in dialog["details"]
    assert "Krita 5." in dialog["details"]
