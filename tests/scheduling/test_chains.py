"""The scheduler's rules for jobs after other jobs: each begins from the canvas of the one before."""

from __future__ import annotations

from typing import Any

import pytest

from support.studio import Studio, codes, image
from vaporbrush_daemon.scheduling import events as ev
from vaporbrush_daemon.scheduling.job import GUEST, Job
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.recipe import Image, Recipe

GPUS = ("cuda:0", "cuda:1")


def canvas(job: Job) -> Image:
    return image(f"{job.job} canvas")


def recipe(job: Job) -> Recipe:
    assert job.asked.recipe is not None
    return job.asked.recipe


def end(studio: Studio, job: Job, device: str = "cpu") -> None:
    studio.done(job, device, canvas=canvas(job))


def test_a_job_after_another_waits_for_that_and_begins_from_its_canvas() -> None:
    studio = Studio(*GPUS)
    first = studio.submit()
    studio.ready("cuda:0", devices=GPUS)
    second = studio.submit(after=first.job)
    studio.ready("cuda:0", slot=studio.slot("cuda:0").key, devices=GPUS)
    studio.tick(5)
    assert (second.state, studio.slot("cuda:1").state) == ("queued", "stopped"), "no worker is started for it"
    end(studio, first, "cuda:0")
    assert (second.state, recipe(second).start_image) == ("running", canvas(first))


def test_a_films_frame_is_held_to_the_one_before_and_to_what_else_its_recipe_says() -> None:
    studio = Studio()
    first = studio.painting()
    second = studio.submit(after=first.job, holds=True)
    third = studio.submit(after=second.job, holds=True)
    end(studio, first)
    assert [(one.content, one.canvas) for one in recipe(second).held] == [(recipe(first).content, canvas(first))]
    assert recipe(second).start_image is None
    end(studio, second)
    assert [one.canvas for one in recipe(third).held] == [canvas(second)]


def test_a_job_after_one_that_is_done_begins_at_once() -> None:
    studio = Studio()
    first = studio.painting()
    end(studio, first)
    second = studio.submit(after=first.job)
    assert (second.state, recipe(second).start_image, second.notes) == ("running", canvas(first), [])


@pytest.mark.parametrize("early", [True, False], ids=["submitted before", "submitted after"])
@pytest.mark.parametrize(
    ("ends", "told"),
    [
        (lambda studio, job: studio.failed(job, "diverged"), "has failed"),
        (Studio.cancel, "was cancelled"),
        (Studio.done, "has no canvas"),
    ],
    ids=["failed", "cancelled", "without a canvas"],
)
def test_where_there_is_no_canvas_it_begins_by_itself_and_says_so(ends: Any, told: str, early: bool) -> None:
    studio = Studio()
    first = studio.painting()
    second = studio.submit(after=first.job) if early else None
    ends(studio, first)
    if second is None:
        second = studio.submit(after=first.job)
    if first.state == "cancelled":
        studio.failed(first, "cancelled")  # its worker lets go
    assert (second.state, recipe(second).start_image) == ("running", None)
    assert second.notes == [f"The job job1, from whose canvas this one was to begin, {told}; it begins by itself."]


def test_a_chain_whose_first_job_is_released_before_its_end_goes_on() -> None:
    studio = Studio()
    first = studio.painting()
    second, third = studio.submit(after=first.job), studio.submit(after="job2")
    studio.release(first)
    studio.failed(first, "cancelled")
    assert (second.state, third.state) == ("running", "queued")
    end(studio, second)
    assert recipe(third).start_image == canvas(second)


def test_a_canvas_that_was_released_is_no_beginning() -> None:
    studio = Studio()
    first = studio.painting()
    end(studio, first)
    studio.release(first)
    with pytest.raises(RequestError, match="The canvas of job job1 was released") as refused:
        studio.submit(after=first.job)
    assert refused.value.code == "unknown_blob"


def test_a_canvas_stays_as_long_as_a_job_begins_from_it() -> None:
    studio = Studio()
    first = studio.painting()
    second = studio.submit(after=first.job)
    end(studio, first)
    assert canvas(first).blob in studio.scheduler.table.live_blobs()
    effects = studio.release(first)
    assert not any(canvas(first).blob in getattr(effect, "blobs", ()) for effect in effects)
    end(studio, second)
    assert canvas(first).blob not in studio.scheduler.table.live_blobs()


def test_a_job_that_nobody_knows_cannot_be_followed() -> None:
    studio = Studio()
    with pytest.raises(RequestError, match="No job missing is known here") as refused:
        studio.submit(after="missing")
    assert refused.value.code == "unknown_job"


def test_to_a_guest_another_guests_job_does_not_exist() -> None:
    studio = Studio()
    first = studio.painting(client=f"{GUEST}bob")
    with pytest.raises(RequestError, match="No job job1 is known here") as refused:
        studio.submit(client=f"{GUEST}ann", after=first.job)
    assert refused.value.code == "unknown_job"
    own = studio.submit(client=f"{GUEST}bob", after=first.job)
    assert own.state == "queued"


