"""The window of variations: the layer painted small in several ways, of which one press has one painted in full."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from typing import Any

from gi.repository import GdkPixbuf, GLib, Gtk

from vaporbrush_host import variations
from vaporbrush_host.controls import Value
from vaporbrush_host.request import PaintRequest, Pixels, StyleInput
from vaporbrush_host.ui_text import _
from vaporbrush_host.variations import Variation, VariationsEnded, VariationsThread, Varied

from . import painting
from .pictures import blank, pixbuf_from_rgb

SIDE = 160  # px of a picture; three of them side by side
SIZE = (660, 680)  # px; three columns and rows
TICK_MS = 80
PICTURE, WORDS = range(2)  # the columns of the list's model


def small_pixels(picture: GdkPixbuf.Pixbuf) -> Pixels:
    """A layer's thumbnail as it travels."""
    width, height, count = picture.get_width(), picture.get_height(), picture.get_n_channels()
    data, stride = picture.get_pixels(), picture.get_rowstride()
    rows = b"".join(data[y * stride : y * stride + width * count] for y in range(height))
    return Pixels(rows, width, height, "RGBA" if count == 4 else "RGB", "u8")


class VariationsWindow:
    """One showing. `run` gives the variation that was pressed, None where it was closed."""

    def __init__(
        self,
        window: Any,
        content: GdkPixbuf.Pixbuf,
        styles: tuple[StyleInput, ...],
        values: Mapping[str, Value],
        *,
        partly: bool,
    ) -> None:
        """`partly`: whether regions or a selection will say where the full painting goes."""
        self._order, self._values, self._partly = PaintRequest(small_pixels(content), styles, values), values, partly
        self._news: queue.SimpleQueue[Varied | VariationsEnded] = queue.SimpleQueue()
        self._thread: VariationsThread | None = None
        self._ticket = 0
        self._shown: tuple[Variation, ...] = ()
        self._taken: Variation | None = None
        self._dialog = Gtk.Dialog(title=variations.TITLE, transient_for=window, modal=True)
        self._dialog.set_default_size(*SIZE)
        self._dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
        self._kinds = Gtk.ComboBoxText()
        for words in (variations.BY_LOOK, variations.BY_SEED):
            self._kinds.append_text(words)
        self._kinds.set_active(0)
        self._kinds.connect("changed", lambda _kinds: self._begin())
        self._model = Gtk.ListStore(GdkPixbuf.Pixbuf, str)
        self._view = Gtk.IconView(
            model=self._model, pixbuf_column=PICTURE, text_column=WORDS, item_width=SIDE, columns=3
        )
        self._view.set_activate_on_single_click(True)
        self._view.connect("item-activated", lambda _view, path: self._take(path.get_indices()[0]))
        self._line = Gtk.Label(xalign=0, wrap=True)
        scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER)
        scrolled.add(self._view)
        area = self._dialog.get_content_area()
        area.set_spacing(6)
        area.set_border_width(6)
        area.pack_start(self._kinds, False, False, 0)
        area.pack_start(scrolled, True, True, 0)
        area.pack_start(self._line, False, False, 0)
        self._timer = GLib.timeout_add(TICK_MS, self._tick)
        self._begin()

    def run(self) -> Variation | None:
        """Until one is pressed, or the window is closed; what it paints ends with it."""
        self._dialog.show_all()
        self._view.grab_focus()
        self._dialog.run()
        self._stop()
        GLib.source_remove(self._timer)
        self._dialog.destroy()
        return self._taken

    def _begin(self) -> None:
        self._stop()
        make: Callable[[Mapping[str, Value]], tuple[Variation, ...]] = (
            variations.by_seed if self._kinds.get_active() else variations.by_look
        )
        self._shown = make(self._values)
        self._model.clear()
        for one in self._shown:
            self._model.append([blank(SIDE), one.caption])
        self._tell(0)
        self._ticket += 1
        self._thread = VariationsThread(self._ticket, self._order, self._shown, self._news.put, painting.connected)
        self._thread.start()

    def _stop(self) -> None:
        if self._thread is not None:
            self._thread.stop()
            self._thread = None

    def _tell(self, done: int) -> None:
        self._line.set_text(variations.line(done, len(self._shown), partly=self._partly))

    def _tick(self) -> bool:
        while not self._news.empty():
            news = self._news.get()
            if news.ticket != self._ticket:
                continue
            if isinstance(news, Varied):
                self._model[news.number][PICTURE] = _seen(news)
                self._tell(news.number + 1)
            elif news.sentence:
                self._line.set_text(news.sentence)
        return GLib.SOURCE_CONTINUE

    def _take(self, number: int) -> None:
        self._taken = self._shown[number]
        self._dialog.response(Gtk.ResponseType.OK)


def _seen(news: Varied) -> GdkPixbuf.Pixbuf:
    image = news.image
    factor = SIDE / max(image.width, image.height)
    picture = pixbuf_from_rgb(news.pixels, image.width, image.height, alpha=True)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return picture.scale_simple(*size, GdkPixbuf.InterpType.BILINEAR)
