"""The menu of presets: choose one, keep what the dialog shows as one, and what is done with their files."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gi.repository import Gdk, Gio, Gtk

from vaporbrush_host import presets
from vaporbrush_host.controls import BY_NAME
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.preset_archive import SUFFIX, pack, unpack
from vaporbrush_protocol.presets import PresetStore

from . import arguments, styles
from .chooser import StyleChooser
from .notices import Notices

NAME_CHARACTERS = 32  # a name of the usual length is seen whole


class PresetButton(Gtk.Box):
    """Opens the menu, which is filled anew every time: another program may have kept a preset meanwhile.

    `shown` is called after a preset has come into the fields and the chooser.
    """

    def __init__(
        self, window: Any, config: Any, chooser: StyleChooser, notices: Notices, shown: Callable[[], None]
    ) -> None:
        super().__init__(valign=Gtk.Align.END)
        self._window, self._config, self._chooser, self._notices = window, config, chooser, notices
        self._shown = shown
        self._store = PresetStore(home())
        self._menu: Any = None
        self._button = Gtk.Button(label=f"{presets.MENU} ▾", tooltip_text=presets.MENU_TIP)
        self._button.connect("clicked", lambda _button: notices.tried(self._open))
        self.pack_start(self._button, False, False, 0)

    def _open(self) -> None:
        self._menu = menu = Gtk.Menu()
        menu.attach_to_widget(self, None)
        names = self._store.names()
        for name in names:
            self._entry(menu, name, partial(self.choose, name))
        if not names:
            self._entry(menu, presets.NONE_YET, lambda: None).set_sensitive(False)
        menu.append(Gtk.SeparatorMenuItem())
        self._entry(menu, presets.SAVE, self.save).set_sensitive(bool(self._chooser.sources))
        self._entry(menu, presets.IMPORT, self.take_in)
        for title, act in ((presets.EXPORT, self.export), (presets.DELETE, self.delete)):
            below = Gtk.Menu()
            for name in names:
                self._entry(below, name, partial(act, name))
            entry = Gtk.MenuItem(label=title, sensitive=bool(names), submenu=below)
            menu.append(entry)
        menu.show_all()
        menu.popup_at_widget(self._button, Gdk.Gravity.NORTH_EAST, Gdk.Gravity.SOUTH_EAST, None)

    def _entry(self, menu: Any, text: str, act: Callable[[], None]) -> Any:
        entry = Gtk.MenuItem(label=text)
        entry.connect("activate", lambda _entry: self._notices.tried(act))
        menu.append(entry)
        return entry

    def _say(self, text: str) -> None:
        self._notices.hint.say(text, [])

    def choose(self, name: str) -> None:
        """Show a preset's styles and settings."""
        preset = self._store.load(name)
        refs = presets.refs_of(preset, lambda path: Gio.File.new_for_path(str(path)).get_uri())
        present = arguments.labelled_values(self._config)
        for field, value in presets.values_of(preset, {}, present).items():
            control = BY_NAME[field]
            left_to_style = control.tuned and field not in preset.settings
            argument = arguments.OPEN if left_to_style else arguments.to_argument(control, value)
            self._config.set_property(arguments.canonical(control), argument)
        self._chooser.set_sources(styles.all_found_again(refs))
        self._shown()

    def save(self) -> None:
        """Keep what the dialog shows."""
        name = self._asked_name()
        if not name:
            return
        taken = self._store.find(name)
        if taken is not None and not self._confirmed(presets.replace_question(taken)):
            return
        kept = [styles.kept(source) for source in self._chooser.sources]
        settings = presets.settings_of(arguments.labelled_values(self._config))
        preset = self._store.save(name, kept, settings, replace=taken is not None)
        self._say(presets.saved(preset, regions=any(source.region for source in self._chooser.sources)))

    def take_in(self) -> None:
        """Take a preset out of a file, and show it."""
        path = self._asked_file(presets.IMPORT, Gtk.FileChooserAction.OPEN, _("_Open"))
        if path:
            preset = unpack(self._store, Path(path))
            self.choose(preset.name)
            self._say(presets.saved(preset))

    def export(self, name: str) -> None:
        """Write a preset to a file."""
        path = self._asked_file(presets.EXPORT, Gtk.FileChooserAction.SAVE, _("_Save"), f"{name}{SUFFIX}")
        if path:
            pack(self._store, name, Path(path))
            self._say(presets.exported(name, path))

    def delete(self, name: str) -> None:
        """Forget a preset."""
        if self._confirmed(presets.delete_question(name)):
            self._store.delete(name)

    # ── questions ──

    def _asked_name(self) -> str:
        dialog = Gtk.Dialog(title=presets.MENU, transient_for=self._window, modal=True)
        dialog.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
        dialog.add_button(_("_OK"), Gtk.ResponseType.OK)
        dialog.set_default_response(Gtk.ResponseType.OK)
        entry = Gtk.Entry(activates_default=True, width_chars=NAME_CHARACTERS, margin=12)
        area = dialog.get_content_area()
        area.pack_start(Gtk.Label(label=presets.ASK_NAME, xalign=0, margin=12, margin_bottom=0), False, False, 0)
        area.pack_start(entry, False, False, 0)
        dialog.show_all()
        wanted = dialog.run() == Gtk.ResponseType.OK
        name = entry.get_text()
        dialog.destroy()
        return name if wanted else ""

    def _asked_file(self, title: str, action: Any, verb: str, name: str = "") -> str:
        dialog = Gtk.FileChooserDialog(title=title, transient_for=self._window, modal=True, action=action)
        dialog.add_button(_("_Cancel"), Gtk.ResponseType.CANCEL)
        dialog.add_button(verb, Gtk.ResponseType.ACCEPT)
        dialog.set_default_response(Gtk.ResponseType.ACCEPT)
        dialog.set_do_overwrite_confirmation(True)
        kinds = Gtk.FileFilter()
        kinds.set_name(presets.MENU)
        kinds.add_pattern(presets.PATTERN)
        dialog.add_filter(kinds)
        if name:
            dialog.set_current_name(name)
        wanted = dialog.run() == Gtk.ResponseType.ACCEPT
        path = dialog.get_filename()
        dialog.destroy()
        return path if wanted and path else ""

    def _confirmed(self, question: str) -> bool:
        dialog = Gtk.MessageDialog(
            transient_for=self._window, modal=True, text=question,
            message_type=Gtk.MessageType.QUESTION, buttons=Gtk.ButtonsType.YES_NO,
        )  # fmt: skip
        answer = dialog.run()
        dialog.destroy()
        return answer == Gtk.ResponseType.YES
