"""Parts `speed` and `size`: what paintings cost in time and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from tests.bench import evaluate
from tests.support.fake_device import FakeDevice

from vaporbrush_daemon.engine import device as devices
from vaporbrush_daemon.engine.algorithm import FIRST_MOVE, LONGEST_MOVE
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.graphs import LEAST_STEPS, Graphs
from vaporbrush_daemon.engine.losses import Region, Weighting, tap_weights
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.optimisers import Lbfgs
from vaporbrush_daemon.engine.painter import Painter
from vaporbrush_daemon.engine.pyramid import Pyramid
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import Quality

from .bench import Bench, Watch, files, layer, noise, paint
from .record import Row

ROUNDS = 3  # warm paintings, of which the median counts
LIMIT_MS = 2.1  # of a step at 1024 px: VGG19 forward and backward at an H200's bf16 peak
ENOUGH = 0.25  # of the content's style loss: a preview "in the style"
PREVIEW_SIDE = 512  # pixels, as a host asks for
WARM_UP = 12  # steps until L-BFGS' history is full
STEPS = 20  # taken between two looks at the clock


def run_speed(bench: Bench) -> None:
    """Paintings of everyday sizes."""
    side = bench.size(512, 96)
    for model, quality, least, aim in (("vgg19", "standard", 1.0, 0.3), ("vgg19-lite", "draft", 0.3, 0.1)):
        what = f"{side} px, warm, {model}, `{quality}`, from recipe to result"
        seconds, note = _warm(bench.painter(), bench, model, quality)
        bench.record.add(Row("speed", what, seconds, "s", least, aim, note))
        recorder = bench.recorder()
        if recorder is not None:
            painter = bench.painter()
            painter.graphs.recorder = recorder
            seconds, note = _warm(painter, bench, model, quality)
            chosen = "chosen" if painter.speeds.known[model].graphs else "measured, and not chosen"
            bench.record.add(Row("speed", f"the same with steps recorded ({chosen})", seconds, "s", note=note))
    _preview(bench)
    large = bench.size(1024, 128)
    ms = 1000 * step_seconds(bench, large)
    note = f"{ms:.2f} ms a step with all taps, over {LIMIT_MS} ms"
    bench.record.add(
        Row(
            "speed",
            f"time per iteration at {large} px, bf16, over the arithmetic limit",
            ms / LIMIT_MS,
            "×",
            2,
            1.3,
            note,
        )
    )
    _graphs(bench)
    _reads(bench)


def _warm(painter: Painter, bench: Bench, model: str, quality: Quality) -> tuple[float, str]:
    """Median seconds of a warm painting, and what else is to be said."""
    side, took = bench.size(512, 96), []
    content, style = layer(files()[0], side), layer(files()[1], side)
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        steps = 12 if bench.small else None
        painting = paint(painter, content, style, Watch(), model=model, quality=quality, steps=steps)
        took.append(time.perf_counter() - began)
    facts = painting.facts
    seconds = ", ".join(f"{name} {value:.3f}" for name, value in facts["seconds"].items())
    note = f"engine only; {facts['steps_done']} steps, {facts['precision']}; {seconds}; cold {took[0]:.2f} s"
    return statistics.median(took[1:]), note


def _graphs(bench: Bench) -> None:
    """Whether a step as one graph would be faster: the engine's switch for it is off until this says so."""
    for side in (bench.size(256, 64), bench.size(512, 96), bench.size(1024, 128)):
        what = f"step at {side} px recorded and replayed, over one kernel by kernel"
        recorder = bench.recorder()
        if recorder is None:
            bench.record.add(Row("speed", what, None, "×", note="needs a GPU with graphs"))
            continue
        graphs = Graphs(recorder)
        plain, replayed = step_seconds(bench, side), step_seconds(bench, side, graphs=graphs)
        if not graphs.possible:
            bench.record.add(Row("speed", what, None, "×", note="could not be recorded, the log says why"))
            return  # after a capture that failed nothing here is certain
        note = f"{1000 * replayed:.2f} and {1000 * plain:.2f} ms"
        bench.record.add(Row("speed", what, replayed / plain, "×", note=note))


