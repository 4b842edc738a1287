"""What the installers of both host programs need: how to start the daemon, whether the copy works, TCP."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import tomllib

from vaporbrush_daemon import config
from vaporbrush_daemon.daemon_client import SERVE
from vaporbrush_protocol import atomic
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.private import make_folder
from vaporbrush_protocol.version import __version__

START_FILE = "installed.json"  # beside the plug-in's code: how it starts the daemon before that has ever run


def start_file() -> bytes:
    """The contents of `installed.json`."""
    wire = {"start": [*SERVE, "--idle-exit"], "version": __version__}
    return (json.dumps(wire, indent=1) + "\n").encode()


def check(libraries: Path) -> None:
    """Import what was copied, in a Python without anything else, as a host's own may be. Raises `VaporbrushError`."""
    modules = "vaporbrush_host.daemon_monitor, vaporbrush_host.job_threads"
    program = f"import sys; sys.path.insert(0, {str(libraries)!r}); import {modules}"
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
        make_folder(path.parent)
        atomic.write(path, f"listen_tcp = true  # for programs in a Flatpak\n{text}".encode(), mode=0o600)
    except (OSError, ValueError) as error:
        raise VaporbrushError(
            "internal", f"{path} cannot be changed ({error}). Add the line `listen_tcp = true` yourself."
        ) from None
    return True
