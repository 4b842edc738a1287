"""What the command line says to people, in their language: `_`, and `_n` where a number decides.

It is English until a command begins to speak to a person: the daemon and its workers have one sentence for everybody
that is connected. Then it is the language that LANGUAGE, LC_ALL, LC_MESSAGES or LANG names; what programs read stays
English for all.
"""

from __future__ import annotations

import gettext
from pathlib import Path

DOMAIN = "vaporbrush"
LOCALE = Path(__file__).parent / "locale"


class Speech:
    """The language that is spoken."""

    def __init__(self) -> None:
        self.be_english()

    def be_the_persons(self) -> None:
        """From now on the language of the surroundings."""
        self._found = gettext.translation(DOMAIN, LOCALE, fallback=True)

    def be_english(self) -> None:
        """From now on English: whoever listens is a program, or everybody."""
        self._found = gettext.NullTranslations()

    def text(self, text: str) -> str:
        """A text; nothing stays nothing."""
        return self._found.gettext(text) if text else ""

    def counted(self, one: str, several: str, count: int) -> str:
        """A text for one of something, or for so many."""
        return self._found.ngettext(one, several, count)


speech = Speech()
_, _n = speech.text, speech.counted
