"""Runs inside gimp-console: what GIMP has to show of the procedures in its menus and its browser."""

import os
import sys

sys.path.insert(0, os.environ["VAPORBRUSH_TEST_FOLDER"])  # where these files were copied to

from console_kit import check, pdb


@check
def shown():
    found = [pdb.lookup_procedure(f"plug-in-vaporbrush-{name}") for name in ("stylize", "restylize", "frames")]
    return [(one.get_menu_label(), one.get_blurb(), one.get_help()) for one in found]
