"""The procedures' arguments, made from the one table of controls, and the way back from a call to the controls' values.

GIMP's argument types are narrower than the controls: what may be a word or a number (`size`, `layer-weights`) is text
as on the command line, and 0 leaves open what the quality (`steps`) or the style (`strength`, `style-scale`) decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gi.repository import Gimp, GObject

from vaporbrush_host.controls import BY_NAME, CONTROLS, FILM, Control, Value
from vaporbrush_host.film import Manner
from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import RequestError

STYLE, STYLE_FILE, STYLE_NAME = "style", "style-file", "style-name"
MORE_STYLES = ("style-2", "style-3", "style-4")  # one list would not do: GIMP refuses a call that leaves it empty
STYLE_WEIGHTS = "style-weights"
LAST_STYLES = "last-styles"  # not in the procedure's signature: GIMP forgets which layer an argument was, this does not
OPEN = 0  # of `steps` and of what a style brings along: decided when it is painted
FLAGS = GObject.ParamFlags.READWRITE
TAKEN = (
    "hrcolspka"  # mnemonics of the dialog's own buttons: Help, Reset, Cancel, OK, Load, Save, Preview, Keep, Advanced
)


def canonical(control: Control) -> str:
    """GIMP's names have dashes."""
    return control.name.replace("_", "-")


def add_arguments(procedure: Any, *, film: bool = False) -> None:
    """Everything but the standard arguments of an image procedure. `film`: those of all frames, too."""
    procedure.add_drawable_argument(
        STYLE,
        _("Style la_yer"),
        _("The layer of any open image in whose style to paint. Give at least one style; several are mixed."),
        True,
        FLAGS,
    )
    for number, name in enumerate(MORE_STYLES, 2):
        nick = _("Style layer {number}").format(number=number)
        procedure.add_drawable_argument(name, nick, _("Another layer to mix in."), True, FLAGS)
    procedure.add_file_argument(
        STYLE_FILE,
        _("Style _file"),
        _("A picture file in whose style to paint."),
        Gimp.FileChooserAction.ANY,  # GIMP refuses a file that is missing as “out of range”: we say it in words
        True,
        None,
        FLAGS,
    )
    procedure.add_string_argument(
        STYLE_NAME, _("Style _name"), _("The name of a bundled style, as `vaporbrush styles` lists them."), "", FLAGS
    )
    procedure.add_string_argument(
        STYLE_WEIGHTS,
        _("Style weights"),
        _(
            "How much each style counts where several are given, in the order of the arguments, such as “2, 1”. "
            "Empty: all the same."
        ),
        "",
        FLAGS,
    )
    procedure.add_string_aux_argument(LAST_STYLES, _("Last styles"), _("Where they came from."), "", FLAGS)
    taken = set(TAKEN)
    for control in (*CONTROLS, *(FILM if film else ())):
        _add(procedure, control, with_mnemonic(control.label, taken))
    if film:
        procedure.add_image_return_value(
            "new-image", _("Image"), _("The new image with the painted frames."), True, FLAGS
        )
        return
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
    if control.kind == "choice" and not control.open:
        choice = Gimp.Choice.new()
        for number, option in enumerate(control.options):
            choice.add(option.value, number, option.label, option.tip or option.label)
        procedure.add_choice_argument(name, label, tip, choice, control.default, FLAGS)
    elif control.tuned:
        left_open = _("0: what suits the bundled style, otherwise {usual:g}.").format(usual=control.default)
        tip = f"{tip} {left_open}"
        procedure.add_double_argument(name, label, tip, OPEN, control.high, OPEN, FLAGS)
    elif control.kind == "number":
        procedure.add_double_argument(name, label, tip, control.low, control.high, control.default, FLAGS)
    elif control.kind == "whole":
        procedure.add_int_argument(name, label, tip, int(control.low), int(control.high), control.default, FLAGS)
    elif control.kind == "steps":
        tip = f"{tip} 0: {control.unset[:1].lower()}{control.unset[1:]}."
        procedure.add_int_argument(name, label, tip, OPEN, int(control.high), OPEN, FLAGS)
    elif control.kind == "truth":
        procedure.add_boolean_argument(name, label, tip, control.default, FLAGS)
    else:
        hints = {"size": _("auto, full or a number of pixels."), "weights": _("Five numbers, or empty.")}
        words = _("Such as {words}.").format(words=", ".join(control.words))
        hint = hints.get(control.kind, words if control.words else "")
        procedure.add_string_argument(
            name, label, f"{tip} {hint}".strip(), to_argument(control, control.default), FLAGS
        )


