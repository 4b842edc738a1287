"""Asks for known vulnerabilities of everything that requirements.lock names (`make audit`).

The database is PyPI's, over the network. Where it cannot be reached, or the index in use does not pass it on, that is
said, and is no failure: nothing was checked. A vulnerability that is known is one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).resolve().parents[2] / "requirements.lock"


def main() -> int:
    """Returns the exit status: 1 if something is known about a locked version."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format", "json"]
    done = subprocess.run([*command, "--requirement", str(LOCK)], capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)["dependencies"]
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        print(f"No vulnerability database can be reached from here, so nothing was checked ({last}).")
        return 0
    checked = [one for one in told if "skip_reason" not in one]
    known = [(one, hole) for one in checked for hole in one["vulns"]]
    print(f"{len(checked)} of {len(told)} locked packages were found in the vulnerability database.")
    for one, hole in known:
        print(
            f"{one['name']} {one['version']}: {hole['id']}, cured in {', '.join(hole['fix_versions']) or 'no release'}"
        )
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
