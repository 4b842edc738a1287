"""Options of commands: those that several have, and one for each setting, made from the table of controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from vaporbrush_daemon.texts import _, speech
from vaporbrush_protocol.controls import CONTROLS, FILM, Control, Value, recipe_limits
from vaporbrush_protocol.errors import RequestError

F = TypeVar("F", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
LOOK = "The look"
PANELS = {False: LOOK, True: "Advanced"}  # by whether a control is advanced, as in both dialogs
METAVARS = {"number": "R", "whole": "N", "steps": "N", "size": "N|full|auto", "weights": "A,B,C,D,E"}
CONTENT = "picture"  # what is painted, in a terminal's words


def argument_panel(*arguments: str) -> Callable[[F], F]:
    """A panel of arguments, without the column for what stands for their values: that is their name."""
    return click.option_panel("Arguments", options=list(arguments), column_types=["required", "opt_long", "help"])


def _to_program(_context: click.Context, _parameter: click.Parameter, as_json: bool) -> bool:
    if as_json:
        speech.be_english()
    return as_json


json_option = click.option(
    "--json",
    "as_json",
    is_flag=True,
    is_eager=True,  # before the others are read, and may be wrong
    callback=_to_program,
    help="Print one JSON object for programs.",
)


def size(flag: str) -> Callable[[str], int | str]:
    """Reads a number of pixels, or a word. What is in range, the recipe knows."""

    def read(given: str) -> int | str:
        if given in ("full", "auto"):
            return given
        try:
            return int(given)
        except ValueError:
            problem = _("{flag} is {value}, but must be a number of pixels, full or auto.")
            raise RequestError("bad_field", problem.format(flag=flag, value=repr(given))) from None

    return read


def numbers(flag: str) -> Callable[[str], tuple[float, ...]]:
    """Reads numbers with commas between."""

    def read(given: str) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in given.split(","))
        except ValueError:
            problem = _("{flag} is {value}, but must be numbers with commas between.")
            raise RequestError("bad_field", problem.format(flag=flag, value=repr(given))) from None

    return read


styles_argument = click.argument(
    "style",
    metavar="STYLE...",
    nargs=-1,
    required=True,
    help="One or more pictures to take the style from, @NAME of a bundled one, or @NAME of a preset, alone.",
)
weights_option = click.option(
    "--style-weights",
    metavar="A,B,…",
    type=numbers("--style-weights"),
    help="How several styles are mixed, one number for each.",
    panel=LOOK,
)


def recipe_option(panel: str) -> Callable[[F], F]:
    """Where settings come from that are not given."""
    return click.option(
        "--recipe",
        metavar="FILE",
        type=FILE,
        help="Take the settings from a PNG that Vaporbrush painted, or from JSON.",
        panel=panel,
    )


TYPES: dict[str, Any] = {
    "number": float,
    "whole": int,
    "steps": int,
    "choice": str,
}  # the recipe names a choice's words
READERS: dict[str, Callable[[str], Callable[[str], Any]]] = {"size": size, "weights": numbers}


def setting_options(command: F) -> F:
    """One option for each setting of the recipe; what is not given is None."""
    for control in reversed(CONTROLS):
        if control.recipe:
            command = _option(control.worded(CONTENT))(command)
    return command


def film_options(command: F) -> F:
    """The same for what only a film's frames have."""
    for control in reversed(FILM):
        command = _option(control.worded(CONTENT))(command)
    return command


def _option(control: Control) -> Callable[[F], F]:
    flag = "--" + (control.option or control.name).replace("_", "-")
    panel, text = PANELS[control.advanced], _help(control)
    if control.kind == "truth":
        return click.option(flag, control.name, is_flag=True, default=None, help=text, panel=panel)
    return click.option(
        flag,
        control.name,
        type=READERS[control.kind](flag) if control.kind in READERS else TYPES[control.kind],
        metavar=_metavar(control),
        default=None,
        show_default=_default(control),
        help=text,
        panel=panel,
    )


def _metavar(control: Control) -> str:
    if control.kind != "choice":
        return METAVARS[control.kind]
    return "NAME" if control.open else "|".join(control.words)


def _help(control: Control) -> str:
    options = [f"{option.value}: {option.tip}" for option in control.options if option.tip]
    limits = []
    if control.kind == "number":
        low, high = recipe_limits(control.name)
        limits = [f"From {low:.10g} to {high:.10g}."]
    return " ".join([control.help or control.tip, *options, *limits])


def _default(control: Control) -> str:
    usual = control.default
    if usual is None:
        shown = control.unset[:1].lower() + control.unset[1:]
    else:
        shown = f"{usual:g}" if isinstance(usual, float) else str(usual)
    return f"{shown}, or what suits a bundled style" if control.tuned else shown


def given_settings(options: dict[str, Value]) -> dict[str, Value]:
    """The settings among a command's options that were given."""
    names = {control.name for control in (*CONTROLS, *FILM) if control.recipe}
    return {name: value for name, value in options.items() if name in names and value is not None}
