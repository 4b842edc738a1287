"""Torture: `python -m torture [--short] [--seed N] [--only PART …]`, with tests/ on the path (`make torture`).

A million mutated messages, five thousand jobs among kills, a soak of 25 minutes, a power cut after every step of a
day of the spool, and a studio: its bridge killed for a minute, a hundred thousand strangers, half a gigabyte under way.
Bounded: loopback and private folders only, all processes end with it, under 30 minutes (`--short`: four). The soak runs
beside the others, so that its latencies are those of a busy machine. Exit status 1 if anything that is promised did not
hold.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from support.daemon import ROOT
from torture import jobs, messages, soak, studio
from torture.measure import Report

PARTS = ("messages", "jobs", "soak", "cuts", "bridges", "strangers", "parcels")
CUTS = ("tests/front/test_power_cut.py", "tests/front/test_damage.py")


def main() -> int:
    """Run the parts and print their reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="four minutes, as in CI")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of everything that is chosen by chance")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts")
    given = parser.parse_args()
    wanted = given.only or PARTS
    count, painted, seconds = (40_000, 300, 150.0) if given.short else (1_000_000, 5_000, 1500.0)
    began = time.monotonic()
    reports: list[Report] = []

    def part(name: str, run: Callable[[Path], Report]) -> None:
        if name not in wanted:
            return
        with private_home() as home:
            try:
                report = run(home)
            except Exception as error:  # noqa: BLE001 -- a part that breaks does not hide the others
                report = Report(name)
                report.say(f"{type(error).__name__}: {error}", holds=False)
        reports.append(report)
        print(report, flush=True)

    beside = threading.Thread(target=part, args=("soak", lambda home: soak.run(home, seconds, given.seed)))
    beside.start()
    part("messages", lambda home: messages.run(home, count, given.seed))
    part("jobs", lambda home: jobs.run(home, painted, given.seed))
    part("cuts", lambda _: cuts())
    part("bridges", lambda home: studio.bridges(home, 10.0 if given.short else 60.0, given.seed))
    part("strangers", lambda home: studio.strangers(home, count // 10, given.seed))
    part("parcels", lambda home: studio.parcels(home, 2 if given.short else 8))
    beside.join()
    broken = [what for report in reports for what in report.broken]
    print(f"{time.monotonic() - began:.0f} s in all; {len(broken)} promises broken")
    return 1 if broken else 0


@contextmanager
def private_home() -> Iterator[Path]:
    """A folder of its own for one part, with a path that is short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="vp-"))
    try:
        yield folder / "home"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def cuts() -> Report:
    """The power cuts and the damages that the tests of the spool make: every one, with what they print."""
    report = Report("power cuts and damages of the spool")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *CUTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in filter(None, map(str.strip, done.stdout.splitlines()[-12:])):
        report.say(line, holds=done.returncode == 0)
    report.say(f"{time.monotonic() - began:.0f} s", holds=done.returncode == 0)
    return report


if __name__ == "__main__":
    sys.exit(main())
