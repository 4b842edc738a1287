"""Programs of ours that do one thing and end: each with a bound on its silence and its memory, and none outlives us.

A decoder of pictures and a reader of weights meet files that somebody made to hurt. What they may do then ends with
their process, and that has to end too: when it says nothing for too long, when we are told to stop even if it is
stopped itself, and when we are killed.
"""

from __future__ import annotations

import ctypes
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

import psutil

MAX_LINE_BYTES = 64 * 1024  # of what a child says; a JSON object of a few hundred bytes
PR_SET_PDEATHSIG, SIGKILL = 1, 9  # Linux, prctl(2)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a child said, line by line, and how it ended. `trouble` is a clause, empty where it ended well."""

    lines: list[str] = field(default_factory=list)
    trouble: str = ""


class Children:
    """Those of this process that run. To be used from any thread."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, module: str, arguments: Sequence[str], *, silence_s: float) -> Outcome:
        """Run `python -m MODULE ARGUMENTS…` and wait for its end; it is killed when no line comes for `silence_s`."""
        child = self._started([sys.executable, "-P", "-m", module, *arguments])
        if child is None:
            return Outcome(trouble="the daemon is ending")
        assert child.stdout is not None
        assert child.stderr is not None
        said: queue.Queue[bytes] = queue.Queue()
        complaints: list[bytes] = []
        listeners = [
            threading.Thread(target=_listen, args=(child.stdout, said.put), daemon=True),
            threading.Thread(target=_keep_last, args=(child.stderr, complaints), daemon=True),
        ]
        for listener in listeners:
            listener.start()
        lines, silent = [], False
        try:
            while line := said.get(timeout=silence_s):
                lines.append(line.decode("utf-8", "replace").rstrip())
        except queue.Empty:
            silent = True
        self._end(child)
        for listener in listeners:
            listener.join()
        if silent:
            return Outcome(lines, f"it said nothing for {silence_s:g} s and was ended")
        last = complaints[-1].decode("utf-8", "replace").strip()[:300] if complaints else ""
        return Outcome(lines, f"it ended with status {child.returncode}: {last}" if child.returncode else "")

    def close(self) -> None:
        """Kill all of them, also those that are stopped, and start no more."""
        with self._lock:
            self._closed = True
            for child in self._running:
                child.kill()

    def _started(self, command: Sequence[str]) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._closed:
                return None
            child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,  # ends with us
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            self._running.add(child)
            return child

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """Its stdout is closed or it is silent: it has a moment to end by itself in the first case."""
        with suppress(subprocess.TimeoutExpired):  # it has had its moment
            child.wait(1.0)
        child.kill()
        child.wait()
        with self._lock:
            self._running.discard(child)
        assert child.stdin is not None
        child.stdin.close()


def _listen(stream: IO[bytes], say: Callable[[bytes], None]) -> None:
    """Thread: hand on each line, and an empty one at the end."""
    with stream:
        while line := stream.readline(MAX_LINE_BYTES):
            say(line)
    say(b"")


def _keep_last(stream: IO[bytes], kept: list[bytes]) -> None:
    """Thread: of what it complains, the last line tells most."""
    with stream:
        while line := stream.readline(MAX_LINE_BYTES):
            if line.strip():
                kept[:] = [line]


# -- in the child ------------------------------------------------------------------------------------------------------


def end_with_parent() -> None:
    """To be called first in a child: end when the parent does, whatever this process is at.

    Everywhere the end of stdin tells; Linux also ends a process that is stopped, or deep inside a decoder.
    """
    end_with_parent_even_if_stopped()
    threading.Thread(target=_wait_for_the_end, name="parent", daemon=True).start()


def end_with_parent_even_if_stopped() -> None:
    """The part of it that only Linux has, for children that read their stdin themselves."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a libc without it: the pipe still ends them
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass
    os._exit(1)


def limit_memory(more: int) -> None:
    """Let this process take so many bytes more than it has now: what goes beyond is a `MemoryError`, not a machine that
    swaps. To be called when everything is imported: libraries reserve address space that they never use.
    """
    _limit_address_space(psutil.Process().memory_info().vms + more)


def lift_limit() -> None:
    """Before this process starts another one, which would inherit the limit, and has its own."""
    _limit_address_space(None)


def _limit_address_space(most: int | None) -> None:
    if sys.platform == "win32":
        return
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = hard if most is None else most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(ValueError, OSError):  # macOS refuses; there the predictions have to do
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
