"""`vaporbrush doctor`: what works here, what does not, and the command that cures it. Nothing private is shown."""

from __future__ import annotations

import json
import os
import platform
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import rich_click as click
from click.exceptions import Exit
from rich.text import Text

from vaporbrush_daemon import config, machine, weights
from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import krita as install_krita
from vaporbrush_daemon.install import service, torch_builds, vendor
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_protocol import installation
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import FILE, home
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.shown import plain
from vaporbrush_protocol.version import __version__

from . import terminal
from .exit_status import DONE, FAILED
from .options import json_option

State = Literal["fine", "note", "failed"]

PROBE_S = 120.0  # a first import of torch from a slow disk
DISK_BYTES = 2 * 10**9  # the spool of a day's work with large layers
MEMORY_BYTES = 2 * 10**9  # torch, VGG19 and a small picture
MIN_LIBZMQ = (4, 3, 5)  # older ones have known holes
MIN_MSGPACK = (1, 2, 1)
MARKS = {"fine": ("✓", "green"), "note": ("·", "yellow"), "failed": ("✗", "bold red")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. A `note` is nothing to worry about; `cure` is a command or a sentence."""

    name: str
    state: State
    text: str
    cure: str = ""


@click.command()
@json_option
def doctor(*, as_json: bool) -> None:
    """Say what works here, what does not, and what to do about it."""
    found = []
    for finding in examine():
        found.append(finding)
        if not as_json:
            line = Text.assemble(MARKS[finding.state], plain(f" {finding.name}: {finding.text}"))
            terminal.out.print(line, soft_wrap=True)
            if finding.cure:
                terminal.out.print(f"    → {finding.cure}", soft_wrap=True)
    failed = sum(finding.state == "failed" for finding in found)
    if as_json:
        click.echo(json.dumps({"ok": not failed, "checks": [asdict(finding) for finding in found]}))
    elif failed:
        terminal.tell(f"{failed} of {len(found)} checks failed.")
    raise Exit(FAILED if failed else DONE)


def examine() -> Iterator[Finding]:
    """Every check, one after the other. A check that cannot be made is a failed one."""
    for name, check in CHECKS.items():
        try:
            yield from check()
        except config.ConfigError:
            continue  # reported by the check of the settings
        except (VaporbrushError, OSError) as error:
            yield Finding(name, "failed", _discreet(str(error)), "vaporbrush logs")


def _python() -> Iterator[Finding]:
    text = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    fine = sys.version_info >= (3, 11)
    yield Finding("Python", "fine" if fine else "failed", text, "" if fine else "Install Python 3.11 or newer.")
    yield Finding("Vaporbrush", "fine", __version__)


def _libraries() -> Iterator[Finding]:
    import msgpack
    import zmq

    for name, found, least in (
        ("libzmq", zmq.zmq_version_info(), MIN_LIBZMQ),
        ("msgpack", tuple(msgpack.version), MIN_MSGPACK),
    ):
        text, fine = ".".join(map(str, found)), found >= least
        cure = "" if fine else f"Update it: {Path(sys.executable).name} -m pip install --upgrade pyzmq msgpack"
        yield Finding(name, "fine" if fine else "failed", text, cure)


def _torch() -> Iterator[Finding]:
    command = [sys.executable, "-P", "-m", "vaporbrush_daemon.engine.probe"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_S, check=False
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        cure = f"Look where it hangs: {Path(sys.executable).name} -X faulthandler -m vaporbrush_daemon.engine.probe"
        yield Finding("PyTorch", "failed", f"did not answer within {PROBE_S:.0f} s", cure)
        return
    except ValueError:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        cure = f"Install it again: {Path(sys.executable).name} -m pip install --force-reinstall torch torchvision"
        yield Finding("PyTorch", "failed", _discreet(last), cure)
        return
    kinds = [f"{name} {found[key]}" for name, key in (("CUDA", "cuda"), ("ROCm", "hip")) if found[key]]
    yield Finding("PyTorch", "fine", ", ".join([found["torch"], *kinds]))
    usable = [device for device in found["devices"] if not device["error"]]
    for device in found["devices"]:
        if device["error"]:
            yield Finding(f"Device {device['device']}", "failed", f"{device['title']}: {_discreet(device['error'])}")
            continue
        facts = [device["title"], f"{device['gflops']:.0f} GFLOP/s"]
        facts += [f"{terminal.amount(device['free_bytes'])} free"] if device["free_bytes"] else []
        yield Finding(f"Device {device['device']}", "fine", ", ".join(fact for fact in facts if fact))
    if len(usable) <= 1:
        yield gpu_finding(torch_builds.look())


def gpu_finding(machine: torch_builds.Machine) -> Finding:
    """What to do where torch uses no GPU: the build that fits, or what stands in the way."""
    build = torch_builds.fitting(machine)
    if build is None:
        return Finding("GPU", "note", "none that torch can use: the processor paints, which takes minutes")
    names = ", ".join(dict.fromkeys(gpu.name for gpu in machine.gpus))
    if build.obstacle:
        return Finding("GPU", "failed", f"{names}: {build.obstacle}")
    return Finding("GPU", "failed", f"{names}: this torch cannot use it", build.cure(Path(sys.executable).name))


def _room() -> Iterator[Finding]:
    folder = next(path for path in (home(), *home().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    low = free < DISK_BYTES
    yield Finding("Disk", "failed" if low else "fine", f"{terminal.amount(free)} free", _cure_disk() if low else "")
    memory = machine.free_memory()
    low = memory < MEMORY_BYTES
    cure = "Close other programs, or paint with `--model vgg19-lite`." if low else ""
    yield Finding("Memory", "failed" if low else "fine", f"{terminal.amount(memory)} free", cure)


def _cure_disk() -> str:
    return f"Free some space, or let VAPORBRUSH_HOME name a folder elsewhere ({_discreet(str(home()))})."


def _settings() -> Iterator[Finding]:
    try:
        settings = config.load()
    except config.ConfigError as error:  # with which no daemon starts
        cure = _discreet(f"Mend that line of {home() / config.FILE}, or delete the file.")
        yield Finding("Settings", "failed", _discreet(str(error)), cure)
    else:
        own = ", ".join(sorted(settings.origins))
        yield Finding("Settings", "fine", f"your own: {own}" if own else "none of your own")


def _weights() -> Iterator[Finding]:
    full, lite = weights.configured()
    for one in (full, lite):
        if one.present:
            yield Finding(f"Model {one.model}", "fine", f"{terminal.amount(one.size)}, {one.origin}")
        elif one.origin == weights.VARIABLE or not lite.present:
            yield Finding(f"Model {one.model}", "failed", "not here", _discreet(one.advice))
        else:
            yield Finding(f"Model {one.model}", "note", "not here; vgg19-lite paints instead", one.advice)


def _styles() -> Iterator[Finding]:
    for path, problem in StyleLibrary.of(home()).problems():
        yield Finding(
            "Style", "failed", _discreet(f"{path} cannot be used: {problem}"), "Rename, replace or delete it."
        )


def _daemon() -> Iterator[Finding]:
    try:
        with connect() as client:
            theirs, round_trip_s = str(client.daemon.get("daemon")), client.ping()
    except LinkError as error:
        if error.code == "no_daemon":
            yield Finding("Daemon", "note", "does not run; the first painting starts it")
        else:
            yield Finding("Daemon", "failed", _discreet(error.message), "vaporbrush stop --now; vaporbrush logs")
        return
    same = theirs == f"vaporbrush {__version__}"
    anew = "vaporbrush install service" if service.look().files else "vaporbrush stop"
    cure = "" if same else f"{anew}   (makes way for {__version__})"
    yield Finding("Daemon", "fine" if same else "failed", f"{theirs}, answers in {round_trip_s * 1000:.1f} ms", cure)


def _endpoint() -> Iterator[Finding]:
    if os.name != "posix" or not home().exists():
        return
    for path, wanted in ((home() / FILE, 0o600), (home() / "run", 0o700)):
        if not path.exists():
            continue
        facts = path.stat()
        mode, name = stat.S_IMODE(facts.st_mode), _discreet(str(path))
        if facts.st_uid != os.getuid():
            yield Finding("Access", "failed", f"{name} belongs to another user", f"sudo rm -r {name}")
        elif mode & 0o077:
            yield Finding("Access", "failed", f"{name} is open to others ({mode:04o})", f"chmod {wanted:o} {name}")
        else:
            yield Finding("Access", "fine", f"{name} is yours alone ({mode:04o})")


def _service() -> Iterator[Finding]:
    found = service.look()
    if not found.files:
        yield Finding(
            "Service", "note", "not installed; the daemon starts when it is needed", "vaporbrush install service"
        )
    elif found.state in ("active", "waits for a client", "installed"):
        yield Finding("Service", "fine", found.state)
    else:
        yield Finding("Service", "failed", found.state, "vaporbrush install service; vaporbrush logs")


def _krita() -> Iterator[Finding]:
    profiles = install_krita.profiles()
    for profile in profiles:
        yield _plugin(profile.name, profile.pykrita, "krita")
    if not profiles:
        yield Finding("Krita", "note", "not found for this user")


def _gimp() -> Iterator[Finding]:
    profiles = install_gimp.profiles()
    for profile in profiles:
        yield _plugin(profile.name, profile.target, "gimp")
    for _ in install_gimp.snaps():
        yield Finding("GIMP (Snap)", "note", "cannot be supported: a Snap may not see the daemon's folder")
    if not profiles:
        yield Finding("GIMP", "note", "no GIMP 3 found for this user")


def _plugin(name: str, target: Path, host: str) -> Finding:
    cure = f"vaporbrush install {host}"
    try:
        installed = vendor.read(target)
    except VaporbrushError as error:
        return Finding(name, "failed", _discreet(error.message), cure)
    if installed is None:
        return _from_zip(name, target) or Finding(name, "note", "is here, the plug-in is not", cure)
    gone = [file for file in installed.files if not (target / file).is_file()]
    if gone:
        return Finding(name, "failed", f"of the plug-in's {len(installed.files)} files, {len(gone)} are gone", cure)
    if installed.version != __version__:
        return Finding(name, "failed", f"has the plug-in of version {installed.version}", cure)
    return Finding(name, "fine", f"has the plug-in, {installed.version}")


def _from_zip(name: str, target: Path) -> Finding | None:
    """A plug-in that its host imported from the zip; it looks after its own painter."""
    for kit in (target / "vaporbrush" / "painter" / "kit.json", target / "painter" / "kit.json"):
        try:
            version = str(json.loads(kit.read_text(encoding="utf-8"))["version"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        text = f"plug-in from the zip, {version}"
        painter = installation.installed()
        if begun := _begun():
            return Finding(name, "note", f"{text}; the painter is not whole yet: {begun}", f"Open {name}.")
        if painter is None:
            return Finding(name, "note", f"{text}; it has installed no painter and uses this one")
        where = _discreet(str(painter.root))
        if not painter.whole:
            return Finding(name, "failed", f"{text}; its painter at {where} is damaged", f"Press Repair in {name}.")
        return Finding(name, "fine", f"{text}, painter installed at {where} ({painter.version}, {painter.backend})")
    return None


def _begun() -> str:
    """How far an install of the painter has come that did not end (yet); empty where none was begun."""
    try:
        raw = json.loads((home() / "installing.json").read_text(encoding="utf-8"))
        step, done, total = str(raw["step"]), int(raw["done"]), int(raw["total"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return ""  # as the plug-in takes it, which then begins anew
    return f"{step}, {terminal.amount(done)} of {terminal.amount(total)}" if total else step


def _flatpak() -> Iterator[Finding]:
    """Whether the plug-ins that are in a Flatpak can reach the daemon: its own socket may be out of their sight."""
    places = [(one.name, one.pykrita) for one in install_krita.profiles() if one.flatpak]
    places += [(one.name, one.target) for one in install_gimp.profiles() if one.flatpak]
    names = ", ".join(name for name, target in places if vendor.replaced(target))
    if not names:
        return
    if config.load().listen_tcp:
        yield Finding("Flatpak", "fine", f"the daemon listens on 127.0.0.1 for {names}")
    else:
        cure = _discreet(f"Write `listen_tcp = true` into {home() / config.FILE}, then: vaporbrush stop")
        yield Finding("Flatpak", "failed", f"the daemon does not listen on 127.0.0.1, as {names} may need", cure)


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "Python": _python, "Libraries": _libraries, "PyTorch": _torch, "Room": _room, "Settings": _settings,
    "Models": _weights,
    "Styles": _styles, "Daemon": _daemon, "Access": _endpoint, "Service": _service, "Krita": _krita, "GIMP": _gimp,
    "Flatpak": _flatpak,
}  # fmt: skip


def _discreet(text: str) -> str:
    """Without the name of the person's folder: these lines are pasted into reports."""
    own = str(Path(os.environ.get("HOME") or Path.home()))
    return text.replace(own, "~") if len(own) > 1 else text
