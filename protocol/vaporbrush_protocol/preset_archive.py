"""A preset as one file: a zip of its description and its pictures. It may come from anybody, and is read as hostile.

What is taken from it is decided by its description alone: each picture that a style names, flat beside it. Anything
else in the zip refuses the whole, as do links, encryption, and sizes beyond what a preset can have.
"""

from __future__ import annotations

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import IO

from .endpoint import native
from .limits import MAX_STYLES
from .presets import (
    FILE,
    MAX_FILE_BYTES,
    MAX_PICTURE_BYTES,
    Preset,
    PresetStore,
    picture_name,
    read,
    refused,
    suffix_of,
)

SUFFIX = ".vbpreset"
MAX_BYTES = 1024**3  # of all that is in one
COPY_BYTES = 1024**2  # at a time
# The end of a zip (APPNOTE 4.3.16): signature, disks, entries, the directory's size and place, the comment's length.
END = struct.Struct("<4s4H2LH")
END_SIGNATURE, ZIP64_SIGNATURE, ZIP64_BYTES = b"PK\x05\x06", b"PK\x06\x07", 20
MAX_DIRECTORY_BYTES = (MAX_STYLES + 1) * 1024  # zipfile reads all of it before anything can be refused
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, struct.error)


def pack(store: PresetStore, name: str, target: Path) -> Preset:
    """Write a preset to a file that `unpack` reads; one that is there is replaced. Raises `RequestError`."""
    preset = store.load(name)
    pictures = [style.picture for style in preset.styles if style.picture is not None]
    partial = target.with_name(f".{target.name[:60]}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:  # pictures are compressed already
            archive.write(store.folder_of(preset.name) / FILE, FILE)
            for picture in dict.fromkeys(pictures):
                archive.write(picture, picture_name(picture))
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise refused(f"{target} cannot be written: {error.strerror}.") from None
    return preset


def unpack(store: PresetStore, source: Path, *, name: str = "", replace: bool = False) -> Preset:
    """Take a preset out of a file, under its own name or another. Raises `RequestError`; then nothing has changed."""
    try:
        with source.open("rb") as file:
            _check_end(file, source)
            with zipfile.ZipFile(file) as archive:
                return _unpack(store, archive, source, name, replace=replace)
    except DAMAGED as error:
        raise refused(f"{source} is damaged, or no preset: {error}.") from None
    except OSError as error:
        raise refused(f"{source} cannot be read: {error.strerror or error}.") from None


def _check_end(file: IO[bytes], source: Path) -> None:
    """Refuse a directory of entries that is larger than a preset's can be, before zipfile reads it."""
    length = file.seek(0, 2)
    if length > MAX_BYTES:
        raise refused(f"{source} has {length // 1024**2} MB; a preset has at most {MAX_BYTES // 1024**2}.")
    file.seek(max(0, length - END.size - 0xFFFF))
    tail = file.read()
    at = tail.rfind(END_SIGNATURE)
    if at < 0 or len(tail) - at < END.size:
        raise refused(f"{source} is no preset: choose a file that ends in {SUFFIX}.")
    size = END.unpack_from(tail, at)[5]
    if size > MAX_DIRECTORY_BYTES or tail[max(0, at - ZIP64_BYTES) : at].startswith(ZIP64_SIGNATURE):
        raise refused(f"{source} is refused: it has more in it than a preset can have.")


def _unpack(store: PresetStore, archive: zipfile.ZipFile, source: Path, name: str, *, replace: bool) -> Preset:
    entries = archive.infolist()
    found = {entry.filename: entry for entry in entries}
    if len(found) < len(entries):
        raise refused(f"{source} is refused: it has two files of one name.")
    for entry in entries:
        _check(entry, source)
    if FILE not in found:
        raise refused(f"{source} is no preset: there is no {FILE} in it.")
    folder = store.begin()
    try:
        described = _take(archive, found.keys(), folder, source)
        name = store.free(name or described, replace=replace)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return store.finish(folder, name)


def _take(archive: zipfile.ZipFile, found: AbstractSet[str], folder: Path, source: Path) -> str:
    """Put description and pictures into a folder. Returns the name that the preset had where it was made."""
    with archive.open(FILE) as file:
        data = file.read(MAX_FILE_BYTES + 1)
    preset = read(data, folder, f"{source}")
    pictures = {picture_name(style.picture) for style in preset.styles if style.picture is not None}
    if others := sorted(found - pictures - {FILE}):
        raise refused(f"{source} is refused: “{others[0]}” does not belong into a preset.")
    if missing := sorted(pictures - found):
        raise refused(f"{source} is damaged: the picture “{missing[0]}” is missing.")
    for picture in sorted(pictures):
        with archive.open(picture) as packed, (folder / native(picture)).open("xb") as kept:
            _copy(packed, kept, source, picture)
    (folder / FILE).write_bytes(data)
    return preset.name


def _check(entry: zipfile.ZipInfo, source: Path) -> None:
    shown = f"{source} is refused: “{entry.filename}”"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        raise refused(f"{shown} is no plain file.")
    if entry.flag_bits & 1:
        raise refused(f"{shown} is encrypted.")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(f"{shown} is packed in a way that presets are not.")
    most = MAX_FILE_BYTES if entry.filename == FILE else MAX_PICTURE_BYTES
    if entry.file_size > most:
        raise refused(f"{shown} has {entry.file_size} bytes; at most {most} are taken.")


def _copy(file: IO[bytes], kept: IO[bytes], source: Path, name: str) -> None:
    """A picture out of the zip, never more of it than a picture may have, whatever the zip says."""
    copied = 0
    while block := file.read(COPY_BYTES):
        if not copied and not suffix_of(block):
            raise refused(f"{source} is refused: “{name}” is no picture.")
        copied += len(block)
        if copied > MAX_PICTURE_BYTES:
            raise refused(f"{source} is refused: “{name}” has more than {MAX_PICTURE_BYTES} bytes.")
        kept.write(block)
    if not copied:
        raise refused(f"{source} is refused: “{name}” is empty.")
