"""Finds the daemon for a command, starts it, and waits for its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from vaporbrush_protocol.client import Client, connect
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import REQUEST_TIMEOUT_S

from . import instance
from .texts import _

SERVE = (sys.executable, "-P", "-m", "vaporbrush_daemon", "serve", "--foreground")
STOP_S = 40.0  # a daemon that drains its jobs takes 15 s


def reach(*, say: Callable[[str], None] | None = None) -> tuple[Client, bool]:
    """A client of the daemon, and whether it had to be started: that is done where `say` can tell the person so."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_S
    while True:
        try:
            return connect(name="vaporbrush"), False
        except LinkError as error:
            # A socket that a service manager listens on accepts at once, and its daemon is only just starting.
            if error.code == "timeout" and time.monotonic() < deadline:
                continue
            if say is None or error.code != "no_daemon":
                raise
        say(_("Starting the daemon …"))
        return connect(start=(*SERVE, "--idle-exit"), name="vaporbrush"), True


def has_ended(folder: Path) -> bool:
    """Whether no daemon holds the lock of this home: the system drops it with the process, however that ends."""
    try:
        instance.Lock(folder).release()
    except instance.AlreadyRunning:  # it is held
        return False
    return True


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
