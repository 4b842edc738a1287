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
from dataclasses import asdict
from pathlib import Path

import rich_click as click
from click.exceptions import Exit
from rich.text import Text

from vaporbrush_daemon import config, machine, weights
from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import krita as install_krita
from vaporbrush_daemon.install import service, torch_builds, vendor
from vaporbrush_daemon.pip_command import pip_install
from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import FILE, home
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.shown import plain
from vaporbrush_protocol.version import __version__

from . import doctor_plugins, terminal
from .exit_status import DONE, FAILED
from .finding import Finding, discreet, discreet_command
from .options import json_option

PROBE_S = 120.0  # a first import of torch from a slow disk
DISK_BYTES = 2 * 10**9  # the spool of a day's work with large layers
MEMORY_BYTES = 2 * 10**9  # torch, VGG19 and a small picture
MIN_LIBZMQ = (4, 3, 5)  # older ones have known holes
MIN_MSGPACK = (1, 2, 1)
MARKS = {"fine": ("✓", "green"), "note": ("·", "yellow"), "failed": ("✗", "bold red")}


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
        some = _n("{failed} of {count} checks failed.", "{failed} of {count} checks failed.", failed)
        terminal.tell(some.format(failed=failed, count=len(found)))
    raise Exit(FAILED if failed else DONE)


def examine() -> Iterator[Finding]:
    """Every check, one after the other. A check that cannot be made is a failed one."""
    for name, check in CHECKS.items():
        try:
            yield from check()
        except config.ConfigError:
            continue  # reported by the check of the settings
        except (VaporbrushError, OSError) as error:
            yield Finding(name, "failed", discreet(str(error)), "vaporbrush logs")


def _python() -> Iterator[Finding]:
    text = _("{version} on {system}").format(
        version=platform.python_version(), system=f"{platform.system()} {platform.machine()}"
    )
    fine = sys.version_info >= (3, 11)
    yield Finding("Python", "fine" if fine else "failed", text, "" if fine else _("Install Python 3.11 or newer."))
    yield Finding("Vaporbrush", "fine", __version__)


def _libraries() -> Iterator[Finding]:
    import msgpack
    import zmq

    for name, found, least in (
        ("libzmq", zmq.zmq_version_info(), MIN_LIBZMQ),
        ("msgpack", tuple(msgpack.version), MIN_MSGPACK),
    ):
        text, fine = ".".join(map(str, found)), found >= least
        update = _("Update it: {command}").format(command=pip_install("--upgrade", "pyzmq", "msgpack"))
        cure = "" if fine else discreet_command(update)
        yield Finding(name, "fine" if fine else "failed", text, cure)


