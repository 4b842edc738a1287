"""The client against a scripted daemon on a real libzmq ROUTER."""

from __future__ import annotations

import hashlib
import random
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from support.listener import Listener, cutting
from support.router import NEVER, RESTART, TOKEN, Blob, Router
from vaporbrush_protocol import Client, Image, Recipe, Style
from vaporbrush_protocol.codec import encode
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError, RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES, MAX_OUTSTANDING
from vaporbrush_protocol.messages import Get, Put, Submit, Watch

JOB = str(uuid.UUID(int=0x1234, version=4))
MIB = MAX_CHUNK_BYTES


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def square(side: int = 64, seed: int = 1) -> tuple[Image, bytes]:
    pixels = noise(side * side * 4, seed)
    return Image.of(pixels, side, side), pixels


def recipe(image: Image) -> Recipe:
    return Recipe(content=image, styles=(Style(name="vaporwave"),))


@pytest.fixture
def client(router: Router) -> Any:
    with Client(router.connection, 5, name="test") as made:
        yield made


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_request_says_hello_by_name(router: Router, client: Client) -> None:
    assert client.daemon == {}
    assert client.ping() >= 0
    assert client.daemon["boot"] == "boot1"
    assert [type(request).__name__ for request in router.seen] == ["Hello", "Ping"]
    assert router.seen[0].client == "test"  # type: ignore[union-attr]
    assert client.hello()["limits"]["max_outstanding"] == MAX_OUTSTANDING
    assert client.connection == router.connection


def test_plain_requests_return_their_reply(router: Router, client: Client) -> None:
    for name in ("status", "models", "styles", "unload"):
        router.answers[name] = {"it is": name}
        assert getattr(client, name)()["it is"] == name
    router.answers["estimate"] = lambda request: {"seconds": request.recipe.content.width}
    assert client.estimate(recipe(Image("", 640, 480)))["seconds"] == 640


def test_a_refusal_is_raised_and_the_connection_stays(router: Router, client: Client) -> None:
    router.answers["status"] = VaporbrushError("busy", "The queue is full.", retry_after_s=2.5)
    with pytest.raises(RemoteError, match="The queue is full") as refusal:
        client.status()
    assert (refusal.value.code, refusal.value.retryable, refusal.value.retry_after_s) == ("busy", True, 2.5)
    client.ping()
    assert [type(request).__name__ for request in router.seen].count("Hello") == 1


def test_an_unknown_error_code_of_a_newer_daemon_is_still_an_error(router: Router, client: Client) -> None:
    error = {"code": "too_blue", "message": "The picture is too blue.", "retryable": False}
    router.answers["status"] = lambda _: encode({"id": 2, "ok": False, "error": error})
    with pytest.raises(RemoteError, match="too blue") as refusal:
        client.status()
    assert refusal.value.code == "internal"


def test_a_daemon_that_does_not_answer_is_given_up(router: Router, client: Client) -> None:
    client.ping()
    router.answers["status"] = NEVER
    with pytest.raises(LinkError, match="did not answer in time") as failure:
        client.request("status", timeout_s=0.1)
    assert failure.value.code == "timeout"
    client.ping()  # on a new connection, where the late reply cannot be mistaken for this one
    assert router.names() == ["ping", "status", "ping"]


@pytest.mark.parametrize(
    "frames",
    [
        [b"VPBR/1"],
        [b"VPBR/2", b"\x80"],
        [b"VPBR/1", b"\xc1"],
        encode({}),
        encode({"id": 2}),
        encode({"id": 99, "ok": True}),
        encode({"id": "2", "ok": True}),
        encode({"id": True, "ok": True}),
        encode({"id": 2, "ok": 1}),
        encode({"id": 2, "ok": False}),
        encode({"id": 2, "ok": False, "error": "no"}),
        encode({"id": None, "ok": True}),
    ],
)
def test_a_reply_that_breaks_the_protocol_is_told(router: Router, client: Client, frames: list[bytes]) -> None:
    router.answers["status"] = frames
    with pytest.raises(LinkError) as failure:
        client.status()
    assert failure.value.code == "bad_reply"
    client.ping()


