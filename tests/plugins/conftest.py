"""A small painter to be installed, and the index that serves its wheels."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import package_index
from support.small_painter import SmallPainter, uv_wheel


@pytest.fixture(autouse=True)
def no_painter_of_this_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever runs the tests may have Vaporbrush installed: what is found is what a test has put there."""
    folders = os.environ["PATH"].split(os.pathsep)
    kept = [one for one in folders if shutil.which("vaporbrush", path=one) is None]
    monkeypatch.setenv("PATH", os.pathsep.join(kept))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("UV_TOOL_DIR", "PIPX_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this machine's own uv."""
    return uv_wheel(tmp_path_factory.mktemp("uv"))


@pytest.fixture
def painter(tmp_path: Path, uv: Path) -> SmallPainter:
    """A small painter that can be installed: wheels, a plug-in's folder with its kit, and a home."""
    return SmallPainter(tmp_path, uv)


@pytest.fixture
def short_painter(uv: Path) -> Iterator[SmallPainter]:
    """The same in a folder whose name is short: a unix socket lies in its home."""
    folder = Path(tempfile.mkdtemp(prefix="vi-"))
    yield SmallPainter(folder, uv)
    shutil.rmtree(folder)


@pytest.fixture
def index(painter: SmallPainter) -> Iterator[package_index.PackageIndex]:
    """The index on loopback that serves its wheels."""
    with package_index.serving(painter.wheels) as served:
        yield served
