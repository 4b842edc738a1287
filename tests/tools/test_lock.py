"""The versions that CI installs: all pinned, and those that the project asks for."""

from __future__ import annotations

from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def test_the_lock_pins_a_fitting_version_of_every_dependency() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))  # nothing but NAME==VERSION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*map(Requirement, project["dependencies"]), *map(Requirement, project["optional-dependencies"]["dev"])]
    for one in asked:
        assert one.specifier.contains(pins[canonicalize_name(one.name)]), f"{one}: renew the lock with `make lock`"
