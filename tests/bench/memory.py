"""What size costs: peak memory and seconds of whole paintings, each in a process of its own.

    python -m tests.bench.memory [--sizes 256,512,1024,2048] [--steps 16] [--weights FILE] [--memory GB]

Paints noise in the manner of noise, with `--steps` at the finest scale (16 fill a history of 10). Prints
for each size the plan, the peak of the process, what it grew by per pixel since the smallest size, and the seconds of a
step per megapixel at the finest scale. `--memory` bounds what may be used, which makes the planner choose tiles.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import vaporbrush_daemon.engine  # noqa: F401 - first: it settles how torch's threads wait

import numpy as np  # isort: skip

from vaporbrush_daemon import weights
from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_daemon.plan import SCHEDULES
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style

STYLE_SIDE = 512  # pixels; the style follows the painted size


class Watch:
    """Notes when each step of the finest scale ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def report(self, progress: Progress, image: Any) -> None:  # noqa: ARG002 - nobody looks
        """Only painting's finest scale counts."""
        if progress.phase == "painting" and progress.scale == progress.scales:
            self.ends.append(perf_counter())

    def wanted(self) -> Any:
        """On and on."""
        return "go"


def paint(size: int, steps: int, file: Path, memory: int | None) -> dict[str, Any]:
    """One painting, and what it took."""
    rng = np.random.default_rng(0)
    content, style = (rng.random((side, side, 4), np.float32) for side in (size, STYLE_SIDE))
    content[..., 3] = style[..., 3] = 1
    with tempfile.TemporaryDirectory(prefix="vp-") as cache:
        painter = Painter("cpu", {"vgg19": file}, Path(cache))
        # the finest scale gets its share of all steps, as in `standard`
        schedule = SCHEDULES["standard"].steps
        scales = max(1, (size // 96).bit_length())
        shares = [schedule[min(level, len(schedule) - 1)] for level in range(scales)]
        recipe = Recipe(
            Image("", size, size),
            (Style(Image("", STYLE_SIDE, STYLE_SIDE)),),
            size="full",
            steps=round(steps * sum(shares) / shares[0]),
            model="vgg19",
        )
        watch = Watch()
        facts = painter.paint(recipe, Pictures(content, [style]), watch, memory=memory).facts
    laps = [b - a for a, b in zip(watch.ends, watch.ends[1:], strict=False)]
    return {
        "plan": facts["plan"],
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "step_s": median(laps) if laps else None,
        "painting_s": facts["seconds"]["painting"],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="256,512,1024,2048")
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--weights", type=Path, default=weights.configured()[0].path)
    parser.add_argument("--memory", type=float, help="GB that may be used")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    o = parser.parse_args()
    memory = None if o.memory is None else int(o.memory * 1e9)
    if o.one is not None:
        print(json.dumps(paint(o.one, o.steps, o.weights, memory)))
        return
    base: tuple[int, int] | None = None
    for size in map(int, o.sizes.split(",")):
        command = [sys.executable, "-m", "tests.bench.memory", "--one", str(size), "--steps", str(o.steps)]
        command += ["--weights", str(o.weights), *(() if memory is None else ("--memory", str(o.memory)))]
        told = json.loads(
            subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1]
        )
        base = base or (size, told["peak"])
        grown = "" if base[0] == size else f", {(told['peak'] - base[1]) / (size**2 - base[0] ** 2):.0f} B per pixel"
        step = "" if told["step_s"] is None else f", {told['step_s'] / size**2 * 1e6:.2f} s per megapixel-step"
        print(f"{size} px, {told['plan']}: peak {told['peak'] / 1e9:.2f} GB{grown}{step}", flush=True)


if __name__ == "__main__":
    main()
