"""Replacing a painter while its daemon runs: what is being painted is finished first; then the new one is in place."""

import json
import shutil
import uuid

import pytest

from support.daemon import Daemon, recipe, running, until
from support.fake_worker import ENDLESS
from support.small_painter import installed_and_served, ready, simple, state
from vaporbrush_protocol.installation import installed


@pytest.fixture
def painter(short_painter):
    return short_painter


@pytest.fixture
def daemon(painter, index):
    """The painter is installed, and a daemon runs that says it is of that environment."""
    with installed_and_served(painter, index) as running_one:
        yield running_one


def test_an_update_waits_for_the_painting_that_runs(painter, index, daemon):
    with daemon.client() as client:
        job = client.submit(recipe(client, ENDLESS), str(uuid.uuid4()), lease_s=60.0)
        running(client, job)
        child = painter.child(simple(index), backend="cuda")
        line = next(line for line in map(json.loads, child.stdout) if "Waiting for the painting" in line["line"])
        assert line["step"] == "tidy"
        assert daemon.process.poll() is None
        client.cancel(job.job)
        lines = [json.loads(line) for line in child.communicate(timeout=60)[0].splitlines()]
    assert lines[-1]["stage"] == "done"
    until(lambda: daemon.process.poll() is not None, "the old painter's daemon ends")
    ready(painter, "cuda")


def test_an_environment_deleted_under_its_daemon_is_repaired(painter, index, daemon):
    shutil.rmtree(installed(painter.home).environment)
    assert state(painter) == "damaged"
    assert painter.install(simple(index))[0].stage == "done"
    until(lambda: daemon.process.poll() is not None, "the old daemon ends")
    ready(painter)


def test_somebody_elses_daemon_is_left_alone(painter, index):
    painter.install(simple(index))
    daemon = Daemon(painter.home).start()  # as `vaporbrush install service` started it
    try:
        assert painter.install(simple(index), backend="cuda")[0].stage == "done"
        assert daemon.answers()
    finally:
        daemon.stop()
