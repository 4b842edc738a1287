"""The buttons below the fields: variations of what they say, what was painted before, what was kept under a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gi.repository import Gimp, Gtk

from vaporbrush_host import variations
from vaporbrush_host.controls import defaults
from vaporbrush_host.daemon_monitor import BundledStyle
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import RequestError

from . import arguments, layers
from .chooser import StyleChooser
from .history import HistoryButton
from .notices import Notices
from .pictures import small_picture
from .preset_menu import PresetButton
from .variations import VariationsWindow


class MoreButtons(Gtk.Box):
    """`shown` is called after values and styles have come into the fields and the chooser, `paint` where they are to be
    painted at once.
    """

    def __init__(
        self,
        window: Any,
        place: layers.Place,
        config: Any,
        chooser: StyleChooser,
        notices: Notices,
        acts: tuple[Callable[[], None], Callable[[], None]],
    ) -> None:
        super().__init__(spacing=6, halign=Gtk.Align.END)
        self._window, self._place, self._config, self._chooser = window, place, config, chooser
        self._notices = notices
        self._shown, self._paint = acts
        self._history = HistoryButton(window, place, config, chooser, self._shown)
        button = Gtk.Button(label=variations.ENTRY, tooltip_text=variations.ENTRY_TIP)
        button.connect("clicked", lambda _button: notices.tried(self._vary))
        for widget in (button, self._history, PresetButton(window, config, chooser, notices, self._shown)):
            self.pack_start(widget, False, False, 0)

    def show_styles(self, bundled: tuple[BundledStyle, ...]) -> None:
        """The daemon has told its styles."""
        self._history.bundled = bundled

    def _vary(self) -> None:
        sources = self._chooser.sources
        if not sources:
            raise RequestError("bad_field", _("Choose a style first."))
        alone = sources[0].name if len(sources) == 1 else ""
        suits = next((style.tuned for style in self._history.bundled if style.name == alone), {})
        given = arguments.labelled_values(self._config)
        regions = any(source.region for source in sources)
        found = VariationsWindow(
            self._window,
            small_picture(self._place.layer, variations.SIDE),
            tuple(source.read() for source in sources),
            {**defaults(), **suits, **given},
            partly=regions or (bool(given["use_selection"]) and not Gimp.Selection.is_empty(self._place.image)),
        ).run()
        if found is not None:
            arguments.put_values(self._config, found.changes)
            self._shown()
            self._paint()
