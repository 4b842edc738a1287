"""The dialog's fields, made from the one table of controls: GIMP's own widgets where its argument types fit them.

Every field shows and sets a property of the call's config, so that GIMP's *Reset* and its saved settings work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gi.repository import GimpUi, GObject, Gtk

from vaporbrush_host.controls import BY_NAME, CONTROLS, FILM, Control, Option, Value
from vaporbrush_host.regions import INSTEAD_OF_SELECTION
from vaporbrush_host.ui_text import _

from .arguments import OPEN, canonical, manner_of

PIXELS = "pixels"  # the entry of the size's list beside which the number stands


def leave_wheel_to_column(widget: Gtk.Widget) -> None:
    """Have the wheel scroll what the widget lies in, and never change a value that nobody has touched: it reaches the
    number fields in `widget` only while they have the focus, and lists not at all.
    """
    if isinstance(widget, (Gtk.SpinButton, Gtk.Range, Gtk.ComboBox)):
        widget.connect("scroll-event", _pass_wheel_on)
    if isinstance(widget, Gtk.Container):
        widget.forall(leave_wheel_to_column)


def _pass_wheel_on(widget: Gtk.Widget, _event: Any) -> bool:
    if isinstance(widget, Gtk.ComboBox) or not widget.has_focus():
        GObject.signal_stop_emission_by_name(widget, "scroll-event")
    return False  # not taken: it goes on to the widget around this one


class Fields:
    """Two boxes, `plain` and `advanced`. `changed` is called after any of the values has changed."""

    def __init__(self, dialog: Any, config: Any, changed: Callable[[], None], *, selected: bool, longest: int) -> None:
        self._longest = longest  # px; the layer's longest side
        self._selected = selected  # whether there is a selection to use
        self._dialog = dialog
        self._config = config
        self._labels = Gtk.SizeGroup(mode=Gtk.SizeGroupMode.HORIZONTAL)
        self._suits: Mapping[str, Value] = {}
        self._fills: dict[str, Callable[[Sequence[Option]], None]] = {}  # of the lists that grow with the machine
        self._devices: tuple[Option, ...] = ()
        self._suited: list[Callable[[], None]] = []  # what shows them
        self.plain = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6)
        self.advanced = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=6, margin_top=6)
        film = FILM if manner_of(config) is not None else ()
        for control in (*film, *CONTROLS):
            box = self.advanced if control.advanced else self.plain
            box.pack_start(self._field(control), False, False, 0)
            config.connect(f"notify::{canonical(control)}", lambda *_: changed())
        self.plain.show_all()
        self.advanced.show_all()

    def suit(self, values: Mapping[str, Value]) -> None:
        """What the chosen style brings along, shown where nothing else is set."""
        self._suits = values
        for show in self._suited:
            show()

    def show_selection(self, *, selected: bool, regions: bool) -> None:
        """Whether there is a selection, and whether styles have regions, which stand in for it."""
        self._use_selection.set_sensitive(selected and not regions)
        tip = INSTEAD_OF_SELECTION if regions else BY_NAME["use_selection"].tip
        self._use_selection.set_tooltip_text(tip)

    def offer_devices(self, devices: tuple[Option, ...]) -> None:
        """What the daemon can paint on, by name with its free memory. An open list is not disturbed without news."""
        if devices != self._devices:
            self._devices = devices
            self._fills["device"](devices)

    def _field(self, control: Control) -> Gtk.Widget:
        name = canonical(control)
        if control.kind == "size":
            return self._size(control)
        if control.open:
            return self._open_choice(control)
        if control.kind == "steps":
            return self._steps(control)
        if control.kind == "number":
            return self._scale(control) if control.logarithmic or control.high <= 1 else self._number(control)
        field = self._dialog.get_widget(name, GObject.TYPE_NONE)
        if control.name == "use_selection":
            field.set_sensitive(self._selected)
            self._use_selection = field
        if isinstance(field, GimpUi.Labeled):
            self._labels.add_widget(field.get_label())
        return field

    def _scale(self, control: Control) -> Gtk.Widget:
        """A slider with its number; what is left to the style shows what suits it until somebody moves it."""
        name = canonical(control)
        nick = self._config.find_property(name).nick
        entry = GimpUi.ScaleEntry.new(nick, control.default, control.low, control.high, control.decimals)
        entry.set_logarithmic(control.logarithmic)
        entry.set_tooltip_text(control.tip)
        self._labels.add_widget(entry.get_label())
        showing = False

        def show(*_: Any) -> None:
            nonlocal showing
            showing = True
            value = self._config.get_property(name)
            is_open = control.tuned and value == OPEN
            entry.set_value(self._suits.get(control.name, control.default) if is_open else value)
            showing = False

        def put(*_: Any) -> None:
            if not showing:
                self._config.set_property(name, entry.get_value())

        entry.connect("value-changed", put)
        self._config.connect(f"notify::{name}", show)
        self._suited.append(show)
        show()
        return entry

    def _number(self, control: Control) -> Gtk.Widget:
        """A number whose useful values are too small for a slider."""
        number = Gtk.SpinButton.new_with_range(control.low, control.high, 10.0 ** (1 - control.decimals))
        number.set_digits(control.decimals)
        both_ways = GObject.BindingFlags.BIDIRECTIONAL | GObject.BindingFlags.SYNC_CREATE
        self._config.bind_property(canonical(control), number.get_adjustment(), "value", both_ways)
        return self._row(control, number)

    def _row(self, control: Control, field: Gtk.Widget) -> Gtk.Box:
        nick = self._config.find_property(canonical(control)).nick  # with its mnemonic
        label = Gtk.Label(label=nick, use_underline=True, xalign=0)
        label.set_mnemonic_widget(field)
        self._labels.add_widget(label)
        row = Gtk.Box(spacing=6, tooltip_text=control.tip)
        row.pack_start(label, False, False, 0)
        row.pack_start(field, True, True, 0)
        return row

    def _open_choice(self, control: Control) -> Gtk.Widget:
        """A list in which a word that is not in it (from a script, or another machine) still shows, and to which
        `offer` adds what this machine has.
        """
        combo = Gtk.ComboBoxText()
        name, filling = canonical(control), False

        def show(*_: Any) -> None:
            word = self._config.get_property(name) or control.default
            if not combo.set_active_id(word):
                combo.append(word, word)
                combo.set_active_id(word)

        def put(*_: Any) -> None:
            if not filling:
                self._config.set_property(name, combo.get_active_id())

        def fill(more: Sequence[Option]) -> None:
            nonlocal filling
            filling = True  # an emptied list has nothing chosen, which is no choice of anybody's
            combo.remove_all()
            for option in (*control.options, *more):
                combo.append(option.value, option.label)
            show()
            filling = False

        fill(())
        combo.connect("changed", put)
        self._config.connect(f"notify::{name}", show)
        self._fills[control.name] = fill
        return self._row(control, combo)

    def _steps(self, control: Control) -> Gtk.Widget:
        """A number whose 0 is shown in words."""
        number = Gtk.SpinButton.new_with_range(0, control.high, 10)
        name = canonical(control)

        def output(spin: Gtk.SpinButton) -> bool:
            value = spin.get_value_as_int()
            spin.set_text(str(value) if value else control.unset)
            return True

        number.set_numeric(False)  # it shows words
        number.connect("output", output)
        number.connect("value-changed", lambda spin: self._config.set_property(name, spin.get_value_as_int()))
        self._config.connect(f"notify::{name}", lambda *_: number.set_value(self._config.get_property(name)))
        number.set_value(self._config.get_property(name))
        output(number)
        return self._row(control, number)

    def _size(self, control: Control) -> Gtk.Widget:
        combo = Gtk.ComboBoxText()
        for word, label in (("auto", _("Automatic")), ("full", _("The layer's own")), (PIXELS, _("Pixels:"))):
            combo.append(word, label)
        number = Gtk.SpinButton.new_with_range(control.low, control.high, 16)
        number.set_value(self._longest)
        name = canonical(control)

        def show(*_: Any) -> None:
            word = self._config.get_property(name) or control.default
            if word in control_words:
                combo.set_active_id(word)
            else:
                combo.set_active_id(PIXELS)
                if word.isdecimal() and int(word) != number.get_value_as_int():
                    number.set_value(int(word))
            number.set_sensitive(combo.get_active_id() == PIXELS)

        def put(*_: Any) -> None:
            word = combo.get_active_id()
            chosen = str(number.get_value_as_int()) if word == PIXELS else word
            if chosen != self._config.get_property(name):
                self._config.set_property(name, chosen)

        control_words = ("auto", "full")
        combo.connect("changed", put)
        number.connect("value-changed", put)
        self._config.connect(f"notify::{name}", show)
        show()
        box = Gtk.Box(spacing=6)
        box.pack_start(combo, True, True, 0)
        box.pack_start(number, False, False, 0)
        return self._row(control, box)
