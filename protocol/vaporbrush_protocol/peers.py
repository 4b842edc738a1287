"""Whose program listens at the other end of a connection, where the system can tell."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from .private import user_name

TCP_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")  # Linux, proc(5); a Flatpak that shares the network sees the host's
LISTENS = "0A"
LITTLE = sys.byteorder == "little"  # addresses stand there as numbers of the machine's own order
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid of SO_PEERCRED, unix(7)
LOCAL_PEERCRED = 1  # macOS and BSD, unix(4): a struct xucred, whose second number is the uid
XUCRED = struct.Struct("2I68x")


def user_id(plain: socket.socket) -> int | None:
    """The user whose program is at the other end of a unix socket; None where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        _pid, uid, _gid = CREDENTIALS.unpack(plain.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))
        return int(uid)
    if sys.platform == "darwin":
        return int(XUCRED.unpack(plain.getsockopt(0, LOCAL_PEERCRED, XUCRED.size))[1])
    return None


def stranger(plain: socket.socket) -> str:
    """The name of the user, neither this one nor root, whose program has been connected to; empty if there is none.

    It would be sent the token, and pictures. One port is anybody's as soon as the daemon has ended.
    """
    if not hasattr(os, "geteuid"):
        return ""
    uids = [user_id(plain)] if plain.family != socket.AF_INET else _tcp(plain)
    return next((user_name(uid) for uid in uids if uid is not None and uid not in (os.geteuid(), 0)), "")


def _tcp(plain: socket.socket) -> Iterator[int]:
    """The owners of all sockets that may have taken this connection: at its address or at any."""
    host, port = plain.getpeername()[:2]
    four = f"{int.from_bytes(socket.inet_aton(host), 'little' if LITTLE else 'big'):08X}"
    mapped = f"{0:016X}{0xFFFF0000 if LITTLE else 0xFFFF:08X}{four}"
    wanted = {f"{address}:{port:04X}" for address in (four, "0" * 8, mapped, "0" * 32)}
    for table in TCP_TABLES:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, ValueError):  # the kernel has no such table
            continue
        for line in lines:
            fields = line.split()
            if len(fields) > 7 and fields[1] in wanted and fields[3] == LISTENS and fields[7].isdigit():
                yield int(fields[7])
