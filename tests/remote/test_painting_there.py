"""A laptop's daemon has a workstation paint, over a real sshd: nothing twice, whatever becomes of the line."""

from __future__ import annotations

import os
import signal
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support import fake_worker as fake
from support.daemon import Daemon, ended, negative, picture, recipe, running, serving, until
from support.far_painter import RTX_4090, far_painter, must_add
from support.program import vaporbrush
from support.ssh_server import SshServer
from vaporbrush_daemon.remotes import book
from vaporbrush_daemon.remotes.ssh import Line
from vaporbrush_host import devices
from vaporbrush_protocol import Client, Connection, Job, LinkError, RemoteError
from vaporbrush_protocol.errors import VaporbrushError

MINUTE_S = 60.0


@pytest.fixture
def laptop(home: Path, added: SshServer) -> Iterator[Daemon]:
    with serving(home) as daemon:
        yield daemon


def there_client(there: SshServer) -> Client:
    """Whoever sits at the workstation."""
    return Client(Connection.read(there.home), 20.0)


def paint(client: Client, tint: int = 0, seed: int = fake.WELL, device: str = "workstation", **fields: object) -> Job:
    return client.submit(recipe(client, seed, tint=tint, device=device), str(uuid.uuid4()), lease_s=600.0, **fields)


def test_a_picture_is_painted_there_with_progress_and_previews_and_nothing_stays(
    laptop: Daemon, added: SshServer
) -> None:
    with laptop.client() as client, there_client(added) as there:
        job = running(client, paint(client, tint=3, seed=fake.ENDLESS))
        shown = until(lambda: client.watch(job.job, 0, 0.5, preview_side=64).preview, "a preview comes through")
        assert max(shown.width, shown.height) <= 64
        (theirs,) = there.jobs()
        assert (theirs.job, theirs.state) == (job.job, "running"), "under the same id"
        client.finish(job.job)
        done = ended(client, job)
        assert done.state == "done", done.error
        assert done.result is not None
        assert done.result["device"] == "workstation/cpu"
        assert bytes(client.download(done.image)) == negative(picture(tint=3)[1])
        until(lambda: there.watch(job.job).state == "done", "it has ended there")
        assert client.status()["counters"].get("jobs_failed", 0) == 0


def test_the_workstation_is_a_device_with_a_name_wherever_devices_are_chosen(laptop: Daemon, added: SshServer) -> None:
    remote = book.find(laptop.home, "workstation")
    book.write(laptop.home, [replace(remote, title="RTX 4090")])
    with laptop.client() as client:
        offered = devices.offered(client.status())
        assert [(option.value, option.label) for option in offered] == [("workstation", "workstation (RTX 4090)")]
        there = client.estimate(recipe(client, device="workstation", size="full"))
        assert (there["device"], there["measured"]) == ("workstation", False)
        assert there["seconds"] < client.estimate(recipe(client, device="cpu", size="full"))["seconds"]
        book.write(laptop.home, [])
        assert devices.offered(client.status()) == ()
        with pytest.raises(RemoteError) as refused:
            paint(client)
        assert refused.value.code == "device_missing"


def test_what_a_workstation_paints_on_is_known_when_it_has_painted_for_the_first_time(home: Path) -> None:
    with far_painter(**RTX_4090) as there, serving(home) as laptop, laptop.client() as client:
        must_add(there)
        assert [option.label for option in devices.offered(client.status())] == ["workstation"]
        done = ended(client, paint(client, tint=2))
        assert done.result is not None
        assert done.result["device"] == "workstation/cuda:0"
        assert [option.label for option in devices.offered(client.status())] == ["workstation (RTX 4090)"]


def test_a_cancel_here_is_a_cancel_there(laptop: Daemon, added: SshServer) -> None:
    with laptop.client() as client, there_client(added) as there:
        job = running(client, paint(client, seed=fake.ENDLESS))
        client.cancel(job.job)
        until(lambda: there.watch(job.job).state == "cancelled", "it is cancelled there")
        assert ended(client, paint(client, tint=5)).state == "done", "and the next one is painted"


