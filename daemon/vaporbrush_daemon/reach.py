"""Finds the daemon for a command, starts it, and waits for its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from vaporbrush_protocol.client import Client, connect
from vaporbrush_protocol.errors import LinkError, VaporbrushError

from . import terminal

SERVE = (sys.executable, "-P", "-m", "vaporbrush_daemon", "serve", "--foreground")
STOP_S = 40.0  # a daemon that drains its jobs takes 15 s


def reach(*, start: bool = False) -> tuple[Client, bool]:
    """A client of the daemon, and whether it had to be started."""
    try:
        return connect(name="vaporbrush"), False
    except LinkError as error:
        if not start or error.code != "no_daemon":
            raise
    terminal.say("Starting the daemon …")
    return connect(start=(*SERVE, "--idle-exit"), name="vaporbrush"), True


def is_running() -> bool:
    """Whether a daemon of this home answers."""
    try:
        connect().close()
    except LinkError as error:
        return error.code != "no_daemon"
    except VaporbrushError:
        return True  # it says that it is shutting down
    return True


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
