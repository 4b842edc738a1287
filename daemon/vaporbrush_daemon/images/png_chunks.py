"""The chunks of a PNG file beside its pixels: profile, EXIF, text (PNG specification, third edition, 5 and 11)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_INFLATED = 16 * 1024 * 1024  # bytes; the largest colour profiles in use are a few MiB, and a bomb stops here


def read(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and payload of each chunk, in order; ends quietly where the file does (the pixel decoder reports that)."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if at + 12 + length > len(data):
            return
        yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def insert(data: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The file with `chunks` after its IHDR: what stands before the pixels is found by every reader."""
    after_header = len(SIGNATURE) + 12 + 13
    return b"".join((data[:after_header], *(_chunk(*chunk) for chunk in chunks), data[after_header:]))


def profile_chunk(profile: bytes) -> tuple[bytes, bytes]:
    """An ICC profile as iCCP."""
    return b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)


def profile_of(payload: bytes) -> bytes | None:
    """The ICC profile in an iCCP payload; None if it is damaged or absurdly large."""
    name, found, rest = payload.partition(b"\0")
    return inflate(rest[1:]) if found and name and rest[:1] == b"\0" else None


def text_chunk(keyword: str, text: str) -> tuple[bytes, bytes]:
    """UTF-8 text as an uncompressed iTXt."""
    return b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode()


def text_of(payload: bytes, keyword: str) -> str | None:
    """The text in an iTXt payload if it has this keyword."""
    name, _, rest = payload.partition(b"\0")
    if name != keyword.encode("latin-1") or len(rest) < 2:
        return None
    compressed = rest[0] == 1
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, raw = rest.partition(b"\0")
    body = inflate(raw) if compressed else raw
    return None if body is None else body.decode("utf-8", "replace")


def inflate(data: bytes) -> bytes | None:
    """Decompress, but never to more than MAX_INFLATED."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, MAX_INFLATED)
    except zlib.error:  # damaged
        return None
    return plain if stream.eof else None


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
