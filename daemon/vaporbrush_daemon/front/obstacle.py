"""What stands in the way of painting on this machine, as far as it can be seen without trying."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from vaporbrush_daemon.pip_command import pip_install

WORKER = "vaporbrush_daemon.workers.painter"
NEEDED = "torch"  # by the worker, in the same Python; the front does without
PACKAGES = ("torch", "torchvision")


def obstacle(worker: Sequence[str], has: Callable[[str], bool] | None = None) -> dict[str, Any] | None:
    """Why the `worker` program cannot paint: a sentence, and the command that cures it. None where nothing is known.

    `has` tells whether this Python has a package; looked up anew each time, for it may be installed meanwhile.
    """
    if not worker or worker[0] != sys.executable or WORKER not in worker:
        return None  # somebody's own program: nobody knows what it needs
    if (has or _has)(NEEDED):
        return None
    command = pip_install(*PACKAGES)
    return {"message": "PyTorch is missing, without which nothing can be painted.", "command": command}


def _has(package: str) -> bool:
    return find_spec(package) is not None
