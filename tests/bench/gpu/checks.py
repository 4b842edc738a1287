"""Part `checks`: the engine's arithmetic on the device, against the processor's; and what its errors look like."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import torch

from vaporbrush_daemon.engine import device as devices
from vaporbrush_daemon.engine.grams import style_statistics
from vaporbrush_daemon.engine.graphs import Graphs
from vaporbrush_daemon.engine.losses import Region, Weighting, tap_weights
from vaporbrush_daemon.engine.models import DTYPES, load_weights
from vaporbrush_daemon.engine.network import Network
from vaporbrush_daemon.engine.objective import Canvas, TextureObjective
from vaporbrush_daemon.engine.optimisers import Lbfgs
from vaporbrush_daemon.engine.tiles import tiles
from vaporbrush_daemon.plan import Precision, Speed
from vaporbrush_protocol.recipe import STYLE_TAPS

from .bench import Bench, Watch, files, layer, paint
from .record import Row
from .speed import stepper

STRENGTH = 100.0
RECORDED = 24  # steps: L-BFGS' history has turned twice
CHILD_S = 60.0  # for a process that ruins its own device
POISON = """
import sys, torch
from vaporbrush_daemon.engine import device
try:
    index = torch.tensor([10**6], device=sys.argv[1])
    torch.zeros(4, device=sys.argv[1])[index].sum().item()
except Exception as error:
    print("sticky" if device.is_sticky(error) else f"not sticky: {type(error).__name__}: {error}")
