"""A home whose daemon paints with the fake worker, and two small pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.daemon import Daemon
from support.program import vaporbrush
from vaporbrush_daemon.images import files as pictures


@pytest.fixture
def fake(home: Path) -> Iterator[Path]:
    """A home whose daemon paints with the fake worker; whoever starts it, it is stopped."""
    Daemon(home)
    yield home
    done = vaporbrush("stop", "--now")
    assert done.returncode == 0, done.stderr


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content.png"
    pictures.write(path, pictures.Picture(np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)))
    return path


@pytest.fixture
def style(tmp_path: Path) -> Path:
    path = tmp_path / "style.png"
    pictures.write(path, pictures.Picture(np.random.default_rng(2).integers(0, 256, (40, 40, 3), np.uint8)))
    return path
