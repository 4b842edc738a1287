"""What was painted before can be had back, with its settings, by whoever painted it."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from support.daemon import ended, invited, negative, picture, recipe, serving
from support.schema import problems
from vaporbrush_daemon.guests import Guests
from vaporbrush_protocol import Client, Image, Job, RemoteError, Style
from vaporbrush_protocol.replies import check_reply

PIXELS = 16 * 16 * 3


def painted(client: Client, tint: int, **asked: object) -> Job:
    """A painting that its client has fetched and released."""
    job = ended(client, client.submit(recipe(client, tint=tint, strength=5.0 + tint), str(uuid.uuid4()), **asked))
    assert job.state == "done", job.error
    client.download(job.image)
    return client.release(job.job)


def files(home: Path) -> list[Path]:
    return sorted((home / "spool" / "history" / "files").iterdir())


def test_a_painting_that_was_released_comes_back_with_its_settings_also_after_a_restart(home: Path) -> None:
    with serving(home) as daemon:
        with daemon.client() as client:
            began = time.time()
            job = painted(client, 3, label="Layer 1", style_names=["Ink"])
            with pytest.raises(RemoteError, match="is not here"):
                client.download(job.image)
        daemon.stop()
        daemon.start()
        with daemon.client() as client:
            page = client.history()
            (entry,) = page.entries
            assert (entry.job, entry.label, entry.styles, entry.pinned) == (job.job, "Layer 1", ("Ink",), False)
            assert began - 1.0 <= entry.at <= time.time() + 1.0
            assert (page.more, page.kept) == (False, 50)
            assert page.bytes == entry.bytes == 2 * PIXELS, "the painting, which is its own thumbnail, and the style"
            assert bytes(client.download(entry.thumb)) == negative(picture(tint=3)[1]), "small as it is, it is its own"
            back = client.recall(job.job)
            assert bytes(client.download(back.entry.image)) == negative(picture(tint=3)[1])
            assert back.recipe.strength == 8.0
            style = back.recipe.styles[0].image
            assert style is not None
            assert bytes(client.download(style)) == picture(tint=103)[1]
            other, pixels = picture(tint=40)
            client.upload(pixels)
            again = ended(client, client.submit(replace(back.recipe, content=other), str(uuid.uuid4())))
            assert bytes(client.download(again.image)) == negative(pixels), "the settings paint something else, too"


def test_only_the_last_ones_are_kept_and_what_is_pinned_stays(home: Path) -> None:
    with serving(home, history=3) as daemon, daemon.client() as client:
        first = painted(client, 0)
        assert client.pin(first.job).pinned
        jobs = [painted(client, tint) for tint in range(1, 6)]
        assert [entry.job for entry in client.history().entries] == [job.job for job in [*jobs[:1:-1], first]]
        client.forget(jobs[-1].job)
        client.forget(jobs[-1].job)
        with pytest.raises(RemoteError, match="no entry") as refused:
            client.recall(jobs[-1].job)
        assert refused.value.code == "unknown_job"
        assert not client.pin(first.job, pinned=False).pinned
        painted(client, 7)
        left = client.history()
        assert [entry.job for entry in left.entries][1:] == [jobs[3].job, jobs[2].job], "unpinned, it is the oldest"
        assert sum(path.stat().st_size for path in files(home)) == left.bytes, "nothing else is left on the disk"


def test_what_is_painted_apart_from_the_history_is_not_in_it(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        painted(client, 1, history=False)
        assert client.history().entries == ()
    with serving(home, history=0) as daemon, daemon.client() as client:
        painted(client, 2)
        assert (client.history().entries, client.history().kept) == ((), 0)
    assert files(home) == []


def test_a_job_that_is_painted_anew_is_one_entry_and_stays_pinned(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        job = painted(client, 1)
        client.pin(job.job)
        client.upload(picture(tint=1)[1])
        again = ended(client, client.submit(recipe(client, tint=1, strength=6.0), job.job))
        assert again.state == "done"
        (entry,) = client.history().entries
        assert (entry.job, entry.pinned) == (job.job, True)


def test_the_history_is_counted_once_keeps_within_its_half_and_gives_way_to_what_is_painted(home: Path) -> None:
    with serving(home, spool_bytes=20 * PIXELS) as daemon, daemon.client() as client:
        for tint in range(8):
            painted(client, tint)
        page = client.history()
        assert page.room == 10 * PIXELS
        assert len(page.entries) == 5, "of two pictures each"
        assert page.bytes == 10 * PIXELS
        for tint in range(60, 90):
            client.upload(picture(tint=tint)[1])
        assert client.status()["spool"]["bytes"] <= 20 * PIXELS
        pinned = client.history().entries[0]
        client.pin(pinned.job)
        for tint in (91, 92, 93, 94):
            client.pin(painted(client, tint).job)
        with pytest.raises(RemoteError, match="no entry"):
            client.pin(painted(client, 95).job)
        large = os.urandom(12 * PIXELS)
        with pytest.raises(RemoteError, match="pinned paintings") as refused:
            client.upload(large)
        assert refused.value.code == "disk_full"
        for entry in client.history().entries:
            client.pin(entry.job, pinned=False)
        client.upload(large)
        assert bytes(client.download(Image.of(large, 12 * 16, 16, "RGB"))) == large


def test_a_guests_history_is_its_own(home: Path) -> None:
    with serving(home) as daemon:
        with daemon.client() as owner, invited(daemon, "ann") as ann, invited(daemon, "bob") as bob:
            hers, mine = painted(ann, 1), painted(owner, 2)
            assert [one.job for one in ann.history().entries] == [hers.job]
            assert [one.job for one in owner.history().entries] == [mine.job]
            assert bob.history().entries == ()
            for client, job in ((bob, hers), (bob, mine), (owner, hers), (ann, mine)):
                for ask in (client.recall, client.pin, client.history):
                    with pytest.raises(RemoteError, match=f"no entry {job.job}") as refused:
                        ask(job.job)
                    assert refused.value.code == "unknown_job"
                client.forget(job.job)
            entry = ann.recall(hers.job).entry
            assert bytes(ann.download(entry.image)) == negative(picture(tint=1)[1])
            with pytest.raises(RemoteError, match="is not here"):
                bob.download(entry.thumb)
        Guests(home).remove("ann")
        daemon.stop()
        daemon.start()
        assert len(files(home)) == 2, "a guest who is gone leaves nothing"


def test_a_disk_without_hard_links_costs_the_history_not_the_painting(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        folder = home / "spool" / "history" / "files"
        folder.rmdir()
        folder.write_text("in the way")
        painted(client, 1)
        assert client.history().entries == ()
        assert "history_not_kept" in daemon.log()


def test_damaged_files_of_the_history_are_never_served(home: Path) -> None:
    with serving(home) as daemon:
        with daemon.client() as client:
            jobs = [painted(client, tint) for tint in (1, 2, 3)]
            image = client.recall(jobs[1].job).entry.image
        daemon.stop()
        records = home / "spool" / "history" / "records"
        (records / f"{jobs[0].job}.json").write_text('{"job": 1}')
        (home / "spool" / "history" / "files" / "notes.txt").write_text("mine")
        path = home / "spool" / "history" / "files" / image.blob
        data = bytearray(path.read_bytes())
        data[0] ^= 1
        path.write_bytes(data)
        daemon.start()
        with daemon.client() as client:
            assert [entry.job for entry in client.history().entries] == [jobs[2].job, jobs[1].job]
            with pytest.raises(RemoteError) as refused:
                client.download(client.recall(jobs[1].job).entry.image)
            assert refused.value.code == "unknown_blob"
            assert len(files(home)) == 4


def test_the_replies_about_the_history_are_as_the_specification_says(home: Path) -> None:
    with serving(home) as daemon, daemon.client() as client:
        content, pixels = picture(tint=1)
        client.upload(pixels)
        jobs = []
        for number in range(60):
            asked = replace(recipe(client, tint=1, seed=0), steps=number, styles=(Style(name="mosaic"),))
            names = ["ä" * 100] * 8 if number % 2 else []
            jobs.append(ended(client, client.submit(asked, str(uuid.uuid4()), style_names=names)))
        fields = {"job": jobs[-1].job}
        for name, asked in (("history", {}), ("recall", fields), ("pin", fields), ("forget", fields)):
            reply, chunk = client.request(name, asked)
            check_reply(name, reply, chunk)
            assert problems(f"request.{name}", {"id": 1, "request": name, **asked}) == []
            assert problems(f"reply.{name}", reply) == []
        found, page = [], client.history()
        while True:
            found += page.entries
            if not page.more:
                break
            page = client.history(page.entries[-1].job)
        assert [entry.job for entry in found] == [job.job for job in jobs[-2:9:-1]]
        assert found[0].styles == ("mosaic",), "a style that was asked for by its name needs no other"
        assert content.blob not in {path.name for path in files(home)}, "what was repainted is not kept"
