"""How this process's C library keeps memory.

A step's activations are freed and asked for again at the next step. glibc hands blocks of that size back to the system
at once and gets fresh pages, each of which costs a fault and is cleared: a third of a step at 1024 px. So where memory
is ample, the heap keeps what is freed while a painting is under way, and gives it back at its end. Such a heap has
gaps, up to as much again; where memory is not ample, large blocks are mapped on their own, and leave none.
"""

from __future__ import annotations

import ctypes
import platform

# Parameters of mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
_LARGE = (
    8 << 20
)  # bytes: a block that is mapped on its own; half of it saves 4 % of the peak, twice as much costs 5 to 15
_SPARE = 256 << 20  # bytes at the heap's end that are not given back: what a tile frees there and asks for again
_MAPS = 65536  # blocks that may be mapped: glibc's default
_libc = ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None  # other libraries decide for themselves


def keep() -> None:
    """From now on no block is mapped on its own, nothing is given back by itself, all threads share one heap."""
    _set((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1))


def spare() -> None:
    """From now on large blocks are mapped on their own, and given back when they are freed."""
    _set((_MMAP_MAX, _MAPS), (_MMAP_THRESHOLD, _LARGE), (_TRIM_THRESHOLD, _SPARE), (_ARENA_MAX, 1))


def give_back() -> None:
    """Return what is free to the system, and spare from now on."""
    spare()
    if _libc is not None:
        _libc.malloc_trim(0)


def _set(*parameters: tuple[int, int]) -> None:
    if _libc is not None:
        for parameter, value in parameters:
            _libc.mallopt(parameter, value)
