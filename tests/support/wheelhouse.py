"""The wheels of the real painter for the processor, for an index on loopback, and a lock that says the same.

They come from the addresses in plugins/locks, each by its hash, into a cache. Where PyTorch's index cannot be reached,
its wheel may lie in the folder that VAPORBRUSH_WHEELS names; torchvision's is then PyPI's without its compiled part,
which is for CUDA and which the painter does not use.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from support.package_index import sha256, write_wheel
from vaporbrush_host.installer.download import Web
from vaporbrush_host.installer.index import Index
from vaporbrush_host.installer.kit import File
from vaporbrush_protocol.errors import VaporbrushError

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("VAPORBRUSH_WHEEL_CACHE", Path.home() / ".cache" / "vaporbrush-test-wheels"))
SYSTEM = "linux-x86_64"


def fill(folder: Path, python: str) -> Path:
    """Links every wheel that installing needs into `folder/wheels`. Returns a folder of locks for just these."""
    wheels, locks = folder / "wheels", folder / "locks"
    wheels.mkdir()
    locks.mkdir()
    CACHE.mkdir(parents=True, exist_ok=True)
    uv = json.loads((ROOT / "plugins/locks/uv.json").read_text())
    lock = json.loads((ROOT / f"plugins/locks/{SYSTEM}-cpu.json").read_text())
    files = [one for one in lock["files"] if python in one["pythons"]]
    kept = []
    for one in [uv["systems"][SYSTEM], *files]:
        path = _cached(one)
        if path is None and one["project"] == "torchvision":
            path = _torchvision_without_cuda(one["version"], python)
            one = {**one, "name": path.name, "sha256": sha256(path)}  # noqa: PLW2901
        if path is None:
            pytest.skip(f"{one['name']} cannot be fetched; put it into a folder that VAPORBRUSH_WHEELS names")
        os.link(path, wheels / one["name"]) if _same_disk(path, wheels) else shutil.copy(path, wheels / one["name"])
        kept.append({**one, "size": path.stat().st_size, "pythons": [python]})
    (locks / "uv.json").write_text(json.dumps(uv))
    (locks / f"{SYSTEM}-cpu.json").write_text(json.dumps({**lock, "pythons": [python], "files": kept[1:]}))
    return locks


def _cached(one: dict[str, object]) -> Path | None:
    given = Path(os.environ.get("VAPORBRUSH_WHEELS", "/nowhere")) / str(one["name"])
    if given.is_file() and sha256(given) == one["sha256"]:
        return given
    path = CACHE / str(one["name"])
    if not path.is_file():
        try:
            file = File(**{key: one[key] for key in ("project", "version", "name", "url", "sha256")})  # type: ignore[arg-type]
            Web(Index(), pause=lambda _s: None).fetch(file, path, lambda _done: None, lambda: False)
        except VaporbrushError:
            return None
    return path


def _torchvision_without_cuda(version: str, python: str) -> Path:
    """PyPI's wheel of the same release, under the name of the build for the processor."""
    tag = f"cp{python.replace('.', '')}"
    target = CACHE / f"torchvision-{version}-{tag}-{tag}-linux_x86_64.whl"
    if not target.is_file():
        release = version.partition("+")[0]
        page = json.loads(_page("https://pypi.org/simple/torchvision/"))
        start, end = f"torchvision-{release}-{tag}-{tag}-manylinux", "x86_64.whl"
        (one,) = (f for f in page["files"] if f["filename"].startswith(start) and f["filename"].endswith(end))
        whole = CACHE / one["filename"]
        file = File("torchvision", release, one["filename"], one["url"], one["hashes"]["sha256"])
        if not whole.is_file():
            Web(Index()).fetch(file, whole, lambda _done: None, lambda: False)
        with zipfile.ZipFile(whole) as archive:
            names = [
                n for n in archive.namelist() if not n.endswith(".so") and ".dist-info/" not in n and ".libs/" not in n
            ]
            files = {name: archive.read(name) for name in names if not name.endswith("/")}
            files["torchvision/_meta_registrations.py"] = b""  # it describes what the compiled part would define
        made = write_wheel(CACHE, "torchvision", version, files, f"{tag}-{tag}-linux_x86_64")
        assert made == target
    return target


def _page(url: str) -> str:
    import urllib.request

    request = urllib.request.Request(url, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def _same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def copy_of_this_python(folder: Path) -> Path:
    """A Python for the root: this one, with its standard library and nothing else. Returns its folder of programs."""
    base = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.base_prefix) / "bin" / name, folder / "bin" / name)
    left_out = shutil.ignore_patterns("site-packages", "test", "__pycache__", "idlelib", "tkinter", "ensurepip", "*.a")
    shutil.copytree(base / "lib" / name, folder / "lib" / name, ignore=left_out)
    (folder / "lib" / name / "site-packages").mkdir()
    for library in (base / "lib").glob("libpython3*.so*"):
        shutil.copy(library, folder / "lib")
    return folder / "bin"
