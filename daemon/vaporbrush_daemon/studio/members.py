"""What a machine knows of its studio: as its head, in `HOME/studio`, and as a node, in `HOME/node`. No secrets.

The head's `studio.json`: {"address": "10.0.0.5", "port": 8786, "open": true, "nodes": [{"name": "box2", …}]}
A node's `node.json`, which also travels as its invitation: {"name": "box2", "head": "tls://10.0.0.5:8786", …}, with
certificates in it, which are no secrets either.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vaporbrush_daemon.config import TLS_URL, Config
from vaporbrush_daemon.pip_command import pip_install
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.private import make_folder, objection

HEAD, NODE = Path("studio"), Path("node")  # folders in the home
FILE = "studio.json"
INVITATION = "node.json"
PORT = 8786  # Dask's own
MAX_FILE_BYTES = 1024**2
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # it is part of devices' names
ADDRESS = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}|[0-9a-fA-F:]{2,45}")
HEAD_URL = TLS_URL
NEEDED = ("distributed", "cryptography")


@dataclass(frozen=True, slots=True)
class Member:
    """A node that was let in, by its certificate's serial number in hexadecimal digits."""

    name: str
    serial: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Studio:
    """Where the head listens, and who may come."""

    address: str
    port: int = PORT
    open: bool = True
    nodes: tuple[Member, ...] = ()

    @property
    def url(self) -> str:
        """For nodes."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"tls://{host}:{self.port}"

    def member(self, name: str) -> Member:
        """Who is let in by this name. Raises `RequestError`."""
        for one in self.nodes:
            if one.name == name and not one.removed:
                return one
        there = ", ".join(one.name for one in self.nodes if not one.removed)
        some = _("No node {name!r} is in this studio; there is {names}.")
        none = _("No node {name!r} is in this studio; there is none.")
        raise RequestError("bad_field", (some if there else none).format(name=name, names=there))

    def with_member(self, new: Member) -> Studio:
        """Whoever had the name before is removed."""
        return replace(self, nodes=(*self.without(new.name).nodes, new))

    def without(self, name: str) -> Studio:
        """The name is free again; its certificates stay known as removed."""
        return replace(self, nodes=tuple(replace(one, removed=True) if one.name == name else one for one in self.nodes))


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a node gets from its head: its name, where the head is, and certificates in PEM; `revoked` is the list of
    those that are removed.
    """

    name: str
    head: str
    certificate: str
    authority: str
    revoked: str

    def to_json(self) -> str:
        """The file."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Invitation:
        """Raises `RequestError` for what is none."""
        none = RequestError("bad_field", _("That is no invitation: `vaporbrush studio add` makes one."))
        try:
            raw = json.loads(text)
            found = cls(**{name: raw[name] for name in cls.__dataclass_fields__})
        except (ValueError, TypeError, KeyError, RecursionError):
            raise none from None
        if not all(isinstance(value, str) for value in asdict(found).values()) or not HEAD_URL.fullmatch(found.head):
            raise none
        checked_name(found.name)
        return found


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A Dask cluster that is there already, and the files in PEM by which one is in it."""

    url: str
    authority: str
    certificate: str
    key: str

    @classmethod
    def of(cls, config: Config) -> Elsewhere | None:
        """As configured, or none."""
        if not config.studio_scheduler:
            return None
        return cls(config.studio_scheduler, config.studio_ca, config.studio_certificate, config.studio_key)


def installed() -> bool:
    """Whether this machine has what a studio needs."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def missing() -> str:
    """What to do where it is not `installed`."""
    sentence = _(
        "A studio needs Dask distributed and cryptography, which are not installed here: `{command}` (32 MB on disk)."
    )
    return sentence.format(command=pip_install("vaporbrush[studio]"))


def checked_name(name: str) -> str:
    """Raises `RequestError` for what cannot be a node's name."""
    if not NAME.fullmatch(name):
        problem = _("{name!r} is no name for a node: take letters, digits, dots and dashes.")
        raise RequestError("bad_field", problem.format(name=name))
    return name


def checked_address(address: str, port: int) -> Studio:
    """Raises `RequestError` for an address that nodes could not be told."""
    if not ADDRESS.fullmatch(address) or address in ("0.0.0.0", "::"):  # noqa: S104 -- refused, not bound
        problem = _("{address!r} is no address to listen at: give the one name or IP address nodes reach it by.")
        raise RequestError("bad_field", problem.format(address=address))
    if not 1 <= port <= 65535:
        raise RequestError("bad_field", _("The port is {port}, but must be 1 to 65535.").format(port=port))
    return Studio(address, port)


def read(home: Path) -> Studio | None:
    """The studio whose head this is. Raises `RequestError` for a file that cannot be used."""
    raw = _read(home / HEAD / FILE)
    if raw is None:
        return None
    try:
        nodes = tuple(Member(str(one["name"]), str(one["serial"]), bool(one["removed"])) for one in raw["nodes"])
        return replace(checked_address(raw["address"], raw["port"]), open=bool(raw["open"]), nodes=nodes)
    except (TypeError, KeyError):
        problem = _("{file} is damaged: `vaporbrush studio open` again.").format(file=home / HEAD / FILE)
        raise RequestError("bad_field", problem) from None


def write(home: Path, studio: Studio) -> None:
    """Keep this. Raises `RequestError`."""
    keep(home, HEAD / FILE, json.dumps(asdict(studio), indent=1) + "\n")


def membership(home: Path) -> Invitation | None:
    """The studio in which this machine is a node. Raises `RequestError` for a file that cannot be used."""
    raw = _read(home / NODE / INVITATION)
    return None if raw is None else Invitation.from_json(json.dumps(raw))


def keep(home: Path, name: Path, text: str) -> Path:
    """Write a file of the studio's, for nobody else. Raises `RequestError`."""
    path = home / name
    try:
        make_folder(home)
        make_folder(path.parent)
        atomic.write(path, text.encode(), mode=0o600, durable=True)
    except OSError as error:
        problem = _("{file} cannot be written: {reason}.").format(file=path, reason=error.strerror or error)
        raise RequestError("bad_field", problem) from error
    return path


def _read(path: Path) -> Mapping[str, Any] | None:
    try:
        with path.open("rb") as file:
            if problem := objection(path.parent) or objection(path, os.fstat(file.fileno())):
                raise RequestError("bad_field", problem)
            raw = json.loads(file.read(MAX_FILE_BYTES))
    except FileNotFoundError:  # nothing was opened or joined
        return None
    except OSError as error:
        problem = _("{file} cannot be read: {reason}.").format(file=path, reason=error.strerror or error)
        raise RequestError("bad_field", problem) from error
    except (ValueError, RecursionError):
        raw = None
    if not isinstance(raw, dict):
        raise RequestError("bad_field", _("{file} is damaged: delete it, and begin anew.").format(file=path))
    return raw
