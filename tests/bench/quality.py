"""Time to quality, against the references:

    python -m tests.bench.quality [--full] [--shared FOLDER] [--strengths R,R] [--kinds published] [--out build/bench]

Quick: 2 pairs at 256 px, the pictures of 50 and 100 reference iterations as targets. `--full`: 9 pairs at 512 px, 50 to
500 iterations, two strengths; hours on a CPU. Pictures and weights are in FOLDER (VAPORBRUSH_SHARED, else `../shared`).

"Reached": the weighted total of the picture as saved (8 bits) is no worse, judged by `evaluate` alone. Ours is judged
at every step of its finest scale whose own loss is near the target, in each quality and in `fine` with LONG steps (the
quick mode leaves out both), and the cheapest counts; judging is not part of its time. Seconds are steps × the median
time of a step (ours with and without relu5_1, which most steps leave out), and all step times are taken in turn, in one
process: whatever else the machine does slows them alike, and the numbers of steps do not depend on the machine at all.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import vaporbrush_daemon.engine  # noqa: F401 - first: it settles how torch's threads wait

import numpy as np  # isort: skip
import torch  # isort: skip

from tests.bench import evaluate, reference

from vaporbrush_daemon.engine import malloc
from vaporbrush_daemon.engine.algorithm import FIRST_MOVE, LONGEST_MOVE
from vaporbrush_daemon.engine.device import synchronise
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.losses import Region, Weighting, tap_weights
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.optimisers import Lbfgs
from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_daemon.engine.phases import Phase, phases_of
from vaporbrush_daemon.engine.pyramid import Pyramid
from vaporbrush_daemon.plan import WAYS, predict
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH, STYLE_TAPS, Image, Quality, Recipe, Style

ROOT = Path(__file__).resolve().parents[2]
CONTENTS, STYLES = ("tubingen", "golden_gate", "lion"), ("starry_night", "the_scream", "composition_vii")
KINDS = ("published", "penalised")
LONG = 640  # steps over all scales of the longest way, `fine` with `--steps 640`
NEAR = 1.1  # of the target: from where on our pictures are judged
LAPS = 5  # step times taken in turn


@dataclass(frozen=True)
class Row:
    """One pair against one target of one reference."""

    pair: str
    strength: float
    kind: str
    iterations: int
    target: float
    reference_s: float
    ours_s: float | None
    full_steps: float | None  # of the finest size, that ours is worth

    @property
    def ratio(self) -> float | None:
        """How many times faster."""
        return None if self.ours_s is None else self.reference_s / self.ours_s

    @property
    def text(self) -> str:
        """In words."""
        if self.ours_s is None:
            return f"{self.reference_s:.1f} s; ours does not reach it"
        spent = f"{self.full_steps:.1f} steps of the finest size"
        return f"{self.reference_s:.1f} s; ours {self.ours_s:.1f} s ({spent}): {self.ratio:.1f}×"


@dataclass(frozen=True)
class Point:
    """Our painting after some step."""

    full: float  # steps of the finest size that it cost
    deep: float  # those of them that saw relu5_1
    own: float
    picture: np.ndarray


class Recording(Painter):
    """The painter, keeping every picture of the finest scale, and what it cost so far in steps of that size."""

    def course(self, recipe: Recipe, pictures: Pictures, size: tuple[int, int]) -> list[Point]:
        """Paint, and tell how it went."""
        self.size, self.points, self.done, self.deep, self.last, self.first = size, [], 0.0, 0.0, 0, 0
        self.scales, self.strength = predict(recipe, self.load(recipe.model)).scales, recipe.strength
        self.scale = 0
        self.paint(recipe, pictures, self)
        return self.points

    def report(self, progress: Progress, image: Callable[[int], tuple[bytes, int, int]]) -> None:
        if progress.phase != "painting" or progress.loss is None:
            return
        area = progress.width * progress.height / (self.size[0] * self.size[1])
        if progress.scale != self.scale:
            self.scale, self.first = progress.scale, self.last
        finest = progress.scale == progress.scales
        steps = self.scales[progress.scale - 1].steps
        phases = phases_of(steps, self.strength, finest=finest, deepest_first=progress.scale == 1)
        shallow = sum(phase.steps for phase in phases if STYLE_TAPS[-1] not in phase.taps)
        since = max(self.last, self.first + shallow)
        self.done += (progress.step - self.last) * area
        self.deep += max(0, progress.step - max(self.last, since)) * area
        self.last = progress.step
        if area == 1:
            data, width, height = image(max(self.size))
            pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            self.points.append(Point(self.done, self.deep, progress.loss, pixels))

    def wanted(self) -> Any:
        return "go"


def layer(file: Path) -> np.ndarray:
    """A picture file as the daemon hands it to the painter."""
    rgb = evaluate.read(file)[0].permute(1, 2, 0).numpy()
    return np.concatenate([rgb, np.ones_like(rgb[..., :1])], axis=2)


def course(
    painter: Recording, files: tuple[Path, Path], size: int, strength: float, quality: Quality, steps: int | None
) -> list[Point]:
    """Our painting's course at the finest scale."""
    content, style = (layer(file) for file in files)
    recipe = Recipe(
        Image("", content.shape[1], content.shape[0]),
        (Style(Image("", style.shape[1], style.shape[0])),),
        size=size,
        strength=strength,
        model="vgg19",
        quality=quality,
        steps=steps,
    )
    return painter.course(recipe, Pictures(content, [style]), reference.scaled(evaluate.read(files[0]), size))


