"""The monitor: one thread that knows how the daemon is, and asks it the short questions (estimate, styles, unload)."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import join
from typing import Any, Literal, TypedDict

from vaporbrush_protocol.client import Client, connect
from vaporbrush_protocol.controls import Option, tuned
from vaporbrush_protocol.endpoint import FILE as CONNECTION_FILE
from vaporbrush_protocol.endpoint import Connection, native
from vaporbrush_protocol.endpoint import home as default_home
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.installation import installed
from vaporbrush_protocol.installed_command import installed_command
from vaporbrush_protocol.launcher import in_flatpak
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.shown import plain

from . import devices
from .ui_text import START_COMMAND, _, byte_count, next_step

DIAGNOSE_COMMAND = "vaporbrush doctor"
POLL_S = 2.0  # how old what the docker says about the daemon may be
BRIEF_S = 5.0  # time-out of the short questions

Kind = Literal[
    "looking", "absent", "stopped", "starting", "wrong_version", "refused", "loading", "lite", "ready", "broken"
]
Verb = Literal["start", "fetch", "unload", "copy_command", "copy_details"]


@dataclass(frozen=True)
class Action:
    """A button beside the daemon's condition."""

    verb: Verb
    label: str
    tip: str = ""


@dataclass(frozen=True)
class Condition:
    """How the daemon is, in words, with what can be done about it. `short` fits a status line; `sentence` a label."""

    kind: Kind
    short: str
    sentence: str = ""
    actions: tuple[Action, ...] = ()
    command: str = ""  # what *Copy command* copies
    log: str = ""
    daemon: str = ""
    device: str = ""
    devices: tuple[Option, ...] = ()  # that can be chosen, besides Automatic and the processor

    @property
    def reachable(self) -> bool:
        """Whether the daemon answers."""
        return self.kind in ("loading", "lite", "ready", "broken")

    @property
    def startable(self) -> bool:
        """Whether a job may be asked for: the daemon answers, or is started for it."""
        return (self.reachable or self.kind in ("stopped", "starting")) and not self.command


@dataclass(frozen=True)
class BundledStyle:
    """A style that the daemon offers by name; `thumb` are RGB rows, 8 bits."""

    name: str
    title: str
    description: str
    tuned: Mapping[str, float]  # the values of controls with which it looks best
    thumb: bytes
    thumb_width: int
    thumb_height: int


@dataclass(frozen=True)
class StylesListed:
    """The daemon's styles."""

    styles: tuple[BundledStyle, ...]


@dataclass(frozen=True)
class Estimated:
    """The answer to the estimate asked for with `ticket`: either of both."""

    ticket: int
    estimate: Mapping[str, Any] | None
    error: VaporbrushError | None


COPY_DETAILS = Action("copy_details", _("Copy details"), _("Copies the error for a report."))
LOOKING = Condition("looking", _("Looking for Vaporbrush…"))
STARTING = Condition("starting", _("Starting Vaporbrush…"))


def installed_start(folder: Path) -> tuple[str, ...]:
    """The command that starts the daemon, as the installer wrote it beside the plug-in; empty in a bare copy."""
    try:
        start = json.loads((folder / "installed.json").read_text(encoding="utf-8"))["start"]
    except (OSError, ValueError, KeyError, TypeError):  # as above
        return ()
    good = isinstance(start, list) and all(isinstance(word, str) for word in start)
    return tuple(map(native, start)) if good else ()


def condition_of_error(error: VaporbrushError, start: Sequence[str], *, flatpak: bool, known: bool) -> Condition:
    """The condition that a failed attempt to reach the daemon means. `known`: it has run here before."""
    if error.code == "unsupported_version":
        sentence = f"{error.message} {next_step(error.code)}"
        return Condition("wrong_version", _("Different versions"), sentence, (COPY_DETAILS,))
    if error.code != "no_daemon":
        return Condition("refused", _("Vaporbrush does not answer"), error.message, (COPY_DETAILS,))
    if flatpak or not (start or known):
        command = join(start) if start else START_COMMAND
        reason = (
            _("A program in a Flatpak cannot start Vaporbrush. Run this in a terminal:")
            if flatpak
            else _("Vaporbrush's daemon was never started here. Run this in a terminal:")
        )
        kind: Kind = "stopped" if flatpak else "absent"
        copy = Action("copy_command", _("Copy command"), command)
        return Condition(kind, _("Vaporbrush is not running"), f"{reason}\n{command}", (copy,), command)
    return Condition(
        "stopped",
        _("Vaporbrush is not running"),
        _("It starts by itself when you stylize a layer."),
        (Action("start", _("Start"), _("Starts Vaporbrush now, so that the first painting begins sooner.")),),
    )


