"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from .codec import Buffer


class System:
    """What writing asks of the operating system. The crash tests put one in its place that records every call."""

    def create(self, path: Path, mode: int) -> int:
        """A descriptor of a new file. One that is there already, or a link, is never followed or overwritten."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), mode)

    def extend(self, path: Path) -> int:
        """A descriptor of a file that is there, for adding to its end. A link is never followed."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))

    def write(self, descriptor: int, data: Buffer) -> None:
        """Append all of the bytes."""
        left = memoryview(data).cast("B")
        while left:
            left = left[os.write(descriptor, left) :]

    def sync(self, descriptor: int) -> None:
        """Return when the file's bytes are on the disk."""
        os.fsync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in the folder are on the disk. Windows has no such call; NTFS journals names."""
        if sys.platform == "win32":
            return
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def close(self, descriptor: int) -> None:
        """Give the descriptor back."""
        os.close(descriptor)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file its name; one that has it already is replaced."""
        source.replace(target)

    def link(self, source: Path, target: Path) -> None:
        """Give a file a second name, which nothing has yet. Raises `OSError`, also where the disk has no such thing."""
        os.link(source, target, follow_symlinks=False)

    def unlink(self, path: Path) -> None:
        """Delete, where it is there."""
        path.unlink(missing_ok=True)


SYSTEM = System()


def write(path: Path, data: Buffer, *, mode: int = 0o666, durable: bool = False, system: System = SYSTEM) -> None:
    """Write a file so that everybody sees the old one or the new one, and never a part. Raises `OSError`.

    `mode` is lessened by the umask. `durable` makes sure that after a power cut the new one is there: it costs the
    disk's latency twice, which only what somebody was promised is worth.
    """
    # In the target's own folder, so that the rename does not cross disks; unguessable, so that nobody can put a link
    # there before; and short, so that a target's name may be as long as the system allows.
    partial = path.with_name(f".{secrets.token_hex(8)}.part")
    descriptor = system.create(partial, mode)
    try:
        try:
            system.write(descriptor, data)
            if durable:
                system.sync(descriptor)
        finally:
            system.close(descriptor)
        system.rename(partial, path)
    except BaseException:
        system.unlink(partial)
        raise
    if durable:
        system.sync_folder(path.parent)
