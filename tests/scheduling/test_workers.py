"""The scheduler's rules for workers: devices, failures, rest. No process, no socket, no real time."""

from __future__ import annotations

import pytest

from support.studio import Studio, codes
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.effects import (
    ClearWork,
    KillWorker,
    PaintJob,
    SendCommand,
    StartWorker,
)
from vaporbrush_daemon.scheduling.policy import END_GRACE_S, MAX_FAILED_STARTS
from vaporbrush_daemon.scheduling.slot import Slot
from vaporbrush_daemon.workers.messages import End
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.states import ImpossibleMove

# -- devices


def test_without_configured_devices_the_first_worker_finds_out() -> None:
    studio = Studio(probing=True)
    job, other = studio.submit(), studio.submit()
    assert studio.said.count(StartWorker(studio.slot("auto").key, "auto")) == 1
    studio.ready("cuda:0", slot=studio.slot("auto").key, devices=("cuda:0", "cuda:1", "cpu"))
    assert [slot.device for slot in studio.scheduler.slots.values()] == ["downloads", "cuda:0", "cuda:1", "cpu"]
    assert job.state == "running"
    assert StartWorker(studio.slot("cuda:1").key, "cuda:1") in studio.said, "a second accelerator takes the second job"
    studio.ready("cuda:1")
    assert other.state == "running"
    third = studio.submit()
    assert third.state == "queued", "the CPU is not used while an accelerator exists"
    on_cpu = studio.submit(device="cpu")
    studio.ready("cpu")
    assert on_cpu.state == "running"
    with pytest.raises(RequestError, match=r"there is cuda:0, cuda:1, cpu") as refused:
        studio.submit(device="mps")
    assert refused.value.code == "device_missing"


def test_a_job_for_a_device_that_turns_out_to_be_missing_fails_while_the_others_run() -> None:
    studio = Studio(probing=True)
    wrong, right = studio.submit(device="cuda:7"), studio.submit()
    studio.ready("cpu", slot=studio.slot("auto").key)
    assert codes(wrong) == ("failed", "device_missing")
    assert right.state == "running"


def test_jobs_for_one_device_wait_for_it() -> None:
    studio = Studio("cuda:0", "cuda:1")
    first, second = studio.submit(device="cuda:1"), studio.submit(device="cuda:1")
    studio.ready("cuda:1")
    assert (first.state, second.state) == ("running", "queued")
    assert studio.slot("cuda:0").state == "stopped"
    studio.done(first, "cuda:1")
    assert second.state == "running"


# -- workers that fail


def test_a_job_whose_worker_dies_is_started_once_more_and_then_given_up() -> None:
    studio = Studio()
    job = studio.painting()
    waiting = studio.submit("bob")
    assert StartWorker(studio.slot().key, "cpu") in studio.exited(), "the first time at once"
    assert (job.state, job.attempts) == ("queued", 1)
    assert "SIGKILL" in job.notes[0]
    studio.ready()
    assert job.state == "running", "before those who waited"
    assert job.progress is None
    studio.exited()
    assert codes(job) == ("failed", "worker_crashed")
    assert waiting.state == "queued"
    assert studio.slot().state == "stopped", "the second time after a pause"
    assert studio.scheduler.next_deadline(studio.clock()) == studio.clock() + 1.0
    studio.tick(1.0)
    studio.ready()
    studio.done(waiting)
    assert waiting.state == "done"
    assert studio.slot().failures == 0


def test_running_out_of_memory_gets_one_cheaper_try_and_the_result_says_so() -> None:
    studio = Studio()
    job = studio.painting()
    studio.failed(job, "out_of_memory")
    assert studio.said[-1] == PaintJob(studio.slot().key, job.job, 1)
    studio.done(job)
    assert job.result is not None
    assert "cheaper" in job.result.degraded
    again = studio.submit()
    studio.failed(again, "out_of_memory")
    studio.done(again, degraded="painted in tiles")
    assert again.result is not None
    assert again.result.degraded == "painted in tiles", "the worker's own words win"
    third = studio.submit()
    studio.failed(third, "out_of_memory")
    studio.failed(third, "out_of_memory")
    assert codes(third) == ("failed", "out_of_memory")


def test_a_worker_that_says_cancelled_of_its_own_cancels_the_job() -> None:
    studio = Studio()
    job = studio.painting()
    studio.failed(job, "cancelled")
    assert codes(job) == ("cancelled", "cancelled")


def test_a_silent_worker_is_replaced_and_its_job_started_once_more() -> None:
    studio = Studio(stuck_after_s=10.0, load_stuck_after_s=100.0)
    job = studio.painting()
    studio.tick(9.0)
    studio.alive()
    assert KillWorker(studio.slot().key) not in studio.tick(9.9)
    assert KillWorker(studio.slot().key) in studio.tick(0.2)
    studio.exited()
    assert job.state == "queued"
    assert "stopped making progress" in job.notes[0]
    studio.ready()
    studio.step(job, "loading")
    assert KillWorker(studio.slot().key) not in studio.tick(99.0), "loading may take longer"
    studio.step(job)
    assert KillWorker(studio.slot().key) in studio.tick(10.1)
    assert KillWorker(studio.slot().key) in studio.tick(END_GRACE_S), "again, should it still be there"
    studio.exited()
    assert codes(job) == ("failed", "worker_stuck")


def test_a_worker_that_never_gets_ready_is_given_up_with_its_last_words() -> None:
    studio = Studio()
    job = studio.submit()
    for attempt in range(MAX_FAILED_STARTS):
        assert job.state == "queued"
        studio.exited(reason="it ended with status 1: ImportError: libcudart")
        if attempt < MAX_FAILED_STARTS - 1:
            studio.tick(30.0)
    assert codes(job) == ("failed", "worker_crashed")
    assert "libcudart" in str(job.error)
    later = studio.submit()
    studio.tick(30.0)
    studio.ready()
    assert later.state == "running"


