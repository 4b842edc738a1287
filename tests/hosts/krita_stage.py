"""A stage for Krita: small pictures, a daemon, a desktop, and Krita with the plug-in as `install krita` installs it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosts.host import Desktop
from hosts.krita import REAL_WORKER, Krita, Told, cli, picture
from hosts.root import Root
from support.daemon import Daemon
from vaporbrush_daemon import packaged

KRITA_S = 1700  # for all scenes of a script; it takes a minute on two free cores
REAL = {"worker_command": REAL_WORKER, "weights": ""}  # the real painter, with its small model


@dataclass
class Stage:
    """All that a script is played on."""

    folder: Path
    daemon: Daemon
    desktop: Desktop
    krita: Krita

    def play(self, script: str, looks: Path, answers: Mapping[str, Callable[[Any], object]] | None = None) -> Told:
        """Have Krita play a script to its end. What it told is kept among the looks, too."""
        self.krita.start(script, env={"VAPORBRUSH_HOME": str(self.daemon.home)})
        told = self.krita.wait(KRITA_S, answers)
        (looks / f"krita-{script}.jsonl").write_bytes(self.krita.report.read_bytes())
        return told


def small_pictures(folder: Path) -> None:
    """What most scripts paint, and the style that they paint it in."""
    picture(folder, "content", packaged.art() / "demo" / "content.jpg", (96, 72))
    picture(folder, "style", packaged.art() / "styles" / "impasto.jpg", (120, 96))


@contextmanager
def stage(root: Root, **settings: Any) -> Iterator[Stage]:
    """A stage that is gone afterwards; the settings are the daemon's."""
    with tempfile.TemporaryDirectory(prefix="vp-") as name:
        folder = Path(name)
        small_pictures(folder)
        daemon = Daemon(folder / "vh", **settings).start()
        try:
            with Desktop(root, folder) as desktop:
                krita = Krita(desktop)
                cli(daemon.home, "install", "krita", own=desktop.home)
                yield Stage(folder, daemon, desktop, krita)
        finally:
            daemon.stop()
