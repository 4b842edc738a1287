"""Krita's language, for the texts of the plug-in."""

from __future__ import annotations

import os

from .qt import QtCore

NAMED_BY = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # what gettext looks at, in this order


def follow() -> None:
    """Name Krita's language where the environment names none, as on Windows and macOS. Before any text is made."""
    if not any(os.environ.get(name) for name in NAMED_BY):
        os.environ["LANGUAGE"] = QtCore.QLocale().name()
