"""The desktop in which hosts are driven is like a person's: its programs stand in a folder that they can name."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from hosts.host import Desktop
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(300)]


def test_programs_stand_in_the_desktops_own_folder_and_not_outside_of_their_root(root: Root) -> None:
    with tempfile.TemporaryDirectory(prefix="vd-") as name, Desktop(root, Path(name)) as desktop:
        assert desktop.run(["pwd", "-P"]).stdout.strip() == str(desktop.folder)
