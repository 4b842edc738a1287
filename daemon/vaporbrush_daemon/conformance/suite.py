"""The checks of `vaporbrush conformance`: one function each, which raises `Deviation` where a server does otherwise.

The server is only asked what any server of one user can be asked: nothing is ended or unloaded, and what is painted is
tiny and released again.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vaporbrush_protocol.codec import Buffer, decode, encode
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError
from vaporbrush_protocol.limits import MAX_OUTSTANDING
from vaporbrush_protocol.link import Link

from . import transcript
from .transcript import REPLY_S, Deviation, Player, checked, received

QUIET_S = 1.0  # a server that has said nothing for so long to a stranger says nothing
ASKED_WITHOUT_HARM = ("hello", "ping", "status", "models", "styles", "list")
HTTP = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}"
# A greeting of ZMTP 3.0 with the mechanism NULL, its READY, and a ping as one message: what a stranger would send.
NULL = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x06DEALER"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check: `problem` is empty where the server keeps to the specification; `left_out` says why not."""

    name: str
    problem: str = ""
    left_out: str = ""


class Suite:
    """The checks of one server. `specification` is the folder with vectors and transcripts."""

    def __init__(
        self, connection: Connection, specification: Path, *, restart: Callable[[], Connection] | None = None, seed: int
    ) -> None:
        self._connection, self._specification, self._seed = connection, specification, seed
        self._restart = restart

    def run(self) -> Iterator[Outcome]:
        """Every check, one after the other."""
        for name, check in self._checks():
            try:
                check()
            except (Deviation, VaporbrushError) as error:
                yield Outcome(name, problem=str(error))
            else:
                yield Outcome(name)
            if not self._alive():
                yield Outcome("the server goes on", problem=f"it does not answer any more after: {name}")
                return
        player = Player(self._open, self._restarted if self._restart else None, self._seed)
        for name, script in transcript.read(self._specification / "transcripts").items():
            if not player.can_play(script):
                yield Outcome(f"transcript: {name}", left_out="the server would have to be restarted")
                continue
            try:
                player.play(script)
            except (Deviation, VaporbrushError) as error:
                yield Outcome(f"transcript: {name}", problem=str(error))
            else:
                yield Outcome(f"transcript: {name}")

    def _checks(self) -> Iterator[tuple[str, Callable[[], None]]]:
        yield "a wrong token is refused", self._wrong_token
        yield "a stranger without a token hears nothing", lambda: self._stranger(NULL + READY + _raw_ping())
        yield "an HTTP request is not answered", lambda: self._stranger(HTTP)
        yield "a reply has an empty delimiter where its request had one", self._delimiter
        yield "requests that wait are answered in any order, one too many with `busy`", self._outstanding
        yield "unknown fields are ignored", self._unknown_fields
        for vector in self._vectors("good.json"):
            if vector.get("request") in ASKED_WITHOUT_HARM:
                yield f"good: {vector['name']}", partial(self._good, vector)
        for vector in self._vectors("bad.json"):
            yield f"bad: {vector['name']}", partial(self._bad, vector)

    def _vectors(self, name: str) -> list[dict[str, Any]]:
        read: list[dict[str, Any]] = json.loads((self._specification / "vectors" / name).read_text("utf-8"))["vectors"]
        return read

    def _open(self) -> Link:
        return Link.open(self._connection)

    def _restarted(self) -> None:
        assert self._restart is not None
        self._connection = self._restart()

    def _alive(self) -> bool:
        try:
            link = self._open()
        except LinkError:  # nobody listens
            return False
        try:
            link.send(encode({"id": 1, "request": "ping"}), REPLY_S)
            return bool(received(link)[0].get("ok"))
        except (LinkError, Deviation):  # it answers no more, or nonsense
            return False
        finally:
            link.close()

    # ── who may talk ─────────────────────────────────────────────────────────────────────────────────────────────

    def _wrong_token(self) -> None:
        try:
            Link.open(replace(self._connection, token="0" * 64)).close()
        except LinkError as error:
            if error.code != "wrong_token":
                raise
        else:
            raise Deviation("it let a client in with another token")

    def _stranger(self, said: bytes) -> None:
        """Whoever did not log in gets nothing but the server's greeting and its refusal."""
        with _plain(self._connection.endpoints[0]) as stranger:
            heard = b""
            deadline = time.monotonic() + QUIET_S
            try:
                stranger.sendall(said)
                while (left := deadline - time.monotonic()) > 0:
                    stranger.settimeout(left)
                    piece = stranger.recv(4096)
                    if not piece:
                        break
                    heard += piece
            except OSError:  # it closed the connection, as it should, or had nothing to say
                pass
        if b"VPBR" in heard:
            raise Deviation(f"it answered somebody who has no token: {heard[-80:]!r}")

    # ── how it answers ───────────────────────────────────────────────────────────────────────────────────────────

    def _delimiter(self) -> None:
        link = self._open()
        try:
            for delimiter in ([b""], []):
                link.send([*delimiter, *encode({"id": 5, "request": "ping"})], REPLY_S)
                frames = link.receive(REPLY_S)
                if (len(frames[0]) == 0) != bool(delimiter):
                    said = "with" if delimiter else "without"
                    raise Deviation(f"the reply to a request {said} a delimiter begins with {bytes(frames[0])!r}")
        finally:
            link.close()

    def _outstanding(self) -> None:
        """A `watch` waits; a `ping` behind it does not."""
        link = self._open()
        try:
            for number in range(MAX_OUTSTANDING + 4):
                link.send(encode({"id": number, "request": "ping"}), REPLY_S)
            seen = set()
            for _ in range(MAX_OUTSTANDING + 4):
                header, chunk = received(link)
                checked("ping", header, chunk)
                if not header["ok"] and header["error"]["code"] != "busy":
                    raise Deviation(f"one request too many was refused with {header['error']}")
                seen.add(header["id"])
            if seen != set(range(MAX_OUTSTANDING + 4)):
                raise Deviation(f"{MAX_OUTSTANDING + 4} requests got replies with the ids {sorted(seen)}")
        finally:
            link.close()

    def _unknown_fields(self) -> None:
        self._ask({"id": 6, "request": "ping", "mood": {"a": [1, None, "x"]}}, None, "ping")

    def _ask(self, header: dict[str, Any], chunk: Buffer | None, request: str) -> dict[str, Any]:
        link = self._open()
        try:
            link.send(encode(header, chunk), REPLY_S)
            reply, came = received(link)
        finally:
            link.close()
        checked(request, reply, came)
        if reply["id"] != header["id"]:
            raise Deviation(f"the reply's id is {reply['id']!r}, not {header['id']!r}")
        return reply

    def _good(self, vector: dict[str, Any]) -> None:
        reply = self._ask(vector["header"], None, vector["request"])
        if not reply["ok"] and reply["error"]["code"] in ("bad_frame", "bad_header", "bad_field", "unknown_request"):
            raise Deviation(f"it refused a valid request: {reply['error']}")

    def _bad(self, vector: dict[str, Any]) -> None:
        frames = [_frame(frame) for frame in vector["frames"]]
        if not frames:
            return  # ZMTP has no message without a frame
        link = self._open()
        try:
            link.send(frames, REPLY_S)
            reply, chunk = received(link)
        finally:
            link.close()
        if reply.get("ok") is not False:
            raise Deviation(f"it did not refuse it: {reply}")
        checked("ping", reply, chunk)
        if reply["error"]["code"] != vector["error"]:
            raise Deviation(f"the code is {reply['error']['code']}, not {vector['error']}: {reply['error']['message']}")
        readable = decode(frames)[0]["id"] if vector["layer"] == "request" else vector.get("id", reply["id"])
        if reply["id"] != readable:
            raise Deviation(f"the id that can be read is {readable!r}, but the refusal's is {reply['id']!r}")


def _raw_ping() -> bytes:
    """A ping as ZMTP frames (RFC 23: flags, one byte of length)."""
    frames = [bytes(frame) for frame in encode({"id": 1, "request": "ping"})]
    return b"".join(bytes([frame is not frames[-1], len(frame)]) + frame for frame in frames)


def _frame(frame: str | list[dict[str, Any]]) -> bytes:
    pieces: list[dict[str, Any]] = [{"hex": frame, "times": 1}] if isinstance(frame, str) else frame
    return b"".join(bytes.fromhex(piece["hex"]) * piece["times"] for piece in pieces)


def _plain(endpoint: str) -> socket.socket:
    kind, _, address = endpoint.partition("://")
    try:
        if kind == "ipc":
            plain = socket.socket(socket.AF_UNIX)
            plain.connect(address)
            return plain
        host, _, port = address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)))
    except (OSError, ValueError) as error:
        raise RequestError("bad_field", f"`{endpoint}` cannot be connected to: {error}.") from None
