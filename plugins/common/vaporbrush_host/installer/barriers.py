"""What Windows and macOS put in the way of an install, and what is done about it: the length of paths, folders that the
Microsoft Store's programs see alone, quarantine. Made from what others report; none of it was run there by us yet.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path, PurePath

from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import VaporbrushError

MAX_PATH = 259  # characters that a path on Windows may have, unless an administrator has allowed more
PACKAGES = "Lib/site-packages"  # in an environment there
STORES_PROGRAMS = "windowsapps"  # the folder of what the Microsoft Store has installed
STORES_CACHE = "LocalCache"  # below Packages/NAME: what its programs write into AppData, they alone see there
QUARANTINE = (
    "com.apple.quarantine"  # the attribute that macOS gives to what a browser, or a careful program, has fetched
)
APP_STORE = "APP_SANDBOX_CONTAINER_ID"  # in the environment of a program from the Mac App Store


def is_windows(system: str) -> bool:
    """Whether a kit's name of a system, such as "windows-x86_64", means Windows."""
    return system.startswith("windows")


def is_macos(system: str) -> bool:
    """The same of macOS."""
    return system.startswith("macos")


def check_length(environment: PurePath, root: PurePath, longest_name: int) -> None:
    """Raise `VaporbrushError` where files of an environment would have longer paths than Windows takes. `longest_name`
    is what its lock says: 0 elsewhere.
    """
    longest = len(str(environment)) + len(f"/{PACKAGES}/") + longest_name
    if longest_name and longest > MAX_PATH:
        raise VaporbrushError(
            "disk_full",
            _(
                "The path of {root} is too long for Windows (characters too many: {count}). "
                "Choose another folder, such as {example}."
            ).format(root=root, count=longest - MAX_PATH, example=r"C:\vaporbrush"),
        )


def check_place(probe: Path, root: Path, system: str) -> None:
    """Raise `VaporbrushError` where what this program has written into `root` is elsewhere for every other one: so
    Windows has it with programs from the Microsoft Store and all that they write into AppData. `probe` is there.
    """
    real = Path(os.path.realpath(probe))  # Windows tells: Python's manual names this as the way to ask it
    if is_windows(system) and STORES_CACHE in real.parts and STORES_CACHE not in probe.parts:
        raise VaporbrushError(
            "disk_full",
            _(
                "This program is from the Microsoft Store. Windows keeps what it writes into {root} in {real}, "
                "where no other program looks for it. Choose a folder that is not in AppData."
            ).format(root=root, real=real.parent),
        )


def is_stores(python: PurePath) -> bool:
    """Whether a Python is the Microsoft Store's: its updates move it, and it sees an AppData of its own."""
    return STORES_PROGRAMS in (part.lower() for part in python.parts)


def take_off_quarantine(program: Path, system: str, attribute: str = QUARANTINE) -> None:
    """Take macOS' mark off a program that has matched its hash: which one it is, is known better than from the mark.

    A host program may be one of those that mark all that they write. What is not marked stays as it is; where the mark
    cannot be taken off, the start tells.
    """
    if not is_macos(system):
        return
    remove = ctypes.CDLL(None, use_errno=True).removexattr
    remove.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int)
    remove(os.fsencode(program), attribute.encode(), 0)


def check_end(status: int, program: str, system: str) -> None:
    """Raise `VaporbrushError` where macOS has ended a program instead of running it."""
    if is_macos(system) and status == -signal.SIGKILL:
        raise refused(program)


def refused(program: str) -> VaporbrushError:
    """What to say where macOS does not let a program run."""
    return VaporbrushError(
        "internal",
        _(
            "macOS has ended {program}. If its settings name it under Privacy & Security, allow it there; "
            "then try again."
        ).format(program=program),
    )


def sandbox_obstacle(environment: Mapping[str, str], system: str) -> str:
    """Why nothing can be installed from inside a sandbox, in a sentence; empty where it can."""
    if is_macos(system) and environment.get(APP_STORE):
        return _(
            "This program is from the Mac App Store, which lets it start nothing that it has fetched. "
            "Use the one from its makers' own page."
        )
    return ""
