"""PyQt5 or PyQt6, whichever this Krita was built with.

Krita 6 says so by `pykrita.qt_major_version`. Trying an import instead can crash Krita: a distribution may have both.
The code of this plug-in uses scoped enums and names that both have.
"""

from importlib import import_module

import pykrita

QT_MAJOR = getattr(pykrita, "qt_major_version", lambda: 5)()

QtCore = import_module(f"PyQt{QT_MAJOR}.QtCore")
QtGui = import_module(f"PyQt{QT_MAJOR}.QtGui")
QtWidgets = import_module(f"PyQt{QT_MAJOR}.QtWidgets")
Qt = QtCore.Qt
Signal = QtCore.pyqtSignal
