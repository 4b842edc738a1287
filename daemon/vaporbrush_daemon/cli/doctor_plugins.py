"""The part of `vaporbrush doctor` that looks at the plug-ins: whether they are whole, and which painter they start."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from vaporbrush_daemon.install import gimp as install_gimp
from vaporbrush_daemon.install import host_programs, vendor
from vaporbrush_daemon.install import krita as install_krita
from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol import installation
from vaporbrush_protocol.endpoint import Connection, home
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.installed_command import installed_command
from vaporbrush_protocol.version import __version__

from . import terminal
from .finding import Finding, discreet


def krita() -> Iterator[Finding]:
    """What is to be said of each Krita."""
    profiles = install_krita.profiles()
    for profile in profiles:
        yield _plugin(profile.name, profile.pykrita, "krita")
    if not profiles:
        yield Finding("Krita", "note", _("not found for this user"))


def gimp() -> Iterator[Finding]:
    """What is to be said of each GIMP."""
    profiles = install_gimp.profiles()
    for profile in profiles:
        yield _plugin(profile.name, profile.target, "gimp")
    for _snap in install_gimp.snaps():
        yield Finding("GIMP (Snap)", "note", _("cannot be supported: a Snap may not see the daemon's folder"))
    if not profiles:
        yield Finding("GIMP", "note", _("no GIMP 3 found for this user"))


def _plugin(name: str, target: Path, host: str) -> Finding:
    cure = f"vaporbrush install {host}"
    try:
        installed = vendor.read(target)
    except VaporbrushError as error:
        return Finding(name, "failed", discreet(error.message), cure)
    if installed is None:
        return _from_zip(name, target) or Finding(name, "note", _("is here, the plug-in is not"), cure)
    gone = [file for file in installed.files if not (target / file).is_file()]
    if gone:
        text = _n(
            "of the plug-in's {files} files, {count} are gone",
            "of the plug-in's {files} files, {count} are gone",
            len(gone),
        )
        return Finding(name, "failed", text.format(files=len(installed.files), count=len(gone)), cure)
    if installed.version != __version__:
        text = _("has the plug-in of version {version}").format(version=installed.version)
        return Finding(name, "failed", text, cure)
    return _copied(name, target, _("has the plug-in, {version}").format(version=installed.version), cure)


def _copied(name: str, target: Path, text: str, cure: str) -> Finding:
    """A plug-in that this command, or another one, has copied: which painter it starts."""
    start = _start_of_plugin(target)
    painter = installation.installed()
    if start and not Path(start[0]).is_file():
        gone = _("{plugin}, but the painter that it starts is gone: {path}")
        return Finding(name, "failed", gone.format(plugin=text, path=discreet(start[0])), cure)
    if start:
        own = Path(start[0]).parent == Path(sys.executable).parent
        other = _("{plugin}, and starts the painter of {path}").format(plugin=text, path=discreet(start[0]))
        return Finding(name, "fine", text if own else other)
    if painter is None:
        removed = _("{plugin}, but the painter that it starts was removed").format(plugin=text)
        return Finding(name, "failed", removed, cure)
    where = discreet(str(painter.root))
    if not painter.whole:
        damaged = _("{plugin}, but its painter at {path} is damaged").format(plugin=text, path=where)
        return Finding(name, "failed", damaged, cure)
    return Finding(name, "fine", _with_painter(text, painter))


def _with_painter(text: str, painter: installation.Installation) -> str:
    line = _("{plugin}, painter installed at {path} ({version}, {backend})")
    where = discreet(str(painter.root))
    return line.format(plugin=text, path=where, version=painter.version, backend=painter.backend)


def _start_of_plugin(target: Path) -> list[str]:
    """The command beside a plug-in; empty where it starts the painter that a plug-in installed."""
    for file in (target / "vaporbrush" / host_programs.START_FILE, target / host_programs.START_FILE):
        try:
            return [str(word) for word in json.loads(file.read_text(encoding="utf-8"))["start"]]
        except (OSError, ValueError, KeyError, TypeError):  # not there, or unusable: the plug-in looks further too
            continue
    return []


def _from_zip(name: str, target: Path) -> Finding | None:
    """A plug-in that its host imported from the zip; it looks after its own painter."""
    for kit in (target / "vaporbrush" / "painter" / "kit.json", target / "painter" / "kit.json"):
        try:
            version = str(json.loads(kit.read_text(encoding="utf-8"))["version"])
        except (OSError, ValueError, KeyError, TypeError):  # no kit: not from the zip
            continue
        text = _("plug-in from the zip, {version}").format(version=version)
        painter = installation.installed()
        where = discreet(str(painter.root)) if painter is not None else ""
        begun, opened = _begun(), _("Open {program}.").format(program=name)
        if painter is not None and painter.whole:
            text = _with_painter(text, painter)
            if begun:  # an update, or another build: this one paints until then
                unfinished = _("{plugin}; an install is not finished: {step}").format(plugin=text, step=begun)
                return Finding(name, "note", unfinished, opened)
            return Finding(name, "fine", text)
        if begun:
            partial = _("{plugin}; the painter is not whole yet: {step}").format(plugin=text, step=begun)
            return Finding(name, "note", partial, opened)
        if painter is None:
            return _without_painter(name, text)
        damaged = _("{plugin}; its painter at {path} is damaged").format(plugin=text, path=where)
        return Finding(name, "failed", damaged, _("Press Repair in {program}.").format(program=name))
    return None


def _without_painter(name: str, text: str) -> Finding:
    """A plug-in from the zip uses a painter that has run here before, or that it finds where programs are."""
    try:
        start = Connection.read(home()).start
    except LinkError:  # none ever ran here
        start = ()
    if not start or not Path(start[0]).is_file():
        start = installed_command()
    if not start:
        cure = _("Press Install in {program}, or run this, so that it finds this painter: vaporbrush serve")
        never = _("{plugin}; it has installed no painter, and this one never ran").format(plugin=text)
        return Finding(name, "note", never, cure.format(program=name))
    own = Path(start[0]).parent == Path(sys.executable).parent
    used = _("{plugin}; it has installed no painter and uses this one")
    if not own:
        used = _("{plugin}; it has installed no painter and uses the one of {path}")
    return Finding(name, "note", used.format(plugin=text, path=discreet(start[0])))


def _begun() -> str:
    """How far an install of the painter has come that did not end (yet); empty where none was begun."""
    try:
        raw = json.loads((home() / "installing.json").read_text(encoding="utf-8"))
        step, done, total = str(raw["step"]), int(raw["done"]), int(raw["total"])
    except (OSError, ValueError, RecursionError, KeyError, TypeError):
        return ""  # as the plug-in takes it, which then begins anew
    return f"{step}, {terminal.of(done, total)}" if total else step