def test_a_refusal_that_cannot_name_its_request_is_raised(router: Router, client: Client) -> None:
    error = {"code": "bad_header", "message": "The header is not valid msgpack.", "retryable": False}
    router.answers["status"] = encode({"id": None, "ok": False, "error": error})
    with pytest.raises(RemoteError, match="not valid msgpack"):
        client.status()
    client.ping()


def test_a_daemon_of_another_version_is_told_at_the_first_request(router: Router, client: Client) -> None:
    router.answers["hello"] = VaporbrushError("unsupported_version", "Update the older of the two.")
    for _ in range(2):
        with pytest.raises(RemoteError, match="Update"):
            client.ping()


def test_a_request_that_does_not_fit_is_not_sent(router: Router, client: Client) -> None:
    client.ping()
    with pytest.raises(RequestError) as failure:
        client.request("hello", {"client": "x" * 70_000})
    assert failure.value.code == "too_large"
    client.ping()
    assert router.names() == ["ping", "ping"]


def test_after_close_the_client_can_be_used_again(router: Router, client: Client) -> None:
    client.ping()
    client.close()
    client.close()
    client.ping()
    assert router.names() == ["ping", "ping"]


def test_a_restarted_daemon_is_not_noticed(router: Router, client: Client) -> None:
    client.ping()
    answers = [RESTART, {"fine": True}]
    router.answers["status"] = lambda _: answers.pop(0)
    assert client.status()["fine"]
    assert client.daemon["boot"] == "boot2"


def test_a_daemon_that_breaks_every_connection_is_given_up(router: Router, client: Client) -> None:
    router.answers["status"] = RESTART
    with pytest.raises(LinkError) as failure:
        client.status()
    assert failure.value.code == "link_lost"
    assert router.names() == ["status", "status"]  # sent twice, not for ever


def test_a_daemon_that_is_being_restarted_is_waited_for(folder: Path) -> None:
    old = Router(folder)
    with Client(old.connection, 5) as client:
        client.ping()
        old.stop()
        new: list[Router] = []
        timer = threading.Timer(0.3, lambda: new.append(Router(folder)))
        timer.start()
        client.ping()
        timer.join()
        assert new[0].names() == ["ping"]
        new[0].stop()


def test_a_daemon_that_stays_away_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaporbrush_protocol.channel.RECONNECT_S", 0.2)
    router = Router(folder)
    with Client(router.connection, 5) as client:
        client.ping()
        router.stop()
        with pytest.raises(LinkError, match="No daemon answers at ipc:") as failure:
            client.ping()
        assert failure.value.code == "no_daemon"
        with pytest.raises(LinkError, match="No daemon answers at ipc:"):
            client.ping()


def test_a_restarted_daemon_is_found_at_its_new_address(folder: Path) -> None:
    old, new = Router(folder, tcp=True), Router(folder, tcp=True)
    old.connection.write(folder)
    with Client(Connection.read(folder), 5) as client:
        client.ping()
        old.stop()
        new.connection.write(folder)
        client.ping()
        assert client.connection.endpoints == (new.endpoint,)
    new.stop()


def test_shutdown_is_sent_once_and_may_go_unanswered(router: Router, client: Client) -> None:
    router.answers["shutdown"] = RESTART
    client.shutdown(now=True)
    assert router.names() == ["shutdown"]
    router.answers["shutdown"] = {}
    client.shutdown()
    router.answers["shutdown"] = VaporbrushError("internal", "No.")
    with pytest.raises(RemoteError):
        client.shutdown()
    client.timeout_s = 0.1
    router.answers["shutdown"] = NEVER
    with pytest.raises(LinkError) as failure:
        client.shutdown()
    assert failure.value.code == "timeout"


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 12 * MIB + 7])
def test_bytes_go_up_and_come_down_the_same(router: Router, client: Client, size: int) -> None:
    data = noise(size)
    told: list[tuple[int, int]] = []
    blob = client.upload(data, lambda done, size: told.append((done, size)))
    assert blob == hashlib.sha256(data).hexdigest()
    assert bytes(router.blobs[blob].data) == data
    assert told[-1] == (size, size)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    image = Image(blob, size, 1, "GRAY") if size <= 16_384 else None
    if image:
        assert client.download(image) == data


