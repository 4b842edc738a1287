"""The dialog: choose a style, watch the painting converge, take it.

*Preview* starts the very job that *OK* waits for: the painting is coarse after a second and goes on to its full size,
so a preview is never thrown away and *OK* never starts over, unless something was changed in between. *Keep this* ends
it early and takes what there is.
"""

from __future__ import annotations

import queue
from collections.abc import Mapping, Sequence
from typing import Any

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("GimpUi", "3.0")
from gi.repository import Gimp, GimpUi, GLib, Gtk

from vaporbrush_host.controls import BY_NAME
from vaporbrush_host.daemon_monitor import Condition, DaemonMonitor, Estimated, StylesListed, installed_start
from vaporbrush_host.request import PaintRequest, Pixels
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import RequestError, VaporbrushError

from . import arguments, film, layers, painting, styles
from .chooser import StyleChooser
from .fields import Fields, leave_wheel_to_column
from .help import add_help
from .installer import Installer
from .layout import CANVAS, LEAST_FIELDS, canvas_side, fields_height, grow_with, show_end
from .live import LiveButton
from .more_buttons import MoreButtons
from .notices import Notices, ProgressRow, estimate_line, progress_words, title_words
from .painting import CLIENT, FOLDER, Painting, Task
from .pictures import Canvas, pixbuf_from_rgb, scale_of, thumbnail
from .styles import Source

TICK_MS = 80
SELECTION_TICKS = 6  # between two looks at the image's selection: half a second, as in Krita's docker
SCROLLBAR = 10  # px; it overlays what is beside it
PREVIEW_TIP = _("Start painting and watch it here. OK goes on from there.")
ESTIMATE_AFTER_MS = 250  # a slider that is being moved asks once


def ask(procedure: Any, place: layers.Place, sources: Sequence[Source], config: Any, more: int = 0) -> Painting | None:
    """The painting that was taken, in its new layer; None where the person cancelled. `more`: layers that follow."""
    GimpUi.init("vaporbrush")
    dialog = Dialog(procedure, place, sources, config, more)
    try:
        return dialog.run()
    finally:
        dialog.close()


