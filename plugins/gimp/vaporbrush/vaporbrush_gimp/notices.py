"""What the dialog has to say above its fields: how the daemon is, and what went wrong, each with what can be done."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from typing import Any

from gi.repository import GLib, Gtk

from vaporbrush_host.daemon_monitor import Action, Condition, DaemonMonitor, Estimated
from vaporbrush_host.job_threads import FetchThread, RunState
from vaporbrush_host.ui_text import _, expected, lost, next_step
from vaporbrush_protocol.errors import LinkError, VaporbrushError

from .layers import Place
from .problems import copy, report
from .styles import Source, title_of

WIDEST = 90  # characters of a line: a sentence is read in lines, not in a ribbon
SILENT = ("looking", "ready", "loading")  # conditions of which nothing need be said
QUIET = ("lite", "starting")


def estimate_line(news: Estimated, *, film: bool = False) -> str:
    """What is expected, or what is wrong with what is asked for. Why the daemon cannot be used is said elsewhere. Of a
    `film` only the first frame is known beforehand: what others take, what they have in common decides.
    """
    if news.estimate and film:
        return _("The first frame takes {expected}.").format(expected=expected(news.estimate))
    if news.estimate:
        return _("Takes {expected}.").format(expected=expected(news.estimate))
    error = news.error
    unusable = error is None or isinstance(error, LinkError) or error.code == "unsupported_version"
    return "" if error is None or unusable else error.message


def title_words(name: str, more: int, *, film: bool) -> str:
    """The dialog's title: what is painted, and how many `more` layers after it; or all frames of an image."""
    if film:
        return _("Vaporbrush – all frames of {layer}").format(layer=name)
    title = _("Vaporbrush – {layer} and {more} more") if more else _("Vaporbrush – {layer}")
    return title.format(layer=name, more=more)


class Notice(Gtk.InfoBar):
    """A sentence, what to do about it in smaller type, and buttons."""

    def __init__(self) -> None:
        super().__init__(no_show_all=True)
        self._first = Gtk.Label(xalign=0, wrap=True, max_width_chars=WIDEST)
        self._second = Gtk.Label(xalign=0, wrap=True, max_width_chars=WIDEST)
        self._icon = Gtk.Image(valign=Gtk.Align.START)
        words = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=2)
        words.pack_start(self._first, False, False, 0)
        words.pack_start(self._second, False, False, 0)
        words.show()
        self._first.show()
        self._icon.show()
        self.get_content_area().add(self._icon)  # dark themes show a notice's kind by nothing else
        self.get_content_area().add(words)
        self._actions: dict[int, Any] = {}
        self.connect("response", lambda _bar, number: self._actions[number]())

    def say(self, kind: Gtk.MessageType, first: str, second: str, actions: list[tuple[str, str, Any]]) -> None:
        """Show it; `actions` are (label, tooltip, function)."""
        self.set_message_type(kind)
        icon = "dialog-error" if kind == Gtk.MessageType.ERROR else "dialog-warning"
        self._icon.set_from_icon_name(icon, Gtk.IconSize.LARGE_TOOLBAR)
        self.words(first, second)
        for button in self.get_action_area().get_children():
            button.destroy()
        self._actions.clear()
        for number, (label, tip, act) in enumerate(actions):
            self._actions[number] = act
            self.add_button(label, number).set_tooltip_text(tip or None)
        self.show()

    def words(self, first: str, second: str) -> None:
        """Replace what it says."""
        self._first.set_text(first)
        self._second.set_markup(f"<small>{GLib.markup_escape_text(second)}</small>")
        self._second.set_visible(bool(second))


class Hint(Gtk.Box):
    """A quiet line with at most one button, for what is good to know but needs no answer."""

    def __init__(self) -> None:
        super().__init__(spacing=6, no_show_all=True)
        self._label = Gtk.Label(xalign=0, ellipsize=3)
        self._label.get_style_context().add_class("dim-label")
        self._button = Gtk.Button(relief=Gtk.ReliefStyle.NONE)
        self._button.connect("clicked", lambda _button: self._act())
        self._act: Any = None
        self.pack_start(self._label, True, True, 0)
        self.pack_start(self._button, False, False, 0)
        self._label.show()

    def say(self, text: str, actions: list[tuple[str, str, Any]]) -> None:
        """Show a text, and the first of the actions (label, tooltip, function)."""
        self._label.set_text(text)
        self._button.set_visible(bool(actions))
        for label, tip, act in actions[:1]:
            self._button.set_label(label)
            self._button.set_tooltip_text(tip or None)
            self._act = act
        self.show()


