"""Files that somebody else may have made: opened only if they are plain files, read only so far, deleted quietly."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from io import FileIO
from pathlib import Path

from . import logs


def open_plain(path: Path) -> FileIO:
    """An ordinary file for reading. Links are not followed, and pipes and devices not waited for. Raises `OSError`."""
    file = FileIO(path, opener=_no_links)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "Not an ordinary file", str(path))
    return file


def read_plain(path: Path, most: int) -> bytes:
    """A small file's bytes. Raises `OSError`, also for one of more than `most` bytes."""
    with open_plain(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"Larger than {most} bytes", str(path))
        return file.read(most)


def delete(path: Path) -> None:
    """Delete a file or a folder; where the disk does not let us (any more), it is logged and somebody's next try."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        logs.event("file_not_deleted", path=path, reason=error.strerror or str(error))


def _no_links(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
