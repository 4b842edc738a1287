"""The dialog's help: how to paint, and what each control does. The second half is the one table of controls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gi.repository import Gdk, GLib, Gtk

from vaporbrush_host.controls import CONTROLS, FILM
from vaporbrush_host.ui_text import _

WIDTH, HEIGHT = 560, 480  # px
STEPS = (
    _(
        "Choose a style: a bundled one, a layer of any open image, or a picture file. “Add another style” mixes "
        "several of them."
    ),
    _(
        "Press Preview and watch the painting take shape. It goes on to its full size by itself; every change of a "
        "control can be previewed anew."
    ),
    _(
        "Press OK to take the painting as a new layer above the one that is painted, or Keep this to stop and take it "
        "as it looks. A selection limits the painting, softness included."
    ),
    _(
        "Presets keeps styles and settings under a name. Krita and the command line have the same presets; Export "
        "writes one into a single file, with its style pictures, for another computer."
    ),
    _(
        "Filters ▸ Repeat paints another layer in the same way. “Vaporbrush: Restylize” paints a painted layer anew "
        "from what it was painted from, beginning with the settings kept with it."
    ),
    _("If something does not work, run this in a terminal: vaporbrush doctor"),
)


def add_help(window: Any) -> None:
    """Have the window's Help button and F1 show our help. GIMP's own button would look for a chapter of its manual."""
    missing = window.get_widget_for_response(Gtk.ResponseType.HELP)
    if missing is not None:
        missing.destroy()
    button = Gtk.Button(label=_("_Help"), use_underline=True, visible=True)
    button.connect("clicked", lambda _button: show_help(window))
    buttons = window.get_action_area()
    buttons.pack_start(button, False, False, 0)
    buttons.set_child_secondary(button, True)
    window.connect("key-press-event", lambda _window, event: event.keyval == Gdk.KEY_F1 and show_help(window))


def show_help(parent: Gtk.Window) -> bool:
    """Until it is closed."""
    dialog = Gtk.Dialog(title=_("Vaporbrush Help"), transient_for=parent, modal=True)
    dialog.set_default_size(WIDTH, HEIGHT)
    text = Gtk.Label(wrap=True, xalign=0, yalign=0, selectable=True, margin=12)
    text.set_markup("\n\n".join(_paragraphs()))
    scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER)
    scrolled.add(text)
    dialog.get_content_area().pack_start(scrolled, True, True, 0)
    close = dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
    dialog.show_all()
    close.grab_focus()
    text.select_region(0, 0)
    dialog.run()
    dialog.destroy()
    return True


def _paragraphs() -> Iterator[str]:
    """Pango markup."""
    for number, step in enumerate(STEPS, 1):
        yield f"{number}. {GLib.markup_escape_text(step)}"
    for control in (*CONTROLS, *FILM):
        title = GLib.markup_escape_text(control.label)
        yield f"<b>{title}</b>\n{GLib.markup_escape_text(control.tip)}"
        for option in control.options:
            if option.tip:
                yield f"   <i>{GLib.markup_escape_text(option.label)}</i>: {GLib.markup_escape_text(option.tip)}"
