"""The scheduler's rules for clients. No process, no socket, no real time."""

from __future__ import annotations

import pytest

from support.studio import Studio, codes, image
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.effects import (
    AnswerPoll,
    DiscardResult,
    KillWorker,
    PaintJob,
    SaveJob,
    SendCommand,
    StartDownload,
    StartWorker,
)
from vaporbrush_daemon.scheduling.policy import CANCEL_GRACE_S, END_GRACE_S
from vaporbrush_daemon.workers.messages import Cancel, Finish
from vaporbrush_protocol.errors import RequestError

# -- the queue


def test_the_first_job_starts_a_worker_and_is_painted_when_it_is_ready() -> None:
    studio = Studio()
    job = studio.submit()
    assert [e for e in studio.said if isinstance(e, StartWorker)] == [StartWorker(studio.slot().key, "cpu")]
    assert job.state == "queued"
    assert PaintJob(studio.slot().key, job.job, 0) in studio.ready()
    assert (job.state, job.attempts) == ("running", 1)
    result = studio.done(job)
    assert job.state == "done"
    assert SaveJob(job.job) in result
    assert studio.slot().model == "vgg19"


def test_clients_take_turns_and_each_ones_jobs_keep_their_order() -> None:
    studio = Studio()
    for number in range(4):
        studio.submit("ann", f"ann{number}")
    studio.submit("bob", "bob0")
    studio.submit("cy", "cy0")
    studio.submit("bob", "bob1")
    studio.ready()
    while studio.scheduler.table.live:
        studio.done(studio.job(studio.painted()[-1]))
    assert studio.painted() == ["ann0", "bob0", "cy0", "ann1", "bob1", "ann2", "ann3"]


def test_everybody_sees_how_many_jobs_are_before_theirs() -> None:
    studio = Studio()
    first = studio.painting("ann")
    waiting = [studio.submit("ann"), studio.submit("ann"), studio.submit("bob")]
    assert [studio.position(job) for job in waiting] == [0, 2, 1]
    poll = studio.watch(waiting[1])
    studio.done(first)
    assert AnswerPoll(poll) in studio.said, "the change of place is told"
    assert [studio.position(job) for job in waiting] == [0, 1, 0]


def test_a_full_queue_says_busy_and_when_to_come_back() -> None:
    studio = Studio(max_jobs=2)
    first = studio.painting()
    studio.submit()
    with pytest.raises(RequestError, match="2 jobs wait already") as refused:
        studio.submit()
    assert refused.value.code == "busy"
    assert refused.value.retry_after_s == 5.0
    studio.done(first)
    studio.submit()
    studio.step(studio.job(studio.painted()[-1]), eta_s=42.0)
    with pytest.raises(RequestError) as refused:
        studio.submit()
    assert refused.value.retry_after_s == 42.0
    studio.done(studio.job(studio.painted()[-1]))
    studio.submit()


def test_the_pictures_of_waiting_jobs_are_bounded_in_bytes_but_one_job_always_fits() -> None:
    studio = Studio(max_bytes=1000)
    first = studio.submit()
    assert first.asked.input_bytes == 2 * 16 * 16 * 4
    with pytest.raises(RequestError, match="2048 of 1000 bytes"):
        studio.submit()


def test_the_same_submit_changes_nothing_and_another_with_its_id_is_refused() -> None:
    studio = Studio()
    job = studio.submit(name="one")
    for _ in range(100):
        assert studio.submit(name="one") is job
    with pytest.raises(RequestError) as refused:
        studio.submit(name="one", device="cpu")
    assert refused.value.code == "conflict"
    studio.ready()
    studio.done(job)
    studio.submit(name="one")
    assert studio.painted() == ["one"]


