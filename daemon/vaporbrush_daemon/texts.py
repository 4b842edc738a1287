"""What the command line says to people, in their language: `_`, and `_n` where a number decides.

The language is the one that LANGUAGE, LC_ALL, LC_MESSAGES or LANG names. What programs read is English for all, and so
is what the daemon says: it has one sentence for everybody that is connected.
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "vaporbrush"
LOCALE = Path(__file__).parent / "locale"


class Speech:
    """The language that is spoken."""

    def __init__(self) -> None:
        self._found = gettext.translation(DOMAIN, LOCALE, fallback=True)

    def be_english(self) -> None:
        """From now on English: whoever listens is a program."""
        self._found = gettext.NullTranslations()

    def text(self, text: str) -> str:
        """A text; nothing stays nothing."""
        return self._found.gettext(text) if text else ""

    def counted(self, one: str, several: str, count: int) -> str:
        """A text for one of something, or for so many."""
        return self._found.ngettext(one, several, count)


speech = Speech()
_, _n = speech.text, speech.counted
