"""The wheels of the real painter for the processor, for an index on loopback, and a lock that says the same.

pip fetches them, each by the hash that plugins/locks has, from wherever it is set up to look (its index, its cache, its
folders of wheels) and at last from the address in the lock. Where PyTorch's index cannot be reached, torchvision is
PyPI's of that release without its compiled part, which is for CUDA and which the painter does not use.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from conftest import skip
from support.package_index import sha256, write_wheel

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("VAPORBRUSH_WHEEL_CACHE", Path.home() / ".cache" / "vaporbrush-test-wheels"))
SYSTEM = "linux-x86_64"
WAIT_S = 600


def fill(folder: Path, python: str) -> Path:
    """Links every wheel that installing needs into `folder/wheels`. Returns a folder of locks for just these."""
    wheels, locks = folder / "wheels", folder / "locks"
    wheels.mkdir()
    locks.mkdir()
    CACHE.mkdir(parents=True, exist_ok=True)
    uv = json.loads((ROOT / "plugins/locks/uv.json").read_text())
    lock = json.loads((ROOT / f"plugins/locks/{SYSTEM}-cpu.json").read_text())
    if python not in lock["pythons"]:
        skip(f"there is no lock for Python {python}, but for {', '.join(lock['pythons'])}")
    files = [one for one in lock["files"] if python in one["pythons"]]
    needed = [uv["systems"][SYSTEM], *files]
    _fetch([one for one in needed if not _here(one)])
    files = [_plain(one, python) if one["project"] == "torchvision" and not _here(one) else one for one in files]
    needed = [uv["systems"][SYSTEM], *files]
    for one in needed:
        if not _here(one):
            skip(f"{one['name']} cannot be fetched; put it into {CACHE}")
        path, target = CACHE / one["name"], wheels / one["name"]
        if path.stat().st_dev == wheels.stat().st_dev:
            os.link(path, target)
        else:
            shutil.copy(path, target)
    files = [{**one, "size": (wheels / one["name"]).stat().st_size, "pythons": [python]} for one in files]
    files = [_without_tls(one) for one in files]
    uv = {**uv, "systems": {name: _without_tls(one) for name, one in uv["systems"].items()}}
    (locks / "uv.json").write_text(json.dumps(uv))
    (locks / f"{SYSTEM}-cpu.json").write_text(json.dumps({**lock, "pythons": [python], "files": files}))
    return locks


def _without_tls(one: dict[str, Any]) -> dict[str, Any]:
    """The entry with an address for which a proxy on loopback can answer, at the same host."""
    return {**one, "url": f"http://{urlsplit(one['url']).hostname}/{quote(one['name'])}"}


def _here(one: dict[str, Any]) -> bool:
    path = CACHE / one["name"]
    return path.is_file() and sha256(path) == one["sha256"]


def _fetch(files: list[dict[str, Any]]) -> None:
    """All by name, where pip is set up to find them; else each by its address."""
    _download(
        [
            f"{one['project']}=={one['version']} --hash=sha256:{one['sha256']}"
            for one in files
            if one["project"] != "torchvision"
        ]
    )
    for one in files:
        if not _here(one):
            _download([f"{one['project']} @ {one['url']} --hash=sha256:{one['sha256']}"])


def _plain(one: dict[str, Any], python: str) -> dict[str, Any]:
    """The entry of a torchvision without a compiled part, whose wheel is made from PyPI's."""
    release = one["version"].partition("+")[0]
    tag = f"cp{python.replace('.', '')}"
    target = CACHE / f"torchvision-{one['version']}-{tag}-{tag}-linux_x86_64.whl"
    if not target.is_file():
        whole = CACHE / "whole"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", str(whole), f"torchvision=={release}"], capture_output=True, check=False)
        found = next(whole.glob(f"torchvision-{release}-{tag}-*.whl"), None)
        if found is None:
            return one
        with zipfile.ZipFile(found) as archive:
            names = [name for name in archive.namelist() if not name.endswith((".so", "/"))]
            kept = [name for name in names if ".dist-info/" not in name and ".libs/" not in name]
            files = {name: archive.read(name) for name in kept}
        files["torchvision/_meta_registrations.py"] = b""  # it describes what the compiled part would define
        write_wheel(CACHE, "torchvision", one["version"], files, f"{tag}-{tag}-linux_x86_64")
    return {**one, "name": target.name, "sha256": sha256(target)}


def _download(lines: list[str]) -> None:
    listed = CACHE / f"wanted-{os.getpid()}.txt"
    listed.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--dest", str(CACHE), "--requirement", str(listed)]
    subprocess.run(command, capture_output=True, check=False, timeout=WAIT_S)
    listed.unlink()


def copy_of_this_python(folder: Path) -> Path:
    """A Python for the root: this one, with its standard library and nothing else. Returns its folder of programs."""
    base = Path(sys.base_prefix)
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(base / "bin" / name, folder / "bin" / name)
    left_out = shutil.ignore_patterns(
        "site-packages", "test", "__pycache__", "idlelib", "tkinter", "ensurepip", "config-3*", "*.a"
    )
    shutil.copytree(base / "lib" / name, folder / "lib" / name, ignore=left_out)
    (folder / "lib" / name / "site-packages").mkdir()
    for library in (base / "lib").glob("libpython3*.so*"):
        shutil.copy(library, folder / "lib")
    return folder / "bin"