def stepper(painter: Painter, side: int, graphs: Graphs | None = None) -> Callable[[], torch.Tensor]:
    """One step of a square painting, optimiser and all, with all taps and in bf16; it gives the image after it, which
    the next one may overwrite.
    """
    network = painter.models.network("vgg19", "bf16")
    there = network.device
    image = torch.from_numpy(noise(side)[..., :3].copy()).permute(2, 0, 1)[None].to(there)
    style = torch.from_numpy(noise(256)[..., :3].copy()).permute(2, 0, 1)[None].to(there)
    regions = [Region(style_statistics(network, style, None))]
    objective = TextureObjective(Canvas(network, image, Weighting(100.0, tap_weights(None))), regions)
    pyramid = Pyramid.of(side, side)
    optimiser = Lbfgs(pyramid.variables, 10, there, first=FIRST_MOVE, longest=LONGEST_MOVE)
    take = (graphs or Graphs(None)).steps_of(objective, pyramid, optimiser, image, LEAST_STEPS)

    def step() -> torch.Tensor:
        nonlocal image
        _, image = take(image)
        return image

    return step


def step_seconds(bench: Bench, side: int, steps: int = STEPS, *, graphs: Graphs | None = None) -> float:
    """Median seconds of a step, of three rounds after one to warm up (and to fill the history)."""
    step, laps, steps = stepper(bench.settled(), side, graphs), [], bench.size(steps, 2)
    for _ in range(4):
        began = time.perf_counter()
        for _ in range(steps):
            step()
        devices.synchronise(bench.device)
        laps.append((time.perf_counter() - began) / steps)
    return statistics.median(laps[1:])


def _reads(bench: Bench) -> None:
    """CUDA fails on every synchronising call if it is told to. Elsewhere a fake CUDA device tells what it would do."""
    what, painter = "host reads in a step outside reports", bench.settled()
    if not bench.device.startswith("cuda"):
        fake, painter = FakeDevice("cuda:0"), replace(bench, device="cuda:0").settled()
        painter.models.weights("vgg19")
        with fake.running():
            step = stepper(painter, 64)
            for _ in range(WARM_UP):
                step()
            before = fake.reads.total(), fake.launches.total()
            step()
        note = "on a fake cuda:0, which tells where a read happens but not what it costs"
        bench.record.add(Row("speed", what, fake.reads.total() - before[0], "", 0, 0, note))
        bench.record.add(Row("speed", "kernels in a step", fake.launches.total() - before[1], note=note))
        return
    step = stepper(painter, bench.size(256, 64))
    for _ in range(WARM_UP):
        step()
    found, note = 0, ""
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    except RuntimeError as error:
        found, note = 1, str(error)[:160]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    bench.record.add(Row("speed", what, found, "", 0, 0, note))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        devices.synchronise(bench.device)
    bench.record.add(Row("speed", "kernels in a step", float(sum(event.count for event in profile.key_averages()))))


def _preview(bench: Bench) -> None:
    """From the recipe to the first preview in the style, of a large layer."""
    side = bench.size(4096, 256)
    what = f"first preview in the style, {side}² layer, warm"
    content, style = layer(files()[0], side), layer(files()[1], bench.size(1024, 96))
    painter, times = bench.painter(), []

    def half(progress: object) -> bool:
        return bool(getattr(progress, "scale", 0) >= 3) or bench.small

    for _ in range(3):
        watch = Watch(bench.size(PREVIEW_SIDE, 64), until=half)
        try:
            paint(painter, content, style, watch, quality="standard")
        except VaporbrushError as error:
            if error.code != "cancelled":
                raise
        times.append(watch.previews)
    first = statistics.median(previews[0][0] for previews in times[1:])
    bench.record.add(Row("speed", f"first preview at all, {side}² layer, warm", first, "s"))
    if not bench.real or bench.small:
        bench.record.add(Row("speed", what, None, "s", 0.5, 0.2, "needs VGG19's own weights and a GPU to judge by"))
        return
    hits = [next((s for s, pixels in previews if _in_style(bench, pixels)), float("inf")) for previews in times[1:]]
    bench.record.add(Row("speed", what, statistics.median(hits), "s", 0.5, 0.2, "engine only"))


