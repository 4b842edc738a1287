"""One run of the real Krita: a profile with plug-ins enabled, a script driven inside, and what it told."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image as Picture

from hosts.host import Desktop
from support.daemon import environment

DRIVER = Path(__file__).parent / "krita_driver"
SCRIPTS = Path(__file__).parent / "krita_scripts"
REAL_WORKER = [sys.executable, "-P", "-m", "vaporbrush_daemon.workers.painter"]
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
enable_vaporbrush_driver=true
"""


@dataclass
class Told:
    """What a script told, in order."""

    lines: list[dict[str, Any]]
    log: str
    ended: float  # on the clock of `time.time`

    def __getitem__(self, name: str) -> Any:
        """The last value told under this name; a script that stopped before it says where."""
        for line in reversed(self.lines):
            if line["name"] == name:
                return line["value"]
        raise AssertionError(f"Krita did not tell {name!r}.\n{self.errors}\n{self.log[-2000:]}")

    def __contains__(self, name: str) -> bool:
        return any(line["name"] == name for line in self.lines)

    def since(self, name: str) -> float:
        """Seconds from when this was told to the end of the process (or to now, while it runs)."""
        return self.ended - self._when(name)

    def between(self, first: str, second: str) -> float:
        """Seconds from when the one was told to when the other was."""
        return self._when(second) - self._when(first)

    def _when(self, name: str) -> float:
        return next(float(line["time"]) for line in reversed(self.lines) if line["name"] == name)

    def all(self, name: str) -> list[Any]:
        """Every value told under this name."""
        return [line["value"] for line in self.lines if line["name"] == name]

    @property
    def errors(self) -> str:
        """Tracebacks of the scripts, each with its scene."""
        return "\n".join(f"{line['scene']}: {line['value']}" for line in self.lines if line["name"] == "error")

    def played(self, scene: str) -> None:
        """Fail unless this scene came to its end without an error, and without an exception in what it called."""
        mine = [line for line in self.lines if line["scene"] == scene]
        wrong = [str(line["value"]) for line in mine if line["name"] in ("error", "exception")]
        assert not wrong, "\n".join(wrong)
        assert any(line["name"] == "scene ended" for line in mine), f"Krita did not come to it. {self.errors}"


class Krita:
    """Krita on a desktop. `start` runs a script inside; `wait` returns what it told.

    In a sandbox, its data and settings are where a Flatpak has them.
    """

    def __init__(self, desktop: Desktop) -> None:
        self.desktop = desktop
        self.folders = {"XDG_DATA_HOME": desktop.home / ".local/share", "XDG_CONFIG_HOME": desktop.home / ".config"}
        if desktop.sandbox:
            own = desktop.home / ".var/app/org.kde.krita"
            self.folders = {"XDG_DATA_HOME": own / "data", "XDG_CONFIG_HOME": own / "config"}
        self.data = self.folders["XDG_DATA_HOME"] / "krita"
        self.pykrita = self.data / "pykrita"
        self.pykrita.mkdir(parents=True, exist_ok=True)
        shutil.copytree(DRIVER, self.pykrita, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        self.kritarc = self.folders["XDG_CONFIG_HOME"] / "kritarc"
        self.kritarc.parent.mkdir(parents=True, exist_ok=True)
        if not self.kritarc.exists():
            self.kritarc.write_text(KRITARC)
        self.report = desktop.folder / "report.jsonl"
        self.log = desktop.folder / "krita.log"
        self._process: subprocess.Popen[str] | None = None

    def start(self, *scripts: str, env: Mapping[str, str] | None = None, files: Sequence[Path] = ()) -> None:
        """Start Krita with scripts of `krita_scripts/`, one after the other."""
        for name in scripts:  # the checkout is not visible inside
            shutil.copyfile(SCRIPTS / f"{name}.py", self.desktop.folder / f"{name}.py")
        self.report.write_text("")
        self.log.write_text("")
        self._process = self.desktop.popen(
            ["dbus-run-session", "krita", "--nosplash", *map(str, files)],
            env={
                "LANG": "en_US.UTF-8",
                "VAPORBRUSH_DRIVE": os.pathsep.join(str(self.desktop.folder / f"{name}.py") for name in scripts),
                "VAPORBRUSH_REPORT": str(self.report),
                **{name: str(path) for name, path in self.folders.items()},
                **(env or {}),
            },
            log=self.log,
        )

    def told(self) -> Told:
        """What the script told up to now."""
        lines = [json.loads(line) for line in self.report.read_text().splitlines() if line.endswith("}")]
        return Told(lines, self.log.read_text(errors="replace"), time.time())

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

    def kill(self) -> None:
        """As the system does where memory is short, or a person who has lost patience."""
        (krita,) = (one for one in self.programs() if one.name() == "krita")
        krita.kill()

    def programs(self) -> list[psutil.Process]:
        """Krita, what it was started by, and what it has started."""
        assert self._process is not None
        return psutil.Process(self._process.pid).children(recursive=True)

    def _shot(self, name: str) -> None:
        self.desktop.shot(LOOKS / f"{name}.png")


@dataclass
class Run:
    """A finished run of Krita."""

    folder: Path
    told: Told
    facts: dict[str, Any]


def picture(folder: Path, name: str, source: Path, size: tuple[int, int]) -> None:
    """Put a small picture there: as PNG for the command line, and as Krita's bytes."""
    image = Picture.open(source).convert("RGBA").resize(size)
    image.save(folder / f"{name}.png")
    rgba = np.asarray(image)
    (folder / f"{name}.bgra").write_bytes(np.ascontiguousarray(rgba[..., [2, 1, 0, 3]]).tobytes())
    (folder / f"{name}.json").write_text(json.dumps(size))


def cli(home: Path, *words: str, own: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The command line, from the checkout."""
    env = {**environment(home), **({"HOME": str(own)} if own else {})}
    done = subprocess.run(
        [sys.executable, "-m", "vaporbrush_daemon", *words], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"vaporbrush {' '.join(words)}: {done.stdout}{done.stderr}"
    return done


def raw(run: Run, name: str) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
    """A layer that Krita saved, as RGBA floats 0..1 where it is RGBA, else in its own channels."""
    what = run.told[name]
    model, depth, _ = what["space"]
    types = {"U8": np.uint8, "U16": np.uint16, "F16": np.float16, "F32": np.float32}
    _, _, width, height = what["box"]
    pixels = np.frombuffer((run.folder / what["file"]).read_bytes(), types[depth]).reshape(height, width, -1)
    values = pixels.astype(np.float64)
    if depth in ("U8", "U16"):
        values /= 255 if depth == "U8" else 65535
        if model == "RGBA":
            values = values[..., [2, 1, 0, 3]]
    return values, what


def scenes(*scripts: str) -> list[str]:
    """The scenes that scripts define one by one, in order: what a test can be named after."""
    return [
        node.name
        for script in scripts
        for node in ast.parse((SCRIPTS / f"{script}.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and any(ast.unparse(one) == "scene" for one in node.decorator_list)
    ]


def stroke(desktop: Desktop, x: int, y: int) -> None:
    """Three strokes with the mouse."""
    words = ["xdotool"]
    for line in range(3):
        words += ["mousemove", str(x), str(y + 40 * line), "mousedown", "1"]
        for step in range(30):
            words += ["mousemove", str(x + 8 * step), str(y + 40 * line + step), "sleep", "0.01"]
        words += ["mouseup", "1"]
    desktop.run(words)
