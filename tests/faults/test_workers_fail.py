"""Workers that die, hang, talk nonsense or run out of memory. Somebody else's jobs always finish."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support import fake_worker as fake
from support.daemon import FAKE_WORKER, Daemon, bystander, ended, paints, recipe, running, serving, until
from support.program import gone
from vaporbrush_protocol import Client


@pytest.fixture
def daemon(home: Path):
    with serving(home, stuck_after_s=1.0) as daemon:
        yield daemon


def test_a_job_whose_worker_is_killed_is_started_again_and_comes_out_right(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = running(client, client.submit(recipe(client, fake.WELL, steps=100), lease_s=60.0))
        os.kill(daemon.worker_pid(), signal.SIGKILL)
        job = ended(client, job)
        assert (job.state, job.attempts) == ("done", 2)
        assert "SIGKILL" in job.notes[0]


def test_a_job_that_kills_two_workers_is_given_up_and_the_queue_goes_on(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = ended(client, client.submit(recipe(client, fake.DIES)))
        assert (job.state, job.error.code, job.attempts) == ("failed", "worker_crashed", 2)
        assert job.error.retryable


def test_a_worker_that_dies_once_costs_one_attempt(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = ended(client, client.submit(recipe(client, fake.DIES_ONCE)))
        assert (job.state, job.attempts) == ("done", 2)


def test_a_stuck_worker_is_replaced_and_a_job_that_sticks_twice_is_given_up(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = ended(client, client.submit(recipe(client, fake.STUCK_ONCE)))
        assert (job.state, job.attempts) == ("done", 2)
        assert "stopped making progress" in job.notes[0]
        job = ended(client, client.submit(recipe(client, fake.STUCK)))
        assert (job.state, job.error.code) == ("failed", "worker_stuck")


def test_a_stopped_worker_is_noticed(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = running(client, client.submit(recipe(client, steps=100), lease_s=60.0))
        os.kill(daemon.worker_pid(), signal.SIGSTOP)
        job = ended(client, job)
        assert (job.state, job.attempts) == ("done", 2)


def test_out_of_memory_is_tried_once_with_less_and_the_result_says_so(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = ended(client, client.submit(recipe(client, fake.OOM_ONCE)))
        assert job.state == "done"
        assert "cheaper" in job.result["degraded"]
        job = ended(client, client.submit(recipe(client, fake.OOM)))
        assert (job.state, job.error.code, job.attempts) == ("failed", "out_of_memory", 2)


def test_what_the_painter_says_of_a_failure_reaches_the_client(daemon: Daemon, client: Client) -> None:
    with bystander(daemon):
        job = ended(client, client.submit(recipe(client, fake.DIVERGES)))
        assert (job.state, job.error.code) == ("failed", "diverged")
        assert job.error.message == "The loss became NaN at step 2."
        job = ended(client, client.submit(recipe(client, fake.DISK_FULL)))
        assert (job.state, job.error.code) == ("failed", "disk_full")


@pytest.mark.parametrize("seed", fake.BROKEN)
def test_a_worker_that_breaks_the_protocol_is_ended_and_its_job_failed(
    daemon: Daemon, client: Client, seed: int
) -> None:
    """A result without a picture once ended the whole daemon."""
    with bystander(daemon):
        job = ended(client, client.submit(recipe(client, seed)))
        assert (job.state, job.error.code, job.attempts) == ("failed", "internal", 1)
        assert "broke its protocol" in job.error.message
    assert "worker_talks_nonsense" in daemon.log()


def test_a_worker_that_prints_before_it_is_ready_is_given_up(home: Path) -> None:
    with serving(home, worker_command=[*FAKE_WORKER, "--start", "nonsense"]) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client), lease_s=60.0))
        assert job.error.code == "worker_crashed"


def test_a_worker_that_cannot_start_says_why_in_the_error(home: Path) -> None:
    with serving(home, worker_command=[*FAKE_WORKER, "--start", "die"]) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client), lease_s=60.0))
        assert (job.state, job.error.code) == ("failed", "worker_crashed")
        assert "The fake worker was asked to die." in job.error.message


def test_a_worker_program_that_does_not_exist_is_named(home: Path) -> None:
    with serving(home, worker_command=["/nowhere/worker"]) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client), lease_s=60.0))
        assert job.error.code == "worker_crashed"
        assert "/nowhere/worker" in job.error.message


def test_a_worker_that_hangs_while_it_starts_is_given_up(home: Path) -> None:
    never = [*FAKE_WORKER, "--start", "never"]
    with serving(home, worker_command=never, load_stuck_after_s=0.3) as daemon, daemon.client() as client:
        job = ended(client, client.submit(recipe(client), lease_s=60.0))
        assert job.error.code == "worker_crashed"


def test_an_idle_worker_ends_gives_its_memory_back_and_is_started_for_the_next_job(home: Path) -> None:
    with serving(home, idle_unload_s=0.2) as daemon, daemon.client() as client:
        assert paints(client, tint=1)
        worker = daemon.worker_pid()
        until(lambda: gone(worker) if worker else True, "the idle worker ends")
        assert paints(client, tint=2)


def test_unload_ends_the_idle_worker_at_once(daemon: Daemon, client: Client) -> None:
    assert paints(client, tint=1)
    worker = daemon.worker_pid()
    reply = client.unload()
    assert (reply["unloaded"], reply["busy"]) == (1, 0)
    until(lambda: gone(worker), "the worker ends")
    assert paints(client, tint=2)


def test_no_worker_outlives_a_killed_daemon_not_even_a_stopped_one(home: Path) -> None:
    daemon = Daemon(home).start()
    with daemon.client() as client:
        running(client, client.submit(recipe(client, fake.ENDLESS)))
        worker = daemon.worker_pid()
    daemon.kill()
    until(lambda: gone(worker), "the worker ends", 5.0)
