"""On the path of a process, moves its wall clock by the seconds in the file MOVED_CLOCK; by 0 while there is none."""

import os
import time
from pathlib import Path

FILE = Path(os.environ["MOVED_CLOCK"])
real = time.time


def moved():
    try:
        return real() + float(FILE.read_text())
    except OSError:  # it was not moved yet
        return real()


time.time = moved
