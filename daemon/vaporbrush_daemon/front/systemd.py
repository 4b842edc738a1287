"""What systemd wants to hear, sd_notify(3), and what it gives, sd_listen_fds(3). Elsewhere this does nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_FD = 3  # SD_LISTEN_FDS_START


class Notifier:
    """Tells the service manager how it goes."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        for_us = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environment.get("WATCHDOG_USEC", "")
        # Half of the time, as sd_watchdog_enabled(3) recommends.
        self.watchdog_s = int(usec) / 2e6 if usec.isdigit() and for_us else None

    def tell(self, state: str) -> None:
        """Send `READY=1`, `STOPPING=1`, `WATCHDOG=1` or `STATUS=…`."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            try:
                sender.sendto(state.encode(), address)
            except OSError:
                self._address = ""  # the manager is gone; nobody listens any more


def inherited_socket(environment: Mapping[str, str] | None = None) -> tuple[int, str] | None:
    """The listening unix socket that the service manager opened for us, and its path."""
    environment = os.environ if environment is None else environment
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit():
        return None
    for descriptor in range(FIRST_FD, FIRST_FD + int(count)):
        os.set_inheritable(descriptor, False)
        with socket.socket(fileno=os.dup(descriptor)) as found:
            if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM:
                return descriptor, str(found.getsockname())
    return None