def test_a_line_that_is_frozen_and_cut_has_the_picture_painted_once_all_the_same(
    laptop: Daemon, added: SshServer
) -> None:
    with laptop.client() as client, there_client(added) as there:
        job = running(client, paint(client, tint=7, seed=fake.ENDLESS))
        frozen = added.children()
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(2.0)
        assert client.watch(job.job).state == "running"
        added.stop()
        noted = until(lambda: client.watch(job.job, 0, 0.2).notes, "the client is told", 60.0)
        assert "workstation" in noted[0]
        assert "goes on there" in noted[0]
        there.finish(job.job)
        added.start()
        done = ended(client, job, 120.0)
        assert (done.state, done.attempts) == ("done", 1)
        assert bytes(client.download(done.image)) == negative(picture(tint=7)[1])
        assert there.watch(job.job).attempts == 1


def test_a_picture_that_did_not_ask_for_the_workstation_is_painted_once_when_the_line_is_away_for_over_a_minute(
    laptop: Daemon, added: SshServer
) -> None:
    with laptop.client() as client, there_client(added) as there:
        job = running(client, paint(client, tint=12, seed=fake.ENDLESS, device="auto"))
        assert there.watch(job.job).state == "running"
        for pid in added.children():
            os.kill(pid, signal.SIGSTOP)
        added.stop()
        until(lambda: client.watch(job.job, 0, 0.2).notes, "the client is told", 60.0)
        time.sleep(MINUTE_S + 2.0)  # what is asked for is a minute, not an event
        now = client.watch(job.job)
        assert (now.state, now.attempts) == ("running", 1), now.notes
        there.finish(job.job)
        added.start()
        done = ended(client, job, 120.0)
        assert (done.state, done.attempts) == ("done", 1), done.notes
        assert done.result is not None
        assert done.result["device"] == "workstation/cpu"
        assert bytes(client.download(done.image)) == negative(picture(tint=12)[1])
        assert there.watch(job.job).attempts == 1


def test_a_laptop_whose_daemon_is_killed_finds_its_picture_painted_once(laptop: Daemon, added: SshServer) -> None:
    with there_client(added) as there:
        with laptop.client() as client:
            wanted = recipe(client, fake.ENDLESS, tint=8, device="workstation")
            job = running(client, client.submit(wanted, str(uuid.uuid4()), lease_s=600.0))
        laptop.kill()
        until(lambda: not added.children(), "no line stays")
        there.finish(job.job)
        laptop.start()
        with laptop.client() as client:
            lost = client.watch(job.job)
            assert lost.state == "failed"
            done = ended(client, client.submit(wanted, job.job))
            assert done.state == "done", done.error
            assert bytes(client.download(done.image)) == negative(picture(tint=8)[1])
        assert there.watch(job.job).attempts == 1


def test_a_machine_that_is_off_is_told_in_one_sentence_and_auto_paints_here(laptop: Daemon, added: SshServer) -> None:
    added.stop()
    with laptop.client() as client:
        failed = ended(client, paint(client), 60.0)
        assert failed.error is not None
        assert failed.error.code == "unreachable"
        assert failed.error.message.startswith("workstation does not answer")
        assert failed.error.retryable
        (device,) = (one for one in client.status()["devices"] if one["device"] == "workstation")
        assert device["away"] == failed.error.message
    laptop.stop()
    laptop.start()
    with laptop.client() as client:
        done = ended(client, paint(client, tint=9, device="auto"), 60.0)
        assert done.state == "done", done.error
        assert any(note.endswith("It is painted here.") for note in done.notes)
        assert bytes(client.download(done.image)) == negative(picture(tint=9)[1])


def test_a_changed_identity_gets_no_picture(laptop: Daemon, added: SshServer) -> None:
    added.stop()
    added.make_host_key()
    added.start()
    with laptop.client() as client:
        failed = ended(client, paint(client), 60.0)
        assert failed.error is not None
        assert "identity has changed" in failed.error.message
        assert "vaporbrush remote trust workstation" in failed.error.message