def step_times(painter: Recording, files: tuple[Path, Path], weights: Path, size: int) -> tuple[float, float, float]:
    """Median seconds of one step at full size, taken in turn: the reference's loss and gradient (its optimiser, which
    looks through a history of 100, is not charged to it), all of ours, and all of ours without relu5_1.
    """
    device = painter.device
    loss, start = reference.problem(*files, weights, size, DEFAULT_STRENGTH, penalised=True, device=str(device))
    style = evaluate.read(files[1]).to(device)
    style = evaluate.fitted(style, *reference.scaled(style, max(start.shape[2:])))
    precision = painter.load("vgg19").precision

    def theirs() -> None:
        variables = (start * 255).requires_grad_()
        loss(variables / 255).backward()

    network = painter.models.network("vgg19", precision)
    regions = [Region(style_statistics(network, style, None))]
    objective = TextureObjective(Canvas(network, start, Weighting(DEFAULT_STRENGTH, tap_weights(None))), regions)
    pyramid = Pyramid.of(start.shape[2], start.shape[3])
    optimiser = Lbfgs(pyramid.variables, WAYS[0][1], start.device, first=FIRST_MOVE, longest=LONGEST_MOVE)
    image = start.clone()

    def ours(taps: tuple[str, ...]) -> None:
        objective.aim(Phase(1, taps), image)
        variables = pyramid.backward(objective(image)[1])
        image.add_(pyramid.forward(optimiser.step(variables)))

    malloc.keep()  # as the painter does
    works: list[Callable[[], object]] = [theirs, partial(ours, STYLE_TAPS), partial(ours, STYLE_TAPS[:-1])]
    laps: list[list[float]] = [[] for _ in works]
    for _ in range(LAPS + 1):
        for work, times in zip(works, laps, strict=True):
            began = time.perf_counter()
            work()
            synchronise(str(device))
            times.append(time.perf_counter() - began)
    malloc.give_back()
    theirs_s, deep_s, shallow_s = (statistics.median(times[1:]) for times in laps)
    return theirs_s, deep_s, shallow_s


def compare(
    painter: Recording, files: tuple[Path, Path], weights: Path, o: argparse.Namespace, strength: float
) -> list[Row]:
    """All rows of one pair at one strength."""
    pair = f"{files[0].stem} × {files[1].stem}"
    ways: list[tuple[Quality, int | None]] = [("draft", None), ("standard", None)]
    if o.iterations > reference.KEPT[1]:
        ways += [("fine", None), ("fine", LONG)]
    courses = [course(painter, files, o.size, strength, quality, steps) for quality, steps in ways]
    their_step, deep_step, shallow_step = step_times(painter, files, weights, o.size)
    content, style = (evaluate.read(file) for file in files)

    def image_of(point: Point) -> torch.Tensor:
        return torch.from_numpy(point.picture.astype(np.float32) / 255).permute(2, 0, 1)[None]

    height, width = courses[0][-1].picture.shape[:2]
    judge = evaluate.Judge(content, style, (width, height), weights)
    known: dict[int, float] = {}

    def reached(target: float) -> Point | None:
        """The first by cost, in whichever quality's course, that is as good."""
        for point in sorted((p for points in courses for p in points), key=seconds):
            if point.own > NEAR * target:
                continue
            if id(point) not in known:
                known[id(point)] = judge(image_of(point), strength, held_out=False).total
            if known[id(point)] <= target:
                return point
        return None

    def seconds(point: Point) -> float:
        return point.deep * deep_step + (point.full - point.deep) * shallow_step

    print(f"{pair}, strength {strength:g}")
    print(f"  a step: {their_step:.3f} s; ours {deep_step:.3f} s, without relu5_1 {shallow_step:.3f} s")
    for (quality, steps), points in zip(ways, courses, strict=True):
        last, way = image_of(points[-1]), quality if steps is None else f"{quality}-{steps}"
        reference.save(last, o.out / f"{files[0].stem}-{files[1].stem}-{o.size}-{strength:g}-{way}.png")
        verdict = judge(last, strength)
        print(f"  {way} at its end, {seconds(points[-1]):.1f} s: {verdict.text}", flush=True)
    rows = []
    for kind in o.kinds:
        penalised = kind == "penalised"
        found = reference.verdicts(*files, weights, o.size, o.iterations, o.out, strength, penalised=penalised)
        for n, verdict in found.items():
            hit = reached(verdict.total)
            spent = (None, None) if hit is None else (seconds(hit), hit.full)
            rows.append(Row(pair, strength, kind, n, verdict.total, n * their_step, *spent))
            print(f"  {kind} {n:3}: {verdict.text}\n      {rows[-1].text}", flush=True)
    return rows


