"""The kit: what the plug-in's zip brings for installing the painter, beside the plug-in's own code.

painter/kit.json                      version; the wheel and its hash; uv's wheel for each system, pinned
painter/vaporbrush-X-py3-none-any.whl
painter/locks/SYSTEM-BACKEND.json     every wheel of that environment: name, address, sha256, bytes, and for which
                                      Pythons it is (made by daemon/tools/painter_locks.py)
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaporbrush_host.ui_text import _

from .barriers import sandbox_obstacle

FOLDER = "painter"
MACHINES = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "arm64", "aarch64": "aarch64"}
SYSTEMS = {"Linux": "linux", "Windows": "windows", "Darwin": "macos"}


@dataclass(frozen=True)
class File:
    """One file to fetch. `size` is 0 where nobody told; `pythons` is empty where any will do."""

    project: str
    version: str
    name: str
    url: str
    sha256: str
    size: int = 0
    about: int = 0  # where the size is not known: what it may be
    pythons: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """What to tell a person."""
        return self.size or self.about


@dataclass(frozen=True)
class Lock:
    """The wheels of one system and backend. `pythons`: those that it has wheels for, the best tested first;
    `longest_name`: the characters of a file's name below site-packages, where a system bounds paths, else 0.
    """

    system: str
    backend: str
    pythons: tuple[str, ...]
    files: tuple[File, ...]
    longest_name: int = 0

    def wheels(self, python: str) -> tuple[File, ...]:
        """The wheels for one Python, such as "3.13"."""
        return tuple(one for one in self.files if python in one.pythons)

    def most_bytes(self) -> int:
        """The bytes to fetch, with the Python for which they are the most."""
        return max(sum(one.bytes for one in self.wheels(python)) for python in self.pythons)


@dataclass(frozen=True)
class Kit:
    """What the zip brought; `wheel` is ours, `uv` are the pinned wheels of uv by system."""

    folder: Path
    version: str
    wheel: File
    uv: Mapping[str, File] = field(default_factory=dict)
    locks: tuple[Lock, ...] = ()

    def lock(self, system: str, backend: str) -> Lock | None:
        """The lock of one system and backend."""
        return next((one for one in self.locks if (one.system, one.backend) == (system, backend)), None)

    def backends(self, system: str) -> tuple[str, ...]:
        """The backends that there are for a system."""
        return tuple(one.backend for one in self.locks if one.system == system)


def read(plugin: Path) -> Kit | None:
    """The kit beside a plug-in's code; None in a copy that `vaporbrush install` made, which needs none."""
    folder = plugin / FOLDER
    try:
        raw = json.loads((folder / "kit.json").read_text(encoding="utf-8"))
        locks = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("locks/*.json"))]
        return Kit(
            folder=folder,
            version=str(raw["version"]),
            wheel=_file(raw["wheel"]),
            uv={str(system): _file(one) for system, one in raw["uv"].items()},
            locks=tuple(
                Lock(
                    one["system"],
                    one["backend"],
                    tuple(one["pythons"]),
                    tuple(map(_file, one["files"])),
                    int(one.get("longest_name", 0)),
                )
                for one in locks
                if one["files"]
            ),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none, or damaged
        return None


def _file(raw: Mapping[str, Any]) -> File:
    name = str(raw["name"])
    if "/" in name or "\\" in name or ":" in name or name.startswith("."):  # it becomes a file's name
        raise ValueError(name)
    return File(
        project=str(raw["project"]),
        version=str(raw["version"]),
        name=name,
        url=str(raw.get("url", "")),
        sha256=str(raw["sha256"]),
        size=int(raw.get("size", 0)),
        about=int(raw.get("about", 0)),
        pythons=tuple(map(str, raw.get("pythons", ()))),
    )


def this_system() -> str:
    """The name of this system in kits, such as "linux-x86_64"."""
    return system_name(platform.system(), platform.machine(), platform.libc_ver()[0] or _libc())


def system_name(system: str, machine: str, libc: str) -> str:
    """The same, of what Python's `platform` tells; "linux-x86_64-musl" where there is no glibc."""
    system = SYSTEMS.get(system, system.lower())
    machine = MACHINES.get(machine.lower(), machine.lower())
    return f"{system}-{machine}" + ("-musl" if system == "linux" and "glibc" not in libc else "")


def _libc() -> str:
    """What libc says of itself, where the executable does not tell."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError, AttributeError):  # Windows has no confstr
        return ""


def obstacle(kit: Kit, system: str, environment: Mapping[str, str] | None = None) -> str:
    """Why the painter cannot be installed here, in a sentence; empty where it can."""
    if sentence := sandbox_obstacle(os.environ if environment is None else environment, system):
        return sentence
    if kit.backends(system) and system in kit.uv:
        return ""
    if system == "macos-x86_64":
        return _("PyTorch, which paints, is no longer made for Macs with Intel processors.")
    if system.endswith("-musl"):
        return _("PyTorch, which paints, is not made for systems with musl instead of glibc.")
    known = ", ".join(sorted({one.system for one in kit.locks}))
    return _("This package knows {known}, but this is {system}.").format(known=known or "no system", system=system)
