"""What both editors do with presets: a preset's styles and values in an editor's words, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vaporbrush_protocol.endpoint import native
from vaporbrush_protocol.preset_archive import SUFFIX
from vaporbrush_protocol.presets import NewStyle, Preset, refused, suffix_of

from . import png
from .controls import BY_NAME, Value, Values, clean, defaults
from .request import Pixels, StyleRef
from .ui_text import _

PATTERN = f"*{SUFFIX}"
# The menu's words, the same in both editors.
MENU, MENU_TIP = _("Presets"), _("Styles and settings that you have kept under a name.")
NONE_YET = _("There is none yet")
SAVE, IMPORT, EXPORT, DELETE = _("Save as preset…"), _("Import…"), _("Export"), _("Delete")
ASK_NAME = _("What is it to be called?")
NO_REGIONS = _("Regions belong to this picture and are not kept with it.")
OWN = ("use_selection",)  # values that are no part of a look


def settings_of(values: Values) -> dict[str, Value]:
    """The values that a preset keeps."""
    return {name: value for name, value in values.items() if name in BY_NAME and BY_NAME[name].recipe}


def values_of(preset: Preset, tuned: Mapping[str, Any], present: Values) -> dict[str, Value]:
    """A full set of values: the preset's, then what its bundled style brings along, then what is usual. What a preset
    does not keep stays as it is at `present`.
    """
    stays = {name: value for name, value in present.items() if name in OWN or name == "device"}
    return clean({**defaults(), **stays, **tuned, **preset.settings})


def refs_of(preset: Preset, locate: Callable[[Path], str] = str) -> tuple[StyleRef, ...]:
    """The preset's styles. `locate`: a file as the editor remembers files."""
    return tuple(
        StyleRef("bundled", style.name, weight=style.weight)
        if style.picture is None
        else StyleRef("file", locate(style.picture), weight=style.weight)
        for style in preset.styles
    )


def file_style(path: str, weight: float, title: str, read: Callable[[], Pixels]) -> NewStyle:
    """A picture file to be kept: as it is where all programs can read it, else its pixels as the editor `read` them."""
    file = Path(native(path))
    try:
        with file.open("rb") as opened:
            readable = bool(suffix_of(opened.read(16)))
    except OSError as error:
        raise refused(_("{path} cannot be read: {why}.").format(path=path, why=error.strerror)) from None
    if readable:
        return NewStyle(file=file, title=title, weight=weight)
    return NewStyle(data=png.encode(read()), title=title, weight=weight)


def saved(preset: Preset, *, regions: bool = False) -> str:
    """What is said when it is kept. `regions`: some of its styles had one."""
    told = _("Kept as “{name}”. On the command line it is @{name}.").format(name=preset.name)
    return f"{told} {NO_REGIONS}" if regions else told


def exported(name: str, path: str) -> str:
    """What is said when it is written to a file."""
    return _("“{name}” is in {path}.").format(name=name, path=path)


def replace_question(name: str) -> str:
    """Before a preset is replaced."""
    return _("There is a preset “{name}” already. Replace it?").format(name=name)


def delete_question(name: str) -> str:
    """Before a preset is forgotten."""
    return _("Delete the preset “{name}”, with its copies of style pictures?").format(name=name)