def test_a_picture_comes_down_whole_into_new_bytes_or_a_buffer(router: Router, client: Client) -> None:
    image, pixels = square(1200)  # 5.8 MB
    client.upload(bytearray(pixels))
    told: list[int] = []
    came = client.download(image, on_progress=lambda done, _: told.append(done))
    assert type(came) is bytes
    assert came == pixels
    assert told == sorted(told)
    assert told[-1] == len(pixels)
    into = bytearray(len(pixels))
    assert client.download(image, into) is into
    assert into == pixels


def test_replies_may_come_in_any_order(router: Router, client: Client) -> None:
    image, pixels = square(1200)
    client.upload(pixels)
    held: list[Get] = []

    def backwards(request: Get) -> Any:
        held.append(request)
        return NEVER

    router.answers["get"] = backwards
    # Two threads: the second answers what the first has asked, last first.
    arrived: list[Any] = []
    thread = threading.Thread(target=lambda: arrived.append(client.download(image)))
    thread.start()
    while len(held) < 6:
        thread.join(0.01)
    router.answer_held([router.get(request) for request in held])
    thread.join(5)
    assert arrived == [pixels]


def test_what_is_there_is_not_sent_again(router: Router, client: Client) -> None:
    data = noise(3 * MIB)
    client.upload(data)
    router.seen.clear()
    client.upload(data)
    assert [request.chunk for request in router.seen if isinstance(request, Put)] == [None]


def test_an_upload_goes_on_where_another_stopped(router: Router, client: Client) -> None:
    data = noise(3 * MIB)
    blob = hashlib.sha256(data).hexdigest()
    router.blobs[blob] = Blob(len(data), bytearray(data[: MIB + 5]))
    client.upload(data)
    sent = [request for request in router.seen if isinstance(request, Put) and request.chunk is not None]
    assert [request.offset for request in sent] == [MIB + 5, 2 * MIB + 5]
    assert bytes(router.blobs[blob].data) == data


