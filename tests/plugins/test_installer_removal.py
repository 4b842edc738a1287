"""Removing the painter: its daemon ends first, and what it has open is never deleted under it."""

import os
import queue
import signal
import subprocess
import sys

import pytest

from support.daemon import Daemon, until
from support.small_painter import installed_and_served, ready, simple, state
from vaporbrush_host.installer.page import Page
from vaporbrush_host.installer.removal import Removal

WAIT_S = 120
# A process that holds the daemon's lock, as one does that still writes down what it knows.
HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "ab")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def painter(short_painter):
    return short_painter


@pytest.fixture
def daemon(painter, index):
    """The painter is installed, and a daemon runs that says it is of that environment."""
    with installed_and_served(painter, index) as running_one:
        yield running_one


def begin(painter, *, everything=False, ends_s=60.0):
    """A removal that runs. Returns it, and where it says how it ended."""
    said = queue.Queue()
    removal = Removal(painter.home, said.put, everything=everything, ends_s=ends_s)
    removal.start()
    return removal, said


@pytest.mark.parametrize("everything", [False, True])
def test_the_daemon_has_ended_when_the_painter_is_gone(painter, daemon, everything):
    _, said = begin(painter, everything=everything)
    assert said.get(timeout=WAIT_S).said == "The painter is gone."
    assert daemon.process.wait(WAIT_S) == 0
    assert not (painter.home / "painter").exists()
    assert painter.home.exists() != everything
    assert state(painter) == "absent"


@pytest.mark.skipif(sys.platform == "win32", reason="the lock is held by other means there")
def test_nothing_is_deleted_before_the_daemon_has_ended(painter, index, daemon):
    daemon.stop()
    command = [sys.executable, "-c", HOLDER, str(painter.home / "run" / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        removal, said = begin(painter)
        removal.join(1.5)
        assert said.empty()
        ready(painter)
        holder.stdin.close()
        assert said.get(timeout=WAIT_S).said == "The painter is gone."
    assert state(painter) == "absent"


@pytest.mark.skipif(sys.platform == "win32", reason="no process is stopped there")
def test_a_daemon_that_does_not_end_keeps_its_painter_and_is_told(painter, index, daemon):
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        _, said = begin(painter, everything=True, ends_s=0.5)
        told = said.get(timeout=WAIT_S)
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    assert told.error
    assert "Nothing was removed" in told.said
    ready(painter)
    page = Page(painter.plugin, queue.Queue().put, by="a test", home=painter.home)
    page.take(told)
    view = page.view()
    assert (view.mode, view.error, view.line) == ("strip", True, told.said)
    assert told.said in page.details()
    page.dismiss()
    assert page.view().mode == "hidden"


def test_somebody_elses_daemon_goes_on_unless_its_folder_goes_too(painter, index):
    painter.install(simple(index))
    daemon = Daemon(painter.home).start()  # as `vaporbrush install service` started it
    try:
        _, said = begin(painter)
        assert said.get(timeout=WAIT_S).said == "The painter is gone."
        assert daemon.answers()
        _, said = begin(painter, everything=True)
        assert said.get(timeout=WAIT_S).said == "The painter is gone."
        until(lambda: daemon.process.poll() is not None, "the daemon ends")
    finally:
        daemon.stop()


def test_a_host_that_is_closed_meanwhile_lets_the_removal_come_to_its_end(painter, daemon):
    events = queue.Queue()
    page = Page(painter.plugin, events.put, by="a test", home=painter.home)
    page.remove(everything=False)
    page.close()
    assert not (painter.home / "painter").exists()
