"""What torch finds on this machine and how fast it is: `python -m vaporbrush_daemon.engine.probe` prints JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch

SPAN_S = 1.0  # of the speed test, per device; enough for the clocks of a GPU to rise
CHANNELS, SIDE = 128, 128  # one of VGG19's middle convolutions


def probe() -> dict[str, Any]:
    """Version, and for each device its name, free memory in bytes (0: unknown) and speed in GFLOP/s."""
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    names += ["mps"] if torch.backends.mps.is_available() else []
    return {
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda,
        "devices": [_device(n) for n in [*names, "cpu"]],
    }


def _device(name: str) -> dict[str, Any]:
    title, free = "", 0
    if name.startswith("cuda"):
        title = torch.cuda.get_device_name(name)
        free = int(torch.cuda.mem_get_info(name)[0])
    return {"device": name, "title": title, "free_bytes": free, "gflops": round(_gflops(name), 1)}


def _gflops(name: str) -> float:
    """Billions of operations a second in a 3×3 convolution, forward."""
    convolution = torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False).to(name)
    pixels = torch.rand(1, CHANNELS, SIDE, SIDE, device=name)  # (1, C, H, W)
    each = 2 * 9 * CHANNELS * CHANNELS * SIDE * SIDE
    with torch.inference_mode():
        float(convolution(pixels).sum())  # loads the kernels
        began, rounds = time.perf_counter(), 0
        while time.perf_counter() - began < SPAN_S:
            out = convolution(pixels)
            rounds += 1
            if rounds % 8 == 0:
                float(out[0, 0, 0, 0])  # waits for the device
        float(out.sum())
    return rounds * each / (time.perf_counter() - began) / 1e9


if __name__ == "__main__":
    json.dump(probe(), sys.stdout)
