"""What a guest's key runs: a pipe between the ssh connection and the daemon. `python -m … NAME`

It starts the daemon where none runs, says in one line of JSON who it is and with what to log in (`Greeting`), and then
copies bytes both ways until one side ends, or the guest is removed. The other side speaks the protocol through it; this
program does not look into it.
"""

from __future__ import annotations

import json
import os
import platform
import socket
import sys
import threading
import time

from vaporbrush_daemon.daemon_client import SERVE
from vaporbrush_daemon.guests import Guests
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import GUEST, Connection, home
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import CONNECT_TIMEOUT_S, PROTOCOL_MAJOR
from vaporbrush_protocol.link import connected
from vaporbrush_protocol.version import __version__

PIECE_BYTES = 256 * 1024  # copied at once; a chunk of the protocol has 1 MiB
LOOK_S = 0.25  # between two looks whether the guest is still one


def main() -> int:
    """Run until one side ends. Returns the exit status."""
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    guests = Guests(home())
    token = guests.token(name)
    if not token:
        return _refuse(f"The guest {name[:64]} is not known on {platform.node()} (any more).")
    try:
        with connect(start=(*SERVE, "--idle-exit"), name=f"pipe of {name}") as client:
            connection = client.connection
        plain = _connected(connection)
    except LinkError as error:
        return _refuse(error.message)
    _say({"vaporbrush": __version__, "majors": [PROTOCOL_MAJOR], "title": platform.node(), "user": f"{GUEST}{name}",
          "token": token})  # fmt: skip
    ended = threading.Event()
    for copy in (_up, _down):
        threading.Thread(target=copy, args=(plain, ended), name=copy.__name__, daemon=True).start()
    while not ended.wait(LOOK_S):
        if name not in guests:
            break
    os._exit(0)  # a thread may wait for bytes for ever


def _connected(connection: Connection) -> socket.socket:
    """The daemon's socket, not logged in. Raises `LinkError`."""
    failure = LinkError("no_daemon", "The daemon listens nowhere.")
    for endpoint in connection.endpoints:
        try:
            plain = connected(endpoint, time.monotonic() + CONNECT_TIMEOUT_S)
        except LinkError as error:
            failure = error
            continue
        plain.settimeout(None)
        return plain
    raise failure


def _say(greeting: dict[str, object]) -> None:
    os.write(1, json.dumps(greeting).encode() + b"\n")  # far shorter than what a pipe takes at once


def _refuse(sentence: str) -> int:
    _say({"error": sentence})
    return 1


def _up(plain: socket.socket, ended: threading.Event) -> None:
    try:
        while piece := os.read(0, PIECE_BYTES):
            plain.sendall(piece)
    except OSError as error:
        sys.stderr.write(f"The daemon is gone: {error.strerror}.\n")
    ended.set()


def _down(plain: socket.socket, ended: threading.Event) -> None:
    try:
        while piece := plain.recv(PIECE_BYTES):
            view = memoryview(piece)
            while view:
                view = view[os.write(1, view) :]
    except OSError as error:
        sys.stderr.write(f"The line is gone: {error.strerror}.\n")
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
