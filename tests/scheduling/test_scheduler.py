"""The scheduler's rules. No process, no socket, no real time."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from support.clock import Clock
from vaporbrush_daemon.scheduling.effects import (
    Answer,
    Discard,
    Effect,
    End,
    Fetch,
    Kill,
    Paint,
    Policy,
    Save,
    Send,
    Start,
    Watch,
)
from vaporbrush_daemon.scheduling.job import Job, digest
from vaporbrush_daemon.scheduling.scheduler import MAX_RECORDS, PREVIEW_LINGER_S, Scheduler
from vaporbrush_daemon.scheduling.worker_slots import CANCEL_GRACE_S, END_GRACE_S, MAX_FAILED_STARTS, Slot
from vaporbrush_protocol.errors import RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style


def image(name: str, side: int = 16) -> Image:
    return Image(digest("picture", name), side, side)


class Studio:
    """A scheduler with a clock, told about workers the way the front does. `said` collects all effects."""

    def __init__(self, *devices: str, **policy: Any) -> None:
        self.clock = Clock()
        self.scheduler = Scheduler(Policy(**policy), devices or ("cpu",))
        self.said: list[Effect] = []
        self.ids = 0

    def hear(self, effects: list[Effect]) -> list[Effect]:
        self.said += effects
        return effects

    def submit(self, client: str = "ann", name: str = "", device: str = "auto", **fields: Any) -> Job:
        self.ids += 1
        name = name or f"job{self.ids}"
        recipe = Recipe(image(f"{name} content"), (Style(image("style")),), device=device)
        job = Job(job=name, client=client, digest=digest("paint", [name, device]), recipe=recipe, **fields)
        self.hear(self.scheduler.submit(self.clock(), job))
        return self.scheduler.job(name)

    def fetch(self, name: str = "download") -> Job:
        job = Job(job=name, client="ann", digest=digest("fetch", "vgg19"), kind="fetch", model="vgg19")
        self.hear(self.scheduler.submit(self.clock(), job))
        return self.scheduler.job(name)

    def slot(self, device: str = "cpu") -> Slot:
        return next(slot for slot in self.scheduler.slots.values() if slot.device == device)

    def ready(self, device: str = "cpu", slot: int | None = None, devices: tuple[str, ...] = ("cpu",)) -> list[Effect]:
        key = self.slot(device).key if slot is None else slot
        return self.hear(self.scheduler.ready(self.clock(), key, device, devices, {"memory": 1}))

    def step(
        self, job: Job, phase: Any = "painting", preview: Any = None, device: str = "cpu", **progress: Any
    ) -> None:
        made = Progress(phase, **progress)
        self.hear(self.scheduler.progress(self.clock(), self.slot(device).key, job.job, made, preview))

    def done(self, job: Job, device: str = "cpu", **result: Any) -> list[Effect]:
        return self.hear(
            self.scheduler.done(self.clock(), self.slot(device).key, job.job, {"model": "vgg19", **result})
        )

    def failed(self, job: Job, code: str, device: str = "cpu", *, oom: bool = False) -> list[Effect]:
        key, error = self.slot(device).key, RemoteError(code, "It went wrong.")
        return self.hear(self.scheduler.failed(self.clock(), key, job.job, error, out_of_memory=oom))

    def exited(self, device: str = "cpu", reason: str = "it was ended by SIGKILL") -> list[Effect]:
        return self.hear(self.scheduler.exited(self.clock(), self.slot(device).key, reason))

    def cancel(self, job: Job) -> list[Effect]:
        return self.hear(self.scheduler.cancel(self.clock(), job.job))

    def finish(self, job: Job) -> list[Effect]:
        return self.hear(self.scheduler.finish(self.clock(), job.job))

    def watch(self, job: Job, seen: int | None = None, wait_s: float = 30.0, **preview: int) -> Watch:
        watch = Watch("ticket", job.job, job.seq if seen is None else seen, self.clock() + wait_s, **preview)
        self.hear(self.scheduler.watch(self.clock(), watch))
        return watch

    def tick(self, seconds: float = 0.0) -> list[Effect]:
        return self.hear(self.scheduler.tick(self.clock.pass_(seconds)))

    def painting(self, client: str = "ann", **fields: Any) -> Job:
        """A job that a fresh worker paints."""
        job = self.submit(client, **fields)
        self.ready()
        self.step(job, steps=10, step=1)
        assert job.state == "running"
        return job

    def painted(self) -> list[str]:
        return [effect.job for effect in self.said if isinstance(effect, Paint)]


def codes(job: Job) -> tuple[str, str | None]:
    return job.state, job.error.code if job.error else None


# -- the queue


def test_the_first_job_starts_a_worker_and_is_painted_when_it_is_ready() -> None:
    studio = Studio()
    job = studio.submit()
    assert [e for e in studio.said if isinstance(e, Start)] == [Start(studio.slot().key, "cpu")]
    assert job.state == "queued"
    assert Paint(studio.slot().key, job.job, 0) in studio.ready()
    assert (job.state, job.attempts) == ("running", 1)
    result = studio.done(job)
    assert job.state == "done"
    assert Save(job.job) in result
    assert studio.slot().model == "vgg19"


def test_clients_take_turns_and_each_ones_jobs_keep_their_order() -> None:
    studio = Studio()
    for number in range(4):
        studio.submit("ann", f"ann{number}")
    studio.submit("bob", "bob0")
    studio.submit("cy", "cy0")
    studio.submit("bob", "bob1")
    studio.ready()
    while studio.scheduler.busy:
        studio.done(studio.scheduler.job(studio.painted()[-1]))
    assert studio.painted() == ["ann0", "bob0", "cy0", "ann1", "bob1", "ann2", "ann3"]


def test_everybody_sees_how_many_jobs_are_before_theirs() -> None:
    studio = Studio()
    first = studio.painting("ann")
    waiting = [studio.submit("ann"), studio.submit("ann"), studio.submit("bob")]
    assert [job.position for job in waiting] == [0, 2, 1]
    poll = studio.watch(waiting[1])
    studio.done(first)
    assert Answer(poll) in studio.said, "the change of place is told"
    assert [job.position for job in waiting] == [0, 1, 0]


def test_a_full_queue_says_busy_and_when_to_come_back() -> None:
    studio = Studio(max_jobs=2)
    first = studio.painting()
    studio.submit()
    with pytest.raises(RequestError, match="2 jobs wait already") as refused:
        studio.submit()
    assert refused.value.code == "busy"
    assert refused.value.retry_after_s == 5.0
    studio.step(first, eta_s=42.0)
    with pytest.raises(RequestError) as refused:
        studio.submit()
    assert refused.value.retry_after_s == 42.0
    studio.done(first)
    studio.submit()


def test_the_pictures_of_waiting_jobs_are_bounded_in_bytes_but_one_job_always_fits() -> None:
    studio = Studio(max_bytes=1000)
    first = studio.submit()
    assert first.input_bytes == 2 * 16 * 16 * 4
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
    for ask in (studio.scheduler.cancel, studio.scheduler.finish, studio.scheduler.release, studio.scheduler.touch):
        with pytest.raises(RequestError) as refused:
            ask(0.0, "nobody")
        assert refused.value.code == "unknown_job"


def test_lists_come_in_pages() -> None:
    studio = Studio(max_jobs=200)
    for _ in range(120):
        studio.submit()
    seen: list[str] = []
    more = True
    while more:
        page, more = studio.scheduler.page(seen[-1] if seen else None)
        seen += [job.job for job in page]
    assert seen == [f"job{n}" for n in range(1, 121)]


# -- devices


def test_without_configured_devices_the_first_worker_finds_out() -> None:
    studio = Studio()
    studio.scheduler = Scheduler(Policy())
    job, other = studio.submit(), studio.submit()
    assert studio.said.count(Start(studio.slot("auto").key, "auto")) == 1
    studio.ready("cuda:0", slot=studio.slot("auto").key, devices=("cuda:0", "cuda:1", "cpu"))
    assert [slot.device for slot in studio.scheduler.slots.values()] == ["downloads", "cuda:0", "cuda:1", "cpu"]
    assert job.state == "running"
    assert Start(studio.slot("cuda:1").key, "cuda:1") in studio.said, "a second accelerator takes the second job"
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
    studio = Studio()
    studio.scheduler = Scheduler(Policy())
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


# -- polls


def test_a_poll_waits_for_a_change_and_is_answered_once() -> None:
    studio = Studio()
    job = studio.painting()
    poll = studio.watch(job)
    assert Answer(poll) not in studio.said
    studio.step(job, step=2, steps=10)
    studio.step(job, step=3, steps=10)
    assert studio.said.count(Answer(poll)) == 1


def test_a_poll_is_answered_at_once_when_it_is_behind_or_must_not_wait_or_the_job_has_ended() -> None:
    studio = Studio()
    job = studio.painting()
    behind, impatient = studio.watch(job, seen=0), studio.watch(job, wait_s=0.0)
    assert Answer(behind) in studio.said
    assert Answer(impatient) in studio.said
    studio.done(job)
    assert Answer(studio.watch(job, seen=99)) in studio.said


def test_a_poll_is_answered_without_news_when_its_time_is_up() -> None:
    studio = Studio()
    job = studio.painting()
    poll = studio.watch(job, wait_s=5.0)
    assert Answer(poll) not in studio.tick(4.9)
    assert studio.scheduler.next_deadline(studio.clock()) == pytest.approx(studio.clock() + 0.1)
    assert Answer(poll) in studio.tick(0.2)
    assert Answer(poll) not in studio.tick(100.0)


def test_previews_are_made_only_while_somebody_asks_and_only_the_latest_is_kept() -> None:
    studio = Studio()
    job = studio.submit()
    key = studio.slot().key
    studio.watch(job, preview=256)
    studio.ready()
    assert Send(key, {"do": "preview", "side": 256}) in studio.said, "asked before it ran"
    for number in range(1, 4):
        studio.step(job, step=number, preview=(2, 1, bytes([number] * 6)))
    assert job.preview is not None
    assert (job.preview.number, job.preview.pixels) == (3, b"\3" * 6)
    studio.watch(job, preview=128)
    assert Send(key, {"do": "preview", "side": 128}) in studio.said
    studio.watch(job, preview=300)
    assert Send(key, {"do": "preview", "side": 300}) not in studio.said, "two watchers get what both can take"
    studio.step(job, step=4)
    studio.tick(30.0 + PREVIEW_LINGER_S)
    assert studio.said[-1] == Send(key, {"do": "preview", "side": 0})
    studio.done(job)
    assert job.preview is None


# -- leases


def test_when_the_client_goes_its_job_is_finished_or_cancelled_as_it_wished() -> None:
    studio = Studio()
    keep = studio.painting(lease_s=15.0)
    drop = studio.submit(lease_s=15.0, on_lease_end="cancel")
    studio.tick(14.9)
    assert drop.state == "queued"
    studio.scheduler.touch(studio.clock(), drop.job)
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
    assert studio.cancel(running)[0] == Send(studio.slot().key, {"do": "cancel"})
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
    studio.scheduler.alive(studio.clock(), studio.slot().key)
    assert Kill(studio.slot().key) not in studio.tick(CANCEL_GRACE_S - 0.1)
    assert Kill(studio.slot().key) in studio.tick(0.2)
    assert Kill(studio.slot().key) in studio.tick(END_GRACE_S)
    assert Start(studio.slot().key, "cpu") in studio.exited()
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
    assert studio.finish(job) == [Send(studio.slot().key, {"do": "finish"})]
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


def test_a_job_that_was_told_to_finish_still_is_after_its_worker_died() -> None:
    studio = Studio()
    job = studio.painting()
    studio.finish(job)
    studio.exited()
    assert studio.ready()[-2:] == [Paint(studio.slot().key, job.job, 0), Send(studio.slot().key, {"do": "finish"})]


def test_release_lets_only_those_pictures_go_that_nobody_else_wants() -> None:
    studio = Studio()
    shared, own = image("result"), image("canvas")
    first = studio.painting()
    studio.done(first, image=shared.to_wire(), canvas=own.to_wire())
    second = studio.submit()
    studio.done(second, image=shared.to_wire(), canvas=None)
    released = studio.scheduler.release(studio.clock(), first.job)
    assert Discard(first.job, frozenset({own.blob}), record=False) in released
    assert studio.scheduler.release(studio.clock(), first.job) == []
    released = studio.scheduler.release(studio.clock(), second.job)
    assert Discard(second.job, frozenset({shared.blob}), record=False) in released


def test_release_of_a_job_that_lives_cancels_it() -> None:
    studio = Studio()
    job = studio.painting()
    studio.scheduler.release(studio.clock(), job.job)
    assert job.state == "cancelled"


# -- workers that fail


def test_a_job_whose_worker_dies_is_started_once_more_and_then_given_up() -> None:
    studio = Studio()
    job = studio.painting()
    waiting = studio.submit("bob")
    assert Start(studio.slot().key, "cpu") in studio.exited(), "the first time at once"
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
    studio.failed(job, "out_of_memory", oom=True)
    assert studio.said[-1] == Paint(studio.slot().key, job.job, 1)
    studio.done(job)
    assert job.result is not None
    assert "cheaper" in job.result["degraded"]
    again = studio.submit()
    studio.failed(again, "out_of_memory", oom=True)
    studio.done(again, degraded="painted in tiles")
    assert again.result is not None
    assert again.result["degraded"] == "painted in tiles", "the worker's own words win"
    third = studio.submit()
    studio.failed(third, "out_of_memory", oom=True)
    studio.failed(third, "out_of_memory", oom=True)
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
    studio.scheduler.alive(studio.clock(), studio.slot().key)
    assert Kill(studio.slot().key) not in studio.tick(9.9)
    assert Kill(studio.slot().key) in studio.tick(0.2)
    studio.exited()
    assert job.state == "queued"
    assert "stopped making progress" in job.notes[0]
    studio.ready()
    studio.step(job, "loading")
    assert Kill(studio.slot().key) not in studio.tick(99.0), "loading may take longer"
    studio.step(job)
    assert Kill(studio.slot().key) in studio.tick(10.1)
    assert Kill(studio.slot().key) in studio.tick(END_GRACE_S), "again, should it still be there"
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
        assert Kill(studio.slot().key) in studio.tick(100.0)
        studio.exited()
    assert codes(job) == ("failed", "worker_crashed")
    assert "it says nothing" in str(job.error)


def test_devices_are_looked_for_afresh_after_a_device_stopped_working() -> None:
    studio = Studio()
    studio.scheduler = Scheduler(Policy())
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
    studio = Studio()
    studio.scheduler = Scheduler(Policy())
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


# -- idle


def test_an_idle_worker_ends_and_the_next_job_starts_another() -> None:
    studio = Studio(idle_unload_s=300.0)
    studio.done(studio.painting())
    assert studio.tick(299.0) == []
    assert End(studio.slot().key) in studio.tick(1.1)
    assert studio.slot().shown == "stopped"
    job = studio.submit()
    assert Start(studio.slot().key, "cpu") in studio.exited("cpu", "it ended with status 0")
    assert studio.slot().failures == 0
    studio.ready()
    assert job.state == "running"


def test_a_worker_that_does_not_end_when_told_is_killed() -> None:
    studio = Studio()
    studio.done(studio.painting())
    assert studio.scheduler.unload(studio.clock())[:2] == (1, 0)
    assert Kill(studio.slot().key) in studio.tick(END_GRACE_S)


def test_unload_leaves_busy_workers_alone() -> None:
    studio = Studio()
    studio.painting()
    assert studio.scheduler.unload(studio.clock()) == (0, 1, [])


def test_a_late_ready_of_a_worker_that_is_being_ended_changes_nothing() -> None:
    studio = Studio()
    studio.done(studio.painting())
    studio.scheduler.unload(studio.clock())
    studio.ready()
    assert studio.slot().state == "ending"


# -- downloads


def test_a_download_runs_beside_the_painting_and_one_at_a_time() -> None:
    studio = Studio()
    painting = studio.painting()
    first, second = studio.fetch("first"), studio.fetch("second")
    key = studio.slot("downloads").key
    assert Fetch(key, "first", "vgg19") in studio.said
    assert (first.state, second.state, second.position) == ("running", "queued", 0)
    assert studio.finish(first) == [], "a download cannot be finished early"
    studio.step(first, "downloading", device="downloads", step=1, steps=2)
    assert studio.scheduler.unload(studio.clock())[:2] == (0, 1)
    studio.done(first, "downloads")
    assert (first.state, second.state) == ("done", "queued")
    assert Fetch(key, "second", "vgg19") in studio.exited("downloads", "it ended with status 0")
    assert painting.state == "running"


def test_a_cancelled_download_ends_its_process_and_the_next_one_starts() -> None:
    studio = Studio()
    first, second = studio.fetch("first"), studio.fetch("second")
    assert studio.cancel(first)[0] == Kill(studio.slot("downloads").key)
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


# -- the end, and records


def test_closing_tells_everybody_and_lets_running_jobs_deliver() -> None:
    studio = Studio()
    running, waiting = studio.painting(), studio.submit()
    download = studio.fetch()
    poll = studio.watch(waiting)
    closed = studio.scheduler.close(studio.clock(), at_once=False)
    assert Send(studio.slot().key, {"do": "finish"}) in closed
    assert Answer(poll) in closed
    assert codes(waiting) == ("failed", "shutting_down")
    assert codes(download) == ("failed", "shutting_down")
    with pytest.raises(RequestError) as refused:
        studio.submit()
    assert refused.value.code == "shutting_down"
    assert studio.scheduler.busy
    studio.done(running)
    assert not studio.scheduler.busy


def test_closing_at_once_fails_what_runs() -> None:
    studio = Studio()
    running = studio.painting()
    studio.scheduler.close(studio.clock(), at_once=True)
    assert codes(running) == ("failed", "shutting_down")


def test_old_records_are_forgotten_and_so_are_too_many() -> None:
    studio = Studio(max_jobs=MAX_RECORDS + 10)
    first = studio.painting()
    studio.done(first)
    studio.clock.pass_(3600.0)
    live = studio.submit()
    assert studio.scheduler.forget(studio.clock(), 3599.0) == [Discard(first.job, frozenset(), record=True)]
    for number in range(MAX_RECORDS + 3):
        studio.scheduler.adopt(Job(job=f"old{number}", client="", digest="", state="done", ended=studio.clock()))
    assert len(studio.scheduler.forget(studio.clock(), 3600.0)) == 3
    assert "old2" not in studio.scheduler.jobs
    assert live.job in studio.scheduler.jobs


def test_blobs_of_living_jobs_are_named_so_that_they_stay() -> None:
    studio = Studio()
    job = studio.painting()
    assert studio.scheduler.live_blobs() == job.blobs
    assert studio.scheduler.live_bytes == job.input_bytes
    studio.done(job)
    assert studio.scheduler.live_blobs() == set()


def test_a_job_survives_its_record_and_a_live_one_is_interrupted() -> None:
    studio = Studio()
    done, live = studio.painting(name=str(uuid.uuid4())), studio.submit(name=str(uuid.uuid4()))
    studio.done(done, image=image("result").to_wire())
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


def test_the_state_table_is_kept() -> None:
    job = Job(job="one", client="", digest="", state="done")
    with pytest.raises(AssertionError, match="done → running"):
        job.move("running")


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
