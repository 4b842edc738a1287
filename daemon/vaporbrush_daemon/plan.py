"""What a recipe will cost, and how it is therefore painted. Free of torch: the front answers `estimate` with it.

Costs are measured in megapixel-steps: one optimiser step over a million pixels, forward and backward. What one costs
here is remembered per device and model in `speed.json`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.limits import MIN_SIDE
from vaporbrush_protocol.recipe import Recipe

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Schedule:
    """A quality: seconds that `size: auto` may cost, steps per scale from the finest to coarser ones (the last
    repeats), and the relative progress over ten steps below which a scale is done.
    """

    budget_s: float
    steps: tuple[int, ...]
    enough: float


SCHEDULES: dict[str, Schedule] = {
    "draft": Schedule(20.0, (15, 30, 50, 60), 0.02),
    "standard": Schedule(120.0, (40, 60, 80, 80), 0.01),
    "fine": Schedule(600.0, (180, 40, 60, 80), 0.003),
}
FILM_SCALES = 2  # the finest, and one for the larger strokes of what has changed
FILM_STEPS = 0.25  # of these steps: a film's frame begins nearly painted; see tests/bench/film.py
COARSEST = 96  # pixels, longest side: below, the largest strokes of a style no longer fit
SHORTEST = 32  # pixels, shorter side of every scale but the finest: two positions of relu5_1
GRID = 16  # the stride of relu5_1: a tileable picture's sides are multiples of it


@dataclass(frozen=True)
class Speed:
    """Seconds per megapixel-step and per step besides (launches, the optimiser's small matrices).

    `fastest` is the best of `per_megapixel` that was ever seen here; 0 where nothing was learnt yet.
    """

    precision: Precision = "fp32"
    per_megapixel: float = 9.0  # a 2-core CPU with AVX-512
    per_step: float = 0.01
    measured: bool = False
    device: str = "cpu"
    fastest: float = 0.0
    graphs: bool | None = None  # whether steps of small paintings are recorded and replayed; None: not measured

    @property
    def alone(self) -> Speed:
        """The same while nothing else runs on the machine."""
        return replace(self, per_megapixel=min(self.per_megapixel, self.fastest or self.per_megapixel))


@dataclass(frozen=True)
class Scale:
    """One scale of the painting."""

    width: int
    height: int
    steps: int

    @property
    def cost(self) -> float:
        """In megapixel-steps."""
        return self.megapixels * self.steps

    @property
    def megapixels(self) -> float:
        """Millions of pixels."""
        return self.width * self.height / 1e6


@dataclass(frozen=True)
class Plan:
    """How a recipe is painted: all that is chosen on the spot. A result records it as `text`."""

    scales: tuple[Scale, ...]
    precision: Precision
    history: int
    tile: int | None  # side of the tiles' inner part; None: untiled
    host: bool  # the image and the optimiser live in the computer's memory, only tiles on the device
    seconds: float
    memory_bytes: int
    enough: float | None  # relative progress over ten steps at which a scale is done; None: all steps are taken
    step_megapixels: float = 0.0  # what a step costs besides its pixels, as so many millions of pixels

    @property
    def width(self) -> int:
        """Of the painted picture."""
        return self.scales[-1].width

    @property
    def height(self) -> int:
        """Of the painted picture."""
        return self.scales[-1].height

    @property
    def steps(self) -> int:
        """Over all scales."""
        return sum(scale.steps for scale in self.scales)

    @property
    def text(self) -> str:
        """For people and for the record, like "untiled, bf16, history 10"."""
        where = "untiled" if self.tile is None else f"tiles of {self.tile}"
        how = ", in host memory" if self.host else ""
        return f"{where}{how}, {self.precision}, history {self.history}"


# From the fastest way to the one that needs least memory: (tile, history, host).
WAYS: tuple[tuple[int | None, int, bool], ...] = (
    (None, 10, False),
    (1024, 10, False),
    (1024, 5, False),
    (512, 5, False),
    (256, 3, False),
    (1024, 5, True),
    (256, 3, True),
)
SECOND_TRY = 0.7  # of the bytes besides BASE_BYTES that a job ran out of memory with: so much may its second try need
LITE = 6  # how many times faster than vgg19 the small model is, about
HALO = 2 * 80  # what a tile's side grows by, see tiles.MARGIN
BASE_BYTES = 920_000_000  # torch, both precisions of the weights, workspaces
# Numbers for each pixel in the network at once, as measured on a processor (tests/bench/NOTES.md): what a step keeps
# and hands on. Tiles' inner parts are copies, and what one tile leaves free on the heap does not always fit the next.
UNTILED_NUMBERS, TILE_NUMBERS = 320, 720
# A GPU's allocator maps pages to growing segments and leaves no such gaps: as counted on fake tensors, and a tenth more
# (tests/engine/test_fake_memory.py).
GPU_TILE_NUMBERS = 380
IMAGE_BYTES, GPU_IMAGE_BYTES = 160, 110  # for each pixel of the image, besides the optimiser's history: some images
# `brushwork` keeps two wide taps more for each pixel in the network, and its style's hypercolumns for each of the style
BRUSH_NUMBERS, BANK_NUMBERS = 96, 2176 // 16


def predict(recipe: Recipe, speed: Speed, memory: int | None = None, *, plan_step: int = 0) -> Plan:
    """The plan for a recipe. `memory`: bytes that may be used, None if unknown. `plan_step` 1 is the cheaper second
    try.

    Without pixels a selection's bounding box is not known, so a masked recipe is predicted as if all were painted.
    Raises `too_small` and `out_of_memory`.
    """
    return plan(recipe.content.width, recipe.content.height, recipe, speed, memory, plan_step=plan_step)


def plan(
    width: int,
    height: int,
    recipe: Recipe,
    speed: Speed,
    memory: int | None = None,
    *,
    plan_step: int = 0,
    start_side: int | None = None,
) -> Plan:
    """The plan for painting `width`×`height` pixels of content; `start_side` is the longest side of a painting to go
    on from.
    """
    if start_side is None and goes_on(recipe):
        start_side = max(max(one.canvas.width, one.canvas.height) for one in recipe.held)
    elif start_side is None and recipe.start_image is not None:
        start_side = max(recipe.start_image.width, recipe.start_image.height)
    if min(width, height) < MIN_SIDE:
        raise VaporbrushError(
            "too_small", f"The content is {width}×{height} pixels, but each side needs at least {MIN_SIDE}."
        )
    longest = max(width, height)
    if recipe.size == "auto":
        sides = [s for s in range(longest - longest % 32, COARSEST, -32) if s < longest]
        candidates = [longest, *sides]
    else:
        candidates = [longest if recipe.size == "full" else min(recipe.size, longest)]
    chosen, error = None, None
    for side in candidates:
        scales = scale_sizes(width, height, side, recipe, start_side)
        if scales[-1].width < MIN_SIDE or scales[-1].height < MIN_SIDE:
            error = VaporbrushError(
                "too_small",
                f"At size {side} the painting would be {scales[-1].width}×{scales[-1].height} pixels, but each side "
                f"needs at least {MIN_SIDE}: choose a larger size.",
            )
            continue
        try:
            found = _fit(scales, recipe, speed, memory, plan_step)
        except VaporbrushError as problem:
            error = problem
            continue
        chosen = found
        # By what the machine can do, not by what else it did just now: the same picture has the same size every time.
        alone_s = _seconds(scales, recipe, speed.alone, found.tile)
        if recipe.size != "auto" or alone_s <= SCHEDULES[recipe.quality].budget_s:
            break
    if chosen is None:
        assert error is not None
        raise error
    return chosen


def scale_sizes(width: int, height: int, side: int, recipe: Recipe, start_side: int | None = None) -> tuple[Scale, ...]:
    """Coarse to fine, each twice the one before; the last has `side` as its longest side."""
    sizes = [_scaled(width, height, side, recipe)]
    while True:
        w, h = _scaled(*sizes[-1], (max(sizes[-1]) + 1) // 2, recipe)
        if max(w, h) < COARSEST or min(w, h) < SHORTEST:
            break
        begun = start_side is not None and max(sizes[-1]) <= 1.5 * start_side
        if begun and (len(sizes) == FILM_SCALES or not goes_on(recipe)):
            break  # the painting to go on from has the coarse structure already
        sizes.append((w, h))
    schedule = SCHEDULES[recipe.quality].steps
    steps = [schedule[min(level, len(schedule) - 1)] for level in range(len(sizes))]
    if recipe.steps is not None:
        steps = _share(recipe.steps, steps)
    elif goes_on(recipe):
        share = FILM_STEPS + (1 - FILM_STEPS) * recipe.boil
        steps = [max(1, round(n * share)) for n in steps]
    return tuple(Scale(w, h, n) for (w, h), n in reversed(list(zip(sizes, steps, strict=True))))


def goes_on(recipe: Recipe) -> bool:
    """Whether it is a film's frame, that begins from paintings before it."""
    return bool(recipe.held) and recipe.boil < 1


def _share(total: int, steps: list[int]) -> list[int]:
    """`total` steps divided like `steps`, exactly."""
    edges = [round(total * sum(steps[:i]) / sum(steps)) for i in range(len(steps) + 1)]
    return [high - low for low, high in pairwise(edges)]


def _scaled(width: int, height: int, side: int, recipe: Recipe) -> tuple[int, int]:
    factor = side / max(width, height)
    w, h = max(1, round(width * factor)), max(1, round(height * factor))
    if recipe.tileable:
        w, h = (max(GRID, round(n / GRID) * GRID) for n in (w, h))
    return w, h


def _fit(scales: tuple[Scale, ...], recipe: Recipe, speed: Speed, memory: int | None, plan_step: int) -> Plan:
    """The fastest way that fits the memory; for a second try, the fastest that needs clearly less than the first, else
    the least (a small picture is no larger than a tile, so nothing needs less).
    """
    ways = [way for way in WAYS if not (way[2] and speed.device == "cpu")]
    needs = {
        way: memory_of(
            scales[-1],
            speed.precision,
            way[0],
            history=way[1],
            host=way[2],
            device=speed.device,
            banks=banks_of(recipe),
        )
        for way in ways
    }
    fitting = [way for way in ways if memory is None or needs[way] <= memory]
    if not fitting:
        least, free = min(needs.values()) / 1e9, (memory or 0) / 1e9
        raise VaporbrushError(
            "out_of_memory",
            f"Painting {scales[-1].width}×{scales[-1].height} pixels needs {least:.1f} GB even in small tiles, but "
            f"{free:.1f} GB are free: choose a smaller size.",
        )
    if plan_step:
        bound = BASE_BYTES + SECOND_TRY * (needs[fitting[0]] - BASE_BYTES)
        fitting = [way for way in fitting if needs[way] <= bound] or [min(fitting, key=needs.__getitem__)]
    tile, history, host = fitting[0]
    seconds = _seconds(scales, recipe, speed, tile)
    enough = None if recipe.steps is not None else SCHEDULES[recipe.quality].enough
    besides = speed.per_step / speed.per_megapixel
    return Plan(scales, speed.precision, history, tile, host, seconds, needs[fitting[0]], enough, besides)


def _seconds(scales: tuple[Scale, ...], recipe: Recipe, speed: Speed, tile: int | None) -> float:
    """How long these scales take."""
    factor = overhead(scales[-1], tile)
    seconds = sum(
        s.cost * speed.per_megapixel * (factor if s is scales[-1] else 1.0) + s.steps * speed.per_step for s in scales
    )
    # a forward pass per style and one for the content are a third of a step each
    return seconds + sum(s.megapixels * speed.per_megapixel * (1 + len(recipe.styles)) / 3 for s in scales)


def banks_of(recipe: Recipe) -> float:
    """How many times the painting's pixels the styles have whose hypercolumns `brushwork` keeps."""
    if recipe.look != "brushwork":
        return 0.0
    return len(recipe.styles) * recipe.style_scale**2 * (4 if recipe.turns else 1)


def memory_of(
    scale: Scale,
    precision: Precision,
    tile: int | None,
    *,
    history: int,
    host: bool = False,
    device: str = "cpu",
    banks: float = 0.0,
) -> int:
    """Bytes on the device at the finest scale: for each pixel in the network the numbers above; for each of the image
    the optimiser's pairs of 2·3·4 bytes, times 4/3 for the pyramid, some images, and the content's relu4_2. `banks` as
    `banks_of` has it.
    """
    width = 2 if precision == "bf16" else 4
    pixels, gpu = scale.width * scale.height, device != "cpu"
    tile_numbers = GPU_TILE_NUMBERS if gpu else TILE_NUMBERS
    extra = BRUSH_NUMBERS if banks else 0
    if tile is None:
        held = pixels * (UNTILED_NUMBERS + extra)
    else:
        held = min(pixels, (tile + HALO) ** 2) * (tile_numbers + extra)
    held += int(pixels * banks * BANK_NUMBERS)
    always = 32 * history + (GPU_IMAGE_BYTES if gpu else IMAGE_BYTES) + 512 * width // 64
    if host:
        always = 0
    return int(BASE_BYTES + held * width + pixels * always)


def overhead(scale: Scale, tile: int | None) -> float:
    """How much more arithmetic tiles cost: their margins, and a second forward pass (half of forward and backward)."""
    if tile is None or max(scale.width, scale.height) <= tile:
        return 1.0
    grown = 1.0
    for side in (scale.width, scale.height):
        count = -(-side // tile)
        grown *= (side + (count - 1) * HALO) / side
    return 1.5 * grown


# -- what this machine can do ------------------------------------------------------------------------------------------


def read_speed(cache: Path, device: str, model: str) -> Speed:
    """What was measured here, else a guess that says so."""
    try:
        stored = json.loads((cache / "speed.json").read_text())[_key(device, model)]
        return Speed(
            "bf16" if stored["precision"] == "bf16" else "fp32",
            float(stored["per_megapixel"]),
            float(stored["per_step"]),
            measured=True,
            device=device,
            fastest=float(stored.get("fastest", 0.0)),
            graphs=stored.get("graphs"),
        )
    except (OSError, ValueError, KeyError, TypeError):  # never measured, or damaged
        return _guess(device, model)


def write_speed(cache: Path, device: str, model: str, speed: Speed) -> None:
    """Remember a measurement."""
    cache.mkdir(parents=True, exist_ok=True)
    file = cache / "speed.json"
    try:
        stored: dict[str, Mapping[str, Any]] = json.loads(file.read_text())
    except (OSError, ValueError):
        stored = {}
    stored[_key(device, model)] = {k: v for k, v in asdict(speed).items() if k not in ("measured", "device")}
    atomic.write(file, json.dumps(stored, indent=1).encode())


def _key(device: str, model: str) -> str:
    return f"{platform.node()} {device} {model}"


def _guess(device: str, model: str) -> Speed:
    guess = Speed("bf16", 0.01, 0.003, device=device) if device.startswith("cuda") else Speed(device=device)
    return replace(guess, per_megapixel=guess.per_megapixel / times_faster(model))


def times_faster(model: str) -> int:
    """How many times faster than vgg19 a model is, about: by this, what one took says what another one takes."""
    return LITE if model == "vgg19-lite" else 1
