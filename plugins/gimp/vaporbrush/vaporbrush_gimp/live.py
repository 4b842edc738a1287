"""The live picture: the layer painted small while the fields are changed, in the place of the preview."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from gi.repository import GdkPixbuf, Gtk

from vaporbrush_host import live
from vaporbrush_host.live import LiveLine, LiveNews, LiveThread
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput
from vaporbrush_protocol.errors import VaporbrushError

from . import arguments, layers, painting
from .chooser import StyleChooser
from .pictures import pixbuf_from_rgb, small_picture
from .styles import Source
from .variations import small_pixels


class LiveButton(Gtk.ToggleButton):
    """Switches it. `tick` hands what has come to `show`, None where the layer itself is to be seen again."""

    def __init__(
        self, place: layers.Place, chooser: StyleChooser, config: Any, show: Callable[[GdkPixbuf.Pixbuf | None], None]
    ) -> None:
        super().__init__(label=live.ENTRY, tooltip_text=live.TIP)
        self._place, self._chooser, self._config, self._show = place, chooser, config, show
        self._news: queue.SimpleQueue[LiveNews] = queue.SimpleQueue()
        self._thread: LiveThread | None = None
        self._content: Pixels | None = None  # the layer as it was when it was switched on
        self._styles: tuple[tuple[Source, ...], tuple[StyleInput, ...]] = ((), ())  # read last
        self.line = ""  # what it is at
        self.picture: GdkPixbuf.Pixbuf | None = None  # the last one, while it is on
        self.connect("toggled", lambda _button: self._toggled())

    def _toggled(self) -> None:
        self.stop()
        if self.get_active():
            self._thread = LiveThread(self._news.put, painting.connected)
            self._thread.start()
            side = min(live.SIDES[-1], max(self._place.size))  # GIMP would enlarge a smaller one
            self._content = small_pixels(small_picture(self._place.layer, side))
            self.changed()
        self._show(None)

    def stop(self) -> None:
        """Paint no more."""
        if self._thread is not None:
            self._thread.stop()
        self._thread, self._news, self._styles = None, queue.SimpleQueue(), ((), ())
        self.line, self.picture = "", None

    def changed(self) -> None:
        """A field or a style is another one now."""
        if self._thread is None or self._content is None:
            return
        sources = tuple(self._chooser.sources)
        if not sources:
            self.line = live.NO_STYLE
            return
        try:
            if sources != self._styles[0]:
                self._styles = (sources, tuple(source.read() for source in sources))
            values = arguments.labelled_values(self._config)
        except VaporbrushError as error:
            self.line = error.message
        else:
            self._thread.ask(PaintRequest(self._content, self._styles[1], values), "layer")

    def tick(self) -> None:
        """Show what has come."""
        come = False
        while not self._news.empty():
            news, come = self._news.get(), True
            if isinstance(news, LiveLine):
                self.line = news.line
            else:
                shown = news.preview
                self.picture = pixbuf_from_rgb(shown.pixels, shown.width, shown.height)
        if come:
            self._show(self.picture)