def to_argument(control: Control, value: Value) -> Value:
    """A control's value as GIMP's argument."""
    if control.kind == "size":
        return str(value)
    if control.kind == "weights":
        return "" if value is None else ", ".join(f"{weight:g}" for weight in value)
    if control.kind == "steps":
        return value or OPEN
    return value


def from_argument(control: Control, given: Value, name: str) -> Value:
    """GIMP's argument as the control's value; None for what is left to the style. Raises `RequestError` with `name` and
    value.
    """
    if control.tuned and given == OPEN:
        return None
    value = given
    if control.kind == "size":
        word = str(given or "").strip().lower() or "auto"
        value = int(word) if word.isdecimal() else word
    elif control.kind == "weights":
        value = numbers(given or "")  # GIMP makes an empty text None
    elif control.kind == "steps":
        value = given or None
    if not control.accepts(value):
        wanted = {
            "size": _("auto, full or a number from {low} to {high}"),
            "weights": _("five numbers separated by commas, at least one above 0, or empty"),
            "choice": _("one of {words}"),
        }.get(control.kind, _("0 or from {low} to {high}") if control.tuned else _("from {low} to {high}"))
        low, high = (int(edge) if edge == int(edge) else edge for edge in (control.low, control.high))
        wanted = wanted.format(low=low, high=high, words=", ".join(control.words))
        raise refused(name, given, wanted)
    return value


def refused(name: str, given: Value, wanted: str) -> RequestError:
    """The sentence about an argument that cannot be taken."""
    return RequestError(
        "bad_field", _("“{name}” is “{value}”, but must be {wanted}.").format(name=name, value=given, wanted=wanted)
    )


def numbers(text: str) -> tuple[float, ...] | str | None:
    """“2, 1” as numbers; None where there are none, and the text itself where it is something else."""
    words = str(text).replace(",", " ").split()
    try:
        return tuple(float(word) for word in words) or None
    except ValueError:  # as above
        return str(text)


def values_of(config: Any, name_of: Callable[[Control], str] = canonical) -> dict[str, Value]:
    """The controls' values of one call, without those that are left to the style. `name_of`: what whoever reads the
    error knows the control by.
    """
    given = {
        control: from_argument(control, config.get_property(canonical(control)), name_of(control))
        for control in CONTROLS
    }
    return {control.name: value for control, value in given.items() if value is not None or not control.tuned}


def manner_of(config: Any) -> Manner | None:
    """How the frames of a film are to be painted; None for a call that is of one layer."""
    names = {control.name: canonical(control) for control in FILM}
    if any(config.find_property(name) is None for name in names.values()):
        return None
    return Manner.of({name: config.get_property(key) for name, key in names.items()})


def labelled_values(config: Any) -> dict[str, Value]:
    """The same for the dialog, whose errors name the fields as it does."""
    return values_of(config, lambda control: control.label)


def put_values(config: Any, values: Mapping[str, Value]) -> None:
    """Set a call's arguments from controls' values, such as those kept with a painted layer."""
    for name, value in values.items():
        control = BY_NAME.get(name)
        if control is not None and control.accepts(value):
            config.set_property(canonical(control), to_argument(control, value))
