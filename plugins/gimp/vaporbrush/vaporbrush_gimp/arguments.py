"""The procedures' arguments, made from the one table of controls, and the way back from a call to the controls' values.

GIMP's argument types are narrower than the controls: what may be a word or a number (`size`, `layer-weights`) is text
as on the command line, and `steps` 0 means "by quality".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gi.repository import Gimp, GObject

from vaporbrush_host.controls import BY_NAME, CONTROLS, OPEN_CHOICES, Control, Value
from vaporbrush_host.words import _
from vaporbrush_protocol.errors import RequestError

STYLE, STYLE_FILE, STYLE_NAME = "style", "style-file", "style-name"
LAST_STYLE = "last-style"  # not in the procedure's signature: GIMP forgets which layer an argument was, this does not
FLAGS = GObject.ParamFlags.READWRITE
TAKEN = (
    "hrcolspka"  # mnemonics of the dialog's own buttons: Help, Reset, Cancel, OK, Load, Save, Preview, Keep, Advanced
)


def canonical(control: Control) -> str:
    """GIMP's names have dashes."""
    return control.name.replace("_", "-")


def add_arguments(procedure: Any) -> None:
    """Everything but the standard arguments of an image procedure."""
    procedure.add_drawable_argument(
        STYLE,
        _("Style la_yer"),
        _("The layer of any open image in whose style to paint. Give this, style-file or style-name."),
        True,
        FLAGS,
    )
    procedure.add_file_argument(
        STYLE_FILE,
        _("Style _file"),
        _("The picture file in whose style to paint."),
        Gimp.FileChooserAction.ANY,  # GIMP refuses a file that is missing as “out of range”: we say it in words
        True,
        None,
        FLAGS,
    )
    procedure.add_string_argument(
        STYLE_NAME, _("Style _name"), _("The name of a bundled style, as `vaporbrush styles` lists them."), "", FLAGS
    )
    procedure.add_string_aux_argument(LAST_STYLE, _("Last style"), _("Where the last style came from."), "", FLAGS)
    taken = set(TAKEN)
    for control in CONTROLS:
        _add(procedure, control, with_mnemonic(control.label, taken))
    procedure.add_layer_return_value("layer", _("Layer"), _("The new layer with the painting."), True, FLAGS)


def with_mnemonic(label: str, taken: set[str]) -> str:
    """The label with an underscore before a letter that is still free (and then is not), beginnings of words first."""
    starts = [i for i in range(len(label)) if i == 0 or label[i - 1] == " "]
    for i in (*starts, *range(len(label))):
        letter = label[i].lower()
        if letter.isascii() and letter.isalpha() and letter not in taken:
            taken.add(letter)
            return f"{label[:i]}_{label[i:]}"
    return label


def _add(procedure: Any, control: Control, label: str) -> None:
    name, tip = canonical(control), control.tip
    if control.kind == "choice" and control.name not in OPEN_CHOICES:
        choice = Gimp.Choice.new()
        for number, option in enumerate(control.options):
            choice.add(option.value, number, option.label, option.tip or option.label)
        procedure.add_choice_argument(name, label, tip, choice, control.default, FLAGS)
    elif control.kind == "number":
        procedure.add_double_argument(name, label, tip, control.low, control.high, control.default, FLAGS)
    elif control.kind == "whole":
        procedure.add_int_argument(name, label, tip, int(control.low), int(control.high), control.default, FLAGS)
    elif control.kind == "steps":
        tip = f"{tip} {_('0: by quality.')}"
        procedure.add_int_argument(name, label, tip, 0, int(control.high), control.default or 0, FLAGS)
    elif control.kind == "truth":
        procedure.add_boolean_argument(name, label, tip, control.default, FLAGS)
    else:
        hint = _("auto, full or a number of pixels.") if control.kind == "size" else _("Five numbers, or empty.")
        procedure.add_string_argument(name, label, f"{tip} {hint}", to_argument(control, control.default), FLAGS)


def to_argument(control: Control, value: Value) -> Value:
    """A control's value as GIMP's argument."""
    if control.kind == "size":
        return str(value)
    if control.kind == "weights":
        return "" if value is None else ", ".join(f"{weight:g}" for weight in value)
    if control.kind == "steps":
        return value or 0
    return value


def from_argument(control: Control, given: Value) -> Value:
    """GIMP's argument as the control's value. Raises `RequestError` naming argument and value."""
    value = given
    if control.kind == "size":
        word = str(given or "").strip().lower() or "auto"
        value = int(word) if word.isdecimal() else word
    elif control.kind == "weights":
        value = _weights(given or "")  # GIMP makes an empty text None
    elif control.kind == "steps":
        value = given or None
    if not control.accepts(value):
        wanted = {
            "size": _("auto, full or a number from {low} to {high}"),
            "weights": _("five numbers separated by commas, at least one above 0, or empty"),
            "choice": _("one of {words}"),
        }.get(control.kind, _("from {low} to {high}"))
        raise RequestError(
            "bad_field",
            _("“{name}” is “{value}”, but must be {wanted}.").format(
                name=canonical(control),
                value=given,
                wanted=wanted.format(low=int(control.low), high=int(control.high), words=", ".join(control.words)),
            ),
        )
    return value


def _weights(text: str) -> tuple[float, ...] | str | None:
    words = str(text).replace(",", " ").split()
    try:
        return tuple(float(word) for word in words) or None
    except ValueError:
        return str(text)


def values_of(config: Any) -> dict[str, Value]:
    """The controls' values of one call."""
    return {control.name: from_argument(control, config.get_property(canonical(control))) for control in CONTROLS}


def put_values(config: Any, values: Mapping[str, Value]) -> None:
    """Set a call's arguments from controls' values, such as those kept with a painted layer."""
    for name, value in values.items():
        control = BY_NAME.get(name)
        if control is not None and control.accepts(value):
            config.set_property(canonical(control), to_argument(control, value))
