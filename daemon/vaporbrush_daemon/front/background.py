"""Work that would hold the loop up, such as decoding a large picture, in one thread beside it."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Task:
    """`work` runs in the thread and touches nothing shared; `then` runs in the loop with what it returned or raised."""

    work: Callable[[], Any]
    then: Callable[[Any], None]


class Background:
    """One thread, tasks in order. `bell` is readable when one is done."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Task, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.bell, self._rope = socket.socketpair()
        self.bell.setblocking(False)

    def do(self, task: Task) -> None:
        """Queue a task."""
        if self._thread is None:
            # A daemon thread: the process does not wait for a decoder in order to end.
            self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
            self._thread.start()
        self._waiting.put(task)

    def finish(self) -> None:
        """Run the second halves of the tasks that are done. To be called when the bell rings."""
        self.bell.recv(4096)
        while not self._done.empty():
            task, outcome = self._done.get()
            task.then(outcome)

    def close(self) -> None:
        """Let the thread be: what it is at concerns nobody any more."""
        self.bell.close()

    def _run(self) -> None:
        while True:
            task = self._waiting.get()
            try:
                outcome = task.work()
            except Exception as error:  # noqa: BLE001 -- it is handed to the loop, whatever it is
                outcome = error
            self._done.put((task, outcome))
            try:
                self._rope.send(b"!")
            except OSError:
                return  # the loop has ended
