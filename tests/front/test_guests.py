"""Guests paint beside the daemon's own user and each other, and reach nothing that is not theirs."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from support import fake_worker as fake
from support.daemon import NOW, Daemon, bystander, ended, invited, negative, paints, picture, recipe, running, serving
from vaporbrush_daemon.guests import GuestError, Guests
from vaporbrush_protocol import Client, Connection, LinkError, RemoteError
from vaporbrush_protocol.endpoint import GUEST
from vaporbrush_protocol.recipe import Recipe, Style


def refusal(ask: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(RemoteError) as refused:
        ask()
    return refused.value.code, refused.value.message


def put(client: Client, chunk: bytes | None, **fields: object) -> dict[str, object]:
    return client.request("put", fields, chunk)[0]


def test_a_guest_paints_like_anybody(daemon: Daemon) -> None:
    with invited(daemon, "ann") as ann:
        assert paints(ann, tint=3)
        styles = ann.styles()["styles"]
        assert len(bytes(ann.download(_image(styles[0]["thumb"])))) > 0, "thumbnails are for everybody"


def _image(wire):
    from vaporbrush_protocol import Image

    return Image.from_wire("thumb", wire)


def test_what_belongs_to_others_does_not_exist_for_a_guest(daemon: Daemon) -> None:
    with daemon.client() as owner, invited(daemon, "ann") as ann, invited(daemon, "bob") as bob:
        mine = running(owner, owner.submit(recipe(owner, fake.ENDLESS, tint=1), str(uuid.uuid4())))
        anns = ann.submit(recipe(ann, tint=2), str(uuid.uuid4()))
        for job in (mine.job, anns.job):
            nobodys = str(uuid.uuid4())
            for ask in (bob.cancel, bob.finish, bob.release, bob.story, lambda name: bob.watch(name, 0, 0.1)):
                code, sentence = refusal(lambda ask=ask, job=job: ask(job))
                assert (code, sentence.replace(job, nobodys)) == refusal(lambda ask=ask, nobodys=nobodys: ask(nobodys))
        assert bob.jobs() == []
        assert [job.job for job in ann.jobs()] == [anns.job]
        assert {job.job for job in owner.jobs()} == {mine.job, anns.job}, "the daemon's own user sees everything"
        assert owner.watch(mine.job).state == "running"
        assert [worker["job"] for worker in bob.status()["workers"]] == [""]
        assert [worker["job"] for worker in owner.status()["workers"]] == [mine.job]
        same = recipe(bob, tint=2)
        assert refusal(lambda: bob.submit(same, anns.job))[0] == "conflict", "even with the same recipe"
        owner.cancel(anns.job)
        owner.cancel(mine.job)


def test_knowing_a_pictures_hash_does_not_give_a_guest_the_picture(daemon: Daemon) -> None:
    content, pixels = picture(tint=7)
    with daemon.client() as owner, invited(daemon, "ann") as ann:
        done = ended(owner, owner.submit(recipe(owner, tint=7), str(uuid.uuid4())))
        for image in (content, done.image):
            assert refusal(lambda image=image: ann.download(image))[0] == "unknown_blob"
            stolen = Recipe(content=image, styles=(Style(image=image),))
            assert refusal(lambda stolen=stolen: ann.submit(stolen, str(uuid.uuid4())))[0] == "unknown_blob"
        size = len(pixels)
        asked = put(ann, None, blob=content.blob, size=size)
        assert (asked["have"], asked["complete"]) == (0, False), "whether somebody has a picture is no guest's affair"
        last = put(ann, pixels[10:], blob=content.blob, size=size, offset=10)
        assert (last["have"], last["complete"]) == (0, False), "nor can it be had for its last bytes"
        assert put(ann, pixels, blob=content.blob, size=size)["complete"]
        assert bytes(ann.download(content)) == pixels
        assert bytes(owner.download(content)) == pixels
        assert bytes(owner.download(done.image)) == negative(pixels)


def test_an_upload_of_somebody_else_is_not_to_be_finished_by_a_guest(daemon: Daemon) -> None:
    pixels = bytes(range(256)) * 64
    blob, size = hashlib.sha256(pixels).hexdigest(), len(pixels)
    with daemon.client() as owner, invited(daemon, "ann") as ann:
        assert put(owner, pixels[:100], blob=blob, size=size)["have"] == 100
        assert put(ann, None, blob=blob, size=size)["have"] == 0
        assert put(ann, pixels[100:], blob=blob, size=size, offset=100)["have"] == 0
        assert put(owner, pixels[100:], blob=blob, size=size, offset=100)["complete"]
        assert put(ann, None, blob=blob, size=size)["have"] == 0


def test_what_concerns_the_whole_daemon_is_its_owners_affair(daemon: Daemon) -> None:
    with bystander(daemon), invited(daemon, "ann") as ann:
        for ask in (ann.shutdown, ann.unload, lambda: ann.fetch_model("vgg19", str(uuid.uuid4()))):
            code, sentence = refusal(ask)
            assert code == "forbidden"
            assert "ann" in sentence
        status = ann.status()
        assert (status["config"], status["endpoints"], status["log"], status["counters"]) == ({}, [], "", {})
        assert str(daemon.home) not in repr((status, ann.request("hello", {"client": "ann"})[0]))


def test_a_guest_has_as_many_jobs_as_guests_may_and_takes_turns_over_all_its_connections(home: Path) -> None:
    with serving(home, guest_jobs=3) as daemon, daemon.client() as owner, invited(daemon, "ann") as ann:
        blocking = running(owner, owner.submit(recipe(owner, fake.ENDLESS), str(uuid.uuid4())))
        jobs = [ann.submit(recipe(ann, tint=number), str(uuid.uuid4())) for number in range(2)]
        with invited(daemon, "ann") as again, invited(daemon, "bob") as bob:
            jobs.append(again.submit(recipe(again, tint=2), str(uuid.uuid4())))
            with pytest.raises(RemoteError, match="3 jobs") as refused:
                again.submit(recipe(again, tint=3), str(uuid.uuid4()))
            assert refused.value.code == "busy"
            assert refused.value.retry_after_s > 0
            his = bob.submit(recipe(bob, tint=4), str(uuid.uuid4()))
            assert bob.watch(his.job).position == 1, "after one of ann's three, not after two of her connections"
            owner.cancel(blocking.job)
            assert ended(bob, his).state == "done"
            assert [ended(ann, job).state for job in jobs] == ["done"] * 3


def test_ten_guests_take_turns_however_many_jobs_each_has(daemon: Daemon) -> None:
    names = [f"guest{number}" for number in range(10)]
    with ExitStack() as stack:
        owner = stack.enter_context(daemon.client())
        guests = [stack.enter_context(invited(daemon, name)) for name in names]
        blocking = running(owner, owner.submit(recipe(owner, fake.ENDLESS), lease_s=600.0))
        jobs = [[guest.submit(recipe(guest, tint=n), lease_s=600.0) for n in range(3)] for guest in guests]
        places = [[guest.watch(job.job).position for job in each] for guest, each in zip(guests, jobs, strict=True)]
        assert places == [[place, 10 + place, 20 + place] for place in range(10)]
        owner.cancel(blocking.job)
        for guest, each in zip(guests, jobs, strict=True):
            assert [ended(guest, job).state for job in each] == ["done"] * 3


def test_a_guest_who_is_removed_is_out_at_once(daemon: Daemon) -> None:
    with invited(daemon, "ann") as ann, invited(daemon, "bob") as bob:
        ann.ping()
        assert Guests(daemon.home).remove("ann")
        assert refusal(ann.ping)[0] == "forbidden"
        bob.ping()
        with pytest.raises(LinkError) as locked_out:
            Client(replace(Connection.read(daemon.home), path=None, token="0" * 64, user=f"{GUEST}ann"), 5.0).ping()
        assert locked_out.value.code == "wrong_token"


def test_a_guests_token_opens_nothing_under_another_name(daemon: Daemon) -> None:
    mallory = Guests(daemon.home).add("mallory", NOW)
    Guests(daemon.home).add("ann", NOW)
    here = replace(Connection.read(daemon.home), path=None)
    for user in ("vaporbrush", f"{GUEST}ann", GUEST, f"{GUEST}nobody", "root"):
        with pytest.raises(LinkError) as refused:
            Client(replace(here, token=mallory.token, user=user), 5.0).ping()
        assert refused.value.code == "wrong_token", user
    with pytest.raises(LinkError):
        Client(replace(here, user=f"{GUEST}mallory"), 5.0).ping()


def test_a_guest_finds_its_result_after_the_daemon_was_restarted_and_others_do_not(home: Path) -> None:
    with serving(home) as daemon:
        with invited(daemon, "ann") as ann:
            done = ended(ann, ann.submit(recipe(ann, tint=9), str(uuid.uuid4())))
        daemon.stop()
        daemon.start()
        with invited(daemon, "ann") as ann, invited(daemon, "bob") as bob:
            assert bytes(ann.download(done.image)) == negative(picture(tint=9)[1])
            assert refusal(lambda: bob.download(done.image))[0] == "unknown_blob"
            assert refusal(lambda: bob.watch(done.job))[0] == "unknown_job"


def test_results_that_a_guest_never_fetches_give_way(home: Path) -> None:
    side = 16 * 16 * 3
    with serving(home, spool_bytes=12 * side) as daemon, invited(daemon, "ann") as ann, daemon.client() as owner:
        jobs = [ended(ann, ann.submit(recipe(ann, tint=tint), str(uuid.uuid4()))) for tint in range(4)]
        kept = ended(owner, owner.submit(recipe(owner, tint=30), str(uuid.uuid4())))
        for tint in range(40, 60):
            owner.upload(picture(tint=tint)[1])
        assert refusal(lambda: ann.download(jobs[0].image))[0] == "unknown_blob"
        assert bytes(owner.download(kept.image)) == negative(picture(tint=30)[1])


def test_the_list_of_guests_is_read_as_it_is_now(tmp_path: Path) -> None:
    ours, theirs = Guests(tmp_path), Guests(tmp_path)
    assert ours.all() == []
    first = theirs.add("ann", NOW)
    assert ours.token("ann") == first.token == theirs.add("ann", NOW).token, "adding twice changes nothing"
    assert (tmp_path / "guests.json").stat().st_mode & 0o777 == 0o600
    assert first.token not in repr(ours.all())
    assert not ours.remove("bob")
    assert ours.remove("ann")
    assert "ann" not in theirs
    for name in ("", "a b", "../x", "-rf", "x" * 65, "ä", 'a"b', "a\n"):
        with pytest.raises(GuestError, match="no name for a guest"):
            ours.add(name, NOW)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"guests": [{"name": "ann"}]}', "\0", '{"guests": 1}',
                                  '{"guests": [{"name": "ann", "token": "", "added": ""}]}'])  # fmt: skip
def test_a_damaged_list_of_guests_lets_nobody_in(tmp_path: Path, text: str) -> None:
    guests = Guests(tmp_path)
    guests.add("ann", NOW)
    (tmp_path / "guests.json").write_text(text)
    assert guests.token("ann") == ""
    with pytest.raises(GuestError, match="is damaged"):
        guests.all()
    (tmp_path / "guests.json").unlink()
    assert guests.add("ann", NOW)
    (tmp_path / "guests.json").chmod(0o622)
    assert guests.token("ann") == "", "others could have written it"
