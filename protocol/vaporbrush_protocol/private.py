"""Files and folders that nobody else may change: from these come the token, and the command that starts the daemon."""

from __future__ import annotations

import os
import shlex
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

if sys.platform != "win32":
    import grp
    import pwd

OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
OTHERS = stat.S_IRWXG | stat.S_IRWXO
WINDOWS = sys.platform == "win32"  # there a user's folders are closed by their access lists


def make_folder(path: Path) -> None:
    """Make a folder that only its owner may enter, where there is none yet. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if not path.is_dir():
            raise


def open_private(path: Path, mode: str) -> IO[Any]:
    """Open a file for appending (`a` or `ab`), which only its owner may read if it is made now. Raises `OSError`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o600), mode, encoding=None if "b" in mode else "utf-8")


def objection(path: Path, facts: os.stat_result | None = None, *, inside_closed: bool = False) -> str:
    """Why a file or folder cannot be trusted, and what to do about it. Empty where it can be, or is not there.

    It has to belong to this user, or to root, who may do anything anyway; root itself trusts no other user's. `facts`
    are those of the open file, where it is open. `inside_closed`: nobody else gets into its folder, whatever its mode.
    """
    if WINDOWS:
        return ""
    try:
        facts = path.stat() if facts is None else facts
    except OSError:
        return ""  # whoever needs it will say so
    owner, me = facts.st_uid, os.geteuid()
    if owner not in (me, 0):
        return (
            f"{path} belongs to {user_name(owner)}, so that nothing in it is believed or executed for {user_name(me)}."
            f" Let VAPORBRUSH_HOME name a folder of your own, or run `chown -R {me} {shlex.quote(str(path))}` if all"
            " that is in it is yours."
        )
    if inside_closed:
        return ""
    if facts.st_mode & stat.S_IWOTH or (facts.st_mode & stat.S_IWGRP and not _is_own_group(facts.st_gid, me)):
        return (
            f"Other users may write {path}, so that nothing in it is believed or executed. Run"
            f" `chmod -R go-w {shlex.quote(str(path))}` if all that is in it is yours."
        )
    return ""


def user_name(uid: int) -> str:
    """A user's name, or the number of one without a name."""
    if sys.platform != "win32":
        with suppress(KeyError):  # as above
            return pwd.getpwuid(uid).pw_name
    return f"user {uid}"


def _is_own_group(gid: int, uid: int) -> bool:
    """Whether a group has this user only: many systems give each user a group, and let it write what its user makes."""
    if sys.platform != "win32":
        with suppress(KeyError):  # it has no name: it is nobody's own
            mine, group = pwd.getpwuid(uid), grp.getgrgid(gid)
            return mine.pw_gid == gid and mine.pw_name == group.gr_name and set(group.gr_mem) <= {mine.pw_name}
    return False
