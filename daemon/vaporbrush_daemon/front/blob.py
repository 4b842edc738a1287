"""One blob: bytes in a file that is named by their sha256."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vaporbrush_daemon.files import open_plain

SHA256_DIGITS = frozenset("0123456789abcdef")


@dataclass(slots=True)
class Blob:
    """A complete blob. `checked`: its bytes are known to be right. `served`: an earlier job has read it."""

    size: int
    used: float  # monotonic seconds
    checked: bool = False
    served: bool = False


def is_sha256(name: str) -> bool:
    """Whether a file may be a blob, by its name."""
    return len(name) == 64 and SHA256_DIGITS.issuperset(name)


def hash_of(path: Path) -> str:
    """A file's sha256, read in blocks."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
