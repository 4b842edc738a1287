"""Part `quality`: how soon ours is as good as neural-style's way on the same device, and pictures to look at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import numpy as np
import torch
from tests.bench import evaluate, reference
from tests.bench.quality import Point, Recording, course, step_times
from torch import Tensor

from vaporbrush_daemon.plan import Speed, write_speed
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH, Quality

from .bench import Bench, files
from .record import Row, plot

PROMISED = {"published": (20.0, 50.0), "penalised": (6.0, 15.0)}
LONG = 640  # steps of the longest way
NEAR = 1.1  # of the target: from where on our pictures are judged


@dataclass
class Shelf:
    """The reference's pictures by iteration."""

    kept: dict[int, Tensor]

    def keep(self, iteration: int, image: Tensor) -> None:
        """As it would be saved: clamped, 8 bits."""
        self.kept[iteration] = (image.clamp(0, 1) * 255).round() / 255


def run(bench: Bench) -> None:
    """The loss of the reference's last iteration: when does ours reach it?"""
    if not bench.real:
        for kind, (least, aim) in PROMISED.items():
            what = f"to the loss of 500 iterations, {kind}"
            bench.record.add(Row("quality", what, None, "×", least, aim, "needs VGG19's own weights", more=True))
        return
    size, iterations = bench.size(512, 64), bench.size(500, 12)
    painter = _recording(bench)
    ways: list[tuple[Quality, int | None]] = [("draft", None), ("standard", None), ("fine", None), ("fine", LONG)]
    ways = [("standard", 12)] if bench.small else ways
    courses = {
        f"{quality} {steps or ''}".strip(): course(painter, files(), size, DEFAULT_STRENGTH, quality, steps)
        for quality, steps in ways
    }
    _, deep_s, shallow_s = step_times(painter, files(), bench.weights, size)

    def seconds(point: Point) -> float:
        return point.deep * deep_s + (point.full - point.deep) * shallow_s

    curves = {
        name: [(seconds(p), p.own) for p in points if p.own < 20 * points[-1].own] for name, points in courses.items()
    }
    (bench.out / "losses.svg").write_text(plot(curves, f"{size} px on {bench.device}", ("seconds", "loss")))
    content, style = (evaluate.read(file).to(bench.device) for file in files())
    height, width = next(iter(courses.values()))[-1].picture.shape[:2]
    judge = evaluate.Judge(content, style, (width, height), bench.weights)
    for name, points in courses.items():
        picture = _image(points[-1], bench)
        reference.save(picture, bench.out / f"ours-{name.replace(' ', '-')}.png")
        total = judge(picture, held_out=False).total
        bench.record.add(Row("quality", f"`{name}` at its end", seconds(points[-1]), "s", note=f"total {total:.4f}"))
    points = sorted((point for points in courses.values() for point in points), key=seconds)
    for kind, (least, aim) in PROMISED.items():
        shelf = Shelf({})
        loss, start = reference.problem(
            *files(), bench.weights, size, DEFAULT_STRENGTH, penalised=kind == "penalised", device=bench.device
        )
        lap = reference.run(loss, start, iterations, shelf.keep)
        last = shelf.kept[max(shelf.kept)]
        reference.save(last, bench.out / f"reference-{kind}.png")
        target = judge(last, held_out=False).total
        hit = _first(points, target, partial(_total, judge, bench))
        what = f"to the loss of {iterations} iterations, {kind}, ratio to neural-style's way"
        note = f"theirs {iterations * lap:.2f} s to {target:.4f}"
        note += "; ours does not reach it" if hit is None else f", ours {seconds(hit):.2f} s"
        ratio = 0.0 if hit is None else iterations * lap / seconds(hit)
        bench.record.add(Row("quality", what, ratio, "×", least, aim, note, more=True))


def _recording(bench: Bench) -> Recording:
    """A painter by whose clock every step is due for a report, so that each one's picture is kept."""
    ticks = count()
    painter = Recording(bench.device, {"vgg19": bench.weights}, bench.out / "cache", lambda: float(next(ticks)))
    write_speed(bench.out / "cache", bench.device, "vgg19", Speed("bf16", 0.003, 0.003, device=bench.device))
    return painter


def _image(point: Point, bench: Bench) -> Tensor:
    return torch.from_numpy(point.picture.astype(np.float32) / 255).permute(2, 0, 1)[None].to(bench.device)


def _total(judge: evaluate.Judge, bench: Bench, point: Point) -> float:
    return judge(_image(point, bench), held_out=False).total


def _first(points: list[Point], target: float, total: Callable[[Point], float]) -> Point | None:
    """The cheapest picture that is as good."""
    return next((point for point in points if point.own <= NEAR * target and total(point) <= target), None)
