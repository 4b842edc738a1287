"""What the operating system knows of this machine: memory and processes by psutil, the same on every system."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from vaporbrush_protocol.errors import VaporbrushError

PLATFORM: str = sys.platform
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # Linux: new with every boot
SURPLUS_BYTES = 4 * 1024**2  # grown by less, a process is left alone: to trim its heap takes milliseconds
OWN_GROUP, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
NICENESS = 10  # a canvas must stay fluent while the CPU paints


def free_memory() -> int:
    """Bytes of main memory that a process may take without anything being swapped, or being ended by its manager."""
    free = int(psutil.virtual_memory().available)
    return min(free, *group_rests()) if PLATFORM == "linux" else free


def all_memory() -> int:
    """Bytes of main memory that a process could take if no other took any."""
    there = int(psutil.virtual_memory().total)
    return min(there, *(most for most, _ in _group_limits())) if PLATFORM == "linux" else there


def group_rests(groups: Path = OWN_GROUP, root: Path = GROUPS) -> tuple[int, ...]:
    """What the limits of this process' control groups leave; 2**63 where there is none."""
    return tuple(max(0, most - used) for most, used in _group_limits(groups, root))


def _group_limits(groups: Path = OWN_GROUP, root: Path = GROUPS) -> tuple[tuple[int, int], ...]:
    """How much the control groups (cgroup v2) that a service manager or a container put this process into may take, and
    have taken; 2**63 where there is no limit. Cached files do not count: they give way.
    """
    limits = [(2**63, 0)]
    with suppress(OSError, ValueError, StopIteration):  # no such groups, or closed to us: no limit is known
        own = next(line[4:] for line in groups.read_text(encoding="utf-8").splitlines() if line.startswith("0::/"))
        for group in [root / own, *(root / own).parents]:
            if root not in (group, *group.parents) or not (group / "memory.max").is_file():
                continue
            most = (group / "memory.max").read_text(encoding="ascii").strip()
            if most != "max":
                stat = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
                used = int((group / "memory.current").read_text(encoding="ascii")) - int(stat.get("inactive_file", 0))
                limits.append((int(most), used))
    return tuple(limits)


def check_memory(what: str, needed: int) -> None:
    """Refuse what would not fit, before anything of it is decoded. Raises `out_of_memory`."""
    free = free_memory()
    if needed > free:
        raise VaporbrushError(
            "out_of_memory",
            f"{what} needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Close other"
            " programs, or take a smaller one.",
        )


def resident_bytes(pid: int) -> int:
    """Main memory that a process holds; 0 where there is none of this id, or it is somebody else's."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:  # as above
        return 0


class Surplus:
    """Memory that this process no longer uses, but that the C library keeps for its next allocation. glibc keeps all
    of it where something small lies above: after a flood of messages, for ever.
    """

    def __init__(self) -> None:
        self._least = resident_bytes(os.getpid())
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if PLATFORM == "linux" else None

    def give_back(self) -> None:
        """Return it to the system, if there is enough of it to matter."""
        if self._trim is None or resident_bytes(os.getpid()) < self._least + SURPLUS_BYTES:
            return
        self._trim(0)
        self._least = resident_bytes(os.getpid())


def runs(program: str) -> bool:
    """Whether a program of this name runs for this user; on Linux in this HOME (another HOME has other settings)."""
    wanted = f"{program}.exe" if sys.platform == "win32" else program
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended meanwhile, or belongs to somebody else
            if process.name() == wanted and _is_ours(process):
                return True
    return False


def _is_ours(process: psutil.Process) -> bool:
    if PLATFORM == "linux":
        return process.environ().get("HOME") == os.environ.get("HOME")
    return bool(process.username() == psutil.Process().username())


def uptime() -> tuple[str, float]:
    """Which boot of the machine this is, and the seconds since then; an unknown boot where the system has no name for
    it, so that time in which the daemon did not run does not count there.
    """
    if PLATFORM != "linux":
        return "", 0.0
    try:
        boot = BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # as above
        return "", 0.0
    return boot, time.clock_gettime(time.CLOCK_BOOTTIME)


def lower_priority() -> None:
    """Let every other program go first."""
    if sys.platform == "win32":
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS)
        return
    # Linux keeps a priority for each thread, and numpy and torch started some of theirs when they were imported.
    for thread in [one.id for one in psutil.Process().threads()] if sys.platform == "linux" else [0]:
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
