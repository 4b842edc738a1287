"""Whether a process still runs, where the standard library has no question for it: on Windows `os.kill` ends it."""

from __future__ import annotations

import ctypes
import os
import sys

SYNCHRONIZE = 0x100000  # the right to wait for a process
ACCESS_DENIED = 5
TIMEOUT = 0x102  # it is not at its end


def runs(pid: int) -> bool:
    """Whether a process of this number runs, also one of another user."""
    if sys.platform == "win32":  # pragma: no cover
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p  # a handle does not fit into the int that is assumed else
        handle = kernel.OpenProcess(SYNCHRONIZE, False, pid)
        if not handle:
            return ctypes.get_last_error() == ACCESS_DENIED
        try:
            return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == TIMEOUT)
        finally:
            kernel.CloseHandle(ctypes.c_void_p(handle))
    try:
        os.kill(pid, 0)
    except ProcessLookupError:  # there is none
        return False
    except PermissionError:  # it is another user's
        return True
    return True