def summarise(rows: Sequence[Row]) -> None:
    """Medians over the pairs."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"\nmedians over pairs; peak memory of this process, the reference in it, {peak:.2f} GB")
    for key in sorted({(row.strength, row.kind, row.iterations) for row in rows}):
        ratios = [row.ratio for row in rows if (row.strength, row.kind, row.iterations) == key]
        got = [ratio for ratio in ratios if ratio is not None]
        middle = f"{statistics.median(got):.1f}×" if got else "-"
        print(f"strength {key[0]:g}, {key[1]} {key[2]:3}: {middle} (reached by {len(got)} of {len(ratios)})")


def plot(rows: Sequence[Row], file: Path) -> None:
    """Loss against seconds."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5))
    for pair in dict.fromkeys(row.pair for row in rows):
        some = [r for r in rows if (r.pair, r.kind, r.strength) == (pair, rows[-1].kind, rows[0].strength)]
        hit = [r for r in some if r.ours_s is not None]
        (drawn,) = axes.plot([r.reference_s for r in some], [r.target for r in some], "o--", label=f"{pair}, reference")
        axes.plot(
            [r.ours_s for r in hit], [r.target for r in hit], "s-", color=drawn.get_color(), label=f"{pair}, ours"
        )
    axes.set(xscale="log", yscale="log", xlabel="seconds", ylabel="weighted total of the saved picture")
    axes.legend(fontsize=7)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Compare, print, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("VAPORBRUSH_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--full", action="store_true", help="9 pairs at 512 px")
    parser.add_argument("--shared", type=Path, default=shared)
    parser.add_argument(
        "--strengths", default="", help="comma-separated; the default one, and with --full ten times it"
    )
    parser.add_argument(
        "--kinds",
        type=lambda text: text.split(","),
        default=list(KINDS),
        help=f"of references, out of {', '.join(KINDS)}",
    )
    parser.add_argument("--pairs", type=int, default=0, help="only the first N pairs")
    parser.add_argument("--size", type=int, default=0)
    parser.add_argument("--iterations", type=int, default=0)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "bench")
    o = parser.parse_args()
    if not set(o.kinds) <= set(KINDS):
        parser.error(f"--kinds: {', '.join(o.kinds)} are not all out of {', '.join(KINDS)}")
    o.size, o.iterations = o.size or (512 if o.full else 256), o.iterations or (500 if o.full else 100)
    weights = (o.shared / "weights" / "vgg19_features.pth").resolve()
    if not weights.is_file():
        raise SystemExit(f"The weights are not at {weights}: --shared names the folder with `weights` and `images`.")
    # each content and each style once, before any comes again
    nine = [(c, STYLES[(i + shift) % 3]) for shift in range(3) for i, c in enumerate(CONTENTS)]
    pairs = nine[: o.pairs or (9 if o.full else 2)]
    strengths = [float(r) for r in o.strengths.split(",") if r] or [DEFAULT_STRENGTH, 10 * DEFAULT_STRENGTH][
        : 1 + o.full
    ]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    painter, rows = Recording(device, {"vgg19": weights}, o.out / "cache"), []
    for strength in strengths:
        for c, s in pairs:
            files = o.shared / "images" / "content" / f"{c}.jpg", o.shared / "images" / "style" / f"{s}.jpg"
            rows += compare(painter, files, weights, o, strength)
    summarise(rows)
    o.out.mkdir(parents=True, exist_ok=True)
    (o.out / f"quality-{o.size}.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    plot(rows, o.out / f"quality-{o.size}.png")


if __name__ == "__main__":
    main()
