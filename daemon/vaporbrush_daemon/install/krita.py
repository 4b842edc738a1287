"""Puts the plug-in into Krita's profiles, native and Flatpak, and takes exactly that away again."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vaporbrush_daemon import machine, packaged
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError, VaporbrushError

from . import host_programs, vendor

LIBRARIES = PurePosixPath("vaporbrush/vendor")  # not the plug-in's own folder: its module names are common words
ACTION = "vaporbrush.action"  # Krita looks for it in actions/, so that the entries can be given shortcuts
SECTION, KEY = "[python]", "enable_vaporbrush"
FLATPAK = "org.kde.krita"


@dataclass(frozen=True, slots=True)
class Profile:
    """Where one Krita keeps its data and its settings."""

    name: str
    data: Path
    settings: Path
    flatpak: bool = False

    @property
    def pykrita(self) -> Path:
        """Where its plug-ins are."""
        return self.data / "pykrita"


def profiles(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> list[Profile]:
    """Every Krita of this user that is there or could be: one that has run, or whose program is installed."""
    environment = os.environ if environment is None else environment
    own = Path(environment.get("HOME") or Path.home())
    found = [_native(environment, own, platform)]
    if not (found[0].data.is_dir() or found[0].settings.is_file() or shutil.which("krita")):
        found = []
    if platform == "win32":
        for cache in host_programs.store_caches("Krita", environment, own):
            found.append(Profile("Krita (Microsoft Store)", cache / "Roaming" / "krita", cache / "Local" / "kritarc"))
    sandbox = own / ".var" / "app" / FLATPAK
    if platform.startswith("linux") and sandbox.is_dir():
        found.append(Profile("Krita (Flatpak)", sandbox / "data" / "krita", sandbox / "config" / "kritarc", True))
    return found


def _native(environment: Mapping[str, str], own: Path, platform: str) -> Profile:
    if platform == "win32":
        roaming = Path(environment.get("APPDATA") or own / "AppData" / "Roaming")
        return Profile("Krita", roaming / "krita", host_programs.local_data(environment, own) / "kritarc")
    if platform == "darwin":
        library = own / "Library"
        return Profile("Krita", library / "Application Support" / "krita", library / "Preferences" / "kritarc")
    data = Path(environment.get("XDG_DATA_HOME") or own / ".local" / "share")
    settings = Path(environment.get("XDG_CONFIG_HOME") or own / ".config")
    return Profile("Krita", data / "krita", settings / "kritarc")


def install(*, own: bool = False) -> list[str]:
    """Install into every profile. Returns what was done, one sentence each. Raises `VaporbrushError`. With `own`, the
    plug-in starts the painter of this command, also where a plug-in has installed one.
    """
    running = _("Krita is running, and would overwrite its settings when it ends. Close Krita to install into it.")
    found = _ready(running)
    if not found:
        raise RequestError(
            "bad_field",
            _("No Krita was found for this user. Install Krita (an AppImage: start it once), then run this again."),
        )
    return [sentence for profile in found for sentence in _install(profile, own=own)]


def uninstall() -> list[str]:
    """Remove from every profile. Returns what was done, one sentence each."""
    running = _("Krita is running, and would overwrite its settings when it ends. Close Krita to uninstall from it.")
    sentences = [sentence for profile in _ready(running) for sentence in _uninstall(profile)]
    return sentences or [_("Vaporbrush was not installed in Krita.")]


def _ready(running: str) -> list[Profile]:
    if machine.runs("krita"):
        raise VaporbrushError("busy", running)
    return profiles()


def _install(profile: Profile, *, own: bool) -> list[str]:
    before = vendor.replaced(profile.pykrita)
    installed = vendor.install(packaged.plugins() / "krita", profile.pykrita, LIBRARIES)
    _write(profile.pykrita / "vaporbrush" / host_programs.START_FILE, host_programs.start_file(own=own))
    _write(profile.data / "actions" / ACTION, (profile.pykrita / ACTION).read_bytes())
    text = _settings(profile)
    enabled = with_key(text, SECTION, KEY, "true")
    if enabled != text:
        _write(profile.settings, enabled.encode())
    host_programs.check(profile.pykrita / LIBRARIES)
    sentences = [host_programs.news(profile.name, before, installed, profile.pykrita)]
    if which := host_programs.painter_sentence(own=own):
        sentences.append(which)
    if profile.flatpak and host_programs.allow_tcp():
        sentences.append(_("The daemon will listen on 127.0.0.1 for the Flatpak, from its next start."))
    if before is None:
        sentences.append(_("Start Krita and choose Settings ▸ Dockers ▸ Vaporbrush."))
    return sentences


def _uninstall(profile: Profile) -> list[str]:
    before = vendor.read(profile.pykrita)
    if before is None:
        return []
    for path in (profile.pykrita / "vaporbrush" / host_programs.START_FILE, profile.data / "actions" / ACTION):
        path.unlink(missing_ok=True)
    changed = vendor.uninstall(profile.pykrita)
    text = _settings(profile)
    disabled = without_key(text, SECTION, KEY)
    if disabled != text and not disabled:
        profile.settings.unlink()  # it was the install that made it
    elif disabled != text:
        _write(profile.settings, disabled.encode())
    return host_programs.removed(profile.name, before, changed)


def _settings(profile: Profile) -> str:
    try:
        return profile.settings.read_text(encoding="utf-8")
    except FileNotFoundError:  # Krita has not run here yet
        return ""
    except (OSError, ValueError) as error:
        raise VaporbrushError("internal", f"Krita's settings {profile.settings} cannot be read: {error}.") from None


def with_key(text: str, section: str, key: str, value: str) -> str:
    """An INI text in which `section` has `key=value`; everything else stays byte for byte."""
    line = f"{key}={value}"
    begin, end = _section(text, section)
    if begin is None:
        gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
        return f"{text}{gap}{section}\n{line}\n"
    body = text[begin:end]
    pattern = re.compile(rf"^{re.escape(key)}[ \t]*=.*$", re.MULTILINE)
    body = pattern.sub(line, body, count=1) if pattern.search(body) else f"{line}\n{body}"
    return text[:begin] + body + text[end:]


def without_key(text: str, section: str, key: str) -> str:
    """An INI text in which `section` lacks `key`; a section left empty goes too."""
    begin, end = _section(text, section)
    if begin is None:
        return text
    body = re.sub(rf"^{re.escape(key)}[ \t]*=.*\n?", "", text[begin:end], count=1, flags=re.MULTILINE)
    if body != text[begin:end] and not body.strip():
        return text[:begin].removesuffix(f"{section}\n").removesuffix("\n") + text[end:]
    return text[:begin] + body + text[end:]


def _section(text: str, section: str) -> tuple[int | None, int]:
    """Where a section's body begins (after its heading's line) and ends."""
    heading = re.search(rf"^{re.escape(section)}[ \t]*\n?", text, re.MULTILINE)
    if heading is None:
        return None, 0
    following = re.compile(r"^\[", re.MULTILINE).search(text, heading.end())
    return heading.end(), len(text) if following is None else following.start()


def _write(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data)
    except OSError as error:
        raise VaporbrushError("disk_full", f"{path} cannot be written: {error.strerror or error}.") from None
