"""Time for the front: monotonic seconds in which this process was awake."""

from __future__ import annotations

import time
from collections.abc import Callable

SLEPT_S = 2.0  # nothing in the loop takes so long: the process was stopped, or the machine slept


class AwakeClock:
    """Time that passes only while the loop can see it.

    A process that was stopped wakes up to leases and workers that look long overdue, though it is itself that was away.
    `expect` says how long the caller is about to wait.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen = monotonic()
        self._expected = 0.0
        self.lost = 0.0  # seconds that did not count

    def __call__(self) -> float:
        """The time now, in seconds."""
        now = self._monotonic()
        away = now - self._seen
        if away - self._expected > SLEPT_S:
            # The wait that was expected is not counted either: it may have ended exactly with a lease, whose client
            # would then lose its job in the moment of waking, before its message is read.
            self.lost += away
        self._seen, self._expected = now, 0.0
        return now - self.lost

    def expect(self, wait_s: float) -> None:
        """Until the next call, so much time may pass."""
        self._expected = wait_s
