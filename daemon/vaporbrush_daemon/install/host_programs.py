"""What the installers of both host programs need: which programs run, how to start the daemon, TCP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import tomllib

from vaporbrush_daemon import config
from vaporbrush_daemon.daemon_client import SERVE
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.version import __version__

PLATFORM: str = sys.platform
START_FILE = "installed.json"  # beside the plug-in's code: how it starts the daemon before that has ever run


def running(program: str) -> bool:
    """Whether a program of this name runs for this user, in this HOME (another HOME has other settings)."""
    if PLATFORM == "win32":
        listed = subprocess.run(["tasklist", "/FO", "CSV", "/NH"], capture_output=True, check=False).stdout  # noqa: S607
        return f'"{program}.exe"'.encode() in listed.lower()
    if PLATFORM.startswith("linux"):
        return any(name == program and own == os.environ.get("HOME") for name, own in _linux_processes())
    listed = subprocess.run(["ps", "-axo", "comm="], capture_output=True, check=False).stdout  # noqa: S607
    return any(Path(os.fsdecode(line)).name == program for line in listed.splitlines())


def _linux_processes() -> Iterator[tuple[str, str | None]]:
    """(name, HOME) of every process that this user may look into."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            name = (process / "comm").read_text().strip()
            environment = (process / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
        own = next((entry[5:] for entry in environment if entry.startswith(b"HOME=")), None)
        yield name, None if own is None else os.fsdecode(own)


def start_file() -> bytes:
    """The contents of `installed.json`."""
    wire = {"start": [*SERVE, "--idle-exit"], "version": __version__}
    return (json.dumps(wire, indent=1) + "\n").encode()


def check(libraries: Path) -> None:
    """Import what was copied, in a Python without anything else, as a host's own may be. Raises `VaporbrushError`."""
    program = f"import sys; sys.path.insert(0, {str(libraries)!r}); import vaporbrush_host.keeper, vaporbrush_host.runs"
    done = subprocess.run([sys.executable, "-I", "-S", "-B", "-c", program], capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise VaporbrushError("internal", f"The plug-in in {libraries} does not work: {' '.join(last)}")


def allow_tcp() -> bool:
    """Have the daemon listen on 127.0.0.1 as well, for a program in a Flatpak. Returns whether that was news."""
    path = home() / config.FILE
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if "listen_tcp" in tomllib.loads(text):
            return False  # whatever it says there was somebody's decision
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"listen_tcp = true  # for programs in a Flatpak\n{text}", encoding="utf-8")
    except (OSError, ValueError) as error:
        raise VaporbrushError(
            "internal", f"{path} cannot be changed ({error}). Add the line `listen_tcp = true` yourself."
        ) from None
    return True
