"""ZMTP 3.0 without input or output: bytes from the peer in, messages and bytes to send out (RFC 23, RFC 24).

`Framing` is what both sides do; `Conversation` is the client's side, as much as a DEALER that logs in with PLAIN needs.
`link.py` puts a socket around it. Host programs ship no libzmq, and this part of ZMTP is small. The daemon's side is
`vaporbrush_daemon.front.welcome`.
"""

from __future__ import annotations

from collections import deque

from .codec import Buffer
from .endpoint import USERNAME
from .errors import LinkError
from .limits import MAX_FRAME_BYTES, MAX_FRAMES, MAX_OUTSTANDING

SIGNATURE = b"\xff" + bytes(8) + b"\x7f"
MECHANISM = b"PLAIN".ljust(20, b"\0")
GREETING = SIGNATURE + b"\x03\x00" + MECHANISM + bytes(32)  # version 3.0, as-server 0, filler
GREETING_BYTES = 64

MORE, LONG, COMMAND = 1, 2, 4  # flags of a frame
# libzmq writes "\x05ERROR" in C++, where a hexadecimal escape takes the E as its third digit: what it sends is this.
LIBZMQ_ERROR = b"\x5eRROR"
STAGE_BYTES = 64 * 1024  # frame headers and small frames pass through here; large bodies go straight to their place
MAX_COMMAND_BYTES = 4096  # a READY with metadata has about 60 bytes
MAX_PING_CONTEXT = 16
MAX_UNREAD = 2 * MAX_OUTSTANDING  # messages; a peer that sends more than was asked for is not a daemon
MAX_UNSENT_BYTES = 64 * 1024  # pongs that nobody reads


class Framing:
    """One connection's side of ZMTP, from greeting to messages.

    Fill `space()` with what the peer sends and tell `filled(n)`; whole messages gather in `messages`, and what must be
    sent in answer in `outgoing`. Any bytes lead there or to a `LinkError`, nothing else. At most `stage_bytes` of small
    frames are understood at once.
    """

    def __init__(self, stage_bytes: int = STAGE_BYTES) -> None:
        self.messages: deque[list[Buffer]] = deque()
        self.outgoing = bytearray(GREETING)
        self.ready = False
        self._greeted = False
        self._stage = bytearray(stage_bytes)
        self._staged = 0  # bytes in the stage that are not yet understood, from its beginning
        self._body: bytearray | None = None  # of the frame that is arriving, when it is too large for the stage
        self._flags = 0
        self._got = 0
        self._parts: list[Buffer] = []

    def space(self) -> memoryview:
        """Where the next bytes from the peer belong; never empty."""
        if self._body is not None:
            return memoryview(self._body)[self._got :]
        return memoryview(self._stage)[self._staged :]

    def filled(self, count: int) -> None:
        """`count` bytes have been written to what `space` returned. Raises `LinkError` on a breach of the protocol."""
        if self._body is None:
            self._staged += count
            self._understand()
            return
        self._got += count
        if self._got == len(self._body):
            body, self._body = self._body, None
            self._frame(self._flags, body)

    def _understand(self) -> None:
        """Take frames off the stage while whole ones are there."""
        at = 0
        if not self._greeted:
            if self._staged < GREETING_BYTES:
                self._check_signature(bytes(self._stage[: self._staged]))
                return
            self._greet(bytes(self._stage[:GREETING_BYTES]))
            at = GREETING_BYTES
        while (head := self._head(at)) is not None:
            self._flags, size, begin = head
            stage = len(self._stage)
            if begin + size > stage or (size > stage // 4 and begin + size > self._staged):
                # Too large to wait for on the stage: the rest is received into its own buffer.
                self._body = bytearray(size)
                self._got = self._staged - begin
                self._body[: self._got] = self._stage[begin : self._staged]
                self._staged = 0
                return
            if begin + size > self._staged:
                break
            self._frame(self._flags, bytes(self._stage[begin : begin + size]))
            at = begin + size
        left = self._staged - at
        self._stage[:left] = self._stage[at : self._staged]
        self._staged = left

    def _head(self, at: int) -> tuple[int, int, int] | None:
        """Flags, size and beginning of the body of the frame at `at`, or None while its head is incomplete."""
        if self._staged < at + 2:
            return None
        flags = self._stage[at]
        if flags & ~(MORE | LONG | COMMAND) or (flags & COMMAND and flags & MORE):
            raise _breach(f"a frame with the flags 0x{flags:02x}")
        begin = at + (9 if flags & LONG else 2)
        if self._staged < begin:
            return None
        if not (self.ready or flags & COMMAND):
            raise _breach("a message before the end of the handshake")
        size = int.from_bytes(self._stage[at + 1 : begin], "big")
        most = MAX_COMMAND_BYTES if flags & COMMAND else MAX_FRAME_BYTES
        if size > most:
            raise _breach(f"a frame of {size} bytes, where at most {most} are allowed")
        return flags, size, begin

    @staticmethod
    def _check_signature(start: bytes) -> None:
        """As early as possible: something that is not ZeroMQ may never send 64 bytes."""
        if start[:1] != SIGNATURE[:1] or (len(start) >= len(SIGNATURE) and start[9:10] != SIGNATURE[9:]):
            raise _breach("something else than a ZeroMQ greeting: is another program listening there?")

    def _greet(self, greeting: bytes) -> None:
        self._check_signature(greeting)
        if greeting[10] < GREETING[10]:
            raise _breach(f"a greeting of ZMTP version {greeting[10]}, where at least 3 is needed")
        if greeting[12:32] != MECHANISM:
            name = greeting[12:32].rstrip(b"\0")
            raise _breach(f"a greeting with the security mechanism {name!r}, where {b'PLAIN'!r} is needed")
        self._greeted = True
        self._on_greeting()

    def _command(self, name: bytes, data: bytes) -> None:
        body = bytes([len(name)]) + name + data
        self.outgoing += (bytes([COMMAND, len(body)]) if len(body) < 256 else _long_head(COMMAND, len(body))) + body

    def _frame(self, flags: int, body: Buffer) -> None:
        if flags & COMMAND:
            body = bytes(body)
            if body.startswith(LIBZMQ_ERROR):
                body = b"\x05ERROR" + body[len(LIBZMQ_ERROR) :]
            length = body[0] if body else 0
            self._obey(body[1 : 1 + length], body[1 + length :])
            return
        self._keep(body)
        if not flags & MORE:
            self._end_message()
            self.messages.append(self._parts)
            self._parts = []

    def _obey(self, name: bytes, data: bytes) -> None:
        """A command. Those of later versions are ignored once the connection stands, as RFC 23 demands."""
        if name == b"PING":
            self._command(b"PONG", data[2 : 2 + MAX_PING_CONTEXT])  # after a time-to-live of 2 bytes
            if len(self.outgoing) > MAX_UNSENT_BYTES:
                raise _breach("pings without end")
        elif not self.ready:
            raise _breach(f"the command {name[:20]!r} during the handshake")

    # -- what the two sides do each in its way

    def _on_greeting(self) -> None:
        """The peer's greeting is good."""

    def _keep(self, body: Buffer) -> None:
        """A frame of a message. Raises `LinkError` where there are too many."""
        self._parts.append(body)

    def _end_message(self) -> None:
        """The message is whole. Raises `LinkError` where there are too many."""


class Conversation(Framing):
    """The client's side."""

    def __init__(self, token: str, user: str = USERNAME) -> None:
        super().__init__()
        self._token = token.encode("utf-8", "replace")[:255]
        self._user = user.encode("utf-8", "replace")[:255]

    def _on_greeting(self) -> None:
        user, token = self._user, self._token
        self._command(b"HELLO", bytes([len(user)]) + user + bytes([len(token)]) + token)

    def _keep(self, body: Buffer) -> None:
        if len(self._parts) >= MAX_FRAMES + 1:
            raise _breach(f"a message of more than {MAX_FRAMES} frames")
        super()._keep(body)

    def _end_message(self) -> None:
        if len(self.messages) >= MAX_UNREAD:
            raise _breach("more messages than were asked for")

    def _obey(self, name: bytes, data: bytes) -> None:
        if name == b"WELCOME" and not self.ready:
            self._command(b"INITIATE", properties({b"Socket-Type": b"DEALER", b"Identity": b""}))
        elif name == b"READY" and not self.ready:
            self.ready = True
        elif name == b"ERROR" and not self.ready:
            raise LinkError("wrong_token", "The daemon refused the token.")
        else:
            super()._obey(name, data)


def framed(frames: list[Buffer]) -> list[Buffer]:
    """One message as the bytes to send, in pieces, so that a large chunk is not copied."""
    pieces: list[Buffer] = []
    for index, frame in enumerate(frames):
        view = memoryview(frame).cast("B")
        flags = 0 if index == len(frames) - 1 else MORE
        pieces.append(bytes([flags, view.nbytes]) if view.nbytes < 256 else _long_head(flags | LONG, view.nbytes))
        if view.nbytes:
            pieces.append(view)
    return pieces


def _long_head(flags: int, size: int) -> bytes:
    return bytes([flags | LONG]) + size.to_bytes(8, "big")


def properties(values: dict[bytes, bytes]) -> bytes:
    """A connection's properties as INITIATE and READY carry them."""
    return b"".join(bytes([len(n)]) + n + len(value).to_bytes(4, "big") + value for n, value in values.items())


def _breach(what: str) -> LinkError:
    return LinkError("bad_reply", f"The daemon's address sent {what}.")
