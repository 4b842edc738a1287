"""Writes constraints.txt: the version of every package that `pip install '.[dev]'` would bring today (`make lock`).

CI installs exactly these (the Makefile, where CI=true); anybody else may, with `PIP_CONSTRAINT=constraints.txt`.
Constraints force nothing to be installed: a PyTorch that is there already stays, such as the build without CUDA
(2.14.1+cpu is 2.14.1), and the CUDA packages are pinned only for the build that wants them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "constraints.txt"
PYTHONS = ("3.11", "3.12", "3.13")  # one version of each package has to do for all of them
HEADER = f"# What CI installs, for CPython {PYTHONS[0]} to {PYTHONS[-1]}; made by `make lock` (daemon/tools/lock.py).\n"


def main() -> None:
    """Ask pip for each Python, and write what they agree on."""
    found = {python: resolve(python) for python in PYTHONS}
    names = sorted(set().union(*found.values()))
    pins = {name: {versions[name] for versions in found.values() if name in versions} for name in names}
    several = {name: sorted(versions) for name, versions in pins.items() if len(versions) > 1}
    if several:
        sys.exit(f"No one version does for every Python: {several}. Bound it in pyproject.toml.")
    LOCK.write_text(HEADER + "".join(f"{name}=={pins[name].pop()}\n" for name in names), encoding="utf-8")
    print(f"{LOCK.name}: {len(names)} packages")


def resolve(python: str) -> dict[str, str]:
    """Name and version of all that would be installed into a fresh environment with this Python."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", report, "--target", folder, "--python-version", python, "--only-binary=:all:", ".[dev]"]
        subprocess.run(command, cwd=ROOT, check=True)
        told = json.loads(report.read_text(encoding="utf-8"))
    packages = (one["metadata"] for one in told["install"])
    return {canonicalize_name(one["name"]): one["version"] for one in packages if one["name"] != "vaporbrush"}


if __name__ == "__main__":
    main()
