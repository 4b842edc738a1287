"""The spool on a real disk, with time passed in and what runs beside the loop run at once."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.at_once import AtOnce
from support.clock import Clock
from vaporbrush_daemon.front.age import Age
from vaporbrush_daemon.front.background import Lane, Task
from vaporbrush_daemon.front.spool import Spool
from vaporbrush_daemon.front.uploads import MAX_UPLOADS, RESTING_S, UPLOAD_TTL_S, Key
from vaporbrush_protocol.errors import RequestError

DAY_S = 86400.0
TTL_S = 3600.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pinned() -> set[str]:
    return set()


@pytest.fixture
def spool(tmp_path: Path, clock: Clock, pinned: set[str]) -> Iterator[Spool]:
    spool = Spool(tmp_path / "spool", 10_000, TTL_S, lambda: pinned, AtOnce())
    spool.open(clock())
    yield spool
    spool.close(clock())


def again(tmp_path: Path, clock: Clock, wall: Callable[[], float] = time.time) -> Spool:
    """The next process on the same folder."""
    spool = Spool(tmp_path / "spool", 10_000, TTL_S, set, AtOnce(), wall=wall)
    spool.open(clock())
    return spool


def told(ask: Callable[[Callable[[Any], None]], None]) -> Any:
    """The outcome of a request to the spool, raised where it is an error."""
    outcomes: list[Any] = []
    ask(outcomes.append)
    (outcome,) = outcomes
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def send(
    spool: Spool, now: float, blob: str, size: int, offset: int, chunk: bytes | None, client: str = "one"
) -> tuple[int, bool]:
    found: tuple[int, bool] = told(lambda then: spool.put(now, client, Key(blob, size), offset, chunk, then))
    return found


def get(spool: Spool, now: float, blob: str, offset: int = 0, size: int = 1_000_000) -> bytes:
    data, total = told(lambda then: spool.read(now, blob, offset, size, then))
    assert total == spool.size(blob)
    return bytes(data)


def put(spool: Spool, clock: Clock, data: bytes, client: str = "one") -> str:
    blob = hashlib.sha256(data).hexdigest()
    assert send(spool, clock.pass_(1.0), blob, len(data), 0, data, client) == (len(data), True)
    return blob


def made(spool: Spool, clock: Clock, job: str, data: bytes) -> str:
    """A result, as a worker makes it."""
    blob = hashlib.sha256(data).hexdigest()
    (spool.work(job) / blob).write_bytes(data)
    spool.adopt(clock(), job)
    return blob


def test_the_least_recently_used_blob_makes_room_and_a_pinned_one_never(
    spool: Spool, clock: Clock, pinned: set[str]
) -> None:
    old, middle, new = (put(spool, clock, os.urandom(3000)) for _ in range(3))
    get(spool, clock.pass_(1.0), old, 0, 1)
    pinned.add(middle)
    put(spool, clock, os.urandom(3000))
    assert (spool.size(old), spool.size(middle), spool.size(new)) == (3000, 3000, None)
    assert not spool.path(new).exists()
    pinned.add(old)
    with pytest.raises(RequestError, match="6000 are in use") as refused:
        send(spool, clock(), "0" * 64, 5000, 0, b"x")
    assert refused.value.code == "disk_full"


def test_what_nobody_uses_for_long_goes_and_uploads_that_rest_sooner(
    spool: Spool, clock: Clock, pinned: set[str]
) -> None:
    kept, dropped = put(spool, clock, b"kept"), put(spool, clock, b"dropped")
    pinned.add(kept)
    send(spool, clock(), "0" * 64, 100, 0, b"half")
    spool.sweep(clock.pass_(UPLOAD_TTL_S - 2))
    assert send(spool, clock(), "0" * 64, 100, 0, None) == (4, False)
    spool.sweep(clock.pass_(UPLOAD_TTL_S + 1))
    assert send(spool, clock(), "0" * 64, 100, 0, None) == (0, False)
    spool.sweep(clock.pass_(TTL_S))
    assert (spool.size(kept), spool.size(dropped)) == (4, None)


def test_blobs_outlive_a_restart_and_uploads_under_way_do_not(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    blob = put(spool, clock, b"blob")
    send(spool, clock(), "0" * 64, 100, 0, b"half")
    spool.work("job")
    second = again(tmp_path, clock)
    assert second.size(blob) == 4
    assert send(second, clock(), "0" * 64, 100, 0, None) == (0, False)
    assert [len(list((tmp_path / "spool" / name).iterdir())) for name in ("blobs", "parts", "work")] == [1, 0, 0]


@pytest.mark.parametrize("days", [-1000, -3, 3, 1000])
def test_a_clock_that_jumped_while_the_daemon_was_away_expires_nothing(
    spool: Spool, clock: Clock, tmp_path: Path, days: int
) -> None:
    blob, job = put(spool, clock, b"blob"), str(uuid.uuid4())
    spool.records.save(clock(), job, {"job": job})
    spool.close(clock())
    second = again(tmp_path, clock, wall=lambda: time.time() + days * DAY_S)
    second.sweep(clock.pass_(TTL_S / 2))
    assert second.size(blob) == 4
    ((_, changed),) = second.records.read(clock(), lambda _, changed: (job, changed))
    assert clock() - TTL_S < changed


def test_what_was_old_before_a_restart_is_old_after_it(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    blob = put(spool, clock, b"blob")
    spool.sweep(clock.pass_(TTL_S * 0.9))
    second = again(tmp_path, clock)
    assert second.size(blob) == 4
    second.sweep(clock.pass_(TTL_S * 0.2))
    assert second.size(blob) is None


def test_the_hours_in_which_the_machine_ran_without_the_daemon_count(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    before = Age(file, up=lambda: ("boot-1", 1000.0))
    assert not before.open(0.0)
    (tmp_path / "blob").touch()
    before.stamp(tmp_path / "blob", 10.0)
    before.keep(10.0)
    changed = (tmp_path / "blob").stat().st_mtime
    for boot, up, gone_s in (("boot-1", 4600.0, 3600.0), ("boot-2", 9999.0, 0.0), ("", 0.0, 0.0)):
        after = Age(file, up=lambda boot=boot, up=up: (boot, up))
        assert after.open(500.0)
        assert 500.0 - after.used(changed, 500.0) == pytest.approx(gone_s, abs=1.0)


def test_a_spool_of_the_first_version_is_read_and_nothing_in_it_is_old(tmp_path: Path, clock: Clock) -> None:
    data = b"from 0.1.0"
    blob = hashlib.sha256(data).hexdigest()
    (tmp_path / "spool" / "blobs").mkdir(parents=True)
    (tmp_path / "spool" / "blobs" / blob).write_bytes(data)
    os.utime(tmp_path / "spool" / "blobs" / blob, (1e9, 1e9))
    assert get(again(tmp_path, clock), clock(), blob) == data


def test_a_blob_of_another_size_than_claimed_is_a_conflict(spool: Spool, clock: Clock) -> None:
    blob = put(spool, clock, b"blob")
    with pytest.raises(RequestError, match="has 4 bytes, not 5"):
        send(spool, clock(), blob, 5, 0, b"blobs")


@pytest.mark.parametrize("damage", [b"", b"blo", b"blOb", b"blobs"])
def test_a_blob_that_was_damaged_while_the_daemon_was_away_can_be_sent_again(
    spool: Spool, clock: Clock, tmp_path: Path, damage: bytes
) -> None:
    """As a power cut leaves them: once such a blob blocked its picture for a day."""
    blob = put(spool, clock, b"blob")
    spool.path(blob).write_bytes(damage)
    second = again(tmp_path, clock)
    with pytest.raises(RequestError) as refused:
        get(second, clock(), blob)
    assert refused.value.code == "unknown_blob"
    assert send(second, clock(), blob, 4, 0, None) == (0, False)
    assert send(second, clock(), blob, 4, 0, b"blob") == (4, True)
    assert get(second, clock(), blob) == b"blob"
    (kept,) = (tmp_path / "spool" / "quarantine").iterdir()
    assert kept.read_bytes() == damage


def test_a_put_of_a_damaged_blob_begins_at_once(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    blob = put(spool, clock, b"blob")
    spool.path(blob).write_bytes(b"blOb")
    assert send(again(tmp_path, clock), clock(), blob, 4, 0, b"blob") == (4, True)


def test_announced_bytes_take_no_room_from_anybody(spool: Spool, clock: Clock) -> None:
    """Four bytes on the disk once filled the budget, threw out a finished result and locked others out."""
    result, idle = made(spool, clock, "job", os.urandom(2000)), put(spool, clock, os.urandom(2000))
    for number in range(4):
        send(spool, clock(), f"{number:064x}", 7000, 0, b"x", "greedy")
    assert (spool.size(result), spool.size(idle)) == (2000, 2000)
    put(spool, clock, os.urandom(5000), "polite")
    assert spool.total == 9004


def test_a_result_that_nobody_has_fetched_makes_room_for_nobody(spool: Spool, clock: Clock) -> None:
    result = made(spool, clock, "job", os.urandom(6000))
    with pytest.raises(RequestError, match="nobody has fetched") as refused:
        put(spool, clock, os.urandom(5000))
    assert refused.value.code == "disk_full"
    get(spool, clock(), result, 0, 100)
    with pytest.raises(RequestError, match="nobody has fetched"):
        put(spool, clock, os.urandom(5000))
    get(spool, clock(), result, 100, 6000)
    put(spool, clock, os.urandom(5000))
    assert spool.size(result) is None


def test_a_greedy_client_makes_room_for_a_polite_one(spool: Spool, clock: Clock) -> None:
    greedy = [f"{number:064x}" for number in range(3)]
    for blob in greedy:
        send(spool, clock.pass_(1.0), blob, 9000, 0, bytes(3000), "greedy")
    put(spool, clock, os.urandom(4000), "polite")
    assert [send(spool, clock(), blob, 9000, 0, None, "greedy")[0] for blob in greedy] == [0, 3000, 3000]
    with pytest.raises(RequestError) as refused:
        send(spool, clock(), greedy[1], 9000, 3000, bytes(6000), "greedy")
    assert refused.value.code == "disk_full"


def test_an_upload_that_is_cut_off_holds_no_descriptor(spool: Spool, clock: Clock) -> None:
    before = psutil.Process().num_fds()
    for number in range(MAX_UPLOADS):
        send(spool, clock(), f"{number:064x}", 10, 0, b"x", client=f"client {number}")
    assert psutil.Process().num_fds() == before


def test_uploads_at_once_are_bounded_and_whoever_has_most_gives_one_up(spool: Spool, clock: Clock) -> None:
    for number in range(MAX_UPLOADS):
        send(spool, clock.pass_(0.01), f"{number:064x}", 10, 0, b"x", "greedy")
    put(spool, clock, b"somebody else's", "polite")
    assert [send(spool, clock(), f"{number:064x}", 10, 0, None)[0] for number in (0, 1)] == [0, 1]


def test_uploads_whose_clients_have_gone_give_way_at_once(spool: Spool, clock: Clock) -> None:
    for number in range(MAX_UPLOADS):
        send(spool, clock(), f"{number:064x}", 10, 0, b"x", client=f"client {number}")
    spool.abandon("client 7")
    spool.abandon("client 8")
    send(spool, clock(), f"{8:064x}", 10, 1, b"x", client="client 8 again")
    send(spool, clock(), "f" * 64, 10, 0, b"x", "late")
    assert [send(spool, clock(), f"{number:064x}", 10, 0, None)[0] for number in (6, 7, 8)] == [1, 0, 2]


def test_bytes_of_uploads_whose_clients_have_gone_give_way_at_once(spool: Spool, clock: Clock) -> None:
    send(spool, clock(), "e" * 64, 9000, 0, bytes(3000), "gone")
    send(spool, clock(), "f" * 64, 9000, 0, bytes(5000), "greedier")
    spool.abandon("gone")
    send(spool, clock(), "f" * 64, 9000, 5000, bytes(3500), "greedier")
    assert send(spool, clock(), "e" * 64, 9000, 0, None)[0] == 0


def test_the_time_after_which_to_try_again_is_true(spool: Spool, clock: Clock) -> None:
    for number in range(MAX_UPLOADS):
        send(spool, clock(), f"{number:064x}", 10, 0, b"x", client=f"client {number}")
    with pytest.raises(RequestError) as refused:
        send(spool, clock.pass_(2.0), "f" * 64, 10, 0, b"x", "late")
    assert refused.value.code == "busy"
    assert refused.value.retry_after_s == RESTING_S - 2.0
    send(spool, clock.pass_(refused.value.retry_after_s), "f" * 64, 10, 0, b"x", "late")


def test_a_blob_whose_file_somebody_deleted_is_unknown(spool: Spool, clock: Clock) -> None:
    blob = put(spool, clock, b"blob")
    spool.path(blob).unlink()
    with pytest.raises(RequestError) as refused:
        get(spool, clock(), blob)
    assert refused.value.code == "unknown_blob"
    assert spool.size(blob) is None


def test_blobs_that_an_earlier_job_has_read_are_distinguished_from_new_ones(spool: Spool, clock: Clock) -> None:
    blob = put(spool, clock, b"blob")
    assert spool.use(clock(), [blob]) is False
    assert spool.use(clock(), [blob]) is True
    assert spool.use(clock(), [blob, put(spool, clock, b"other")]) is False


def test_results_are_adopted_even_above_the_budget(spool: Spool, clock: Clock) -> None:
    data = os.urandom(20_000)
    out = spool.work("job")
    name = hashlib.sha256(data).hexdigest()
    (out / name).write_bytes(data)
    (out / "part").write_bytes(b"left over")
    spool.adopt(clock(), "job")
    assert spool.size(name) == 20_000
    assert not out.exists()


def test_what_does_not_belong_into_the_spool_is_put_aside(tmp_path: Path, clock: Clock) -> None:
    """A folder among the blobs once kept the daemon from starting."""
    blobs, jobs = tmp_path / "spool" / "blobs", tmp_path / "spool" / "jobs"
    jobs.mkdir(parents=True)
    blobs.write_text("a file where a folder belongs")
    spool = again(tmp_path, clock)
    (blobs / ("a" * 64)).mkdir()
    (blobs / ("b" * 64)).symlink_to("/etc/passwd")
    (blobs / "notes.txt").write_text("mine")
    os.mkfifo(jobs / "pipe.json")
    (jobs / "folder.json").mkdir()
    (jobs / "deep.json").write_text("[" * 100_000)
    (jobs / ".0123.part").write_text("{}")
    spool = again(tmp_path, clock)
    assert spool.records.read(clock(), lambda raw, _: raw) == []
    assert spool.total == 0
    names = {path.name[9:] for path in (tmp_path / "spool" / "quarantine").iterdir()}
    assert names == {"blobs", "a" * 64, "b" * 64, "notes.txt", "pipe.json", "folder.json", "deep.json"}
    assert [*blobs.iterdir(), *jobs.iterdir()] == []


def test_quarantine_is_bounded(tmp_path: Path, clock: Clock) -> None:
    again(tmp_path, clock)
    for number in range(200):
        (tmp_path / "spool" / "jobs" / f"{number}.json").write_text("damaged")
    assert again(tmp_path, clock).records.read(clock(), lambda raw, _: raw) == []
    assert len(list((tmp_path / "spool" / "quarantine").iterdir())) == 64


def test_records_come_back_in_order_and_damaged_ones_do_not(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        spool.records.save(clock.pass_(1.0), name, {"job": name, "label": "ä"})
    path = tmp_path / "spool" / "jobs" / "d.json"
    path.write_text((path.with_name("b.json")).read_text())  # another job's
    spool.records.forget("c")
    assert spool.records.read(clock(), lambda raw, _: raw["job"]) == ["b", "a"]
    path = tmp_path / "spool" / "jobs" / "a.json"
    path.write_text(path.read_text().replace("\\u00e4", "a"))
    assert spool.records.read(clock(), lambda raw, _: raw["job"]) == ["b"]


def test_a_record_that_cannot_be_written_costs_only_itself(spool: Spool, clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "spool" / "jobs" / "one.json").mkdir()
    spool.records.save(clock(), "one", {"job": "one"})
    assert sorted(path.name for path in (tmp_path / "spool" / "jobs").iterdir()) == ["one.json"]


def test_nobody_hears_of_a_record_before_it_is_on_the_disk(tmp_path: Path, clock: Clock) -> None:
    tasks: list[Task] = []

    class Later:
        def do(self, task: Task, lane: Lane) -> None:
            assert lane == "disk"
            tasks.append(task)

    spool = Spool(tmp_path / "spool", 10_000, TTL_S, set, Later())
    spool.open(clock())
    told: list[str] = []
    spool.when_written(lambda: told.append("nothing to wait for"))
    spool.records.save(clock(), "one", {"job": "one"})
    spool.when_written(lambda: told.append("written"))
    assert told == ["nothing to wait for"]
    while tasks:
        task = tasks.pop(0)
        task.then(task.work())
    assert told == ["nothing to wait for", "written"]
    assert (tmp_path / "spool" / "jobs" / "one.json").exists()
