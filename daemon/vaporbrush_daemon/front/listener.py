"""The sockets that clients connect to: where the daemon listens, and that the file of the unix one stays there."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from vaporbrush_daemon import instance, logs
from vaporbrush_daemon.config import Config, ConfigError
from vaporbrush_protocol.endpoint import Connection

from .peers import Peers
from .systemd import inherited_socket

BACKLOG = 128  # connections that wait to be accepted
LOOPBACK = "tcp://127.0.0.1:"


class Listener:
    """What listens for `peers`."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers
        self._path: Path | None = None
        self._plain: socket.socket | None = None  # that listens there
        self._inode = 0
        self._inherited = False  # whether the service manager made the socket's file

    def open(self, config: Config, last: Connection) -> list[str]:
        """Listen. Returns the endpoints. Raises `ConfigError` for a TCP port that is taken, `OSError` otherwise.

        `last` is the connection file of the daemon before: its TCP port is kept where it is still free.
        """
        endpoints: list[str] = []
        if sys.platform != "win32":
            inherited = inherited_socket()
            if inherited is not None:
                self._path, self._inherited = Path(inherited[1]), True
                self._take(socket.socket(fileno=inherited[0]), self._path)
            else:
                self._path = instance.socket_path(config.home)
                self._bind_path(self._path)
            endpoints.append(f"ipc://{self._path}")
        if config.listen_tcp:
            endpoints.append(self._bind_tcp(config, last))
        return endpoints

    def check(self) -> None:
        """Listen again where somebody has deleted or replaced the socket's file."""
        if self._path is None or self._inode == _inode(self._path):
            return
        logs.event("socket_file_gone", path=self._path)
        if self._plain is not None:
            self._peers.forget(self._plain)
        self._inherited = False
        self._bind_path(self._path)

    def close(self) -> None:
        """Delete the socket's file. The sockets are the peers' to close."""
        if self._path is not None and not self._inherited and _inode(self._path) == self._inode:
            self._path.unlink()

    def _bind_path(self, path: Path) -> None:
        """Take the path over, also from a dead daemon: that no other lives is known by the lock."""
        path.unlink(missing_ok=True)
        plain = socket.socket(socket.AF_UNIX)
        before = os.umask(0o177)  # the socket's file is made with mode 0777 less the umask
        try:
            plain.bind(os.fspath(path))
        except OSError:
            plain.close()
            raise
        finally:
            os.umask(before)
        plain.listen(BACKLOG)
        self._take(plain, path)

    def _take(self, plain: socket.socket, path: Path) -> None:
        self._plain, self._inode = plain, _inode(path)
        self._peers.listen(plain)

    def _bind_tcp(self, config: Config, last: Connection) -> str:
        kept = [endpoint for endpoint in last.endpoints if endpoint.startswith(LOOPBACK)]
        wanted = [f"{LOOPBACK}{config.tcp_port}"] if config.tcp_port else [*kept, f"{LOOPBACK}0"]
        for endpoint in wanted:
            host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
            try:
                plain = _tcp_listener(host, int(port))
            except (OSError, OverflowError, ValueError) as error:
                if endpoint != wanted[-1]:
                    continue
                reason = getattr(error, "strerror", None) or error
                raise ConfigError(f"{endpoint} cannot be listened on: {reason}. Change `tcp_port`.") from error
            break
        self._peers.listen(plain)
        return f"{LOOPBACK}{plain.getsockname()[1]}"


def _tcp_listener(host: str, port: int) -> socket.socket:
    """Raises `OSError`, `OverflowError`."""
    plain = socket.socket(socket.AF_INET)
    try:
        # SO_REUSEADDR lets another program take the port over on Windows; elsewhere it only passes old connections by.
        option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
        plain.setsockopt(socket.SOL_SOCKET, option, 1)
        plain.bind((host, port))
        plain.listen(BACKLOG)
    except BaseException:
        plain.close()
        raise
    return plain


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except OSError:  # somebody has taken it away
        return 0
