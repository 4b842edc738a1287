"""The extra `vaporbrush[studio]`: what it adds is small."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.daemon import ROOT

MOST_BYTES = 40 * 1000**2  # of its wheels; counted here are their files unpacked, which are more


def needed(requirements: list[str]) -> set[str]:
    """The distributions that these need, themselves included."""
    found: set[str] = set()
    ahead = [Requirement(one) for one in requirements]
    while ahead:
        one = ahead.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        ahead += [Requirement(more) for more in metadata.requires(name) or ()]
    return found


def unpacked_bytes(name: str) -> int:
    """Of a distribution's files, without what Python compiles from them."""
    files = [Path(str(file.locate())) for file in metadata.files(name) or ()]
    return sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.is_file())


def test_what_the_extra_adds_is_less_than_40_megabytes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    added = needed(project["optional-dependencies"]["studio"]) - needed(project["dependencies"])
    assert {"distributed", "dask", "cryptography"} <= added
    sizes = {name: unpacked_bytes(name) for name in added}
    assert all(sizes.values()), "each one's files were found"
    total = sum(sizes.values())
    print(f"{len(added)} packages, {total / 1e6:.1f} MB unpacked: {sorted(added)}")
    assert total < MOST_BYTES
