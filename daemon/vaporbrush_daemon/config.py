"""What can be configured, and from where it came: config.toml < environment (VAPORBRUSH_…) < flags."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import tomllib

from vaporbrush_protocol import endpoint
from vaporbrush_protocol.private import OTHERS, objection
from vaporbrush_protocol.shown import in_words, plain

FILE = "config.toml"
GIB = 1024**3
TLS_URL = re.compile(r"tls://(?P<host>\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9][A-Za-z0-9.-]{0,252}):(?P<port>\d{1,5})")
WINDOWS = sys.platform == "win32"


class ConfigError(Exception):
    """The configuration or the home folder cannot be used; the sentence says what to do."""


def _says(text: str, default: Any) -> Any:
    return field(default=default, metadata={"says": text})


@dataclass(frozen=True, slots=True)
class Config:
    """The values in force. Every field is a key of config.toml and, in capitals, of the environment."""

    listen_tcp: bool = _says("also listen on TCP 127.0.0.1, for programs in a Flatpak", WINDOWS)
    tcp_port: int = _says("the TCP port; 0 keeps the last one, or takes any that is free", 0)
    devices: tuple[str, ...] = _says(
        "devices to paint on, such as cuda:0, cpu; empty: all accelerators, or the CPU", ()
    )
    weights: str = _says("a weights file to use as vgg19", "")
    max_jobs: int = _says("jobs that may wait and run", 64)
    guest_jobs: int = _says("jobs that a guest may have waiting and running", 8)
    max_queue_bytes: int = _says("bytes of pictures that waiting and running jobs may hold", 4 * GIB)
    keep_jobs: int = _says("jobs that have ended and are remembered", 1000)
    history: int = _says("paintings that are kept to go back to, beside pinned ones; 0: none", 50)
    spool_bytes: int = _says("bytes that uploads and results may take on disk", 8 * GIB)
    spool_hours: float = _says("hours after which an unused upload or result is dropped", 24.0)
    idle_unload_s: float = _says("seconds after which an idle worker ends and gives its memory back", 300.0)
    idle_exit_s: float = _says("seconds after which an idle daemon ends; 0: never", 0.0)
    stuck_after_s: float = _says("seconds without a sign of life after which a painting worker is replaced", 300.0)
    load_stuck_after_s: float = _says("the same while it starts and loads", 600.0)
    drain_s: float = _says("seconds that running jobs get to deliver what they have when the daemon ends", 15.0)
    studio_scheduler: str = _says(
        "a Dask scheduler that is there already, tls://HOST:PORT, instead of a studio here", ""
    )
    studio_ca: str = _says("the authority's certificate that everybody in that cluster has one of, in PEM", "")
    studio_certificate: str = _says("this machine's certificate there", "")
    studio_key: str = _says("its key", "")
    log_level: str = _says("debug, info, warning or error", "info")
    worker_command: tuple[str, ...] = _says(
        "the worker program", (sys.executable, "-P", "-m", "vaporbrush_daemon.workers.painter")
    )
    fetch_command: tuple[str, ...] = _says(
        "the program that downloads a model", (sys.executable, "-P", "-m", "vaporbrush_daemon.workers.downloader")
    )
    home: Path = field(default_factory=endpoint.home)
    origins: Mapping[str, str] = field(default_factory=dict)

    def to_wire(self) -> dict[str, dict[str, Any]]:
        """Every value with its origin, for `status`."""
        return {
            name: {
                "value": _to_wire(value),
                "origin": plain(self.origins.get(name, "default")),
            }
            for name in KEYS
            for value in [getattr(self, name)]
        }


KEYS = {f.name: f for f in fields(Config) if f.metadata}
KINDS = {"int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false"}
_ATOMS: dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "str": str}
_TRUTHS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def load(flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Config:
    """Read the configuration. Raises `ConfigError` naming file, key and value."""
    environment = os.environ if environment is None else environment
    home = endpoint.home(environment)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = home / FILE
    for name, value in _read(path).items():
        if name not in KEYS:
            raise ConfigError(f"{path}: `{name}` is no setting; there are {', '.join(KEYS)}.")
        values[name], origins[name] = _typed(name, value, str(path)), str(path)
    for name in KEYS:
        variable = f"VAPORBRUSH_{name.upper()}"
        if environment.get(variable):
            values[name], origins[name] = _typed(name, environment[variable], variable), variable
    for name, value in (flags or {}).items():
        if value is not None:
            values[name], origins[name] = _typed(name, value, "a flag"), "flag"
    config = Config(**values, home=home, origins=origins)
    _check(config)
    return config


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            closed = not path.parent.stat().st_mode & OTHERS
            # It may name programs to run.
            if problem := objection(path.parent) or objection(path, os.fstat(file.fileno()), inside_closed=closed):
                raise ConfigError(problem)
            return tomllib.load(file)
    except (FileNotFoundError, NotADirectoryError):  # whoever needs a home that cannot be used reports it
        return {}
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ConfigError(f"{path} cannot be read: {error}.") from error


def _typed(name: str, value: Any, origin: str) -> Any:
    """The value as its field's type; texts (from the environment) are parsed."""
    kind = str(KEYS[name].type)
    if kind.startswith("tuple"):
        if isinstance(value, str):
            value = shlex.split(value) if name.endswith("command") else value.replace(",", " ").split()
        if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif kind == "bool":
        value = _TRUTHS.get(value.lower()) if isinstance(value, str) else value
        if isinstance(value, bool):
            return value
    elif not isinstance(value, bool) and not (kind == "int" and isinstance(value, float)):
        with contextlib.suppress(ValueError, TypeError):  # said below
            return _ATOMS[kind](value)
    want = KINDS.get(kind, "a list of texts")
    raise ConfigError(f"{origin}: `{name}` is {in_words(value)}, but must be {want} ({_meaning(name)}).")


