"""The daemon's end of the bridge to a studio: one process that stands for the workers of all its nodes.

Frames are as on a worker's pipe (`pipe`), each a msgpack map: to the bridge {slot, start: device}, {slot, kill: true}
or {slot, command: bytes}; from it {slot, event: bytes}, {slot, nonsense: sentence}, {slot, exit: reason, away},
{devices: […]}, {moved: bytes, node} or {trouble: sentence, node}. What it says arrives where workers' events do. When
the process ends, every worker behind it has ended.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgpack
import zmq

from vaporbrush_daemon import logs
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.rules import MAX_INTEGER, bad

from . import pipe
from .messages import STUDIO_DEVICES, Command, DeviceFacts, Event, parse_devices

PROGRAM = (sys.executable, "-P", "-m", "vaporbrush_daemon.studio.head")
ADDRESS = "inproc://workers"
EVENT, NONSENSE, EXIT, AWAY, DEVICES, MOVED, TROUBLE, GONE = (
    b"event", b"nonsense", b"exit", b"away", b"devices", b"moved", b"trouble", b"gone"
)  # fmt: skip
ITSELF = 0  # in place of a slot: about the studio, not about a worker


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker for a node's device."""

    slot: int
    device: str


@dataclass(frozen=True, slots=True)
class Kill:
    """End one that does not listen."""

    slot: int


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell one something."""

    slot: int
    command: Command


Order = Start | Kill | Tell


def ordered(order: Order) -> bytes:
    """An order as it travels."""
    match order:
        case Start(slot, device):
            return _packed({"slot": slot, "start": device})
        case Kill(slot):
            return _packed({"slot": slot, "kill": True})
        case Tell(slot, command):
            return _packed({"slot": slot, "command": pipe.pack(command)[pipe.LENGTH.size :]})


def parse_order(body: bytes) -> Order:
    """Raises `RequestError`."""
    raw, slot = _unpacked(body)
    if isinstance(raw.get("start"), str):
        return Start(slot, raw["start"])
    if "kill" in raw:
        return Kill(slot)
    return Tell(slot, pipe.unpack_command(raw.get("command", b"")))


def told_event(slot: int, event: Event) -> bytes:
    """A worker said something."""
    return _packed({"slot": slot, "event": pipe.pack(event)[pipe.LENGTH.size :]})


def told_nonsense(slot: int, sentence: str) -> bytes:
    """A worker said something that breaks the rules."""
    return _packed({"slot": slot, "nonsense": sentence})


def told_exit(slot: int, reason: str, *, away: bool) -> bytes:
    """A worker has ended; `away`: because its node is gone."""
    return _packed({"slot": slot, "exit": reason, "away": away})


def told_devices(devices: tuple[DeviceFacts, ...]) -> bytes:
    """There are these devices in the studio now."""
    wire = [{each.name: getattr(one, each.name) for each in fields(one)} for one in devices]
    return _packed({"slot": ITSELF, "devices": wire})


def told_moved(size: int, node: str) -> bytes:
    """So many bytes of pictures have travelled to a node or from it."""
    return _packed({"slot": ITSELF, "moved": size, "node": node})


def told_trouble(sentence: str, node: str = "") -> bytes:
    """Something went wrong with a node, or with the studio, that people should see."""
    return _packed({"slot": ITSELF, "trouble": sentence, "node": node})


def parse_told(body: bytes) -> tuple[int, bytes, bytes]:
    """Slot, kind and body as the daemon's loop takes them. Raises `RequestError`."""
    raw, slot = _unpacked(body)
    if isinstance(raw.get("event"), bytes):
        return slot, EVENT, raw["event"]
    if isinstance(raw.get("nonsense"), str):
        return slot, NONSENSE, raw["nonsense"].encode()
    if isinstance(raw.get("exit"), str):
        return slot, AWAY if raw.get("away") else EXIT, raw["exit"].encode()
    if isinstance(raw.get("devices"), list):
        unpack_devices(body)
        return ITSELF, DEVICES, body
    if isinstance(raw.get("node"), str):
        if isinstance(raw.get("moved"), int):
            return ITSELF, MOVED, body
        if isinstance(raw.get("trouble"), str):
            return ITSELF, TROUBLE, body
    raise bad("frame", sorted(map(str, raw)), "one that a bridge sends")


def unpack_devices(body: bytes) -> tuple[DeviceFacts, ...]:
    """The devices of a frame that names them. Raises `RequestError`."""
    listed = _unpacked(body)[0].get("devices")
    return parse_devices("devices", listed, STUDIO_DEVICES) if listed else ()


