"""Errors as a person meets them: a sentence, the next step, where the log is, and *Copy details*."""

from __future__ import annotations

import platform
import sys

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gdk, Gimp, GimpUi, Gtk

from vaporbrush_host.ui_text import _, details, next_step
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.version import __version__

COPY = 1  # a dialog's response


def can_show() -> bool:
    """Whether there is a screen. (`GimpUi.init` ends the process where there is none.)"""
    return bool(Gtk.init_check([])[0])


def host() -> str:
    """What the details say about this side."""
    python = platform.python_version()
    return f"GIMP {Gimp.version()}, plug-in {__version__}, Python {python}, {sys.platform}"


def report(error: VaporbrushError, trace: str, log: str, daemon: str = "") -> str:
    """What *Copy details* copies."""
    return "\n".join(filter(None, (details(error, log=log, host=host(), daemon=daemon), trace.strip())))


def copy(text: str) -> None:
    """To the clipboard, where it stays when this process ends."""
    clipboard = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)
    clipboard.set_text(text, -1)
    clipboard.set_can_store(None)
    clipboard.store()


def show(error: VaporbrushError, trace: str, log: str) -> None:
    """A dialog of its own, for calls that have none."""
    GimpUi.init("vaporbrush")
    dialog = Gtk.MessageDialog(
        message_type=Gtk.MessageType.ERROR, text=error.message, secondary_text=secondary(error, log)
    )
    dialog.set_title(_("Vaporbrush"))
    for label in dialog.get_message_area().get_children():
        label.set_selectable(True)
        label.set_line_wrap(True)
    dialog.add_button(_("Copy _details"), COPY)
    dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
    dialog.set_default_response(Gtk.ResponseType.CLOSE)
    while dialog.run() == COPY:
        copy(report(error, trace, log))
    dialog.destroy()


def secondary(error: VaporbrushError, log: str) -> str:
    """The next step and the log's path."""
    lines = [next_step(error.code), _("Log: {path}").format(path=log) if log else ""]
    return "\n".join(filter(None, lines))