class _Common(TypedDict):
    """What every condition of a daemon that answers has."""

    log: str
    daemon: str
    device: str
    devices: tuple[Option, ...]


def condition_of_status(status: Mapping[str, Any]) -> Condition:
    """The condition that the daemon's own `status` means."""
    workers = [worker for worker in status.get("workers") or () if isinstance(worker, Mapping)]
    told = status.get("model")
    model = told if isinstance(told, Mapping) else {}
    titles, silent = (
        devices.titles(status),
        {"auto", *devices.away(status)},
    )  # auto: none is chosen before the first job
    names = [name for worker in workers if (name := str(worker.get("device", ""))) not in silent]
    device = ", ".join(dict.fromkeys(titles.get(name, name) for name in names))
    idle = [worker for worker in workers if worker.get("state") == "idle"]
    actions: list[Action] = []
    if any(worker.get("device") != "cpu" for worker in idle):
        tip = _("The model leaves the GPU's memory; the next painting loads it again.")
        actions.append(Action("unload", _("Free the GPU"), tip))
    elif idle:
        size = byte_count(sum(int(worker.get("rss_bytes") or 0) for worker in idle))
        tip = _("The model leaves the memory ({size}); the next painting loads it again.").format(size=size)
        actions.append(Action("unload", _("Free memory"), tip))
    common = _Common(
        log=str(status.get("log", "")),
        daemon=str(status.get("daemon", "")),
        device=device,
        devices=devices.offered(status),
    )
    broken = status.get("obstacle")
    if isinstance(broken, Mapping):
        command = plain(broken.get("command", ""))
        sentence = "\n".join(part for part in (plain(broken.get("message", "")), command) if part)
        copy = (Action("copy_command", _("Copy command"), command),) if command else ()
        return Condition("broken", _("Vaporbrush cannot paint"), sentence, copy, command, **common)
    states = {str(worker.get("state")) for worker in workers}
    if "loading" in states or "starting" in states:
        return Condition("loading", _("Loading the model…"), "", tuple(actions), **common)
    if model.get("message"):
        fetch = Action("fetch", _("Get the full model"), _("The full model paints finer detail. It is fetched once."))
        return Condition("lite", _("Ready with the small model"), "", (fetch, *actions), **common)
    word = _("Painting") if "busy" in states else _("Ready")
    return Condition("ready", f"{word} · {device}" if device else word, "", tuple(actions), **common)


