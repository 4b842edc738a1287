"""Who may speak to the daemon: the ZAP handler (RFC 27) behind PLAIN.

Every socket that listens is behind it. Without a ZAP domain libzmq also accepts ZMTP 1.0, as which an HTTP request of
a web page can be parsed.
"""

from __future__ import annotations

import hmac
import os
from collections import Counter

import zmq

from vaporbrush_daemon import logs
from vaporbrush_protocol.endpoint import USERNAME

ADDRESS = "inproc://zeromq.zap.01"
DOMAIN = b"vaporbrush"
_FRAMES = 8  # version, request id, domain, address, identity, mechanism, username, password


class ZapHandler:
    """Answers libzmq's questions about newcomers. Has to exist before the first socket binds."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], token: str, counters: Counter[str]) -> None:
        self.socket = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ADDRESS)
        self._token = token.encode()
        self._counters = counters

    def serve(self) -> None:
        """Answer everything that was asked."""
        while self.socket.poll(0):
            frames = self.socket.recv_multipart()
            refusal = self._refusal(frames)
            if refusal:
                self._counters["connections_refused"] += 1
                logs.event("connection_refused", reason=refusal)
            code, text = (b"400", refusal.encode()) if refusal else (b"200", b"OK")
            request = frames[1] if len(frames) > 1 else b""
            self.socket.send_multipart([b"1.0", request, code, text, b"", b""])

    def close(self) -> None:
        """Stop answering: nobody gets in any more."""
        self.socket.close()

    def _refusal(self, frames: list[bytes]) -> str:
        if len(frames) != _FRAMES or frames[0] != b"1.0" or frames[5] != b"PLAIN":
            return "not PLAIN"
        address, username, password = frames[3].decode("latin-1"), frames[6], frames[7]
        uid = address.split(":")[1] if address.startswith("localhost:") else ""  # unix sockets: localhost:uid:gid:pid
        if uid and hasattr(os, "getuid") and uid not in (str(os.getuid()), "0"):
            return f"user {uid} is not ours"
        if username != USERNAME.encode() or not hmac.compare_digest(password, self._token):
            return "wrong token"
        return ""
