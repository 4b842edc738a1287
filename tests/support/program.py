"""The command line as a program."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from support import fake_worker
from support.daemon import until
from vaporbrush_protocol import connect

PROGRAM = (sys.executable, "-m", "vaporbrush_daemon")
WAIT_S = 60


def vaporbrush(*arguments: str | Path, wait_s: float = WAIT_S, **options) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=wait_s, **options)


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has collected yet counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # before, or while it was looked at
        return True


def children(pid: int, words: str) -> list[psutil.Process]:
    """The living children of a process whose command line has these words."""
    found = []
    for child in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if words in " ".join(child.cmdline()):
                found.append(child)
    return found


def begun(content: Path, style: Path, out: Path) -> subprocess.Popen[str]:
    """A command whose painting would never end, as soon as it paints."""
    command = [*PROGRAM, "stylize", str(content), str(style), "-o", str(out), "--seed", str(fake_worker.ENDLESS)]
    painting = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if vaporbrush("status").returncode == 3:
        until(lambda: vaporbrush("status").returncode == 0, "the daemon runs")
    with connect() as client:
        until(lambda: any(job.state == "running" and job.progress for job in client.jobs()), "it paints")
    return painting
