#!/usr/bin/env python3
"""Vaporbrush's entry into GIMP 3: what GIMP runs to learn the procedures, and once for every call of one.

Registering cannot fail. Whatever goes wrong while the rest of the plug-in is imported is kept and shown when the person
chooses the menu entry: GIMP itself would drop the entry without a word.
"""

import sys
import traceback
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, GLib

STYLIZE = "plug-in-vaporbrush-stylize"
RESTYLIZE = "plug-in-vaporbrush-restylize"
FRAMES = "plug-in-vaporbrush-frames"
LABELS = {  # in English, until `describe` has them in the person's language
    STYLIZE: "_Vaporbrush...",
    RESTYLIZE: "Vaporbrush: _Restylize...",
    FRAMES: "All frames (Vaporbrush)...",
}
MENU = "<Image>/Filters/Artistic"
FILM_MENU = "<Image>/Filters/Animation"  # where those look who animate

try:
    from vaporbrush_gimp import procedures

    broken = ""
except Exception:  # noqa: BLE001 (see above)
    procedures = None
    broken = traceback.format_exc()


class Vaporbrush(Gimp.PlugIn):
    """The plug-in as GIMP sees it."""

    def do_set_i18n(self, _name: str) -> bool:
        return False  # our texts come translated: GIMP has nothing to look for

    def do_query_procedures(self) -> list[str]:
        return list(LABELS)

    def do_create_procedure(self, name: str) -> Any:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        # greys the menu entry; a script gets a sentence that says what to do. Frames may be indexed: those of a GIF are
        procedure.set_image_types("*" if name == FRAMES else "RGB*, GRAY*")
        mask = Gimp.ProcedureSensitivityMask
        masks = {STYLIZE: mask.DRAWABLE | mask.DRAWABLES, RESTYLIZE: mask.DRAWABLE, FRAMES: mask.ALWAYS}
        procedure.set_sensitivity_mask(masks[name])
        procedure.set_menu_label(LABELS[name])
        procedure.add_menu_path(MENU)
        if name == FRAMES:
            procedure.add_menu_path(FILM_MENU)
        procedure.set_icon_name("gimp-tool-paintbrush")
        procedure.set_attribution("The Vaporbrush authors", "The Vaporbrush authors", "2026")
        if procedures is not None:
            try:
                procedures.describe(procedure)
            except Exception:  # noqa: BLE001
                global broken
                broken = broken or traceback.format_exc()
        return procedure


def run(procedure: Any, run_mode: Any, image: Any, drawables: Any, config: Any, _data: object) -> Any:
    """One call of one of the procedures."""
    if broken:
        message = "Vaporbrush's plug-in is damaged. Install it again with: vaporbrush install gimp\n\n" + broken
        error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), message, 0)
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, error)
    return procedures.run(procedure, run_mode, image, drawables, config)


Gimp.main(Vaporbrush.__gtype__, sys.argv)