def test_a_job_that_failed_in_a_way_that_may_pass_runs_anew_when_submitted_again() -> None:
    studio = Studio()
    job = studio.painting(name="one")
    studio.exited()
    studio.ready()
    studio.exited()
    assert codes(job) == ("failed", "worker_crashed")
    seq = job.seq
    again = studio.submit(name="one")
    assert again.state == "queued"
    assert again.seq > seq
    studio.tick(1.0)
    studio.ready()
    studio.done(again)
    assert again.state == "done"
    assert again.attempts == 3


def test_a_job_that_failed_for_good_is_not_painted_again() -> None:
    studio = Studio()
    job = studio.painting(name="one")
    studio.failed(job, "diverged")
    assert studio.submit(name="one") is job
    assert codes(job) == ("failed", "diverged")


def test_an_unknown_job_is_said_to_be_unknown() -> None:
    studio = Studio()
    for kind in (ev.CancelAsked, ev.FinishAsked, ev.Released, ev.Touched):
        with pytest.raises(RequestError) as refused:
            studio.bring(kind("nobody"))
        assert refused.value.code == "unknown_job"


def test_lists_come_in_pages() -> None:
    studio = Studio(max_jobs=200)
    for _ in range(120):
        studio.submit()
    seen: list[str] = []
    more = True
    while more:
        page, more = studio.scheduler.table.page(seen[-1] if seen else None)
        seen += [job.job for job in page]
    assert seen == [f"job{n}" for n in range(1, 121)]


# -- leases


def test_when_the_client_goes_its_job_is_finished_or_cancelled_as_it_wished() -> None:
    studio = Studio()
    keep = studio.painting(lease_s=15.0)
    drop = studio.submit(lease_s=15.0, on_lease_end="cancel")
    studio.tick(14.9)
    assert drop.state == "queued"
    studio.bring(ev.Touched(drop.job))
    studio.tick(14.9)
    assert drop.state == "queued", "a request about the job renews the lease"
    studio.tick(0.2)
    assert codes(drop) == ("cancelled", "cancelled")
    assert "client has gone" in str(drop.error)
    assert keep.state == "running"
    studio.done(keep)
    assert keep.state == "done"


def test_a_waiting_poll_holds_the_lease_and_its_answer_renews_it() -> None:
    studio = Studio()
    job = studio.painting(lease_s=2.0, on_lease_end="cancel")
    studio.watch(job, wait_s=30.0)
    for _ in range(2):
        studio.tick(14.0)
        assert job.state == "running"
    studio.tick(2.1)
    assert job.state == "running", "answered just now"
    studio.tick(1.9)
    assert job.state == "running"
    studio.tick(0.2)
    assert job.state == "cancelled"


# -- cancel, finish, release


def test_cancel_works_in_every_phase_twice_and_after_the_end() -> None:
    studio = Studio()
    running = studio.painting()
    queued = studio.submit()
    studio.cancel(queued)
    assert codes(queued) == ("cancelled", "cancelled")
    assert studio.cancel(running)[0] == SendCommand(studio.slot().key, Cancel())
    assert codes(running) == ("cancelled", "cancelled")
    assert studio.cancel(running) == []
    assert studio.slot().state == "busy", "the worker is at its present step"
    following = studio.submit()
    assert following.state == "queued"
    studio.failed(running, "cancelled")
    assert following.state == "running"
    studio.done(following)
    assert studio.cancel(following) == []
    assert following.state == "done"


def test_a_job_that_is_cancelled_while_the_worker_starts_never_runs() -> None:
    studio = Studio()
    job = studio.submit()
    studio.cancel(job)
    studio.ready()
    assert studio.painted() == []
    assert studio.slot().state == "idle"


def test_a_worker_that_ignores_a_cancel_is_ended_and_replaced() -> None:
    studio = Studio()
    job = studio.painting()
    studio.cancel(job)
    following = studio.submit()
    studio.alive()
    assert KillWorker(studio.slot().key) not in studio.tick(CANCEL_GRACE_S - 0.1)
    assert KillWorker(studio.slot().key) in studio.tick(0.2)
    assert KillWorker(studio.slot().key) in studio.tick(END_GRACE_S)
    assert StartWorker(studio.slot().key, "cpu") in studio.exited()
    studio.ready()
    assert following.state == "running"
    assert following.deaths == 0


