"""The stub file by which the type checker knows Krita says what the real Krita has."""

from __future__ import annotations

import ast
import re
import tempfile
from pathlib import Path

import pytest

from hosts.host import Desktop
from hosts.krita import Krita
from hosts.root import Root

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]

STUB = Path(__file__).resolve().parents[2] / "plugins" / "typings" / "krita.pyi"
KRITA_S = 300


@pytest.fixture(scope="module")
def api(root: Root) -> dict[str, dict[str, str]]:
    """Each class of the real Krita: its members with their docstrings, which sip begins with their signatures."""
    with tempfile.TemporaryDirectory(prefix="vp-") as name, Desktop(root, Path(name)) as desktop:
        krita = Krita(desktop)
        krita.start("api")
        told = krita.wait(KRITA_S)
    assert not told.errors, told.errors
    return told["api"]


def stubbed() -> list[tuple[str, str, int | None]]:
    """(class, member, how many parameters) of everything that the stub file names; None for what is no method."""
    found: list[tuple[str, str, int | None]] = []
    for node in ast.parse(STUB.read_text(encoding="utf-8")).body:
        for member in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(member, ast.FunctionDef) and member.name != "__init__":
                given = [one.arg for one in member.args.args if one.arg != "self"]
                found.append((node.name, member.name, len(given)))
            elif isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
                found.append((node.name, member.target.id, None))
    return found


def parameters(docstring: str) -> set[int]:
    """How many parameters each signature of a method takes, from a line such as `name(self, x: int, y: int) -> int`."""
    counts = set()
    for line in docstring.splitlines():
        inside = re.match(r"\w+\((.*)\)", line.strip())
        if inside:
            words = re.sub(r"[\[(][^\[\]()]*[\])]", "", inside.group(1)).split(",")
            counts.add(len([word for word in words if word.strip() and word.strip() != "self"]))
    return counts


def test_the_real_krita_has_every_member_that_the_stub_file_names(api: dict[str, dict[str, str]]) -> None:
    missing = [f"{kind}.{member}" for kind, member, _ in stubbed() if member not in api[kind]]
    assert not missing


def test_the_real_kritas_methods_take_as_many_arguments(api: dict[str, dict[str, str]]) -> None:
    wrong = {}
    compared = 0
    for kind, member, wanted in stubbed():
        counts = parameters(api[kind].get(member, ""))
        if wanted is not None and counts:
            compared += 1
            if wanted not in counts:
                wrong[f"{kind}.{member}"] = (wanted, sorted(counts))
    assert not wrong
    assert compared > 30, "sip's docstrings no longer begin with signatures"
