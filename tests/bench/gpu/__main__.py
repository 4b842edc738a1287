"""What only a GPU can show: `make gpu`, or `python -m tests.bench.gpu [--small] [--device cuda:0] [--parts a,b]`.

Runs from a checkout with nothing installed but Python 3.11, torch, torchvision, numpy, pillow, msgpack, safetensors and
psutil. Each part is a process with a time limit of its own; together they take less than nine minutes. Rows are kept as
they come, as JSON lines, and summed up in Markdown, in the folder that OUT names, else in build/gpu. VGG19's own
weights are taken from VAPORBRUSH_WEIGHTS or `shared`, where they are; else random ones serve for what does not depend
on them. Without a GPU it says so and runs the same on the processor at small sizes: that shows that it runs, no more.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import torch

from vaporbrush_daemon.engine import device as devices

from . import ROOT, checks, quality, recovery, speed
from .bench import Bench, weights
from .record import ROWS, Record, Row, markdown

LIMITS_S = {"checks": 100, "speed": 120, "size": 150, "quality": 110, "recovery": 50}  # 530 s in all
PATIENCE = 5  # times as long without a GPU: on a processor nobody waits for a machine that is lent
RUNS = {
    "checks": checks.run,
    "speed": speed.run_speed,
    "size": speed.run_size,
    "quality": quality.run,
    "recovery": recovery.run,
}


def main() -> int:
    """Run all parts, each in its own process, or the one that `--part` names in this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="small sizes, as without a GPU")
    parser.add_argument("--parts", default=",".join(LIMITS_S))
    parser.add_argument("--part", choices=LIMITS_S, help=argparse.SUPPRESS)
    o = parser.parse_args()
    parts = o.parts.split(",")
    if not set(parts) <= set(LIMITS_S):
        parser.error(f"--parts: {o.parts}: there are {', '.join(LIMITS_S)}")
    found = {one.name: one for one in devices.found()}
    device = next(iter(found)) if o.device == "auto" else o.device
    if device not in found:
        parser.error(f"--device: {device} is not here; there is {', '.join(found)}")
    out = Path(os.environ.get("OUT") or ROOT / "build" / "gpu").resolve()
    out.mkdir(parents=True, exist_ok=True)
    small = o.small or device == "cpu"
    record = Record(out, small)
    if o.part:
        devices.make_current(device)
        RUNS[o.part](Bench(device, record, *weights(out)))
        return 0
    (out / ROWS).unlink(missing_ok=True)
    if device == "cpu":
        print("There is no GPU that torch can use: the same runs on the processor at small sizes.", flush=True)
    failed = [part for part in parts if not _apart(part, device, record)]
    _summarise(record, found[device])
    return 1 if failed else 0


def _apart(part: str, device: str, record: Record) -> bool:
    """One part in its own process; a failure or the end of its time is a row too."""
    limit_s = LIMITS_S[part] * (PATIENCE if record.small else 1)
    print(f"\n{part}, at most {limit_s} s", flush=True)
    command = [sys.executable, "-m", "tests.bench.gpu", "--part", part, "--device", device]
    environment = os.environ | {"PYTORCH_ALLOC_CONF": "expandable_segments:True"}  # as the daemon starts its workers
    began, problem = time.perf_counter(), ""
    try:
        done = subprocess.run(
            [*command, *(["--small"] if record.small else [])],
            cwd=ROOT,
            env=environment,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        problem = f"did not end within {limit_s} s"
    else:
        problem = f"ended with status {done.returncode}" if done.returncode else ""
    if problem:
        record.add(Row(part, "the part itself", None, note=problem))
    print(f"{time.perf_counter() - began:.1f} s", flush=True)
    return not problem


def _summarise(record: Record, device: devices.Device) -> None:
    """Into the folder, and to the terminal."""
    title = device.title or platform.processor() or platform.machine()
    versions = f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}"
    head = [f"{device.name}: {title}. {versions}."]
    if record.small:
        head.append("Small sizes: these figures say nothing of a GPU.")
    text = markdown(record.rows(), head)
    (record.folder / "summary.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\n{record.folder / 'summary.md'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
