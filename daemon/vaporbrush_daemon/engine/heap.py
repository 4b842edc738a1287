"""How this process's C library keeps memory.

A step's activations are freed and asked for again at the next step. glibc hands blocks of that size back to the system
at once and gets fresh pages, each of which costs a fault and is cleared: a third of a step at 1024 px. So the heap
keeps what is freed while a painting is under way, and gives it back at its end. Such a heap has gaps, up to half as
much again, so where memory is not ample, it is left as it was.
"""

from __future__ import annotations

import ctypes
import platform

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_USUAL_TRIM, _USUAL_MAPS = 128 * 1024, 65536  # bytes and blocks: glibc's defaults
_libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None  # other libraries decide for themselves


def keep() -> None:
    """From now on: no block is mapped on its own, nothing is given back by itself, all threads share one heap."""
    if _libc is not None:
        for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1)):
            _libc.mallopt(parameter, value)


def give_back() -> None:
    """Return what is free to the system, from now on at once."""
    if _libc is not None:
        for parameter, value in ((_MMAP_MAX, _USUAL_MAPS), (_TRIM_THRESHOLD, _USUAL_TRIM)):
            _libc.mallopt(parameter, value)
        _libc.malloc_trim(0)
