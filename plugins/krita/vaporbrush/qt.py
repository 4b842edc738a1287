"""PyQt5 or PyQt6, whichever this Krita was built with.

Krita 6 says so by `pykrita.qt_major_version`. Trying an import instead can crash Krita: a distribution may have both.
The code of this plug-in uses scoped enums and names that both have; the type checker reads those of PyQt6.
"""

from __future__ import annotations

import html
from importlib import import_module
from typing import TYPE_CHECKING

import pykrita

from vaporbrush_protocol.shown import plain

QT_MAJOR = getattr(pykrita, "qt_major_version", lambda: 5)()

if TYPE_CHECKING:
    from PyQt6 import QtCore, QtGui, QtWidgets
else:
    QtCore = import_module(f"PyQt{QT_MAJOR}.QtCore")
    QtGui = import_module(f"PyQt{QT_MAJOR}.QtGui")
    QtWidgets = import_module(f"PyQt{QT_MAJOR}.QtWidgets")
Qt = QtCore.Qt
Signal = QtCore.pyqtSignal
TIP_LINE = 60  # characters; a longer tooltip has several lines, not one that is wider than the docker


def tip_text(text: str) -> str:
    """A tooltip. Qt would take for HTML what looks like it, and a layer may be called `<b>`; and it wraps only HTML."""
    lines = [plain(line) for line in text.split("\n")]
    if "<" not in text and max(map(len, lines)) <= TIP_LINE:
        return "\n".join(lines)
    return f"<qt>{'<br>'.join(map(html.escape, lines))}</qt>"


__all__ = ["QT_MAJOR", "Qt", "QtCore", "QtGui", "QtWidgets", "Signal", "tip_text"]