@pytest.mark.parametrize("seed", range(4))
def test_transfers_survive_connections_that_break_anywhere(router: Router, folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    image, pixels = square(1100)
    path = router.endpoint.removeprefix("ipc://")
    cuts = [dice.randint(300, 2 * MIB) for _ in range(8)]
    with (
        Listener(folder / "proxy", cutting(path, cuts)) as proxy,
        Client(Connection((proxy.endpoint,), TOKEN), 5) as client,
    ):
        until_done(lambda: client.upload(pixels))
        assert until_done(lambda: client.download(image)) == pixels
    assert bytes(router.blobs[image.blob].data) == pixels


def until_done(transfer: Any) -> Any:
    """A connection that breaks twice without progress ends a transfer; its caller may try again."""
    for _ in range(8):
        try:
            return transfer()
        except LinkError as error:
            assert error.code == "link_lost", error  # noqa: PT017
    return transfer()


def test_transfers_survive_a_restart_of_the_daemon(router: Router, client: Client) -> None:
    image, pixels = square(1200)
    deaths = [2, 4]

    def put(request: Put) -> Any:
        if deaths and len(router.names()) >= deaths[0]:
            deaths.pop(0)
            return RESTART
        return router.blobs.setdefault(request.blob, Blob(request.size)).put(request)

    router.answers["put"] = put
    client.upload(pixels)
    assert router.boots == 3
    gets = [NEVER, RESTART]
    router.answers["get"] = lambda request: gets.pop(0) if gets and request.offset else router.get(request)
    client.timeout_s = 1
    assert client.download(image) == pixels
    assert router.boots == 4


def test_an_upload_that_gave_way_to_others_begins_anew_a_few_times(router: Router, client: Client) -> None:
    _, pixels = square(1200)
    forgets = [2, 5]

    def put(request: Put) -> Any:
        if forgets and router.names().count("put") >= forgets[0]:
            forgets.pop(0)
            router.blobs.pop(request.blob, None)
        return router.blobs.setdefault(request.blob, Blob(request.size)).put(request)

    router.answers["put"] = put
    client.upload(pixels)
    assert not forgets
    router.answers["put"] = lambda request: {"have": 0 if request.chunk is None else 1, "complete": False}
    with pytest.raises(LinkError, match="does not keep more than"):
        client.upload(pixels[:-1])


def test_a_daemon_that_keeps_nothing_is_not_sent_the_bytes_for_ever(router: Router, client: Client) -> None:
    router.answers["put"] = {"have": 0, "complete": False}
    with pytest.raises(LinkError, match=r"does not keep more than 0 of 5 bytes") as failure:
        client.upload(b"bytes")
    assert failure.value.code == "bad_reply"


@pytest.mark.parametrize("reply", [{}, {"have": 6, "complete": False}, {"have": 1, "complete": 1}, {"have": -1}])
def test_a_put_reply_that_makes_no_sense_is_told(router: Router, client: Client, reply: dict[str, Any]) -> None:
    router.answers["put"] = reply
    with pytest.raises(LinkError, match="reply to `put` is not valid") as failure:
        client.upload(b"bytes")
    assert failure.value.code == "bad_reply"


def test_a_refused_chunk_ends_the_upload_with_the_first_refusal(router: Router, client: Client) -> None:
    counted: list[int] = []

    def put(request: Put) -> Any:
        counted.append(request.offset)
        full = VaporbrushError("disk_full", f"No room at {request.offset}.")
        return full if request.chunk else {"have": 0, "complete": False}

    router.answers["put"] = put
    with pytest.raises(RemoteError, match=r"No room at 0\.") as refusal:
        client.upload(noise(30 * MIB))
    assert refusal.value.code == "disk_full"
    assert len(counted) <= 1 + MAX_OUTSTANDING  # nothing more was sent after the refusal
    client.ping()


def test_a_chunk_of_another_length_than_asked_for_is_told(router: Router, client: Client) -> None:
    image, pixels = square()
    for wrong in ({}, ({}, pixels[:-1]), ({}, pixels + b"x")):
        router.answers["get"] = wrong
        with pytest.raises(LinkError, match=r"sent \d+ bytes of a picture instead of 16384"):
            client.download(image)


def test_a_damaged_picture_is_not_handed_out(router: Router, client: Client) -> None:
    image, pixels = square()
    router.answers["get"] = ({}, pixels[:-1] + bytes([pixels[-1] ^ 1]))
    with pytest.raises(LinkError, match="damaged: its sha256 is not") as failure:
        client.download(image)
    assert failure.value.code == "bad_reply"


@pytest.mark.parametrize("into", [bytearray(5), bytes(64 * 64 * 4)], ids=["too small", "read-only"])
def test_a_buffer_that_does_not_fit_is_refused_before_anything_is_fetched(client: Client, into: bytes) -> None:
    with pytest.raises(RequestError, match="writable buffer of 16384 bytes"):
        client.download(square()[0], into)
    assert client.daemon == {}


def test_an_exception_in_a_progress_callback_leaves_the_client_usable(router: Router, client: Client) -> None:
    def stop(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.upload(noise(20 * MIB), stop)
    client.ping()


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def state(word: str, seq: int, **more: object) -> dict[str, Any]:
    return {"job": JOB, "state": word, "seq": seq, "kind": "paint", "label": "", "position": 0, **more}


def finished(image: Image, seq: int = 9) -> dict[str, Any]:
    return state("done", seq, result={"image": image.to_wire(), "canvas": image.to_wire()})


PAINTING = {"phase": "painting", "scale": 1, "scales": 2, "step": 5, "steps": 10, "elapsed_s": 1.0}


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
def test_a_job_that_makes_no_sense_is_told(router: Router, client: Client, reply: dict[str, Any]) -> None:
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


# ── the whole round ──────────────────────────────────────────────────────────────────────────────────────────────


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
