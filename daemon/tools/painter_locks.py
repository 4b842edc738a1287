"""Writes plugins/locks: every wheel of the painter that a plug-in installs, for each system and build of torch.

    python daemon/tools/painter_locks.py [SYSTEM-BACKEND …]    asks the indexes and writes (`make lock`)
    python daemon/tools/painter_locks.py --check               only says whether they agree with pyproject.toml; offline

The versions are those of requirements.lock, which CI tests, but torch's where its index has another. Torch's builds for
one device are on PyTorch's own index. Where that cannot be reached, what torch_index.json remembers of it is taken, and
the lock says so in `note`; a build that is not in there gets no lock and is not offered.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import tomllib
from packaging import tags
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "plugins" / "locks"
REMEMBERED = Path(__file__).with_name("torch_index.json")
TORCH = ("torch", "torchvision")
PYTHONS = ("3.12", "3.13", "3.11", "3.14")  # the first is what uv fetches where the system has none of them
# Characters below site-packages that the longest name of a file may have, where Windows' limit of a path's counts:
# torch 2.14.1 has 121, and the next one may have a few more.
LONGEST_NAME = 130
PYPI = "https://pypi.org/simple"
WAIT_S = 60.0
MACOS = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}  # torch needs macOS 14; uv takes 13 if nobody says
# Packages of PyPI's torch for Linux that its build for the processor does not ask for.
OF_CUDA = re.compile(r"nvidia-|cuda-|triton$")


@dataclass(frozen=True)
class Target:
    """A system as uv and as wheels call it."""

    uv: str
    platforms: tuple[str, ...]
    uv_wheel: str  # the tail of the name of uv's own wheel
    backends: dict[str, str]  # backend → index below download.pytorch.org/whl; empty: PyPI
    longest_name: int = 0  # of a file below site-packages, where that matters


def _manylinux(machine: str) -> tuple[str, ...]:
    modern = tuple(f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1))
    older = (f"manylinux2010_{machine}", f"manylinux1_{machine}", f"linux_{machine}")  # the last: Triton's for ROCm
    return (*modern[:12], f"manylinux2014_{machine}", *modern[12:], *older)


TARGETS = {
    "linux-x86_64": Target(
        "x86_64-manylinux_2_28", _manylinux("x86_64"), "manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        {"cpu": "cpu", "cuda": "", "cuda126": "cu126", "rocm": "rocm7.2", "xpu": "xpu"},
    ),
    "linux-aarch64": Target(
        "aarch64-manylinux_2_28", _manylinux("aarch64"), "manylinux_2_28_aarch64.whl", {"cpu": "cpu", "cuda": ""}
    ),
    "windows-x86_64": Target(
        "x86_64-pc-windows-msvc", ("win_amd64",), "win_amd64.whl",
        {"cpu": "", "cuda": "cu130", "cuda126": "cu126", "xpu": "xpu"}, LONGEST_NAME,
    ),
    "macos-arm64": Target(
        "aarch64-apple-darwin", tuple(tags.mac_platforms((14, 0), "arm64")), "macosx_11_0_arm64.whl", {"mps": ""}
    ),
}  # fmt: skip


class UnreachableError(Exception):
    """An index that does not answer."""


def main() -> None:
    """Write what is asked for, or check."""
    if sys.argv[1:] == ["--check"]:
        wrong = list(problems(LOCKS, ROOT / "pyproject.toml"))
        for one in wrong:
            print(one)
        sys.exit(bool(wrong))
    LOCKS.mkdir(exist_ok=True)
    wanted = set(sys.argv[1:])
    pins = constraints()
    write(LOCKS / "uv.json", {"systems": {name: uv_wheel(target, pins["uv"]) for name, target in TARGETS.items()}})
    for system, target in TARGETS.items():
        for backend, index in target.backends.items():
            if not wanted or f"{system}-{backend}" in wanted:
                lock(system, target, backend, index, pins)


def lock(system: str, target: Target, backend: str, index: str, pins: dict[str, str]) -> None:
    """One lock, from the index, or from what is remembered of it."""
    path = LOCKS / f"{system}-{backend}.json"
    about: dict[str, Any] = {"system": system, "backend": backend, "note": ""}
    about |= {"longest_name": target.longest_name} if target.longest_name else {}
    try:
        if index:
            ask(f"https://download.pytorch.org/whl/{index}/torch/")
        pythons = PYTHONS
        files = merged({python: resolved(target, index, python, pins) for python in pythons})
    except UnreachableError as error:
        known = json.loads(REMEMBERED.read_text(encoding="utf-8"))
        remembered = [one for one in known["files"] if one["index"] == index and fits(one["name"], target)]
        asked = (index, system.partition("-")[0])
        needs = [need for one in known["needs"] if (one["index"], one["system"]) == asked for need in one["needs"]]
        pythons = tuple(python for python in PYTHONS if whole(remembered, python, target))
        if not pythons:
            path.unlink(missing_ok=True)
            print(f"{path.name}: none, for {error}, and torch_index.json remembers nothing of it")
            return
        files = merged({python: replaced(target, remembered, needs, python, pins) for python in pythons})
        about["note"] = f"{error} when this was made: torch as torch_index.json remembers that index."
    write(path, {**about, "pythons": list(pythons), "files": files})
    size = sum(one["size"] or one["about"] for one in files if pythons[0] in one["pythons"])
    print(f"{path.name}: {size / 1e6:.0f} MB")


def resolved(target: Target, index: str, python: str, pins: dict[str, str]) -> list[dict[str, Any]]:
    """The wheels of the painter for one Python, by uv."""
    tied = {name: one for name, one in pins.items() if not index or (name not in TORCH and not OF_CUDA.match(name))}
    return compiled(target, ROOT / "pyproject.toml", python, tied, ("--torch-backend", index) if index else ())


def compiled(
    target: Target, source: Path, python: str, pins: dict[str, str], more: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    """The wheels of a file of requirements for one Python, by uv."""
    with tempfile.TemporaryDirectory() as folder:
        out, limits = Path(folder) / "pylock.toml", Path(folder) / "constraints.txt"
        limits.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        command = [sys.executable, "-m", "uv", "pip", "compile", str(source), "--format", "pylock.toml", "--quiet"]
        command += ["--python-platform", target.uv, "--python-version", python, "--only-binary", ":all:"]
        command += ["--no-header", "--no-config", "--constraint", str(limits), "--output-file", str(out), *more]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=MACOS)
        if done.returncode:
            sys.exit(done.stderr)
        packages = tomllib.loads(out.read_text(encoding="utf-8"))["packages"]
    return [best(package, target, python) for package in packages]


def best(package: dict[str, Any], target: Target, python: str) -> dict[str, Any]:
    """The wheel of a package that pip would take there."""
    order = ranks(target, python)
    found = []
    for wheel in package.get("wheels", ()):
        name = unquote(wheel.get("name") or wheel["url"].rsplit("/", 1)[-1])
        at = rank(name, order)
        if at is not None:
            found.append((at, name, wheel))
    if not found:
        sys.exit(f"{package['name']} {package['version']} has no wheel for {target.uv}, Python {python}")
    _at, name, wheel = min(found, key=lambda one: one[:2])
    return {
        "project": canonicalize_name(package["name"]),
        "version": package["version"],
        "name": name,
        "url": wheel["url"],
        "sha256": wheel["hashes"]["sha256"],
        "size": wheel.get("size") or content_length(wheel["url"]),
    }


def replaced(
    target: Target, remembered: list[dict[str, Any]], needs: list[str], python: str, pins: dict[str, str]
) -> list[dict[str, Any]]:
    """PyPI's resolution with torch's files exchanged for remembered ones of its build for one device, which `needs`."""
    own = of_python(remembered, python, target)
    versions = {one["project"]: one["version"].partition("+")[0] for one in own}
    pins = {name: version for name, version in pins.items() if not OF_CUDA.match(name)}  # they go with their torch
    others = resolved(target, "", python, {**pins, **versions})
    kept = [one for one in others if one["project"] not in TORCH and not OF_CUDA.match(one["project"])]
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder) / "needs.in"
        asked.write_text("".join(f"{need}\n" for need in needs), encoding="utf-8")
        more = compiled(target, asked, python, pins) if needs else []
    there = {one["project"] for one in kept}
    kept += [one for one in more if one["project"] not in there]
    return [*kept, *({key: value for key, value in one.items() if key not in ("index", "seen")} for one in own)]


def whole(files: list[dict[str, Any]], python: str, target: Target) -> bool:
    """Whether every project of an index that is remembered for a system is so for this Python, torch first of all."""
    own = [one["project"] for one in of_python(files, python, target)]
    return set(own) == {*TORCH, *(one["project"] for one in files)} and len(own) == len(set(own))


def of_python(files: list[dict[str, Any]], python: str, target: Target) -> list[dict[str, Any]]:
    """Torch's files for one Python: one of each."""
    order = ranks(target, python)
    return [one for one in files if rank(one["name"], order) is not None]


