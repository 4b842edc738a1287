"""A real daemon with the fake worker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.daemon import Daemon, serving


@pytest.fixture
def daemon(home: Path) -> Iterator[Daemon]:
    with serving(home) as running:
        yield running
