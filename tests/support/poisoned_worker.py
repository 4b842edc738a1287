"""The real worker on a device whose driver fails once, in the middle of a painting, with an error that only a new
process gets rid of. Whether it has failed is kept in a file of the current folder, the daemon's home.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from vaporbrush_daemon.engine import painter
from vaporbrush_daemon.workers.painter import main

paint = painter.Painter.paint


def poisoned(self: painter.Painter, *given: Any, **named: Any) -> Any:
    """The first painting of all ends as a bad index in a kernel ends it."""
    mark = Path("poisoned")
    if not mark.exists():
        mark.touch()
        raise torch.AcceleratorError("CUDA error: device-side assert triggered")
    return paint(self, *given, **named)


if __name__ == "__main__":
    painter.Painter.paint = poisoned  # the driver's error cannot be had without a GPU
    sys.exit(main())
