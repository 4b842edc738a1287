"""One run of the real GIMP: a profile with the plug-in installed, a script driven inside, and what it told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hosts.host import Desktop
from support.daemon import environment

DRIVER = Path(__file__).parent / "gimp_driver"
EYES = Path(__file__).parent / "gimp_eyes"
# no welcome, no looking for updates, no autosaving of window positions: a profile that stays as it is
GIMPRC = "(show-welcome-dialog no)\n(check-updates no)\n(save-session-info no)\n(save-document-history no)\n"
# As file managers unpack: with the files' modes.
UNPACK = """
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as package:
    package.extractall(sys.argv[2])
    for entry in package.infolist():
        if not entry.is_dir():
            os.chmod(os.path.join(sys.argv[2], entry.filename), (entry.external_attr >> 16) & 0o777)
"""


class Gimp:
    """GIMP on a desktop, with the plug-in installed by `vaporbrush install gimp`, or unpacked from its `package`."""

    def __init__(
        self, desktop: Desktop, vaporbrush: Path, profile: str = "profile", package: Path | None = None
    ) -> None:
        self.desktop = desktop
        self.folder = desktop.folder
        self.vaporbrush = vaporbrush
        self.profile = desktop.folder / profile
        self.profile.mkdir(parents=True)
        (self.profile / "gimprc").write_text(GIMPRC)
        self.log = desktop.folder / f"{profile}.log"
        self.report = desktop.folder / f"{profile}.jsonl"
        self.report.write_text("")
        self.widgets = desktop.folder / "widgets.json"
        shutil.copytree(EYES, self.folder / "eyes", dirs_exist_ok=True)  # the checkout is not visible inside
        self.environment: dict[str, str] = {}  # more of it
        if package is None:
            self.installed = self.vaporbrush_cli("install", "gimp")
        else:
            unpack = ["python3", "-c", UNPACK, str(package), str(self.profile / "plug-ins")]
            self.installed = desktop.run(unpack).stdout

    def vaporbrush_cli(self, *words: str) -> str:
        """The command line, with this profile and this daemon. Returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "vaporbrush_daemon", *words],
            env={**environment(self.vaporbrush), "GIMP3_DIRECTORY": str(self.profile)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"vaporbrush {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, program: str, *arguments: str, extra: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start `gimp-console` or `gimp`."""
        env = {
            "GIMP3_DIRECTORY": str(self.profile),
            "VAPORBRUSH_HOME": str(self.vaporbrush),
            "VAPORBRUSH_TEST_FOLDER": str(self.folder),
            "VAPORBRUSH_TEST_REPORT": str(self.report),
            "VAPORBRUSH_TEST_WIDGETS": str(self.widgets),
            "PYTHONPATH": str(self.folder / "eyes"),
            **self.environment,
            **(extra or {}),
        }
        return self.desktop.popen([program, *arguments], env=env, log=self.log)

    def drive(
        self, program: str, script: str, *arguments: str, extra: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start GIMP with one of the scripts of `gimp_driver/`, run by its Python interpreter."""
        for source in DRIVER.glob("*.py"):  # the checkout is not visible inside
            (self.folder / source.name).write_bytes(source.read_bytes())
        code = f"exec(compile(open({str(self.folder / script)!r}).read(), {script!r}, 'exec'))"
        return self.start(program, "--batch-interpreter=python-fu-eval", "-b", code, *arguments, extra=extra)

    def told(self) -> dict[str, Any]:
        """What the script told up to now, by name."""
        lines = [json.loads(line) for line in self.report.read_text().splitlines() if line.endswith("}")]
        return {line["name"]: line for line in lines}

    def wait_for(self, name: str, process: subprocess.Popen[str], timeout_s: float = 120) -> Any:
        """The value told under this name, as soon as it is there."""
        deadline = time.monotonic() + timeout_s
        while name not in self.told():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"GIMP did not tell {name!r}, but {list(self.told())}.\n{self.tail()}")
            time.sleep(0.1)
        return value_of(self.told(), name)

    def tail(self) -> str:
        """The end of GIMP's own messages."""
        return self.log.read_text(errors="replace")[-3000:]


def value_of(told: Mapping[str, Any], name: str) -> Any:
    """What was told under a name; what went wrong inside GIMP fails the test that asks."""
    assert name in told, f"GIMP's script did not get as far as {name!r}: {list(told)}"
    assert "error" not in told[name], f"inside GIMP: {told[name]['error']}"
    return told[name]["value"]


def floats(path: Path, width: int, height: int, channels: int = 4) -> NDArray[np.float32]:
    """(height, width, channels) of what a script saved from a buffer as floats."""
    return np.fromfile(path, "<f4").reshape(height, width, channels)
