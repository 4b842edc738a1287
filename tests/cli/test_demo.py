"""`vaporbrush demo` with the model that comes with Vaporbrush."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from support.daemon import until
from vaporbrush_daemon import packaged
from vaporbrush_daemon.images import files as pictures

WAIT_S = 280


def demo(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "vaporbrush_daemon", "demo", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=WAIT_S, cwd=cwd)


def processes_in(folder: Path) -> list[str]:
    """Processes whose home is below this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment, name = (process / "environ").read_bytes(), (process / "cmdline").read_bytes()
        except OSError:  # it has ended, or is another user's
            continue
        if f"VAPORBRUSH_HOME={folder}".encode() in environment:
            found.append(name.replace(b"\0", b" ").decode())
    return found


def test_the_demo_paints_the_bundled_pair_and_leaves_nothing_but_the_picture(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = home.parent / "tmp"  # short: a socket lives in it
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    done = demo("--size", "64", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    picture = tmp_path / "vaporbrush-demo.png"
    assert f"The picture: {picture}" in done.stdout
    for phase in ("loading", "style", "painting"):
        assert phase in done.stdout
    found = pictures.read(picture)
    assert max(found.width, found.height) == 64
    assert found.recipe["model"] == "vgg19-lite"
    content = pictures.reduced(pictures.read(next(packaged.art().glob("demo/content.*"))), 64)
    assert np.abs(found.pixels.astype(int) - content.pixels).mean() > 5  # it was painted
    assert list(tmp_path.iterdir()) == [picture]
    assert not home.exists()
    until(lambda: not processes_in(temporary), "the daemon and its worker end")
    until(lambda: not list(temporary.iterdir()), "the private home goes")


def test_a_picture_that_cannot_be_written_is_reported_before_anything_starts(home: Path, tmp_path: Path) -> None:
    done = demo("-o", "demo.gif", cwd=tmp_path)
    assert done.returncode == 2
    assert "no suffix of a format" in done.stderr
    assert os.listdir(tmp_path) == []  # noqa: PTH208
