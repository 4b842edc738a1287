"""Writes requirements.lock: version and hashes of every package that development and CI install (`make lock`).

    python daemon/tools/lock.py              keeps the versions that are locked, adds what is missing
    python daemon/tools/lock.py --upgrade    takes the newest that fit

One file serves CPython 3.11 and newer on every system: uv resolves for all of them at once and writes markers where
they differ. CI installs from it with `--require-hashes` (the Makefile, where CI=true), so that what it runs is what was
locked, whoever serves the files.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
PYTHON = "3.11"  # the oldest that the daemon supports
HEADER = "# What CI installs; made by `make lock` (daemon/tools/lock.py). Do not edit.\n"


def main() -> None:
    """Ask uv, and write what it found."""
    resolved = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--extra", "dev", "--universal"),
            *(
                "--python-version",
                PYTHON,
                "--generate-hashes",
                "--no-strip-extras",
                "--no-header",
                "--quiet",
                "--no-annotate",
            ),
            *("--output-file", str(LOCK), *sys.argv[1:]),
        ],
        cwd=ROOT,
        check=False,
    )
    if resolved.returncode != 0:
        sys.exit(resolved.returncode)
    text = LOCK.read_text(encoding="utf-8")
    LOCK.write_text(HEADER + text.removeprefix(HEADER), encoding="utf-8")
    print(f"{LOCK.name}: {len(set(re.findall(r'^[a-z0-9][^ =]*(?===)', text, re.MULTILINE)))} packages")


if __name__ == "__main__":
    main()
