"""A written file is the old one or the new one, whatever happens and whoever prepares the folder."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vaporbrush_protocol import atomic
from vaporbrush_protocol.codec import Buffer


class Recorder(atomic.System):
    """Does everything, and notes the order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def create(self, path: Path, mode: int) -> int:
        self.calls.append("create")
        return super().create(path, mode)

    def write(self, descriptor: int, data: Buffer) -> None:
        self.calls.append("write")
        super().write(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self.calls.append("sync")
        super().sync(descriptor)

    def sync_folder(self, folder: Path) -> None:
        self.calls.append("sync_folder")
        super().sync_folder(folder)

    def rename(self, source: Path, target: Path) -> None:
        self.calls.append("rename")
        super().rename(source, target)


class FullDisk(atomic.System):
    """Takes half of what it is given."""

    def write(self, descriptor: int, data: Buffer) -> None:
        super().write(descriptor, memoryview(data)[: len(data) // 2])
        raise OSError(28, os.strerror(28))


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("ä" * 125 + ".json")
    assert len(os.fsencode(path.name)) == 255
    atomic.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [*tmp_path.iterdir()] == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="space"):
        atomic.write(path, b"new contents", system=FullDisk())
    assert path.read_bytes() == b"old"
    assert [*tmp_path.iterdir()] == [path]


def test_what_must_last_is_synced_before_it_has_its_name_and_the_name_after(tmp_path: Path) -> None:
    recorder = Recorder()
    atomic.write(tmp_path / "file", b"x", durable=True, system=recorder)
    assert recorder.calls == ["create", "write", "sync", "rename", "sync_folder"]
    recorder.calls.clear()
    atomic.write(tmp_path / "file", b"x", system=recorder)
    assert recorder.calls == ["create", "write", "rename"]


def test_a_link_in_the_folder_is_replaced_and_never_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    path = tmp_path / "file"
    path.symlink_to(elsewhere)
    atomic.write(path, b"new")
    assert elsewhere.read_bytes() == b"precious"
    assert not path.is_symlink()
    path.unlink()
    path.symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        atomic.SYSTEM.create(path, 0o600)
    assert elsewhere.read_bytes() == b"precious"


@pytest.mark.usefixtures("umask")
def test_the_mode_is_what_was_asked_for_less_the_umask(tmp_path: Path) -> None:
    for mode, wanted in ((0o600, 0o600), (0o666, 0o644)):
        atomic.write(tmp_path / "file", b"x", mode=mode)
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == wanted


def test_readers_meet_one_version_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "file"
    versions = {bytes([letter]) * 200_000 for letter in b"ab"}
    atomic.write(path, b"a" * 200_000)
    stop = threading.Event()

    def writer() -> None:
        while not stop.is_set():
            for version in versions:
                atomic.write(path, version)

    thread = threading.Thread(target=writer)
    thread.start()
    try:
        assert {path.read_bytes() for _ in range(300)} <= versions
    finally:
        stop.set()
        thread.join()
