"""A client in another language, written from the specification, paints a picture."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import skip
from support.daemon import ROOT, negative, serving

SOURCE = ROOT / "tests" / "support" / "node_client"
INSTALL_S, PAINT_S = 240, 120


@pytest.fixture(scope="session")
def client() -> Path:
    """The client with its two packages, which npm installs once into the build folder."""
    folder = ROOT / "build" / "node_client"
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        skip("A client in JavaScript needs node and npm, 20 or newer.")
    folder.mkdir(parents=True, exist_ok=True)
    for file in SOURCE.iterdir():
        shutil.copy(file, folder)
    if not (folder / "node_modules" / "zeromq").is_dir() or not (folder / "node_modules" / "@msgpack").is_dir():
        command = [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=INSTALL_S)
        if done.returncode != 0:
            skip(f"npm could not install what the client needs: {done.stderr[-500:]}")
    return folder / "client.js"


def paint(client: Path, home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = ["node", str(client), str(home), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=PAINT_S)


def test_a_client_in_javascript_paints(client: Path, home: Path, tmp_path: Path) -> None:
    pixels = os.urandom(1024 * 700 * 3)  # three chunks
    (tmp_path / "content").write_bytes(pixels)
    (tmp_path / "style").write_bytes(os.urandom(64 * 32 * 3))
    pictures = (tmp_path / "content", "1024", "700", tmp_path / "style", "64", "32")
    with serving(home):
        done = paint(client, home, *pictures, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1024x700\n"
    assert (tmp_path / "out").read_bytes() == negative(pixels)  # what the fake worker paints


def test_it_says_what_the_server_refuses(client: Path, home: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny").write_bytes(bytes(3))
    with serving(home):
        done = paint(client, home, tmp_path / "tiny", "99999", "1", tmp_path / "tiny", "1", "1", tmp_path / "out")
    assert done.returncode == 1
    assert "bad_field: `content.width` is 99999" in done.stderr
