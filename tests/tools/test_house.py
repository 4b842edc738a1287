"""The house stays as it is drawn: small files, short functions, plug-ins that import what a host has."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
KEPT = "tests/frozen/"  # as it was released
SILENCED = re.compile(r"# type:\s*ignore")
# What a host's own Python has: its own API, msgpack vendored by the installer, and its two sides of our code.
HOST_MODULES = {
    "plugins/common": {"vaporbrush_host", "vaporbrush_protocol"},
    "plugins/krita": {"vaporbrush", "vaporbrush_host", "vaporbrush_protocol", "krita", "pykrita", "PyQt5", "PyQt6"},
    "plugins/gimp": {"vaporbrush_gimp", "vaporbrush_host", "vaporbrush_protocol", "gi"},
}


def python_files(*folders: str) -> list[str]:
    """Every Python file of ours, by its path from the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *(folders or ["*.py"])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("Only a checkout knows which files are ours.")
    return [name for name in listed.stdout.split() if name.endswith(".py") and (ROOT / name).is_file()]


def functions(name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def imported(name: str) -> set[str]:
    """The top-level modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.partition(".")[0])
    return found


def test_no_file_is_longer_than_one_reads_in_one_go() -> None:
    lines = {name: (ROOT / name).read_text(encoding="utf-8").count("\n") for name in python_files()}
    assert {name for name, count in lines.items() if count > MAX_FILE_LINES} == set(), "take it apart"


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        (name, one.name)
        for name in python_files()
        for one in functions(name)
        if (one.end_lineno or 0) - one.lineno >= MAX_FUNCTION_LINES
    }
    assert long == set(), "take it apart"


def test_what_the_checker_of_types_says_is_mended_not_silenced() -> None:
    files = [name for name in python_files() if not name.startswith(KEPT)]
    assert files
    assert [name for name in files if SILENCED.search((ROOT / name).read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("folder", HOST_MODULES)
def test_plug_ins_import_only_what_a_host_has(folder: str) -> None:
    allowed = HOST_MODULES[folder] | sys.stdlib_module_names
    files = python_files(folder)
    assert files
    assert {name: wrong for name in files if (wrong := imported(name) - allowed)} == {}
