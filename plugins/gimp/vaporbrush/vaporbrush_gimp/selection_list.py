"""The list of the styles that are mixed: a row for each with its weight, and the button that adds one."""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import GdkPixbuf, Gtk

from vaporbrush_host.style_selection import StyleSelection
from vaporbrush_host.ui_text import _

from .fields import leave_wheel_to_column
from .pictures import blank, put_picture, scale_of, show_choice
from .styles import Source

SIDE = 32  # px of a row's picture
LEAST, MOST, STEP = 0.1, 100.0, 0.5  # weights; beyond a hundred to one the lighter style is not seen any more

Pictured = Callable[[Source, int], GdkPixbuf.Pixbuf]


class SelectionList(Gtk.Box):
    """Shows a mix of two or more styles; of one, only the button. `changed` is called with the mix that was asked for.

    The selected row is the one that the next choice in the grids replaces.
    """

    def __init__(self, changed: Callable[[StyleSelection[Source]], None], pictured: Pictured) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._mix: StyleSelection[Source] = StyleSelection()
        self._changed = changed
        self._pictured = pictured
        self._list = Gtk.ListBox(selection_mode=Gtk.SelectionMode.SINGLE, no_show_all=True)
        self._list.connect("row-activated", lambda _list, row: self._changed(self._mix.turn(row.get_index())))
        self._add = Gtk.Button(label=_("Add another style"), relief=Gtk.ReliefStyle.NONE, halign=Gtk.Align.START)
        self._add.set_image(Gtk.Image.new_from_icon_name("list-add", Gtk.IconSize.BUTTON))
        self._add.set_always_show_image(True)
        self._add.set_tooltip_text(_("Mix several styles, each with its weight."))
        self._add.connect("clicked", lambda _button: self._changed(self._mix.add()))
        self.pack_start(self._list, False, False, 0)
        self.pack_start(self._add, False, False, 0)
        self.show_all()

    def show_selection(self, mix: StyleSelection[Source], *, anew: bool = False) -> None:
        """Show this one from now on; rows in which only a weight has changed stay, and keep the focus."""
        before = [source.key for source in self._mix.styles]
        if anew or [source.key for source in mix.styles] != before or mix.adding != self._mix.adding:
            for row in self._list.get_children():
                row.destroy()
            if len(mix.styles) > 1 or mix.adding:
                for at, source in enumerate(mix.styles):
                    self._list.add(self._row(at, source))
                if mix.adding:
                    self._list.add(self._empty_row(len(mix.styles)))
        self._mix = mix
        self._list.set_visible(bool(self._list.get_children()))
        self._list.select_row(self._list.get_row_at_index(mix.at))
        self._add.set_sensitive(bool(mix.styles) and not mix.adding and not mix.full)

    def _row(self, at: int, source: Source) -> Gtk.Widget:
        weight = Gtk.SpinButton.new_with_range(LEAST, MOST, STEP)
        weight.set_digits(1)
        leave_wheel_to_column(weight)
        weight.set_value(source.weight)
        weight.set_tooltip_text(_("How much this style counts among the others."))
        weight.connect("value-changed", lambda spin: self._changed(self._mix.weigh(at, round(spin.get_value(), 1))))
        title = Gtk.Label(label=source.title, xalign=0, ellipsize=3)
        return self._line(at, self._pictured(source, SIDE), title, Gtk.Label(label="×"), weight)

    def _empty_row(self, at: int) -> Gtk.Widget:
        title = Gtk.Label(label=_("Choose the next style above."), xalign=0, ellipsize=3)
        title.get_style_context().add_class("dim-label")
        return self._line(at, blank(SIDE * scale_of(self)), title)

    def _line(self, at: int, picture: GdkPixbuf.Pixbuf, title: Gtk.Label, *more: Gtk.Widget) -> Gtk.Widget:
        remove = Gtk.Button.new_from_icon_name("edit-delete", Gtk.IconSize.BUTTON)
        remove.set_relief(Gtk.ReliefStyle.NONE)
        remove.set_tooltip_text(_("Paint without this style"))
        remove.connect("clicked", lambda _button: self._changed(self._mix.remove(at)))
        line = Gtk.Box(spacing=6, margin=2)
        image = Gtk.Image()
        put_picture(image, picture)
        line.pack_start(image, False, False, 0)
        line.pack_start(title, True, True, 0)
        for widget in (*more, remove):
            line.pack_start(widget, False, False, 0)
        row = Gtk.ListBoxRow()
        show_choice(row, "row", 0.15)
        row.add(line)
        row.show_all()
        return row
