"""A day of uploads, jobs and restarts, with the power cut after every single step of it: what somebody was told is
there is there, and nothing damaged is served.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.at_once import AtOnce
from support.clock import Clock
from support.power_cut import Disk, Recorder
from vaporbrush_daemon.front.background import Lane, Task
from vaporbrush_daemon.front.spool import Spool
from vaporbrush_daemon.front.uploads import Key
from vaporbrush_protocol import atomic

CHUNK = 100  # bytes
BUDGET = 6_000
WAYS = ("least", "most", "zeros", "random", "random", "random", "random")


class SlowDisk:
    """Runs what it is given in order, but only when it is told to: the loop is far ahead of the disk."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def do(self, task: Task, lane: Lane) -> None:
        if lane == "hash":
            AtOnce().do(task, lane)
        else:
            self.tasks.append(task)

    def work(self, count: int) -> None:
        for task in [self.tasks.pop(0) for _ in range(min(count, len(self.tasks)))]:
            AtOnce().do(task, "disk")


@dataclass
class Promise:
    """What a client was told, before which step, and from which step on it no longer holds."""

    told: int
    blob: str = ""
    job: str = ""
    version: int = 0
    until: float = float("inf")


@dataclass
class Day:
    """One day, with all that was promised in it."""

    folder: Path
    chance: random.Random
    recorder: Recorder = field(default_factory=Recorder)
    disk: SlowDisk = field(default_factory=SlowDisk)
    clock: Clock = field(default_factory=Clock)
    promises: list[Promise] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.start()

    @property
    def step(self) -> int:
        return len(self.recorder.steps)

    def start(self) -> None:
        self.spool = Spool(self.folder, BUDGET, 3600.0, self.live, self.disk, self.recorder)
        self.spool.open(self.clock())
        for job, versions in self.records.items():
            if versions[-1]["state"] == "done" and not versions[-1]["released"]:
                self.spool.hold(job, [versions[-1]["image"]])

    def restart(self) -> None:
        self.disk.work(1000)
        self.spool.close(self.clock())
        self.start()
        self.restarts += 1

    def live(self) -> set[str]:
        return {
            blob
            for versions in self.records.values()
            if versions[-1]["state"] != "done"
            for blob in versions[-1]["inputs"]
        }

    def pass_(self) -> None:
        """Time for the disk; and what has gone meanwhile is promised no longer."""
        self.clock.pass_(1.0)
        self.disk.work(self.chance.choice([0, 0, 1, 2, 1000]))
        for promise in self.promises:
            if promise.blob and self.spool.size(promise.blob) is None:
                promise.until = min(promise.until, self.before)
        self.before = self.step

    before = 0

    def upload(self, size: int) -> str:
        data = self.chance.randbytes(size)
        blob = hashlib.sha256(data).hexdigest()
        self.contents[blob] = data

        def told(outcome: tuple[int, bool] | Exception) -> None:
            assert not isinstance(outcome, Exception), outcome
            if outcome[1]:
                self.promises.append(Promise(self.step, blob=blob))

        for at in range(0, size, CHUNK):
            self.spool.put(self.clock(), "one", Key(blob, size), at, data[at : at + CHUNK], told)
            if self.chance.random() < 0.3:
                self.pass_()
        self.disk.work(1000)  # a client waits for the last reply
        return blob

    def save(self, job: str, **record: Any) -> None:
        versions = self.records.setdefault(job, [])
        versions.append({**(versions[-1] if versions else {}), "job": job, "version": len(versions), **record})
        version = len(versions) - 1
        self.spool.records.save(self.clock(), job, versions[-1])
        self.spool.when_written(lambda: self.promises.append(Promise(self.step, job=job, version=version)))

    def paint(self) -> str:
        inputs = [self.upload(self.chance.randint(1, 700)) for _ in range(2)]
        job = str(uuid.UUID(int=self.chance.getrandbits(128), version=4))
        self.save(job, state="queued", inputs=inputs, released=False)
        self.spool.use(self.clock(), inputs)
        self.pass_()
        out = self.spool.work(job)
        data = self.chance.randbytes(400)
        blob = hashlib.sha256(data).hexdigest()
        self.contents[blob] = data
        atomic.write(out / blob, data, durable=True, system=self.recorder)
        self.pass_()
        self.spool.adopt(self.clock(), job)
        self.save(job, state="done", image=blob)
        self.spool.when_written(lambda: self.promises.append(Promise(self.step, blob=blob)))
        self.pass_()
        return job

    def release(self, job: str) -> None:
        blob = self.records[job][-1]["image"]
        self.spool.discard([blob])
        self.save(job, released=True)
        self.pass_()

    def forget(self, job: str) -> None:
        for promise in self.promises:
            if promise.job == job:
                promise.until = min(promise.until, self.step)
        self.disk.work(1000)
        self.spool.records.forget(job)
        self.disk.work(1000)


