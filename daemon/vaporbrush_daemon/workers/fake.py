"""A worker without torch, for `serve --fake`: whatever it is asked to paint becomes a gradient.

For those who test a client: progress, previews, cancel and finish are as the real worker's, only sooner; the result has
all its fields, and the same recipe gives the same picture.
"""

from __future__ import annotations

import argparse
import colorsys
import hashlib
import platform
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vaporbrush_protocol.errors import RemoteError
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import CHANNEL_COUNT, Channels, Image, Recipe
from vaporbrush_protocol.result import Result
from vaporbrush_protocol.version import __version__

from .messages import DeviceFacts, Done, Failed, Paint, Preview, Progressed, Ready
from .pipe import WorkerPipe

Pixels = npt.NDArray[np.float32]
STEP_S = 0.02  # long enough for a client to see progress, short enough for its tests
STEPS = 20  # where the recipe asks for no number
TYPES: dict[str, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
}
GOLDEN = 0.618  # neighbouring seeds have colours far apart


def gradient(width: int, height: int, seed: int) -> Pixels:
    """(H, W, 3) in 0..1: from one colour at the left to another at the right, darker to the bottom."""
    hue = seed * GOLDEN % 1.0
    ends = [np.array(colorsys.hsv_to_rgb((hue + shift) % 1.0, 0.8, 1.0), np.float32) for shift in (0.0, 0.35)]
    across = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    down = np.linspace(1, 0.5, height, dtype=np.float32)[:, None, None]
    return (ends[0] * (1 - across) + ends[1] * across) * down


def encoded(pixels: Pixels, like: Image) -> bytes:
    """The pixels in the channels and depth of `like`, opaque."""
    gray = pixels.mean(axis=2, keepdims=True)
    alpha = np.ones_like(gray)
    ordered: dict[Channels, list[Pixels]] = {
        "RGB": [pixels],
        "RGBA": [pixels, alpha],
        "BGRA": [pixels[..., ::-1], alpha],
        "GRAY": [gray],
        "GRAYA": [gray, alpha],
    }
    values = np.concatenate(ordered[like.channels], axis=2)
    kind = TYPES[like.depth]
    if kind.kind == "u":
        values = np.rint(values * np.iinfo(kind).max)
    data: bytes = values.astype(kind).tobytes()
    assert len(data) == like.width * like.height * CHANNEL_COUNT[like.channels] * kind.itemsize
    return data


def painted_size(recipe: Recipe) -> tuple[int, int]:
    """Width and height that are painted: never more than the content has."""
    width, height = recipe.content.width, recipe.content.height
    longest = recipe.size if isinstance(recipe.size, int) else max(width, height)
    factor = min(1.0, longest / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


class FakePainter:
    """Paints one job after the other, as the front asks for them."""

    def __init__(self, pipe: WorkerPipe, device: str) -> None:
        self._pipe, self._device = pipe, device

    def run(self) -> None:
        """Until the front ends this process."""
        self._pipe.tell(Ready(self._device, (DeviceFacts(self._device),)))
        while True:
            self.paint(self._pipe.next_painting())

    def paint(self, command: Paint) -> None:
        """One painting, or its end by `cancel`."""
        recipe, began = command.recipe, time.monotonic()
        width, height = painted_size(recipe)
        steps = STEPS if recipe.steps is None else recipe.steps
        progress = Progress("loading")
        self._pipe.tell(Progressed(command.job, progress))
        step = 0
        while step < steps and self._pipe.wanted == "go":
            time.sleep(STEP_S)
            step += 1
            elapsed = time.monotonic() - began
            progress = Progress(
                "painting", 1, 1, step, steps, width, height,
                loss=1.0 / step, content_loss=0.25 / step, style_loss=0.75 / step,
                elapsed_s=elapsed, eta_s=(steps - step) * STEP_S,
            )  # fmt: skip
            self._pipe.tell(Progressed(command.job, progress, self._preview(width, height, recipe.seed)))
        if self._pipe.wanted == "cancel":
            self._pipe.tell(Failed(command.job, RemoteError("cancelled", "The job was cancelled.")))
            return
        self._pipe.tell(Done(command.job, self._result(command, (width, height), step, time.monotonic() - began)))

    def _preview(self, width: int, height: int, seed: int) -> Preview | None:
        side = self._pipe.preview
        if not side:
            return None
        factor = min(1.0, side / max(width, height))
        small = Image("", max(1, round(width * factor)), max(1, round(height * factor)), "RGB")
        return Preview(small.width, small.height, encoded(gradient(small.width, small.height, seed), small))

    def _result(self, command: Paint, painted: tuple[int, int], step: int, seconds: float) -> Result:
        recipe, content = command.recipe, command.recipe.content
        out = Path(command.out)

        def kept(like: Image) -> Image:
            data = encoded(gradient(like.width, like.height, recipe.seed), like)
            blob = hashlib.sha256(data).hexdigest()
            (out / blob).write_bytes(data)
            return replace(like, blob=blob)

        return Result(
            image=kept(content),
            canvas=kept(Image("", *painted, "RGB", "f32")),
            recipe=replace(recipe, size=max(painted), device=self._device),
            model=recipe.model,
            device=self._device,
            precision="none",
            plan="a gradient, by the fake worker",
            steps_done=step,
            stopped="finish" if self._pipe.wanted == "finish" else "steps",
            painted=painted,
            delivered=(content.width, content.height),
            losses={"content": 0.25 / step, "style": 0.75 / step, "total": 1.0 / step} if step else None,
            seconds={"painting": seconds},
            cached={"blobs": False, "style_targets": False, "worker_warm": True},
            versions={"vaporbrush": __version__, "python": platform.python_version()},
        )


def main() -> None:
    """`python -m vaporbrush_daemon.workers.fake --device cpu`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    device = parser.parse_args().device
    FakePainter(WorkerPipe.of_this_process(), "cpu" if device == "auto" else device).run()


if __name__ == "__main__":
    main()
