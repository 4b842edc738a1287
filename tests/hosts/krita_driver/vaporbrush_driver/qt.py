"""The names of PyQt5 or PyQt6, whichever this Krita was built with."""

from importlib import import_module

import pykrita

MAJOR = getattr(pykrita, "qt_major_version", lambda: 5)()

for module in ("QtCore", "QtGui", "QtWidgets"):
    globals().update(vars(import_module(f"PyQt{MAJOR}.{module}")))
