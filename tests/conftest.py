"""What every test may ask for: a private home, a daemon, and the pictures and weights that are not in the project."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.daemon import Daemon
    from vaporbrush_protocol import Client

ROOT = Path(__file__).resolve().parent.parent
# fast and pure first, so that a slip shows in seconds; whatever drives a real program last
ORDER = ("tools", "protocol", "scheduling", "daemon", "front", "plugins", "images", "engine", "faults", "hosts")

# A test run in the background ignores Ctrl-C, and what it starts inherits that: commands would ignore theirs too.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["LANGUAGE"] = "en"  # the tests read what is said, whatever this computer's language is


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(ROOT / "tests").parts[0]
        return ORDER.index(folder) if folder in ORDER else len(ORDER) - 2

    items.sort(key=place)


def skip(reason: str) -> None:
    """Leave a test out, saying why; in CI, where everything is there, that is a failure."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"CI has to run this test: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with photographs, paintings and weights for tests (`images/content`, `images/style`, `weights`)."""
    folder = Path(os.environ.get("VAPORBRUSH_SHARED") or ROOT.parent / "shared")
    if not (folder / "images").is_dir():
        skip(f"The test pictures are not in {folder}; VAPORBRUSH_SHARED names the folder that has them.")
    return folder


@pytest.fixture(scope="session")
def vgg19_file(shared: Path) -> Path:
    """A real VGG19 weights file (features only, fp16, torchvision's keys)."""
    file = shared / "weights" / "vgg19_features.pth"
    if not file.is_file():
        skip(f"VGG19's weights are not at {file}.")
    return file


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private VAPORBRUSH_HOME, short enough for a unix socket's path (104 bytes), and a private HOME."""
    folder = Path(tempfile.mkdtemp(prefix="vp-"))
    user = folder / "user"
    user.mkdir()
    for name in [n for n in os.environ if n.startswith("VAPORBRUSH_") and n != "VAPORBRUSH_SHARED"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("VAPORBRUSH_HOME", str(folder / "home"))
    monkeypatch.setenv("HOME", str(user))
    yield folder / "home"
    shutil.rmtree(folder)


@pytest.fixture
def daemon(home: Path) -> Iterator[Daemon]:
    """A real daemon on that home, with the fake worker."""
    from support.daemon import serving

    with serving(home) as running:
        yield running


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    """A client of it."""
    with daemon.client() as made:
        yield made