def _in_style(bench: Bench, pixels: np.ndarray) -> bool:
    """Whether a preview's style loss is at most ENOUGH of the content's at its size."""
    shown = torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None].to(bench.device)
    content, style = (evaluate.read(file).to(bench.device) for file in files())
    plain = evaluate.fitted(content, shown.shape[3], shown.shape[2])
    before, after = (evaluate.evaluate_image(x, plain, style, bench.weights).style for x in (plain, shown))
    return after <= ENOUGH * before


def run_size(bench: Bench) -> None:
    """How time and memory grow with size, and sizes that fit only in tiles."""
    small, large = bench.size(512, 64), bench.size(4096, 128)
    costs, peaks = [], []
    for side in (small, large):
        _reset_peak(bench)
        costs.append(step_seconds(bench, side, steps=10) / (side**2 / 1e6))
        peaks.append(_peak(bench))
        devices.give_back(bench.device)
    note = f"{1000 * costs[0]:.2f} and {1000 * costs[1]:.2f} ms"
    bench.record.add(
        Row("size", f"seconds per megapixel-step, {large}² over {small}²", costs[1] / costs[0], "×", 1.1, 1.0, note)
    )
    grown = None if peaks[0] is None or peaks[1] is None else (peaks[1] - peaks[0]) / (large**2 - small**2) / 1000
    bench.record.add(
        Row("size", "bytes per pixel at the finest scale, untiled", grown, "KB", 1.3, 0.7, "history 10, bf16")
    )
    free = devices.free_bytes(bench.device)
    for side, bound in ((bench.size(8192, 256), bench.size(8 * 10**9, 1_150_000_000)), (bench.size(16384, 0), free)):
        if side:
            _huge(bench, side, bound)


def _huge(bench: Bench, side: int, bound: int | None) -> None:
    """A painting that just fits."""
    what = f"{side}² within {(bound or 0) / 1e9:.1f} GB"
    painter = bench.settled() if bench.small else bench.painter()
    painter.load("vgg19")  # and measure how fast it is, which the plan depends on
    _reset_peak(bench)
    began, watch = time.perf_counter(), Watch()
    try:
        painting = paint(
            painter, noise(side), noise(512), watch, memory=bound, steps=bench.size(40, 6), style_scale=0.1
        )
    except VaporbrushError as error:
        bench.record.add(Row("size", what, None, "s", note=error.message))
        return
    took, peak = time.perf_counter() - began, _peak(bench)
    seen = "" if peak is None else f", peak {peak / 1e9:.2f} GB"
    bench.record.add(
        Row("size", what, took, "s", note=f"{painting.facts['plan']}, {painting.facts['steps_done']} steps{seen}")
    )
    if peak is not None and bound is not None:
        bench.record.add(Row("size", f"{side}²: peak over bound", peak / bound, "×", 1.0))
    planned = [progress.eta_s for _, progress in watch.seen if progress.eta_s][:1]
    if planned:
        bench.record.add(Row("size", f"{side}²: time as it ended over the first estimate", took / planned[0], "×", 1.2))


def _reset_peak(bench: Bench) -> None:
    if bench.device.startswith(("cuda", "xpu")):
        getattr(torch, bench.device.partition(":")[0]).reset_peak_memory_stats(bench.device)


def _peak(bench: Bench) -> int | None:
    """Bytes held at most since the reset; None where nobody counts."""
    if not bench.device.startswith(("cuda", "xpu")):
        return None
    return int(getattr(torch, bench.device.partition(":")[0]).max_memory_reserved(bench.device))
