"""What a test sees of the plug-in's windows.

Python runs this at the start of every plug-in of a GIMP under test (by PYTHONPATH). In ours, it tells every tenth of a
second which widgets are on the screen, where, and in which state. The test looks at that as a person looks at the
screen, and acts by mouse and keyboard only.
"""

import json
import os
import sys
from pathlib import Path

EVERY_MS = 100
EVERY_NTH = 211  # value of a picture is looked at; no multiple of 2, 3 or 5


class Eyes:
    """Gtk is there only once the plug-in has imported it."""

    def __init__(self, gtk):
        self.gtk = gtk
        self.found = []

    def look(self):
        """All widgets of all windows of this process."""
        for window in self.gtk.Window.list_toplevels():
            if window.get_mapped() and window.get_window() is not None:
                _left, x, y = window.get_window().get_origin()
                self.walk(window, window, (x, y))
        return self.found

    def walk(self, window, widget, origin):
        """The widget and what is in it, from the outside in."""
        if not widget.get_mapped():
            return
        place = widget.translate_coordinates(window, 0, 0)
        room = widget.get_allocation()
        if place is not None and room.width > 1:
            box = [origin[0] + place[0], origin[1] + place[1], room.width, room.height]
            entry = {"kind": type(widget).__name__, "box": box, "sensitive": widget.is_sensitive()}
            entry["beyond"] = self.beyond(widget, room.height // 2)
            self.found.append(entry | self.facts(widget))
            if isinstance(widget, self.gtk.IconView):
                self.tiles(widget, box)
        for child in self.children(widget):
            self.walk(window, child, origin)

    def beyond(self, widget, middle):
        """Where its middle is in what can be scrolled: -1 above the part that is shown, 0 in it, 1 below."""
        pane = widget.get_ancestor(self.gtk.Viewport)
        if pane is None:
            return 0
        _left, y = widget.translate_coordinates(pane, 0, middle)
        return (y >= pane.get_allocated_height()) - (y < 0)

    def children(self, widget):
        """What is in a widget, also what it made by itself."""
        inside = []
        if isinstance(widget, self.gtk.Container):
            widget.forall(inside.append)
        return inside

    def facts(self, widget):
        """What can be read on it."""
        gtk, facts = self.gtk, {}
        if isinstance(widget, (gtk.Label, gtk.Entry)):
            facts["text"] = widget.get_text()
        elif isinstance(widget, gtk.ComboBoxText):
            facts["text"] = widget.get_active_text()
        elif isinstance(widget, gtk.Button):
            facts["text"] = self.caption(widget)
        elif isinstance(widget, gtk.Window):
            facts["text"] = widget.get_title()
        elif isinstance(widget, gtk.ProgressBar):
            facts["fraction"] = widget.get_fraction()
        elif isinstance(widget, gtk.Image):
            facts["picture"] = self.picture(widget)
        if isinstance(widget, gtk.Button):
            facts["tip"] = widget.get_tooltip_text()
        if isinstance(widget, gtk.ToggleButton):
            facts["active"] = widget.get_active()
        if isinstance(widget, gtk.ListBoxRow):
            facts["active"] = widget.is_selected()
        return facts

    def picture(self, image):
        """Of what an image shows: width and height in the screen's pixels, mean and spread of its values."""
        if image.get_storage_type() == self.gtk.ImageType.SURFACE:
            surface = image.get_property("surface")
            size, values = [surface.get_width(), surface.get_height()], bytes(surface.get_data())
        elif image.get_storage_type() == self.gtk.ImageType.PIXBUF:
            pixbuf = image.get_pixbuf()
            size, values = [pixbuf.get_width(), pixbuf.get_height()], pixbuf.get_pixels()
        else:
            return None
        some = values[::EVERY_NTH]
        mean = sum(some) / len(some)
        return [*size, mean, (sum((value - mean) ** 2 for value in some) / len(some)) ** 0.5]

    def caption(self, widget):
        """The text on a button."""
        if isinstance(widget, self.gtk.Label):
            return widget.get_text()
        return next(filter(None, map(self.caption, self.children(widget))), "")

    def tiles(self, view, box):
        """The thumbnails of a grid: their title, and whether they are selected."""
        for row in view.get_model():
            seen, cell = view.get_cell_rect(row.path, None)
            if seen:
                place = [box[0] + cell.x, box[1] + cell.y, cell.width, cell.height]
                active = view.path_is_selected(row.path)
                self.found.append({"kind": "Tile", "text": row[1], "box": place, "sensitive": True, "active": active})


def tell():
    """Write down what is seen; the file appears whole."""
    gtk = sys.modules.get("gi.repository.Gtk")
    if gtk is not None:
        target = Path(os.environ["VAPORBRUSH_TEST_WIDGETS"])
        partial = target.with_suffix(".part")
        partial.write_text(json.dumps(Eyes(gtk).look()))
        partial.replace(target)
    return True


if any(word.endswith("/vaporbrush.py") for word in sys.orig_argv):
    from gi.repository import GLib

    GLib.timeout_add(EVERY_MS, tell)
