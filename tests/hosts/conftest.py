"""Fixtures of the tests that drive a real Krita or GIMP."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hosts.root import Root, find_root

LOOKS = Path(__file__).parents[2] / "build" / "looks"


@pytest.fixture(scope="session")
def root() -> Root:
    """Where the programs are. Without them there is nothing to test; in CI that is a failure, never a skip."""
    found = find_root()
    if found is None:
        reason = "no Krita and GIMP to test in: run `make hosts`"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def looks() -> Path:
    """Where screenshots go for people to look at."""
    LOOKS.mkdir(parents=True, exist_ok=True)
    return LOOKS
