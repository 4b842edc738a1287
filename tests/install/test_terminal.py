"""For terminal people: `uv tool install` and `pipx install` of the wheel, and the first painting from there.

Without a network: both read a folder of wheels, those of the plug-ins' locks.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from conftest import skip
from support import wheelhouse
from vaporbrush_daemon import packaged
from vaporbrush_protocol.installation import SERVE
from vaporbrush_protocol.installed_command import installed_command
from vaporbrush_protocol.launcher import clean_environment

pytestmark = pytest.mark.timeout(1500)
ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 700  # for one command; torch is unpacked and starts for the first time
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
SIZE = (96, 72)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel of this checkout and of all that it needs."""
    folder = tmp_path_factory.mktemp("wheels")
    wheelhouse.fill(folder, PYTHON)
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder / "wheels"),
        str(ROOT),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=WAIT_S)
    return folder / "wheels"


class Person:
    """Somebody with a terminal: a HOME in which nothing is installed yet, and a network that leads nowhere."""

    def __init__(self, folder: Path) -> None:
        self.own = folder
        kept = {name: value for name, value in clean_environment(os.environ).items() if not name.startswith(DROPPED)}
        nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
        path = os.pathsep.join((str(folder / ".local" / "bin"), os.defpath))
        self.environment = {**kept, **nowhere, "HOME": str(folder), "PATH": path}

    def run(self, *words: str | Path) -> str:
        """Run a command; fail with what it said."""
        done = subprocess.run(
            list(map(str, words)), env=self.environment, cwd=self.own, capture_output=True, text=True, timeout=WAIT_S,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        return done.stdout


DROPPED = ("VAPORBRUSH_", "UV_", "PIPX_", "PIP_", "XDG_")


@pytest.fixture
def person() -> Iterator[Person]:
    folder = Path(tempfile.mkdtemp(prefix="vt-"))  # short: a unix socket lies below it
    person = Person(folder)
    yield person
    if (program := folder / ".local" / "bin" / "vaporbrush").exists():
        person.run(program, "stop", "--now")
    shutil.rmtree(folder)


def by_uv(person: Person, wheels: Path) -> None:
    """As the README says, but for the two words that name the folder."""
    import uv

    offline = ("--offline", "--no-index", "--find-links", wheels)
    person.run(uv.find_uv_bin(), "tool", "install", "vaporbrush", "--python", sys.executable, *offline)


def by_pipx(person: Person, wheels: Path) -> None:
    """The same."""
    programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    pipx = shutil.which("pipx", path=programs)
    if pipx is None:
        skip("there is no pipx: pip install pipx")
    if not list(wheels.glob("pip-*.whl")):  # pipx brings its own pip up to date
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(wheels), "pip"]
        if subprocess.run(fetch, capture_output=True, check=False, timeout=WAIT_S).returncode:
            skip("pip's newest wheel, which pipx asks for, cannot be fetched")
    offline = f"--pip-args=--no-index --find-links={wheels}"
    person.run(pipx, "install", "vaporbrush", "--python", sys.executable, offline)


@pytest.mark.skipif(sys.platform != "linux", reason="the wheels at hand are Linux's")
@pytest.mark.parametrize("install", [by_uv, by_pipx])
def test_from_one_command_to_a_painting(person: Person, wheels: Path, install) -> None:
    install(person, wheels)
    program = person.own / ".local" / "bin" / "vaporbrush"
    told = json.loads(person.run(program, "doctor", "--json"))
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert told["ok"], told
    assert states["PyTorch"] == states["Model vgg19-lite"] == "fine"
    content = person.own / "scene.png"
    Image.open(packaged.art() / "demo" / "content.jpg").convert("RGB").resize(SIZE).save(content)
    words = (
        "stylize",
        content,
        "@vaporwave",
        "--size",
        "96",
        "--steps",
        "4",
        "--quality",
        "draft",
        "-o",
        "painted.png",
    )
    person.run(program, *words)
    painted = Image.open(person.own / "painted.png")
    assert painted.size == SIZE
    assert painted.tobytes() != Image.open(content).tobytes()
    # and a plug-in from the zip would use it, before and after it ever ran
    found = installed_command(person.environment, person.own)
    assert found[1:] == SERVE
    assert Path(found[0]).resolve() == Path(sys.executable).resolve()
    assert person.own in Path(found[0]).parents
