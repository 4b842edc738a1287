"""Jobs as the client sees them, one by one and in the whole round of `stylize`."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import pytest

from support.replies import JOB, PAINTING, finished, recipe, square, state
from support.router import NEVER, RESTART, Blob, Router
from vaporbrush_protocol import Client
from vaporbrush_protocol.errors import LinkError, RemoteError, VaporbrushError
from vaporbrush_protocol.messages import Submit, Watch


def test_every_request_about_a_job_returns_it(router: Router, client: Client) -> None:
    for name in ("cancel", "finish", "release", "fetch_model"):
        router.answers[name] = lambda request: {**state("running", 3), "label": type(request).__name__}
    assert client.cancel(JOB).label == "Cancel"
    assert client.finish(JOB).label == "Finish"
    assert client.release(JOB).label == "Release"
    assert client.fetch_model("vgg19").state == "running"


def test_submit_makes_an_id_unless_it_is_given_one(router: Router, client: Client) -> None:
    router.answers["submit"] = lambda request: {**state("queued", 1), "job": request.job}
    image, _ = square()
    assert client.submit(recipe(image), JOB, lease_s=60, on_lease_end="cancel", label="Layer 1").job == JOB
    first = router.seen[-1]
    assert isinstance(first, Submit)
    assert (first.lease_s, first.on_lease_end, first.label, first.recipe) == (60, "cancel", "Layer 1", recipe(image))
    assert uuid.UUID(client.submit(recipe(image)).job).version == 4


def test_watch_waits_longer_than_the_usual_timeout_and_brings_the_preview(router: Router, client: Client) -> None:
    client.timeout_s = 0.3
    preview = {"number": 7, "width": 2, "height": 1, "channels": "RGB"}
    timer: list[threading.Timer] = []

    def later(_: Watch) -> Any:
        timer.append(
            threading.Timer(0.5, router.answer_held, [[({**state("running", 5), "preview": preview}, b"abcdef")]])
        )
        timer[0].start()
        return NEVER

    router.answers["watch"] = later
    job = client.watch(JOB, 4, wait_s=5, preview_side=256, preview_seen=6)
    assert job.preview is not None
    assert (job.preview.number, bytes(job.preview.pixels)) == (7, b"abcdef")
    asked = router.seen[-1]
    assert asked == Watch(JOB, 4, 5.0, 256, 6)
    timer[0].join()


@pytest.mark.parametrize(
    "reply",
    [{}, {"state": "lost"}, {"progress": {"phase": "dreaming"}}, {"preview": {"number": 1, "width": 9, "height": 9}}],
)
def test_a_job_that_makes_no_sense_is_reported(router: Router, client: Client, reply: dict[str, Any]) -> None:
    router.answers["watch"] = {**state("running", 1), **reply} if reply else {}
    with pytest.raises(LinkError, match="reply to `watch` is not valid"):
        client.watch(JOB, wait_s=0)


def test_all_pages_of_the_list_are_read(router: Router, client: Client) -> None:
    ids = [str(uuid.UUID(int=n, version=4)) for n in range(5)]

    def page(request: Any) -> dict[str, Any]:
        at = ids.index(request.after) + 1 if request.after else 0
        return {"jobs": [{**state("done", 1), "job": one} for one in ids[at : at + 2]], "more": at + 2 < len(ids)}

    router.answers["list"] = page
    assert [job.job for job in client.jobs()] == ids
    router.answers["list"] = {"jobs": [], "more": True}
    assert client.jobs() == []  # a page with nothing in it is the last, whatever it says
    router.answers["list"] = {"jobs": "none"}
    with pytest.raises(LinkError, match="reply to `list` is not valid"):
        client.jobs()


def test_stylize_uploads_submits_watches_downloads_and_releases(router: Router, client: Client) -> None:
    image, pixels = square()
    result, painted = square(seed=2)
    router.blobs[result.blob] = Blob(len(painted), bytearray(painted))
    preview = ({**state("running", 3, progress=PAINTING), "preview": {"number": 1, "width": 1, "height": 1}}, b"rgb")
    watches: list[Any] = [state("running", 2, progress=PAINTING), preview, state("running", 4), finished(result)]
    router.answers["submit"] = state("queued", 1, position=2)
    router.answers["watch"] = lambda _: watches.pop(0)
    router.answers["release"] = finished(result)
    seen: list[str] = []
    job, came = client.stylize(
        recipe(image),
        {image.blob: pixels},
        on_progress=lambda job: seen.append(repr(job)),
        job=JOB,
        preview_side=128,
        label="Layer 1",
    )
    assert job.image == job.canvas == result
    assert came == painted
    assert router.names() == ["put", "put", "submit", *["watch"] * 4, "get", "release"]
    assert seen[0] == f"Job({JOB[:8]} queued, seq 1)"
    assert seen[2] == f"Job({JOB[:8]} running, painting 5/10, seq 3)"
    asked = [(watch.seen, watch.preview_seen) for watch in router.seen if isinstance(watch, Watch)]
    assert asked == [(1, 0), (2, 0), (3, 1), (4, 1)]


def test_stylize_needs_no_bytes_that_the_daemon_has(router: Router, client: Client) -> None:
    image, pixels = square()
    router.blobs[image.blob] = Blob(len(pixels), bytearray(pixels))
    router.answers["submit"] = finished(image)
    router.answers["release"] = VaporbrushError("unknown_job", "Gone already.")
    into = bytearray(len(pixels))
    _, came = client.stylize(recipe(image), {}, into=into)
    assert came is into
    assert router.names() == ["submit", "get", "release"]


def test_stylize_leaves_the_result_where_it_is_to_go_on_from(router: Router, client: Client) -> None:
    image, pixels = square()
    router.blobs[image.blob] = Blob(len(pixels), bytearray(pixels))
    router.answers["submit"] = finished(image)
    client.stylize(recipe(image), {}, release=False)
    assert router.names() == ["submit", "get"]


def test_stylize_raises_the_job_s_own_error(router: Router, client: Client) -> None:
    image, pixels = square()
    error = {"code": "diverged", "message": "The loss became nan.", "retryable": False}
    router.answers["submit"] = state("failed", 2, error=error)
    with pytest.raises(RemoteError, match="became nan") as failure:
        client.stylize(recipe(image), {image.blob: pixels})
    assert failure.value.code == "diverged"
    router.answers["submit"] = state("cancelled", 2)
    with pytest.raises(RemoteError, match="cancelled") as failure:
        client.stylize(recipe(image), {image.blob: pixels})
    assert failure.value.code == "cancelled"
    router.answers["submit"] = state("done", 2)
    with pytest.raises(LinkError, match="sends no picture"):
        client.stylize(recipe(image), {image.blob: pixels})
    router.answers["submit"] = VaporbrushError("unknown_style", "There is no style “vaporwave”.")
    with pytest.raises(RemoteError, match="no style"):
        client.stylize(recipe(image), {image.blob: pixels})


@pytest.mark.parametrize("answer", [state("cancelled", 3), VaporbrushError("unknown_job", "No such job.")])
def test_stylize_cancels_the_job_when_the_callback_raises(router: Router, client: Client, answer: Any) -> None:
    image, pixels = square()
    router.answers["submit"] = state("queued", 1)
    router.answers["cancel"] = answer

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.stylize(recipe(image), {image.blob: pixels}, on_progress=interrupted)
    assert router.names()[-1] == "cancel"


def test_stylize_begins_anew_at_a_restarted_daemon(router: Router, client: Client) -> None:
    image, pixels = square()
    router.answers["release"] = finished(image)
    router.answers["submit"] = state("queued", 1)
    forgotten = VaporbrushError("unknown_job", "No job of this id is known.")
    crashed = {"code": "worker_crashed", "message": "The daemon was restarted while it painted.", "retryable": True}
    watches = [state("running", 2), RESTART, forgotten, RESTART, state("failed", 3, error=crashed), finished(image)]
    router.answers["watch"] = lambda _: watches.pop(0)
    job, came = client.stylize(recipe(image), {image.blob: pixels}, job=JOB)
    assert job.state == "done"
    assert came == pixels
    assert [request.job for request in router.seen if isinstance(request, Submit)] == [JOB] * 3


def test_stylize_gives_up_when_the_daemon_dies_of_the_job(router: Router, client: Client) -> None:
    image, pixels = square()
    router.answers["submit"] = state("queued", 1)
    forgotten = VaporbrushError("unknown_job", "No job of this id is known.")
    watches = [RESTART, forgotten] * 3
    router.answers["watch"] = lambda _: watches.pop(0)
    with pytest.raises(LinkError, match=r"restarted 3 times while it painted this. Its log \(/the/log\)"):
        client.stylize(recipe(image), {image.blob: pixels}, job=JOB)


def test_stylize_does_not_hide_that_a_job_is_unknown(router: Router, client: Client) -> None:
    image, pixels = square()
    router.answers["submit"] = state("queued", 1)
    router.answers["watch"] = VaporbrushError("unknown_job", "No job of this id is known.")
    with pytest.raises(RemoteError, match="No job of this id"):
        client.stylize(recipe(image), {image.blob: pixels})


def test_stylize_says_when_the_daemon_stays_away(router: Router, client: Client) -> None:
    image, pixels = square()
    router.answers["submit"] = state("queued", 1)
    router.answers["watch"] = RESTART
    with pytest.raises(LinkError) as failure:
        client.stylize(recipe(image), {image.blob: pixels})
    assert failure.value.code == "link_lost"
