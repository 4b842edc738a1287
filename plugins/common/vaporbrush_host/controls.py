"""The one table of controls. Both dialogs, the procedures' arguments and the remembered values are made from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vaporbrush_protocol.limits import MAX_SIDE, MAX_STEPS, MIN_SIDE
from vaporbrush_protocol.recipe import (
    DEFAULT_STRENGTH,
    MAX_STRENGTH,
    MAX_STYLE_SCALE,
    MIN_STRENGTH,
    MIN_STYLE_SCALE,
    STYLE_TAPS,
)

from .words import _

# choice: one of `options`; number: a real in [low, high]; whole: an integer in [low, high]; truth: yes or no;
# size: "auto", "full" or pixels in [low, high]; steps: None (by quality) or an integer; weights: None or five reals.
Kind = Literal["choice", "number", "whole", "truth", "size", "steps", "weights"]
Value = Any  # of a control: text, number, truth, None or a tuple of numbers
MAX_SEED = 2**31 - 1  # the recipe allows 63 bits; toolkits' number fields hold 31


@dataclass(frozen=True)
class Option:
    """One entry of a choice: the recipe's word, what people read, and what it does."""

    value: str
    label: str
    tip: str = ""


@dataclass(frozen=True)
class Control:
    """One control. `name` is the recipe's field, or the host's own where `recipe` is false."""

    name: str
    label: str
    tip: str
    kind: Kind
    default: Value
    options: tuple[Option, ...] = ()
    low: float = 0
    high: float = 1
    logarithmic: bool = False
    decimals: int = 0
    advanced: bool = False
    recipe: bool = True

    def accepts(self, value: Value) -> bool:
        """Whether a value (remembered, or from a script) can be shown and sent."""
        if self.kind == "truth":
            return isinstance(value, bool)
        if self.kind == "choice":
            # a choice of models or devices grows with the machine: any short word is kept, the daemon has the say
            return isinstance(value, str) and (value in self.words or (self.name in OPEN_CHOICES and bool(value)))
        if self.kind == "weights":
            return value is None or (
                isinstance(value, (tuple, list))
                and len(value) == len(STYLE_TAPS)
                and all(_real(v) and 0 <= v <= 1e9 for v in value)
                and any(value)
            )
        if value is None or isinstance(value, str):
            return (self.kind == "steps" and value is None) or (self.kind == "size" and value in ("auto", "full"))
        if self.kind != "number" and not isinstance(value, int):
            return False
        return _real(value) and self.low <= value <= self.high

    @property
    def words(self) -> tuple[str, ...]:
        """The values of the options."""
        return tuple(option.value for option in self.options)

    def to_slider(self, value: float) -> float:
        """A number's place on a slider, 0 to 1."""
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def from_slider(self, place: float) -> float:
        """The number at a slider's place, rounded to three significant digits where the slider is logarithmic."""
        if self.logarithmic:
            exact = self.low * (self.high / self.low) ** place
            return min(self.high, max(self.low, float(f"{exact:.3g}")))
        return round(self.low + place * (self.high - self.low), self.decimals)


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


OPEN_CHOICES = ("model", "device")
SUITED = ("strength", "style_scale")  # a bundled style that stands alone brings its own; without them, the default

