"""What the installers of both host programs need: how to start the daemon, whether the copy works, TCP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tomllib

from vaporbrush_daemon import config
from vaporbrush_daemon.daemon_client import SERVE
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.installation import Installation, installed
from vaporbrush_protocol.private import make_folder
from vaporbrush_protocol.version import __version__

from . import vendor

START_FILE = "installed.json"  # beside the plug-in's code: how it starts the daemon before that has ever run


def local_data(environment: Mapping[str, str], own: Path) -> Path:
    """Where programs on Windows keep what stays on this computer; `own` is the person's folder."""
    return Path(environment.get("LOCALAPPDATA") or own / "AppData" / "Local")


def store_caches(name: str, environment: Mapping[str, str], own: Path) -> list[Path]:
    """Where Windows keeps what a program from the Microsoft Store has written into AppData (below `Local` and
    `Roaming`): under its usual path the program alone sees it.
    """
    return sorted((local_data(environment, own) / "Packages").glob(f"*{name}*/LocalCache"))


def painter_of_plugin() -> Installation | None:
    """The painter that a plug-in has installed, where it is not this command's own."""
    painter = installed()
    return None if painter is None or painter.environment == Path(sys.prefix) else painter


def is_used(painter: Installation) -> bool:
    """Whether a plug-in from here starts that painter: one is enough for Krita, GIMP and the command line. An older or
    damaged one is not good for it.
    """
    return painter.whole and _order(painter.version) >= _order(__version__)


def start_file(*, own: bool) -> bytes:
    """The contents of `installed.json`. Without a command, the plug-in starts the painter that `painter.json` names."""
    painter = painter_of_plugin()
    follows = not own and painter is not None and is_used(painter)
    wire = {"version": __version__, **({} if follows else {"start": [*SERVE, "--idle-exit"]})}
    return (json.dumps(wire, indent=1) + "\n").encode()


def painter_sentence(*, own: bool) -> str:
    """Which painter the plug-in will start, where there is more than one; empty where there is not."""
    painter = painter_of_plugin()
    if painter is None:
        return ""
    which = _("the painter that a plug-in installed at {path} ({version}, {backend})")
    which = which.format(path=painter.root, version=painter.version, backend=painter.backend)
    if own:
        sentence = _("It starts the painter of this command, not {painter}.")
    elif not painter.whole:
        sentence = _("It starts the painter of this command: {painter} is damaged.")
    elif not is_used(painter):
        sentence = _("It starts the painter of this command: {painter} is older.")
    else:
        sentence = _("It starts {painter}; with --own it starts that of this command.")
    return sentence.format(painter=which)


def news(name: str, before: vendor.Installed | None, now: vendor.Installed, target: Path) -> str:
    """What an install has done to a program's plug-in, of which `before` was there."""
    sentence = _("{program}: the plug-in {version} is up to date in {folder}.")
    if before is None:
        sentence = _("{program}: the plug-in {version} installed in {folder}.")
    elif before != now:
        sentence = _("{program}: the plug-in {version} updated in {folder}.")
    return sentence.format(program=name, version=now.version, folder=target)


def removed(name: str, before: vendor.Installed, changed: Sequence[Path]) -> list[str]:
    """What an uninstall has done to a program's plug-in: it leaves what somebody changed."""
    kept = _("{program}: {file} stays, because somebody changed it.")
    gone = _("{program}: the plug-in {version} was removed.").format(program=name, version=before.version)
    return [gone, *(kept.format(program=name, file=path) for path in changed)]


def _order(version: str) -> tuple[int, ...]:
    """A version as numbers; what is no number ends it."""
    numbers = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()


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