def test_what_comes_late_for_a_cancelled_job_is_ignored() -> None:
    studio = Studio()
    job = studio.painting()
    studio.cancel(job)
    seq = job.seq
    studio.step(job, step=5)
    studio.done(job)
    assert (job.state, job.seq, job.result) == ("cancelled", seq, None)
    assert studio.slot().state == "idle"


def test_finish_delivers_what_there_is_and_asks_once() -> None:
    studio = Studio()
    job = studio.painting()
    assert studio.finish(job) == [SendCommand(studio.slot().key, Finish())]
    assert studio.finish(job) == []
    studio.done(job)
    assert job.state == "done"
    assert studio.finish(job) == []


def test_finish_of_a_job_that_has_not_begun_cancels_it() -> None:
    studio = Studio()
    job = studio.submit()
    studio.finish(job)
    assert codes(job) == ("cancelled", "cancelled")
    assert "before it had begun" in str(job.error)


def test_a_job_that_was_asked_to_finish_still_is_after_its_worker_died() -> None:
    studio = Studio()
    job = studio.painting()
    studio.finish(job)
    studio.exited()
    assert studio.ready()[-2:] == [PaintJob(studio.slot().key, job.job, 0), SendCommand(studio.slot().key, Finish())]


def test_release_lets_only_those_pictures_go_that_nobody_else_wants() -> None:
    studio = Studio()
    shared, own = image("result"), image("canvas")
    first = studio.painting()
    studio.done(first, image=shared, canvas=own)
    second = studio.submit()
    studio.done(second, image=shared)
    released = studio.release(first)
    assert DiscardResult(first.job, frozenset({own.blob}), record=False) in released
    assert studio.release(first) == []
    released = studio.release(second)
    assert DiscardResult(second.job, frozenset({shared.blob}), record=False) in released


def test_release_of_a_job_that_lives_cancels_it() -> None:
    studio = Studio()
    job = studio.painting()
    studio.release(job)
    assert job.state == "cancelled"


# -- downloads


def test_a_download_runs_beside_the_painting_and_one_at_a_time() -> None:
    studio = Studio()
    painting = studio.painting()
    first, second = studio.fetch("first"), studio.fetch("second")
    key = studio.slot("downloads").key
    assert StartDownload(key, "first", "vgg19") in studio.said
    assert (first.state, second.state, studio.position(second)) == ("running", "queued", 0)
    assert studio.finish(first) == [], "a download cannot be finished early"
    studio.step(first, "downloading", device="downloads", step=1, steps=2)
    assert studio.bring(ev.UnloadAsked()) == []
    assert studio.scheduler.busy_workers == 1
    studio.fetched(first)
    assert (first.state, second.state) == ("done", "queued")
    assert StartDownload(key, "second", "vgg19") in studio.exited("downloads", "it ended with status 0")
    assert painting.state == "running"


def test_a_cancelled_download_ends_its_process_and_the_next_one_starts() -> None:
    studio = Studio()
    first, second = studio.fetch("first"), studio.fetch("second")
    assert studio.cancel(first)[0] == KillWorker(studio.slot("downloads").key)
    studio.exited("downloads")
    assert (first.state, second.state) == ("cancelled", "running")


def test_a_download_whose_process_dies_goes_on_once() -> None:
    studio = Studio()
    job = studio.fetch()
    studio.exited("downloads")
    assert job.state == "running", "resumed at once"
    studio.exited("downloads")
    assert codes(job) == ("failed", "worker_crashed")


def test_a_download_that_fails_says_why() -> None:
    studio = Studio()
    job = studio.fetch()
    studio.failed(job, "download_failed", "downloads")
    assert codes(job) == ("failed", "download_failed")
    studio.exited("downloads", "it ended with status 1")
    assert studio.slot("downloads").state == "stopped"