CONTROLS: tuple[Control, ...] = (
    Control(
        "strength",
        _("Strength"),
        _(
            "How far the picture moves from the layer towards the style. 10 keeps every shape of the layer; "
            "1 keeps its details too; 1000 dissolves it into the style."
        ),
        "number",
        DEFAULT_STRENGTH,
        low=MIN_STRENGTH,
        high=MAX_STRENGTH,
        logarithmic=True,
        decimals=1,
    ),
    Control(
        "style_scale",
        _("Style scale"),
        _(
            "How large the style's strokes and patterns are. At 1 the style picture is seen as large as the painting; "
            "at 0.5 everything in it is half as large."
        ),
        "number",
        1.0,
        low=MIN_STYLE_SCALE,
        high=MAX_STYLE_SCALE,
        logarithmic=True,
        decimals=2,
    ),
    Control(
        "quality",
        _("Quality"),
        _("How much work goes into the painting. Use Draft to find the right style and strength, then Fine."),
        "choice",
        "standard",
        options=(
            Option("draft", _("Draft"), _("A first impression within about 20 seconds.")),
            Option("standard", _("Standard"), _("A finished painting in about two minutes.")),
            Option("fine", _("Fine"), _("Fine detail and large sizes; about ten minutes.")),
        ),
    ),
    Control(
        "size",
        _("Size"),
        _(
            "The longest side that is painted. The new layer always has the layer's full size; what was painted "
            "smaller is enlarged. Automatic takes the largest size that fits the quality's time."
        ),
        "size",
        "auto",
        low=MIN_SIDE,
        high=MAX_SIDE,
    ),
    Control(
        "color",
        _("Colours"),
        _("Which colours the painting has."),
        "choice",
        "style",
        options=(
            Option("style", _("From the style"), _("Strokes and colours of the style.")),
            Option("luma", _("Keep the layer's"), _("Only light and dark are repainted; the layer's colours stay.")),
            Option(
                "match",
                _("Style in the layer's palette"),
                _("The style is recoloured to the layer's palette first; softer than keeping the colours exactly."),
            ),
        ),
    ),
    Control(
        "use_selection",
        _("Use selection"),
        _("Paint only what is selected, with the selection's soft edges. Outside, the new layer is transparent."),
        "truth",
        True,
        recipe=False,
    ),
    Control(
        "seed",
        _("Seed"),
        _("Another number gives another variation, mostly where the painting starts from noise."),
        "whole",
        0,
        high=MAX_SEED,
    ),
    Control(
        "blend",
        _("Blend"),
        _("How much of the painting is mixed over the layer's own pixels: 1 is all painting."),
        "number",
        1.0,
        decimals=2,
        advanced=True,
    ),
    Control(
        "start",
        _("Start from"),
        _("Where the painting begins. From the layer it stays true to the drawing; from noise it is freer and slower."),
        "choice",
        "content",
        options=(Option("content", _("The layer")), Option("noise", _("Noise"))),
        advanced=True,
    ),
    Control(
        "tileable",
        _("Seamless"),
        _("The painting continues across its edges, so that it can be laid side by side as a pattern."),
        "truth",
        False,
        advanced=True,
    ),
    Control(
        "steps",
        _("Steps"),
        _("How many steps the painter takes in all. By quality is right almost always."),
        "steps",
        None,
        low=1,
        high=MAX_STEPS,
        advanced=True,
    ),
    Control(
        "layer_weights",
        _("Detail levels"),
        _(
            "How much each level of the style counts, from fine grain to large forms: five numbers. "
            "Empty means the usual balance."
        ),
        "weights",
        None,
        advanced=True,
    ),
    Control(
        "tv",
        _("Smoothing"),
        _("Suppresses fine noise. 0 is off; try 0.001 first."),
        "number",
        0.0,
        high=100.0,
        decimals=4,
        advanced=True,
    ),
    Control(
        "pool",
        _("Pooling"),
        _("How the network looks at neighbourhoods: maximum is crisper, average is smoother."),
        "choice",
        "max",
        options=(Option("max", _("Maximum")), Option("avg", _("Average"))),
        advanced=True,
    ),
    Control(
        "optimizer",
        _("Optimizer"),
        _("L-BFGS needs the fewest steps. Adam needs less memory."),
        "choice",
        "lbfgs",
        options=(Option("lbfgs", "L-BFGS"), Option("adam", "Adam")),
        advanced=True,
    ),
    Control(
        "model",
        _("Model"),
        _("The network that sees the style. Automatic takes the full one where it is installed."),
        "choice",
        "auto",
        options=(
            Option("auto", _("Automatic")),
            Option("vgg19", _("VGG19 (full)")),
            Option("vgg19-lite", _("VGG19-lite (small, quick)")),
        ),
        advanced=True,
    ),
    Control(
        "device",
        _("Device"),
        _("What computes. Automatic takes the graphics card where there is one."),
        "choice",
        "auto",
        options=(Option("auto", _("Automatic")), Option("cpu", _("Processor (CPU)"))),
        advanced=True,
    ),
)
BY_NAME = {control.name: control for control in CONTROLS}


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


def from_recipe(wire: Mapping[str, Any]) -> dict[str, Value]:
    """The controls' values that a recipe (as stored with a layer) stands for."""
    return clean({name: wire[name] for name in BY_NAME if name in wire})


def suited(style: Mapping[str, Any]) -> dict[str, Value]:
    """What suits a style, as the daemon lists it: values of `SUITED`."""
    return {name: float(style[name]) for name in SUITED if BY_NAME[name].accepts(style.get(name))}


def recipe_fields(values: Mapping[str, Value]) -> dict[str, Value]:
    """The recipe's fields from the controls' values (a full set; of `SUITED` some may be left out)."""
    fields = {name: values[name] for name, control in BY_NAME.items() if control.recipe and name in values}
    if isinstance(fields.get("layer_weights"), list):
        fields["layer_weights"] = tuple(fields["layer_weights"])
    return fields
