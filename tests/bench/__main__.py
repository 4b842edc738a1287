"""The figures of the README: `python -m tests.bench [--sizes 384,512] [--model auto] [--device auto]` (`make bench`).

Paints the demo pair through the command line, cold (a fresh daemon and worker) and warm (the second run), with
whatever model is here (VAPORBRUSH_WEIGHTS names VGG19's weights), then measures the link. Each figure is of one run on
this machine as it is: close other programs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from vaporbrush_daemon import machine, packaged, weights

PROGRAM = (sys.executable, "-m", "vaporbrush_daemon")
IDLE_S = 3.0  # after which the front has nothing left to do


def main() -> None:
    """Measure and print, one line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="384,512", help="longest sides in pixels")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    full = weights.configured()[0]
    if full.present:  # the private home has neither models nor configuration
        os.environ[weights.VARIABLE] = str(full.path)
    with tempfile.TemporaryDirectory(prefix="vp-") as folder:
        os.environ["VAPORBRUSH_HOME"] = folder
        try:
            print(f"{front_bytes() / 1e6:.1f} MB: the idle front's resident memory")
            for size in map(int, options.sizes.split(",")):
                for temperature in ("cold", "warm"):
                    print(painting(Path(folder), size, options.model, options.device, temperature), flush=True)
                run("stop", "--now")
        finally:
            run("stop", "--now")
    print(flush=True)
    subprocess.run([sys.executable, "-m", "tests.bench.link"], check=True)


def painting(folder: Path, size: int, model: str, device: str, temperature: str) -> str:
    """One painting in one line."""
    content = next(packaged.art().glob("demo/content.*"))
    began = time.perf_counter()
    told = json.loads(
        run(
            *("stylize", str(content), "@vaporwave", "-o", str(folder / "out.png"), "--size", str(size)),
            *("--model", model, "--device", device, "--json"),
        )
    )
    whole_s, seconds = time.perf_counter() - began, told["seconds"]
    each = seconds["painting"] / max(1, told["steps_done"])
    phases = ", ".join(f"{name} {seconds[name]:.2f}" for name in ("loading", "style", "painting", "finishing"))
    where = f"{told['model']} on {told['device']} in {told['precision']}"
    steps = f"{each:.3f} s a step × {told['steps_done']}"
    return f"{size} px {temperature}: {steps}, {whole_s:.1f} s in all ({phases}); {where}"


def front_bytes() -> int:
    """Resident memory of a daemon that has served a request and does nothing."""
    run("serve")
    state: dict[str, Any] = json.loads(run("status", "--json"))
    time.sleep(IDLE_S)
    return machine.resident_bytes(int(state["pid"]))


def run(*arguments: str) -> str:
    """A command's stdout; its failure is ours."""
    done = subprocess.run([*PROGRAM, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"`vaporbrush {arguments[0]}` failed with status {done.returncode}.")
    return done.stdout


if __name__ == "__main__":
    main()
