"""The window with what was painted before: thumbnails, and what can be done with each painting."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from gi.repository import GdkPixbuf, Gio, GLib, Gtk

from vaporbrush_host import history
from vaporbrush_host.daemon_monitor import BundledStyle
from vaporbrush_host.history import Answer, Failed, HistoryThread, Listed, Recalled, Shown
from vaporbrush_host.regions import Place as Rectangle
from vaporbrush_host.request import Pixels, StyleRef
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import Channels, Image
from vaporbrush_protocol.version import __version__

from . import arguments, layers, painting, styles
from .chooser import StyleChooser
from .pictures import pixbuf_from_rgb

SIDE = 128  # px of a thumbnail, as the daemon makes them
SIZE = (560, 480)  # px; three columns
TICK_MS = 80
PICTURE, WORDS, TIP, NUMBER = range(4)  # the columns of the list's model


def order_of(_image: Image) -> Channels:
    """GEGL takes R,G,B,A of every depth."""
    return "RGBA"


class HistoryButton(Gtk.Box):
    """Opens the window. `shown` is called after settings have come into the fields and the chooser."""

    def __init__(
        self, window: Any, place: layers.Place, config: Any, chooser: StyleChooser, shown: Callable[[], None]
    ) -> None:
        super().__init__(valign=Gtk.Align.END)
        self._window, self._place, self._config, self._chooser = window, place, config, chooser
        self._shown = shown
        self.bundled: tuple[BundledStyle, ...] = ()
        button = Gtk.Button(label=history.ENTRY, tooltip_text=history.ENTRY_TIP)
        button.connect("clicked", lambda _button: self.open())
        self.pack_start(button, False, False, 0)

    def open(self) -> None:
        """Show the window until it is closed."""
        found = HistoryWindow(self._window, lambda: self.bundled, self._bring, self._use)
        try:
            found.run()
        finally:
            found.close()

    def _refs(self, found: Recalled) -> tuple[StyleRef, ...]:
        x, y = self._place.offset
        place = Rectangle(x, y, found.entry.image.width, found.entry.image.height)
        return history.refs_of(
            found, place, self.bundled, None, lambda path: Gio.File.new_for_path(str(path)).get_uri()
        )

    def _bring(self, found: Recalled) -> None:
        image, name = found.image, history.caption(found.entry, time.time(), self.bundled).splitlines()[0]
        pixels = Pixels(found.pixels, image.width, image.height, image.channels, image.depth, image.transfer)
        present = arguments.labelled_values(self._config)
        content, refs = self._place.layer, self._refs(found)
        kept = {
            "vaporbrush": __version__,
            "recipe": found.recipe.to_wire(),
            "result": {"model": found.recipe.model, "device": found.recipe.device},
            "values": history.values_of(found.recipe, present),
            "styles": [ref.to_json() for ref in refs],
            "content": {"name": self._place.name, "tattoo": content.get_tattoo() if content.is_valid() else 0},
        }
        where = [ref.region for ref in refs if ref.region is not None]
        layers.insert_result(self._place, pixels, name, json.dumps(kept).encode(), where)

    def _use(self, found: Recalled) -> None:
        present = arguments.labelled_values(self._config)
        arguments.put_values(self._config, history.values_of(found.recipe, present))
        self._chooser.set_sources(styles.all_found_again(self._refs(found)))
        self._shown()


class HistoryWindow:
    """One showing of the history. `bring` and `use` do what the buttons say with a painting that came back."""

    def __init__(
        self,
        window: Any,
        bundled: Callable[[], tuple[BundledStyle, ...]],
        bring: Callable[[Recalled], None],
        use: Callable[[Recalled], None],
    ) -> None:
        self._bundled = bundled
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self._entries: tuple[Shown, ...] = ()
        self._waits: Callable[[Recalled], None] | None = None  # what is done with the painting that is on its way
        self._dialog = Gtk.Dialog(title=history.TITLE, transient_for=window, modal=True)
        self._dialog.set_default_size(*SIZE)
        self._dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
        self._model = Gtk.ListStore(GdkPixbuf.Pixbuf, str, str, int)
        self._view = Gtk.IconView(
            model=self._model, pixbuf_column=PICTURE, text_column=WORDS, tooltip_column=TIP, item_width=SIDE
        )
        self._view.set_selection_mode(Gtk.SelectionMode.BROWSE)
        self._view.connect("item-activated", lambda _view, _path: self._recall(bring, pixels=True))
        self._view.connect("selection-changed", lambda _view: self._enable())
        self._line = Gtk.Label(xalign=0, wrap=True)
        self._bring = self._button(history.BRING, history.BRING_TIP, lambda: self._recall(bring, pixels=True))
        self._use = self._button(history.USE, history.USE_TIP, lambda: self._recall(use, pixels=False))
        self._pin = self._button(history.PIN, history.PIN_TIP, self._pin_or_not)
        self._forget = self._button(history.FORGET, history.FORGET_TIP, self._drop)
        buttons = Gtk.Box(spacing=6, homogeneous=True)
        for button in (self._bring, self._use, self._pin, self._forget):
            buttons.pack_start(button, True, True, 0)
        scrolled = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER)
        scrolled.add(self._view)
        area = self._dialog.get_content_area()
        area.set_spacing(6)
        area.set_border_width(6)
        area.pack_start(scrolled, True, True, 0)
        area.pack_start(self._line, False, False, 0)
        area.pack_start(buttons, False, False, 0)
        self._timer = GLib.timeout_add(TICK_MS, self._tick)
        self._enable()
        self._ask(partial(history.listed, known={}))

    def _button(self, text: str, tip: str, act: Callable[[], None]) -> Any:
        button = Gtk.Button(label=text, tooltip_text=tip)
        button.connect("clicked", lambda _button: act())
        return button

    def run(self) -> None:
        """Until the person closes it."""
        self._dialog.show_all()
        self._view.grab_focus()
        self._dialog.run()

    def close(self) -> None:
        """It is gone."""
        GLib.source_remove(self._timer)
        self._dialog.destroy()

    # ── what it shows ──

    def _chosen(self) -> Shown | None:
        paths = self._view.get_selected_items()
        return self._entries[self._model[paths[0]][NUMBER]] if paths else None

    def _ask(self, act: Callable[[Client], Answer]) -> None:
        HistoryThread(act, self._answers.put, painting.connected).start()

    def _known(self) -> dict[str, bytes]:
        return {one.entry.thumb.blob: one.thumb for one in self._entries if one.thumb}

    def _tick(self) -> bool:
        while not self._answers.empty():
            answer = self._answers.get()
            if isinstance(answer, Listed):
                self._fill(answer)
            elif isinstance(answer, Failed):
                self._waits = None
                self._line.set_text(answer.sentence)
            elif self._waits is not None:
                waits, self._waits = self._waits, None
                self._tried(partial(waits, answer))
            self._enable()
        return GLib.SOURCE_CONTINUE

    def _fill(self, listed: Listed) -> None:
        before = self._chosen()
        self._entries = listed.entries
        self._model.clear()
        now, selected = time.time(), 0
        for number, one in enumerate(listed.entries):
            entry, thumb = one.entry, one.entry.thumb
            whole = len(one.thumb) == thumb.width * thumb.height * 3
            picture = pixbuf_from_rgb(one.thumb, thumb.width, thumb.height) if whole else None
            words = f"{history.PINNED if entry.pinned else ''}{history.caption(entry, now, self._bundled())}"
            self._model.append([picture, words, GLib.markup_escape_text(history.tip(entry)), number])
            if before is not None and before.entry.job == entry.job:
                selected = number
        if listed.entries:
            path = Gtk.TreePath.new_from_string(str(selected))
            self._view.select_path(path)
            self._view.set_cursor(path, None, False)
        self._line.set_text(listed.line if listed.entries else f"{history.NOTHING} {listed.line}")

    def _enable(self) -> None:
        chosen, busy = self._chosen(), self._waits is not None
        for button in (self._bring, self._use, self._pin, self._forget):
            button.set_sensitive(chosen is not None and not busy)
        self._pin.set_label(history.UNPIN if chosen is not None and chosen.entry.pinned else history.PIN)

    def _tried(self, act: Callable[[], object]) -> None:
        try:
            act()
        except VaporbrushError as error:
            self._line.set_text(error.message)
        except OSError as error:
            self._line.set_text(error.strerror or str(error))
        else:
            self._dialog.response(Gtk.ResponseType.CLOSE)  # what was wanted is behind this window

    # ── what is done ──

    def _recall(self, then: Callable[[Recalled], None], *, pixels: bool) -> None:
        chosen = self._chosen()
        if chosen is not None and self._waits is None:
            self._waits = then
            self._enable()
            self._ask(partial(history.recalled, job=chosen.entry.job, pixels=pixels, order=order_of))

    def _pin_or_not(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._change(history.asked(chosen.entry.job, pinned=not chosen.entry.pinned))

    def _drop(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self._change(history.asked(chosen.entry.job, pinned=None))

    def _change(self, act: Callable[[Client], object]) -> None:
        self._ask(partial(history.changed, act=act, known=self._known()))
