"""How fast a device paints with a model: measured once in both precisions, then corrected by every painting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from vaporbrush_daemon.plan import WAYS, Plan, Precision, Speed, overhead, read_speed, write_speed
from vaporbrush_protocol.progress import Progress

from .convergence import WINDOW
from .convolution import FusedConvolution, fastest
from .grams import style_statistics
from .graphs import Graphs
from .losses import Region, Weighting, tap_weights
from .models import Models
from .network import Network
from .objective import Canvas, TextureObjective
from .optimisers import Lbfgs
from .pyramid import Pyramid

SIDES = (192, 48)  # pixels: pictures to measure on, the smaller one for what does not depend on size
LAPS = 5  # of the measurement, after one to warm up
GRAPH_SIDE = 128  # pixels: a painting that is small enough to be bound by launching
LAP_STEPS = 3  # of those that are measured with their optimiser; the first lap records one
GAIN = 0.95  # of the time that steps take one by one: less is not worth the memory of a recording
OPTIMISER_S = 0.003  # of a step besides loss and gradient, whatever its size
SLOWER = 0.25  # the part of a slower measurement that is believed: something else may have run


def precisions_of(device: torch.device) -> tuple[Precision, ...]:
    """Those worth a measurement. A processor without instructions for bf16 emulates it: that is never faster, and
    gradients were seen to become NaN (torch 2.14 on AVX2, a style without contrast).
    """
    emulated = device.type == "cpu" and not isinstance(fastest(device, torch.bfloat16), FusedConvolution)
    return ("fp32",) if emulated else ("fp32", "bf16")


class Speeds:
    """The speed of each model on one device; remembered in the folder `cache`, where the planner reads it too."""

    def __init__(self, models: Models, cache: Path, clock: Callable[[], float], graphs: Graphs) -> None:
        self.models, self.cache, self.clock, self.graphs = models, cache, clock, graphs
        self.device = str(models.device)
        self.known: dict[str, Speed] = {}

    def of(self, model: str, report: Callable[[Progress], None]) -> Speed:
        """The speed of a model, measured if it never was."""
        if model not in self.known:
            speed = read_speed(self.cache, self.device, model)
            precisions = precisions_of(self.models.device)
            if not speed.measured or speed.precision not in precisions:
                report(Progress("measuring"))
                speed = measure(self.models, model, precisions, self.clock)
                write_speed(self.cache, self.device, model, speed)
            if self.graphs.possible and speed.graphs is None:
                report(Progress("measuring"))
                speed = replace(speed, graphs=gain_by_graphs(self.models, model, speed, self.graphs, self.clock))
                if self.graphs.possible:  # else it failed, which another driver may not
                    write_speed(self.cache, self.device, model, speed)
            self.known[model] = speed
        return self.known[model]

    def learn(self, model: str, plan: Plan, steps: int, megapixel_steps: float, seconds: float) -> None:
        """Correct it by what a painting took: at once if that was faster, else by a part."""
        speed = self.known[model]
        cost = megapixel_steps * overhead(plan.scales[-1], plan.tile)
        if plan.precision != speed.precision or steps < WINDOW or cost <= 0:
            return
        seen = max(1e-6, (seconds - steps * speed.per_step) / cost)
        known = speed.per_megapixel
        believed = seen if seen < known else known + SLOWER * (seen - known)
        learnt = replace(speed, per_megapixel=believed, fastest=min(seen, speed.alone.per_megapixel))
        self.known[model] = learnt
        write_speed(self.cache, self.device, model, learnt)


def measure(models: Models, model: str, precisions: Sequence[Precision], clock: Callable[[], float]) -> Speed:
    """Time a step in each precision on two small pictures, and keep the network of the fastest one."""
    works: dict[tuple[Precision, int], Callable[[], None]] = {}
    for precision in precisions:
        network = models.network(model, precision)
        for side in SIDES:
            image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(models.device)
            target = style_statistics(network, image.flip(2), None)
            objective = TextureObjective(Canvas(network, image, Weighting(1.0, tap_weights(None))), [Region(target)])
            works[precision, side] = partial(_one_step, objective, image)
    laps: dict[tuple[Precision, int], list[float]] = {key: [] for key in works}
    for _ in range(LAPS + 1):  # in turn: whatever else the machine does slows both
        for key, work in works.items():
            began = clock()
            work()
            laps[key].append(clock() - began)
    found: dict[Precision, tuple[float, float]] = {}  # seconds per megapixel, and besides
    for precision in precisions:
        large, small = (min(laps[precision, side][1:]) for side in SIDES)
        per_megapixel = max(1e-6, (large - small) / ((SIDES[0] ** 2 - SIDES[1] ** 2) / 1e6))
        found[precision] = (per_megapixel, max(1e-5, small - per_megapixel * SIDES[1] ** 2 / 1e6))
    best = min(precisions, key=lambda precision: found[precision][0])
    for precision in precisions:
        if precision != best:
            models.unload(model, precision)
    per_megapixel, per_step = found[best]
    return Speed(best, per_megapixel, per_step + OPTIMISER_S, measured=True, device=str(models.device))


def gain_by_graphs(models: Models, model: str, speed: Speed, graphs: Graphs, clock: Callable[[], float]) -> bool:
    """Whether a small painting's steps are clearly faster replayed than launched kernel by kernel."""
    network = models.network(model, speed.precision)
    starts = {recorded: _step_on(network, graphs if recorded else Graphs(None)) for recorded in (False, True)}
    laps: dict[bool, list[float]] = {recorded: [] for recorded in starts}
    for _ in range(LAPS + 1):
        for recorded, lap in starts.items():
            began = clock()
            lap()
            laps[recorded].append(clock() - began)
    return graphs.possible and min(laps[True][1:]) < GAIN * min(laps[False][1:])


def _step_on(network: Network, graphs: Graphs) -> Callable[[], None]:
    """Some steps of a small painting, optimiser and all; their losses are read, so they have ended when it returns."""
    side = GRAPH_SIDE
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(network.device)
    target = style_statistics(network, image.flip(2), None)
    objective = TextureObjective(Canvas(network, image, Weighting(1.0, tap_weights(None))), [Region(target)])
    pyramid = Pyramid.of(side, side)
    optimiser = Lbfgs(pyramid.variables, WAYS[0][1], network.device, first=1e-3, longest=1e-3)
    step = graphs.steps_of(objective, pyramid, optimiser, image, (LAPS + 1) * LAP_STEPS)
    now = image

    def lap() -> None:
        nonlocal now
        for _ in range(LAP_STEPS):
            losses, now = step(now)
        losses.read()

    return lap


def _one_step(objective: TextureObjective, image: Tensor) -> None:
    """Its losses are read, so it has ended when this returns, on any device."""
    objective(image)[0].read()