def test_a_worker_that_hangs_while_it_starts_is_ended() -> None:
    studio = Studio(load_stuck_after_s=100.0)
    job = studio.submit()
    for _ in range(MAX_FAILED_STARTS):
        studio.tick(30.0)
        assert KillWorker(studio.slot().key) in studio.tick(100.0)
        studio.exited()
    assert codes(job) == ("failed", "worker_crashed")
    assert "it says nothing" in str(job.error)


def test_devices_are_looked_for_afresh_after_a_device_stopped_working() -> None:
    studio = Studio(probing=True)
    job = studio.submit()
    studio.ready("cuda:0", slot=studio.slot("auto").key, devices=("cuda:0", "cpu"))
    studio.done(job, "cuda:0")
    studio.exited("cuda:0")
    waiting = studio.submit()
    for _ in range(MAX_FAILED_STARTS):
        studio.tick(30.0)
        studio.exited("cuda:0") if studio.slot("cuda:0").state == "starting" else None
    assert codes(waiting) == ("failed", "worker_crashed")
    assert [slot.device for slot in studio.scheduler.slots.values()] == ["downloads", "auto"]
    studio.submit()
    assert studio.slot("auto").state == "starting"


def test_a_device_that_fails_does_not_take_the_working_one_away() -> None:
    studio = Studio(probing=True)
    job = studio.submit()
    studio.ready("cuda:0", slot=studio.slot("auto").key, devices=("cuda:0", "cpu"))
    waiting = studio.submit(device="cpu")
    for _ in range(MAX_FAILED_STARTS):
        studio.exited("cpu")
        studio.tick(30.0)
    assert codes(waiting) == ("failed", "worker_crashed")
    assert job.state == "running"
    assert [slot.device for slot in studio.scheduler.slots.values()] == ["downloads", "cuda:0", "cpu"]


def test_an_idle_worker_dying_takes_no_job_with_it() -> None:
    studio = Studio()
    studio.done(studio.painting())
    studio.exited()
    assert studio.slot().state == "stopped"
    assert studio.submit().state == "queued"


def test_a_worker_that_breaks_the_rules_is_ended_and_its_job_fails_at_once() -> None:
    studio = Studio()
    job, waiting = studio.painting(), studio.submit()
    assert KillWorker(studio.slot().key) in studio.broke()
    assert codes(job) == ("failed", "internal")
    assert "broke its protocol" in str(job.error)
    studio.done(job)
    assert codes(job) == ("failed", "internal"), "whatever it says now"
    assert ClearWork(job.job) in studio.exited()
    assert studio.slot().failures == 1
    studio.ready()
    assert waiting.state == "running"


def test_a_worker_that_breaks_the_rules_while_it_starts_has_failed_to_start() -> None:
    studio = Studio()
    job = studio.submit()
    for _ in range(MAX_FAILED_STARTS):
        studio.broke()
        studio.exited()
        studio.tick(30.0)
    assert codes(job) == ("failed", "worker_crashed")


def test_an_idle_worker_that_breaks_the_rules_takes_no_job_with_it() -> None:
    studio = Studio()
    done = studio.painting()
    studio.done(done)
    studio.broke()
    studio.exited()
    assert done.state == "done"
    assert studio.slot().state == "stopped"


def test_a_slot_makes_no_move_that_its_table_does_not_have() -> None:
    slot = Slot(1, "cpu")
    with pytest.raises(ImpossibleMove, match=r"slot 1 \(cpu\): stopped → idle"):
        slot.move(0.0, "idle")
    assert slot.state == "stopped"


# -- idle


def test_an_idle_worker_ends_and_the_next_job_starts_another() -> None:
    studio = Studio(idle_unload_s=300.0)
    studio.done(studio.painting())
    assert studio.tick(299.0) == []
    assert SendCommand(studio.slot().key, End()) in studio.tick(1.1)
    assert studio.slot().shown == "stopped"
    job = studio.submit()
    assert StartWorker(studio.slot().key, "cpu") in studio.exited("cpu", "it ended with status 0")
    assert studio.slot().failures == 0
    studio.ready()
    assert job.state == "running"


def test_a_worker_that_does_not_end_when_asked_is_killed() -> None:
    studio = Studio()
    studio.done(studio.painting())
    assert studio.bring(ev.UnloadAsked()) == [SendCommand(studio.slot().key, End())]
    assert KillWorker(studio.slot().key) in studio.tick(END_GRACE_S)


def test_unload_leaves_busy_workers_alone() -> None:
    studio = Studio()
    studio.painting()
    assert studio.bring(ev.UnloadAsked()) == []
    assert studio.slot().state == "busy"


def test_a_late_ready_of_a_worker_that_is_being_ended_changes_nothing() -> None:
    studio = Studio()
    studio.done(studio.painting())
    studio.bring(ev.UnloadAsked())
    studio.ready()
    assert studio.slot().state == "ending"


def test_a_record_that_ages_while_its_worker_still_holds_the_job_is_kept_until_it_lets_go() -> None:
    """Else the same id, submitted anew, would be taken for the job that the stuck worker is still at."""
    studio = Studio(stuck_after_s=10.0)
    job = studio.painting()
    studio.cancel(job)
    studio.tick(100.0)
    studio.bring(ev.RecordsAged(1.0))
    assert studio.job(job.job) is job
    studio.exited()
    studio.bring(ev.RecordsAged(1.0))
    with pytest.raises(RequestError):
        studio.job(job.job)
