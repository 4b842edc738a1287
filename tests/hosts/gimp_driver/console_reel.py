"""Runs inside gimp-console: a longer film, which two GPUs paint at once by a script. test_gimp_reel.py judges it."""

import os
import sys

sys.path.insert(0, os.environ["VAPORBRUSH_TEST_FOLDER"])  # where these files were copied to

from console_film import add, painted, told
from console_kit import check, load, names, tell
from gi.repository import Gegl, Gimp

COUNT = 14
WHOLE = (5, 10)  # frames that are laid over nothing
SEED = 100  # with which the fake worker does well


@check
def reel():
    image, before = load("content.png"), len(Gimp.get_images())
    for number in range(1, COUNT):
        if number in WHOLE:
            add(image, f"Frame {number} (replace)", "content.png")
        else:
            add(image, f"Frame {number} (combine)", "patch.png", at=(3 * number, number))
    found = told(painted(image, seed=SEED), "reel")
    return {**found, "source": names(image)[::-1], "images": len(Gimp.get_images()) - before}


Gegl.init(None)
tell("end", value=True)
