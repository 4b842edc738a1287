"""Another machine that paints for this one: Vaporbrush behind a real sshd, and the laptop that adds it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import fake_worker
from support.daemon import Daemon, environment, paints, serving, until
from support.program import gone, vaporbrush
from support.ssh_server import SshServer, workstation
from vaporbrush_protocol import Connection

ADD_S = 200.0  # a quiet machine needs 3
# A graphics card as its maker calls it.
RTX_4090 = {
    "worker_command": [sys.executable, fake_worker.__file__, "--gpus", "24", "--called", "NVIDIA GeForce RTX 4090"],
    "devices": [],
}


@contextmanager
def far_painter(**settings: Any) -> Iterator[SshServer]:
    """A workstation on which Vaporbrush is installed and paints with the fake worker. Nobody was invited yet."""
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, workstation(Path(folder)) as there:
        Daemon(there.home, **settings)
        try:
            yield there
        finally:
            vaporbrush("stop", "--now", env=there.surroundings())


@contextmanager
def workstation_with_gpu() -> Iterator[SshServer]:
    """One on whose GPU somebody there has painted before, so that it knows its name."""
    with far_painter(**RTX_4090) as there:
        with serving(there.home, **RTX_4090) as daemon, daemon.client() as client:
            assert paints(client, tint=1)
        yield there


def add(there: SshServer, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Have the laptop (of the tests, or with this home) paint there: four programs one after the other."""
    words = ("remote", "add", "workstation", "--ssh-config", there.config)
    env = None if home is None else environment(home)
    return vaporbrush(*words, wait_s=ADD_S, stdin=subprocess.DEVNULL, env=env)


def must_add(there: SshServer, home: Path | None = None) -> None:
    """The same, where nothing may go wrong."""
    done = add(there, home)
    assert done.returncode == 0, done.stderr + there.log()


def power_cut(there: SshServer) -> None:
    """All of the machine ends at once: its sshd with every line, its daemon, and what that has painting."""
    there.stop()
    daemon = Connection.read(there.home).pid
    os.kill(daemon, signal.SIGKILL)
    until(lambda: gone(daemon), "the daemon there is gone")
