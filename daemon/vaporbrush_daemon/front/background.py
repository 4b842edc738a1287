"""Work that would hold the loop up, such as hashing a large picture or waiting for the disk, in threads beside it."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from vaporbrush_daemon import logs
from vaporbrush_daemon.children import Children

Lane = Literal["disk", "hash", "pictures"]


@dataclass(frozen=True, slots=True)
class Task:
    """`work` runs in a thread and touches nothing shared; `then` runs in the loop with what it returned or raised."""

    work: Callable[[], Any]
    then: Callable[[Any], None]


class Background:
    """A thread for each lane, started when it is first needed. The tasks of one lane run in order, which is what makes
    a record on the disk never older than the reply that told of it. `bell` is readable when a task is done. `children`
    are the programs that tasks wait for.
    """

    def __init__(self) -> None:
        self.children = Children()
        self._lanes: dict[Lane, queue.SimpleQueue[Task]] = {}
        self._done: queue.SimpleQueue[tuple[Task, Any]] = queue.SimpleQueue()
        self.bell, self._ringer = socket.socketpair()
        self.bell.setblocking(False)
        self._ringer.setblocking(False)

    def do(self, task: Task, lane: Lane) -> None:
        """Queue a task."""
        if lane not in self._lanes:
            waiting = self._lanes[lane] = queue.SimpleQueue()
            # A daemon thread: the process does not wait for a decoder in order to end.
            threading.Thread(target=self._run, args=(waiting,), name=lane, daemon=True).start()
        self._lanes[lane].put(task)

    def finish(self) -> None:
        """Run the second halves of the tasks that are done. To be called when the bell rings, and at the end."""
        with contextlib.suppress(BlockingIOError):  # nothing has rung
            self.bell.recv(4096)
        while not self._done.empty():
            task, outcome = self._done.get()
            try:
                task.then(outcome)
            except Exception as error:  # noqa: BLE001 -- one client's task must not end everybody's daemon
                logs.defect("task_defect", error)

    def drain(self, lane: Lane, timeout_s: float) -> bool:
        """Wait until all that a lane has been given is done, its second halves left out. Returns whether it is."""
        done = threading.Event()
        self.do(Task(done.set, lambda _: None), lane)
        return done.wait(timeout_s)

    def close(self) -> None:
        """Let the threads be, and end their programs: what they are at concerns nobody any more."""
        self.children.close()
        self.bell.close()
        self._ringer.close()

    def _run(self, waiting: queue.SimpleQueue[Task]) -> None:
        while True:
            task = waiting.get()
            try:
                outcome = task.work()
            except Exception as error:  # noqa: BLE001 -- it is handed to the loop, whatever it is
                outcome = error
            self._done.put((task, outcome))
            try:
                self._ringer.send(b"!")
            except BlockingIOError:
                continue  # it rings already
            except OSError:
                return  # the loop has ended
