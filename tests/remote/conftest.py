"""Two machines on one: a laptop, which is the tests' home, and a workstation behind a real sshd."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon
from support.program import vaporbrush
from support.ssh_server import SshServer, workstation

WAIT_S = 200.0  # a quiet machine needs 3


@pytest.fixture
def there() -> Iterator[SshServer]:
    """A workstation on which Vaporbrush is installed and paints with the fake worker. Nobody was invited yet."""
    with tempfile.TemporaryDirectory(prefix="vp-") as folder, workstation(Path(folder)) as server:
        Daemon(server.home)
        yield server
        vaporbrush("stop", "--now", env=server.surroundings())


@pytest.fixture
def added(home: Path, there: SshServer) -> SshServer:
    """And this laptop may paint there."""
    done = add(there)
    assert done.returncode == 0, done.stderr + there.log()
    return there


def add(there: SshServer) -> subprocess.CompletedProcess[str]:
    """Four programs one after the other, here and there."""
    add = ("remote", "add", "workstation", "--ssh-config", there.config)
    return vaporbrush(*add, wait_s=WAIT_S, stdin=subprocess.DEVNULL)