def fits(name: str, target: Target) -> bool:
    """Whether a wheel is for a system at all."""
    return any(rank(name, ranks(target, python)) is not None for python in PYTHONS)


def ranks(target: Target, python: str) -> dict[tags.Tag, int]:
    """The tags that an interpreter takes, the best first."""
    major, minor = map(int, python.split("."))
    order = [
        *tags.cpython_tags((major, minor), platforms=target.platforms),
        *tags.compatible_tags((major, minor), f"cp{major}{minor}", target.platforms),
    ]
    return {tag: at for at, tag in enumerate(order)}


def rank(name: str, order: dict[tags.Tag, int]) -> int | None:
    """How well a wheel fits; None where it does not."""
    found = [order[tag] for tag in parse_wheel_filename(name)[3] if tag in order]
    return min(found) if found else None


def merged(by_python: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Every file once, with the Pythons that it is for."""
    files: dict[str, dict[str, Any]] = {}
    for python, found in by_python.items():
        for one in found:
            files.setdefault(one["name"], {**one, "pythons": []})["pythons"].append(python)
    return sorted(files.values(), key=lambda one: (one["project"], one["name"]))


def constraints() -> dict[str, str]:
    """What requirements.lock says, by name."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^ ;\\]+)", text, re.MULTILINE))


