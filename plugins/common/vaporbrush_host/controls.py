"""The table of controls in an editor's words, and the values of a set of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vaporbrush_protocol import controls
from vaporbrush_protocol.controls import SETTINGS, Control, Option, Value

from .ui_text import _

__all__ = [
    "BY_NAME",
    "CONTROLS",
    "FILM",
    "SETTINGS",
    "Control",
    "Option",
    "Value",
    "Values",
    "clean",
    "clean_film",
    "defaults",
    "from_recipe",
    "from_slider",
    "to_slider",
]

CONTROLS: tuple[Control, ...] = tuple(control.worded(_("layer"), _) for control in controls.CONTROLS)
FILM: tuple[Control, ...] = tuple(control.worded(_("layer"), _) for control in controls.FILM)  # of animations only
Values = Mapping[str, Any]  # a set of them, by name

BY_NAME = {control.name: control for control in CONTROLS}


def to_slider(control: Control, value: float) -> float:
    """A number's place on a slider, 0 to 1."""
    if control.logarithmic:
        return math.log(value / control.low) / math.log(control.high / control.low)
    return (value - control.low) / (control.high - control.low)


def from_slider(control: Control, place: float) -> float:
    """The number at a slider's place, rounded to three significant digits where the slider is logarithmic."""
    if control.logarithmic:
        exact = control.low * (control.high / control.low) ** place
        return min(control.high, max(control.low, float(f"{exact:.3g}")))
    return round(control.low + place * (control.high - control.low), control.decimals)


def defaults() -> dict[str, Value]:
    """Every control at its default."""
    return {control.name: control.default for control in CONTROLS}


def clean(values: object) -> dict[str, Value]:
    """A full set of values from a remembered or foreign one: unknown names go, unacceptable values become defaults."""
    given = values if isinstance(values, Mapping) else {}
    result = defaults()
    for name, value in given.items():
        control = BY_NAME.get(name)
        if control is not None and control.accepts(value):
            result[name] = tuple(value) if isinstance(value, list) else value
    return result


def clean_film(values: object) -> dict[str, Value]:
    """The same for what only a film has."""
    given = values if isinstance(values, Mapping) else {}
    found = ((control, given.get(control.name)) for control in FILM)
    return {control.name: value if control.accepts(value) else control.default for control, value in found}


def from_recipe(wire: Mapping[str, Any]) -> dict[str, Value]:
    """The controls' values that a recipe (as stored with a layer) stands for."""
    return clean({name: wire[name] for name in BY_NAME if name in wire})


def recipe_fields(values: Mapping[str, Value]) -> dict[str, Value]:
    """The recipe's fields from the controls' values (a full set; of `TUNED` some may be left out)."""
    fields = {name: values[name] for name in SETTINGS if name in values}
    if isinstance(fields.get("layer_weights"), list):
        fields["layer_weights"] = tuple(fields["layer_weights"])
    return fields
