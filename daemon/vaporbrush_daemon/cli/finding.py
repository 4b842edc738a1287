"""One line of `vaporbrush doctor`."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["fine", "note", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. A `note` is nothing to worry about; `cure` is a command or a sentence."""

    name: str
    state: State
    text: str
    cure: str = ""


def discreet(text: str) -> str:
    """Without the name of the person's folder: these lines are pasted into reports."""
    own = str(Path(os.environ.get("HOME") or Path.home()))
    return text.replace(own, "~") if len(own) > 1 else text


def discreet_command(text: str, system: str = sys.platform) -> str:
    """The same of text with a command, which has to work as it stands: a shell takes `~` for the folder only before
    quotes, and cmd not at all.
    """
    own = str(Path(os.environ.get("HOME") or Path.home()))
    if len(own) <= 1:
        return text
    if system == "win32":
        return text.replace(own, "%USERPROFILE%")  # which cmd also looks for between quotes
    return re.sub(rf"(?<!\S)('?){re.escape(own)}/", r"~/\1", text)
