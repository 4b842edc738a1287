"""Ten thousand misfortunes of a spool: bits that flip, files cut off, things that do not belong there. The daemon's
store starts after each few, serves right bytes or none, and shows jobs as they were or not at all.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import random
import shutil
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.at_once import AtOnce
from support.clock import Clock
from vaporbrush_daemon.front.spool import Spool
from vaporbrush_daemon.front.uploads import Key
from vaporbrush_daemon.scheduling.job import Job, JobRequest, digest
from vaporbrush_daemon.workers.messages import Fetched
from vaporbrush_protocol.atomic import System
from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style
from vaporbrush_protocol.result import Result

TIMES = 10_000
MOST_AT_ONCE = 5
STRAYS = (b"", b"{}", b"[]", b"null", b"[" * 5000, b"\xff\xfe", b'{"record": 1}', b'{"record": 1e999}', b"NaN")


class Unsynced(System):
    """Damage is of what is on the disk: waiting for it would cost a minute and show nothing."""

    def sync(self, descriptor: int) -> None:
        assert descriptor

    def sync_folder(self, folder: Path) -> None:
        assert folder


def image(data: bytes) -> Image:
    return Image(hashlib.sha256(data).hexdigest(), len(data) // 3, 1, "RGB")


def jobs(chance: random.Random) -> tuple[list[Job], list[bytes]]:
    """One of each kind: done, failed, running, a download; and all pictures."""
    pictures = [chance.randbytes(3 * size) for size in (16, 17, 30, 40, 50)]
    recipe = Recipe(content=image(pictures[0]), styles=(Style(image=image(pictures[1])),), seed=7)
    result = Result(image(pictures[2]), recipe, "vgg19", "cpu", 3, "steps", canvas=image(pictures[3]))

    def job(label: str = "", **fields: Any) -> Job:
        name = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        asked = JobRequest(name, "client", digest("paint", label), recipe=recipe, model="vgg19", label=label)
        return Job(asked, **fields)

    failed = RemoteError("out_of_memory", "The device ran out of memory.")
    fetch = job(_state="done")
    fetch.asked = replace(fetch.asked, kind="fetch", recipe=None)
    fetch.result = Fetched(fetch.job, "vgg19", 5)
    return [
        job("ein Bild", _state="done", result=result, notes=["It was started again."], attempts=2),
        job(_state="failed", error=failed),
        job(_state="running", progress=Progress("painting", 1, 3, 5, 100, 64, 64, 0.25)),
        fetch,
    ], pictures


def damage(chance: random.Random, folder: Path) -> None:
    """One misfortune."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    path = chance.choice(files)
    match chance.choice(["flip", "flip", "flip", "cut", "stray", "swap", "replace"]):
        case "flip":
            data = bytearray(path.read_bytes())
            for _ in range(chance.randint(1, 4)):
                if data:
                    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes(data)
        case "cut":
            path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size + 1)])
        case "swap":
            chance.choice(files).replace(path)
        case "replace":
            path.unlink()
            chance.choice([path.mkdir, lambda: path.symlink_to("/dev/zero"), lambda: os.mkfifo(path)])()
        case "stray":
            place = folder / chance.choice(["blobs", "jobs", "parts", "work", "."])
            name = chance.choice(
                [f"{chance.getrandbits(256):064x}", f"{uuid.UUID(int=chance.getrandbits(128))}.json", "x"]
            )
            (place / name).write_bytes(chance.choice(STRAYS))


@pytest.mark.timeout(1500)  # half a minute, but for a machine that is busy with other things
def test_a_damaged_spool_serves_nothing_wrong_and_takes_everything_again(tmp_path: Path) -> None:
    chance, clock = random.Random(16), Clock()
    good, pictures = jobs(chance)
    by_hash = {hashlib.sha256(data).hexdigest(): data for data in pictures}
    pristine, folder = tmp_path / "pristine", tmp_path / "spool"
    spool = Spool(pristine, 10_000, 3600.0, set, AtOnce(), Unsynced())
    spool.open(clock())
    for blob, data in by_hash.items():
        spool.put(clock(), "one", Key(blob, len(data)), 0, data, lambda _: None)
    for job in good:
        spool.records.save(clock.pass_(1.0), job.job, job.to_record())
    spool.close(clock())
    known = {job.job: Job.from_record(copy.deepcopy(job.to_record()), 0.0).to_wire() for job in good}
    assert json.loads(json.dumps(known)) == known
    left = lost = spools = misfortunes = 0
    while misfortunes < TIMES:
        shutil.copytree(pristine, folder, copy_function=shutil.copy)
        spools += 1
        for _ in range(chance.randint(1, MOST_AT_ONCE)):
            damage(chance, folder)
            misfortunes += 1
        spool = Spool(folder, 10_000, 3600.0, set, AtOnce(), Unsynced())
        spool.open(clock())
        shown = spool.records.read(clock(), Job.from_record)
        for job in shown:
            assert job.to_wire() == known[job.job]
            assert job.made <= by_hash.keys()
        for blob, data in by_hash.items():
            outcomes: list[Any] = []
            spool.read(clock(), blob, 0, 1000, outcomes.append)
            (outcome,) = outcomes
            assert isinstance(outcome, Exception) or bytes(outcome[0]) == data
            spool.put(clock(), "one", Key(blob, len(data)), 0, data, outcomes.append)
            assert outcomes[1] == (len(data), True), "what is lost can be sent again"
            lost += isinstance(outcome, Exception)
        left += len(shown)
        spool.close(clock())
        shutil.rmtree(folder)
    assert 2 * spools < left < 4 * spools
    assert lost > spools / 10
