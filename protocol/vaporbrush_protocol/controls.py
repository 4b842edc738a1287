"""The one table of controls: how people meet the recipe's fields.

Type, range, words and default come from the field itself; what stands here is what a person reads, and how a control
looks. Options and help of the command line, both dialogs, GIMP's arguments, what a bundled style may bring along, and
the manual are made from it: a new setting is a field of `Recipe` and an entry in `CONTROLS`.

`{content}` in a text is what the reader calls the picture that is painted: a layer in an editor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal

from .limits import MIN_SIDE
from .recipe import MAX_LAYER_WEIGHT, STYLE_TAPS, Recipe

# choice: one of `options`; number: a real in [low, high]; whole: an integer in [low, high]; truth: yes or no;
# size: "auto", "full" or pixels in [low, high]; steps: None (by quality) or an integer; weights: None or five reals.
Kind = Literal["choice", "number", "whole", "truth", "size", "steps", "weights"]
Value = Any  # of a control: text, number, truth, None or a tuple of numbers
MAX_SEED = 2**31 - 1  # the recipe allows 53 bits; toolkits' number fields hold 31


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
    open: bool = False  # a choice that grows with the machine: any word is taken, and the daemon has the say
    tuned: bool = False  # a bundled style that stands alone brings its own value
    unset: str = ""  # what people read for None
    recipe: bool = True
    help: str = ""  # the command line's text, where it cannot be the dialogs'
    option: str = ""  # the command line's name, where it is not the field's

    def accepts(self, value: Value) -> bool:
        """Whether a value (remembered, or from a script) can be shown and sent."""
        if self.kind == "truth":
            return isinstance(value, bool)
        if self.kind == "choice":
            return isinstance(value, str) and (value in self.words or (self.open and bool(value)))
        if self.kind == "weights":
            return value is None or (
                isinstance(value, (tuple, list))
                and len(value) == len(STYLE_TAPS)
                and all(_real(v) and 0 <= v <= MAX_LAYER_WEIGHT for v in value)
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

    def worded(self, content: str, translate: Callable[[str], str] = str) -> Control:
        """The control as somebody reads it for whom the painted picture is a `content`."""

        def say(text: str) -> str:
            return translate(text).format(content=content) if text else ""

        options = tuple(Option(each.value, say(each.label), say(each.tip)) for each in self.options)
        label, tip, unset, help_ = map(say, (self.label, self.tip, self.unset, self.help))
        return replace(self, options=options, label=label, tip=tip, unset=unset, help=help_)


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


_FIELDS = {each.name: each for each in fields(Recipe)}


def recipe_limits(name: str) -> tuple[float, float]:
    """Between which numbers a field may be (0 and 1 where it has none). A control may offer less than that."""
    schema: Mapping[str, Any] = _FIELDS[name].metadata["schema"]
    numeric: Mapping[str, Any] = next((one for one in (schema, *schema.get("anyOf", ())) if "minimum" in one), {})
    return numeric.get("minimum", 0), numeric.get("maximum", 1)


def _control(name: str, label: str, tip: str, *options: Option, **more: Any) -> Control:
    """The control of a recipe's field, by the field's own rule and default."""
    each = _FIELDS[name]
    schema: Mapping[str, Any] = each.metadata["schema"]
    if "anyOf" in schema:
        kind: Kind = "size"
    elif "enum" in schema:
        kind = "choice"
        assert {option.value for option in options} == set(schema["enum"]), f"{name} has other words in the recipe"
    elif schema["type"] == "string":
        kind, more = "choice", {**more, "open": True}
    else:
        kinds: dict[str, Kind] = {"number": "number", "boolean": "truth", "array": "weights"}
        kind = kinds.get(schema["type"], "whole" if each.default is not None else "steps")
    low, high = recipe_limits(name)
    made = Control(name, label, tip, kind, each.default, options, **{"low": low, "high": high, **more})
    assert not made.tuned or (made.kind == "number" and made.low > 0), (
        "GIMP's argument says 0 for the style's own value"
    )
    return made


CONTROLS: tuple[Control, ...] = (
    _control(
        "strength",
        "Strength",
        "How far the picture moves from the {content} towards the style. 10 keeps every shape of the {content}; "
        "1 keeps its details too; 1000 dissolves it into the style.",
        logarithmic=True,
        decimals=1,
        tuned=True,
    ),
    _control(
        "look",
        "Look",
        "What of the style is painted.",
        Option("texture", "Texture", "The style's patterns and colours everywhere, in large and rich strokes."),
        Option(
            "brushwork",
            "Brushwork",
            "Every place is painted with the place of the style that resembles it most: sky by sky, face by face.",
        ),
    ),
    _control(
        "lines",
        "Keep lines",
        "How strictly the {content}'s lines stay where they are: for faces, letters and drawings. 0 is off.",
        decimals=2,
    ),
    _control(
        "style_scale",
        "Style scale",
        "How large the style's strokes and patterns are. At 1 the style picture is seen as large as the painting; "
        "at 0.5 everything in it is half as large.",
        logarithmic=True,
        decimals=2,
        tuned=True,
    ),
    _control(
        "quality",
        "Quality",
        "How much work goes into the painting. Use Draft to find the right style and strength, then Fine.",
        Option("draft", "Draft", "A first impression within about 20 seconds."),
        Option("standard", "Standard", "A finished painting in about two minutes."),
        Option("fine", "Fine", "Fine detail and large sizes; about ten minutes."),
    ),
    _control(
        "size",
        "Size",
        "The longest side that is painted. The new layer always has the layer's full size; what was painted "
        "smaller is enlarged. Automatic takes the largest size that fits the quality's time.",
        low=MIN_SIDE,
        help="The longest side in pixels. full: the {content}'s own; auto: as large as it is, painted as large as the "
        "quality's time allows.",
    ),
    _control(
        "color",
        "Colours",
        "Which colours the painting has.",
        Option("style", "From the style", "Strokes and colours of the style."),
        Option("luma", "Keep the {content}'s", "Only light and dark are repainted; the {content}'s colours stay."),
        Option(
            "match",
            "Style in the {content}'s palette",
            "The style is recoloured to the {content}'s palette first; softer than keeping the colours exactly.",
        ),
        Option(
            "palette",
            "{content} in the style's palette",
            "Strokes of the style; the {content}'s own colours, moved into the style's palette, so that one thing has "
            "one colour.",
        ),
    ),
    Control(
        "use_selection",
        "Use selection",
        "Paint only what is selected, with the selection's soft edges. Outside, the new layer is transparent.",
        "truth",
        default=True,
        recipe=False,
    ),
    _control(
        "turns",
        "Turn strokes",
        "Brushwork may also use the style turned by 90, 180 and 270 degrees, so that its strokes run any way.",
        advanced=True,
    ),
    _control(
        "seed",
        "Seed",
        "Another number gives another variation, mostly where the painting starts from noise.",
        high=MAX_SEED,
    ),
    _control(
        "blend",
        "Blend",
        "How much of the painting is mixed over the {content}'s own pixels: 1 is all painting.",
        decimals=2,
        advanced=True,
    ),
    _control(
        "start",
        "Start from",
        "Where the painting begins. From the {content} it stays true to the drawing; from noise it is freer and "
        "slower.",
        Option("content", "The {content}"),
        Option("noise", "Noise"),
        advanced=True,
        option="init",
    ),
    _control(
        "tileable",
        "Seamless",
        "The painting continues across its edges, so that it can be laid side by side as a pattern.",
        advanced=True,
    ),
    _control(
        "steps",
        "Steps",
        "How many steps the painter takes in all. By quality is right almost always.",
        low=1,
        advanced=True,
        unset="By quality",
    ),
    _control(
        "layer_weights",
        "Detail levels",
        "How much each level of the style counts, from fine grain to large forms: five numbers. "
        "Empty means the usual balance.",
        advanced=True,
        unset="Usual balance",
        help="How much each level of the style counts, from fine grain to large forms: five numbers.",
    ),
    _control(
        "tv",
        "Smoothing",
        "Suppresses fine noise. 0 is off; try 0.001 first.",
        high=100.0,
        decimals=4,
        advanced=True,
    ),
    _control(
        "pool",
        "Pooling",
        "How the network looks at neighbourhoods: maximum is crisper, average is smoother.",
        Option("max", "Maximum"),
        Option("avg", "Average"),
        advanced=True,
    ),
    _control(
        "optimizer",
        "Optimizer",
        "L-BFGS needs the fewest steps. Adam needs less memory.",
        Option("lbfgs", "L-BFGS"),
        Option("adam", "Adam"),
        advanced=True,
    ),
    _control(
        "model",
        "Model",
        "The network that sees the style. Automatic takes the full one where it is installed.",
        Option("auto", "Automatic"),
        Option("vgg19", "VGG19 (full)"),
        Option("vgg19-lite", "VGG19-lite (small, quick)"),
        advanced=True,
        help="The network that sees the style: vgg19, vgg19-lite, or auto, the full one where it is installed.",
    ),
    _control(
        "device",
        "Device",
        "What computes. Automatic takes the graphics card where there is one.",
        Option("auto", "Automatic"),
        Option("cpu", "Processor (CPU)"),
        advanced=True,
        help="What computes: cpu, cuda:N, xpu:N, mps (`vaporbrush status` lists them), or auto, any graphics card.",
    ),
)
FILM: tuple[Control, ...] = (  # what only a film's frames have
    _control(
        "boil",
        "Boil",
        "How much the paint of a film changes from frame to frame: at 0 what stands still is frozen, at 1 each drawing "
        "is painted anew.",
        decimals=2,
    ),
    Control(
        "loop",
        "Loop",
        "The film plays round and round: its end leads back to its beginning.",
        "truth",
        default=False,
        recipe=False,
    ),
)
BY_NAME = {control.name: control for control in CONTROLS}
SETTINGS = tuple(control.name for control in CONTROLS if control.recipe)  # the fields that are no pictures
FILM_SETTINGS = tuple(control.name for control in FILM if control.recipe)  # and those of a film's frames
TUNED = tuple(control.name for control in CONTROLS if control.tuned)


def tuned(style: Mapping[str, Any]) -> dict[str, Value]:
    """The values with which a style looks best, out of its entry in a list of styles; only acceptable ones."""
    found = {name: _as_number(BY_NAME[name], style.get(name)) for name in TUNED}
    return {name: value for name, value in found.items() if BY_NAME[name].accepts(value)}


def _as_number(control: Control, value: Value) -> Value:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if control.kind == "number" and whole else value
