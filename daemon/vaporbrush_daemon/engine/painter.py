"""The painter: from a recipe and its pictures to a painting. The method itself is `algorithm`; here are what it needs
and what becomes of its result.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_daemon.plan import Plan, Speed, plan
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Recipe

from . import algorithm, color_transfer, compose, malloc
from .device import memory_errors
from .graphs import Graphs
from .inputs import Inputs, Pictures, framed
from .losses import Losses
from .models import Models
from .monitor import Control, Monitor, no_image
from .speed import Speeds
from .style_cache import StyleCache, StyleTargets
from .transfer import Transfer

AMPLE = 2.0  # of the planned bytes: so much may be kept with its gaps (as measured, up to 1.66, at 2048 px)


class Terms(TypedDict):
    """The losses that the last step began with."""

    content: float
    style: float
    total: float


class Facts(TypedDict):
    """What a result records besides the pictures; names as in the protocol's SPEC."""

    model: str
    device: str
    precision: str
    plan: str
    steps_done: int
    stopped: Literal["steps", "finish", "converged"]
    painted: tuple[int, int]  # width, height
    delivered: tuple[int, int]
    losses: Terms | None
    seconds: dict[str, float]
    style_targets_cached: bool


@dataclass(frozen=True)
class Painting:
    """What came out."""

    pixels: Floats  # (H, W, 4): the layer to deliver
    canvas: Floats  # (h, w, 3): the picture as painted, before blending and before colours were kept, to go on from
    facts: Facts
    untouched: NDArray[np.bool_] | None = None  # (H, W): where the content's own bytes belong; None: nowhere


class Painter:
    """Owns a device: the networks loaded on it and the style targets it has seen."""

    def __init__(
        self, device: str, weights: Mapping[str, Path], cache: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`weights`: each model's file; `cache`: where speeds and style targets are kept; `clock` gives seconds."""
        self.device, self.clock = torch.device(device), clock
        self.models = Models(self.device, weights)
        self.graphs = Graphs.of(self.device)
        self.speeds = Speeds(self.models, cache, clock, self.graphs)
        self.styles = StyleCache(cache / "styles")

    def load(self, model: str, report: Callable[[Progress], None] = lambda _: None) -> Speed:
        """Make a model ready: read it and, the first time on this machine, measure which precision is faster.

        Raises unknown_model, weights_missing, weights_corrupt.
        """
        if model not in self.models:
            if model in self.models.files:
                report(Progress("loading"))
            self.models.weights(model)
        speed = self.speeds.of(model, report)
        self.models.network(model, speed.precision)
        return speed

    def paint(
        self, recipe: Recipe, pictures: Pictures, control: Control, *, plan_step: int = 0, memory: int | None = None
    ) -> Painting:
        """Paint. `recipe.model` must be a name that `load` knows. `memory`: bytes that may be used, None: no bound.
        `plan_step` 1 is a second try that needs less memory.

        Raises what `load` does, bad_field, too_small, cancelled, diverged and out_of_memory.
        """
        try:
            with memory_errors():
                return self._paint(recipe, pictures, control, plan_step, memory)
        finally:
            malloc.give_back()

    def _paint(
        self, recipe: Recipe, pictures: Pictures, control: Control, plan_step: int, memory: int | None
    ) -> Painting:
        began = self.clock()
        speed = self.load(recipe.model, lambda progress: control.report(progress, no_image))
        loaded = self.clock()
        frame = framed(recipe.styles, pictures)
        chosen = plan(
            frame.width,
            frame.height,
            recipe,
            speed,
            memory,
            plan_step=plan_step,
            start_side=_start_side(recipe, pictures),
        )
        if chosen.tile is None and (memory is None or memory > AMPLE * chosen.memory_bytes):
            malloc.keep()
        else:
            malloc.spare()
        monitor = Monitor(control, chosen, self.clock, began=began)
        monitor.seconds["loading"] = loaded - began

        where = torch.device("cpu") if chosen.host else self.device
        inputs = Inputs(recipe, pictures, frame, where, Transfer(self.device))
        network = self.models.network(recipe.model, chosen.precision)
        targets = StyleTargets(self.styles, inputs, network, self.models.identity(recipe.model), monitor)
        graphs = self.graphs if speed.graphs else Graphs(None)
        image, losses = algorithm.paint(inputs, network, targets, chosen, monitor, graphs)  # (1, 3, h, w)
        self.speeds.learn(
            recipe.model, chosen, monitor.progress.step, monitor.done, monitor.seconds.get("painting", 0.0)
        )
        with monitor.timed("finishing"):
            monitor.finish()
            canvas = image.clamp(0, 1)
            pixels, untouched = compose.deliver(
                pictures.content,
                canvas if recipe.look == "texture" else color_transfer.even(canvas, wrap=recipe.tileable),
                frame,
                inputs.cover,
                outside=recipe.outside,
                blend=recipe.blend,
                recolour=inputs.recolour(),
                wrap=recipe.tileable,
                fetch=inputs.transfer.fetch,
            )
        facts = self._facts(recipe, pictures, chosen, monitor, losses, cached=targets.all_cached)
        return Painting(pixels, canvas[0].permute(1, 2, 0).cpu().numpy(), facts, untouched)

    def _facts(
        self, recipe: Recipe, pictures: Pictures, plan: Plan, monitor: Monitor, losses: Losses | None, *, cached: bool
    ) -> Facts:
        height, width = pictures.content.shape[:2]
        terms: Terms | None = None
        if losses is not None:
            values = losses.read()
            terms = {"content": values.content, "style": values.style, "total": values.total}
        return {
            "model": recipe.model,
            "device": str(self.device),
            "precision": plan.precision,
            "plan": plan.text,
            "steps_done": monitor.progress.step,
            "stopped": monitor.stopped,
            "painted": (plan.width, plan.height),
            "delivered": (width, height),
            "losses": terms,
            "seconds": {name: round(seconds, 4) for name, seconds in monitor.seconds.items()},
            "style_targets_cached": cached,
        }


def _start_side(recipe: Recipe, pictures: Pictures) -> int | None:
    """The longest side of the canvas that the painting begins from, in pixels; None without one."""
    canvases = [canvas for _, canvas in pictures.held] if recipe.boil < 1 else []
    if not canvases and pictures.start is not None:
        canvases = [pictures.start]
    return max((int(side) for canvas in canvases for side in canvas.shape[:2]), default=None)


__all__ = ["Control", "Facts", "Painter", "Painting", "Pictures"]
