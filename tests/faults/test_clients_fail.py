"""Clients that vanish, repeat themselves, ask for too much, send damaged bytes. Somebody else's jobs always finish."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import psutil
import pytest

from support import doomed_client
from support import fake_worker as fake
from support.daemon import (
    Daemon,
    bystander,
    ended,
    environment,
    negative,
    paints,
    picture,
    recipe,
    running,
    serving,
    until,
)
from vaporbrush_protocol import Client, RemoteError, VaporbrushError


def kill_client(daemon: Daemon, phase: str, on_lease_end: str = "finish") -> str:
    """Let a client come to a phase and kill it there. Returns its job."""
    process = subprocess.Popen(
        [sys.executable, doomed_client.__file__, phase, on_lease_end],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(daemon.home),
    )
    said = process.stdout.readline().split()
    process.kill()
    process.wait()
    process.stdout.close()
    assert said[:1] == ["here"]
    return said[1] if len(said) > 1 else ""


def test_a_client_killed_while_it_uploads_leaves_an_upload_that_goes_on(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        kill_client(daemon, "upload")
        blob = hashlib.sha256(doomed_client.LARGE).hexdigest()
        have = client.request("put", {"blob": blob, "size": len(doomed_client.LARGE)})[0]
        assert (have["have"], have["complete"]) == (1 << 20, False)
        sent: list[int] = []
        client.upload(doomed_client.LARGE, lambda done, _: sent.append(done))
        assert min(sent) >= 1 << 20, "what was there is not sent again"
        assert client.request("put", {"blob": blob, "size": len(doomed_client.LARGE)})[0]["complete"]


def test_a_job_of_a_killed_client_is_cancelled_if_it_wished_so(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = kill_client(daemon, "run", "cancel")
        until(lambda: _state(client, job) == "cancelled", "the lease ends")


def test_the_result_of_a_killed_client_waits_for_another(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = client.watch(kill_client(daemon, "download"))
        assert job.state == "done"
        assert bytes(client.download(job.image)) == negative(picture(tint=9)[1])


def test_a_job_of_a_killed_client_goes_on_otherwise(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = kill_client(daemon, "run", "finish")
        # A lease as long as its own that begins later: when this one has run out, its own has too.
        later = client.submit(recipe(client, tint=1), lease_s=doomed_client.LEASE_S, on_lease_end="cancel")
        until(lambda: _state(client, later.job) == "cancelled", "the later lease ends")
        assert _state(client, job) == "running"
        assert client.finish(job).state == "running"
        assert ended(client, job).state == "done"


def _state(client: Client, job: str) -> str:
    """A job's state as a bystander sees it, without renewing its lease."""
    return next(one.state for one in client.jobs() if one.job == job)


