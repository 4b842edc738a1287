"""Nothing leaves the machine: a whole painting, from the command line through the daemon, without any network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ALONE = ("unshare", "--user", "--map-root-user", "--net")
# Whom the command asks for a name or an address. Daemon and painter do not read this, but run in the namespace.
WATCH = """
import os, socket, sys

def note(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (
        event == "socket.connect" and arguments[0].family != socket.AF_UNIX
    ):
        with open(os.environ["ASKED"], "a") as file:
            file.write(f"{event} {arguments[1:]}\\n")

sys.addaudithook(note)
open(os.environ["ASKED"] + ".watched", "a").write(f"{os.getpid()}\\n")
"""


def alone_works() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*ALONE, "true"], check=False).returncode == 0


@pytest.mark.skipif(not alone_works(), reason="this machine gives no network namespaces to its users")
def test_a_painting_needs_no_network_and_asks_for_none(tmp_path: Path) -> None:
    watch = tmp_path / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH)
    asked = tmp_path / "asked"
    home = tmp_path / "home"
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for name in ("content", "style"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    environment = {
        **os.environ,
        "PYTHONPATH": str(watch),
        "ASKED": str(asked),
        "VAPORBRUSH_HOME": str(home),
    }
    program = [sys.executable, "-c", "import sys; from vaporbrush_daemon.cli.main import main; sys.exit(main())"]
    words = [
        "stylize",
        "content.png",
        "style.png",
        "-o",
        "out.png",
        "--size",
        "48",
        "--steps",
        "4",
        "--model",
        "vgg19-lite",
    ]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*ALONE, *program, *arguments],
            cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=300,
        )  # fmt: skip

    try:
        done = run(*words)
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / "out.png") as painted:
            assert painted.size == (48, 36)
        assert not asked.exists(), asked.read_text()
        assert (tmp_path / "asked.watched").exists()  # the command itself; daemon and painter have only the namespace
    finally:
        run("stop")
