"""Text from elsewhere, made fit to be shown: file names, labels, messages of the other side.

Whatever a terminal, a log, a docker or a dialog shows of them passes through `plain`. What is dangerous is written as
an escape, so that it stays recognisable: a name can neither move the cursor nor set a window's title (C0 and C1
controls), nor turn the text around it (Unicode's bidirectional controls), nor end a line.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from .limits import MAX_NAME_BYTES

# Controls, lone surrogates (bytes of a file name that are not UTF-8), separators of lines and of paragraphs.
ESCAPED = frozenset({"Cc", "Cs", "Zl", "Zp"})
MAX_SHOWN = 80  # characters of a value in a sentence
BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_utf8(text: str) -> bool:
    """Whether a text may go into a message or a file of texts: a file's name need not be one in UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:  # a byte of a name that is not
        return False
    return True


def plain(text: object) -> str:
    r"""The text on one line, with every dangerous character as `\x1b` or `\u202e`.

    A byte that is not UTF-8 (as `os.fsdecode` gives it) becomes `\xe9`.
    """
    shown = str(text)
    return shown if shown.isprintable() and shown.isascii() else "".join(map(_escaped, shown))


def _escaped(character: str) -> str:
    if character not in BIDI and unicodedata.category(character) not in ESCAPED:
        return character
    number = ord(character)
    if 0xDC80 <= number <= 0xDCFF:  # PEP 383
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def in_words(value: object) -> str:
    """A value from a message, as it may stand in a sentence: in the protocol's words, not in Python's."""
    if value is None or isinstance(value, bool):
        return {None: "nil", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"'{plain(value[:MAX_SHOWN])}'"
    if isinstance(value, (int, float)):
        return f"{value}"[:MAX_SHOWN]
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, (list, tuple)):
        return "a list of 1 item" if len(value) == 1 else f"a list of {len(value)} items"
    return "binary" if isinstance(value, (bytes, bytearray, memoryview)) else "an extension type"


def last_line(text: str) -> str:
    """The last line that says something; empty where none does."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def short(text: object, most: int = MAX_NAME_BYTES) -> str:
    """`plain`, in at most so many bytes of UTF-8; what is cut off is shown by `…`."""
    shown = plain(text)
    data = shown.encode()
    if len(data) <= most:
        return shown
    return data[: most - len("…".encode())].decode("utf-8", "ignore") + "…"
