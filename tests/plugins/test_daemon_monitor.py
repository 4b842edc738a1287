"""What the monitor says stands for as long as it is true."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import Any

from vaporbrush_host.daemon_monitor import Condition, DaemonMonitor, Estimated
from vaporbrush_protocol import Image, Recipe, Style


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
