"""Puts the plug-in into every profile of GIMP 3, native and Flatpak, and takes exactly that away again."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vaporbrush_daemon import machine, packaged
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.errors import RequestError, VaporbrushError

from . import host_programs, vendor

NAME = "vaporbrush"
ENTRY = "vaporbrush.py"  # GIMP runs what is called like its folder, and only if it may be executed
LIBRARIES = PurePosixPath()  # GIMP gives each plug-in a process of its own: its folder is the module path
FLATPAK = "org.gimp.GIMP"
VERSION = re.compile(r"3\.\d+")  # GIMP 2 has another API; each 3.x has a profile of its own


@dataclass(frozen=True, slots=True)
class Profile:
    """One GIMP's folder of settings and plug-ins."""

    name: str
    folder: Path
    flatpak: bool = False

    @property
    def target(self) -> Path:
        """Where the plug-in goes."""
        return self.folder / "plug-ins" / NAME


def profiles(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> list[Profile]:
    """Every GIMP 3 profile of this user; only the one that GIMP3_DIRECTORY names where that is set, as for GIMP."""
    environment = os.environ if environment is None else environment
    own = Path(environment.get("HOME") or Path.home())
    if environment.get("GIMP3_DIRECTORY"):
        return [Profile("GIMP (GIMP3_DIRECTORY)", own / environment["GIMP3_DIRECTORY"])]
    found = [Profile(f"GIMP {folder.name}", folder) for folder in _versions(_settings(environment, own, platform))]
    if platform == "win32":
        for cache in host_programs.store_caches("GIMP", environment, own):
            store = _versions(cache / "Roaming" / "GIMP")
            found += [Profile(f"GIMP {folder.name} (Microsoft Store)", folder) for folder in store]
    if platform.startswith("linux"):
        sandbox = own / ".var" / "app" / FLATPAK / "config" / "GIMP"
        found += [Profile(f"GIMP {folder.name} (Flatpak)", folder, flatpak=True) for folder in _versions(sandbox)]
    return found


def snaps(environment: Mapping[str, str] | None = None) -> list[Path]:
    """Profiles of GIMP's Snap, which cannot be supported."""
    environment = os.environ if environment is None else environment
    snap = Path(environment.get("HOME") or Path.home()) / "snap" / "gimp" / "current"
    return [folder for inside in ("GIMP", ".config/GIMP") for folder in _versions(snap / inside)]


def _settings(environment: Mapping[str, str], own: Path, platform: str) -> Path:
    if platform == "win32":
        return Path(environment.get("APPDATA") or own / "AppData" / "Roaming") / "GIMP"
    if platform == "darwin":
        return own / "Library" / "Application Support" / "GIMP"
    return Path(environment.get("XDG_CONFIG_HOME") or own / ".config") / "GIMP"


def _versions(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from sorted(one for one in folder.iterdir() if one.is_dir() and VERSION.fullmatch(one.name))


def flatpak_is_here(environment: Mapping[str, str] | None = None) -> bool:
    """Whether GIMP's Flatpak is installed. It may share the native GIMP's profile, so that no folder tells."""
    environment = os.environ if environment is None else environment
    own = Path(environment.get("HOME") or Path.home())
    places = (own / ".var" / "app", own / ".local" / "share" / "flatpak" / "app", Path("/var/lib/flatpak/app"))
    return any((place / FLATPAK).is_dir() for place in places)


def install(*, own: bool = False) -> list[str]:
    """Install into every profile. Returns what was done, one sentence each. Raises `VaporbrushError`. With `own`, the
    plug-in starts the painter of this command, also where a plug-in has installed one.
    """
    snap = _(
        "GIMP (Snap): not supported. A Snap may not read hidden folders, so that the plug-in could not find the "
        "daemon. Use GIMP from your distribution, as Flatpak or as AppImage. Found: {path}"
    )
    found, unsupported = profiles(), [snap.format(path=path) for path in snaps()]
    if not found and not unsupported:
        raise RequestError(
            "bad_field", _("No profile of GIMP 3 was found for this user. Start GIMP 3 once, then run this again.")
        )
    sentences = [sentence for profile in found for sentence in _install(profile, own=own)]
    if found and flatpak_is_here() and host_programs.allow_tcp():
        sentences.append(_("The daemon will listen on 127.0.0.1 for the Flatpak, from its next start."))
    return sentences + unsupported


def uninstall() -> list[str]:
    """Remove from every profile. Returns what was done, one sentence each."""
    sentences = [sentence for profile in profiles() for sentence in _uninstall(profile)]
    return sentences or [_("Vaporbrush was not installed in GIMP.")]


def _install(profile: Profile, *, own: bool) -> list[str]:
    before = vendor.replaced(profile.target)
    installed = vendor.install(packaged.plugins() / "gimp" / NAME, profile.target, LIBRARIES)
    try:
        (profile.target / host_programs.START_FILE).write_bytes(host_programs.start_file(own=own))
        (profile.target / ENTRY).chmod(0o755)
    except OSError as error:
        raise VaporbrushError("disk_full", f"{profile.target} cannot be changed: {error.strerror or error}.") from None
    host_programs.check(profile.target / LIBRARIES)
    sentences = [host_programs.news(profile.name, before, installed, profile.target)]
    if which := host_programs.painter_sentence(own=own):
        sentences.append(which)
    if before != installed:
        start = _("Start GIMP and choose Filters ▸ Artistic ▸ Vaporbrush…")
        sentences.append(_("Restart GIMP and choose Filters ▸ Artistic ▸ Vaporbrush…") if _runs() else start)
    return sentences


def _runs() -> bool:
    names = ("gimp", "gimp-3", *(f"gimp-3.{minor}" for minor in range(0, 10, 2)))
    return any(machine.runs(name) for name in names)


def _uninstall(profile: Profile) -> list[str]:
    before = vendor.read(profile.target)
    if before is None:
        return []
    (profile.target / host_programs.START_FILE).unlink(missing_ok=True)
    changed = vendor.uninstall(profile.target)
    if profile.target.is_dir() and not any(profile.target.iterdir()):
        profile.target.rmdir()
    return host_programs.removed(profile.name, before, changed)
