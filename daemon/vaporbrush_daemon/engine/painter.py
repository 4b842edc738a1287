"""The painter: from a recipe and its pictures to a painting. Read the other modules of this package first.

frame and resample  →  for each scale: targets, optimise, refine  →  compose
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_daemon.plan import GRID, Plan, Scale, Speed, overhead, plan, read_speed, write_speed
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.limits import MIN_SIDE
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import STYLE_TAPS, Recipe

from . import compose, malloc
from .device import memory_errors
from .features import Network, Weights, load_weights
from .grams import Grams, style_statistics
from .inputs import Layers, Pictures, regions
from .losses import Losses, Objective, Region, Weighting, tap_weights
from .optimiser import Adam, Lbfgs, Optimiser
from .phases import WINDOW, Course
from .pyramid import Pyramid, refine
from .style_cache import Targets

REPORT_S = 0.05  # at most 20 reports a second; the losses are read from the device only then
FIRST_MOVE = 0.005  # mean absolute change of the first step, in units of the image's range
SETTLING_MOVE = 0.001  # of the first step of the settling, which begins near the minimum
LONGEST_MOVE = 0.05  # of any step: L-BFGS without a line search may leap once before its history is good
SLOWER = 0.25  # the part of a slower measurement that is believed
AMPLE = 2.0  # of the planned bytes: so much may be kept with its gaps (as measured, up to 1.66, at 2048 px)
PROBE = 192  # pixels: side of the picture on which speed is measured
LAPS = 5  # of the measurement, after one to warm up

Wanted = Literal["go", "cancel", "finish"]
Preview = Callable[[int], tuple[bytes, int, int]]


class Control(Protocol):
    """The painter's caller, while it paints."""

    def report(self, progress: Progress, image: Preview) -> None:
        """Called at most every 50 ms; `image(side)` gives the picture so far: RGB8 rows, width, height."""
        ...

    def wanted(self) -> Wanted:
        """Asked before every step and every tile: a heartbeat too."""
        ...


@dataclass(frozen=True)
class Painting:
    """What came out. `pixels` (H, W, 4) is the layer to deliver, `canvas` (h, w, 3) the picture as painted
    (unblended, and before colours were kept): what a later job starts from. Where `untouched` (H, W), the content's
    own bytes belong.
    """

    pixels: Floats
    canvas: Floats
    facts: dict[str, Any]
    untouched: NDArray[np.bool_] | None = None


@dataclass
class _Job:
    """The state of one painting that the steps of `Painter.paint` share."""

    recipe: Recipe
    plan: Plan
    control: Control
    began: float
    phase: Progress
    done_cost: float = 0.0
    total_cost: float = 1.0
    stopped: str = "steps"
    seconds: dict[str, float] = field(default_factory=dict)
    cached: bool = True
    reported: float = -math.inf


