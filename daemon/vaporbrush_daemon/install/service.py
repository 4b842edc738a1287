"""The daemon as a service of the user's own manager, never root: systemd user unit, LaunchAgent, or task at logon.

What is written is made from `templates/`. Only systemd's has been run by tests; the other two are checked as texts.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from vaporbrush_daemon import instance, packaged
from vaporbrush_daemon.daemon_client import SERVE, STOP_S, has_ended, wait_for
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import Connection, home, new_token
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.private import make_folder

PLATFORM: str = sys.platform
UNIT, SOCKET = "vaporbrush.service", "vaporbrush.socket"
LABEL = "org.vaporbrush.daemon"  # macOS
TASK = "Vaporbrush"  # Windows
WITHOUT = "Without a service, the daemon starts by itself with the first painting."
KEPT = ("VAPORBRUSH_HOME",)  # a manager starts the daemon without the shell's variables; the rest is for config.toml


@dataclass(frozen=True, slots=True)
class Service:
    """Whether and how the service is installed. `files` are those that exist."""

    files: tuple[Path, ...]
    state: str  # the manager's word, such as "active"; empty where nothing is installed


def install(*, on_demand: bool = False) -> list[str]:
    """Install, start, and start again at every login. Returns what was done, one sentence each.

    `on_demand` (systemd): only the socket is there from the login on, and the first client starts the daemon.
    """
    if on_demand and not PLATFORM.startswith("linux"):
        raise VaporbrushError("internal", "Starting on demand needs systemd's sockets; leave `--on-demand` out.")
    if PLATFORM.startswith("linux"):
        _reach_systemd()
    _stop_other()
    if PLATFORM == "win32":
        return _install_task()
    if PLATFORM == "darwin":
        return _install_agent()
    return _install_units(on_demand=on_demand)


def uninstall() -> list[str]:
    """Stop the service and remove exactly what `install` wrote; twice is once."""
    found = look()
    if not found.files and PLATFORM != "win32":
        return [_("The service was not installed.")]
    if PLATFORM == "win32":
        _run("schtasks", "/End", "/TN", TASK, check=False)
        _run("schtasks", "/Delete", "/TN", TASK, "/F")
    elif PLATFORM == "darwin":
        _run("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}", check=False)
    else:
        _reach_systemd()
        _systemctl("disable", "--now", *(path.name for path in found.files))
    for path in found.files:
        path.unlink()
    if PLATFORM.startswith("linux"):
        _systemctl("daemon-reload")
        _run("systemctl", "--user", "reset-failed", UNIT, SOCKET, check=False)
    return [_("The service was stopped and removed.")]


def look() -> Service:
    """What is installed, and what the manager says about it."""
    files = tuple(path for path in _places() if path.is_file())
    if not files:
        return Service((), "")
    if PLATFORM.startswith("linux"):
        states = {p.name: _run("systemctl", "--user", "is-active", p.name, check=False) or "unknown" for p in files}
        waiting = states.get(SOCKET) == "active" and states[UNIT] == "inactive"
        return Service(files, "waits for a client" if waiting else states[UNIT])
    return Service(files, "installed")


def unit(command: Sequence[str], environment: Mapping[str, str], *, on_demand: bool) -> str:
    """The text of the systemd unit."""
    settings = "\n".join(f"Environment={_quoted(f'{name}={value}')}" for name, value in environment.items())
    return _filled(
        UNIT,
        REQUIRES=f"Requires={SOCKET}\nAfter={SOCKET}\n" if on_demand else "",
        COMMAND=" ".join(_quoted(part).replace("$", "$$") for part in command),
        ENVIRONMENT=settings or "# (VAPORBRUSH_HOME was not set)",
    )


def socket_unit(path: Path) -> str:
    """The text of the systemd socket."""
    return _filled(SOCKET, SOCKET=str(path).replace("%", "%%"))


def agent(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """The text of the LaunchAgent."""
    entries = "\n".join(
        f"\t\t<key>{escape(name)}</key>\n\t\t<string>{escape(value)}</string>" for name, value in environment.items()
    )
    arguments = "\n".join(f"\t\t<string>{escape(part)}</string>" for part in command)
    return _filled(f"{LABEL}.plist", ARGUMENTS=arguments, ENVIRONMENT=entries)


def task(command: Sequence[str], user: str) -> str:
    """The text of the Windows task."""
    program, *arguments = command
    return _filled(
        "vaporbrush-task.xml",
        USER=escape(user),
        PROGRAM=escape(program),
        ARGUMENTS=escape(subprocess.list2cmdline(arguments)),
    )


def _places() -> tuple[Path, ...]:
    """Where the files go, the service first."""
    if PLATFORM == "win32":
        return ()
    if PLATFORM == "darwin":
        return (Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist",)
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return settings / "systemd" / "user" / UNIT, settings / "systemd" / "user" / SOCKET


def _install_units(*, on_demand: bool) -> list[str]:
    service, socket = _places()
    if not on_demand and socket.is_file():
        _systemctl("disable", "--now", SOCKET)
        socket.unlink()
    _write(service, unit(SERVE, _environment(), on_demand=on_demand))
    if on_demand:
        listening = _prepared()
        _write(socket, socket_unit(listening))
    _systemctl("daemon-reload")
    if on_demand:
        _systemctl("disable", "--now", UNIT)  # a socket cannot begin to listen for a service that runs
        _systemctl("enable", "--now", SOCKET)
        return [_("The service is installed ({file}); the first client starts the daemon.").format(file=service)]
    _systemctl("enable", UNIT)
    _systemctl("restart", UNIT)
    return [_("The daemon runs as a service and starts at every login ({file}).").format(file=service)]


def _install_agent() -> list[str]:
    (path,) = _places()
    _write(path, agent(SERVE, _environment()))
    _run("launchctl", "bootout", f"gui/{os.getuid()}/{LABEL}", check=False)
    _run("launchctl", "bootstrap", f"gui/{os.getuid()}", str(path))
    return [_("The daemon runs as a LaunchAgent and starts at every login ({file}).").format(file=path)]


def _install_task() -> list[str]:
    windowless = Path(sys.executable).with_name("pythonw.exe")
    command = (str(windowless) if windowless.is_file() else sys.executable, *SERVE[1:])
    path = home() / "vaporbrush-task.xml"
    make_folder(path.parent)
    path.write_text(task(command, getpass.getuser()), encoding="utf-16")  # schtasks reads nothing else
    try:
        _run("schtasks", "/Create", "/TN", TASK, "/XML", str(path), "/F")
        _run("schtasks", "/Run", "/TN", TASK)
    finally:
        path.unlink()
    return [_("The daemon runs as a task of yours and starts at every logon.")]


def _prepared() -> Path:
    """A home that clients can connect to before its daemon has ever run. Returns the socket's path."""
    folder = home()
    instance.prepare(folder)
    path = instance.socket_path(folder)
    try:
        known = Connection.read(folder)
    except LinkError:
        known = Connection(endpoints=(), token=new_token(), start=(*SERVE, "--idle-exit"))
    Connection(
        endpoints=(f"ipc://{path}",), token=known.token, start=known.start, log=str(folder / "logs" / "daemon.log")
    ).write(folder)
    return path


