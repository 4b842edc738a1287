"""macOS' Gatekeeper: what is in quarantine is ended when it starts. And a host program that puts all there."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

ATTRIBUTE = "user.com.apple.quarantine"  # as Linux takes it
ENDED = ("sh", "-c", "kill -9 $$")


class Gatekeeper:
    """`marks` is what a careful host program does to all that it writes; `spawn` is how programs start."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def mark(self, path: Path) -> Path:
        """Put a file into quarantine."""
        os.setxattr(path, ATTRIBUTE, b"0083;66f0;Krita;")
        return path

    def marks(self, path: Path) -> bool:
        """Whether it is there."""
        return ATTRIBUTE in os.listxattr(path)

    def spawn(self, command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
        """Start a program, or end it at once."""
        if self.marks(Path(command[0])):
            self.refused.append(command[0])
            return subprocess.Popen(ENDED, **options)
        return subprocess.Popen(command, **options)


def attributes_are_kept(folder: Path) -> bool:
    """Whether this disk keeps attributes at all."""
    probe = folder / "probe"
    probe.touch()
    try:
        Gatekeeper().mark(probe)
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM):
            raise
        return False
    return True
