"""Frames ↔ header map and chunk.

`decode` is total: any bytes give a value or a `RequestError`, never anything else: what arrives may come from
a newer peer, a damaged program, or a web page that found the port.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .errors import RequestError
from .limits import MAX_CHUNK_BYTES, MAX_DEPTH, MAX_FRAMES, MAX_HEADER_BYTES, PROTOCOL, PROTOCOL_MAJOR
from .shown import in_words

try:  # inside a host program msgpack's pure-Python files are installed beside this one
    from ._vendor import msgpack
except ImportError:
    import msgpack

Buffer = bytes | bytearray | memoryview


def encode(header: Mapping[str, Any], chunk: Buffer | None = None) -> list[Buffer]:
    """The frames of one message: protocol, header, and the chunk if there is one.

    Raises `RequestError` (`bad_header`, `too_large`) for what the other side would refuse.
    """
    _check_values(header)
    try:
        packed: bytes = msgpack.packb(header, use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise RequestError("bad_header", f"The header cannot be written as msgpack: {error}.") from error
    _check_sizes(len(packed), 0 if chunk is None else memoryview(chunk).nbytes)
    return [PROTOCOL, packed] if chunk is None else [PROTOCOL, packed, chunk]


def decode(frames: Sequence[Buffer]) -> tuple[dict[str, Any], Buffer | None]:
    """The header and the chunk of one message (without routing id and without a REQ socket's empty delimiter).

    Raises `RequestError`: `bad_frame`, `unsupported_version`, `too_large` or `bad_header`.
    """
    if not 2 <= len(frames) <= MAX_FRAMES:
        raise RequestError("bad_frame", f"A message has 2 or {MAX_FRAMES} frames, not {len(frames)}.")
    first = bytes(frames[0][:16])
    if first != PROTOCOL:
        if first.startswith(b"VPBR/"):
            raise unsupported_version(first[5:].decode("ascii", "replace"))
        raise RequestError(
            "bad_frame",
            f"The first frame is {in_words(first.decode('latin-1'))}, but must be {in_words(PROTOCOL.decode())}.",
        )
    chunk = frames[2] if len(frames) == MAX_FRAMES else None
    _check_sizes(len(frames[1]), 0 if chunk is None else len(chunk))
    return _unpack(frames[1]), chunk


def id_in(frames: Sequence[Buffer]) -> object:
    """The value of `id` in a message that `decode` refuses, so that the refusal can repeat it. None where there is
    none, or more than one, or where it stands behind what cannot be read.
    """
    if len(frames) < 2 or bytes(frames[0][:16]) != PROTOCOL:
        return None
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(frames[1][:MAX_HEADER_BYTES])
    found: list[object] = []
    try:
        for _ in range(unpacker.read_map_header()):
            if unpacker.unpack() == b"id":
                found.append(unpacker.unpack())
            else:
                unpacker.skip()
    except (msgpack.UnpackException, ValueError, TypeError, OverflowError, RecursionError):
        pass  # what came before counts
    return found[0] if len(found) == 1 else None


def undelimited(frames: Sequence[Buffer]) -> tuple[bool, Sequence[Buffer]]:
    """Whether the message begins with the empty delimiter of a REQ socket, and the frames without it."""
    if frames and len(frames[0]) == 0:
        return True, frames[1:]
    return False, frames


def unsupported_version(theirs: object) -> RequestError:
    """The error for a peer of another major version."""
    return RequestError(
        "unsupported_version",
        f"The other side speaks version {theirs!s:.40} of the protocol, this one version {PROTOCOL_MAJOR}: "
        "update the older of the two.",
    )


def _check_sizes(header_bytes: int, chunk_bytes: int) -> None:
    if header_bytes > MAX_HEADER_BYTES:
        raise RequestError("too_large", f"The header has {header_bytes} bytes; at most {MAX_HEADER_BYTES} are allowed.")
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise RequestError("too_large", f"The chunk has {chunk_bytes} bytes; at most {MAX_CHUNK_BYTES} are allowed.")


def _unpack(packed: Buffer) -> dict[str, Any]:
    try:
        # An Unpacker is not reused: before msgpack 1.2.1 one that had failed could crash the process.
        header = msgpack.unpackb(packed, raw=False, strict_map_key=False, object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise RequestError("bad_header", "The header contains a text that is not UTF-8.") from error
    except msgpack.ExtraData as error:
        raise RequestError("bad_header", "The header is a map with something after it.") from error
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        # The error's own text may repeat the input at any length.
        raise RequestError("bad_header", "The header is not valid msgpack: it is damaged or cut off.") from error
    if not isinstance(header, dict):
        raise RequestError("bad_header", f"The header is {in_words(header)}, but must be a map.")
    _check_values(header)
    return header


def _unique(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """A map whose keys are texts, each once. Where two readers could see different values, none may be believed."""
    made: dict[str, object] = {}
    for key, value in pairs:
        _check_key(key)
        if key in made:
            raise RequestError("bad_header", f"The key {in_words(key)} stands twice in the header.")
        made[key] = value
    return made


def _values(container: Mapping[str, Any] | Sequence[Any]) -> Iterable[object]:
    if not isinstance(container, Mapping):
        return container
    for key in container:
        _check_key(key)
    return container.values()


def _check_key(key: object) -> None:
    if not isinstance(key, str):
        raise RequestError("bad_header", f"A key in the header is {in_words(key)}, but must be a text.")


def _check_values(header: Mapping[str, Any]) -> None:
    """Only maps, lists, texts, whole and finite numbers, truth values and nil, nested `MAX_DEPTH` deep at most.

    A loop, not a recursion: msgpack accepts a depth at which recursive code fails.
    """
    level: list[Any] = [header]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            for value in _values(container):
                if isinstance(value, (Mapping, list, tuple)):
                    deeper.append(value)
                elif isinstance(value, float):
                    if not math.isfinite(value):
                        raise RequestError("bad_header", f"A number in the header is {value}, but must be finite.")
                elif value is not None and not isinstance(value, (str, int)):
                    raise RequestError("bad_header", f"The header contains {in_words(value)}: not allowed.")
        if not deeper:
            return
        level = deeper
    raise RequestError("bad_header", f"The header is nested more than {MAX_DEPTH} deep.")