def uv_wheel(target: Target, version: str) -> dict[str, Any]:
    """uv's wheel for a system, pinned."""
    page = json.loads(ask(f"{PYPI}/uv/"))
    (one,) = (
        one
        for one in page["files"]
        if one["filename"].startswith(f"uv-{version}-") and one["filename"].endswith(f"-{target.uv_wheel}")
    )
    about = {"project": "uv", "version": version, "name": one["filename"], "url": one["url"]}
    return {**about, "sha256": one["hashes"]["sha256"], "size": one["size"]}


def ask(url: str) -> str:
    """A page of an index. Raises `UnreachableError`."""
    request = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return str(answer.read().decode())
    except urllib.error.URLError:
        raise UnreachableError(f"{url.split('/')[2]} did not answer") from None


def content_length(url: str) -> int:
    """A file's size, where the index does not tell."""
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=WAIT_S) as answer:
        return int(answer.headers["Content-Length"])


def write(path: Path, what: dict[str, Any]) -> None:
    """One line for each file, so that a change can be read."""
    lists = {key: value for key, value in what.items() if key != "files"}
    text = json.dumps(lists, indent=1)
    if "files" in what:
        rows = ",\n".join(f"  {json.dumps(one)}" for one in what["files"])
        text = text.removesuffix("\n}") + f',\n "files": [\n{rows}\n ]\n}}'
    path.write_text(text + "\n", encoding="utf-8")


def problems(locks: Path, pyproject: Path) -> Iterator[str]:
    """Where the locks do not agree with what the project needs; needs no network."""
    needed = [
        Requirement(one) for one in tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    ]
    found = [path for path in sorted(locks.glob("*.json")) if path.name != "uv.json"]
    systems = json.loads((locks / "uv.json").read_text(encoding="utf-8"))["systems"]
    if not {"cpu", "mps"} & {path.stem.rsplit("-", 1)[1] for path in found}:
        yield f"{locks} has no lock to begin with"
    for path in found:
        one = json.loads(path.read_text(encoding="utf-8"))
        if one["system"] not in systems:
            yield f"{path.name}: uv.json has no wheel for {one['system']}"
        for python in one["pythons"]:
            versions = {file["project"]: file["version"] for file in one["files"] if python in file["pythons"]}
            for need in needed:
                marker = need.marker
                if marker and not marker.evaluate({"python_version": python, "sys_platform": PLATFORM[one["system"]]}):
                    continue
                version = versions.get(canonicalize_name(need.name))
                if version is None:
                    yield f"{path.name}, Python {python}: lacks {need.name}; run `make lock`"
                elif not need.specifier.contains(version):
                    yield f"{path.name}, Python {python}: has {need.name} {version}, not {need.specifier}: `make lock`"
        for file in one["files"]:
            if not re.fullmatch(r"[0-9a-f]{64}", file["sha256"]) or not file["url"].startswith("https://"):
                yield f"{path.name}: {file['name']} has no hash or no address"


PLATFORM = {"linux-x86_64": "linux", "linux-aarch64": "linux", "windows-x86_64": "win32", "macos-arm64": "darwin"}


if __name__ == "__main__":
    main()
