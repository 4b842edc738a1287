"""The list of the styles that are mixed: a row for each with its weight, and the button that adds one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GdkPixbuf, Gimp, Gtk

from vaporbrush_host import regions
from vaporbrush_host.regions import Place, Region
from vaporbrush_host.style_selection import StyleSelection
from vaporbrush_host.ui_text import _

from .fields import leave_wheel_to_column
from .layers import select, selected_region
from .pictures import blank, put_picture, region_picture, scale_of, show_choice
from .styles import Source

SIDE = 32  # px of a row's picture
REGION_SIZE = (48, SIDE)  # px; a region's picture fits into it
LEAST, MOST, STEP = 0.1, 100.0, 0.5  # weights; beyond a hundred to one the lighter style is not seen any more

Pictured = Callable[[Source, int], GdkPixbuf.Pixbuf]


class SelectionList(Gtk.Box):
    """Shows a mix of two or more styles, or of one that has a region or may get one; otherwise only the button.
    `changed` is called with the mix that was asked for.

    The selected row is the one that the next choice in the grids replaces.
    """

    def __init__(self, changed: Callable[[StyleSelection[Source]], None], pictured: Pictured, image: Any) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._mix: StyleSelection[Source] = StyleSelection()
        self._changed = changed
        self._pictured = pictured
        self._image = image  # that regions belong to
        self._selected = False  # whether it has a selection
        self._list = Gtk.ListBox(selection_mode=Gtk.SelectionMode.SINGLE, no_show_all=True)
        self._list.connect("row-activated", lambda _list, row: self._changed(self._mix.turn(row.get_index())))
        self._add = Gtk.Button(label=_("Add another style"), relief=Gtk.ReliefStyle.NONE, halign=Gtk.Align.START)
        self._add.set_image(Gtk.Image.new_from_icon_name("list-add", Gtk.IconSize.BUTTON))
        self._add.set_always_show_image(True)
        self._add.set_tooltip_text(_("Mix several styles, each with its weight."))
        self._add.connect("clicked", lambda _button: self._changed(self._mix.add()))
        self._add_here = Gtk.Button(label=regions.ANOTHER, relief=Gtk.ReliefStyle.NONE, no_show_all=True)
        self._add_here.set_image(Gtk.Image.new_from_icon_name("list-add", Gtk.IconSize.BUTTON))
        self._add_here.set_always_show_image(True)
        self._add_here.set_tooltip_text(regions.ANOTHER_TIP)
        self._add_here.connect("clicked", lambda _button: self._changed(self._mix.add(self._region())))
        buttons = Gtk.Box(spacing=6)
        buttons.pack_start(self._add, False, False, 0)
        buttons.pack_start(self._add_here, False, False, 0)
        self.pack_start(self._list, False, False, 0)
        self.pack_start(buttons, False, False, 0)
        self.show_all()

    def show_selected(self, selected: bool) -> None:
        """The image has a selection from now on, or has none."""
        if selected != self._selected:
            self._selected = selected
            self.show_selection(self._mix, anew=True)

    def show_selection(self, mix: StyleSelection[Source], *, anew: bool = False) -> None:
        """Show this one from now on; rows in which only a weight has changed stay, and keep the focus."""
        before, after = ([(source.key, source.region) for source in one.styles] for one in (self._mix, mix))
        changed = anew or after != before or mix.adding != self._mix.adding
        self._mix = mix
        if changed:
            for row in self._list.get_children():
                row.destroy()
            regional = any(source.region for source in mix.styles)
            if len(mix.styles) > 1 or mix.adding or regional or (mix.styles and self._selected):
                for at, source in enumerate(mix.styles):
                    self._list.add(self._row(at, source))
                if mix.adding:
                    self._list.add(self._empty_row(len(mix.styles)))
        self._list.set_visible(bool(self._list.get_children()))
        self._list.select_row(self._list.get_row_at_index(mix.at))
        may_add = bool(mix.styles) and not mix.adding and not mix.full
        self._add.set_sensitive(may_add)
        self._add_here.set_sensitive(may_add)
        self._add_here.set_visible(self._selected)

    def _region(self) -> Region | None:
        """What is selected; None where that was given up meanwhile."""
        return None if Gimp.Selection.is_empty(self._image) else selected_region(self._image)

    def _row(self, at: int, source: Source) -> Gtk.Widget:
        weight = Gtk.SpinButton.new_with_range(LEAST, MOST, STEP)
        weight.set_digits(1)
        leave_wheel_to_column(weight)
        weight.set_value(source.weight)
        weight.set_tooltip_text(_("How much this style counts among the others."))
        weight.connect("value-changed", lambda spin: self._changed(self._mix.weigh(at, round(spin.get_value(), 1))))
        title = Gtk.Label(label=source.title, xalign=0, ellipsize=3)
        words = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, valign=Gtk.Align.CENTER)
        words.pack_start(title, False, False, 0)
        if any(other.region for other in self._mix.styles):
            where = Gtk.Label(label=regions.IN_REGION if source.region else regions.IN_THE_REST, xalign=0)
            where.get_style_context().add_class("dim-label")
            words.pack_start(where, False, False, 0)
        mixed = [Gtk.Label(label="×"), weight] if len(self._mix.styles) > 1 else []
        return self._line(at, self._pictured(source, SIDE), words, *self._place(at, source), *mixed)

    def _place(self, at: int, source: Source) -> list[Gtk.Widget]:
        """The button that gives a style its region; once it has one, its picture with a menu."""
        if source.region is None:
            if not self._selected:
                return []
            here = Gtk.Button(label=regions.HERE_SHORT, tooltip_text=regions.HERE_TIP, relief=Gtk.ReliefStyle.NONE)
            here.connect("clicked", lambda _button: self._changed(self._mix.place(at, self._region())))
            return [here]
        menu, found = Gtk.Menu(), source.region
        canvas = Place(0, 0, self._image.get_width(), self._image.get_height())
        choices: list[tuple[str, bool, Callable[[], object]]] = [
            (regions.HERE, self._selected, lambda: self._changed(self._mix.place(at, self._region()))),
            (regions.EVERYWHERE, True, lambda: self._changed(self._mix.place(at, None))),
            (regions.SELECT, found.place.meets(canvas) is not None, lambda: select(self._image, found)),
        ]
        for text, possible, act in choices:
            entry = Gtk.MenuItem(label=text, sensitive=possible)
            entry.connect("activate", lambda _entry, act=act: act())
            menu.append(entry)
        menu.show_all()
        button = Gtk.MenuButton(popup=menu, relief=Gtk.ReliefStyle.NONE, tooltip_text=regions.REGION_TIP)
        picture, dense = Gtk.Image(), scale_of(self)
        put_picture(picture, region_picture(found, canvas, (REGION_SIZE[0] * dense, REGION_SIZE[1] * dense)))
        button.set_image(picture)
        button.set_always_show_image(True)
        return [button]

    def _empty_row(self, at: int) -> Gtk.Widget:
        title = Gtk.Label(label=_("Choose the next style above."), xalign=0, ellipsize=3)
        title.get_style_context().add_class("dim-label")
        return self._line(at, blank(SIDE * scale_of(self)), title)

    def _line(self, at: int, picture: GdkPixbuf.Pixbuf, title: Gtk.Widget, *more: Gtk.Widget) -> Gtk.Widget:
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
