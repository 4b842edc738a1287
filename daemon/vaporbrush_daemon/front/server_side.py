"""The daemon's side of ZMTP 3.0 without input or output: a ROUTER that only PLAIN opens (RFC 23, RFC 24).

libzmq reads and keeps a message until it is whole, however many frames it has, and serves nobody else while a program
takes them: half a million empty ones held everybody up for 1.5 s, and a message without an end filled the memory. It
tells nobody which connection that is. Here frames are understood a few kilobytes at a time, those that no good message
has are left out, and a connection that goes on with them is cut.
"""

from __future__ import annotations

from collections.abc import Callable

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import MAX_FRAME_BYTES, MAX_FRAMES
from vaporbrush_protocol.zmtp import LIBZMQ_ERROR, Framing, properties

STAGE_BYTES = 4096  # what one peer may say before the others have their turn: 2,000 empty frames, some milliseconds
KEPT_FRAMES = MAX_FRAMES + 2  # with a delimiter, and one that shows that there are too many
MOST_FRAMES = 16_384  # of one message: what is above KEPT_FRAMES is read and left out, so that it can be answered
MOST_BYTES = 2 * MAX_FRAME_BYTES  # of one message; no good one has more than a chunk and a header
REFUSED = b"400"  # the status that libzmq sends, RFC 27
SOCKET_TYPES = (b"DEALER", b"REQ", b"ROUTER")  # what a ROUTER talks to, RFC 28

Refusal = Callable[[str, bytes], str]  # user name and password → why they are refused; empty: they are not


class RefusedError(LinkError):
    """This peer is not let in, or cut off. The message is for the log: one of few."""

    def __init__(self, reason: str) -> None:
        super().__init__("wrong_token", reason)


class ServerSide(Framing):
    """One connection. `messages` never holds more than came in one stage, and one large frame; `username` is whose it
    is, once that is known.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(STAGE_BYTES)
        self.username = ""
        self._refusal = refusal
        self._frames = self._bytes = 0  # of the message that is arriving

    def _obey(self, name: bytes, data: bytes) -> None:
        if name == b"HELLO" and not self.username:
            user, rest = _field(data, 1)
            password, _ = _field(rest, 1)
            username = user.decode("latin-1")
            reason = self._refusal(username, password)
            if reason:
                self.outgoing += bytes([4, len(LIBZMQ_ERROR) + 1 + len(REFUSED)])
                self.outgoing += LIBZMQ_ERROR + bytes([len(REFUSED)]) + REFUSED
                raise RefusedError(reason)
            self.username = username
            self._command(b"WELCOME", b"")
        elif name == b"INITIATE" and self.username and not self.ready:
            if _properties(data).get(b"socket-type") not in SOCKET_TYPES:
                raise RefusedError("a kind of socket that a ROUTER does not talk to")
            self._command(b"READY", properties({b"Socket-Type": b"ROUTER", b"Identity": b""}))
            self.ready = True
        else:
            super()._obey(name, data)

    def _keep(self, body: Buffer) -> None:
        self._frames += 1
        self._bytes += len(body)
        if self._frames > MOST_FRAMES or self._bytes > MOST_BYTES:
            raise RefusedError("a message without an end")
        if self._frames <= KEPT_FRAMES:
            super()._keep(body)

    def _end_message(self) -> None:
        self._frames = self._bytes = 0


def _field(data: bytes, width: int) -> tuple[bytes, bytes]:
    """What stands behind its length, and what is left."""
    end = width + int.from_bytes(data[:width], "big")
    if len(data) < max(width, end):
        raise RefusedError("a damaged handshake")
    return data[width:end], data[end:]


def _properties(data: bytes) -> dict[bytes, bytes]:
    """A peer's properties by their names in lower case, in which RFC 23 makes no difference."""
    found = {}
    while data:
        name, data = _field(data, 1)
        found[name.lower()], data = _field(data, 4)
    return found
