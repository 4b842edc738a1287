"""What CI installs: pinned with hashes, and what the project asks for."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import tomllib
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


def pins() -> dict[str, list[Requirement]]:
    """Every locked requirement by its name; there may be several for different systems. Each has hashes."""
    found: dict[str, list[Requirement]] = {}
    text = "".join(line for line in LOCK.splitlines(keepends=True) if not line.lstrip().startswith("#"))
    for entry in text.replace("\\\n", " ").splitlines():
        words, *hashes = entry.split(" --hash=")
        assert hashes, f"{words} has no hash"
        assert all(one.strip().startswith("sha256:") for one in hashes)
        requirement = Requirement(words)
        assert [one.operator for one in requirement.specifier] == ["=="], words
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def test_the_lock_pins_a_fitting_version_of_every_dependency() -> None:
    locked = pins()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [
        *map(Requirement, project["dependencies"]),
        *(Requirement(one) for extra in ("dev", "studio") for one in project["optional-dependencies"][extra]),
    ]
    for one in asked:
        for pin in locked.get(canonicalize_name(one.name), [Requirement(f"{one.name}==0")]):
            version = next(iter(pin.specifier)).version
            assert one.specifier.contains(version, prereleases=True), f"{one}: renew the lock with `make lock`"


def test_what_the_locked_packages_need_is_locked_too() -> None:
    """Else `--require-hashes` would refuse to install; asked of the packages that are installed here."""
    locked, environment = pins(), {**default_environment(), "extra": ""}
    assert environment["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    for name in locked:
        try:
            needs = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system
        for need in map(Requirement, needs):
            if need.marker is None or need.marker.evaluate(environment):
                assert canonicalize_name(need.name) in locked, f"{name} needs {need}: renew the lock with `make lock`"
