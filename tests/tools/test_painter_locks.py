"""What a plug-in would fetch for the painter: the locks agree with the project, and the zips bring them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "plugins" / "locks"
MOST_BYTES = 300 * 10**6  # of a build for the processor, where the index has wheels


def tool(name: str) -> ModuleType:
    path = ROOT / "daemon" / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


locks = tool("painter_locks")


def test_the_locks_agree_with_what_the_project_needs() -> None:
    assert list(locks.problems(LOCKS, ROOT / "pyproject.toml")) == []


def test_a_new_dependency_or_a_wrong_hash_is_found(tmp_path: Path) -> None:
    shutil.copytree(LOCKS, tmp_path / "locks")
    project = (ROOT / "pyproject.toml").read_text().replace('"pillow>=10.3"', '"pillow>=999", "brushes>=1"')
    (tmp_path / "pyproject.toml").write_text(project)
    path = tmp_path / "locks" / "linux-x86_64-cpu.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "z', 1))
    found = "\n".join(locks.problems(tmp_path / "locks", tmp_path / "pyproject.toml"))
    for word in ("lacks brushes", "has pillow", "has no hash"):
        assert word in found


@pytest.mark.parametrize("name", ["linux-x86_64-cpu", "linux-aarch64-cpu", "windows-x86_64-cpu", "macos-arm64-mps"])
def test_the_first_painting_needs_no_more_than_300_mb(name: str) -> None:
    lock = json.loads((LOCKS / f"{name}.json").read_text())
    uv = json.loads((LOCKS / "uv.json").read_text())["systems"][lock["system"]]
    assert lock["pythons"]
    for python in lock["pythons"]:
        wheels = [one for one in lock["files"] if python in one["pythons"]]
        assert sum(one["size"] or one["about"] for one in wheels) + uv["size"] <= MOST_BYTES
        assert len({one["project"] for one in wheels}) == len(wheels)  # one wheel of each
        assert all(one["name"].endswith(".whl") for one in wheels)


def test_the_version_of_uv_is_the_one_that_development_uses() -> None:
    versions = {one["version"] for one in json.loads((LOCKS / "uv.json").read_text())["systems"].values()}
    assert versions == {locks.constraints()["uv"]}
