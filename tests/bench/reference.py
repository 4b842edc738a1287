"""The yardstick: style transfer as the published implementations do it.

One scale, fp32, contiguous tensors, autograd losses, from the content image, `torch.optim.LBFGS` called once (history
100, tolerances off, no line search). The variables are pixels in 0..255, as in all of them: in [0, 1] torch's first
step, 1/‖g‖₁, is so small that its curvature test fails for ever. `penalised` adds the range penalty of
`engine/losses.py`; without it the picture is clamped only when it is saved.

    python -m tests.bench.reference CONTENT STYLE --weights FILE --size 256 --iterations 200 --out FOLDER [--penalised]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.bench import evaluate
from torch import Tensor

from vaporbrush_daemon.engine.losses import RANGE
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

KEPT = (50, 100, 200, 500)  # iterations after which the picture is kept
KNOWN = Path(__file__).with_name("references.json")  # verdicts of references run before: each takes up to an hour


def gram(features: Tensor) -> Tensor:
    """FᵀF / M of (M, N) rows."""
    return features.T @ features / len(features)


def total_loss(
    content: Tensor, style: Tensor, weights: Path, strength: float, *, penalised: bool
) -> Callable[[Tensor], Tensor]:
    """The loss of an image (1, 3, H, W) in [0, 1], for autograd; content and style are already at their sizes."""
    net = evaluate.network(weights, str(content.device))
    mean, std = evaluate.MEAN.to(content.device), evaluate.STD.to(content.device)
    taps = (*evaluate.STYLE_TAPS.values(), evaluate.CONTENT_TAP)

    def activations(image: Tensor) -> dict[int, Tensor]:
        x, found = (image - mean) / std, {}
        for index, layer in enumerate(net):
            x = layer(x)
            if index in taps:
                found[index] = x[0].flatten(1).T
        return found

    with torch.no_grad():
        wanted = {i: gram(f) for i, f in activations(style).items()}
        kept = activations(content)[evaluate.CONTENT_TAP]

    def loss(image: Tensor) -> Tensor:
        found = activations(image)
        value = (found[evaluate.CONTENT_TAP] - kept).square().mean()
        for i in evaluate.STYLE_TAPS.values():
            value = value + strength * (gram(found[i]) - wanted[i]).square().mean() / found[i].shape[1] ** 2
        if penalised:
            value = value + RANGE * (image - image.clamp(0, 1)).square().mean()
        return value

    return loss


def run(
    loss: Callable[[Tensor], Tensor], content: Tensor, iterations: int, keep: Callable[[int, Tensor], None]
) -> float:
    """Minimise from the content; `keep` gets the image after each of KEPT. Returns the median seconds of an
    iteration.
    """
    variables = (content * 255).contiguous().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [variables], lr=1, max_iter=iterations + 1, history_size=100, tolerance_grad=-1, tolerance_change=-1
    )
    laps: list[float] = [time.perf_counter()]

    def closure() -> Tensor:
        done = len(laps) - 1  # iterations taken when this evaluation begins
        if done in KEPT or done == iterations:
            keep(done, variables.detach() / 255)
        optimiser.zero_grad()
        value = loss(variables / 255)
        value.backward()
        variables.grad = variables.grad.contiguous() if variables.grad is not None else None
        laps.append(time.perf_counter())
        return value

    optimiser.step(closure)
    return statistics.median(b - a for a, b in pairwise(laps))


def save(image: Tensor, file: Path) -> None:
    """As any program saves: clamped, 8 bits."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = (image[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file)


def verdicts(
    content: Path,
    style: Path,
    weights: Path,
    size: int,
    iterations: int,
    folder: Path,
    strength: float,
    *,
    penalised: bool,
) -> dict[int, evaluate.Verdict]:
    """What the reference's saved pictures are worth, by iteration; computed unless this torch has made them before.

    The pictures go into `folder`, what they are worth into KNOWN.
    """
    kind = "penalised" if penalised else "published"
    stem = f"{content.stem}-{style.stem}-{size}-{strength:g}-{kind}-torch{torch.__version__.split('+')[0]}"
    wanted = [n for n in KEPT if n <= iterations]
    known = json.loads(KNOWN.read_text()) if KNOWN.is_file() else {}
    found = {int(n): evaluate.Verdict(**verdict) for n, verdict in known.get(stem, {}).items()}
    if set(wanted) <= set(found):
        return {n: found[n] for n in wanted}
    files = {n: folder / f"{stem}-{n}.png" for n in wanted}
    if not all(file.is_file() for file in files.values()):
        loss, start = problem(content, style, weights, size, strength, penalised=penalised)
        run(loss, start, iterations, lambda n, image: save(image, files[n]) if n in files else None)
    found |= {n: evaluate.evaluate(file, content, style, weights, strength=strength) for n, file in files.items()}
    known = json.loads(KNOWN.read_text()) if KNOWN.is_file() else {}  # again: another pair may have ended meanwhile
    known[stem] = {str(n): asdict(verdict) for n, verdict in sorted(found.items())}
    KNOWN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    return {n: found[n] for n in wanted}


def problem(
    content: Path, style: Path, weights: Path, size: int, strength: float, *, penalised: bool, device: str = "cpu"
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The loss and the image to start from."""
    pixels, painting = evaluate.read(content).to(device), evaluate.read(style).to(device)
    start = evaluate.fitted(pixels, *scaled(pixels, size))
    target = evaluate.fitted(painting, *scaled(painting, max(start.shape[2:])))
    return total_loss(start, target, weights, strength, penalised=penalised), start


def scaled(image: Tensor, side: int) -> tuple[int, int]:
    """Width and height with the longest side `side`."""
    height, width = image.shape[2:]
    return round(width * side / max(width, height)), round(height * side / max(width, height))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=2, type=Path, metavar=("CONTENT", "STYLE"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=200)
    parser.add_argument("--strength", type=float, default=DEFAULT_STRENGTH)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--penalised", action="store_true")
    o = parser.parse_args(arguments)
    found = verdicts(*o.files, o.weights, o.size, o.iterations, o.out, o.strength, penalised=o.penalised)
    for n, verdict in found.items():
        print(n, verdict.text, flush=True)


if __name__ == "__main__":
    main()
