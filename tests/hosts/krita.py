"""One run of the real Krita: a profile with plug-ins enabled, a script driven inside, and what it told."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hosts.host import Desktop

DRIVER = Path(__file__).parent / "krita_driver"
LOOKS = Path(__file__).parents[2] / "build" / "looks"

KRITARC = """[General]
EnableOpenGL=false
OpenGLRenderer=none
canvasState=OPENGL_NOT_TRIED
KisAutoSaveInterval=0
hidesplashscreen=true
LogUsage=false
[MainWindow]
Height 1000=1000
Width 1600=1600

[python]
{plugins}
"""


@dataclass
class Told:
    """What a script told, in order."""

    lines: list[dict[str, Any]]
    seconds: float
    log: str

    def __getitem__(self, name: str) -> Any:
        """The last value told under this name; a script that stopped before it says where."""
        for line in reversed(self.lines):
            if line["name"] == name:
                return line["value"]
        raise AssertionError(f"Krita did not tell {name!r}.\n{self.errors}\n{self.log[-2000:]}")

    def __contains__(self, name: str) -> bool:
        return any(line["name"] == name for line in self.lines)

    def all(self, name: str) -> list[Any]:
        """Every value told under this name."""
        return [line["value"] for line in self.lines if line["name"] == name]

    @property
    def errors(self) -> str:
        """Tracebacks of the script."""
        return "\n".join(str(line["value"]) for line in self.lines if line["name"] == "error")


class Krita:
    """Krita on a desktop. `start` runs a script inside; `wait` returns what it told."""

    def __init__(self, desktop: Desktop, plugins: Sequence[str] = ()) -> None:
        self.desktop = desktop
        self.data = desktop.home / ".local/share/krita"
        self.pykrita = self.data / "pykrita"
        self.pykrita.mkdir(parents=True, exist_ok=True)
        shutil.copytree(DRIVER, self.pykrita, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        self.kritarc = desktop.home / ".config/kritarc"
        self.kritarc.parent.mkdir(parents=True, exist_ok=True)
        enabled = "\n".join(f"enable_{name}=true" for name in ("vaporbrush_driver", *plugins))
        if not self.kritarc.exists():
            self.kritarc.write_text(KRITARC.format(plugins=enabled))
        self.report = desktop.folder / "report.jsonl"
        self.log = desktop.folder / "krita.log"
        self._process: subprocess.Popen[str] | None = None
        self._began = 0.0

    def start(self, script: Path, env: Mapping[str, str] | None = None, files: Sequence[Path] = ()) -> None:
        """Start Krita with a script, which has to lie inside the desktop's folder."""
        self.report.write_text("")
        self.log.write_text("")
        self._began = time.monotonic()
        self._process = self.desktop.popen(
            ["dbus-run-session", "krita", "--nosplash", *map(str, files)],
            env={
                "LANG": "en_US.UTF-8",
                "VAPORBRUSH_DRIVE": str(script),
                "VAPORBRUSH_REPORT": str(self.report),
                **(env or {}),
            },
            log=self.log,
        )

    def told(self) -> Told:
        """What the script told up to now."""
        lines = [json.loads(line) for line in self.report.read_text().splitlines() if line.endswith("}")]
        return Told(lines, time.monotonic() - self._began, self.log.read_text(errors="replace"))

    def wait(self, timeout_s: float = 300, answers: Mapping[str, Callable[[Any], object]] | None = None) -> Told:
        """Wait until Krita has ended, doing what the script asks for. A Krita that does not end is shown and killed.

        `answers` are called by the name that the script asks for, with its value; `shot` and `click` are built in.
        """
        assert self._process is not None
        known = {"shot": self._shot, "click": lambda point: self.desktop.click(*point), **(answers or {})}
        answered = 0
        deadline = time.monotonic() + timeout_s
        while self._process.poll() is None and time.monotonic() < deadline:
            asked = self.told().all("ask")
            for one in asked[answered:]:
                known[one["what"]](one["value"])
                (self.desktop.folder / one["ticket"]).touch()
            answered = len(asked)
            time.sleep(0.05)
        if self._process.poll() is None:
            self._shot("krita-hangs")
            self._process.kill()
            self._process.wait()
            told = self.told()
            raise AssertionError(
                f"Krita did not end within {timeout_s} s (build/looks/krita-hangs.png); it last told "
                f"{told.lines[-3:]}.\n{told.errors}\n{told.log[-2000:]}"
            )
        return self.told()

    def _shot(self, name: str) -> None:
        self.desktop.shot(LOOKS / f"{name}.png")
