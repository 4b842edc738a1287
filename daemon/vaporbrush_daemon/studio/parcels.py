"""Pictures on their way to a node and back: in pieces, some at once, and checked by their sum where they arrive."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.recipe import Image

from .store import PIECE_BYTES

AHEAD = 4  # pieces on their way at once: neither side waits, and others get through between them
TRIES = 2  # of a picture that arrives damaged


async def send(desk: Any, name: str, blob: str, path: Path) -> int:
    """Bring a picture to the node of this desk and name. Returns how many bytes travelled.

    Raises `RemoteError` where it cannot be, and what Dask raises where the node is gone.
    """
    size = await asyncio.to_thread(_size, path)

    async def moved(offset: int) -> None:
        if problem := await desk.write(blob, offset, await asyncio.to_thread(_piece, path, offset)):
            raise RemoteError("disk_full", f"{name} cannot keep a picture: {problem}.")

    for tries in range(1, TRIES + 1):
        await _in_pieces(size, moved)
        if await desk.finish(blob, size):
            return size * tries
    raise RemoteError("internal", f"A picture arrived damaged at {name} {TRIES} times.")


async def fetch(desk: Any, name: str, image: Image, folder: Path) -> int:
    """Bring a picture from a node into a folder, under its sum. Returns how many bytes travelled.

    Raises like `send`.
    """
    path = folder / image.blob
    if path.exists():
        return 0
    size: int = await desk.size(image.blob)
    if size != image.size_bytes:
        raise RemoteError("internal", f"{name} has a picture of {size} bytes, not {image.size_bytes}.")
    coming = path.with_suffix(".coming")
    await asyncio.to_thread(_make, coming, size)

    async def moved(offset: int) -> None:
        await asyncio.to_thread(_put, coming, offset, await desk.read(image.blob, offset, PIECE_BYTES))

    await _in_pieces(size, moved)
    if not await asyncio.to_thread(_is, coming, image.blob):
        coming.unlink()
        raise RemoteError("internal", f"A picture of {name} arrived damaged.")
    coming.replace(path)
    return size


async def _in_pieces(size: int, move: Callable[[int], Awaitable[None]]) -> None:
    turns = asyncio.Semaphore(AHEAD)

    async def moved(offset: int) -> None:
        async with turns:
            await move(offset)

    moving = [asyncio.create_task(moved(offset)) for offset in range(0, max(size, 1), PIECE_BYTES)]
    try:
        await asyncio.gather(*moving)
    finally:
        for one in moving:
            one.cancel()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _gone(error) from error


def _piece(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(PIECE_BYTES)
    except OSError as error:
        raise _gone(error) from error


def _gone(error: OSError) -> RemoteError:
    return RemoteError("unknown_blob", f"A picture cannot be read from the spool any more: {error.strerror}.")


def _make(path: Path, size: int) -> None:
    try:
        with path.open("wb") as file:
            file.truncate(size)
    except OSError as error:
        raise _full(error) from error


def _put(path: Path, offset: int, piece: bytes) -> None:
    try:
        with path.open("r+b") as file:
            file.seek(offset)
            file.write(piece)
    except OSError as error:
        raise _full(error) from error


def _full(error: OSError) -> RemoteError:
    return RemoteError("disk_full", f"The painting could not be kept: {error.strerror}.")


def _is(path: Path, blob: str) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == blob