def unpack_moved(body: bytes) -> tuple[str, int]:
    """Node and bytes of a frame that `parse_told` has let through."""
    raw = _unpacked(body)[0]
    return raw["node"], raw["moved"]


def unpack_trouble(body: bytes) -> tuple[str, str]:
    """Node and sentence, likewise."""
    raw = _unpacked(body)[0]
    return raw["node"], raw["trouble"]


def _packed(raw: dict[str, Any]) -> bytes:
    body: bytes = msgpack.packb(raw, unicode_errors=pipe.PATHS)
    return pipe.LENGTH.pack(len(body)) + body


def _unpacked(body: bytes) -> tuple[dict[str, Any], int]:
    try:
        raw = msgpack.unpackb(body, unicode_errors=pipe.PATHS)
    except (ValueError, TypeError, RecursionError):
        raise RequestError("bad_header", f"The frame of {len(body)} bytes is no msgpack.") from None
    slot = raw.get("slot") if isinstance(raw, dict) else None
    if not isinstance(slot, int) or not 0 <= slot <= MAX_INTEGER:
        raise bad("slot", slot, "a whole number")
    return raw, slot


class Bridge:
    """The process, or none. To be used from the daemon's loop."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self._orders: queue.SimpleQueue[bytes] | None = None
        self._popen: subprocess.Popen[bytes] | None = None
        self.slots: set[int] = set()  # workers that were started and have not ended

    @property
    def runs(self) -> bool:
        """Whether there is a process whose end has not been heard of yet."""
        return self._popen is not None

    def open(self, home: Path, elsewhere: tuple[str, ...], environment: dict[str, str]) -> None:
        """Start the process. `elsewhere`: a scheduler that is there already, and three files. Raises `OSError`."""
        popen = subprocess.Popen(
            [*PROGRAM, str(home), *elsewhere],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=home,
            env=environment,
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        logs.event("studio_opened", pid=popen.pid)
        orders: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._popen, self._orders = popen, orders
        for target, arguments in ((_log, (popen,)), (_write, (popen, orders)), (self._listen, (popen, orders))):
            threading.Thread(target=target, args=arguments, name=f"studio {target.__name__}", daemon=True).start()

    def order(self, order: Order) -> None:
        """Have it do something. Nothing happens where it has ended: that is on its way."""
        if isinstance(order, Start):
            self.slots.add(order.slot)
        if self._orders is not None:
            self._orders.put(ordered(order))

    def end(self) -> None:
        """End the process, and with it all workers behind it; `gone` is told later."""
        if self._popen is not None:
            self._popen.kill()

    def gone(self) -> list[int]:
        """Its end has been heard of. Returns the slots whose workers ended with it."""
        ended, self.slots = sorted(self.slots), set()
        self._popen, self._orders = None, None
        return ended

    def _listen(self, popen: subprocess.Popen[bytes], orders: queue.SimpleQueue[bytes]) -> None:
        """Thread: pass on what it says, and in the end that it is gone."""
        assert popen.stdout is not None
        with self._context.socket(zmq.PUSH) as push:
            push.setsockopt(zmq.LINGER, 1000)
            push.connect(ADDRESS)
            try:
                for body in pipe.bodies(popen.stdout):
                    slot, kind, rest = parse_told(body)
                    push.send_multipart([slot.to_bytes(8, "big"), kind, rest])
            except RequestError as error:
                logs.event("studio_talks_nonsense", reason=error.message)
            popen.kill()
            status = popen.wait()
            orders.put(b"")
            logs.event("studio_gone", pid=popen.pid, status=status)
            popen.stdout.close()
            push.send_multipart([ITSELF.to_bytes(8, "big"), GONE, str(status).encode()])


def _log(popen: subprocess.Popen[bytes]) -> None:
    """Thread: what it writes to stderr belongs into the log."""
    assert popen.stderr is not None
    with popen.stderr:
        for raw in popen.stderr:
            if line := raw.decode("utf-8", "replace").rstrip():
                logs.event("studio_says", text=line)


def _write(popen: subprocess.Popen[bytes], orders: queue.SimpleQueue[bytes]) -> None:
    """Thread: orders, one after the other; the loop does not wait for them to be read."""
    assert popen.stdin is not None
    descriptor = popen.stdin.fileno()
    try:
        while view := memoryview(orders.get()):
            while view:
                view = view[os.write(descriptor, view) :]
    except OSError as error:
        logs.event("studio_reads_nothing", reason=error)
    popen.stdin.close()
