"""The painter: from a recipe and its pictures to a painting. Read the other modules of this package first.

frame and resample  →  for each scale: targets, optimise, refine  →  compose
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaporbrush_daemon.pixels import Floats
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.limits import MIN_SIDE
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import STYLE_LAYERS, Recipe, Style

from . import colour, compose
from .features import Network, Weights, load_weights
from .losses import Grams, Losses, Objective, Region, Weighting, style_statistics, tap_weights
from .optimiser import Adam, Lbfgs, Optimiser
from .plan import Plan, Scale, Speed, plan, read_speed, write_speed
from .scales import Pyramid, refine, resize

REPORT_S = 0.05  # at most 20 reports a second; the losses are read from the device only then
FIRST_MOVE = 0.01  # mean absolute change of the first step, in units of the image's range
LONGEST_MOVE = 0.05  # of any step: L-BFGS without a line search may leap once before its history is good
WINDOW = 10  # steps over which progress is judged
FLAT = 1e-5  # relative change of the loss over a scale's steps below which nothing has happened
PREVIEW_STATISTICS = 64  # style targets kept in memory
CACHE_FILES = 256  # style targets kept on disk, 1.9 MB each
PROBE = 192  # pixels: side of the picture on which speed is measured

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
class Pictures:
    """The recipe's pictures, decoded: float32, straight RGBA, sRGB-encoded, nominally in [0, 1]."""

    content: Floats  # (H, W, 4)
    styles: Sequence[Floats]  # (h, w, 4) each
    mask: Floats | None = None  # (H, W)
    style_masks: Sequence[Floats | None] = ()  # (H, W) each, one per style
    start: Floats | None = None  # (h, w, 3): a canvas to go on from


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
        self._targets: OrderedDict[str, Grams] = OrderedDict()

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
        found: dict[str, tuple[float, float]] = {}
        for precision in ("fp32", "bf16"):
            network = self._network(model, precision)
            times = []
            for side in (PROBE, PROBE // 4):
                image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)).to(self.device)
                target = style_statistics(network, image.flip(2), None)
                objective = Objective(network, image, [Region(target)], Weighting(1.0, tap_weights(None)))
                laps = []
                for _ in range(4):
                    began = self.clock()
                    float(objective(image)[0].total)  # waits for the device
                    laps.append(self.clock() - began)
                times.append(min(laps[1:]))
            area = (PROBE**2 - (PROBE // 4) ** 2) / 1e6
            per_megapixel = max(1e-6, (times[0] - times[1]) / area)
            found[precision] = (per_megapixel, max(1e-5, times[1] - per_megapixel * (PROBE // 4) ** 2 / 1e6))
        best: Literal["bf16", "fp32"] = "bf16" if found["bf16"][0] < found["fp32"][0] else "fp32"
        if best == "fp32":
            self._networks.pop((model, "bf16"))
        return Speed(best, found[best][0], found[best][1] + 0.003, measured=True)

    # -- painting ------------------------------------------------------------------------------------------------------

    def paint(
        self, recipe: Recipe, pictures: Pictures, control: Control, *, plan_step: int = 0, memory: int | None = None
    ) -> Painting:
        """Paint. `recipe.model` must be a name that `load` knows. `memory`: bytes that may be used, None: no bound.

        Raises cancelled, diverged, too_small, out_of_memory.
        """
        with _memory_errors():
            return self._paint(recipe, pictures, control, plan_step, memory)

    def _paint(
        self, recipe: Recipe, pictures: Pictures, control: Control, plan_step: int, memory: int | None
    ) -> Painting:
        began = self.clock()
        speed = self.load(recipe.model, lambda progress: control.report(progress, _no_image))
        loaded = self.clock()
        height, width = pictures.content.shape[:2]
        frame = compose.frame_of(pictures.mask, width, height)
        if frame is None:
            raise VaporbrushError("bad_field", "The mask selects nothing: every pixel of it is 0.")
        for number, style in enumerate(pictures.styles):
            if min(style.shape[:2]) < MIN_SIDE:
                raise VaporbrushError(
                    "too_small", f"Style {number + 1} is {style.shape[1]}×{style.shape[0]} pixels, but each side needs
                    at least {MIN_SIDE}.",
                )
        start_side = None if pictures.start is None else max(pictures.start.shape[:2])
        chosen = plan(frame.width, frame.height, recipe, speed, memory, plan_step=plan_step, start_side=start_side)
        job = _Job(recipe, chosen, control, began, Progress("style", scales=len(chosen.scales), steps=chosen.steps))
        job.seconds["loading"] = loaded - began
        job.total_cost = sum(s.steps * s.megapixels for s in chosen.scales) or 1.0

        layers = _Layers(recipe, pictures, frame, self.device)
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
            job.seconds["style"] = job.seconds.get("style", 0.0) + self.clock() - tick
            tick = self.clock()
            image, losses = self._optimise(job, objective, scale, image, layers)
            job.seconds["painting"] = job.seconds.get("painting", 0.0) + self.clock() - tick
        assert image is not None
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
        self, job: _Job, network: Network, layers: _Layers, scale: Scale, content: Tensor, alpha: Tensor | None
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
            frugal=job.plan.frugal,
            alive=lambda: self._check(job),
        )

    def _check(self, job: _Job) -> None:
        if job.control.wanted() == "cancel":
            raise VaporbrushError("cancelled", "The job was cancelled.")

    def _optimise(
        self, job: _Job, objective: Objective, scale: Scale, image: Tensor, layers: _Layers
    ) -> tuple[Tensor, Losses | None]:
        """Take the steps of one scale."""
        start, pyramid = image, Pyramid.of(scale.height, scale.width)
        residual = torch.zeros(pyramid.variables, device=self.device)
        optimiser: Optimiser = (
            Lbfgs(pyramid.variables, job.plan.history, self.device, first=FIRST_MOVE, longest=LONGEST_MOVE)
            if job.recipe.optimizer == "lbfgs"
            else Adam(pyramid.variables, self.device)
        )
        history: list[float] = []
        losses: Losses | None = None
        for number in range(scale.steps):
            wanted = job.control.wanted()
            if wanted == "cancel":
                raise VaporbrushError("cancelled", "The job was cancelled.")
            if wanted == "finish":
                job.stopped = "finish"
                break
            losses, gradient = objective(image)
            residual += optimiser.step(pyramid.pull(gradient))
            image = start + pyramid.image(residual)
            job.phase = replace(job.phase, phase="painting", step=job.phase.step + 1)
            job.done_cost += scale.megapixels
            now = self.clock()
            if now - job.reported >= REPORT_S or number in (0, scale.steps - 1):
                job.reported = now
                total = float(losses.total)
                history.append(total)
                if not math.isfinite(total):
                    raise VaporbrushError(
                        "diverged", f"The loss became {total} in step {job.phase.step}: lower the strength (it is
                        {job.recipe.strength:g}).",
                    )
                self._report(job, losses, image, layers, now)
                if (
                    job.plan.enough is not None
                    and len(history) > WINDOW
                    and history[-1 - WINDOW] - total < job.plan.enough * total
                ):
                    if number + 1 < scale.steps:
                        job.stopped = "converged"
                    break
        return image, losses

    def _report(self, job: _Job, losses: Losses, image: Tensor, layers: _Layers, now: float) -> None:
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

    # -- style targets -------------------------------------------------------------------------------------------------

    def _target(self, job: _Job, network: Network, layers: _Layers, number: int, scale: Scale) -> Grams:
        """The Gram matrices of a style for one scale: from memory, from the disk, or computed and kept in both."""
        recipe = job.recipe
        size = layers.style_size(number, scale)
        about = (
            layers.style_digest(number),
            size,
            recipe.model,
            self._weights_digest(recipe.model),
            str(network.dtype),
            recipe.pool,
            "1",
        )
        key = hashlib.sha256(repr(about).encode()).hexdigest()
        found = self._targets.get(key) or self._read_target(key)
        if found is None:
            job.cached = False
            style, alpha = layers.style(number, size)
            found = style_statistics(network, style, alpha, pool=recipe.pool)
            self._write_target(key, found)
        self._targets[key] = found
        self._targets.move_to_end(key)
        while len(self._targets) > PREVIEW_STATISTICS:
            self._targets.popitem(last=False)
        return found

    def _weights_digest(self, model: str) -> str:
        stat = self.files[model].stat()
        return f"{stat.st_size} {stat.st_mtime_ns}"

    def _read_target(self, key: str) -> Grams | None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        file = self.cache / "styles" / f"{key}.safetensors"
        try:
            grams = load_file(file, device=str(self.device))
            file.touch()
        except (OSError, SafetensorError):
            return None  # never seen, or damaged: it is computed again
        return grams if set(grams) == set(STYLE_LAYERS) else None

    def _write_target(self, key: str, grams: Grams) -> None:
        from safetensors.torch import save_file

        folder = self.cache / "styles"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f"{key}.part"
            save_file({tap: gram.cpu().contiguous() for tap, gram in grams.items()}, partial)
            partial.replace(folder / f"{key}.safetensors")
            files = sorted(folder.glob("*.safetensors"), key=lambda f: f.stat().st_mtime)
            for old in files[:-CACHE_FILES]:
                old.unlink(missing_ok=True)
        except OSError:
            return  # a full disk costs a second next time, not this job


class _Layers:
    """The recipe's pictures at every scale."""

    def __init__(self, recipe: Recipe, pictures: Pictures, frame: compose.Frame, device: torch.device) -> None:
        self.recipe, self.pictures, self.frame, self.device = recipe, pictures, frame, device
        self.source = compose.tensor(np.ascontiguousarray(pictures.content[frame.slices]), device)
        if not bool((self.source[:, 3] > 0).any()):
            raise VaporbrushError("bad_field", "The content is wholly transparent: there is nothing to paint.")
        self.digests: dict[int, str] = {}
        self.sketch: tuple[Tensor, Tensor | None] | None = None  # the content, small: for colours and previews

    def content(self, scale: Scale) -> tuple[Tensor, Tensor | None]:
        """RGB (1, 3, h, w) without holes, and alpha (h, w), None if opaque."""
        rgb, alpha = compose.shrink(self.source, scale.width, scale.height, wrap=self.recipe.tileable)
        return (colour.grey(rgb) if self.recipe.color == "luma" else rgb), alpha

    def start(self, scale: Scale, content: Tensor) -> Tensor:
        """What the first scale starts from."""
        if self.pictures.start is not None:
            return resize(
                compose.tensor(self.pictures.start, self.device), scale.width, scale.height, wrap=self.recipe.tileable
            )
        if self.recipe.start == "content":
            return content
        generator = torch.Generator().manual_seed(
            self.recipe.seed % 2**63
        )  # on the CPU: the same numbers on every device
        noise = torch.randn(content.shape, generator=generator).to(self.device)
        return (0.5 + 0.15 * noise).clamp(0, 1)

    def mask(self, scale: Scale) -> Tensor | None:
        """The selection (h, w)."""
        return None if self.pictures.mask is None else self._mask(self.pictures.mask, scale)

    def style_masks(self, scale: Scale) -> list[Tensor | None]:
        """Each style's mask (h, w)."""
        masks = self.pictures.style_masks or [None] * len(self.pictures.styles)
        return [None if mask is None else self._mask(mask, scale) for mask in masks]

    def _mask(self, mask: Floats, scale: Scale) -> Tensor:
        part = compose.tensor(np.ascontiguousarray(mask[self.frame.slices])[..., None], self.device)
        return resize(part, scale.width, scale.height)[0, 0].clamp(0, 1)

    def style_size(self, number: int, scale: Scale) -> tuple[int, int]:
        """Width and height: its longest side is `style_scale` times the painted one, its shorter one at least
        MIN_SIDE.
        """
        height, width = self.pictures.styles[number].shape[:2]
        factor = self.recipe.style_scale * max(scale.width, scale.height) / max(width, height)
        factor = max(factor, MIN_SIDE / min(width, height))
        return max(MIN_SIDE, round(width * factor)), max(MIN_SIDE, round(height * factor))

    def style(self, number: int, size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """RGB (1, 3, h, w) in the colours that the recipe wants, and alpha."""
        source = compose.tensor(self.pictures.styles[number], self.device)
        if not bool((source[:, 3] > 0).any()):
            raise VaporbrushError("bad_field", f"Style {number + 1} is wholly transparent: there is nothing to learn.")
        rgb, alpha = compose.shrink(source, *size)
        if self.recipe.color == "style":
            return rgb, alpha
        content, content_alpha = self._sketched()
        change = colour.match if self.recipe.color == "match" else colour.match_luma
        return change(rgb, alpha, content, content_alpha), alpha

    def _sketched(self) -> tuple[Tensor, Tensor | None]:
        """The framed content at no more than 256 pixels, in its own colours."""
        if self.sketch is None:
            factor = min(1.0, 256 / max(self.frame.width, self.frame.height))
            size = max(1, round(self.frame.width * factor)), max(1, round(self.frame.height * factor))
            self.sketch = compose.shrink(self.source, *size)
        return self.sketch

    def style_digest(self, number: int) -> str:
        """Names a style's pixels and what is done to their colours."""
        if number not in self.digests:
            digest = hashlib.sha256(self.recipe.color.encode())
            digest.update(np.ascontiguousarray(self.pictures.styles[number]).data)
            digest.update(repr(self.pictures.styles[number].shape).encode())
            if self.recipe.color != "style":
                for part in self._sketched():
                    digest.update(b"opaque" if part is None else part.cpu().contiguous().numpy().data)
            self.digests[number] = digest.hexdigest()
        return self.digests[number]

    def preview(self, image: Tensor, side: int) -> tuple[bytes, int, int]:
        """The layer as it would be delivered now: RGB8 rows, width, height."""
        height, width = self.pictures.content.shape[:2]
        factor = min(1.0, side / max(width, height), max(image.shape[2:]) / max(self.frame.width, self.frame.height))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        whole = self.frame.width == width and self.frame.height == height
        painted = image.detach().clamp(0, 1)
        if whole and self.recipe.color != "luma" and self.recipe.blend >= 1 and self.pictures.mask is None:
            shown = resize(painted, *size).clamp(0, 1)
        else:
            base, _ = compose.shrink(compose.tensor(self.pictures.content, self.device), *size)
            left, top = round(self.frame.left * factor), round(self.frame.top * factor)
            w = max(1, min(size[0] - left, round(self.frame.width * factor)))
            h = max(1, min(size[1] - top, round(self.frame.height * factor)))
            under = base[:, :, top : top + h, left : left + w]
            part = resize(painted, w, h)
            if self.recipe.color == "luma":
                part = colour.with_luma(under, part)
            cover: Tensor | float = self.recipe.blend
            if self.pictures.mask is not None:
                mask = compose.tensor(
                    np.ascontiguousarray(self.pictures.mask[self.frame.slices])[..., None], self.device
                )
                cover = self.recipe.blend * resize(mask, w, h).clamp(0, 1)
            shown = base.clone()
            shown[:, :, top : top + h, left : left + w] = under + cover * (part - under)
        data = (shown[0].clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()
        return data.tobytes(), size[0], size[1]


def regions(
    styles: Sequence[Style],
    targets: Sequence[Grams],
    masks: Sequence[Tensor | None],
    alpha: Tensor | None,
    selection: Tensor | None,
) -> list[Region]:
    """Which Gram matrices are wanted where.

    Styles without a mask of their own share what the masked ones leave; their Gram matrices are averaged by weight. A
    region's share of the loss is its share of the painted area, so that a pixel is painted as strongly in a small
    region as in a large one, times its styles' weight relative to the other regions'. Transparent and unselected
    pixels belong to no region.
    """
    cover = None
    for part in (alpha, selection):
        if part is not None:
            cover = part if cover is None else cover * part
    groups: list[tuple[Tensor | None, list[int]]] = []
    free = [i for i, mask in enumerate(masks) if mask is None and styles[i].weight > 0]
    taken = [i for i, mask in enumerate(masks) if mask is not None and styles[i].weight > 0]
    if free:
        rest = cover
        if taken:
            left = (1 - torch.stack([m for m in masks if m is not None]).sum(0)).clamp(0, 1)
            rest = left if cover is None else left * cover
        groups.append((rest, free))
    for i in taken:
        mask = masks[i]
        assert mask is not None
        groups.append((mask if cover is None else mask * cover, [i]))
    if len(groups) == 1 and not taken:
        return [Region(_average(styles, targets, free), 1.0, cover)]
    area = 1.0 if cover is None else max(1e-9, float(cover.mean()))
    typical = sum(styles[i].weight for i in [*free, *taken]) / len(groups)
    found = []
    for mask, members in groups:
        assert mask is not None
        share = float(mask.mean()) / area * sum(styles[i].weight for i in members) / typical
        if share > 0:
            found.append(Region(_average(styles, targets, members), share, mask))
    if not found:
        raise VaporbrushError("bad_field", "The styles' masks select nothing within what is to be painted.")
    return found


def _average(styles: Sequence[Style], targets: Sequence[Grams], members: Sequence[int]) -> Grams:
    total = sum(styles[i].weight for i in members)
    return {
        tap: sum((targets[i][tap] * (styles[i].weight / total) for i in members), torch.zeros(()))
        for tap in STYLE_LAYERS
    }


def _no_image(side: int) -> tuple[bytes, int, int]:  # noqa: ARG001 - there is no picture yet
    return b"", 0, 0


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Whatever way memory runs out, it is told as one error."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        text = str(error)
        if (
            isinstance(error, RuntimeError)
            and not isinstance(error, torch.OutOfMemoryError)
            and "can't allocate memory" not in text
            and "out of memory" not in text.lower()
        ):
            raise
        raise VaporbrushError("out_of_memory", "The device's memory does not suffice for this plan.") from error
