"""Nothing leaves the machine: a whole painting, by command, daemon and painter, without any network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

WAIT_S = 1200  # it takes half a minute where nothing else runs
ALONE = ("unshare", "--user", "--map-root-user", "--net")
PROGRAM = "import sys; from vaporbrush_daemon.cli.main import main; sys.exit(main())"
# All in one namespace without a route. The kernel counts there whatever any process, by any means, wanted to send to an
# address, names to be looked up among it. The last lines show that it does count.
SCRIPT = """
import os, socket, subprocess, sys

def wanted():
    with open("/proc/net/snmp") as opened:
        names, values = [line.split() for line in opened if line.startswith("Ip:")]
    count = int(values[names.index("OutNoRoutes")]) + int(values[names.index("OutRequests")])
    with open("/proc/net/snmp6") as opened:
        six = {name: int(value) for name, value in map(str.split, opened)}
    return count + six["Ip6OutNoRoutes"] + six["Ip6OutRequests"]

program = [sys.executable, "-c", sys.argv[1]]
try:
    done = subprocess.run([*program, *sys.argv[2:]])
    print("wanted", wanted())
finally:
    subprocess.run([*program, "stop"], stdout=sys.stderr)
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)  # an address for documentation
except OSError:
    print("then", wanted())
sys.exit(done.returncode)
"""


def alone_works() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*ALONE, "true"], check=False).returncode == 0


@pytest.mark.timeout(WAIT_S)
@pytest.mark.skipif(not alone_works(), reason="this machine gives no network namespaces to its users")
def test_a_painting_sends_nothing_to_any_address(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for name in ("content", "style"):
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    words = ["stylize", "content.png", "style.png", "-o", "out.png", "--size", "48", "--steps", "4"]
    environment = {**os.environ, "VAPORBRUSH_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [*ALONE, sys.executable, "-c", SCRIPT, PROGRAM, *words, "--model", "vgg19-lite"],
        cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as painted:
        assert painted.size == (48, 36)
    lines = [line.split() for line in done.stdout.splitlines()]
    counts = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[0] in ("wanted", "then")}
    assert counts["wanted"] == 0
    assert counts["then"] > 0
