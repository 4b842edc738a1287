"""Starts the daemon from inside a host program: with a clean environment, detached, and only when it truly answers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import join
from typing import Any

from .channel import Channel
from .endpoint import Connection
from .endpoint import home as default_home
from .errors import LinkError
from .installation import installed
from .installed_command import installed_command
from .limits import START_TIMEOUT_S
from .private import make_folder, objection, open_private
from .shown import last_line

# What a host program sets for its own libraries; the daemon's Python and torch must not load those.
HOST_VARIABLES = frozenset({
    "APPDIR", "APPIMAGE", "ARGV0", "BABL_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH", "GEGL_PATH", "GIO_EXTRA_MODULES",
    "GIO_MODULE_DIR", "GI_TYPELIB_PATH", "GSETTINGS_SCHEMA_DIR", "LD_PRELOAD", "OWD", "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR", "SSL_CERT_FILE", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__",
})  # fmt: skip
HOST_PREFIXES = ("PYTHON", "QT_", "QML", "GTK_", "GDK_PIXBUF_", "GIMP", "KRITA", "DYLD_", "PYINSTALLER_")
SEARCH_PATHS = ("LD_LIBRARY_PATH", "PATH", "XDG_DATA_DIRS")  # keep what is not inside the bundle
BUNDLE_ROOTS = ("APPDIR", "SNAP")  # an AppImage and a snap name the folder that they run from

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 0.5
LOG_TAIL_BYTES = 16 * 1024
# A daemon that ended at once may have lost a race: the winner gets this long to answer; and one that answers, to write
# its connection file.
RACE_S = 2.0


def in_flatpak(root: Path = Path("/")) -> bool:
    """Whether this program runs inside a Flatpak, which cannot start programs outside."""
    return (root / ".flatpak-info").exists()


def clean_environment(given: Mapping[str, str]) -> dict[str, str]:
    """The environment without what belongs to a host program and its bundled libraries."""
    kept = {
        name: value
        for name, value in given.items()
        if name not in HOST_VARIABLES and not name.upper().startswith(HOST_PREFIXES)
    }
    roots = tuple(given[name].rstrip("/") for name in BUNDLE_ROOTS if given.get(name, "").rstrip("/"))
    for name in SEARCH_PATHS:
        if name in kept and roots:
            outside = [one for one in kept[name].split(os.pathsep) if one and not _inside(one, roots)]
            kept[name] = os.pathsep.join(outside)
            if not outside:
                del kept[name]
    return kept


def start_daemon(
    connection: Connection | None,
    command: Sequence[str] = (),
    home: Path | None = None,
    *,
    timeout_s: float = START_TIMEOUT_S,
    flatpak: bool | None = None,
) -> Connection:
    """Start the daemon and wait until it answers `hello`. Returns the connection file that it wrote.

    `command` is used where given, else the one in the connection file. Raises `LinkError` (`no_daemon`) with the last
    line of the log where the daemon ends at once, and with the command to run by hand inside a Flatpak.
    """
    folder = home or (connection.path.parent if connection and connection.path else default_home())
    painter = installed(folder)
    argv = tuple(command) or (connection.start if connection else ())
    if not argv or not Path(argv[0]).is_file():  # never ran here, or is gone: an update of the painter took its place
        argv = (painter.start if painter is not None else installed_command()) or argv
    confined = painter is not None and painter.confined and argv == painter.start  # made inside of the same sandbox
    if (in_flatpak() if flatpak is None else flatpak) and not confined:
        raise LinkError(
            "no_daemon",
            "Vaporbrush's daemon does not run, and a program in a Flatpak cannot start it. "
            f"Run this in a terminal: {join(argv) or 'vaporbrush serve'}",
        )
    if not argv:
        raise LinkError("no_daemon", "How to start the daemon is not known yet. Run `vaporbrush serve` once.")
    log = Path(connection.log) if connection and connection.log else folder / "logs" / "daemon.log"
    process = _spawned(argv, folder, log)
    # The process is not waited for; a thread collects its exit status, so that no zombie stays.
    threading.Thread(target=process.wait, name="vaporbrush-daemon-reaper", daemon=True).start()
    return _awaited(process, folder, log, timeout_s)


def _spawned(argv: Sequence[str], folder: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {**clean_environment(os.environ), "VAPORBRUSH_HOME": str(folder)}
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":  # pragma: no cover
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        for private in (folder, log.parent):
            make_folder(private)
            if problem := objection(private):
                raise LinkError("not_private", problem)
        with open_private(log, "ab") as output:
            return subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment,
                close_fds=True,
                **options,
            )
    except OSError as error:
        raise LinkError(
            "no_daemon", f"The daemon could not be started with `{join(argv)}`: {error.strerror or error}."
        ) from error


def _awaited(process: subprocess.Popen[bytes], folder: Path, log: Path, timeout_s: float) -> Connection:
    deadline = time.monotonic() + timeout_s
    pause_s = FIRST_PAUSE_S
    ended = False
    answering: Connection | None = None
    while True:
        try:
            connection = Connection.read(folder)
            serving = _greeted(connection)
        except LinkError as error:
            failure = error
        else:
            if serving == connection.pid:
                return connection
            # A socket's path is the same for every daemon here. This one listens already, and the file is still its
            # predecessor's.
            answering = connection
            deadline = min(deadline, time.monotonic() + RACE_S)
        if process.poll() is not None and not ended:
            ended, deadline = True, min(deadline, time.monotonic() + RACE_S)
        if time.monotonic() + pause_s > deadline:
            break
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    if answering is not None:
        return answering
    if ended:
        raise LinkError(
            "no_daemon", f"The daemon ended at once (exit status {process.returncode}): {_last_words(log)} Log: {log}"
        )
    raise LinkError("no_daemon", f"The daemon did not answer within {timeout_s:g} s. {failure.message} Log: {log}")


def _greeted(connection: Connection) -> object:
    """The process id of the daemon that answers there."""
    channel = Channel(connection)
    try:
        channel.connect()
        return channel.daemon.get("pid")
    finally:
        channel.close()


def _inside(path: str, roots: Sequence[str]) -> bool:
    return any(path == root or path.startswith(root + "/") for root in roots)


def last_line_of(log: Path) -> str:
    """The last line of a log that says something; empty where none does. Raises `OSError`."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return last_line(file.read().decode("utf-8", "replace"))


def _last_words(log: Path) -> str:
    try:
        return last_line_of(log)[:500] or "its log is empty."
    except OSError as error:
        return f"its log cannot be read ({error.strerror})."
