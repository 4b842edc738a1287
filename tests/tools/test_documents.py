"""What the documents name is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FAULTS = (ROOT / "tests/faults/README.md").read_text(encoding="utf-8")
STOPS = re.findall(r"^\| \d+ \|.*\| `(\S+)` `(\w+)` \|$", ARCHITECTURE, re.MULTILINE)
ROW = re.compile(r"^\| (\d+b?) \|(.*)\|$", re.MULTILINE)
ROWS = ROW.findall(FAULTS)
INSTALLER_ROWS = ROW.findall((ROOT / "tests/plugins/README.md").read_text(encoding="utf-8"))


def defined(path: Path) -> set[str]:
    """Every function, class and method of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds)}


@pytest.mark.parametrize(("file", "name"), STOPS)
def test_every_stop_of_the_walk_is_there(file: str, name: str) -> None:
    assert name in defined(ROOT / file)


def test_the_walk_leads_from_the_plug_in_to_the_loss_and_back() -> None:
    assert len(STOPS) > 20
    assert STOPS[0][0].startswith("plugins/")
    assert STOPS[-1][0].startswith("plugins/")
    assert any("losses.py" in file for file, _ in STOPS)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_links_and_folders_of_a_page_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert ((ROOT / page).parent / target).exists(), target
    for folder in re.findall(r"^\| `([\w/]+/)` \|", text, re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder


def test_the_fault_table_has_every_row() -> None:
    assert [number for number, _ in ROWS] == [*map(str, range(1, 30)), "29b", "30", "31", "32"]


def test_the_installers_fault_table_has_every_row() -> None:
    assert [number for number, _ in INSTALLER_ROWS] == [*map(str, range(1, 23))]


@pytest.mark.parametrize(
    ("folder", "number", "row"),
    [*(("faults", *row) for row in ROWS), *(("plugins", *row) for row in INSTALLER_ROWS)],
)
def test_every_fault_names_tests_that_exist(folder: str, number: str, row: str) -> None:
    named = re.findall(r"`(?:([\w./]+\.py)::)?(test_\w+)`", row)
    assert named or "**open**" in row
    file = ""
    for where, name in named:
        file = where or file
        assert name in defined(ROOT / "tests" / folder / file), f"{number}: {file}::{name}"
