"""Copies between a device and the host that hold up neither.

Where the device has streams, a copy goes through page-locked memory on a stream of its own: the device works on while
it runs, and only who wants its bytes waits, for it alone. Elsewhere a copy is made at once.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import torch
from torch import Tensor

from . import device as devices

AHEAD = 2  # steps that may be launched and not yet done: one that runs, and one that waits so that none is waited for


class Fetched:
    """A tensor on its way to the host."""

    def __init__(self, host: Tensor, done: Any = None) -> None:
        self._host, self._done = host, done

    def get(self) -> Tensor:
        """The tensor on the host, when it has arrived."""
        if self._done is not None:
            self._done.synchronize()
            self._done = None
        return self._host


class Sent:
    """A tensor on its way to the device."""

    def __init__(self, transfer: Transfer, there: Tensor, done: Any = None) -> None:
        self._transfer, self._there, self._done = transfer, there, done

    def get(self) -> Tensor:
        """The tensor on the device, for what is launched from now on: that waits, and nobody on the host does."""
        if self._done is not None:
            self._transfer.used(self._there, self._done)
            self._done = None
        return self._there


class Transfer:
    """The way between one device and the host."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.backend = device, devices.streams_of(str(device))
        self.stream = None if self.backend is None else self.backend.Stream(str(device))
        self._under_way: deque[Any] = deque()  # events, one at the end of each step that was launched

    @property
    def at_once(self) -> bool:
        """Whether what is fetched is there as soon as it was asked for."""
        return self.stream is None

    def far(self, tensor: Tensor) -> bool:
        """Whether a tensor is not on the device."""
        return self._is_elsewhere(tensor)

    def fetch(self, tensor: Tensor) -> Fetched:
        """Send a tensor to the host, as it is after all that was launched until now; it must not be written to after
        that.
        """
        if self.stream is None or self._is_elsewhere(tensor):
            return Fetched(tensor.cpu())
        host = self._page_locked(tensor)
        self.stream.wait_stream(self._current())
        with self.backend.stream(self.stream):
            self._copy(host, tensor)
            done = self.stream.record_event()
        return Fetched(host, done)

    def send(self, tensor: Tensor) -> Sent:
        """Send a tensor to the device. What it says is taken down at once: it may be written to after that."""
        if self.stream is None or not self.far(tensor):
            return Sent(self, tensor.to(self.device))
        host = self._page_locked(tensor).copy_(tensor)
        with self.backend.stream(self.stream):
            there = torch.empty_like(host, device=self.device)
            self._copy(there, host)
            done = self.stream.record_event()
        return Sent(self, there, done)

    def used(self, there: Tensor, done: Any) -> None:
        """What is launched from now on waits for `done`, which brings `there`."""
        self._current().wait_event(done)
        self._record(there, self._current())

    def kept(self, tensor: Tensor) -> Tensor:
        """A tensor that stays on the host, where it can be copied from without anybody's waiting."""
        if self.stream is None or not self.far(tensor):
            return tensor
        return self._page_locked(tensor).copy_(tensor)

    def step_launched(self) -> None:
        """Wait until no more than AHEAD steps are under way: whoever cancels must not wait for a hundred that were
        launched in a moment, and progress is what the device has done.
        """
        if self.stream is None:
            return
        self._under_way.append(self._current().record_event())
        if len(self._under_way) > AHEAD:
            self._under_way.popleft().synchronize()

    def _is_elsewhere(self, tensor: Tensor) -> bool:
        """There is one device and the host; a device without an index, `mps`, is not equal to that of its tensors."""
        return (tensor.device.type == "cpu") != (self.device.type == "cpu")

    def _current(self) -> Any:
        return self.backend.current_stream(str(self.device))

    @staticmethod
    def _page_locked(like: Tensor) -> Tensor:
        return torch.empty_like(like, device="cpu", pin_memory=True)

    def _copy(self, into: Tensor, source: Tensor) -> None:
        into.copy_(source, non_blocking=True)
        if not self._is_elsewhere(source):
            self._record(source, self.stream)

    @staticmethod
    def _record(tensor: Tensor, stream: Any) -> None:
        """Its memory is not given to others before the stream has done with it."""
        tensor.record_stream(stream)
