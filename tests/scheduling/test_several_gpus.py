"""Several GPUs in one machine: which job goes where. No process, no socket, no real time."""

from __future__ import annotations

from support.studio import Studio, codes
from vaporbrush_daemon.scheduling.effects import SendCommand, StartWorker
from vaporbrush_daemon.scheduling.policy import GIVEN_UP_S, MAX_FAILED_STARTS
from vaporbrush_daemon.workers.messages import Finish, Preview, ShowPreview

GB = 10**9
GPUS = ("cuda:0", "cuda:1", "cpu")


def two_gpus(**gigabytes: float) -> Studio:
    """A machine whose devices are known and whose two workers rest."""
    studio = Studio(probing=True)
    first = studio.submit()
    studio.ready("cuda:0", slot=studio.slot("auto").key, devices=GPUS, **gigabytes)
    second = studio.submit()
    studio.ready("cuda:1", devices=GPUS, **gigabytes)
    studio.done(first, "cuda:0")
    studio.done(second, "cuda:1")
    return studio


def where(studio: Studio, job: object) -> str:
    """The device that paints a job; empty while none does."""
    slot = studio.scheduler.worker_slots.working_on(job)
    return "" if slot is None else slot.device


def test_two_jobs_paint_side_by_side_and_each_has_its_own_preview() -> None:
    studio = two_gpus(cuda0=24, cuda1=24)
    ann, bob = studio.submit("ann"), studio.submit("bob")
    assert {where(studio, ann), where(studio, bob)} == {"cuda:0", "cuda:1"}
    for number, job in enumerate((ann, bob)):
        studio.watch(job, preview=128)
        device = where(studio, job)
        assert SendCommand(studio.slot(device).key, ShowPreview(128)) in studio.said
        studio.step(job, preview=Preview(1, 1, bytes([number] * 3)), device=device, step=1, steps=3)
    assert [job.preview.pixels for job in (ann, bob) if job.preview] == [bytes(3), b"\x01\x01\x01"]


def test_a_second_worker_starts_only_when_there_is_work_for_it() -> None:
    studio = Studio("cuda:0", "cuda:1")
    first = studio.submit()
    studio.ready("cuda:0", devices=GPUS, cuda0=24, cuda1=24)
    assert studio.slot("cuda:1").state == "stopped"
    second = studio.submit()
    assert studio.slot("cuda:1").state == "starting"
    studio.done(first, "cuda:0")
    assert where(studio, second) == "cuda:0", "whoever is ready first"
    studio.ready("cuda:1", devices=GPUS, cuda0=24, cuda1=24)
    third = studio.submit()
    assert where(studio, third) == "cuda:1"


def test_a_large_job_waits_for_the_gpu_that_has_the_memory_and_small_ones_leave_it_free() -> None:
    studio = two_gpus(cuda0=24, cuda1=8)
    large = studio.submit(memory=16 * GB)
    assert where(studio, large) == "cuda:0"
    larger, small = studio.submit(memory=20 * GB), studio.submit(memory=2 * GB)
    assert (where(studio, larger), where(studio, small)) == ("", "cuda:1")
    next_small = studio.submit(memory=2 * GB)
    studio.done(small, "cuda:1")
    assert where(studio, next_small) == "cuda:1"
    studio.done(large, "cuda:0")
    assert where(studio, larger) == "cuda:0"


def test_when_both_wait_the_small_job_leaves_the_large_gpu_to_the_large_one() -> None:
    studio = Studio(probing=True)
    small, large = studio.submit(memory=2 * GB), studio.submit(memory=16 * GB)
    studio.ready("cuda:0", slot=studio.slot("auto").key, devices=GPUS, cuda0=24, cuda1=8)
    assert where(studio, large) == "cuda:0"
    assert studio.slot("cuda:1").state == "starting"
    studio.ready("cuda:1", devices=GPUS, cuda0=24, cuda1=8)
    assert where(studio, small) == "cuda:1"


def test_what_is_too_large_for_every_gpu_goes_to_one_with_the_most_memory() -> None:
    studio = two_gpus(cuda0=8, cuda1=24)
    assert where(studio, studio.submit(memory=90 * GB)) == "cuda:1"
    assert where(studio, studio.submit(memory=2 * GB)) == "cuda:0"


def test_two_equal_gpus_share_what_is_too_large_for_both() -> None:
    studio = two_gpus(cuda0=24, cuda1=23.4)
    jobs = [studio.submit(memory=90 * GB) for _ in range(2)]
    assert {where(studio, job) for job in jobs} == {"cuda:0", "cuda:1"}


def test_memory_that_another_program_took_counts_from_the_next_look_on() -> None:
    studio = two_gpus(cuda0=24, cuda1=20)
    studio.alive("cuda:0", free=3 * GB)
    assert where(studio, studio.submit(memory=16 * GB)) == "cuda:1"


