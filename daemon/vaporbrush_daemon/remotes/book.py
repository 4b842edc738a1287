"""The other machines that paint for this one: `remotes.json` in the home, without any secret.

{"remotes": [{"name": "workstation", "destination": "anna@workstation", "config": "", "title": "…"}]}
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.private import make_folder, objection
from vaporbrush_protocol.shown import plain

FILE = "remotes.json"
KEY = Path("ssh") / "id_ed25519"  # in the home: this machine's own key, which opens nothing but pipes
MAX_FILE_BYTES = 1024**2
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # it is a device's name, and stands in command lines
DESTINATION = re.compile(r"[A-Za-z0-9_.@:%\[\]-]{1,200}")
DEVICES = re.compile(r"auto|cpu|downloads|(cuda|mps|xpu|hip)(:\d+)?")  # names that this machine's own devices have


@dataclass(frozen=True, slots=True)
class Remote:
    """A machine: what people call it, where ssh finds it (an alias, a name or user@name), a configuration file for ssh
    in place of the person's (or empty), and the name of what it paints on, as far as it is known.
    """

    name: str
    destination: str
    config: str = ""
    title: str = ""

    @property
    def label(self) -> str:
        """For people."""
        return f"{self.name} ({self.title})" if self.title else self.name

    @property
    def has_gpu(self) -> bool:
        """As far as it is known."""
        return self.title not in ("", "processor")


def checked(remote: Remote) -> Remote:
    """Raises `RequestError` for a name or destination that cannot be."""
    if not NAME.fullmatch(remote.name) or DEVICES.fullmatch(remote.name):
        problem = _(
            "{name!r} is no name for a machine: take letters, digits, dots and dashes, and no device's name"
            " such as cuda:0 or cpu. `--name` gives it another one."
        )
        raise RequestError("bad_field", problem.format(name=remote.name))
    if not DESTINATION.fullmatch(remote.destination) or remote.destination.startswith("-"):
        problem = _("{destination!r} is no destination for ssh: give HOST or USER@HOST.")
        raise RequestError("bad_field", problem.format(destination=remote.destination))
    return remote


def read(home: Path) -> list[Remote]:
    """The machines, in the order in which they were added. Raises `RequestError` for a file that cannot be used."""
    path = home / FILE
    sentence = _("{file} is damaged. Delete it and add the machines again.").format(file=path)
    damaged = RequestError("bad_field", sentence)
    try:
        with path.open("rb") as file:
            if problem := objection(home) or objection(path, os.fstat(file.fileno())):
                raise RequestError("bad_field", problem)
            raw = json.loads(file.read(MAX_FILE_BYTES))
    except FileNotFoundError:  # none was added
        return []
    except OSError as error:
        problem = _("{file} cannot be read: {reason}.").format(file=path, reason=error.strerror or error)
        raise RequestError("bad_field", problem) from error
    except (ValueError, RecursionError):
        raise damaged from None
    known = {each.name for each in fields(Remote)}
    try:
        found = [Remote(**{name: value for name, value in one.items() if name in known}) for one in raw["remotes"]]
    except (TypeError, KeyError, AttributeError):
        raise damaged from None
    if not all(isinstance(value, str) for one in found for value in asdict(one).values()):
        raise damaged
    return [checked(one) for one in found]


def write(home: Path, remotes: list[Remote]) -> None:
    """Keep these. Raises `RequestError`."""
    path = home / FILE
    body = json.dumps({"remotes": [asdict(one) for one in remotes]}, indent=1) + "\n"
    try:
        make_folder(home)
        atomic.write(path, body.encode(), mode=0o600, durable=True)
    except OSError as error:
        problem = _("{file} cannot be written: {reason}.").format(file=path, reason=error.strerror or error)
        raise RequestError("bad_field", problem) from error


def best_title(status: Mapping[str, object]) -> str:
    """What people call the device that a daemon paints on."""
    devices = status.get("devices")
    listed = devices if isinstance(devices, list) else []
    titles = [one.get("title") or one.get("device") for one in listed if isinstance(one, dict)]
    title = plain(next((one for one in titles if isinstance(one, str)), "")).replace("cpu", "processor")
    return re.sub(r"^(NVIDIA|AMD|Intel(\(R\))?) (GeForce |Radeon |Arc )?", "", title)[:60]


def rename(home: Path, name: str, title: str) -> Remote:
    """Note what a machine paints on, which it knows only after its first painting. Raises `RequestError`."""
    known = find(home, name)
    if not title or title == known.title:
        return known
    renamed = replace(known, title=title)
    write(home, [renamed if one == known else one for one in read(home)])
    return renamed


def find(home: Path, name: str) -> Remote:
    """The machine of this name. Raises `RequestError`."""
    remotes = read(home)
    for one in remotes:
        if one.name == name:
            return one
    there = ", ".join(one.name for one in remotes)
    some = _("No machine {name!r} was added here; there is {names}.")
    none = _("No machine {name!r} was added here; there is none.")
    raise RequestError("bad_field", (some if there else none).format(name=name, names=there))
