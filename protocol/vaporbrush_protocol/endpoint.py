"""Where the daemon's files are, and the connection file that tells clients how to reach it."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeGuard

from . import atomic
from .errors import LinkError
from .private import make_folder, objection

FILE = "connection.json"
USERNAME = "vaporbrush"  # the PLAIN user name; the token is the password
GUEST = "guest:"  # before a guest's name, instead of that; its token is its own
MAX_FILE_BYTES = 64 * 1024  # the file is a few hundred bytes


def home(environment: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """The folder of everything that the daemon keeps.

    From HOME and never from XDG_*, which a Flatpak points elsewhere: a host program and the daemon must find the same
    folder. On Windows therefore not in AppData, of which each program from the Microsoft Store has a copy of its own,
    which goes with the program. `VAPORBRUSH_HOME` moves it.
    """
    environment = os.environ if environment is None else environment
    if environment.get("VAPORBRUSH_HOME"):
        return Path(environment["VAPORBRUSH_HOME"]).expanduser().absolute()
    if platform == "win32":
        own = environment.get("USERPROFILE")
        return (Path(own) if own else Path.home()) / ".vaporbrush"
    own = environment.get("HOME")
    return (Path(own) if own else Path.home()) / ".local" / "share" / "vaporbrush"


def native(text: str) -> str:
    """A path or argument out of a UTF-8 file, as this process spells it.

    Krita rewrites LANG without a character set, so that its Python takes file names for Latin-1 or ASCII: what is
    handed to the system then has to be spelled so that the right bytes come out. Elsewhere this changes nothing.
    """
    return text if sys.platform == "win32" else os.fsdecode(text.encode("utf-8", "surrogateescape"))


def portable(text: str) -> str:
    """The opposite: what this process calls a path, as everybody else reads it."""
    return text if sys.platform == "win32" else os.fsencode(text).decode("utf-8", "surrogateescape")


def new_token() -> str:
    """A fresh random token: 256 bits as text."""
    return secrets.token_hex(32)


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the daemon: `endpoints` in order of preference (`ipc://PATH`, `tcp://127.0.0.1:PORT`), the token,
    the command that starts it, its log, and who wrote this.
    """

    endpoints: tuple[str, ...]
    token: str
    start: tuple[str, ...] = ()
    log: str = ""
    pid: int = 0
    daemon_version: str = ""
    path: Path | None = None  # where this was read from; not in the file
    user: str = USERNAME  # not in the file either, which is for the daemon's own user

    @classmethod
    def read(cls, folder: Path | None = None) -> Connection:
        """The connection file of this home. Raises `LinkError`: `no_daemon` where there is none or a damaged one,
        `not_private` where others may have written it.
        """
        folder = home() if folder is None else folder
        path = folder / FILE
        try:
            with path.open("rb") as file:
                problem = objection(folder) or objection(path, os.fstat(file.fileno()))
                raw = None if problem else json.loads(file.read(MAX_FILE_BYTES).decode("utf-8"))
        except FileNotFoundError:
            raise LinkError(
                "no_daemon",
                f"Vaporbrush's daemon has not run here yet ({path} does not exist). Start it with `vaporbrush serve`.",
            ) from None
        except OSError as error:
            raise LinkError("no_daemon", f"{path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, RecursionError):
            raise LinkError("no_daemon", _damaged(path)) from None
        if problem:
            raise LinkError("not_private", problem)
        return cls._checked(raw, path)

    @classmethod
    def _checked(cls, raw: object, path: Path) -> Connection:
        wire = raw if isinstance(raw, dict) else {}
        endpoints, start = wire.get("endpoints"), wire.get("start", [])
        texts = [wire.get("token"), wire.get("log", ""), wire.get("daemon_version", "")]
        pid = wire.get("pid", 0)
        if not (_are_texts(endpoints) and _are_texts(start) and _are_texts(texts) and isinstance(pid, int)):
            raise LinkError("no_daemon", _damaged(path))
        token, log, daemon_version = texts
        return cls(
            endpoints=tuple(map(native, endpoints)),
            token=token,
            log=native(log),
            daemon_version=daemon_version,
            start=tuple(map(native, start)),
            path=path,
            pid=pid,
        )

    def write(self, folder: Path | None = None) -> Path:
        """Write the connection file, for its owner's eyes only and never half. Returns its path."""
        folder = home() if folder is None else folder
        make_folder(folder)
        wire = asdict(self)
        del wire["path"], wire["user"]
        wire["endpoints"], wire["start"] = [*map(portable, self.endpoints)], [*map(portable, self.start)]
        wire["log"] = portable(self.log)
        path = folder / FILE
        atomic.write(path, (json.dumps(wire, indent=1) + "\n").encode(), mode=0o600, durable=True)
        return path

    def __repr__(self) -> str:
        return f"Connection({', '.join(self.endpoints) or 'no endpoint'}, pid={self.pid})"  # never the token


def _are_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _damaged(path: Path) -> str:
    return f"{path} is damaged. Delete it and start the daemon again with `vaporbrush serve`."
