"""Damaged and hostile picture files get one sentence, and never more memory than is there."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile

from support.picture_files import DISPLAY_P3, noise, refused
from vaporbrush_daemon import machine
from vaporbrush_daemon.images import files as pictures
from vaporbrush_daemon.images import png_chunks
from vaporbrush_protocol.errors import RequestError, VaporbrushError


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_a_file_cut_anywhere_is_refused_in_one_sentence(tmp_path: Path, suffix: str) -> None:
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"cut{suffix}"
    pictures.write(whole, pictures.Picture(noise(3, size=(64, 64))))
    data = whole.read_bytes()
    for keep in [0, 1, 3, 8, 12, 20, 33, 60, 120, *(len(data) * i // 10 for i in range(2, 10))]:
        path.write_bytes(data[:keep])
        refused(path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_damaged_bytes_give_a_picture_or_one_sentence(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    pictures.write(path, pictures.Picture(noise(4), DISPLAY_P3), {"recipe": {}})
    data, random = path.read_bytes(), np.random.default_rng(11)
    outcomes = set()
    for _ in range(150):
        hurt = bytearray(data)
        for _ in range(random.integers(1, 8)):
            hurt[random.integers(8, min(len(hurt), 400))] = random.integers(256)
        path.write_bytes(hurt)
        try:
            outcomes.add(pictures.read(path).pixels.dtype.name)
        except RequestError as error:
            outcomes.add(error.message.count("\n"))
    assert 0 in outcomes
    assert not outcomes & {1, 2, 3}


def test_a_header_that_claims_more_than_fits_is_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    def header(width: int, height: int) -> bytes:
        body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
        return png_chunks.SIGNATURE + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))

    (tmp_path / "a.png").write_bytes(header(2**31 - 1, 2**31 - 1))
    assert "at most 16384" in refused(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(header(16384, 16384) + bytes(1000))
    assert "cannot hold" in refused(tmp_path / "a.png")
    stored = io.BytesIO()
    tifffile.imwrite(stored, noise(3), photometric="rgb", metadata=None)
    data = bytearray(stored.getvalue())
    stored.seek(0)
    with tifffile.TiffFile(stored) as file:
        at = file.pages.first.tags["ImageWidth"].offset
    data[at : at + 12] = struct.pack("<HHII", 256, 4, 1, 3_000_000)
    (tmp_path / "a.tif").write_bytes(data)
    assert "3000000" in refused(tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_small_file_that_needs_more_memory_than_is_free_is_refused(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """3.5 MB of PNG once took 8.4 GB."""
    path = tmp_path / f"large{suffix}"
    pictures.write(path, pictures.Picture(np.zeros((1000, 2000, 3), np.uint8)))
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(machine, "free_memory", lambda: 10_000_000)
    with pytest.raises(VaporbrushError, match=r"2000×1000 pixels, needs about 0\.0 GB .* are free") as refused:
        pictures.read(path)
    assert refused.value.code == "out_of_memory"
    monkeypatch.undo()
    picture = pictures.read(path)
    monkeypatch.setattr(machine, "free_memory", lambda: 10_000_000)
    with pytest.raises(VaporbrushError, match="Reducing 2000×1000 pixels needs"):
        pictures.reduced(picture, 100)


def test_a_profile_that_inflates_without_end_is_dropped() -> None:
    bomb = b"ICC profile\0\0" + zlib.compress(bytes(64 * 1024 * 1024))
    assert png_chunks.profile_of(bomb) is None


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    os.mkfifo(tmp_path / "pipe.png")
    assert "not a PNG, JPEG, TIFF or WebP" in refused(tmp_path / "a.txt")
    assert "not an ordinary file" in refused(tmp_path / "pipe.png")
    assert "folder" in refused(tmp_path)
    assert "does not exist" in refused(tmp_path / "none.png")