class DaemonMonitor(threading.Thread):
    """Posts `Condition`, `StylesListed` and `Estimated` from its own thread. Its methods may be called from any."""

    def __init__(
        self,
        post: Callable[[Condition | StylesListed | Estimated], None],
        *,
        name: str,
        start_command: Sequence[str] = (),
        home: Path | None = None,
    ) -> None:
        super().__init__(name="vaporbrush-daemon-monitor", daemon=True)
        self._post = post
        self._client_name = name
        self._start_command = tuple(start_command)
        self._home = home
        self._client: Client | None = None
        self.condition = LOOKING
        self._boot = ""
        self._todo: queue.SimpleQueue[tuple[str, Any, int]] = queue.SimpleQueue()
        self._ticket = 0
        self._awake = False

    def connect(self) -> Client:
        """A new client, for a run's own thread; starts the daemon where it does not run. Raises `LinkError`."""
        never_ran = not ((self._home or default_home()) / CONNECTION_FILE).exists()
        found = installed_command() if never_ran else ()  # else the launcher knows what ran here last
        return connect(start=self._start() or found or True, home=self._home, name=self._client_name)

    def reach(self) -> Client:
        """The same of a daemon that runs: none is started. Raises `LinkError` where there is none."""
        return connect(home=self._home, name=self._client_name)

    def _start(self) -> tuple[str, ...]:
        """The command that starts the daemon: the installer's, or that of the painter that a plug-in installed."""
        painter = installed(self._home)
        return self._start_command or (painter.start if painter is not None and painter.whole else ())

    def wake(self, awake: bool) -> None:
        """Whether anybody looks: a hidden docker costs nothing."""
        self._todo.put(("wake", awake, 0))

    def start_daemon(self) -> None:
        """Start the daemon now."""
        self._todo.put(("start", None, 0))

    def unload(self) -> None:
        """Give the model's memory back."""
        self._todo.put(("unload", None, 0))

    def look(self) -> None:
        """Ask for the condition now, not at the next poll."""
        self._todo.put(("look", None, 0))

    def estimate(self, recipe: Recipe) -> int:
        """Ask how long a recipe takes; the answer carries the returned ticket. Only the latest question is answered."""
        self._ticket += 1
        self._todo.put(("estimate", recipe, self._ticket))
        return self._ticket

    def stop(self) -> None:
        """End the thread."""
        self._todo.put(("stop", None, 0))

    def run(self) -> None:
        """The thread."""
        while True:
            try:
                verb, value, ticket = self._todo.get(timeout=POLL_S if self._awake else None)
            except queue.Empty:
                verb, value, ticket = "look", None, 0
            if verb == "stop":
                self._drop()
                return
            if verb == "wake":
                self._awake = value
                verb = "look" if value else ""
            if verb == "estimate":
                if ticket == self._ticket:
                    self._estimate(value, ticket)
            elif verb:
                self._do(verb)

    def _do(self, verb: str) -> None:
        try:
            if verb == "start":
                self._tell(STARTING)
                self._drop()
                self._client = self.connect()
            client = self._reached()
            if verb == "unload":
                client.unload()
            self._tell(condition_of_status(client.status()))
            if client.daemon.get("boot") != self._boot:
                self._boot = str(client.daemon.get("boot"))
                self._post(StylesListed(_styles(client)))
        except VaporbrushError as error:
            self._drop()
            self._boot = ""
            trouble = self._trouble(error, started=verb == "start")
            if verb == "start" or trouble.kind != "stopped" or self.condition.kind != "stopped":
                self._tell(trouble)  # why it did not start stands until something changes, not until the next look

    def _trouble(self, error: VaporbrushError, *, started: bool) -> Condition:
        try:
            connection: Connection | None = Connection.read(self._home)
        except LinkError:
            connection = None
        known = connection is not None and bool(connection.start)
        start = self._start() or (connection.start if connection else ()) or installed_command()
        painter = installed(self._home)
        confined = painter is not None and bool(painter.confined)  # the painter is in the same sandbox
        found = condition_of_error(error, start, flatpak=in_flatpak() and not confined, known=known)
        if started and found.kind == "stopped" and not found.command:
            actions = (*found.actions, COPY_DETAILS)
            advice = _("Run this in a terminal, it says what is missing: {command}")
            sentence = f"{error.message}\n{advice.format(command=DIAGNOSE_COMMAND)}"
            found = Condition("stopped", _("Vaporbrush did not start"), sentence, actions)
        return replace(found, log=connection.log if connection else "")

    def _reached(self) -> Client:
        if self._client is None:
            self._client = connect(home=self._home, timeout_s=BRIEF_S, name=self._client_name)
        return self._client

    def _estimate(self, recipe: Recipe, ticket: int) -> None:
        try:
            self._post(Estimated(ticket, self._reached().estimate(recipe), None))
        except VaporbrushError as error:
            if isinstance(error, LinkError):
                self._drop()
            self._post(Estimated(ticket, None, error))

    def _tell(self, condition: Condition) -> None:
        if condition != self.condition:
            self.condition = condition
            self._post(condition)

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


def _styles(client: Client) -> tuple[BundledStyle, ...]:
    found = []
    for raw in client.styles().get("styles") or ():
        thumb = Image.from_wire("thumb", raw.get("thumb"))
        pixels = bytes(client.download(thumb)) if thumb.channels == "RGB" and thumb.depth == "u8" else b""
        found.append(
            BundledStyle(
                name=str(raw.get("name", "")),
                title=plain(raw.get("title") or raw.get("name", "")),
                description=plain(raw.get("description", "")),
                tuned=tuned(raw),
                thumb=pixels,
                thumb_width=thumb.width,
                thumb_height=thumb.height,
            )
        )
    return tuple(found)