class Painter:
    """Owns a device: the networks loaded on it and the style targets it has seen."""

    def __init__(
        self, device: str, weights: Mapping[str, Path], cache: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.device, self.files, self.cache, self.clock = torch.device(device), dict(weights), cache, clock
        self.speeds: dict[str, Speed] = {}
        self._weights: dict[str, Weights] = {}
        self._networks: dict[tuple[str, str], Network] = {}
        self._targets = Targets(cache / "styles")

    # -- models --------------------------------------------------------------------------------------------------------

    def load(self, model: str, report: Callable[[Progress], None] = lambda _: None) -> Speed:
        """Make a model ready: read it and, the first time on this machine, measure which precision is faster."""
        if model not in self.files:
            raise VaporbrushError("unknown_model", f"No model is called {model!r}; known are {', '.join(self.files)}.")
        if model not in self._weights:
            report(Progress("loading"))
            self._weights[model] = load_weights(model, self.files[model])
        if model not in self.speeds:
            speed = read_speed(self.cache, str(self.device), model)
            if not speed.measured:
                report(Progress("measuring"))
                speed = self._measure(model)
                write_speed(self.cache, str(self.device), model, speed)
            self.speeds[model] = speed
        self._network(model, self.speeds[model].precision)
        return self.speeds[model]

    def _network(self, model: str, precision: str) -> Network:
        key = (model, precision)
        if key not in self._networks:
            dtype = torch.bfloat16 if precision == "bf16" else torch.float32
            self._networks[key] = Network(self._weights[model], self.device, dtype)
        return self._networks[key]

    def _measure(self, model: str) -> Speed:
        """Time a step in both precisions on a small picture, and on a smaller one for what does not depend on size."""
        sides = (PROBE, PROBE // 4)
        works: dict[tuple[str, int], Callable[[], None]] = {}
        for precision in ("fp32", "bf16"):
            network = self._network(model, precision)
            for side in sides:
                image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.device)
                target = style_statistics(network, image.flip(2), None)
                objective = Objective(network, image, [Region(target)], Weighting(1.0, tap_weights(None)))
                works[precision, side] = partial(_one_step, objective, image)
        laps: dict[tuple[str, int], list[float]] = {key: [] for key in works}
        for _ in range(LAPS + 1):  # in turn: whatever else the machine does slows both
            for key, work in works.items():
                began = self.clock()
                work()
                laps[key].append(self.clock() - began)
        found: dict[str, tuple[float, float]] = {}
        for precision in ("fp32", "bf16"):
            large, small = (min(laps[precision, side][1:]) for side in sides)
            per_megapixel = max(1e-6, (large - small) / ((sides[0] ** 2 - sides[1] ** 2) / 1e6))
            found[precision] = (per_megapixel, max(1e-5, small - per_megapixel * sides[1] ** 2 / 1e6))
        best: Literal["bf16", "fp32"] = "bf16" if found["bf16"][0] < found["fp32"][0] else "fp32"
        self._networks.pop((model, "fp32" if best == "bf16" else "bf16"))
        return Speed(best, found[best][0], found[best][1] + 0.003, measured=True, device=str(self.device))

    # -- painting ------------------------------------------------------------------------------------------------------

    def paint(
        self, recipe: Recipe, pictures: Pictures, control: Control, *, plan_step: int = 0, memory: int | None = None
    ) -> Painting:
        """Paint. `recipe.model` must be a name that `load` knows. `memory`: bytes that may be used, None: no bound.

        Raises cancelled, diverged, too_small, out_of_memory.
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
        speed = self.load(recipe.model, lambda progress: control.report(progress, _no_image))
        loaded = self.clock()
        height, width = pictures.content.shape[:2]
        frame = framed(pictures)
        start_side = None if pictures.start is None else max(pictures.start.shape[:2])
        chosen = plan(frame.width, frame.height, recipe, speed, memory, plan_step=plan_step, start_side=start_side)
        if chosen.tile is None and (memory is None or memory > AMPLE * chosen.memory_bytes):
            malloc.keep()
        else:
            malloc.spare()
        job = _Job(recipe, chosen, control, began, Progress("style", scales=len(chosen.scales), steps=chosen.steps))
        job.seconds["loading"] = loaded - began
        job.total_cost = sum(s.cost for s in chosen.scales) or 1.0

        store = torch.device("cpu") if chosen.host else self.device
        layers = Layers(recipe, pictures, frame, store)
        network = self._network(recipe.model, chosen.precision)
        image: Tensor | None = None
        content: Tensor | None = None
        losses: Losses | None = None
        for number, scale in enumerate(chosen.scales):
            tick = self.clock()
            job.phase = replace(job.phase, phase="style", scale=number + 1, width=scale.width, height=scale.height)
            coarse = content
            content, alpha = layers.content(scale)
            if image is None or coarse is None:
                image = layers.start(scale, content)
            else:
                image = refine(image, coarse, content, wrap=recipe.tileable)
            if job.stopped == "finish":
                continue  # no more steps; but the picture grows to its size
            objective = self._objective(job, network, layers, scale, content, alpha)
            if scale is chosen.scales[-1]:
                content = coarse = None  # at this size they count, and no finer scale asks for them
            job.seconds["style"] = job.seconds.get("style", 0.0) + self.clock() - tick
            tick = self.clock()
            image, losses = self._optimise(job, objective, scale, image, layers)
            job.seconds["painting"] = job.seconds.get("painting", 0.0) + self.clock() - tick
        assert image is not None
        self._learn_speed(job)
        tick = self.clock()
        job.phase = replace(job.phase, phase="finishing")
        self._check(job)
        control.report(replace(job.phase, elapsed_s=tick - began, eta_s=0.0), _no_image)
        canvas = image.clamp(0, 1)
        pixels, untouched = compose.deliver(
            pictures.content,
            canvas,
            frame,
            pictures.mask,
            outside=recipe.outside,
            blend=recipe.blend,
            keep_colours=recipe.color == "luma",
            wrap=recipe.tileable,
        )
        job.seconds["finishing"] = self.clock() - tick
        return Painting(
            pixels, canvas[0].permute(1, 2, 0).cpu().numpy(), self._facts(job, losses, (width, height)), untouched
        )

    def _learn_speed(self, job: _Job) -> None:
        """Correct what is remembered by what this job took: at once if it was faster, else by a part (something else
        ran).
        """
        speed, seconds = self.speeds[job.recipe.model], job.seconds.get("painting", 0.0)
        whole = job.done_cost * overhead(job.plan.scales[-1], job.plan.tile)
        if job.plan.precision != speed.precision or job.phase.step < WINDOW or whole <= 0:
            return
        seen = max(1e-6, (seconds - job.phase.step * speed.per_step) / whole)
        known = speed.per_megapixel
        learnt = replace(speed, per_megapixel=seen if seen < known else known + SLOWER * (seen - known))
        self.speeds[job.recipe.model] = learnt
        write_speed(self.cache, str(self.device), job.recipe.model, learnt)

    def _facts(self, job: _Job, losses: Losses | None, delivered: tuple[int, int]) -> dict[str, Any]:
        """What the result records besides the pictures."""
        terms = (
            None
            if losses is None
            else {"content": float(losses.content), "style": float(losses.style), "total": float(losses.total)}
        )
        return {
            "model": job.recipe.model,
            "device": str(self.device),
            "precision": job.plan.precision,
            "plan": job.plan.text,
            "steps_done": job.phase.step,
            "stopped": job.stopped,
            "painted": [job.plan.width, job.plan.height],
            "delivered": list(delivered),
            "losses": terms,
            "seconds": {name: round(seconds, 4) for name, seconds in job.seconds.items()},
            "style_targets_cached": job.cached,
        }

    # -- one scale -----------------------------------------------------------------------------------------------------

    def _objective(
        self, job: _Job, network: Network, layers: Layers, scale: Scale, content: Tensor, alpha: Tensor | None
    ) -> Objective:
        recipe = job.recipe
        targets = []
        for number in range(len(recipe.styles)):
            self._check(job)
            targets.append(self._target(job, network, layers, number, scale))
        return Objective(
            network,
            content,
            regions(recipe.styles, targets, layers.style_masks(scale), alpha, layers.mask(scale)),
            Weighting(recipe.strength, tap_weights(recipe.layer_weights), recipe.tv),
            pool=recipe.pool,
            wrap=recipe.tileable,
            tile=job.plan.tile,
            alive=lambda: self._check(job),
        )

    def _target(self, job: _Job, network: Network, layers: Layers, number: int, scale: Scale) -> Grams:
        """A style's Gram matrices for one scale, computed only if they never were."""
        recipe, size = job.recipe, layers.style_size(number, scale)
        name = network.weights.name
        stat = self.files[name].stat()
        model = (name, stat.st_size, stat.st_mtime_ns, str(network.dtype), recipe.pool)
        key = Targets.key(layers.style_digest(number), size, model)
        found = self._targets.get(key, self.device)
        if found is None:
            job.cached = False
            style, alpha = layers.style(number, size)
            # a style may be larger than the painting: no more of it at once
            tile = job.plan.tile or -(-max(scale.width, scale.height) // GRID) * GRID
            found = style_statistics(network, style, alpha, pool=recipe.pool, tile=tile, alive=lambda: self._check(job))
            self._targets.put(key, found)
        return found

    def _check(self, job: _Job) -> None:
        if job.control.wanted() == "cancel":
            raise VaporbrushError("cancelled", "The job was cancelled.")

    def _optimise(
        self, job: _Job, objective: Objective, scale: Scale, image: Tensor, layers: Layers
    ) -> tuple[Tensor, Losses | None]:
        """Take the steps of one scale."""
        job.stopped = "steps"
        pyramid = Pyramid.of(scale.height, scale.width)
        losses: Losses | None = None
        course = Course.of(scale.steps, job.recipe.strength, finest=job.phase.scale == job.phase.scales)
        fresh = job.phase.scale == 1 and job.recipe.start_image is None
        optimiser = self._optimiser(job, pyramid.variables, image.device)
        for number in range(scale.steps):
            wanted = job.control.wanted()
            if wanted == "cancel":
                raise VaporbrushError("cancelled", "The job was cancelled.")
            if wanted == "finish":
                job.stopped = "finish"
                break
            if number in (0, course.plain, course.deep):
                taps = self._seen(job) if number < course.deep else STYLE_TAPS
                objective.aim(taps, whitened=number < course.plain)
            if number == course.plain > 0:
                optimiser.forget(SETTLING_MOVE)
            losses, gradient = objective(image)
            variables = pyramid.pull(gradient)
            del gradient
            image = pyramid.image(optimiser.step(variables)).add_(image)  # as much as all steps' sum would give
            del variables
            job.phase = replace(job.phase, phase="painting", step=job.phase.step + 1)
            job.done_cost += scale.megapixels
            now = self.clock()
            if now - job.reported >= REPORT_S or number in (0, scale.steps - 1):
                job.reported = now
                course.note(number, float(losses.total), fresh=fresh)
                self._report(job, losses, image, layers, now)
                done = job.plan.enough is not None and course.done(job.plan.enough)
                if done and number < scale.steps - 1:
                    job.stopped = "converged"
                    break
        return image, losses

    def _seen(self, job: _Job) -> tuple[str, ...]:
        """The style taps that the approach sees."""
        whole = job.phase.scale == 1 or job.recipe.layer_weights is not None
        return STYLE_TAPS if whole else STYLE_TAPS[:-1]

    def _optimiser(self, job: _Job, size: int, device: torch.device) -> Optimiser:
        if job.recipe.optimizer == "adam":
            return Adam(size, device)
        return Lbfgs(size, job.plan.history, device, first=FIRST_MOVE, longest=LONGEST_MOVE)

    def _report(self, job: _Job, losses: Losses, image: Tensor, layers: Layers, now: float) -> None:
        elapsed = now - job.began
        painting = max(1e-9, elapsed - job.seconds.get("loading", 0.0))
        left = painting * (job.total_cost - job.done_cost) / max(job.done_cost, 1e-9)
        job.control.report(
            replace(
                job.phase,
                loss=float(losses.total),
                content_loss=float(losses.content),
                style_loss=float(losses.style),
                elapsed_s=elapsed,
                eta_s=max(0.0, left),
            ),
            lambda side: layers.preview(image, side),
        )


def _one_step(objective: Objective, image: Tensor) -> None:
    """Its loss is read, so it has ended when this returns, on any device."""
    float(objective(image)[0].total)


def framed(pictures: Pictures) -> compose.Frame:
    """The part to paint. Raises `bad_field` if nothing is selected, `too_small` for a style with too few pixels."""
    height, width = pictures.content.shape[:2]
    frame = compose.frame_of(pictures.mask, width, height)
    if frame is None:
        raise VaporbrushError("bad_field", "The mask selects nothing: every pixel of it is 0.")
    for number, style in enumerate(pictures.styles):
        if min(style.shape[:2]) < MIN_SIDE:
            raise VaporbrushError(
                "too_small",
                f"Style {number + 1} is {style.shape[1]}×{style.shape[0]} pixels, "
                f"but each side needs at least {MIN_SIDE}.",
            )
    return frame


def _no_image(side: int) -> tuple[bytes, int, int]:  # noqa: ARG001 - there is no picture yet
    return b"", 0, 0


__all__ = ["Control", "Painter", "Painting", "Pictures"]
