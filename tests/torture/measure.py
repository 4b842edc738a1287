"""What torture measures: memory and descriptors over work done, latencies, and a line fitted with its error."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from support.daemon import environment

GROWTH_BYTES = 1e6  # over the last half that are too few to matter: an allocator's steps, sessions at rest
BLOCKS = 10  # of samples, to whose means growth is fitted


@dataclass(frozen=True)
class Slope:
    """A fitted line's slope and its standard error, in y per x."""

    value: float
    error: float

    def flat(self, tolerance: float) -> bool:
        """Whether it may be 0: within twice its error, or smaller than what matters."""
        return self.value <= max(2 * self.error, tolerance)


def slope(points: Sequence[tuple[float, float]], groups: Sequence[int] | None = None) -> Slope:
    """Least squares. With `groups`, one slope for all, and an intercept for each."""
    groups = groups or [0] * len(points)
    centred: list[tuple[float, float]] = []
    for group in set(groups):
        mine = [point for point, of in zip(points, groups, strict=True) if of == group]
        x0, y0 = (sum(values) / len(mine) for values in zip(*mine, strict=True))
        centred += [(x - x0, y - y0) for x, y in mine]
    spread = sum(x * x for x, _ in centred)
    freedom = len(points) - len(set(groups)) - 1
    if freedom < 1 or spread == 0:
        return Slope(0.0, math.inf)
    value = sum(x * y for x, y in centred) / spread
    left = sum((y - value * x) ** 2 for x, y in centred)
    return Slope(value, math.sqrt(left / freedom / spread))


@dataclass
class Sampler:
    """Looks at a process every so often: (work done, resident bytes) and descriptors."""

    pid: Callable[[], int]
    work: Callable[[], float]
    every_s: float = 0.5
    memory: list[tuple[float, float]] = field(default_factory=list)
    of: list[int] = field(default_factory=list)  # the process that each sample is of
    descriptors: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(self.every_s):
            pid = self.pid()
            if not pid:
                continue
            try:
                process = psutil.Process(pid)
                resident, files = process.memory_info().rss, process.num_fds()
            except psutil.Error:  # it has just been killed
                continue
            self.memory.append((self.work(), resident))
            self.of.append(pid)
            self.descriptors.append(files)

    def growth(self) -> Slope:
        """Resident bytes per unit of work, over the last half.

        Memory grows by steps, and then rests: two samples half a second apart say the same. So the line is fitted to
        the means of blocks, which are independent enough that its error is not flattered.
        """
        half = self.memory[len(self.memory) // 2 :]
        size = max(1, len(half) // BLOCKS)
        blocks = [half[at : at + size] for at in range(0, len(half) - size + 1, size)]
        return slope([(sum(x for x, _ in one) / size, sum(y for _, y in one) / size) for one in blocks])


PINGS = """
import json, sys, time
from vaporbrush_protocol import LinkError, connect
client, took, lost = None, [], 0
while True:
    try:
        client = client or connect(name="bystander", timeout_s=60.0)
        began = time.monotonic()
        getattr(client, sys.argv[1])()
        took.append(time.monotonic() - began)
    except LinkError:
        client, lost = None, lost + 1
    print(json.dumps([took[-1] if took else None, lost]), flush=True)
    time.sleep(0.05)
"""


class Bystander:
    """Somebody else, in a process of its own, who asks twenty times a second; how long each answer took."""

    def __init__(self, home: Path, request: str = "ping") -> None:
        self._command = [sys.executable, "-c", PINGS, request]
        self._environment = environment(home)
        self.seconds: list[float] = []
        self.lost = 0

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, env=self._environment, stdout=subprocess.PIPE, text=True)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        return self

    def _read(self) -> None:
        for line in self._process.stdout or ():
            seconds, self.lost = json.loads(line)
            if seconds is not None:
                self.seconds.append(seconds)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def at(self, share: float) -> float:
        """The latency that this share of the answers stayed below, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.inf


@dataclass
class Report:
    """Lines of what was measured, and what was not as it must be."""

    title: str
    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def say(self, what: str, *, holds: bool = True) -> None:
        """A figure, and whether what is promised of it holds."""
        self.lines.append(f"{'  ' if holds else '✗ '}{what}")
        if not holds:
            self.broken.append(what)

    def __str__(self) -> str:
        return "\n".join([self.title, *(f"  {line}" for line in self.lines)])
