"""What the scheduler remembers, and how it ends. No process, no socket, no real time."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from support.studio import Studio, asked, codes, image, result
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.effects import (
    AnswerPoll,
    DiscardResult,
    SendCommand,
)
from vaporbrush_daemon.scheduling.job import Job
from vaporbrush_daemon.workers.messages import Finish
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.states import ImpossibleMove

# -- the end, and records


def test_closing_tells_everybody_and_lets_running_jobs_deliver() -> None:
    studio = Studio()
    running, waiting = studio.painting(), studio.submit()
    download = studio.fetch()
    poll = studio.watch(waiting)
    closed = studio.bring(ev.Closed(at_once=False))
    assert SendCommand(studio.slot().key, Finish()) in closed
    assert AnswerPoll(poll) in closed
    assert codes(waiting) == ("failed", "shutting_down")
    assert codes(download) == ("failed", "shutting_down")
    with pytest.raises(RequestError) as refused:
        studio.submit()
    assert refused.value.code == "shutting_down"
    assert studio.scheduler.table.live
    studio.done(running)
    assert not studio.scheduler.table.live


def test_closing_at_once_fails_what_runs() -> None:
    studio = Studio()
    running = studio.painting()
    studio.bring(ev.Closed(at_once=True))
    assert codes(running) == ("failed", "shutting_down")


def test_old_records_are_forgotten_and_so_are_too_many() -> None:
    studio = Studio(keep_jobs=20)
    first = studio.painting()
    studio.done(first)
    studio.clock.pass_(3600.0)
    live = studio.submit()
    assert studio.bring(ev.RecordsAged(3599.0)) == [DiscardResult(first.job, frozenset(first.made), record=True)]
    for number in range(23):
        old = Job(asked(f"old{number}"), "done", ended=studio.clock())
        old.result = result(old)
        studio.bring(ev.Adopted(old))
    assert len(studio.bring(ev.RecordsAged(3600.0))) == 3
    assert "old2" not in studio.scheduler.table.jobs
    assert studio.scheduler.log.story(live.job)
    assert not studio.scheduler.log.story(first.job), "nobody can ask for it"
    assert live.job in studio.scheduler.table.jobs


def test_blobs_of_living_jobs_are_named_so_that_they_stay() -> None:
    studio = Studio()
    job = studio.painting()
    assert studio.scheduler.table.live_blobs() == job.asked.blobs
    assert studio.scheduler.table.live_bytes == job.asked.input_bytes
    studio.done(job)
    assert studio.scheduler.table.live_blobs() == set()


def test_a_job_survives_its_record_and_a_live_one_is_interrupted() -> None:
    studio = Studio()
    done, live = studio.painting(name=str(uuid.uuid4())), studio.submit(name=str(uuid.uuid4()))
    studio.done(done, image=image("result"))
    assert Job.from_record(done.to_record(), 7.0).to_wire() == done.to_wire()
    interrupted = Job.from_record(live.to_record(), 7.0)
    assert codes(interrupted) == ("failed", "worker_crashed")
    assert interrupted.seq > live.seq
    assert interrupted.revivable
    with pytest.raises(ValueError, match="record version"):
        Job.from_record({**done.to_record(), "record": 99}, 7.0)
    for damage in ({"error": [1]}, {"result": {"image": "x"}}, {"attempts": True}, {"job": "../x"}, {"colour": 1}):
        with pytest.raises((ValueError, VaporbrushError)):
            Job.from_record({**done.to_record(), **damage}, 7.0)


def test_a_job_makes_no_move_that_its_table_does_not_have() -> None:
    job = Job(asked("one"), "done")
    with pytest.raises(ImpossibleMove, match="job one: done → running"):
        job.move("running")
    assert (job.state, job.seq) == ("done", 1)


def test_nothing_to_do_means_no_deadline() -> None:
    assert Studio().scheduler.next_deadline(0.0) is None


def test_a_deadline_never_lies_in_the_past_after_its_tick() -> None:
    """A deadline that stays in the past would make the loop spin."""
    studio = Studio(stuck_after_s=10.0, idle_unload_s=20.0)
    job = studio.painting(lease_s=1.0)
    studio.submit()
    studio.fetch()
    studio.watch(job, wait_s=3.0, preview=64)
    studio.cancel(job)
    for _ in range(200):
        studio.tick(0.5)
        due = studio.scheduler.next_deadline(studio.clock())
        assert due is None or due > studio.clock()


def test_a_record_that_version_0_1_0_wrote_is_read_as_it_is() -> None:
    raw = json.loads(Path(__file__).with_name("record_0_1_0.json").read_text())
    job = Job.from_record(raw, 7.0)
    assert (job.state, job.ended) == ("done", 7.0)
    assert _as_then(job.to_record(), raw) == raw


def _as_then(value: Any, then: Any) -> Any:
    """A record without the fields that came later, which have their defaults."""
    if isinstance(value, dict) and isinstance(then, dict):
        return {name: _as_then(value[name], then[name]) for name in value if name in then}
    if isinstance(value, list) and isinstance(then, list):
        return [_as_then(one, other) for one, other in zip(value, then, strict=True)]
    return value