def _torch() -> Iterator[Finding]:
    command = [sys.executable, "-P", "-m", "vaporbrush_daemon.engine.probe"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_S,
            check=False,
            cwd=sys.prefix,  # ours may be gone, without which torch finds its own libraries no more
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        traced = f"{Path(sys.executable).name} -X faulthandler -m vaporbrush_daemon.engine.probe"
        text, cure = _("did not answer within {seconds} s"), _("Look where it hangs: {command}").format(command=traced)
        yield Finding("PyTorch", "failed", text.format(seconds=f"{PROBE_S:.0f}"), cure)
        return
    except ValueError:
        last = (done.stderr.strip().splitlines() or [_("exit status {status}").format(status=done.returncode)])[-1]
        again = pip_install("--force-reinstall", "torch", "torchvision")
        cure = discreet_command(_("Install it again: {command}").format(command=again))
        yield Finding("PyTorch", "failed", discreet(last), cure)
        return
    kinds = [f"{name} {found[key]}" for name, key in (("CUDA", "cuda"), ("ROCm", "hip")) if found[key]]
    yield Finding("PyTorch", "fine", ", ".join([found["torch"], *kinds]))
    usable = [device for device in found["devices"] if not device["error"]]
    for device in found["devices"]:
        name = _("Device {device}").format(device=device["device"])
        if device["error"]:
            yield Finding(name, "failed", f"{device['title']}: {discreet(device['error'])}")
            continue
        facts = [device["title"], f"{device['gflops']:.0f} GFLOP/s"]
        facts += [_free(device["free_bytes"])] if device["free_bytes"] else []
        yield Finding(name, "fine", ", ".join(fact for fact in facts if fact))
    if len(usable) <= 1:
        yield gpu_finding(torch_builds.look())


def gpu_finding(machine: torch_builds.Machine) -> Finding:
    """What to do where torch uses no GPU: the build that fits, or what stands in the way."""
    build = torch_builds.fitting(machine)
    if build is None:
        return Finding("GPU", "note", _("none that torch can use: the processor paints, which takes minutes"))
    names = ", ".join(dict.fromkeys(gpu.name for gpu in machine.gpus))
    if build.obstacle:
        return Finding("GPU", "failed", f"{names}: {build.obstacle}")
    text = _("{names}: this torch cannot use it").format(names=names)
    return Finding("GPU", "failed", text, discreet_command(build.cure()))


def _free(size: float) -> str:
    return _("{size} free").format(size=terminal.amount(size))


def _room() -> Iterator[Finding]:
    folder = next(path for path in (home(), *home().parents) if path.exists())
    free = shutil.disk_usage(folder).free
    low = free < DISK_BYTES
    yield Finding(_("Disk"), "failed" if low else "fine", _free(free), _cure_disk() if low else "")
    memory = machine.free_memory()
    low = memory < MEMORY_BYTES
    cure = _("Close other programs, or paint with `--model vgg19-lite`.") if low else ""
    yield Finding(_("Memory"), "failed" if low else "fine", _free(memory), cure)


def _cure_disk() -> str:
    cure = _("Free some space, or let VAPORBRUSH_HOME name a folder elsewhere ({folder}).")
    return cure.format(folder=discreet(str(home())))


def _settings() -> Iterator[Finding]:
    try:
        settings = config.load()
    except config.ConfigError as error:  # with which no daemon starts
        cure = discreet(_("Mend that line of {file}, or delete the file.").format(file=home() / config.FILE))
        yield Finding(_("Settings"), "failed", discreet(str(error)), cure)
    else:
        own = ", ".join(sorted(settings.origins))
        text = _("your own: {names}").format(names=own) if own else _("none of your own")
        yield Finding(_("Settings"), "fine", text)


def _weights() -> Iterator[Finding]:
    full, lite = weights.configured()
    for one in (full, lite):
        name = _("Model {model}").format(model=one.model)
        if one.present:
            yield Finding(name, "fine", f"{terminal.amount(one.size)}, {one.origin}")
        elif one.origin == weights.VARIABLE or not lite.present:
            yield Finding(name, "failed", _("not here"), discreet(one.advice))
        else:
            yield Finding(name, "note", _("not here; vgg19-lite paints instead"), one.advice)


def _styles() -> Iterator[Finding]:
    for path, problem in StyleLibrary.of(home()).problems():
        text = discreet(_("{file} cannot be used: {problem}").format(file=path, problem=problem))
        yield Finding(_("Style"), "failed", text, _("Rename, replace or delete it."))


def _daemon() -> Iterator[Finding]:
    try:
        with connect() as client:
            theirs, round_trip_s = str(client.daemon.get("daemon")), client.ping()
    except LinkError as error:
        if error.code == "no_daemon":
            yield Finding(_("Daemon"), "note", _("does not run; the first painting starts it"))
        else:
            yield Finding(_("Daemon"), "failed", discreet(error.message), "vaporbrush stop --now; vaporbrush logs")
        return
    same = theirs == f"vaporbrush {__version__}"
    anew = "vaporbrush install service" if service.look().files else "vaporbrush stop"
    makes_way = _("(makes way for {version})").format(version=__version__)
    cure = "" if same else f"{anew}   {makes_way}"
    text = _("{version}, answers in {milliseconds} ms")
    text = text.format(version=theirs, milliseconds=f"{round_trip_s * 1000:.1f}")
    yield Finding(_("Daemon"), "fine" if same else "failed", text, cure)


def _endpoint() -> Iterator[Finding]:
    if os.name != "posix" or not home().exists():
        return
    for path, wanted in ((home() / FILE, 0o600), (home() / "run", 0o700)):
        if not path.exists():
            continue
        facts = path.stat()
        mode, name = stat.S_IMODE(facts.st_mode), discreet(str(path))
        if facts.st_uid != os.getuid():
            text = _("{file} belongs to another user").format(file=name)
            yield Finding(_("Access"), "failed", text, f"sudo rm -r {name}")
        elif mode & 0o077:
            text = _("{file} is open to others ({mode})").format(file=name, mode=f"{mode:04o}")
            yield Finding(_("Access"), "failed", text, f"chmod {wanted:o} {name}")
        else:
            text = _("{file} is yours alone ({mode})").format(file=name, mode=f"{mode:04o}")
            yield Finding(_("Access"), "fine", text)


def _service() -> Iterator[Finding]:
    found = service.look()
    if not found.files:
        text = _("not installed; the daemon starts when it is needed")
        yield Finding(_("Service"), "note", text, "vaporbrush install service")
    elif found.state in ("active", "waits for a client", "installed"):
        yield Finding(_("Service"), "fine", _service_word(found.state))
    else:
        yield Finding(_("Service"), "failed", found.state, "vaporbrush install service; vaporbrush logs")


def _service_word(state: str) -> str:
    return {"active": _("active"), "waits for a client": _("waits for a client")}.get(state) or _("installed")


def _flatpak() -> Iterator[Finding]:
    """Whether the plug-ins that are in a Flatpak can reach the daemon: its own socket may be out of their sight."""
    places = [(one.name, one.pykrita) for one in install_krita.profiles() if one.flatpak]
    places += [(one.name, one.target) for one in install_gimp.profiles() if one.flatpak]
    names = ", ".join(name for name, target in places if vendor.replaced(target))
    if not names:
        return
    if config.load().listen_tcp:
        yield Finding("Flatpak", "fine", _("the daemon listens on 127.0.0.1 for {names}").format(names=names))
    else:
        cure = _("Write `listen_tcp = true` into {file}, then: vaporbrush stop").format(file=home() / config.FILE)
        text = _("the daemon does not listen on 127.0.0.1, as {names} may need").format(names=names)
        yield Finding("Flatpak", "failed", text, discreet(cure))


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "Python": _python, "Libraries": _libraries, "PyTorch": _torch, "Room": _room, "Settings": _settings,
    "Models": _weights,
    "Styles": _styles, "Daemon": _daemon, "Access": _endpoint, "Service": _service,
    "Krita": doctor_plugins.krita, "GIMP": doctor_plugins.gimp,
    "Flatpak": _flatpak,
}  # fmt: skip
