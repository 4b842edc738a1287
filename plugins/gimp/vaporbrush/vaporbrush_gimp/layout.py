"""How large things may be on this screen."""

from __future__ import annotations

from typing import Any

from gi.repository import Gdk, GLib, Gtk

FRAME = 40  # px; a window's title
CANVAS = 420  # px; a painting is judged at this size
AROUND_CANVAS = 240  # px; progress, buttons, the window's frame
TALLEST = 800  # px; where there is no room for the fields they scroll
LEAST_FIELDS = 120  # px; what is left of them in the smallest window
AROUND = 350  # px; what stands above and below them: notice, hint, two rows of buttons, the window's frame


def screen_height() -> int:
    """In pixels, without panels."""
    screens = Gdk.Display.get_default()
    monitor = screens.get_primary_monitor() or screens.get_monitor(0)
    return monitor.get_workarea().height


def canvas_side() -> int:
    """Of the painting, in pixels."""
    return min(CANVAS, screen_height() - AROUND_CANVAS)


def fields_height() -> int:
    """What the fields may take at most, in pixels."""
    return max(LEAST_FIELDS, min(TALLEST, screen_height() - AROUND))


def grow_with(window: Gtk.Window, notices: Gtk.Widget) -> None:
    """Have notices that come and go make the window higher and lower, as far as the screen goes, not what is below."""
    before = 1  # px; GTK gives nothing less than this to what shows nothing

    def resized(_notices: Gtk.Widget, room: Any) -> None:
        nonlocal before
        more, before = room.height - before, room.height
        if more and window.get_mapped():
            width, height = window.get_size()
            GLib.idle_add(window.resize, width, min(height + more, screen_height() - FRAME))

    notices.connect("size-allocate", resized)


def fit(window: Gtk.Window) -> bool:
    """Give a window the room that what it shows now would like, as far as the screen goes."""
    _least, natural = window.get_preferred_size()
    width, height = window.get_size()
    window.resize(max(width, natural.width), min(max(height, natural.height), screen_height() - FRAME))
    return GLib.SOURCE_REMOVE


def show_end(scrolled: Gtk.ScrolledWindow) -> bool:
    """Scroll to what has just been unfolded (after it has been laid out)."""
    adjustment = scrolled.get_vadjustment()
    adjustment.set_value(adjustment.get_upper())
    return GLib.SOURCE_REMOVE