def test_the_same_submit_a_hundred_times_at_once_paints_once(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        wanted, job = recipe(client), str(uuid.uuid4())
        wrong: list[Exception] = []

        def submit() -> None:
            try:
                with daemon.client() as mine:
                    for _ in range(10):
                        assert mine.submit(wanted, job).job == job
            except (VaporbrushError, AssertionError) as error:
                wrong.append(error)

        threads = [threading.Thread(target=submit) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []
        assert ended(client, job).attempts == 1
        assert sum(one.job == job for one in client.jobs()) == 1
        with pytest.raises(RemoteError) as refused:
            client.submit(recipe(client, tint=1), job)
        assert refused.value.code == "conflict"


def test_cancel_at_every_phase_twice_after_the_end_and_of_nothing(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        working = running(client, client.submit(recipe(client, fake.ENDLESS)))
        queued = client.submit(recipe(client, fake.ENDLESS, tint=1))
        for job in (queued, working, queued, working):
            assert client.cancel(job.job).state == "cancelled"
        done = ended(client, client.submit(recipe(client, tint=2)))
        assert client.cancel(done.job).state == "done"
        assert client.release(done.job).state == "done"
        assert client.release(done.job).state == "done"
        assert client.cancel(done.job).state == "done"
        with pytest.raises(RemoteError) as refused:
            client.cancel(str(uuid.uuid4()))
        assert refused.value.code == "unknown_job"
        starting = client.submit(recipe(client, fake.ENDLESS, tint=3))
        assert client.cancel(starting.job).state == "cancelled"


def test_a_cancelled_worker_that_is_slow_to_notice_can_still_write(daemon: Daemon, client: Client) -> None:
    job = running(client, client.submit(recipe(client, fake.DEAF)))
    work = daemon.home / "spool" / "work" / job.job
    client.cancel(job.job)
    assert work.is_dir()
    os.kill(daemon.worker_pid(), signal.SIGKILL)
    until(lambda: not work.exists(), "its folder goes with the worker")
    assert "taken away" not in daemon.log()


def test_cancel_before_the_worker_has_started(daemon: Daemon, client: Client) -> None:
    job = client.submit(recipe(client))
    assert client.cancel(job.job).state == "cancelled"
    assert paints(client, tint=1)


def test_finish_early_delivers_what_there_is(daemon: Daemon, client: Client) -> None:
    job = running(client, client.submit(recipe(client, fake.ENDLESS)))
    client.finish(job.job)
    client.finish(job.job)
    job = ended(client, job)
    assert (job.state, job.result["stopped"]) == ("done", "finish")
    assert bytes(client.download(job.image)) == negative(picture()[1])


def test_release_frees_the_spool(home: Path) -> None:
    with serving(home, history=0) as daemon, daemon.client() as client:  # which would keep the painting
        job = ended(client, client.submit(recipe(client)))
        before = client.status()["spool"]["bytes"]
        client.release(job.job)
        assert client.status()["spool"]["bytes"] == before - job.image.size_bytes
        with pytest.raises(RemoteError) as refused:
            client.download(job.image)
        assert refused.value.code == "unknown_blob"


def test_a_full_queue_refuses_politely_and_serves_every_client_in_turn(home: Path) -> None:
    with serving(home, max_jobs=12) as daemon, daemon.client() as first:
        block = running(first, first.submit(recipe(first, fake.ENDLESS)))
        clients = [daemon.client() for _ in range(3)]
        try:
            jobs = [(n, clients[n].submit(recipe(clients[n], tint=10 * n + i)).job) for n in range(3) for i in range(3)]
            with bystander_refused(first):
                first.submit(recipe(first, tint=90))
                first.submit(recipe(first, tint=91))
                first.submit(recipe(first, tint=92))
            first.cancel(block.job)
            for _, job in jobs:
                assert ended(first, job).state == "done"
            log = daemon.log()
            started = sorted(jobs, key=lambda one: log.index(f"job_started job={one[1]}"))
            assert [number for number, _ in started] == [0, 1, 2] * 3
        finally:
            for client in clients:
                client.close()


class bystander_refused:  # noqa: N801
    """The queue's last places are taken, and then it says busy."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        assert isinstance(error, RemoteError)
        assert error.code == "busy"
        assert error.retryable
        assert error.retry_after_s >= 1.0
        return True


def test_damaged_bytes_are_refused_and_the_right_ones_accepted_after(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        _, pixels = picture(tint=77)
        blob = hashlib.sha256(pixels).hexdigest()
        with pytest.raises(RemoteError) as refused:
            client.request("put", {"blob": blob, "size": len(pixels), "offset": 0}, bytes(len(pixels)))
        assert refused.value.code == "conflict"
        assert client.request("put", {"blob": blob, "size": len(pixels)})[0]["have"] == 0
        assert client.upload(pixels) == blob


def test_chunks_out_of_order_change_nothing_and_the_reply_says_where_to_go_on(daemon: Daemon, client: Client) -> None:
    data = os.urandom(3000)
    blob = hashlib.sha256(data).hexdigest()

    def put(begin: int, end: int) -> tuple[int, bool]:
        reply = client.request("put", {"blob": blob, "size": len(data), "offset": begin}, data[begin:end])[0]
        return reply["have"], reply["complete"]

    assert put(1000, 2000) == (0, False), "a gap"
    assert put(0, 1000) == (1000, False)
    assert put(0, 1000) == (1000, False), "again"
    assert put(2000, 3000) == (1000, False), "a gap"
    assert put(500, 2000) == (2000, False), "an overlap"
    assert put(2000, 3000) == (3000, True)
    assert put(0, 1000) == (3000, True), "it is there"
    got, chunk = client.request("get", {"blob": blob, "offset": 10, "size": 100})
    assert (got["total"], bytes(chunk)) == (3000, data[10:110])
    got, chunk = client.request("get", {"blob": blob, "offset": 9999, "size": 100})
    assert bytes(chunk or b"") == b""


def test_a_full_spool_is_reported_to_that_client_only_and_recovers(home: Path) -> None:
    with serving(home, spool_bytes=20_000) as daemon, daemon.client() as client:
        with bystander(daemon):
            with pytest.raises(RemoteError) as refused:
                client.upload(os.urandom(30_000))
            assert refused.value.code == "disk_full"
            assert refused.value.retryable
            assert "20000" in refused.value.message
        for number in range(20):
            client.upload(os.urandom(4000))
            assert client.status()["spool"]["bytes"] <= 20_000, number
        assert paints(client, tint=1)


def test_pictures_of_a_job_that_waits_are_never_dropped_for_others(home: Path) -> None:
    with serving(home, spool_bytes=10_000) as daemon, daemon.client() as client:
        block = running(client, client.submit(recipe(client, fake.ENDLESS)))
        waiting = client.submit(recipe(client, tint=1))
        for _ in range(5):
            client.upload(os.urandom(5000))
        with pytest.raises(RemoteError) as refused:
            client.upload(os.urandom(9000))
        assert refused.value.code == "disk_full"
        client.cancel(block.job)
        assert ended(client, waiting).state == "done"


def test_a_disk_that_is_full_is_reported_to_that_client_only_and_recovers(home: Path) -> None:
    """The kernel's limit of a file's size stands for a full disk: a write fails in the middle of an upload."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    daemon = Daemon(home).start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard)))
    try:
        with daemon.client() as client, bystander(daemon):
            data = os.urandom(3_000_000)
            with pytest.raises(RemoteError) as refused:
                client.upload(data)
            assert refused.value.code == "disk_full"
            assert list((home / "spool" / "parts").iterdir()) == []
            psutil.Process(daemon.pid).rlimit(psutil.RLIMIT_FSIZE, (hard, hard))  # somebody made room
            assert client.upload(data) == hashlib.sha256(data).hexdigest()
    finally:
        daemon.stop()


def test_pictures_that_are_not_there_or_not_as_described_are_named(daemon: Daemon, client: Client) -> None:
    from dataclasses import replace

    wanted = recipe(client)
    missing = replace(wanted.content, blob="0" * 64)
    for content, code in ((missing, "unknown_blob"), (replace(wanted.content, width=17), "bad_field")):
        with pytest.raises(RemoteError) as refused:
            client.submit(replace(wanted, content=content))
        assert refused.value.code == code
        assert content.blob in refused.value.message
    for fields, code in (({"model": "vgg99"}, "unknown_model"), ({"device": "cuda:9"}, "device_missing")):
        with pytest.raises(RemoteError) as refused:
            client.submit(replace(wanted, **fields))
        assert refused.value.code == code


def test_previews_go_to_those_who_ask_and_fit_what_they_ask(daemon: Daemon, client: Client) -> None:
    job = running(client, client.submit(recipe(client, fake.ENDLESS)))
    shown = until(lambda: client.watch(job.job, 0, 1.0, preview_side=64).preview, "a preview comes")
    assert (shown.width, len(shown.pixels)) == (64, 192)
    newer = until(lambda: client.watch(job.job, 0, 1.0, 64, shown.number).preview, "a newer one comes")
    assert newer.number > shown.number
    assert client.watch(job.job, 0).preview is None
    client.cancel(job.job)


def test_a_stopped_client_keeps_nobody_waiting_and_learns_what_became_of_its_job(daemon: Daemon) -> None:
    process = subprocess.Popen(
        [sys.executable, doomed_client.__file__, "follow", "cancel"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(daemon.home),
    )
    try:
        job = process.stdout.readline().split()[1]
        os.kill(process.pid, signal.SIGSTOP)
        with bystander(daemon), daemon.client() as client:
            until(lambda: _state(client, job) == "cancelled", "its lease ends")
        os.kill(process.pid, signal.SIGCONT)
        assert process.stdout.readline().split() == ["ended", "cancelled"]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