def a_day(folder: Path, seed: int) -> Day:
    day = Day(folder, random.Random(seed))
    first = day.paint()
    second = day.paint()
    day.release(first)
    day.restart()
    third = day.paint()
    day.spool.sweep(day.clock.pass_(100.0))
    day.upload(900)
    for _ in range(4):
        day.upload(1000)  # over the budget: something goes
        day.pass_()
    day.forget(first)
    day.release(second)
    day.restart()
    day.paint()
    day.release(third)
    day.disk.work(1000)
    day.pass_()
    return day


def check(day: Day, cut: int, found: dict[Path, bytes], folder: Path) -> None:
    """Start the store on what the cut left, and hold it to what was promised before."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("blobs", "jobs", "parts", "work"):
        (folder / name).mkdir(parents=True)
    for path, data in found.items():
        place = folder / path.relative_to(day.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    clock = Clock()
    spool = Spool(folder, BUDGET * 10, 3600.0, set, AtOnce())
    spool.open(clock())
    records = {raw["job"]: raw for raw in spool.records.read(clock(), lambda raw, _: raw)}
    for job, record in records.items():
        assert record in json.loads(json.dumps(day.records[job])), f"a record that was never written: {record}"
    served = {path.name: read(spool, clock, path.name) for path in (folder / "blobs").iterdir()}
    for blob, data in served.items():
        assert data is None or data == day.contents[blob], "damaged bytes were served"
    for promise in day.promises:
        if promise.told <= cut < promise.until:
            if promise.blob:
                assert served.get(promise.blob) == day.contents[promise.blob], promise
            else:
                assert records[promise.job]["version"] >= promise.version, promise


def read(spool: Spool, clock: Clock, blob: str) -> bytes | None:
    outcomes: list[Any] = []
    then: Callable[[Any], None] = outcomes.append
    spool.read(clock(), blob, 0, 10_000, then)
    return None if isinstance(outcomes[0], Exception) else bytes(outcomes[0][0])


@pytest.mark.timeout(1500)  # half a minute, but for a machine that is busy with other things
def test_a_power_cut_at_any_moment_of_a_day_loses_nothing_that_was_promised(tmp_path: Path) -> None:
    cuts = 0
    for seed in range(2):
        day = a_day(tmp_path / f"day-{seed}", seed)
        assert len(day.promises) > 20
        assert sum(promise.until < float("inf") for promise in day.promises) > 5, "something was given up"
        disk = Disk()
        for cut in range(day.step + 1):
            for number, way in enumerate(WAYS):
                chance = random.Random(f"{seed} {cut} {number}")
                check(day, cut, disk.after_a_cut(chance, way), tmp_path / "after")
                cuts += 1
            if cut < day.step:
                disk.do(day.recorder.steps[cut])
    print(f"\n  {cuts} power cuts, {len(day.promises)} promises in the last day", end=" ")