"""


def run(bench: Bench) -> None:
    """All checks."""
    _arithmetic(bench)
    _pictures(bench)
    _abilities(bench)
    if bench.gpu:
        _memory(bench)
        _poison(bench)


def tensor(bench: Bench, number: int, side: int) -> torch.Tensor:
    """One of the two files as (1, 3, H, W) on the processor."""
    return torch.from_numpy(layer(files()[number], side)[..., :3].copy()).permute(2, 0, 1)[None]


def objective(
    network: Network, content: torch.Tensor, style: torch.Tensor, tile: int | None = None
) -> TextureObjective:
    """The loss of a painting of `content` in the manner of `style`."""
    there = network.device
    regions = [Region(style_statistics(network, style.to(there), None))]
    canvas = Canvas(network, content.to(there), Weighting(STRENGTH, tap_weights(None)), tile=tile)
    return TextureObjective(canvas, regions)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """Relative distance."""
    a, b = a.double().cpu(), b.double().cpu()
    return float((a - b).norm() / b.norm().clamp(min=1e-30))


def _arithmetic(bench: Bench) -> None:
    """Taps, gradients, tiles and the optimiser."""
    here, there = torch.device("cpu"), torch.device(bench.device)
    weights, side = load_weights("vgg19", bench.weights), bench.size(256, 96)
    content, style = tensor(bench, 0, side), tensor(bench, 1, side)
    image = (content + 0.1 * torch.randn(content.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    exact = Network(weights, here, torch.float32)
    truth, gradient = objective(exact, content, style)(image)
    # random weights amplify rounding more than trained ones do
    half = (0.05, 0.15) if bench.real else (0.1, 0.5)
    bounds: dict[Precision, tuple[float, float]] = {"fp32": (2e-3, 5e-3), "bf16": half}
    for precision, (of_taps, of_gradient) in bounds.items():
        network = Network(weights, there, DTYPES[precision])
        taps = network(image.to(there))
        worst = max(apart(taps[tap], value) for tap, value in exact(image).items())
        bench.record.add(Row("checks", f"taps in {precision}, beside the processor's in fp32", worst, "", of_taps))
        losses, found = objective(network, content, style)(image.to(there))
        bench.record.add(Row("checks", f"gradient in {precision}", apart(found, gradient), "", of_gradient))
        off = abs(float(losses.total) / float(truth.total) - 1)
        bench.record.add(Row("checks", f"loss in {precision}", off, "", of_gradient))
    network = Network(weights, there, torch.float32)
    whole = objective(network, content, style)(image.to(there))[1]
    cut = objective(network, content, style, tile=64)(image.to(there))[1]
    count = len(tiles(image.shape[3], image.shape[2], 64))
    bench.record.add(Row("checks", f"gradient of {count} tiles, beside the whole's", apart(cut, whole), "", 2e-3))
    bench.record.add(Row("checks", "L-BFGS, beside the processor's", _optimiser(there), "", 1e-3))


def _optimiser(there: torch.device) -> float:
    """How far twenty steps on an ill-conditioned bowl lead apart."""
    ends = []
    for device in (torch.device("cpu"), there):
        scales, x = torch.logspace(0, 2, 4000, device=device), torch.ones(4000, device=device)
        optimiser = Lbfgs(4000, 10, device, first=0.01, longest=0.05)
        for _ in range(20):
            x = x + optimiser.step(scales * x)
        ends.append(x)
    return apart(ends[1], ends[0])


def _pictures(bench: Bench) -> None:
    """The same painting in fp32 here and there: as a picture, and by what the style loss sees of it."""
    side = bench.size(256, 96)
    content, style = layer(files()[0], side), layer(files()[1], side)
    found = []
    for device in ("cpu", bench.device):
        one = replace(bench, device=device)
        speed = Speed("fp32", 0.01, 0.003, device=device)
        found.append(paint(one.settled(speed), content, style, Watch(), steps=bench.size(60, 12)))
    canvases = [torch.from_numpy(painting.canvas.copy()).permute(2, 0, 1)[None] for painting in found]
    network = Network(load_weights("vgg19", bench.weights), torch.device("cpu"), torch.float32)
    grams = [style_statistics(network, canvas, None) for canvas in canvases]
    worst = max(apart(grams[1][tap], grams[0][tap]) for tap in STYLE_TAPS)
    bench.record.add(Row("checks", "painting in fp32: relative Gram distance to the processor's", worst, "", 0.01))
    difference = float(np.abs(found[0].canvas - found[1].canvas).mean() * 255)
    bench.record.add(Row("checks", "the same: mean difference of a pixel", difference, "levels of 255"))


def _abilities(bench: Bench) -> None:
    """What the engine asks the device, and whether recorded steps lead where the others do."""
    for what, has in (
        ("it has doubles", devices.small_dtype(bench.device) == torch.float64),
        ("it copies on streams of its own", devices.streams_of(bench.device) is not None),
    ):
        bench.record.add(Row("checks", what, float(has), note="1: yes"))
    what, recorder = f"{RECORDED} steps recorded and replayed, beside one by one", bench.recorder()
    if recorder is None:
        bench.record.add(Row("checks", what, None, note="needs a GPU with graphs"))
        return
    graphs, ends = Graphs(recorder), []
    for own in (Graphs(None), graphs):
        step = stepper(bench.settled(), bench.size(256, 64), own)
        ends.append([step().clone() for _ in range(RECORDED)][-1])
    note = "" if graphs.possible else "could not be recorded, the log says why"
    bench.record.add(Row("checks", what, apart(ends[1], ends[0]) if graphs.possible else None, "", 0.02, note=note))


def _memory(bench: Bench) -> None:
    """Out of memory is recognised, and what a painting took is given back."""
    try:
        torch.empty(2**50, dtype=torch.uint8, device=bench.device)
        known, note = 0.0, "a petabyte was granted"
    except RuntimeError as error:
        known, note = float(devices.is_out_of_memory(error) and not devices.is_sticky(error)), str(error)[:80]
    bench.record.add(Row("checks", "out of memory is recognised", known, "", 1, note=note, more=True))
    devices.give_back(bench.device)
    before = devices.free_bytes(bench.device) or 0
    side = bench.size(1024, 96)
    paint(bench.settled(), layer(files()[0], side), layer(files()[1], side), Watch(), steps=12)
    devices.give_back(bench.device)
    kept = (before - (devices.free_bytes(bench.device) or 0)) / 1e6
    bench.record.add(
        Row("checks", "memory not given back after a painting", kept, "MB", 300, note="by the driver's figure")
    )


def _poison(bench: Bench) -> None:
    """An error after which the device answers nothing is recognised, in a process of its own."""
    command = [sys.executable, "-c", POISON, bench.device]
    done = subprocess.run(command, capture_output=True, text=True, timeout=CHILD_S, check=False)
    answer = (done.stdout.strip().splitlines() or [f"status {done.returncode}"])[-1]
    bench.record.add(
        Row("checks", "a sticky error is recognised", float(answer == "sticky"), "", 1, note=answer[:120], more=True)
    )
