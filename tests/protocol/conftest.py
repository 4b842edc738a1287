"""A short private folder: a unix socket's path has at most 104 bytes."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from support.router import Router
from vaporbrush_protocol import Client

settings.register_profile("busy", deadline=None)  # a busy machine is no defect of the code
settings.load_profile("busy")


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="vp-"))
    yield made
    for _ in range(50):  # a program that was told to end may still write its log
        with contextlib.suppress(OSError):  # it has just written: once more
            shutil.rmtree(made)
            return
        time.sleep(0.1)
    shutil.rmtree(made)


@pytest.fixture
def router(folder: Path) -> Iterator[Router]:
    with Router(folder) as made:
        yield made


@pytest.fixture
def client(router: Router) -> Iterator[Client]:
    with Client(router.connection, 5, name="test") as made:
        yield made
