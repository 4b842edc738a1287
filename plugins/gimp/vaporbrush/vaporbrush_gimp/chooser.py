"""The style chooser: bundled styles, the layers of all open images, or a picture file, as a grid of thumbnails, and the
mix of those that were chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from gi.repository import GdkPixbuf, Gio, GLib, GObject, Gtk, Pango

from vaporbrush_host.daemon_monitor import Condition
from vaporbrush_host.style_selection import StyleSelection
from vaporbrush_host.ui_text import _

from .pictures import (
    SHARP,
    THUMB,
    blank,
    put_picture,
    scale_of,
    show_choice,
    square,
    surface_of,
    thumbnail,
)
from .selection_list import SelectionList
from .styles import Source, layers_of_all_images, of_file, of_layer

PICTURE, TITLE, TIP, SOURCE = range(4)  # columns of a grid's model
COLUMNS = 4
ROWS_SEEN = 2.05  # the bundled styles; of a third row enough to say that there is more below
COLUMN = THUMB + 15  # px; a tile with its paddings
TILE = THUMB + 40  # with its title and margins
BUNDLED_LATER = _("The bundled styles appear here as soon as Vaporbrush runs.")
BUNDLED_NEVER = _("Layers and picture files can be chosen as styles meanwhile.")
FILE_PICTURE = (COLUMNS * THUMB, int(TILE * 1.6))  # px; as wide as the grid, and not higher than the page


class Grid(Gtk.ScrolledWindow):
    """Thumbnails with titles, one of which may be chosen. `chosen` hears None where a click beside them let go."""

    def __init__(self, chosen: Callable[[Source | None], None], empty: str) -> None:
        super().__init__(hscrollbar_policy=Gtk.PolicyType.NEVER, shadow_type=Gtk.ShadowType.IN)
        self._chosen = chosen
        self.model = Gtk.ListStore(GdkPixbuf.Pixbuf, str, str, GObject.TYPE_PYOBJECT)
        self.view = Gtk.IconView(model=self.model, item_width=THUMB, margin=2, columns=COLUMNS)
        show_choice(self.view, "iconview", 0.45)
        self.view.set_item_padding(3)
        self.view.set_row_spacing(2)
        self.view.set_column_spacing(2)
        picture = Gtk.CellRendererPixbuf()
        self.view.pack_start(picture, False)
        self.view.set_cell_data_func(picture, self._draw_picture)
        self.view.set_tooltip_column(TIP)
        title = Gtk.CellRendererText(
            xalign=0.5, yalign=0, scale=0.85, wrap_width=THUMB, wrap_mode=Pango.WrapMode.WORD_CHAR,
            alignment=Pango.Alignment.CENTER, width=THUMB,
        )  # fmt: skip
        self.view.pack_start(title, False)
        self.view.add_attribute(title, "text", TITLE)
        self.view.connect("selection-changed", self._changed)
        self._stack = Gtk.Stack()
        self._stack.add_named(self.view, "grid")
        self._note = Gtk.Label(label=empty, wrap=True, justify=Gtk.Justification.CENTER, margin=18)
        self._note.get_style_context().add_class("dim-label")
        self._stack.add_named(self._note, "empty")
        self.add(self._stack)
        self.connect("map", lambda _grid: self._show_choice_soon())
        # rows get their places with a frame of the screen's, which comes when it comes
        self.view.connect("size-allocate", lambda _view, _room: self._show_choice_soon())
        self.connect("size-allocate", lambda _grid, room: self._fill_soon(max(1, room.width // COLUMN)))
        self.show_all()
        self._seen()

    def do_get_preferred_width(self) -> tuple[int, int]:
        """(least, natural), for GTK."""
        return COLUMNS * COLUMN, COLUMNS * COLUMN

    def do_get_preferred_height(self) -> tuple[int, int]:
        """(least, natural), for GTK."""
        return int(TILE * ROWS_SEEN), int(TILE * ROWS_SEEN)

    def _fill_soon(self, columns: int) -> None:
        """As many columns as there is room for. Left to itself, GTK makes two rows, however wide that becomes."""
        if columns != self.view.get_columns():
            GLib.idle_add(self.view.set_columns, columns)  # not now, while everything is given its place

    def set_empty(self, text: str) -> None:
        """What is said while there is nothing."""
        self._note.set_text(text)

    def _draw_picture(self, _view: Any, cell: Gtk.CellRendererPixbuf, model: Any, row: Gtk.TreeIter) -> None:
        picture = model[row][PICTURE]
        if SHARP:
            cell.set_property("surface", surface_of(picture, self))
        else:  # pragma: no cover
            cell.set_property("pixbuf", picture)

    def put(self, source: Source, picture: GdkPixbuf.Pixbuf, tip: str) -> Gtk.TreeIter:
        """Add one."""
        row = self.model.append([picture, source.title, GLib.markup_escape_text(tip), source])
        self._seen()
        return row

    def choose(self, source: Source | None) -> None:
        """Select this one alone, if it is here."""
        self.view.unselect_all()
        for row in self.model:
            if source is not None and row[SOURCE].same_source(source):
                self.view.select_path(row.path)
        self._show_choice_soon()

    def _show_choice_soon(self) -> None:
        """Scroll to what is selected, as soon as everything has its place."""
        GLib.idle_add(self._show_choice, priority=GLib.PRIORITY_LOW)

    def _show_choice(self) -> bool:
        for path in self.view.get_selected_items()[:1]:
            there, place = self.view.get_cell_rect(path, None)
            if there:  # it is not the view that scrolls, but what it stands in
                self.get_vadjustment().clamp_page(place.y, place.y + place.height)
        return GLib.SOURCE_REMOVE

    def _seen(self) -> None:
        self._stack.set_visible_child_name("grid" if len(self.model) else "empty")

    def _changed(self, view: Gtk.IconView) -> None:
        paths = view.get_selected_items()
        self._chosen(self.model[paths[0]][SOURCE] if paths else None)


class StyleChooser(Gtk.Box):
    """Three pages from which to choose, and the mix of what was chosen. `changed`: a person changed it."""

    def __init__(self, content: Any, changed: Callable[[], None]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._mix: StyleSelection[Source] = StyleSelection()
        self._changed = changed
        self._content = content
        self._settling = False
        self._file_shown = ""
        self._thumbs: dict[str, GdkPixbuf.Pixbuf] = {}  # of the bundled styles, by name
        self._stack = Gtk.Stack(hhomogeneous=True, vhomogeneous=True)
        self.bundled = Grid(self._chosen, BUNDLED_LATER)
        self.layers = Grid(self._chosen, _("There is no other layer. Open the picture that you want as style in GIMP."))
        self._stack.add_titled(self.bundled, "bundled", _("Bundled"))
        self._stack.add_titled(self.layers, "layers", _("Layers"))
        self._stack.add_titled(self._file_page(), "file", _("Picture file"))
        switcher = Gtk.StackSwitcher(stack=self._stack, homogeneous=True)
        for button in switcher.get_children():
            button.set_hexpand(True)
        self._selection_list = SelectionList(self._mixed, self._pictured, content.get_image())
        self.pack_start(switcher, False, False, 0)
        self.pack_start(self._stack, True, True, 0)
        self.pack_start(self._selection_list, False, False, 0)
        self.show_all()
        self._waiting = iter(layers_of_all_images())
        GLib.idle_add(self._next_layer)  # thumbnails one by one: a hundred layers must not hold the dialog back

    @property
    def sources(self) -> tuple[Source, ...]:
        """The chosen styles."""
        return self._mix.styles

    def set_sources(self, sources: Sequence[Source]) -> None:
        """Show these as chosen."""
        self._show(StyleSelection.of(sources))
        if self.sources:
            self._turn_to_page(self.sources[0])

    def add_bundled(self, source: Source, picture: GdkPixbuf.Pixbuf, tip: str) -> None:
        """A bundled style has arrived from the daemon."""
        self._thumbs[source.name] = square(picture, THUMB * scale_of(self))
        self.bundled.put(source, self._thumbs[source.name], tip)
        # what a script or an earlier session chose has had a name only, and no picture
        named = [replace(one, title=source.title) if one.name == source.name else one for one in self.sources]
        self._show(replace(self._mix, styles=tuple(named)), anew=True)

    def show_selected(self, selected: bool) -> None:
        """The image has a selection from now on, or has none."""
        self._settling = True
        self._selection_list.show_selected(selected)
        self._settling = False

    def show_condition(self, condition: Condition) -> None:
        """What the page of bundled styles says while the daemon has told none."""
        waits = condition.kind in ("looking", "starting") or condition.reachable
        self.bundled.set_empty(BUNDLED_LATER if waits else f"{condition.short}.\n{BUNDLED_NEVER}")

    def _file_page(self) -> Gtk.Widget:
        box = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self._button = Gtk.FileChooserButton(title=_("Choose a style picture"), action=Gtk.FileChooserAction.OPEN)
        pictures = Gtk.FileFilter()
        pictures.set_name(_("Pictures"))
        pictures.add_mime_type("image/*")
        self._button.add_filter(pictures)
        anything = Gtk.FileFilter()
        anything.set_name(_("All files"))
        anything.add_pattern("*")
        self._button.add_filter(anything)
        self._button.connect("file-set", lambda button: self._chosen(of_file(button.get_file())))
        self._file_picture = Gtk.Image()
        box.pack_start(self._button, False, False, 0)
        box.pack_start(self._file_picture, True, True, 0)
        return box

    def _next_layer(self) -> bool:
        image, layer = next(self._waiting, (None, None))
        if layer is None or image is None:
            return GLib.SOURCE_REMOVE
        if layer.get_id() != self._content.get_id():
            tip = _("“{layer}” of {image}, {width} × {height} px").format(
                layer=layer.get_name(), image=image.get_name(), width=layer.get_width(), height=layer.get_height()
            )
            source, chosen = of_layer(layer), self._mix.chosen
            self.layers.put(source, self._pictured(source, THUMB), tip)
            if chosen is not None and source.same_source(chosen):
                self._show(self._mix)
        return GLib.SOURCE_CONTINUE

    # ── what is chosen ───────────────────────────────────────────────────────────────────────────────────────────

    def _chosen(self, source: Source | None) -> None:
        if not self._settling:  # else a program selected it, not a person
            self._mixed(self._mix if source is None else self._mix.choose(source))

    def _mixed(self, mix: StyleSelection[Source]) -> None:
        """A person wants this mix."""
        before, self._mix = self._mix, mix
        if mix.at != before.at and mix.chosen is not None:
            self._turn_to_page(mix.chosen)
        self._show(mix)
        if mix.styles != before.styles:
            self._changed()

    def _show(self, mix: StyleSelection[Source], *, anew: bool = False) -> None:
        """On every page, and in the list below."""
        self._mix = mix
        self._settling = True
        chosen = mix.chosen
        for grid in (self.bundled, self.layers):
            grid.choose(chosen)
        self._show_file(None if chosen is None else chosen.file)
        self._selection_list.show_selection(mix, anew=anew)
        self._settling = False

    def _show_file(self, file: Gio.File | None) -> None:
        uri = "" if file is None else file.get_uri()
        if uri == self._file_shown:
            return
        self._file_shown = uri
        if file is None:
            self._button.unselect_all()
            self._file_picture.clear()
            return
        self._button.set_file(file)
        width, height = (side * scale_of(self) for side in FILE_PICTURE)
        picture = _file_picture(file, width, height)
        if picture is not None:
            put_picture(self._file_picture, picture)
        else:
            self._file_picture.set_from_icon_name("image-x-generic", Gtk.IconSize.DIALOG)

    def _turn_to_page(self, source: Source) -> None:
        page = "bundled" if source.name else "layers" if source.layer is not None else "file"
        self._stack.set_visible_child_name(page)

    def _pictured(self, source: Source, side: int) -> GdkPixbuf.Pixbuf:
        """A square picture of a style, in the screen's pixels."""
        picture, side = None, side * scale_of(self)
        if source.name:
            picture = self._thumbs.get(source.name)
        elif source.file is not None:
            picture = _file_picture(source.file, side * 2, side * 2)
        elif source.is_there():
            picture = thumbnail(source.layer, side)
        return blank(side) if picture is None else square(picture, side)


def _file_picture(file: Gio.File, width: int, height: int) -> GdkPixbuf.Pixbuf | None:
    """A picture file, fitted; None for what GIMP opens but this library does not (the painting needs only GIMP)."""
    try:
        picture = GdkPixbuf.Pixbuf.new_from_file_at_scale(file.get_path(), width, height, True)
    except (GLib.Error, TypeError):  # as above
        return None
    return picture.apply_embedded_orientation() or picture
