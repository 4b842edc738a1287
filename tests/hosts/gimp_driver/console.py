"""Runs inside gimp-console: many calls of the plug-in, each told under its name, whatever became of the others."""

import importlib
import os
import sys

sys.path.insert(0, os.environ["VAPORBRUSH_TEST_FOLDER"])  # where these files were copied to

for part in ("console_layers", "console_styles", "console_accidents"):
    importlib.import_module(part)  # each runs its checks
importlib.import_module("console_kit").tell("end", value=True)
