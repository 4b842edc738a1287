"""The command that installs a package into the environment that this program runs in, as a person has to type it."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

PLAIN = re.compile(r"[\w.:\\/+=~\[\]-]+")  # what cmd and PowerShell both take as it is
OF_UV_TOOL, OF_PIPX = "uv-receipt.toml", "pipx_metadata.json"  # what each leaves in the environment of a program


def pip_install(
    *packages: str, environment: Path | None = None, python: str = sys.executable, system: str = sys.platform
) -> str:
    """`pip install` of these packages and options. Environments of uv have no pip, and pipx has a way of its own."""
    environment = environment or Path(sys.prefix)
    if (environment / OF_PIPX).is_file():
        words = ["pipx", "runpip", environment.name, "install"]
    elif (environment / OF_UV_TOOL).is_file() or find_spec("pip") is None:
        words = ["uv", "pip", "install", "--python", python]
    else:
        words = [python, "-m", "pip", "install"]
    return typed([*words, *packages], system)


def typed(words: Sequence[str], system: str = sys.platform) -> str:
    """Words as a person types them in the shell of a system (`sys.platform`). On Windows that is cmd: to it single
    quotes are letters, and a bare `<` reads a file.
    """
    if system != "win32":
        return shlex.join(words)
    return " ".join(word if PLAIN.fullmatch(word) else f'"{word}"' for word in words)  # no path there has a `"`
