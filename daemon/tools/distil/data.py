"""What the student is shown: augmented crops of pictures, and states of running stylisations.

A student that only ever saw photographs and paintings is fooled by what an optimiser makes of a picture: speckle and
checkerboard that the teacher sees and the student does not. So a part of every batch are snapshots of real stylisations
(of training photographs with training art), painted at first by the teacher and then by the student itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from network import CONTENT_TAP, STYLE_TAPS, rows
from PIL import Image
from torch import Tensor
from torch.nn import functional

#: Every n-th picture is kept back for validation.
HELD_OUT = {"photo": 24, "art": 12}
#: Decimal logarithms of the strengths (in the engine's unit) of the stylisations: around its default, 100.
STRENGTHS = (1.3, 3.5)
#: More states than this and the oldest go: states of an old student no longer say what the present one gets wrong.
MAX_STATES = 600
Taps = Callable[[Tensor], dict[str, Tensor]]
Maps = dict[str, Tensor]


class Pictures:
    """All pictures of a folder, as uint8 in memory (1,640 pictures with a short side of 288 px take 0.6 GB)."""

    def __init__(self, folder: Path) -> None:
        self.train: dict[str, list[Tensor]] = {}
        self.held_out: dict[str, list[Tensor]] = {}
        for kind, every in HELD_OUT.items():
            files = sorted(p for p in (folder / kind).iterdir() if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
            loaded = [torch.from_numpy(np.asarray(Image.open(p).convert("RGB")).copy()).permute(2, 0, 1) for p in files]
            self.held_out[kind] = loaded[::every]
            self.train[kind] = [picture for i, picture in enumerate(loaded) if i % every]


def crop(picture: Tensor, size: int, rng: random.Random, scale: tuple[float, float] = (0.45, 1.0)) -> Tensor:
    """A random square of a picture (3, H, W), uint8 or float: turned, mirrored, resized to (3, size, size)."""
    height, width = picture.shape[1:]
    side = max(16, int(min(height, width) * rng.uniform(*scale)))
    top, left = rng.randint(0, height - side), rng.randint(0, width - side)
    part = picture[:, top : top + side, left : left + side].float()
    part = part / 255 if picture.dtype == torch.uint8 else part
    if side != size:
        part = functional.interpolate(
            part[None], (size, size), mode="bicubic", antialias=side > size, align_corners=False
        )[0]
    part = torch.rot90(part, rng.randint(0, 3), (1, 2)) if rng.random() < 0.3 else part
    return (part.flip(2) if rng.random() < 0.5 else part).clamp(0, 1)


def recolour(image: Tensor, rng: random.Random) -> Tensor:
    """Brightness, contrast, saturation, tint, permuted or inverted channels; now and then grain or blur."""
    if rng.random() < 0.15:
        image = image[rng.sample(range(3), 3)]
    if rng.random() < 0.05:
        image = 1 - image
    grey = image.mean(0, keepdim=True)
    image = grey + (image - grey) * rng.choice((0.0, 1.0, 1.0, rng.uniform(0.3, 2.0)))
    image = (image - 0.5) * rng.uniform(0.6, 1.6) + 0.5 + rng.uniform(-0.15, 0.15)
    image = image + torch.tensor([rng.uniform(-0.1, 0.1) for _ in range(3)]).view(3, 1, 1)
    if rng.random() < 0.12:
        noise = torch.randn(image.shape if rng.random() < 0.5 else (1, *image.shape[1:]))
        image = image + noise * rng.uniform(0.02, 0.15)
    if rng.random() < 0.08:
        small = functional.avg_pool2d(image[None], 2)
        image = functional.interpolate(small, image.shape[1:], mode="bilinear", align_corners=False)[0]
    return image.clamp(0, 1)


def gram(tap: Tensor, to_teacher: Tensor | None) -> Tensor:
    """Gram matrix F'F / (h*w) of a tap (1, C, h, w); a student's is carried over by its map (n+1, N)."""
    features = rows(tap)[0]
    if to_teacher is not None:
        features = torch.cat([features, torch.ones(len(features), 1)], 1)
    matrix = features.T @ features / len(features)
    return matrix if to_teacher is None else to_teacher.T @ matrix @ to_teacher


def content_features(tap: Tensor, to_teacher: Tensor | None) -> Tensor:
    features = rows(tap)[0]
    return features if to_teacher is None else features @ to_teacher[:-1] + to_teacher[-1]


def paint(taps: Taps, maps: Maps | None, content: Tensor, style: Tensor, *, steps: int, strength: float,
          start: Tensor | None = None, keep: Sequence[int] = ()) -> list[Tensor]:  # fmt: skip
    """Gatys' optimisation by L-BFGS; the picture after every step of `keep` and after the last, unclamped (3, H, W).

    Loss: mean squared content difference + strength * sum over taps of the mean squared Gram difference / N^2, plus a
    penalty outside [0, 1]; divided by its first value, because torch's L-BFGS stands still on losses in the millions.
    """
    to_teacher = maps or {}
    with torch.no_grad():
        aims = {name: gram(tap, to_teacher.get(name)) for name, tap in taps(style[None]).items() if name in STYLE_TAPS}
        aim = content_features(taps(content[None])[CONTENT_TAP], to_teacher.get(CONTENT_TAP))
    image = (content if start is None else start).clone().requires_grad_()
    optimiser = torch.optim.LBFGS([image], lr=1, max_iter=1, history_size=30, tolerance_grad=0, tolerance_change=0)
    scale: list[float] = []

    def closure() -> Tensor:
        optimiser.zero_grad()
        seen = taps(image[None])
        loss = (content_features(seen[CONTENT_TAP], to_teacher.get(CONTENT_TAP)) - aim).square().mean()
        for name, target in aims.items():
            loss = (
                loss + strength / len(target) ** 2 * (gram(seen[name], to_teacher.get(name)) - target).square().mean()
            )
        if not scale:
            scale.append(1000 / max(float(loss.detach()), 1e-12))
        loss = loss * scale[0] + 5e4 * (image - image.clamp(0, 1)).square().mean()
        loss.backward()
        if image.grad is not None:
            image.grad = image.grad.contiguous()  # channels-last convolutions leave strides that L-BFGS cannot flatten
        return loss

    states: list[Tensor] = []
    for step in range(1, steps + 1):
        optimiser.step(closure)
        if step in keep or step == steps:
            states.append(image.detach().clone())
    return states


@dataclass(frozen=True)
class State:
    """A snapshot of a stylisation, and the style (3, H, W) that it was going to; both fp16."""

    picture: Tensor
    style: Tensor


def make_states(taps: Taps, maps: Maps | None, pictures: dict[str, list[Tensor]], rng: random.Random) -> list[State]:
    """One stylisation of a random photograph with a random artwork, as a few states. Half of them go coarse to fine."""
    size = rng.choice((128, 160, 192, 224))
    content = crop(rng.choice(pictures["photo"]), size, rng, (0.7, 1.0))
    style = crop(rng.choice(pictures["art"]), size, rng, (0.5, 1.0))
    if rng.random() < 0.3:
        style = recolour(style, rng)
    strength = 10 ** rng.uniform(*STRENGTHS)
    start = None
    if rng.random() < 0.5:
        half = [functional.avg_pool2d(x[None], 2)[0] for x in (content, style)]
        coarse = paint(taps, maps, half[0], half[1], steps=30, strength=strength)[-1]
        blown, soft = (functional.interpolate(x[None], (size, size), mode="bilinear")[0] for x in (coarse, half[0]))
        start = blown + content - soft  # the coarse result and the detail of the content that it could not hold
    painted = paint(taps, maps, content, style, steps=44, strength=strength, start=start, keep=(3, 12))
    good = [p for p in painted if bool(p.isfinite().all())]
    return [State(p.clamp(-0.1, 1.1).half(), style.half()) for p in good]


class Batches:
    """Draws batches of pairs: neighbours 2i and 2i+1 are pictures whose Gram difference matters to a stylisation."""

    def __init__(self, pictures: dict[str, list[Tensor]], rng: random.Random) -> None:
        self.pictures, self.rng = pictures, rng
        self.states: list[State] = []

    def add(self, states: list[State]) -> None:
        self.states = (self.states + states)[-MAX_STATES:]

    def pair(self, size: int, share: float) -> list[Tensor]:
        rng = self.rng
        if self.states and rng.random() < share:
            state = rng.choice(self.states)
            whole = (min(1.0, size / 224), 1.0)  # states are not enlarged much: their grain is what matters
            return [crop(state.picture.float(), size, rng, whole), crop(state.style.float(), size, rng, whole)]
        kinds = rng.choice((("photo", "photo"), ("photo", "art"), ("photo", "art"), ("art", "art")))
        pair = [recolour(crop(rng.choice(self.pictures[kind]), size, rng), rng) for kind in kinds]
        if rng.random() < 0.08:  # something between a photograph and a painting
            blend = rng.uniform(0.2, 0.8)
            pair[0] = blend * pair[0] + (1 - blend) * pair[1]
        return pair

    def draw(self, pixels: int, share: float) -> Tensor:
        """(B, 3, S, S) with B*S*S near `pixels`; `share` of the pairs are states."""
        size = self.rng.choice((160, 160, 224))
        pairs = max(1, round(pixels / size**2 / 2))
        return torch.stack([image for _ in range(pairs) for image in self.pair(size, share)])
