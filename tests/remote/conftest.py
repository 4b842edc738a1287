"""Two machines on one: a laptop, which is the tests' home, and a workstation behind a real sshd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.far_painter import far_painter, must_add
from support.ssh_server import SshServer


@pytest.fixture
def there() -> Iterator[SshServer]:
    """A workstation on which Vaporbrush is installed. Nobody was invited yet."""
    with far_painter() as server:
        yield server


@pytest.fixture
def added(home: Path, there: SshServer) -> SshServer:
    """And this laptop may paint there."""
    must_add(there)
    return there