class Dialog:
    """One dialog, for one layer."""

    def __init__(
        self, procedure: Any, place: layers.Place, sources: Sequence[Source], config: Any, more: int = 0
    ) -> None:
        self._place = place
        self._config = config
        self._work: Painting | None = None
        self._asked: Task | None = None  # what the present work paints
        self._taking = False  # whether the work's end ends the dialog too
        self._keeping = False  # whether the person has asked for its end
        self._suits: dict[str, Mapping[str, Any]] = {}  # what each bundled style looks best with
        self._remembering = False
        self._refused = False  # whether a notice says what is wrong with what was asked for
        self._ticket = 0
        self._estimate_due = 0
        self._ticks = 0
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._monitor = DaemonMonitor(self._news.put, name=CLIENT, start_command=installed_start(FOLDER))
        self._film = arguments.manner_of(config) is not None
        title = title_words(place.name, more, film=self._film)
        self._window = GimpUi.ProcedureDialog.new(procedure, config, title)
        self._notices = Notices(self._monitor)
        self._installer = Installer(FOLDER, self._news.put, self._monitor.start_daemon, by=CLIENT)
        self._chooser = StyleChooser(place.layer, self._style_chosen)
        selected = not Gimp.Selection.is_empty(place.image)
        self._fields = Fields(self._window, config, self._changed, selected=selected, longest=max(place.size))
        self._build()
        self._original = thumbnail(place.layer, CANVAS * scale_of(self._canvas))
        self._canvas.show_picture(self._original)
        self._chooser.show_selected(selected)
        self._chooser.set_sources(sources)
        config.connect(f"notify::{arguments.LAST_STYLES}", lambda *_: self._settings_loaded())
        self._monitor.start()
        self._monitor.wake(True)
        self._monitor.start_daemon()  # who opens the dialog is going to paint
        self._changed()
        self._timer = GLib.timeout_add(TICK_MS, self._tick)

    def _build(self) -> None:
        body = Gtk.Box(spacing=18, margin=6)
        body.pack_start(self._painting_side(), True, True, 0)
        body.pack_start(self._asking_side(), True, True, 0)
        area = self._window.get_content_area()
        area.pack_start(self._notices, False, False, 0)
        area.pack_start(body, True, True, 0)
        body.show_all()
        leave_wheel_to_column(self._right)
        add_help(self._window)
        self._notices.show()
        grow_with(self._window, self._notices)
        area.pack_start(self._installer, False, False, 0)
        self._installer.in_place_of(body, self._notices)

    def _painting_side(self) -> Gtk.Widget:
        """The picture, how far it is, and the buttons below it."""
        self._canvas = Canvas(canvas_side())
        self._canvas.set_tooltip_text(_("Press to compare with the layer as it is."))
        eye = Gtk.EventBox(child=self._canvas)
        eye.connect("button-press-event", lambda *_: self._canvas.show_picture(self._original))
        eye.connect("button-release-event", lambda *_: self._canvas.show_picture(self._seen()))
        self._progress = ProgressRow()
        self._preview = Gtk.Button(label=_("_Preview"), use_underline=True)
        self._preview.connect("clicked", lambda *_: self._start_or_stop())
        tip = _("Stop painting now and take it as it looks.")
        self._keep = Gtk.Button(label=_("_Keep this"), use_underline=True, tooltip_text=tip)
        self._keep.connect("clicked", lambda _button: self._keep_this())
        buttons = Gtk.Box(spacing=6, homogeneous=True)
        self._live = LiveButton(self._place, self._chooser, self._config, self._show_live)
        for button in (self._live, self._preview, self._keep):
            buttons.pack_start(button, True, True, 0)
        side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        side.pack_start(eye, True, True, 0)
        for widget in (self._progress, buttons):
            side.pack_start(widget, False, False, 0)
        return side

    def _asking_side(self) -> Gtk.Widget:
        """Styles and fields, and what is to be expected of them."""
        self._expected = Gtk.Label(xalign=0, wrap=True)
        self._expected.get_style_context().add_class("dim-label")
        more = Gtk.Expander(label=_("_Advanced"), use_underline=True)
        more.add(self._installer.below(self._fields.advanced))
        self._right = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, margin_end=SCROLLBAR)
        self._right.pack_start(self._chooser, True, True, 0)
        for widget in (self._fields.plain, more):
            self._right.pack_start(widget, False, False, 0)
        scrolled = Gtk.ScrolledWindow(
            hscrollbar_policy=Gtk.PolicyType.NEVER,
            propagate_natural_height=True,
            min_content_height=LEAST_FIELDS,
            max_content_height=fields_height(),
        )
        scrolled.add(self._right)
        more.connect("notify::expanded", lambda *_: GLib.timeout_add(ESTIMATE_AFTER_MS, show_end, scrolled))
        side = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        side.pack_start(scrolled, True, True, 0)
        acts = (self._preset_shown, self._preview.clicked)
        self._more = MoreButtons(self._window, self._place, self._config, self._chooser, self._notices, acts)
        for widget in (self._expected, self._more, self._notices.hint):
            widget.set_margin_end(SCROLLBAR)
            side.pack_start(widget, False, False, 0)
        return side

    # ── the person ───────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> Painting | None:
        """Until the painting is taken or given up (None)."""
        while self._window.run():  # GIMP's OK, or the end of a painting that is to be taken
            try:
                if not self._taking:
                    self._go_on()
                if self._work is not None and self._work.state.ended:
                    return self._take(self._work)
            except VaporbrushError as error:
                self._stop_taking(error)
        return None

    def close(self) -> None:
        """Stop everything that is under way; the daemon frees its worker."""
        GLib.source_remove(self._timer)
        if self._work is not None:
            self._work.close()
        self._live.stop()
        self._installer.page.close()
        self._monitor.stop()
        self._window.destroy()

    def _take(self, work: Painting) -> Painting:
        self._remember()  # a reset may have emptied what GIMP is about to keep
        work.deliver()
        Gimp.progress_end()
        return work

    def _go_on(self) -> None:
        """OK: wait for what is being painted, or start it."""
        if self._work is None or self._is_stale() or self._work.state.stage in ("failed", "cancelled"):
            self._start()
        if self._work is not None:
            self._work.take()
        self._taking = True
        Gimp.progress_init(_("Vaporbrush"))
        self._refresh()

    def _keep_this(self) -> None:
        if self._work is not None:
            self._work.take()
            self._work.finish()
        self._keeping = True
        self._taking = True
        self._refresh()

    def _start_or_stop(self) -> None:
        if self._work is not None and self._is_running() and not self._is_stale():
            self._work.run.cancel()
            return
        try:
            self._start()
        except VaporbrushError as error:
            self._stop_taking(error)

    def _start(self) -> None:
        self._notices.clear_error()
        self._asked = self._task()
        self._keeping = False
        self._work = film.begun(self._asked, seen=True, before=self._work)
        self._refresh()

    def _stop_taking(self, error: VaporbrushError) -> None:
        self._taking = False
        work = self._work if self._work is not None and self._work.state.error is error else None
        if error.code != "cancelled":
            begun = work is not None and work.state.job is not None
            self._notices.show_error(error, "" if work is None else work.state.report, begun=begun)
            self._refused = work is None and isinstance(error, RequestError)
            if self._refused:  # it has been said
                self._expected.set_text("")
        self._refresh()

    def _style_chosen(self) -> None:
        self._remember()
        self._suit()
        self._look_at_selection()
        if self._alone() in self._suits:  # it brings what suits it, as soon as it is chosen
            for name in self._suits[self._alone()]:
                self._config.set_property(arguments.canonical(BY_NAME[name]), arguments.OPEN)
        self._changed()

    def _remember(self) -> None:
        self._remembering = True
        styles.remember(self._config, self._chooser.sources)
        self._remembering = False

    def _settings_loaded(self) -> None:
        """GIMP has put saved settings in: the styles that belong to them are chosen, as far as they are there."""
        if not self._remembering and (sources := styles.last(self._config, self._place.image)):
            self._chooser.set_sources(sources)
            self._suit()
            self._changed()

    def _preset_shown(self) -> None:
        self._remember()
        self._suit()
        self._changed()

    def _alone(self) -> str:
        """The name of the bundled style, where there is no other."""
        sources = self._chooser.sources
        return sources[0].name if len(sources) == 1 else ""

    def _suit(self) -> None:
        """The fields that are left to the style show what that means."""
        self._fields.suit(self._suits.get(self._alone(), {}))

    # ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────

    def _task(self) -> Task:
        if not self._chooser.sources:
            raise RequestError("bad_field", _("Choose a style first."))
        values, manner = arguments.labelled_values(self._config), arguments.manner_of(self._config)
        return Task(self._place, self._chooser.sources, values, manner)

    def _is_running(self) -> bool:
        return self._work is not None and not self._work.state.ended

    def _is_stale(self) -> bool:
        """Whether something was changed since the painting was started."""
        try:
            return self._asked != self._task()
        except VaporbrushError:  # nothing can be painted now: that is another thing, too
            return True

    def _changed(self) -> None:
        if self._estimate_due:
            GLib.source_remove(self._estimate_due)
        self._estimate_due = GLib.timeout_add(ESTIMATE_AFTER_MS, self._ask_estimate)
        if self._refused:  # it may be mended now
            self._refused = False
            self._notices.clear_error()
        self._live.changed()
        self._refresh()

    def _ask_estimate(self) -> bool:
        self._estimate_due = 0
        if not self._chooser.sources:
            self._expected.set_text("")
            return GLib.SOURCE_REMOVE
        try:
            task = self._task()
            size = task.place.size
            like = tuple(source.like(size) for source in task.sources)
            self._ticket = self._monitor.estimate(PaintRequest(Pixels(b"", *size), like, task.values).sizes_only())
        except VaporbrushError as error:
            self._expected.set_text(error.message)
        return GLib.SOURCE_REMOVE

    # ── what has happened ────────────────────────────────────────────────────────────────────────────────────────

    def _tick(self) -> bool:
        while not self._news.empty():
            self._heard(self._news.get())
        self._notices.tick()
        self._ticks += 1
        if self._ticks % SELECTION_TICKS == 0:
            self._look_at_selection()
        if not self._is_running():  # else its own preview is seen
            self._live.tick()
        work = self._work
        if work is not None:
            before = work.state
            if work.latest() is not before:
                self._refresh()
                if self._taking and not work.state.ended:
                    painting.show_progress(work.state)
                if work.state.ended:
                    self._ended(work)
        return GLib.SOURCE_CONTINUE

    def _look_at_selection(self) -> None:
        """GIMP goes on while the dialog is open: a person may select something else for another style."""
        selected = self._place.image.is_valid() and not Gimp.Selection.is_empty(self._place.image)
        self._chooser.show_selected(selected)
        regional = any(source.region for source in self._chooser.sources)
        self._fields.show_selection(selected=selected, regions=regional)

    def _ended(self, work: Painting) -> None:
        if work.state.error is not None:
            self._stop_taking(work.state.error)
        elif self._taking:
            self._window.response(Gtk.ResponseType.OK)

    def _heard(self, news: Any) -> None:
        if isinstance(news, Condition):
            self._notices.show_condition(news)
            self._chooser.show_condition(news)
            self._fields.offer_devices(news.devices)
            if not self._refused:
                self._changed()
        elif isinstance(news, Estimated) and news.ticket == self._ticket:
            self._expected.set_text(estimate_line(news, film=self._film))
        elif isinstance(news, StylesListed):
            self._show_styles(news)
        elif not isinstance(news, Estimated):
            self._installer.take(news)

    def _show_styles(self, news: StylesListed) -> None:
        self._more.show_styles(news.styles)
        for style in news.styles:
            if not style.thumb:
                continue
            picture = pixbuf_from_rgb(style.thumb, style.thumb_width, style.thumb_height)
            self._suits[style.name] = style.tuned
            self._chooser.add_bundled(Source(style.title, name=style.name), picture, style.description or style.title)
        self._suit()

    def _show_live(self, picture: Any) -> None:
        self._canvas.show_picture(picture or self._seen())
        self._refresh()

    def _seen(self) -> Any:
        return (self._live.picture if self._is_stale() else self._painted()) or self._original

    def _painted(self) -> Any:
        preview = None if self._work is None else self._work.state.preview
        return None if preview is None else pixbuf_from_rgb(preview.pixels, preview.width, preview.height)

    def _refresh(self) -> None:
        """Everything on the left, and what may be pressed."""
        state = None if self._work is None else self._work.state
        running, stale = self._is_running(), self._is_stale()
        painted = state is not None and state.preview is not None
        if painted and (running or not stale):
            self._canvas.show_picture(self._painted())
        starts = not running or stale
        self._preview.set_label(_("_Preview") if starts else _("_Stop"))
        self._preview.set_tooltip_text(PREVIEW_TIP if starts else _("Stop painting and keep nothing."))
        self._preview.set_sensitive(bool(self._chooser.sources) and not self._taking)
        self._keep.set_sensitive(running and painted and not stale and not self._keeping)
        self._right.set_sensitive(not self._taking)
        self._window.set_response_sensitive(Gtk.ResponseType.OK, self._preview.get_sensitive() and self._installer.free)
        keeping = self._keeping and state is not None and not state.ended
        words = progress_words(self._place, self._chooser.sources, state, keeping=keeping, stale=stale)
        note = "" if state is None or stale else state.note
        self._progress.show_state(state, self._live.line if self._live.line and stale and not running else words, note)
