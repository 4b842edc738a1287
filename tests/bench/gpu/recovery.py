"""Part `recovery`: how long after its worker died the next job is done."""

from __future__ import annotations

import subprocess
import sys
import time

from vaporbrush_daemon.engine import device as devices

from . import ROOT
from .bench import Bench
from .record import Row

ROUNDS = 2
AGAIN_S = 120.0  # for a process that starts, loads and paints
PAINT = """
from pathlib import Path
from tests.bench.gpu.bench import Bench, Watch, paint, noise
from tests.bench.gpu.record import Record
bench = Bench({device!r}, Record(Path({out!r}), {small!r}), Path({weights!r}), True)
paint(bench.settled(), noise({side}), noise({side}), Watch(), model={model!r}, quality="draft", steps={steps!r})
"""


def run(bench: Bench) -> None:
    """A fresh process, as the front starts one after a worker was killed, poisoned or ran out of memory."""
    before = devices.free_bytes(bench.device)
    for model in ("vgg19", "vgg19-lite"):
        side, took = bench.size(512, 64), []
        code = PAINT.format(
            device=bench.device,
            out=str(bench.out),
            small=bench.small,
            weights=str(bench.weights),
            side=side,
            model=model,
            steps=6 if bench.small else None,
        )
        for _ in range(ROUNDS):
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=AGAIN_S, check=False
            )
            if done.returncode:
                raise RuntimeError(done.stderr[-2000:])
            took.append(time.perf_counter() - began)
        what = f"worker killed, poisoned or out of memory: next job done ({model}, {side} px, `draft`)"
        note = "a fresh process from its start to the painting; the front adds milliseconds"
        bench.record.add(Row("recovery", what, min(took), "s", 10, 4, note))
    if bench.gpu:
        kept = (before - devices.free_bytes(bench.device)) / 1e6
        note = "by the driver's figure: what `unload` leaves"
        bench.record.add(Row("recovery", "memory not given back after a worker's end", kept, "MB", 50, note=note))
