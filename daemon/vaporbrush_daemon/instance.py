"""One daemon per home: its folder, the lock taken before anything is bound, the socket's path, the open-file limit."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import lock_descriptor

from vaporbrush_protocol.private import make_folder, objection
from vaporbrush_protocol.shown import is_utf8

from .config import ConfigError

FOLDERS = ("run", "spool", "cache", "logs", "models", "styles")
NO_LINKS = getattr(os, "O_NOFOLLOW", 0)
MAX_SOCKET_PATH = 103  # bytes: macOS' sun_path holds 104 with the final zero, Linux' 108
FILES_WANTED = 65_536  # two dozen clients never need this


class AlreadyRunning(Exception):  # noqa: N818 -- it is an outcome, not a defect
    """Another daemon holds the lock of this home."""

    def __init__(self, home: Path, pid: int) -> None:
        super().__init__(f"A Vaporbrush daemon already runs for {home} (process {pid or 'unknown'}).")
        self.pid = pid


def prepare(home: Path) -> None:
    """Make the home folder, close it to everybody else, and see that it can be used. Raises `ConfigError`."""
    try:
        make_folder(home)
        if problem := objection(home):
            raise ConfigError(problem)
        folders = [home, *(home / name for name in FOLDERS)]
        for folder in folders:
            make_folder(folder)
            if not folder.is_symlink():  # where it leads may be meant for others too
                folder.chmod(0o700)
        for log in (home / "logs").glob("*.log*"):
            log.chmod(0o600)
        probe = home / "run" / f".probe-{secrets.token_hex(4)}"
        probe.write_bytes(b"\n")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"Vaporbrush keeps its files in {home}, which cannot be used: {error.strerror or error}"
            f" ({error.filename}). Make it writable, or let VAPORBRUSH_HOME name another folder."
        ) from error


class Lock:
    """Held for the life of the daemon; the operating system drops it with the process, however that ends."""

    def __init__(self, home: Path) -> None:
        """Take the lock, and write this process's id into its file. Raises `AlreadyRunning`, `OSError`."""
        self._home, self._path = home, home / "run" / "lock"
        self._descriptor = self._take()

    def keep(self) -> None:
        """Where somebody has deleted the file, hold a new one. Raises `AlreadyRunning` where another daemon was faster:
        then that one serves this home, and `OSError`.
        """
        with suppress(FileNotFoundError):  # it was deleted
            if os.path.samestat(self._path.stat(), os.fstat(self._descriptor)):
                return
        make_folder(self._path.parent)
        before, self._descriptor = self._descriptor, self._take()
        os.close(before)

    def release(self) -> None:
        """Give the lock back."""
        os.close(self._descriptor)

    def _take(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | NO_LINKS, 0o600)
        if not lock_descriptor(descriptor, blocking=False):
            # Not the first byte: Windows lets nobody else read what is locked.
            os.lseek(descriptor, 1 if sys.platform == "win32" else 0, os.SEEK_SET)
            written = os.read(descriptor, 32).strip()
            os.close(descriptor)
            raise AlreadyRunning(self._home, int(written) if written.isdigit() else 0)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f" {os.getpid()}".encode())
        return descriptor


def socket_path(home: Path) -> Path:
    """Where the unix socket goes: in the home, or in a short private folder where that path is too long for a socket,
    or is not UTF-8, as endpoints are for libzmq and for whoever reads the connection file.

    Raises `ConfigError` when somebody else sits on the short folder.
    """
    path = home / "run" / "daemon.sock"
    if _is_fit(path):
        return path
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    folder = Path(runtime or tempfile.gettempdir()) / f"vaporbrush-{os.getuid()}-{name}"
    if not _is_fit(folder / "daemon.sock"):
        folder = Path("/tmp") / folder.name  # noqa: S108 -- made private and checked below
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise ConfigError(f"{folder} is needed for the socket but is not a private folder of yours; remove it.")
    return folder / "daemon.sock"


def _is_fit(path: Path) -> bool:
    return len(os.fsencode(path)) <= MAX_SOCKET_PATH and is_utf8(str(path))


def allow_many_files() -> int:
    """Raise the soft limit of open files as far as allowed. Returns the limit in force (0: unknown)."""
    if sys.platform == "win32":
        return 0
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft
