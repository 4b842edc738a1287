"""The pipe between the front and a worker: how a message becomes bytes, and the worker's end of it.

Commands arrive on a worker's stdin and events leave on its stdout, each as 4 bytes of length (big-endian) and a msgpack
map (`messages`). The end of stdin is the front's end: the process ends with it at once, whatever it is at, because
nothing may keep a dead daemon's memory on the device.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Iterator
from typing import IO, Literal

import msgpack

from vaporbrush_daemon.children import end_with_parent_even_if_stopped
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.rules import bad

from .messages import (
    Alive,
    Cancel,
    Command,
    End,
    Event,
    Finish,
    Paint,
    ShowPreview,
    parse_command,
    parse_event,
    to_wire,
)

MAX_MESSAGE_BYTES = 4 * 1024**2  # a preview of 512² is 768 KiB
ALIVE_S = 1.0  # a sign of life at least so often, as long as the step loop turns
PATHS = "surrogateescape"  # a home's name need not be UTF-8, as `os.fsdecode` has it
LENGTH = struct.Struct(">I")


def pack(message: Command | Event) -> bytes:
    """A message as it travels."""
    body: bytes = msgpack.packb(to_wire(message), unicode_errors=PATHS)
    return LENGTH.pack(len(body)) + body


def unpack_event(body: bytes) -> Event:
    """What a worker said. Raises `RequestError`."""
    return parse_event(_unpacked("event", body))


def unpack_command(body: bytes) -> Command:
    """What the front said. Raises `RequestError`."""
    return parse_command(_unpacked("command", body))


def bodies(stream: IO[bytes]) -> Iterator[bytes]:
    """The messages' bytes until the stream ends. Raises `RequestError` for one that claims more than any has."""
    while (head := _exactly(stream, LENGTH.size)) is not None:
        (size,) = LENGTH.unpack(head)
        if size > MAX_MESSAGE_BYTES:
            raise bad("length", size, f"at most {MAX_MESSAGE_BYTES}")
        body = _exactly(stream, size)
        if body is None:
            return
        yield body


def _unpacked(what: str, body: bytes) -> object:
    try:
        return msgpack.unpackb(body, unicode_errors=PATHS)
    except (ValueError, TypeError, RecursionError):
        raise RequestError("bad_header", f"The {what} of {len(body)} bytes is no msgpack.") from None


def _exactly(stream: IO[bytes], size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = stream.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class WorkerPipe:
    """A worker's end. `wanted` and `preview` are what the front wants of the present painting."""

    def __init__(self, commands: IO[bytes], events: IO[bytes]) -> None:
        self._commands, self._events = commands, events
        self._lock = threading.Lock()
        self._arrived = threading.Condition()
        self._paintings: list[Paint] = []
        self._told = 0.0  # when something was last said
        self.wanted: Literal["go", "cancel", "finish"] = "go"
        self.preview = 0

    @classmethod
    def of_this_process(cls) -> WorkerPipe:
        """Take stdin and stdout, and listen. What a library prints goes to stderr: it must not look like an event."""
        end_with_parent_even_if_stopped()  # otherwise the end of stdin does
        events = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        pipe = cls(os.fdopen(os.dup(0), "rb", buffering=0), events)
        threading.Thread(target=pipe._listen, name="commands", daemon=True).start()
        return pipe

    def tell(self, event: Event) -> None:
        """Send an event."""
        packed = pack(event)
        with self._lock:
            self._events.write(packed)
            self._events.flush()
            self._told = time.monotonic()

    def alive(self) -> None:
        """Give a sign of life, but not more often than needed."""
        if time.monotonic() - self._told >= ALIVE_S:
            self.tell(Alive())

    def next_painting(self) -> Paint:
        """Wait for something to do."""
        with self._arrived:
            self._arrived.wait_for(lambda: self._paintings)
            return self._paintings.pop(0)

    def _listen(self) -> None:
        """Thread: what concerns the present job takes effect at once, the next one waits."""
        for body in bodies(self._commands):
            command = unpack_command(body)
            with self._arrived:
                match command:
                    case Cancel():
                        self.wanted = "cancel"
                    case Finish():
                        self.wanted = "finish"
                    case ShowPreview(side):
                        self.preview = side
                    case Paint():
                        # Reset here and not when the job begins: a cancel may already be in the pipe behind it.
                        self.wanted, self.preview = "go", 0
                        self._paintings.append(command)
                        self._arrived.notify()
                    case End():
                        break
        os._exit(0)
