"""Plain sockets for tests: a server that does what a function says, and a proxy that breaks."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable
from pathlib import Path


class Listener:
    """Accepts on a unix socket (or on TCP) and runs `serve(connection)` for each connection in a thread of its own."""

    def __init__(self, path: Path | None, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self.over = threading.Event()  # set when the test is: for a server that just holds a connection
        self._open: list[socket.socket] = []
        if path is None:
            self._server = socket.create_server(("127.0.0.1", 0))
            self.endpoint = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        else:
            self._server = socket.socket(socket.AF_UNIX)
            self._server.bind(str(path))
            self._server.listen()
            self.endpoint = f"ipc://{path}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        with contextlib.suppress(OSError):  # not every system shuts one that listens
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for connection in self._open:
            with contextlib.suppress(OSError):  # it has ended
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:  # the test is over
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._run, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the other side has gone
            self._serve(connection)


def cutting(target: str, cuts: list[int]) -> Callable[[socket.socket], None]:
    """A proxy to the unix socket `target` whose first connections break after so many bytes (both ways counted)."""

    def serve(client: socket.socket) -> None:
        left = cuts.pop(0) if cuts else None
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(target)
            ways = {client: server, server: client}
            while left is None or left > 0:
                for source in select.select(list(ways), [], [])[0]:
                    data = source.recv(65536 if left is None else min(left, 65536))
                    if not data:
                        return
                    ways[source].sendall(data)
                    left = None if left is None else left - len(data)
                    if left is not None and left <= 0:
                        return

    return serve
