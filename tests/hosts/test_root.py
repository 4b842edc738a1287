"""Where the Debian 13 root is installed from: the system's own mirror, in either form that apt knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hosts import root

DEB822 = """# Debian
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize(
    ("text", "mirror"),
    [
        (DEB822, "http://mirror.example/debian"),
        (DEB822.replace("URIs: http://mirror.example/debian\n", "URIs: http://a.example/debian/\nEnabled: no\n"), None),
        ("deb http://mirror.example/debian bookworm main", "http://mirror.example/debian"),
        ("deb [arch=amd64 signed-by=/x y.gpg] https://m.example/debian/ sid main # ours", "https://m.example/debian"),
        ("# deb http://m.example/debian sid main", None),
        ("deb http://security.debian.org/debian-security bookworm-security main", None),
        ("deb http://packages.example/vendor stable main", None),
        ("deb-src http://m.example/debian sid main\ndeb\n\n", None),
        ("", None),
    ],
)
def test_the_systems_own_mirror_is_found(text: str, mirror: str | None) -> None:
    assert root.mirror_from_sources([text]) == mirror


def test_a_mirror_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAPORBRUSH_DEBIAN_MIRROR", "http://here.example/debian")
    assert root.mirror() == "http://here.example/debian"


def test_versions_are_read_from_what_programs_print() -> None:
    assert root.version_of([sys.executable, "-c", "print('krita 5.2.9')"]) == (5, 2, 9)
    assert root.version_of([sys.executable, "-c", "print('GNU Image Manipulation Program version 3.0.4')"]) == (3, 0, 4)
    assert root.version_of([sys.executable, "-c", "print('none')"]) == ()


def test_a_root_of_another_recipe_is_built_anew(tmp_path: Path) -> None:
    assert root.stamp_of(tmp_path) is None
    (tmp_path / root.STAMP).write_text("{")
    assert root.stamp_of(tmp_path) is None
    (tmp_path / root.STAMP).write_text('{"recipe": "older"}')
    assert root.stamp_of(tmp_path) == "older" != root.suite().recipe


def test_the_script_says_whether_the_root_is_there(tmp_path: Path) -> None:
    env = {"PATH": "/nowhere", "VAPORBRUSH_HOSTS_ROOT": str(tmp_path / "none")}
    done = subprocess.run(
        [sys.executable, root.__file__, "--check"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "make hosts" in done.stderr


def test_another_debian_has_a_root_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = root.suite(), root.root_path()
    monkeypatch.setenv("VAPORBRUSH_HOSTS_SUITE", "testing")
    assert root.suite().recipe != usual[0].recipe
    assert root.root_path() != usual[1]
    monkeypatch.setenv("VAPORBRUSH_HOSTS_SUITE", "woody")
    with pytest.raises(root.RootError, match="'woody': choose one of trixie, testing, experimental"):
        root.suite()