def test_a_download_and_the_job_itself_have_no_canvas() -> None:
    studio = Studio()
    studio.fetch()
    with pytest.raises(RequestError, match="`after` is download, which is a download"):
        studio.submit(after="download")
    failed = studio.painting()
    studio.failed(failed, "disk_full")
    assert failed.revivable
    with pytest.raises(RequestError, match="which is this job itself"):
        studio.submit(name=failed.job, after=failed.job)


def test_a_job_after_another_keeps_its_place_in_the_queue() -> None:
    studio = Studio()
    first = studio.painting()
    second = studio.submit(after=first.job)
    third, bobs = studio.submit(), studio.submit(client="bob")
    assert [studio.position(job) for job in (second, third, bobs)] == [0, 2, 1]
    end(studio, first)
    assert second.state == "running", "it came before the third"
    end(studio, second)
    assert bobs.state == "running"


def test_what_waits_for_another_job_is_in_nobodys_way() -> None:
    studio = Studio(*GPUS)
    first = studio.submit(device="cuda:0")
    studio.ready("cuda:0", devices=GPUS)
    studio.submit(after=first.job)
    third = studio.submit()
    studio.ready("cuda:1", devices=GPUS)
    assert third.state == "running"


def test_each_chain_stays_where_it_is() -> None:
    studio = Studio(*GPUS)
    chains = [studio.submit(), studio.submit()]
    for gpu in GPUS:
        studio.ready(gpu, devices=GPUS)
    for turn in range(6):
        followers = [studio.submit(after=job.job) for job in chains]
        order = [0, 1] if turn % 2 else [1, 0]
        for i in order:
            end(studio, chains[i], GPUS[i])
        assert [studio.slot(gpu).job for gpu in GPUS] == [job.job for job in followers]
        chains = followers


def test_of_several_free_places_a_chain_goes_on_in_its_own() -> None:
    studio = Studio(*GPUS)
    pair = [studio.submit(), studio.submit()]
    for gpu in GPUS:
        studio.ready(gpu, devices=GPUS)
    for job, gpu in zip(pair, GPUS, strict=True):
        end(studio, job, gpu)
    assert studio.submit(after=pair[1].job).job == studio.slot("cuda:1").job


def test_the_lease_of_a_job_that_waits_for_another_does_not_run_out() -> None:
    studio = Studio()
    first = studio.painting()
    second = studio.submit(after=first.job, lease_s=15, on_lease_end="cancel")
    for _ in range(10):
        studio.tick(10)
        studio.watch(first)
    assert second.state == "queued"
    end(studio, first)
    assert second.state == "running"
    studio.tick(16)
    assert second.state == "cancelled", "now its client has to ask for it"


def test_of_a_client_that_has_gone_no_job_of_the_chain_is_begun() -> None:
    studio = Studio()
    lease: dict[str, Any] = {"lease_s": 15, "on_lease_end": "cancel"}
    first = studio.painting(**lease)
    chain = [studio.submit(after=f"job{number}", **lease) for number in (1, 2, 3)]
    bobs = studio.submit("bob", lease_s=100)
    studio.tick(16)
    studio.failed(first, "cancelled")  # its worker lets go
    assert [codes(job) for job in (first, *chain)] == [("cancelled", "cancelled")] * 4
    assert studio.begun == [first.job, bobs.job]
    assert bobs.state == "running"


def test_a_job_of_the_chain_for_which_somebody_asks_goes_on_where_the_one_before_was_left() -> None:
    studio = Studio()
    lease: dict[str, Any] = {"lease_s": 15, "on_lease_end": "cancel"}
    first = studio.painting(**lease)
    kept, second = studio.submit(after=first.job, lease_s=15), studio.submit(after=first.job, **lease)
    third, fourth = studio.submit(after=second.job, **lease), studio.submit(after=first.job, **lease)
    studio.tick(10)
    studio.watch(second, wait_s=20)
    studio.bring(ev.Touched(fourth.job))
    studio.tick(6)
    studio.failed(first, "cancelled")
    assert [job.state for job in (first, kept, second, third, fourth)] == ["cancelled", "running", *["queued"] * 3]


def test_a_retry_begins_from_the_same_canvas() -> None:
    studio = Studio()
    first = studio.painting()
    second = studio.submit(after=first.job)
    end(studio, first)
    studio.exited()
    studio.ready()
    assert (second.attempts, recipe(second).start_image) == (2, canvas(first))


def test_a_frame_of_another_size_cannot_be_held_to_it() -> None:
    studio = Studio()
    first = studio.painting()
    assert first.asked.recipe is not None
    other = Recipe(image("large", 32), first.asked.recipe.styles)
    with pytest.raises(RequestError, match="as large as that of the job in `after`, 16×16"):
        studio.submit(after=first.job, holds=True, recipe=other)
    assert codes(studio.submit(after=first.job, recipe=other))[0] == "queued", "but it may begin from it"