def _check(config: Config) -> None:
    for name in KEYS:
        value = getattr(config, name)
        if isinstance(value, (int, float)) and not 0 <= value <= 2**53:
            raise ConfigError(f"`{name}` is {value}, but must not be negative ({_meaning(name)}).")
    for name, least in (
        ("max_jobs", 1),
        ("guest_jobs", 1),
        ("spool_bytes", 1),
        ("stuck_after_s", 0.1),
        ("load_stuck_after_s", 0.1),
    ):
        if getattr(config, name) < least:
            raise ConfigError(f"`{name}` is {getattr(config, name)}, but must be at least {least} ({_meaning(name)}).")
    if config.tcp_port > 65535:
        raise ConfigError(f"`tcp_port` is {config.tcp_port}, but must be at most 65535.")
    if config.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigError(f"`log_level` is {config.log_level!r}, but must be debug, info, warning or error.")
    _check_studio(config)
    for name in ("worker_command", "fetch_command"):
        if not getattr(config, name):
            raise ConfigError(f"`{name}` is empty, but must name a program.")


def _check_studio(config: Config) -> None:
    url = config.studio_scheduler
    if not url:
        return
    parts = TLS_URL.fullmatch(url)
    if parts is None or not 1 <= int(parts["port"]) <= 65535:
        plainly = "; nothing travels plainly here" if url.startswith(("tcp://", "ws://", "http://")) else ""
        raise ConfigError(
            f"`studio_scheduler` is {url!r}, but must be tls://HOST:PORT, such as tls://head:8786{plainly}."
        )
    for name in ("studio_ca", "studio_certificate", "studio_key"):
        if not getattr(config, name):
            raise ConfigError(f"`studio_scheduler` needs `{name}`, too: a file in PEM ({_meaning(name)}).")


def _to_wire(value: Any) -> Any:
    """A value for a message; a path in it need not be UTF-8."""
    if isinstance(value, tuple):
        return list(map(plain, value))
    return plain(value) if isinstance(value, str) else value


def _meaning(name: str) -> str:
    return str(KEYS[name].metadata["says"])
