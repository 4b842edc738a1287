"""Work that would hold the loop up, such as decoding a large picture, in one thread beside it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import zmq

ADDRESS = "inproc://aside"


@dataclass(frozen=True, slots=True)
class Task:
    """`work` runs in the thread and touches nothing shared; `then` runs in the loop with what it returned or raised."""

    work: Callable[[], Any]
    then: Callable[[Any], None]


class Aside:
    """One thread, tasks in order. `socket` wakes the loop when one is done."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]]) -> None:
        self._context = context
        self._waiting: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[tuple[Task, Any]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.socket = context.socket(zmq.PULL)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ADDRESS)

    def do(self, task: Task) -> None:
        """Queue a task."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="aside", daemon=True)
            self._thread.start()
        self._waiting.put(task)

    def finish(self) -> None:
        """Run the second halves of the tasks that are done."""
        while self.socket.poll(0):
            self.socket.recv()
            task, outcome = self._done.get()
            task.then(outcome)

    def close(self) -> None:
        """End the thread after the task that it is at."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
        self.socket.close()

    def _run(self) -> None:
        with self._context.socket(zmq.PUSH) as push:
            push.setsockopt(zmq.LINGER, 0)
            push.connect(ADDRESS)
            while (task := self._waiting.get()) is not None:
                try:
                    outcome = task.work()
                except Exception as error:  # noqa: BLE001 -- it is handed to the loop, whatever it is
                    outcome = error
                self._done.put((task, outcome))
                push.send(b"")
