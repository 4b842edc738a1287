"""What a plug-in would fetch for the painter: the locks agree with the project, and the zips bring them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vaporbrush_host.installer.download import MOST_BYTES as MOST_BYTES_OF_A_FILE

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "plugins" / "locks"
GPUS = {  # the build's name in torch's version; projects that it needs; what only others need
    "linux-x86_64-cuda": ("", {"triton", "nvidia-cudnn-cu13"}, ("-cu12", "triton-", "intel-")),
    "linux-x86_64-cuda126": (
        "+cu126",
        {"triton", "nvidia-cudnn-cu12", "cuda-bindings"},
        ("-cu13", "triton-", "intel-"),
    ),
    "linux-x86_64-rocm": ("+rocm7.2", {"triton-rocm"}, ("nvidia-", "cuda-", "intel-", "triton-xpu")),
    "linux-x86_64-xpu": ("+xpu", {"triton-xpu", "intel-sycl-rt", "oneccl"}, ("nvidia-", "cuda-", "triton-rocm")),
    "windows-x86_64-cuda": ("+cu130", set(), ("nvidia-", "cuda-", "triton", "intel-")),
    "windows-x86_64-cuda126": ("+cu126", set(), ("nvidia-", "cuda-", "triton", "intel-")),
    "windows-x86_64-xpu": ("+xpu", {"triton-xpu", "intel-sycl-rt"}, ("nvidia-", "cuda-", "oneccl", "pyzes")),
}
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


@pytest.mark.parametrize("name", GPUS)
def test_a_gpu_gets_its_own_torch_with_what_that_needs_and_nothing_of_anothers(name: str) -> None:
    lock = json.loads((LOCKS / f"{name}.json").read_text())
    build, needed, foreign = GPUS[name]
    assert lock["pythons"]
    for python in lock["pythons"]:
        wheels = {one["project"]: one for one in lock["files"] if python in one["pythons"]}
        assert len(wheels) == sum(python in one["pythons"] for one in lock["files"])  # one wheel of each
        assert all(wheels[one]["version"].endswith(build) for one in locks.TORCH)
        assert set(wheels) >= needed
        assert not [one for one in wheels if any(word in one for word in foreign)]


def test_every_lock_has_the_hashes_that_were_read() -> None:
    known = {one["url"]: one for one in json.loads(locks.REMEMBERED.read_text())["files"]}
    assert all(one["seen"] for one in known.values())
    for path in LOCKS.glob("*-*.json"):
        lock = json.loads(path.read_text())
        for one in lock["files"]:
            if lock["note"] and "download.pytorch.org" in one["url"]:
                assert one["sha256"] == known[one["url"]]["sha256"]


def test_a_plug_in_takes_files_as_large_as_the_locks_name() -> None:
    for path in LOCKS.glob("*-*.json"):
        files = json.loads(path.read_text())["files"]
        assert max(one["size"] or one["about"] for one in files) < MOST_BYTES_OF_A_FILE


def test_a_build_that_is_known_in_part_is_not_offered() -> None:
    target = locks.TARGETS["linux-x86_64"]
    files = [one for one in json.loads(locks.REMEMBERED.read_text())["files"] if one["index"] == "rocm7.2"]
    assert locks.whole(files, "3.12", target)
    for lost in ("torch-", "torchvision-", "triton_rocm-"):
        rest = [one for one in files if not (one["name"].startswith(lost) and "cp312" in one["name"])]
        assert not locks.whole(rest, "3.12", target)
        assert locks.whole(rest, "3.13", target)
    assert not locks.whole([], "3.12", target)
