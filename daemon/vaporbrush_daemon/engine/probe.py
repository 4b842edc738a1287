"""What torch finds on this machine and how fast it is: `python -m vaporbrush_daemon.engine.probe` prints JSON."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import torch
import torchvision

from . import device

SPAN_S = 1.0  # of the speed test, per device; enough for the clocks of a GPU to rise
CHANNELS, SIDE = 128, 128  # one of VGG19's middle convolutions


def probe() -> dict[str, Any]:
    """Version, and for each device its name, memory in bytes (0: none of its own) and speed in GFLOP/s."""
    return {
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),  # one of another build than torch's fails to import, as here
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "devices": [_tried(one) for one in device.found()],
    }


def _tried(one: device.Device) -> dict[str, Any]:
    """A device's facts, or the error it gives: a build of torch may lack the kernels for a GPU that it finds."""
    facts: dict[str, Any] = {"device": one.name, "title": one.title, "free_bytes": 0, "gflops": 0.0, "error": ""}
    try:
        facts["gflops"] = round(_gflops(one.name), 1)
        facts["free_bytes"] = device.free_bytes(one.name) if one.total_bytes else 0
    except RuntimeError as error:
        facts["error"] = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return facts


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
