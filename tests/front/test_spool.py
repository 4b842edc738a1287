"""The spool on a real disk, with time passed in."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.clock import Clock
from vaporbrush_daemon.front.spool import MAX_PARTS, PART_TTL_S, Spool
from vaporbrush_protocol.errors import RequestError


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pinned() -> set[str]:
    return set()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock, pinned: set[str]) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", 10_000, 3600.0, lambda: pinned)
    spool.open(clock())
    yield spool
    spool.close()


def put(spool: Spool, clock: Clock, data: bytes) -> str:
    blob = hashlib.sha256(data).hexdigest()
    assert spool.put(clock.pass_(1.0), blob, len(data), 0, data) == (len(data), True)
    return blob


def test_the_least_recently_used_blob_makes_room_and_a_pinned_one_never(
    spool: Spool, clock: Clock, pinned: set[str]
) -> None:
    old, middle, new = (put(spool, clock, os.urandom(3000)) for _ in range(3))
    spool.read(clock.pass_(1.0), old, 0, 1)
    pinned.add(middle)
    put(spool, clock, os.urandom(3000))
    assert (spool.size(old), spool.size(middle), spool.size(new)) == (3000, 3000, None)
    assert not spool.path(new).exists()
    pinned.add(old)
    with pytest.raises(RequestError, match="6000 are in use") as refused:
        spool.put(clock(), "0" * 64, 5000, 0, b"x")
    assert refused.value.code == "disk_full"


def test_what_nobody_uses_for_long_goes_and_uploads_that_rest_sooner(
    spool: Spool, clock: Clock, pinned: set[str]
) -> None:
    kept, dropped = put(spool, clock, b"kept"), put(spool, clock, b"dropped")
    pinned.add(kept)
    spool.put(clock(), "0" * 64, 100, 0, b"half")
    spool.sweep(clock.pass_(PART_TTL_S - 2))
    assert spool.put(clock(), "0" * 64, 100, 0, None) == (4, False)
    spool.sweep(clock.pass_(PART_TTL_S + 1))
    assert spool.put(clock(), "0" * 64, 100, 0, None) == (0, False)
    spool.sweep(clock.pass_(3600.0))
    assert (spool.size(kept), spool.size(dropped)) == (4, None)


def test_blobs_outlive_a_restart_and_uploads_under_way_do_not(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    blob = put(spool, clock, b"blob")
    spool.put(clock(), "0" * 64, 100, 0, b"half")
    spool.work("job")
    again = Spool(tmp_path / "spool", 10_000, 3600.0, set)
    again.open(clock())
    assert again.size(blob) == 4
    assert again.put(clock(), "0" * 64, 100, 0, None) == (0, False)
    assert [len(list((tmp_path / "spool" / name).iterdir())) for name in ("blobs", "parts", "work")] == [1, 0, 0]


def test_a_clock_that_jumped_while_the_daemon_was_away_expires_nothing(
    spool: Spool, clock: Clock, tmp_path: Path
) -> None:
    blob = put(spool, clock, b"blob")
    tomorrow = spool.path(blob).stat().st_mtime + 86400
    os.utime(spool.path(blob), (tomorrow, tomorrow))
    again = Spool(tmp_path / "spool", 10_000, 3600.0, set)
    again.open(clock())
    assert again.size(blob) == 4


def test_a_blob_of_another_size_than_claimed_is_a_conflict(spool: Spool, clock: Clock) -> None:
    blob = put(spool, clock, b"blob")
    with pytest.raises(RequestError, match="has 4 bytes, not 5"):
        spool.put(clock(), blob, 5, 0, b"blobs")


def test_uploads_at_once_are_bounded(spool: Spool, clock: Clock) -> None:
    for number in range(MAX_PARTS):
        spool.put(clock(), f"{number:064x}", 10, 0, b"x")
    with pytest.raises(RequestError) as refused:
        spool.put(clock(), "f" * 64, 10, 0, b"x")
    assert refused.value.code == "busy"
    spool.close()


def test_a_blob_whose_file_somebody_deleted_is_unknown(spool: Spool, clock: Clock) -> None:
    blob = put(spool, clock, b"blob")
    spool.path(blob).unlink()
    with pytest.raises(RequestError) as refused:
        spool.read(clock(), blob, 0, 10)
    assert refused.value.code == "unknown_blob"
    assert spool.size(blob) is None


def test_blobs_that_an_earlier_job_has_read_are_told_from_new_ones(spool: Spool, clock: Clock) -> None:
    blob = put(spool, clock, b"blob")
    assert spool.use(clock(), [blob]) is False
    assert spool.use(clock(), [blob]) is True
    assert spool.use(clock(), [blob, put(spool, clock, b"other")]) is False


def test_results_are_adopted_even_above_the_budget(spool: Spool, clock: Clock) -> None:
    data = os.urandom(20_000)
    name = hashlib.sha256(data).hexdigest()
    out = spool.work("job")
    (out / name).write_bytes(data)
    (out / "part").write_bytes(b"left over")
    spool._pinned = lambda: {name}
    spool.adopt(clock(), "job")
    assert spool.size(name) == 20_000
    assert not out.exists()


def test_records_come_back_in_order_and_damaged_ones_are_dropped(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    for number, name in enumerate(("b", "a", "c")):
        spool.save(name, {"job": name})
        os.utime(tmp_path / "spool" / "jobs" / f"{name}.json", (1e9 + number, 1e9 + number))
    (tmp_path / "spool" / "jobs" / "d.json").write_text("{half")
    (tmp_path / "spool" / "jobs" / "e.part").write_text("{}")
    spool.forget("c")
    assert [record["job"] for record, _ in spool.records(clock())] == ["b", "a"]
    assert sorted(path.name for path in (tmp_path / "spool" / "jobs").iterdir()) == ["a.json", "b.json"]


def test_a_record_that_cannot_be_written_costs_only_itself(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool" / "jobs" / "one.json").mkdir()
    spool.save("one", {"job": "one"})
    assert sorted(path.name for path in (tmp_path / "spool" / "jobs").iterdir()) == ["one.json"]
