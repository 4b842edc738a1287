"""The scheduler's rules for other machines: they come and go, and their loss is no job's fault."""

from __future__ import annotations

import pytest

from support.studio import Studio, codes
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.effects import KillWorker, StartWorker
from vaporbrush_daemon.scheduling.job import GUEST
from vaporbrush_daemon.scheduling.policy import GIVEN_UP_S
from vaporbrush_daemon.scheduling.scheduler import MAX_LOSSES
from vaporbrush_daemon.workers import messages as worker
from vaporbrush_protocol.errors import RequestError

AWAY = "box does not answer: it is off, asleep or in another network."


def with_box(*devices: str) -> Studio:
    studio = Studio(*devices)
    studio.bring(ev.RemotesKnown(("box",)))
    return studio


def away(studio: Studio) -> None:
    studio.bring(ev.WorkerExited(studio.slot("box").key, AWAY, away=True))


def test_a_job_goes_to_the_machine_that_it_asks_for() -> None:
    studio = with_box("cuda:0")
    job = studio.submit(device="box")
    assert StartWorker(studio.slot("box").key, "box", place="remote") in studio.said
    studio.ready("box")
    assert (job.state, studio.slot("box").job) == ("running", job.job)
    assert studio.scheduler.worker_slots.devices == ("cuda:0",), "what it says of itself is no device of this machine"
    studio.done(job, "box")
    assert job.state == "done"


def test_whoever_does_not_care_is_painted_there_only_where_here_is_no_accelerator() -> None:
    studio = with_box("cuda:0", "cpu")
    studio.submit()
    assert studio.slot("box").state == "stopped"
    studio = with_box("cpu")
    job = studio.submit()
    assert studio.slot("cpu").state == "stopped"
    studio.ready("box")
    assert studio.slot("box").job == job.job
    second = studio.submit()
    assert second.state == "queued", "it never spreads"


def test_what_need_not_be_painted_on_a_machine_that_is_away_is_painted_here_with_a_note() -> None:
    studio = with_box("cpu")
    job = studio.submit()
    away(studio)
    studio.ready("cpu")
    assert (job.state, studio.slot("cpu").job) == ("running", job.job)
    assert job.notes == [f"{AWAY} It is painted here."]
    studio.done(job)
    another, on_cpu = studio.submit(), studio.submit(device="cpu")
    studio.done(another)
    assert another.notes == job.notes, "also where it is known already"
    assert on_cpu.notes == []
    studio.done(on_cpu)
    studio.tick(GIVEN_UP_S)
    studio.submit()
    assert studio.slot("box").state == "starting", "after a while it is tried again"


def test_what_asked_for_a_machine_that_is_away_fails_with_its_sentence_and_can_be_sent_again() -> None:
    studio = with_box("cpu")
    job = studio.submit(device="box")
    away(studio)
    assert codes(job) == ("failed", "unreachable")
    assert job.error.message == AWAY
    assert job.revivable
    assert studio.scheduler.worker_slots.away(studio.clock()) == {"box": AWAY}
    studio.tick(5.0)
    studio.submit(name=job.job, device="box")
    studio.ready("box")
    assert job.state == "running"
    assert studio.scheduler.worker_slots.away(studio.clock()) == {}


def test_a_machine_that_goes_away_under_a_job_is_not_the_jobs_fault() -> None:
    studio = with_box("cuda:0")
    job = studio.submit(device="box")
    for loss in range(1, MAX_LOSSES + 1):
        studio.tick(10.0)
        studio.ready("box")
        assert job.state == "running"
        away(studio)
        assert (job.deaths, job.losses) == (0, loss)
    assert codes(job) == ("failed", "unreachable")
    assert job.notes == [AWAY] * (MAX_LOSSES - 1)


def test_machines_come_and_go_while_the_daemon_runs() -> None:
    studio = Studio("cpu")
    with pytest.raises(RequestError, match="there is cpu"):
        studio.submit(device="box")
    studio.bring(ev.RemotesKnown(("box", "other")))
    running, waiting = studio.submit(device="box"), studio.submit(device="box")
    studio.ready("box")
    studio.bring(ev.RemotesKnown(("other",)))
    assert codes(waiting) == ("failed", "device_missing")
    assert KillWorker(studio.slot("box").key) in studio.said
    studio.exited("box")
    assert codes(running) == ("failed", "device_missing")
    assert [slot.device for slot in studio.scheduler.slots.values()] == ["downloads", "cpu", "other"]
    studio.bring(ev.RemotesKnown(("box",)))
    assert studio.submit(device="box").state == "queued"


def test_a_machine_that_is_removed_while_its_worker_rests_or_starts_leaves_nothing() -> None:
    for begun in (True, False):
        studio = with_box("cpu")
        job = studio.submit(device="box")
        if begun:
            studio.ready("box")
            studio.done(job, "box")
        studio.bring(ev.RemotesKnown(()))
        studio.exited("box")
        assert [slot.device for slot in studio.scheduler.slots.values()] == ["downloads", "cpu"]


def test_a_guests_job_stays_on_this_machine() -> None:
    studio = with_box("cpu")
    job = studio.submit(client=f"{GUEST}ann")
    studio.ready("cpu")
    assert studio.slot("cpu").job == job.job, "two machines that paint for each other would hand it to and fro"
    with pytest.raises(RequestError, match="there is cpu"):
        studio.submit(client=f"{GUEST}ann", device="box")


def test_what_a_worker_notes_is_told_to_whoever_watches() -> None:
    studio = with_box("cpu")
    job = studio.submit(device="box")
    studio.ready("box")
    poll = studio.watch(job)
    effects = studio.say(worker.Noted(job.job, "The line broke."), "box")
    assert [effect.poll for effect in effects] == [poll]
    assert job.notes == ["The line broke."]
