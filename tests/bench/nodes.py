"""A film on a studio of fake nodes: `python -m tests.bench.nodes [--nodes 8] [--frames 1000] [--kill 2] [--least 6.5]`.

Real nodes, bridge and mutual TLS, all on this machine, with workers that sleep in place of painting; so what is
measured is how well the devices are kept busy. One node paints `--alone` frames, and the rest of that is arithmetic.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support.daemon import until  # noqa: E402
from support.nodes import StudioOfNodes, studio  # noqa: E402
from support.program import PROGRAM  # noqa: E402
from vaporbrush_daemon.images import files as pictures  # noqa: E402

SIDE = 32  # pixels: what travels is not what is measured


def film(folder: Path, frames: int) -> list[np.ndarray]:
    """A folder of tiny frames of one scene, no two alike, and their pixels."""
    folder.mkdir()
    scene = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    made = []
    for number in range(frames):
        pixels = scene.copy()
        pixels[0, 0] = number % 256, number // 256, 0
        pictures.write(folder / f"f{number:04}.png", pictures.Picture(pixels))
        made.append(pixels)
    return made


def painted(made: StudioOfNodes, folder: Path, frames: int, steps: int, kill: int) -> float:
    """Paint a film; `kill` nodes die at random on the way. Returns the seconds, after all pictures were compared."""
    shown, out = film(folder / "in", frames), folder / "out"
    pictures.write(folder / "style.png", pictures.Picture(255 - shown[0]))
    command = [*PROGRAM, "animate", str(folder / "in"), str(folder / "style.png"), "-o", str(out)]
    began = time.perf_counter()
    run = subprocess.Popen([*command, "--steps", str(steps), "--size", str(SIDE), "--json"], stdout=subprocess.DEVNULL)
    for share, name in zip((0.3, 0.6), random.sample(sorted(made.nodes), kill), strict=False):
        until(lambda share=share: len(list(out.glob("*.png"))) >= share * frames, "it goes on", 600.0)
        made.nodes[name].kill()
        print(f"  {name} killed after {time.perf_counter() - began:.1f} s")
    assert run.wait() == 0
    seconds = time.perf_counter() - began
    for number, one in enumerate(shown):
        assert np.array_equal(pictures.read(out / f"f{number:04}.png").pixels, 255 - one), f"frame {number}"
    with made.head.client() as client:
        counters = client.status()["counters"]
    done, again = (counters.get(name, 0) for name in ("jobs_done", "jobs_retried"))
    print(f"  {frames} frames, all right: {done} jobs done, {again} begun again")
    return seconds


def measured(nodes: int, frames: int, step_s: float, steps: int, kill: int) -> float:
    """Seconds for a film."""
    with tempfile.TemporaryDirectory(prefix="vp-") as name, contextlib.ExitStack() as stack:
        folder, home = Path(name), Path(name) / "home"
        os.environ["VAPORBRUSH_HOME"] = str(home)
        machines = {f"box{i}": ("--gpus", "24", "--step", str(step_s)) for i in range(1, nodes + 1)}
        made = stack.enter_context(studio(folder, home, machines))
        return painted(made, folder, frames, steps, kill)


def main() -> int:
    """Measure and print. Returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--alone", type=int, default=40, help="frames that one node paints for comparison; 0: none")
    parser.add_argument("--steps", type=int, default=10, help="of a frame")
    parser.add_argument("--step", type=float, default=0.1, help="seconds")
    parser.add_argument("--kill", type=int, default=0, help="nodes that die on the way")
    parser.add_argument("--least", type=float, default=0.0, help="times one node; fewer are exit status 1")
    options = parser.parse_args()
    how = options.step, options.steps
    each = measured(1, options.alone, *how, 0) / options.alone if options.alone else options.step * options.steps
    print(f"one node: {each:.3f} s a frame")
    seconds = measured(options.nodes, options.frames, *how, options.kill)
    times = each * options.frames / seconds
    print(f"{options.nodes} nodes: {seconds:.1f} s for {options.frames} frames, {times:.2f} times one")
    return 0 if times >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
