"""Fixtures of the tests that drive a real Krita or GIMP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hosts.gimp_console import Session, played
from hosts.gimp_desktop import gimp_on_screen
from hosts.gimp_screen import Screen
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


@pytest.fixture(scope="session")
def session(root: Root) -> Iterator[Session]:
    """The one run of gimp-console, for all tests that judge what it told."""
    with played(root) as found:
        yield found


@pytest.fixture(scope="session")
def gimp(root: Root, looks: Path) -> Iterator[Screen]:
    """The full GIMP on a screen of its own."""
    with gimp_on_screen(root, looks) as found:
        yield found


@pytest.fixture
def screen(gimp: Screen) -> Screen:
    """GIMP at rest."""
    gimp.rest()
    return gimp
