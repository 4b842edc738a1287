"""The first page, as both hosts show it: what it says in every state, and what its buttons do. No Qt, no GTK.

A host shows `view()`, calls `press` and its like for clicks, and hands every event that it gets by `post` to `take`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypedDict, Union

from vaporbrush_host.daemon_monitor import installed_start
from vaporbrush_host.settings import Settings
from vaporbrush_host.ui_text import _, byte_count
from vaporbrush_protocol.endpoint import home as default_home
from vaporbrush_protocol.endpoint import native, portable
from vaporbrush_protocol.installation import installed
from vaporbrush_protocol.installed_command import installed_command

from . import places
from .environment import free_bytes
from .gpu import GpuFound, gpu_here
from .index import Index
from .kit import Kit, obstacle, read, this_system
from .places import Want
from .plan import MOVES, Move, State, first_backend, offer, state_of
from .removal import Removal, Removed
from .work import Install, Report

Mode = Literal["hidden", "full", "strip"]
SECTION = "installer"  # of the settings; shared by all hosts
REMOVES_S = 15.0  # how long a host's end waits for a removal: what is half removed would lie around
LABELS: dict[Move, str] = {
    "install": _("Install the painter (about {size})"),
    "go_on": _("Go on"),
    "update": _("Update the painter (about {size})"),
    "repair": _("Repair (about {size})"),
    "change": _("Get it (about {size})"),
    "uninstall": _("Remove the painter"),
}


Event = Union[Report, GpuFound, Removed]  # noqa: UP007 (what the page's threads post; a host's Python may be 3.9)


@dataclass(frozen=True)
class View:
    """What to show. `full` is the first page, in place of the controls; `strip` a line above them."""

    mode: Mode = "hidden"
    title: str = ""
    text: str = ""
    place: str = ""  # the folder, where it may be chosen
    action: str = ""  # the button's label
    line: str = ""  # how far it is
    fraction: float | None = None
    running: bool = False
    stopping: bool = False
    error: bool = False
    dismissable: bool = False
    dismiss: str = _("Not now")  # the label of that button


class _Close(TypedDict):
    dismissable: bool
    dismiss: str


CLOSE = _Close(dismissable=True, dismiss=_("Close"))  # of what has only to be read


class Page:
    """The page of one host program."""

    def __init__(self, plugin: Path, post: Callable[[Event], None], *, by: str, home: Path | None = None) -> None:
        self.home = home or default_home()
        self._kit: Kit | None = read(plugin)
        self._start_command = installed_start(plugin) or (() if places.confined() else installed_command())
        self._system = this_system()
        self._post, self._by = post, by
        self._settings = Settings(self.home)
        self._install: Install | None = None
        self._removal: Removal | None = None
        self._removed: Removed | None = None  # what came of it, until something else is done
        self._report: Report | None = None
        self._gpu: GpuFound | None = None
        self._asked_gpu = False
        self._stopping = False
        self._bundle = ""
        self.root = places.default_root(self.home)
        self.state: State = "impossible"
        self.look()

    # ── what there is ──

    def look(self) -> None:
        """Look at the disk again."""
        self.state = state_of(places.look(self.home, self._kit, self._system, self._start_command))
        begun = places.journal(self.home)
        found = installed(self.home)
        if begun is not None:
            self.root = begun.root
        elif found is not None:
            self.root = found.root
        if self.state == "ready" and self._kit is not None and not self._asked_gpu:
            self._asked_gpu = True
            threading.Thread(target=self._ask_for_gpu, name="vaporbrush-gpu", daemon=True).start()

    def resume(self) -> None:
        """Go on with what was cut by the host's end; what a person stopped waits for a click."""
        begun = places.journal(self.home)
        going = self.state == "unfinished" and not self.running
        if going and self._kit is not None and begun is not None and begun.step != places.STOPPED:
            self._start(replace(begun, version=self._kit.version))

    def introduce(self) -> bool:
        """Whether a person who has just imported the plug-in is to be shown the page: once, unasked."""
        telling = self.view().mode == "full" or (self._kit is not None and self.state == "impossible")
        new = telling and not self._settings.get(SECTION, "introduced", False)
        return new and self._settings.put(SECTION, "introduced", True)

    @property
    def running(self) -> bool:
        """Whether an install or a removal is under way in this program."""
        return self._install is not None or self._removal is not None

    @property
    def removable(self) -> bool:
        """Whether there is a painter that a plug-in installed."""
        return installed(self.home) is not None and not self.running

    # ── clicks ──

    def press(self) -> None:
        """The page's button: the first move that the state allows."""
        if self.running or self._kit is None:
            return
        move = self._move()
        begun = places.journal(self.home)
        if move == "go_on" and begun is not None:
            want = replace(begun, version=self._kit.version, root=self.root, bundle=self._bundle or begun.bundle)
            self._start(want)
        elif move is not None:
            self._start(self._want(self._backend(move)))

    def cancel(self) -> None:
        """Stop; what has been fetched stays."""
        if self._install is not None:
            self._stopping = True
            self._install.cancel()

    def dismiss(self) -> None:
        """Not now: the offer of an update or of a build is not made again. What is shown of a removal has been read."""
        if self._removed is not None:
            self._removed = None
            return
        offered = self._kit.version if self._kit else ""
        if self._gpu is not None and (unused := self._unused()):
            offered = unused
        elif self._gpu is not None and self._move() == "change":
            offered = self._gpu.backend
        self._settings.put(SECTION, "dismissed", [*self._dismissed(), offered])

    def choose_folder(self, folder: Path) -> None:
        """Another place for the painter."""
        self.root = places.chosen_root(folder)

    def choose_bundle(self, path: Path) -> None:
        """Take the files from an offline bundle, and begin."""
        self._bundle = str(path)
        self.press()

    def remove(self, *, everything: bool) -> None:
        """Remove the painter, when its daemon has ended; with `everything` also the person's styles and settings."""
        if self.running:
            return
        self._report, self._removed = None, None
        self._removal = Removal(self.home, self._post, everything=everything)
        self._removal.start()

    # ── what happened ──

    def take(self, event: Event) -> bool:
        """An event from a thread. Returns whether a painter has just become ready."""
        if isinstance(event, Removed):
            self._removal, self._removed = None, event
            self.look()
            return False
        if isinstance(event, GpuFound):
            self._gpu = event
            return False
        self._report = event
        if not event.ended:
            return False
        self._install, stopped = None, self._stopping
        self._stopping = False
        if event.stage == "cancelled" and stopped:
            places.mark_stopped(self.home)
        self.look()
        if event.stage == "done":
            self._report, self._bundle = None, ""
        return event.stage == "done"

    def close(self) -> None:
        """The host ends: an install stops where it is, and goes on at the next start. A removal is waited for."""
        if self._install is not None:
            self._install.cancel()
        if self._removal is not None:
            self._removal.join(REMOVES_S)

    # ── what to show ──

    def view(self) -> View:
        """What to show now."""
        report = self._report
        if self._install is not None and report is not None:
            mode: Mode = "strip" if installed(self.home) and self.state in ("ready", "outdated") else "full"
            return View(
                mode=mode,
                title=_("Installing the painter"),
                line=_("Stopping…") if self._stopping else report.line,
                fraction=report.fraction,
                running=True,
                stopping=self._stopping,
            )
        if self._removal is not None:
            line = _("It stops what it does, and then its files go.")
            return View("full", title=_("Removing the painter"), line=line, running=True, stopping=True)
        return self._view_at_rest(report)

    def _view_at_rest(self, report: Report | None) -> View:
        """While nothing is under way."""
        removed, move = self._removed, self._move()
        hidden = move is None or (self._kit is None and self.state != "impossible")
        if removed is not None and removed.error:
            return View("strip", title=_("The painter is still here"), line=removed.said, error=True, **CLOSE)
        if removed is not None and hidden:
            return View("strip", title=removed.said, **CLOSE)
        if self._gpu is not None and self._unused():
            why = _("{why}. The processor paints.").format(why=self._gpu.why)
            return View("strip", title=_("{gpu} is not used").format(gpu=self._gpu.name), text=why, **CLOSE)
        if self._kit is not None and self.state == "impossible":
            why = obstacle(self._kit, self._system)
            return View("strip", title=_("The painter cannot be installed here"), text=why)
        if move is None or hidden:
            return View()
        error = report.line if report is not None and report.stage == "failed" else ""
        line = error or (removed.said if removed else self._stopped_line(report))
        return replace(self._offer_view(move), line=line, error=bool(error))

    def details(self) -> str:
        """For *Copy details*."""
        report, removed = self._report, self._removed
        lines = [removed.said] if removed else [report.line, report.trace] if report else []
        return "\n".join([*filter(None, lines), f"Log: {self.home / 'logs' / 'install.log'}"])

    def _offer_view(self, move: Move) -> View:
        assert self._kit is not None
        backend = self._backend(move)
        index = self._index()
        lock = self._kit.lock(self._system, backend)
        sources = index.hosts((self._kit.uv[self._system], *(lock.files if lock else ())))
        if self._bundle:
            sources = (Path(self._bundle).name,)
        offered = offer(self._kit, self._system, backend, sources)
        label = LABELS[move].format(size=byte_count(offered.fetch_bytes))
        text = offered.describe(free_bytes(self.root))
        titles = {
            "install": _("Vaporbrush needs its painter"),
            "go_on": _("The painter is not yet whole"),
            "update": _("A newer painter is in this plug-in"),
            "repair": _("The painter is damaged"),
            "change": _("{gpu} can paint faster").format(gpu=self._gpu.name if self._gpu else ""),
        }
        blocking = move in ("install", "go_on", "repair") and not (move == "go_on" and self._usable())
        if move == "install":
            text = _("One click installs it, for you alone. {what}").format(what=text)
            if places.confined():
                text += " " + _(
                    "This program runs in a Flatpak: the painter will run inside of it, and end with it. A GPU may be "
                    "out of its reach. A Vaporbrush that runs outside, as a service of yours, is used instead."
                )
        return View(
            mode="full" if blocking else "strip",
            title=titles[move],
            text=text,
            place=str(self.root) if move == "install" or (move == "go_on" and blocking) else "",
            action=label,
            dismissable=move in ("update", "change"),
        )

    def _move(self) -> Move | None:
        """What the button does; None where the page has nothing to say."""
        if self._kit is None or self.state in ("elsewhere", "impossible"):
            return None
        move = MOVES[self.state][0]
        if move == "update" and self._kit.version in self._dismissed():
            return None
        if move == "change":
            backend = self._gpu.backend if self._gpu is not None else ""
            return move if backend and backend not in self._dismissed() else None
        return move

    def _backend(self, move: Move) -> str:
        assert self._kit is not None
        found, begun = installed(self.home), places.journal(self.home)
        if move == "change" and self._gpu is not None:
            return self._gpu.backend
        named = begun.backend if begun else found.backend if found else ""
        return named if self._kit.lock(self._system, named) else first_backend(self._kit, self._system)

    def _unused(self) -> str:
        """A GPU for which there is no build here, as what a person has read of; empty where there is nothing to say."""
        if self.state != "ready" or self._gpu is None or self._gpu.backend:
            return ""
        read_of = f"unused {self._gpu.name}"
        return "" if read_of in self._dismissed() else read_of

    def _usable(self) -> bool:
        found = installed(self.home)
        return found is not None and found.whole

    def _stopped_line(self, report: Report | None) -> str:
        return report.line if report is not None and report.stage == "cancelled" else ""

    # ── how ──

    def _want(self, backend: str) -> Want:
        assert self._kit is not None
        index = self._index()
        return Want(self._kit.version, backend, self.root, index.url, index.proxy, self._bundle)

    def _index(self) -> Index:
        def setting(name: str) -> str:
            value = self._settings.get(SECTION, name, "")
            return value if isinstance(value, str) else ""

        return Index(setting("index"), setting("proxy"))

    def set_index(self, url: str, proxy: str) -> None:
        """Remember a package index and a proxy of the person's own."""
        self._settings.put(SECTION, "index", url.strip())
        self._settings.put(SECTION, "proxy", proxy.strip())

    def index(self) -> Index:
        """What `set_index` remembered."""
        return self._index()

    def _dismissed(self) -> list[str]:
        found = self._settings.get(SECTION, "dismissed", [])
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def _start(self, want: Want) -> None:
        assert self._kit is not None
        self._removed = None
        self._report = Report(line=_("Looking for space…"))
        mirror = self._settings.get(SECTION, "python_mirror", "")
        self._install = Install(
            self._kit, want, self._system, self.home, self._post, by=self._by, python_mirror=str(mirror or "")
        )
        self._install.start()

    def _ask_for_gpu(self) -> None:
        found = gpu_here(self._kit, self._system, installed(self.home)) if self._kit is not None else None
        if found is not None:
            self._post(found)


def shown_path(path: str) -> str:
    """A path as a host's widgets take it, with ~ for the person's own folder, as people say it."""
    own = str(Path.home())
    if os.name == "posix" and path.startswith(own + os.sep) and len(own) > 1:
        path = "~" + path[len(own) :]
    return portable(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def taken_path(text: str) -> Path:
    """The opposite, for what a person chose."""
    return Path(native(text))
