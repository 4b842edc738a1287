"""Copies a plug-in and all that it needs into a host program's folder, and takes exactly that away again.

A host's Python has neither our packages nor msgpack, so they are copied beside the plug-in: `vaporbrush_protocol`,
`vaporbrush_host`, and msgpack's pure-Python files inside the former (its C extension would not load everywhere).
A manifest lists every file with its hash. Whatever else is in the folder belongs to the person and is left alone.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgpack

from vaporbrush_daemon import packaged
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.version import __version__

LIBRARIES = PurePosixPath("vaporbrush")  # the plug-in's folder: both hosts have it, or put it, on the module path
MANIFEST = "vaporbrush.manifest.json"
LEFT_OUT = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
SUFFIXES_LEFT_OUT = {".pyc", ".pyo", ".so", ".pyd", ".orig", ".rej", ".po", ".pot"}


@dataclass(frozen=True, slots=True)
class Installed:
    """What stands in a target folder: the version and each file's sha256, by path relative to the target."""

    version: str
    files: Mapping[str, str]


def contents(plugin: Path, libraries: PurePosixPath) -> dict[str, bytes]:
    """Every file of a vendored plug-in: path relative to the target folder, and bytes.

    `libraries` is the folder inside the plug-in's that is on its module path.
    """
    protocol = libraries / "vaporbrush_protocol"
    sources = {
        PurePosixPath(): plugin,
        protocol: packaged.protocol(),
        libraries / "vaporbrush_host": packaged.plugins() / "common" / "vaporbrush_host",
    }
    files = {str(to / name): data for to, folder in sources.items() for name, data in _tree(folder)}
    for name, data in _msgpack():
        files[str(protocol / "_vendor" / "msgpack" / name)] = data
    files[str(protocol / "_vendor" / "__init__.py")] = b""
    return files


def install(plugin: Path, target: Path, libraries: PurePosixPath = LIBRARIES) -> Installed:
    """Copy a plug-in folder with its libraries into `target`; an older one is replaced, also after a crash half-way.

    Raises `VaporbrushError` (`disk_full`) where the folder cannot be written.
    """
    files = contents(plugin, libraries)
    installed = Installed(__version__, {name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    try:
        target.mkdir(parents=True, exist_ok=True)
        before = replaced(target)
        # First the union, so that an uninstall after a crash finds the files of both; each file appears whole.
        _write_manifest(target, Installed(__version__, {**(before.files if before else {}), **installed.files}))
        for name, data in files.items():
            _write(target / name, data)
        if before:
            _remove(target, {name: hash_ for name, hash_ in before.files.items() if name not in files}, {})
        _write_manifest(target, installed)
    except OSError as error:
        raise _unwritable(target, error) from None
    return installed


def uninstall(target: Path) -> list[Path]:
    """Remove what `install` wrote. Returns the files that stay because somebody changed them; twice is once."""
    installed = read(target)
    if installed is None:
        return []
    changed: dict[str, Path] = {}
    try:
        _remove(target, installed.files, changed)
        (target / MANIFEST).unlink()
    except OSError as error:
        raise _unwritable(target, error) from None
    return list(changed.values())


def read(target: Path) -> Installed | None:
    """What is installed in a folder; None if nothing is."""
    try:
        raw = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except FileNotFoundError:  # as above
        return None
    except (OSError, ValueError) as error:
        raise VaporbrushError("internal", f"{target / MANIFEST} is damaged ({error}).") from None
    files = raw.get("files") if isinstance(raw, dict) else None
    if not isinstance(files, dict) or not all(_is_inside(name) and isinstance(files[name], str) for name in files):
        raise VaporbrushError("internal", f"{target / MANIFEST} is damaged.")
    return Installed(str(raw.get("version", "")), files)


def replaced(target: Path) -> Installed | None:
    """What an install replaces: a damaged manifest is nothing that could be relied on."""
    try:
        return read(target)
    except VaporbrushError:  # as above
        return None


def _is_inside(name: Any) -> bool:
    """A manifest that somebody edited must not make an uninstall reach outside of its folder."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and ":" not in name


def _tree(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and not LEFT_OUT & set(relative.parts) and path.suffix not in SUFFIXES_LEFT_OUT:
            yield relative.as_posix(), path.read_bytes()


def _msgpack() -> Iterator[tuple[str, bytes]]:
    """msgpack's pure-Python files and its licence."""
    folder = Path(msgpack.__file__).parent
    yield from ((path.name, path.read_bytes()) for path in sorted(folder.glob("*.py")))
    for file in importlib.metadata.files("msgpack") or ():
        if file.name in ("COPYING", "LICENSE"):
            yield file.name, Path(str(file.locate())).read_bytes()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(path, data)


def _write_manifest(target: Path, installed: Installed) -> None:
    wire = {"version": installed.version, "files": dict(sorted(installed.files.items()))}
    _write(target / MANIFEST, (json.dumps(wire, indent=1) + "\n").encode())


def _remove(target: Path, files: Mapping[str, str], changed: dict[str, Path]) -> None:
    """Remove files that are as they were written, what Python compiled from them, and folders left empty."""
    folders: set[Path] = set()
    for name, wanted in files.items():
        path = target / name
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
                changed[name] = path
                continue
            path.unlink()
        for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()
        folders |= {path.parent / "__pycache__", *(parent for parent in path.parents if target in parent.parents)}
    for folder in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def _unwritable(target: Path, error: OSError) -> VaporbrushError:
    return VaporbrushError("disk_full", f"{target} cannot be changed: {error.strerror or error} ({error.filename}).")
