"""Installing the painter from inside GIMP: the dialog's first page. `vaporbrush_host` decides what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gi.repository import GLib, Gtk

from vaporbrush_host.installer import removal
from vaporbrush_host.installer.page import Page, shown_path
from vaporbrush_host.ui_text import _

from .layout import fit
from .problems import copy

WIDEST = 70  # characters of a line
ELLIPSIS_MIDDLE = 2  # Pango's


class Installer(Gtk.Box):
    """Shows the page's view, and hands it the clicks. Above `rest`, or in place of it where nothing can paint yet."""

    def __init__(self, folder: Path, post: Callable[[Any], None], ready: Callable[[], None], *, by: str) -> None:
        super().__init__(orientation=Gtk.Orientation.VERTICAL, spacing=10, margin=12, no_show_all=True)
        self.page = Page(folder, post, by=by)
        self._ready = ready
        self._rest: tuple[Gtk.Widget, ...] = ()
        self.free = True  # whether something can paint: else the page stands in place of the rest
        self._title, self._text, self._place, self._line = (_label() for _number in range(4))
        self._title.get_style_context().add_class("heading")
        self._bar = Gtk.ProgressBar()
        self._action = _button("", _("Nothing needs an administrator."), self._press)
        self._folder = _button(_("Change…"), _("Install into another folder."), self._choose_folder)
        self._file = _button(
            _("From a file…"), _("For computers without a network: an offline bundle of Vaporbrush."), self._choose_file
        )
        self._network = _button(_("Network…"), _("A package index and a proxy of your own."), self._choose_network)
        self._later = _button("", "", self._dismiss)
        self._details = _button(_("Copy details"), "", lambda: copy(self.page.details()))
        self._cancel = _button(_("Stop"), _("What has been fetched is kept."), self._stop)
        self._where = Gtk.Label(xalign=0, ellipsize=ELLIPSIS_MIDDLE)
        self._where.get_style_context().add_class("dim-label")
        self._remove = _button(removal.ACTION, "", self._ask_to_remove)
        place = Gtk.Box(spacing=6)
        place.pack_start(self._place, False, False, 0)
        place.pack_start(self._folder, False, False, 0)
        place.show()
        more = Gtk.Box(spacing=6)
        for button in (self._file, self._network, self._later, self._details, self._cancel):
            more.pack_start(button, False, False, 0)
        more.show()
        for widget in (self._title, self._text, place, self._action, self._bar, self._line, more):
            self.pack_start(widget, False, False, 0)
        self._action.set_halign(Gtk.Align.START)
        self._action.get_style_context().add_class("suggested-action")

    def below(self, widget: Gtk.Widget) -> Gtk.Widget:
        """A widget, and below it where the painter is, which can be removed there."""
        row = Gtk.Box(spacing=6)
        row.pack_start(self._where, True, True, 0)
        row.pack_end(self._remove, False, False, 0)
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        for one in (widget, row):
            column.pack_start(one, False, False, 0)
        for one in (self._where, self._remove):
            one.set_no_show_all(True)
        return column

    def in_place_of(self, *rest: Gtk.Widget) -> None:
        """What to hide while there is no painter."""
        self._rest = rest
        self.page.resume()
        self.refresh()

    def take(self, event: Any) -> None:
        """A thread of the page's reports."""
        if self.page.take(event):
            self._ready()
        self.refresh()

    def refresh(self) -> None:
        """Show what the page says now."""
        view = self.page.view()
        self.set_visible(view.mode != "hidden")
        for widget in self._rest:
            widget.set_visible(view.mode != "full")
        if not self.free and view.mode != "full":
            GLib.idle_add(fit, self.get_toplevel())  # the first page was smaller than the controls
        self.free = view.mode != "full"
        if not self.free and isinstance(self.get_toplevel(), Gtk.Dialog):
            self.get_toplevel().set_response_sensitive(Gtk.ResponseType.OK, False)
        self._title.set_markup(f"<b>{_escaped(view.title)}</b>")
        self._text.set_text(view.text)
        self._place.set_text(shown_path(view.place))
        self._line.set_text(("⚠ " if view.error else "") + view.line)
        self._action.set_label(view.action)
        if view.fraction is not None:
            self._bar.set_fraction(view.fraction)
        elif view.running:
            self._bar.pulse()
        self._later.set_label(view.dismiss)
        self._cancel.set_sensitive(not view.stopping)
        shown = {
            self._title: bool(view.title),
            self._text: bool(view.text),
            self._place: bool(view.place),
            self._folder: bool(view.place),
            self._action: bool(view.action),
            self._bar: view.running,
            self._line: bool(view.line),
            self._cancel: view.running,
            self._later: view.dismissable,
            self._details: view.error,
            self._file: view.mode == "full" and not view.running,
            self._network: view.mode == "full" and not view.running,
        }
        for widget, visible in shown.items():
            widget.set_visible(visible)
        self._where.set_text(_("The painter is in {folder}").format(folder=shown_path(str(self.page.root))))
        for one in (self._where, self._remove):
            one.set_visible(self.page.removable)

    def _press(self) -> None:
        self.page.press()
        self.refresh()

    def _stop(self) -> None:
        self.page.cancel()
        self.refresh()

    def _dismiss(self) -> None:
        self.page.dismiss()
        self.refresh()

    def _ask_to_remove(self) -> None:
        """Everything, or all but the person's own styles and settings."""
        dialog = Gtk.MessageDialog(
            transient_for=self.get_toplevel(), modal=True, message_type=Gtk.MessageType.QUESTION,
            text=removal.QUESTION, secondary_text=removal.REASSURANCE,
        )  # fmt: skip
        dialog.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
        dialog.add_button(removal.EVERYTHING, Gtk.ResponseType.NO)
        dialog.add_button(removal.KEEP, Gtk.ResponseType.YES)
        answer = dialog.run()
        dialog.destroy()
        if answer in (Gtk.ResponseType.YES, Gtk.ResponseType.NO):
            self.page.remove(everything=answer == Gtk.ResponseType.NO)
            self.refresh()

    def _choose_folder(self) -> None:
        self._choose(
            _("Where should the painter go?"),
            Gtk.FileChooserAction.SELECT_FOLDER,
            _("_Choose"),
            self.page.choose_folder,
        )

    def _choose_file(self) -> None:
        title = _("An offline bundle of Vaporbrush")
        self._choose(title, Gtk.FileChooserAction.OPEN, _("_Install"), self.page.choose_bundle)

    def _choose(self, title: str, kind: Gtk.FileChooserAction, label: str, chosen: Callable[[Path], None]) -> None:
        dialog = Gtk.FileChooserNative.new(title, self.get_toplevel(), kind, label, None)
        if dialog.run() == Gtk.ResponseType.ACCEPT and dialog.get_filename():
            chosen(Path(dialog.get_filename()))
        dialog.destroy()
        self.refresh()

    def _choose_network(self) -> None:
        index = self.page.index()
        dialog = Gtk.Dialog(title=_("Network"), transient_for=self.get_toplevel(), modal=True)
        dialog.add_buttons(_("_Cancel"), Gtk.ResponseType.CANCEL, _("_OK"), Gtk.ResponseType.OK)
        grid = Gtk.Grid(row_spacing=6, column_spacing=12, margin=12)
        fields = []
        for row, (name, text, empty) in enumerate((
            (_("Package index:"), index.url, "https://pypi.org/simple"),
            (_("Proxy:"), index.proxy, _("the system's")),
        )):  # fmt: skip
            field = Gtk.Entry(text=text, placeholder_text=empty, width_chars=44)
            grid.attach(Gtk.Label(label=name, xalign=1), 0, row, 1, 1)
            grid.attach(field, 1, row, 1, 1)
            fields.append(field)
        dialog.get_content_area().add(grid)
        dialog.show_all()
        if dialog.run() == Gtk.ResponseType.OK:
            self.page.set_index(fields[0].get_text(), fields[1].get_text())
        dialog.destroy()
        self.refresh()


def _label() -> Gtk.Label:
    return Gtk.Label(xalign=0, wrap=True, max_width_chars=WIDEST, selectable=False)


def _button(label: str, tip: str, pressed: Callable[[], None]) -> Gtk.Button:
    button = Gtk.Button(label=label)
    button.set_tooltip_text(tip or None)
    button.connect("clicked", lambda _button: pressed())
    return button


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
