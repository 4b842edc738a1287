"""The style chooser: bundled styles, the layers of all open images, or a picture file, as a grid of thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import GdkPixbuf, Gimp, Gio, GLib, GObject, Gtk, Pango

from vaporbrush_host.words import _

from .pictures import THUMB, blank, square
from .styles import Source, layers_of_all_images, of_file, of_layer

PICTURE, TITLE, TIP, SOURCE = range(4)  # columns of a grid's model
COLUMNS = 4
ROWS_SEEN = 2.2  # a row that is cut off says that there is more below
TILE = THUMB + 40  # with its title and margins
# Themes for image editors keep their selection faint; a choice has to be seen at a glance.
CHOSEN = (
    b"iconview:selected { background-color: @theme_selected_bg_color; background-color: alpha(@theme_fg_color, 0.45); }"
)


class Grid(Gtk.ScrolledWindow):
    """Thumbnails with titles, one of which may be chosen."""

    def __init__(self, chosen: Callable[[Source], None], empty: str) -> None:
        super().__init__(hscrollbar_policy=Gtk.PolicyType.NEVER, shadow_type=Gtk.ShadowType.IN)
        self.set_size_request(-1, int(TILE * ROWS_SEEN))
        self._chosen = chosen
        self.model = Gtk.ListStore(GdkPixbuf.Pixbuf, str, str, GObject.TYPE_PYOBJECT)
        self.view = Gtk.IconView(model=self.model, item_width=THUMB, columns=COLUMNS, margin=2)
        css = Gtk.CssProvider()
        css.load_from_data(CHOSEN)
        self.view.get_style_context().add_provider(css, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
        self.view.set_item_padding(3)
        self.view.set_row_spacing(2)
        self.view.set_column_spacing(2)
        self.view.set_pixbuf_column(PICTURE)
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
        note = Gtk.Label(label=empty, wrap=True, justify=Gtk.Justification.CENTER, margin=18)
        note.get_style_context().add_class("dim-label")
        self._stack.add_named(note, "empty")
        self.add(self._stack)
        self.show_all()
        self._seen()

    def put(self, source: Source, picture: GdkPixbuf.Pixbuf, tip: str) -> Gtk.TreeIter:
        """Add one."""
        row = self.model.append([picture, source.title, GLib.markup_escape_text(tip), source])
        self._seen()
        return row

    def choose(self, match: Callable[[Source], bool]) -> bool:
        """Select the first one that matches."""
        for row in self.model:
            if match(row[SOURCE]):
                self.view.select_path(row.path)
                self.view.scroll_to_path(row.path, False, 0, 0)
                return True
        return False

    def _seen(self) -> None:
        self._stack.set_visible_child_name("grid" if len(self.model) else "empty")

    def _changed(self, view: Gtk.IconView) -> None:
        paths = view.get_selected_items()
        if paths:
            self._chosen(self.model[paths[0]][SOURCE])


class StyleChooser(Gtk.Box):
    """Three pages, one choice. `changed` is called with the source whenever a person or `choose` picks one."""

    def __init__(self, content: Any, changed: Callable[[Source], None]) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.source: Source | None = None
        self._changed = changed
        self._content = content
        self._settling = False
        self._stack = Gtk.Stack(hhomogeneous=True, vhomogeneous=True)
        self.bundled = Grid(self._chosen, _("The bundled styles appear here as soon as Vaporbrush runs."))
        self.layers = Grid(self._chosen, _("There is no other layer. Open the picture that you want as style in GIMP."))
        self._stack.add_titled(self.bundled, "bundled", _("Bundled"))
        self._stack.add_titled(self.layers, "layers", _("Layers"))
        self._stack.add_titled(self._file_page(), "file", _("Picture file"))
        switcher = Gtk.StackSwitcher(stack=self._stack, homogeneous=True)
        for button in switcher.get_children():
            button.set_hexpand(True)
        self.pack_start(switcher, False, False, 0)
        self.pack_start(self._stack, True, True, 0)
        self.show_all()
        self._waiting = iter(layers_of_all_images())
        GLib.idle_add(self._next_layer)  # thumbnails one by one: a hundred layers must not hold the dialog back

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
        self._button.connect("file-set", lambda button: self._take_file(button.get_file()))
        self._file_picture = Gtk.Image()
        box.pack_start(self._button, False, False, 0)
        box.pack_start(self._file_picture, True, True, 0)
        return box

    def choose(self, source: Source) -> None:
        """Show a source as the chosen one."""
        if source.file is not None:
            self._button.set_file(source.file)
            self._take_file(source.file)
            self._stack.set_visible_child_name("file")
        elif source.layer is not None:
            self.source = source
            self._stack.set_visible_child_name("layers")
            self._show_layer(source)
        else:
            self.source = source
            self._stack.set_visible_child_name("bundled")
            self.bundled.choose(lambda other: other.name == source.name)

    def add_bundled(self, source: Source, picture: GdkPixbuf.Pixbuf, tip: str) -> None:
        """A bundled style has arrived from the daemon."""
        self.bundled.put(source, square(picture), tip)
        if self.source is not None and self.source.name == source.name:
            self.bundled.choose(lambda other: other.name == source.name)

    def _show_layer(self, source: Source) -> bool:
        number = source.layer.get_id()
        return self.layers.choose(lambda other: other.layer.get_id() == number)

    def _next_layer(self) -> bool:
        image, layer = next(self._waiting, (None, None))
        if layer is None:
            return GLib.SOURCE_REMOVE
        if layer.get_id() != self._content.get_id():
            picture = layer.get_thumbnail(THUMB, THUMB, Gimp.PixbufTransparency.SMALL_CHECKS)
            tip = _("“{layer}” of {image}, {width} × {height} px").format(
                layer=layer.get_name(), image=image.get_name(), width=layer.get_width(), height=layer.get_height()
            )
            self.layers.put(of_layer(layer), square(picture) if picture else blank(), tip)
            if self.source is not None and self.source.layer is not None:
                self._show_layer(self.source)
        return GLib.SOURCE_CONTINUE

    def _take_file(self, file: Gio.File | None) -> None:
        if file is None:
            return
        try:
            width = self.get_allocated_width() or 3 * TILE
            picture = GdkPixbuf.Pixbuf.new_from_file_at_scale(file.get_path(), width, int(TILE * 2), True)
            self._file_picture.set_from_pixbuf(picture.apply_embedded_orientation() or picture)
        except (GLib.Error, TypeError):  # GIMP opens more formats than this library; the painting does not depend on it
            self._file_picture.set_from_icon_name("image-x-generic", Gtk.IconSize.DIALOG)
        self._chosen(of_file(file))

    def _chosen(self, source: Source) -> None:
        if self._settling or (self.source is not None and self.source == source):
            return
        self.source = source
        self._settling = True  # the other pages let go of what they had chosen
        if source.layer is None:
            self.layers.view.unselect_all()
        if not source.name:
            self.bundled.view.unselect_all()
        if source.file is None:
            self._button.unselect_all()
            self._file_picture.clear()
        self._settling = False
        self._changed(source)