def _stop_other() -> None:
    """End a daemon that was started by hand: two cannot serve one home."""
    if any(path.is_file() for path in _places()):
        return  # the manager's own: it restarts that
    try:
        client = connect()
    except LinkError:  # none runs
        return
    with client:
        client.shutdown()
    if not wait_for(lambda: has_ended(home()), STOP_S):
        raise VaporbrushError("busy", "The daemon that runs does not end; `vaporbrush stop --now`, then try again.")


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if os.environ.get(name)}


def _filled(template: str, **values: str) -> str:
    text = (packaged.templates() / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _quoted(word: str) -> str:
    """One word of a unit's line, systemd.syntax(7) "Quoting"; a per cent sign begins a specifier."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{word}"'


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise VaporbrushError("disk_full", f"{path} cannot be written: {error.strerror or error}.") from None


def _reach_systemd() -> None:
    """Raise `VaporbrushError` before anything is changed where no manager would take notice of it."""
    try:
        _systemctl("show-environment")
    except VaporbrushError as error:
        raise VaporbrushError(
            "internal", f"systemd does not answer for this user ({error.message}). Do this from an"
            f" ordinary login, not through su or in a container. {WITHOUT}"
        ) from None  # fmt: skip


def _systemctl(*arguments: str) -> str:
    return _run("systemctl", "--user", *arguments)


def _run(*command: str, check: bool = True) -> str:
    """A manager's command. Raises `VaporbrushError` with what it said."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise VaporbrushError(
            "internal", f"`{command[0]}` is not there: this system has no service manager that Vaporbrush knows."
            f" {WITHOUT}"
        ) from None  # fmt: skip
    if check and done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:300]
        raise VaporbrushError("internal", f"`{' '.join(command)}` failed: {said or f'status {done.returncode}'}")
    return done.stdout.strip()
