"""How both plug-ins say what the daemon does."""

from __future__ import annotations

import os
import queue
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.daemon import ROOT, Daemon, until
from support.paint_request import order
from vaporbrush_host.daemon_monitor import (
    Condition,
    DaemonMonitor,
    Estimated,
    StylesListed,
    condition_of_error,
    condition_of_status,
)
from vaporbrush_host.job_threads import ForgetThread
from vaporbrush_protocol import Image, Recipe, RemoteError, Style


class Kept:
    """A monitor and all that it posted."""

    def __init__(self, home: Path, **more: Any) -> None:
        self.posted: list[Any] = []
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.monitor = DaemonMonitor(self._queue.put, name="test", home=home, **more)
        self.monitor.start()

    def __enter__(self) -> Kept:
        self.monitor.wake(True)
        return self

    def __exit__(self, *_: object) -> None:
        self.monitor.stop()
        self.monitor.join(20)
        assert not self.monitor.is_alive()

    def first(self, kind: type, check: Callable[[Any], bool] = lambda _: True) -> Any:
        def found() -> Any:
            while not self._queue.empty():
                self.posted.append(self._queue.get())
            return next((one for one in self.posted if isinstance(one, kind) and check(one)), None)

        return until(found, f"{kind.__name__} is posted")


def test_the_monitor_says_how_the_daemon_is_and_lists_styles(daemon: Daemon) -> None:
    with Kept(daemon.home) as kept:
        assert kept.first(Condition, lambda one: one.reachable).kind == "ready"
        styles = kept.first(StylesListed).styles
        assert len(styles) >= 8
        assert all(len(one.thumb) == 3 * one.thumb_width * one.thumb_height for one in styles)
        ticket = kept.monitor.estimate(order().sizes_only())
        answer = kept.first(Estimated, lambda one: one.ticket == ticket)
        assert answer.estimate["width"] == 16


def test_the_monitor_notices_a_dead_daemon_and_a_new_one(daemon: Daemon) -> None:
    with Kept(daemon.home) as kept:
        kept.first(Condition, lambda one: one.reachable)
        daemon.kill()
        dead = kept.first(Condition, lambda one: one.kind == "stopped")
        assert [action.verb for action in dead.actions] == ["start"]
        kept.posted.clear()
        daemon.start()
        assert kept.first(Condition, lambda one: one.reachable)


def test_the_start_button_starts_a_real_daemon(daemon: Daemon) -> None:
    daemon.stop()
    command = (sys.executable, "-m", "vaporbrush_daemon.front.serve")
    with Kept(daemon.home, start_command=command) as kept:
        kept.first(Condition, lambda one: one.kind == "stopped")
        paths = os.pathsep.join(str(ROOT / name) for name in ("protocol", "daemon"))
        assert paths  # the child finds the packages as this process does: installed, or beside it
        kept.monitor.start_daemon()
        kept.first(Condition, lambda one: one.kind == "starting")
        kept.first(Condition, lambda one: one.reachable)
        with daemon.client() as client:
            client.shutdown(now=True)
    daemon.start()


def test_each_condition_names_the_next_step() -> None:
    gone = RemoteError("no_daemon", "Nobody.")
    never = condition_of_error(gone, (), flatpak=False, known=False)
    assert (never.kind, never.command, never.startable) == ("absent", "vaporbrush serve", False)
    flatpak = condition_of_error(gone, ("/a b/python", "serve"), flatpak=True, known=True)
    assert (flatpak.kind, flatpak.command, flatpak.startable) == ("stopped", "'/a b/python' serve", False)
    stopped = condition_of_error(gone, ("python",), flatpak=False, known=True)
    assert (stopped.startable, stopped.actions[0].verb) == (True, "start")
    version = condition_of_error(RemoteError("unsupported_version", "2, not 1."), (), flatpak=False, known=True)
    assert "vaporbrush install" in version.sentence


def test_the_status_becomes_words() -> None:
    worker = {"device": "cuda:0", "state": "idle", "device_memory_bytes": 2_000_000_000}
    ready = condition_of_status({"workers": [worker], "model": {"auto": "vgg19", "message": ""}})
    assert (ready.kind, ready.short, [a.label for a in ready.actions]) == ("ready", "Ready · cuda:0", ["Free the GPU"])
    lite = condition_of_status({"workers": [], "model": {"auto": "vgg19-lite", "message": "Get it."}})
    assert (lite.kind, [a.verb for a in lite.actions]) == ("lite", ["fetch"])
    loading = condition_of_status({"workers": [{**worker, "state": "loading"}], "model": {}})
    assert loading.kind == "loading"
    obstacle = {"message": "PyTorch is missing.", "command": "pip install torch"}
    broken = condition_of_status({"workers": [], "model": {"auto": "vgg19", "message": ""}, "obstacle": obstacle})
    assert (broken.kind, broken.short, broken.startable) == ("broken", "Vaporbrush cannot paint", False)
    assert broken.reachable, "the bundled styles can be looked at meanwhile"
    assert (broken.sentence, broken.command) == ("PyTorch is missing.\npip install torch", "pip install torch")


def test_why_the_daemon_did_not_start_stands_until_something_changes(home: Path) -> None:
    posted: queue.SimpleQueue[Any] = queue.SimpleQueue()
    monitor = DaemonMonitor(posted.put, name="test", start_command=("/nowhere/python",), home=home)
    monitor.start()
    monitor.start_daemon()
    monitor.look()
    monitor.look()
    monitor.estimate(Recipe(content=Image("", 32, 32), styles=(Style(name="ink"),)))
    said = []
    while not isinstance(news := posted.get(timeout=30), Estimated):  # asked for last: the looks are over
        said.append(news)
    monitor.stop()
    monitor.join(20)
    conditions = [one for one in said if isinstance(one, Condition)]
    assert [one.kind for one in conditions] == ["starting", "stopped"]
    assert "/nowhere/python" in conditions[-1].sentence
    assert monitor.condition == conditions[-1]


def test_whoever_lets_go_of_jobs_starts_no_daemon_that_was_stopped(daemon: Daemon, tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = (sys.executable, "-c", f"open({str(started)!r}, 'w')")
    monitor = DaemonMonitor(lambda _news: None, name="test", home=daemon.home, start_command=command)
    monitor.reach().close()
    daemon.stop()
    forgets = ForgetThread(("a job",), monitor.reach)
    forgets.start()
    forgets.join(30)
    assert forgets.state.error is not None
    assert forgets.state.error.code == "no_daemon"
    assert not started.exists()
