"""A painter that was installed in a terminal is found before it ever ran, and nothing that others may change is run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vaporbrush_protocol.installation import SERVE
from vaporbrush_protocol.installed_command import installed_command


def environment(folder: Path, *, windows: bool = False) -> Path:
    """An environment with the daemon in it. Returns its Python."""
    python = folder / ("Scripts/python.exe" if windows else "bin/python")
    packages = folder / ("Lib/site-packages" if windows else "lib/python3.13/site-packages")
    (packages / "vaporbrush_daemon").mkdir(parents=True)
    python.parent.mkdir()
    python.write_bytes(b"")
    return python


def program(path: Path, first_lines: str) -> None:
    """A script as pip writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{first_lines}\nimport sys\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("variables", "platform", "folder"),
    [
        ({}, "linux", ".local/share/uv/tools"),
        ({"XDG_DATA_HOME": "{own}/data"}, "linux", "data/uv/tools"),
        ({"UV_TOOL_DIR": "{own}/mine"}, "linux", "mine"),
        ({}, "linux", ".local/share/pipx/venvs"),
        ({}, "darwin", ".local/pipx/venvs"),
        ({}, "darwin", "Library/Application Support/pipx/venvs"),
        ({"PIPX_HOME": "{own}/px"}, "linux", "px/venvs"),
        ({"APPDATA": "{own}/Roaming"}, "win32", "Roaming/uv/tools"),
        ({}, "win32", "AppData/Roaming/uv/tools"),
        ({}, "win32", "pipx/venvs"),
    ],
)
def test_it_is_found_where_uv_and_pipx_put_it(
    tmp_path: Path, variables: dict[str, str], platform: str, folder: str
) -> None:
    given = {name: value.format(own=tmp_path) for name, value in variables.items()}
    assert installed_command(given, tmp_path, platform) == ()
    python = environment(tmp_path / folder / "vaporbrush", windows=platform == "win32")
    assert installed_command(given, tmp_path, platform) == (str(python), *SERVE)


@pytest.mark.skipif(sys.platform == "win32", reason="a program names its Python in no way that can be read there")
@pytest.mark.parametrize("folder", ["here/bin", ".local/bin"])
@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ("#!{python}", "env"),
        ("#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''", "env"),
        ("#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''", "an env"),
    ],
)
def test_it_is_found_by_its_program(tmp_path: Path, folder: str, lines: str, name: str) -> None:
    python = environment(tmp_path / name)
    program(tmp_path / folder / "vaporbrush", lines.format(python=python))
    assert installed_command({"PATH": str(tmp_path / "here" / "bin")}, tmp_path) == (str(python), *SERVE)


@pytest.mark.skipif(sys.platform == "win32", reason="folders are closed by access lists there")
@pytest.mark.parametrize("open_one", ["bin/vaporbrush", "env/bin", "env/bin/python"])
def test_what_others_may_change_is_not_run(tmp_path: Path, open_one: str) -> None:
    python = environment(tmp_path / "env")
    program(tmp_path / "bin" / "vaporbrush", f"#!{python}")
    assert installed_command({"PATH": str(tmp_path / "bin")}, tmp_path)
    (tmp_path / open_one).chmod(0o777)
    assert installed_command({"PATH": str(tmp_path / "bin")}, tmp_path) == ()


@pytest.mark.skipif(sys.platform == "win32", reason="scripts are programs by their first line")
@pytest.mark.parametrize(
    "lines", ["", "#!", "#!/bin/sh", "#!python", "#!/usr/bin/env python3", "#!/no/such/python", "\0\1\2"]
)
def test_another_program_of_that_name_is_none(tmp_path: Path, lines: str) -> None:
    program(tmp_path / "bin" / "vaporbrush", lines)
    assert installed_command({"PATH": str(tmp_path / "bin")}, tmp_path) == ()


def test_an_environment_without_the_daemon_is_none(tmp_path: Path) -> None:
    python = tmp_path / ".local/share/uv/tools/vaporbrush/bin/python"
    python.parent.mkdir(parents=True)
    python.write_bytes(b"")
    assert installed_command({}, tmp_path) == ()
