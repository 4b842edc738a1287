"""The socket that clients connect to: its options, where it listens, and that its file stays where it is."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import zmq

from vaporbrush_daemon import instance, logs
from vaporbrush_daemon.config import Config, ConfigError
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.limits import MAX_FRAME_BYTES, MAX_OUTSTANDING

from .authentication import DOMAIN
from .systemd import inherited_socket

LINGER_MS = 1000  # the last replies get this long to leave
LOOPBACK = "tcp://127.0.0.1:"


class Listener:
    """A ROUTER and its endpoints."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self.router = context.socket(zmq.ROUTER)
        for option, value in (
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),  # libzmq allocates what a frame claims before it arrives
            (zmq.RCVHWM, 2 * MAX_OUTSTANDING),  # messages per peer that wait here
            (zmq.SNDHWM, 4 * MAX_OUTSTANDING),  # replies to a peer that does not read
            (zmq.ROUTER_MANDATORY, 1),  # say so instead of dropping replies silently
            (zmq.HANDSHAKE_IVL, 2000),  # half-open connections hold a descriptor each, and running out aborts libzmq
            (zmq.LINGER, LINGER_MS),
            (zmq.PLAIN_SERVER, 1),
        ):
            self.router.setsockopt(option, value)
        self.router.setsockopt(zmq.ZAP_DOMAIN, DOMAIN)  # without it ZMTP 1.0 is accepted, as which HTTP can be parsed
        self._path: Path | None = None
        self._inode = 0
        self._inherited = False  # whether the service manager made the socket's file

    def open(self, config: Config, last: Connection) -> list[str]:
        """Listen. Returns the endpoints. Raises `ConfigError` for a TCP port that is taken, `zmq.ZMQError` otherwise.

        `last` is the connection file of the daemon before: its TCP port is kept where it is still free.
        """
        endpoints: list[str] = []
        if sys.platform != "win32":
            inherited = inherited_socket()
            if inherited is not None:
                self.router.setsockopt(zmq.USE_FD, inherited[0])
                self._inherited = True
            path = Path(inherited[1]) if inherited is not None else instance.socket_path(config.home)
            self._bind_path(path)
            endpoints.append(f"ipc://{path}")
        if config.listen_tcp:
            endpoints.append(self._bind_tcp(config, last))
        return endpoints

    def check(self) -> None:
        """Listen again where somebody has deleted or replaced the socket's file."""
        if self._path is None or self._inode == _inode(self._path):
            return
        # The old listener stays on its nameless inode and costs one descriptor: libzmq ends listeners in its own time,
        # and must not meddle with the new one.
        logs.event("socket_file_gone", path=self._path)
        self.router.setsockopt(zmq.USE_FD, -1)
        self._inherited = False
        self._bind_path(self._path)

    def close(self) -> None:
        """Stop listening, after the last replies have left."""
        self.router.close(linger=LINGER_MS)
        if self._path is not None and not self._inherited and _inode(self._path) == self._inode:
            self._path.unlink()  # libzmq leaves it

    def _bind_path(self, path: Path) -> None:
        before = os.umask(0o177)  # libzmq makes the socket with mode 0777 less the umask
        try:
            self.router.bind(f"ipc://{path}")
        finally:
            os.umask(before)
        self._path, self._inode = path, _inode(path)

    def _bind_tcp(self, config: Config, last: Connection) -> str:
        kept = [endpoint for endpoint in last.endpoints if endpoint.startswith(LOOPBACK)]
        wanted = [f"{LOOPBACK}{config.tcp_port}"] if config.tcp_port else [*kept, f"{LOOPBACK}*"]
        for endpoint in wanted:
            try:
                self.router.bind(endpoint)
            except zmq.ZMQError as error:
                if endpoint != wanted[-1]:
                    continue
                raise ConfigError(f"{endpoint} cannot be listened on: {error.strerror}. Change `tcp_port`.") from error
            break
        return self.router.get_string(zmq.LAST_ENDPOINT)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:
        return 0