class Notices(Gtk.Box):
    """A notice for the last error, one for a daemon that cannot be used, and `hint` for everything milder."""

    def __init__(self, monitor: DaemonMonitor) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.hint = Hint()
        self._monitor = monitor
        self._condition, self._error = Notice(), Notice()
        self._state: Condition | None = None
        self._fetch: FetchThread | None = None
        self._fetched: queue.SimpleQueue[RunState] = queue.SimpleQueue()
        for notice in (self._error, self._condition):
            self.pack_start(notice, False, False, 0)

    def show_condition(self, condition: Condition) -> None:
        """The daemon's condition; nothing while all is well."""
        self._state = condition
        if self._fetch is not None:
            return
        self._condition.hide()
        self.hint.hide()
        actions = [
            (action.label, action.tip, lambda action=action: self._act(action))
            for action in condition.actions
            if action.verb != "unload"
        ]
        if condition.kind in QUIET or (condition.kind == "stopped" and condition.startable and not actions[1:]):
            self.hint.say(condition.short, actions)
        elif condition.kind not in SILENT:
            self._condition.say(Gtk.MessageType.WARNING, condition.short, condition.sentence, actions)

    def show_error(self, error: VaporbrushError, trace: str, *, begun: bool = False) -> None:
        """What went wrong, the next step, the log, and *Copy details*; not what the daemon's notice says already."""
        if self._condition.get_visible() and self._state is not None and error.message in self._state.sentence:
            return
        log = "" if self._state is None else self._state.log
        daemon = "" if self._state is None else self._state.daemon
        ended = lost(error, begun=begun, again=_("Preview or OK"))
        where = _("Log: {path}").format(path=log) if log else ""
        second = "\n".join(filter(None, ("" if ended else next_step(error.code), where)))
        details = report(error, trace, log, daemon)
        copying = (_("Copy details"), "", lambda: copy(details))
        self._error.say(Gtk.MessageType.ERROR, ended or error.message, second, [copying])

    def clear_error(self) -> None:
        """A new attempt begins."""
        self._error.hide()

    def tried(self, act: Callable[[], None]) -> None:
        """Do what was pressed, and show what went wrong in it."""
        self.clear_error()
        try:
            act()
        except VaporbrushError as error:
            self.show_error(error, "")

    def tick(self) -> None:
        """Show how far the full model is."""
        while self._fetch is not None and not self._fetched.empty():
            state = self._fetched.get()
            self._fetching(state.line)
            if state.ended:
                self._fetch = None
                if state.error is not None:
                    self.show_error(state.error, state.report)
                self._monitor.look()
                if self._state is not None:
                    self.show_condition(self._state)

    def _fetching(self, line: str) -> None:
        words = " · ".join(filter(None, (_("Getting the full model"), line)))
        self.hint.say(words, [(_("Stop"), "", self._fetch.cancel)] if self._fetch is not None else [])

    def _act(self, action: Action) -> None:
        if action.verb == "start":
            self._monitor.start_daemon()
        elif action.verb == "fetch":
            self._fetch = FetchThread("vgg19", self._fetched.put, self._monitor.connect)
            self._fetch.start()
            self._fetching("")
        elif action.verb == "copy_command" and self._state is not None:
            copy(self._state.command)
        elif action.verb == "copy_details" and self._state is not None:
            copy("\n".join(filter(None, (self._state.sentence or self._state.short, self._state.log))))


class ProgressRow(Gtk.Box):
    """How far a painting is: a bar, below it words and the time that is left, and a note of what was not foreseen."""

    def __init__(self) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._bar = Gtk.ProgressBar()
        self._line = Gtk.Label(xalign=0, ellipsize=3)
        self._left = Gtk.Label(xalign=1)
        self._note = Gtk.Label(xalign=0, wrap=True, max_width_chars=1, no_show_all=True)  # as wide as what is above it
        words = Gtk.Box(spacing=6)
        words.pack_start(self._line, True, True, 0)
        words.pack_end(self._left, False, False, 0)
        for widget in (self._bar, words, self._note):
            self.pack_start(widget, False, False, 0)

    def show_state(self, state: RunState | None, words: str, note: str) -> None:
        """Show a painting's state (None: there is none), and say this."""
        self._bar.set_fraction(0.0 if state is None or state.fraction is None else state.fraction)
        self._left.set_text("" if state is None else state.left)
        self._line.set_text(words)
        self._note.set_text(note)
        self._note.set_visible(bool(note))


def progress_words(
    place: Place, sources: Sequence[Source], state: RunState | None, *, keeping: bool, stale: bool
) -> str:
    """The line below the preview. `keeping`: the person has asked for the end; `stale`: something was changed since."""
    if not sources:
        return _("Choose a style.")
    if state is None or state.error is not None:
        return _("“{layer}” in the style of “{style}”").format(layer=place.name, style=title_of(sources))
    if keeping:
        return _("Keeping what is painted…")
    if stale:
        return _("Something was changed: Preview shows it.")
    if state.stage == "done":
        return _("Painted. OK takes it.")
    return state.line
