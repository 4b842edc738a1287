"""Streams without a GPU: a copy that does not block happens when somebody waits for it, no sooner.

So whoever reads what has not arrived reads zeros, and whoever writes to what is still to be sent has that sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from vaporbrush_daemon.engine.transfer import Transfer


class Event:
    """What was given to a stream until now."""

    def __init__(self, stream: Stream) -> None:
        self.stream, self.until = stream, stream.given
        self.waited = False

    def synchronize(self) -> None:
        self.waited = True
        self.stream.run(self.until)


class Stream:
    """Work in its order, done when it is waited for."""

    def __init__(self, _device: str = "") -> None:
        self.work: list[Callable[[], None]] = []
        self.given = self.done = 0
        self.events: list[Event] = []

    def give(self, work: Callable[[], None]) -> None:
        self.work.append(work)
        self.given += 1

    def run(self, until: int) -> None:
        while self.done < until:
            self.work.pop(0)()
            self.done += 1

    def wait_stream(self, other: Stream) -> None:
        other.run(other.given)

    def wait_event(self, event: Event) -> None:
        event.stream.run(event.until)

    def record_event(self) -> Event:
        self.events.append(Event(self))
        return self.events[-1]


class StandInBackend:
    """What `torch.cuda` is to an engine that copies: `Stream`, `stream`, `current_stream`."""

    Stream = Stream

    def __init__(self) -> None:
        self.main = Stream()
        self.current = self.main

    def current_stream(self, _device: str) -> Stream:
        return self.current

    @contextmanager
    def stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before


class StandInTransfer(Transfer):
    """Between the processor and itself, on these streams."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.backend, self.stream = StandInBackend(), Stream()

    @staticmethod
    def _page_locked(like: Tensor) -> Tensor:
        return torch.zeros_like(like)

    @staticmethod
    def _record(tensor: Tensor, stream: Stream) -> None:
        """There is no allocator that would give it away."""

    def _copy(self, into: Tensor, source: Tensor) -> None:
        self.backend.current.give(lambda: into.copy_(source))