def test_what_the_other_daemon_refuses_is_told_with_its_name(laptop: Daemon, added: SshServer) -> None:
    with laptop.client() as client:
        failed = ended(client, paint(client, seed=fake.DIVERGES))
        assert failed.error is not None
        assert failed.error.code == "diverged"
        assert failed.error.message.startswith("workstation: ")


def test_the_daemon_there_may_die_under_the_job(laptop: Daemon, added: SshServer) -> None:
    with laptop.client() as client:
        job = running(client, paint(client, tint=11, seed=fake.ENDLESS))
        os.kill(Connection.read(added.home).pid, signal.SIGKILL)
        with laptop.client() as another:
            until(lambda: _painting_there(added, job.job), "a new daemon there paints it", 90.0)
            another.finish(job.job)
        assert ended(client, job, 60.0).state == "done"


def _painting_there(there: SshServer, job: str) -> bool:
    try:
        with there_client(there) as client:
            return client.watch(job).progress is not None
    except VaporbrushError:  # it starts just now
        return False


def test_the_command_line_paints_there(laptop: Daemon, added: SshServer, tmp_path: Path) -> None:
    from PIL import Image

    content, style, out = tmp_path / "content.png", tmp_path / "style.png", tmp_path / "out.png"
    Image.new("RGB", (32, 32), (200, 10, 10)).save(content)
    Image.new("RGB", (32, 32), (10, 200, 10)).save(style)
    done = vaporbrush("stylize", content, style, "-o", out, "--device", "workstation")
    assert done.returncode == 0, done.stderr
    assert Image.open(out).getpixel((5, 5)) == (55, 245, 245)
    added.stop()
    vaporbrush("stop", "--now")
    here = vaporbrush("stylize", content, style, "-o", tmp_path / "here.png")
    assert here.returncode == 0, here.stderr
    assert "workstation does not answer" in here.stderr
    assert "It is painted here." in here.stderr.replace("\n", " ")


@pytest.mark.parametrize("relayed", [False, True])
def test_bytes_come_through_a_process_as_they_are(relayed: bool) -> None:
    """Relayed as on Windows, where a process cannot have a socket for its input; a Ctrl-Z is no end there."""
    echo = "import os\nwhile piece := os.read(0, 65536): os.write(1, piece)"
    line = Line(book.Remote("box", "box"), [sys.executable, "-c", echo], relayed=relayed)
    data = bytes(range(256)) * 40 + b"\x1a\r\n\n\r\x00\xff"
    line.socket.settimeout(20.0)
    line.socket.sendall(data)
    got = b""
    while len(got) < len(data) and (piece := line.socket.recv(65536)):
        got += piece
    assert got == data
    line.close()


@pytest.mark.parametrize("relayed", [False, True])
def test_the_end_of_the_other_side_is_seen_and_told(relayed: bool) -> None:
    line = Line(book.Remote("box", "box"), [sys.executable, "-c", "raise SystemExit('It is over.')"], relayed=relayed)
    with pytest.raises(LinkError, match="It is over"):
        line.greeting()
    line.close()


def test_without_ssh_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="cannot be run"):
        Line(book.Remote("box", "box"), [str(tmp_path / "no-ssh")])


def test_a_remote_that_says_rubbish_disturbs_nobody(home: Path, added: SshServer) -> None:
    """A hostile workstation: its pipe greets well and then sends noise, or nothing."""
    program = added.home / "bin" / "pipe"
    for noise in ("head -c 100000 /dev/urandom", "yes", "sleep 60"):
        greeting = '{"vaporbrush": "1", "majors": [1], "title": "w", "user": "guest:a", "token": "t"}'
        program.write_text(f"#!/bin/sh\necho '{greeting}'\n{noise}\n")
        with serving(home) as laptop, laptop.client() as client:
            job = paint(client)
            assert ended(client, paint(client, tint=2, device="cpu")).state == "done"
            failed = ended(client, job, 90.0)
            assert failed.state == "failed"
            assert client.ping() < 5.0
