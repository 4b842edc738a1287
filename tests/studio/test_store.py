"""A node's pictures: whole or not at all, within their budget."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from vaporbrush_daemon.studio.store import Store, SumError


def name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def filled(store: Store, data: bytes, age_s: int = 0) -> str:
    blob = name(data)
    store.write(blob, 0, data)
    store.finish(blob, len(data))
    os.utime(store.path(blob), (1e9 - age_s, 1e9 - age_s))
    return blob


def test_pieces_may_come_in_any_order(tmp_path: Path) -> None:
    store, data = Store(tmp_path / "node", 100), b"0123456789"
    blob = name(data)
    assert store.missing([blob]) == [blob]
    store.write(blob, 5, data[5:])
    store.write(blob, 0, data[:5])
    assert store.missing([blob]) == [blob], "not before it is whole"
    store.finish(blob, len(data))
    assert store.missing([blob]) == []
    assert store.read(blob, 3, 4) == b"3456"


@pytest.mark.parametrize("arrived", [b"012345678", b"0123456780", b"0123456789x"])
def test_what_arrives_damaged_is_not_kept(tmp_path: Path, arrived: bytes) -> None:
    store, blob = Store(tmp_path / "node", 100), name(b"0123456789")
    store.write(blob, 0, arrived)
    with pytest.raises(SumError):
        store.finish(blob, 10)
    assert store.missing([blob]) == [blob]
    store.write(blob, 0, b"0123456789")
    store.finish(blob, 10)
    assert store.missing([blob]) == [], "and can be sent again"


def test_what_was_used_longest_ago_goes_first_but_not_what_is_needed(tmp_path: Path) -> None:
    store = Store(tmp_path / "node", 25)
    needed, oldest, newest = (filled(store, bytes([n]) * 10, age_s) for n, age_s in ((1, 30), (2, 20), (3, 10)))
    store.sweep([needed])
    assert store.missing([needed, oldest, newest]) == [oldest]


def test_what_was_painted_is_kept_and_what_was_half_done_is_not(tmp_path: Path) -> None:
    store = Store(tmp_path / "node", 100)
    painted = name(b"a painting")
    (store.work("job") / painted).write_bytes(b"a painting")
    store.adopt("job")
    assert store.missing([painted]) == []
    store.write("f" * 64, 0, b"half")
    again = Store(tmp_path / "node", 100)
    assert again.missing([painted, "f" * 64]) == ["f" * 64]
    assert not (tmp_path / "node" / "blobs" / "coming" / ("f" * 64)).exists()
