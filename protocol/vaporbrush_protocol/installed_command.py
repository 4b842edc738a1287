"""A painter that a person has installed in a terminal: found where uv, pipx and pip put programs, before it ever ran.

What it runs is believed as the person's own shell would: it belongs to them or to root, and nobody else may change it.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from .installation import SERVE
from .private import objection

NAME = "vaporbrush"
MAX_SCRIPT_BYTES = 4096  # the interpreter stands in the first lines of a few hundred bytes


def installed_command(
    environment: Mapping[str, str] | None = None, own: Path | None = None, platform: str = sys.platform
) -> tuple[str, ...]:
    """The command that starts the daemon of a painter from `uv tool install`, `pipx install`, or a pip whose programs
    are found by name; empty where there is none. It is a look, no proof: a start that fails says the rest.
    """
    environment = os.environ if environment is None else environment
    for python in _pythons(environment, Path.home() if own is None else own, platform):
        if _is_painter(python, platform):
            return (str(python), *SERVE)
    return ()


def _pythons(environment: Mapping[str, str], own: Path, platform: str) -> Iterator[Path]:
    """Where its Python may be."""
    name = "Scripts/python.exe" if platform == "win32" else "bin/python"
    for folder in _tools(environment, own, platform):
        yield folder / NAME / name
    programs = (environment.get("PATH", ""), str(own / ".local" / "bin"))
    found = shutil.which(NAME, path=os.pathsep.join(filter(None, programs)))
    if found and platform != "win32":  # there a program names its Python in no way that can be read
        yield from _interpreter(Path(found))


def _tools(environment: Mapping[str, str], own: Path, platform: str) -> Iterator[Path]:
    """Where uv and pipx keep the environments of programs, by their documentation."""
    if given := environment.get("UV_TOOL_DIR"):
        yield Path(given)
    if given := environment.get("PIPX_HOME"):
        yield Path(given) / "venvs"
    if platform == "win32":
        yield Path(environment.get("APPDATA") or own / "AppData" / "Roaming") / "uv" / "tools"
        yield own / "pipx" / "venvs"
        return
    data = Path(environment.get("XDG_DATA_HOME") or own / ".local" / "share")
    yield from (data / "uv" / "tools", data / "pipx" / "venvs", own / ".local" / "pipx" / "venvs")
    if platform == "darwin":
        yield own / "Library" / "Application Support" / "pipx" / "venvs"


def _interpreter(program: Path) -> Iterator[Path]:
    """The Python that a script names in its first line, or in its second where the system has no room for it there."""
    try:
        with program.open("rb") as file:
            lines = file.read(MAX_SCRIPT_BYTES).split(b"\n")
    except OSError:  # nothing that could be run
        return
    if objection(program.resolve()):
        return
    named = lines[0].removeprefix(b"#!").strip() if lines[0].startswith(b"#!") else b""
    if named == b"/bin/sh" and len(lines) > 1 and lines[1].startswith(b"'''exec' "):
        named = lines[1].removeprefix(b"'''exec' ").partition(b' "$0"')[0].strip(b"'\" ")
    if named.startswith(b"/"):
        yield Path(os.fsdecode(named))


def _is_painter(python: Path, platform: str) -> bool:
    """Whether a Python is there that others may not change, with the daemon among its packages."""
    packages = "Lib/site-packages" if platform == "win32" else "lib/python3.*/site-packages"
    try:
        if not python.is_file() or objection(python.parent) or objection(python.resolve()):
            return False
        return any(python.parent.parent.glob(f"{packages}/vaporbrush_daemon"))
    except OSError:  # it is closed to us
        return False