def test_memory_that_becomes_free_brings_the_job_that_waits_for_it() -> None:
    studio = two_gpus(cuda0=24, cuda1=8)
    first = studio.submit(memory=16 * GB)
    waiting = studio.submit(memory=16 * GB)
    assert (where(studio, first), where(studio, waiting)) == ("cuda:0", "")
    studio.alive("cuda:1", free=17 * GB)
    assert where(studio, waiting) == "cuda:1"


def test_the_device_that_somebody_asks_for_is_taken_whatever_its_memory() -> None:
    studio = two_gpus(cuda0=24, cuda1=8)
    assert where(studio, studio.submit(device="cuda:1", memory=90 * GB)) == "cuda:1"


def test_a_gpu_whose_worker_dies_leaves_its_job_to_the_other() -> None:
    studio = two_gpus(cuda0=24, cuda1=24)
    job = studio.submit()
    lost = where(studio, job)
    studio.exited(lost)
    assert job.attempts == 2
    assert where(studio, job) not in ("", lost)


def test_a_gpu_that_disappears_takes_no_job_with_it_but_those_that_asked_for_it() -> None:
    studio = two_gpus(cuda0=24, cuda1=24)
    studio.exited("cuda:1")
    jobs = [studio.submit() for _ in range(3)]
    stubborn = studio.submit(device="cuda:1")
    for _ in range(MAX_FAILED_STARTS):
        studio.tick(5.0)
        studio.exited("cuda:1", "it ended with status 1: The device cuda:1 does not exist here; there is cuda:0, cpu.")
    assert codes(stubborn) == ("failed", "worker_crashed")
    assert "cuda:1 does not exist" in str(stubborn.error)
    for job in jobs:
        assert where(studio, job) == "cuda:0"
        studio.done(job, "cuda:0")
    assert [job.state for job in jobs] == ["done"] * 3


def test_a_gpu_that_was_given_up_is_tried_again_later() -> None:
    studio = two_gpus(cuda0=24, cuda1=24)
    studio.exited("cuda:1")
    first, second = studio.submit(), studio.submit()
    for _ in range(MAX_FAILED_STARTS):
        studio.tick(5.0)
        studio.exited("cuda:1")
    starts = studio.said.count(StartWorker(studio.slot("cuda:1").key, "cuda:1"))
    studio.tick(GIVEN_UP_S / 2)
    assert studio.said.count(StartWorker(studio.slot("cuda:1").key, "cuda:1")) == starts
    studio.tick(GIVEN_UP_S)
    assert studio.said.count(StartWorker(studio.slot("cuda:1").key, "cuda:1")) == starts + 1
    studio.ready("cuda:1", devices=GPUS, cuda0=24, cuda1=24)
    assert (where(studio, first), where(studio, second)) == ("cuda:0", "cuda:1")


def test_when_every_gpu_is_given_up_the_jobs_are_told() -> None:
    studio = Studio("cuda:0", "cuda:1")
    first, second = studio.submit(), studio.submit()
    for _ in range(MAX_FAILED_STARTS):
        for device in ("cuda:0", "cuda:1"):
            if studio.slot(device).state == "starting":
                studio.exited(device, "it ended with status 1: no driver")
        studio.tick(30.0)
    assert codes(first) == codes(second) == ("failed", "worker_crashed")


def test_a_large_job_does_not_wait_for_the_memory_of_a_gpu_that_was_given_up() -> None:
    studio = two_gpus(cuda0=24, cuda1=8)
    studio.exited("cuda:0")
    large = studio.submit(memory=16 * GB)
    assert where(studio, large) == ""
    for _ in range(MAX_FAILED_STARTS):
        studio.tick(5.0)
        studio.exited("cuda:0")
    assert where(studio, large) == "cuda:1", "in tiles"


def test_what_gives_way_ends_where_another_waits_and_only_there() -> None:
    studio = two_gpus(cuda0=24, cuda1=24)
    yielding = [studio.submit("live", gives_way=True) for _ in range(2)]
    for job in yielding:
        studio.step(job, device=where(studio, job), step=3, steps=9)
    there = next(job for job in yielding if where(studio, job) == "cuda:1")
    real = studio.submit("ann", device="cuda:1")
    assert [job.wanted for job in yielding if job is not there] == ["go"]
    assert there.wanted == "finish"
    assert studio.said.count(SendCommand(studio.slot("cuda:1").key, Finish())) == 1
    studio.done(there, "cuda:1")
    assert where(studio, real) == "cuda:1"


def test_what_gives_way_waits_until_no_other_does() -> None:
    studio = Studio()
    first = studio.painting("ann")
    yielding, second, third = studio.submit("live", gives_way=True), studio.submit("ann"), studio.submit("ann")
    studio.done(first)
    assert (second.state, yielding.state) == ("running", "queued")
    assert second.wanted == "go", "it gives way to none"
    studio.done(second)
    assert (third.state, yielding.state) == ("running", "queued")
    studio.done(third)
    assert yielding.state == "running"


def test_what_gives_way_does_not_end_for_its_like() -> None:
    studio = Studio()
    one = studio.submit("live", gives_way=True)
    studio.ready()
    studio.submit("other", gives_way=True)
    assert (one.state, one.wanted) == ("running", "go")
