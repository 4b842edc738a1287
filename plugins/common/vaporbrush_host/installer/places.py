"""Where an install keeps what: folders, the journal that survives a kill, and the one lock of this home."""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

from vaporbrush_host.ui_text import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import Connection, native, portable
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.installation import FILE as POINTER
from vaporbrush_protocol.installation import installed
from vaporbrush_protocol.launcher import in_flatpak

from .barriers import check_place
from .environment import make_private
from .kit import Kit, obstacle
from .plan import Seen

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
else:
    import fcntl

JOURNAL = "installing.json"
LOCK = "installing.lock"
DAEMON_LOCK = "run/lock"  # which a daemon holds as long as it lives
STOPPED = "stopped"  # in the journal's `step`: a person did, so the next start does not go on by itself
OWN = "vaporbrush-painter"  # the folder's name where a person chooses one: nothing else is in there
ANSWER_S = 1.0  # for a daemon on this machine to greet
FOLDERS = ("uv", "downloads", "cache", "python", "environments")


@dataclass(frozen=True)
class Want:
    """What an install is to reach; the journal holds it, so that whoever starts next goes on with it."""

    version: str
    backend: str
    root: Path
    index: str = ""
    proxy: str = ""
    bundle: str = ""
    step: str = ""
    done: int = 0
    total: int = 0


def default_root(home: Path) -> Path:
    """Where the painter goes unless a person chooses another place."""
    return home / "painter"


def chosen_root(folder: Path) -> Path:
    """The folder of our own in one that a person chose."""
    return folder if folder.name == OWN else folder / OWN


def environments(root: Path) -> Path:
    """The folder of environments: the one in force, and those being made."""
    return root / "environments"


def roots(home: Path) -> set[Path]:
    """Every folder in which a painter of this home may be, whole or not."""
    found, begun = installed(home), journal(home)
    return {one.root for one in (found, begun) if one is not None} | {default_root(home)}


def runs_from(home: Path, root: Path) -> bool:
    """Whether the daemon that was started last is of an environment in `root`; else somebody else looks after it."""
    try:
        start = Connection.read(home).start
    except LinkError:  # none ever ran
        return False
    return bool(start) and environments(root) in Path(start[0]).parents


def daemon_has_ended(home: Path) -> bool:
    """Whether no daemon holds its lock: the system drops that with the process, however it ends."""
    lock = Lock(home, DAEMON_LOCK)
    if not lock.path.is_file():
        return True
    free = lock.take()
    lock.release()
    return free


def look(home: Path, kit: Kit | None, system: str, start: tuple[str, ...] = ()) -> Seen:
    """What is on the disk. `start` is the command that `vaporbrush install` wrote beside the plug-in, if it did."""
    found = installed(home)
    return Seen(
        installed=found.version if found else "",
        whole=found is not None and found.whole,
        begun=journal(home) is not None,
        daemon_known=daemon_known(home) or (bool(start) and Path(start[0]).is_file()),
        kit=kit.version if kit else "",
        obstacle=obstacle(kit, system) if kit else _("This copy of the plug-in brings no painter."),
    )


def daemon_known(home: Path) -> bool:
    """Whether a daemon that another way installed has run here, and is still there. From inside a sandbox its program
    cannot be seen: there it has to answer, as a user service does.
    """
    try:
        start = Connection.read(home).start
        if start and Path(start[0]).is_file():
            return True
        if in_flatpak():
            connect(home=home, timeout_s=ANSWER_S).close()
            return True
    except LinkError:  # none has run, or it does not answer
        return False
    return False


def journal(home: Path) -> Want | None:
    """What was begun and did not end; None where nothing was. A damaged journal is none."""
    try:
        raw = json.loads((home / JOURNAL).read_text(encoding="utf-8"))
        texts = {name: native(raw[name]) for name in ("version", "backend", "index", "proxy", "bundle", "step")}
        return Want(**texts, root=Path(native(raw["root"])), done=int(raw["done"]), total=int(raw["total"]))
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):  # as above
        return None


def write_journal(home: Path, want: Want) -> None:
    """Note what is being done."""
    make_private(home)
    wire = {**asdict(want), "root": portable(str(want.root)), "bundle": portable(want.bundle)}
    atomic.write(home / JOURNAL, (json.dumps(wire, indent=1) + "\n").encode(), mode=0o600)


def mark_stopped(home: Path) -> None:
    """A person stopped it."""
    begun = journal(home)
    if begun is not None:
        write_journal(home, replace(begun, step=STOPPED))


def end_journal(home: Path) -> None:
    """Nothing is being done any more."""
    (home / JOURNAL).unlink(missing_ok=True)


def prepare(root: Path, system: str) -> None:
    """Make the folders, closed to others. Raises `VaporbrushError` where this user cannot have them, or not there."""
    try:
        make_private(root)
        if sys.platform != "win32" and root.stat().st_uid != os.getuid():
            raise PermissionError(None, _("it belongs to another user"))
        probe = root / ".probe"
        probe.write_bytes(b"")
        try:
            check_place(probe, root, system)
        except VaporbrushError:
            probe.unlink()
            _remove_if_empty(root)
            raise
        probe.unlink()
        for name in FOLDERS:
            make_private(root / name)
    except OSError as error:
        reason = error.strerror or error
        raise VaporbrushError(
            "disk_full", _("{root} cannot be used: {reason}. Choose another folder.").format(root=root, reason=reason)
        ) from None


def tidy(home: Path, root: Path) -> None:
    """Remove what an install leaves behind: downloads, cache, and every environment but the one in force."""
    for name in ("downloads", "cache"):
        shutil.rmtree(root / name, ignore_errors=True)
    found = installed(home)
    for folder in environments(root).glob("*"):
        if found is None or folder != found.environment:
            shutil.rmtree(folder, ignore_errors=True)  # on Windows a running one stays until the next time


def leave(home: Path, root: Path) -> None:
    """Remove what an install began in a folder for which a person has chosen another one since."""
    found = installed(home)
    if found is None or found.root != root:
        for name in FOLDERS:
            shutil.rmtree(root / name, ignore_errors=True)
        _remove_if_empty(root)


def uninstall(home: Path, *, everything: bool) -> list[Path]:
    """Remove the painter; with `everything` also what the daemon keeps, otherwise but the person's own styles and
    settings stay. Returns what could not be removed. Raises `VaporbrushError` (`conflict`) while a program installs.
    """
    lock = Lock(home)
    if not lock.take():
        raise VaporbrushError(
            "conflict", _("Another program is installing the painter. Stop that first, then remove it.")
        )
    lock.release()  # its file is among what goes
    places = roots(home)
    (home / POINTER).unlink(missing_ok=True)
    end_journal(home)
    for root in places:
        for name in FOLDERS:
            shutil.rmtree(root / name, ignore_errors=True)
        _remove_if_empty(root)
    if everything:
        shutil.rmtree(home, ignore_errors=True)
    return [path for path in (*places, *((home,) if everything else ())) if path.exists()]


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def confined() -> str:
    """The sandbox that this program runs in; empty outside."""
    return "flatpak" if in_flatpak() else ""


class Lock:
    """One install at a time in this home, whichever program makes it. The system drops it with the process."""

    def __init__(self, home: Path, name: str = LOCK) -> None:
        self.path = home / name
        self._file: IO[bytes] | None = None

    def take(self) -> bool:
        """Take it without waiting; whether that worked."""
        make_private(self.path.parent)
        file = self.path.open("ab")
        try:
            if sys.platform == "win32":  # pragma: no cover
                file.seek(0)
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._file = file
        return True

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            self._file.close()
            self._file = None
