"""Five short films of our own making, whose motion is known: what `film` measures with."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Floats = NDArray[np.float32]
Motion = Callable[[Floats], Floats]  # a frame (H, W, C) as its things stand in the next; where nothing is known, NaN


@dataclass(frozen=True)
class Clip:
    """Frames (H, W, 3) in 0 to 1, and how each leads to the next, None where that is not known."""

    name: str
    frames: list[Floats]
    motion: Motion | None = None
    loops: bool = False


def as_floats(image: Image.Image) -> Floats:
    return np.asarray(image.convert("RGB"), np.float32) / 255


def shifted(by: int) -> Motion:
    """Everything moves `by` pixels to the left."""

    def move(frame: Floats) -> Floats:
        moved = np.full_like(frame, np.nan)
        moved[:, :-by] = frame[:, by:]
        return moved

    return move


def enlarged(factor: float) -> Motion:
    """Everything grows from the middle."""

    def move(frame: Floats) -> Floats:
        height, width = frame.shape[:2]
        w, h = width / factor, height / factor
        box = ((width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2)
        channels = [
            np.asarray(Image.fromarray(frame[..., c], "F").resize((width, height), Image.Resampling.BICUBIC, box))
            for c in range(frame.shape[2])
        ]
        return np.stack(channels, axis=2)

    return move


def pan(photo: Image.Image, width: int, height: int, count: int = 8) -> Clip:
    """A camera that turns, 3 pixels a frame."""
    step = 3
    wide = photo.resize((width + step * count, height), Image.Resampling.LANCZOS)
    frames = [as_floats(wide.crop((step * t, 0, step * t + width, height))) for t in range(count)]
    return Clip("pan", frames, shifted(step))


def zoom(photo: Image.Image, width: int, height: int, count: int = 6) -> Clip:
    """A camera that goes in, 3 % a frame."""
    factor, large = 1.03, photo.resize((3 * width, 3 * height), Image.Resampling.LANCZOS)
    frames = []
    for t in range(count):
        w, h = 3 * width / factor**t, 3 * height / factor**t
        box = ((3 * width - w) / 2, (3 * height - h) / 2, (3 * width + w) / 2, (3 * height + h) / 2)
        frames.append(as_floats(large.resize((width, height), Image.Resampling.LANCZOS, box)))
    return Clip("zoom", frames, enlarged(factor))


def walk(width: int, height: int, drawings: int = 6) -> Clip:
    """A drawn figure before a drawn street; each drawing is held for two frames, and the cycle runs twice."""
    figures = [_walker(width, height, t / drawings) for t in range(drawings)]
    held = [frame for frame in figures for _ in range(2)]
    return Clip("walk", held + held, loops=True)


def _walker(width: int, height: int, phase: float) -> Floats:
    scale = 4  # drawn large, for soft edges
    w, h = width * scale, height * scale
    image = Image.new("RGB", (w, h), (246, 232, 205))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, int(0.72 * h), w, h), fill=(170, 150, 120))
    for i, colour in enumerate(((120, 160, 170), (200, 130, 100), (150, 120, 160), (190, 170, 90))):
        left = int((0.02 + 0.25 * i) * w)
        draw.rectangle((left, int((0.18 + 0.05 * (i % 2)) * h), left + int(0.2 * w), int(0.72 * h)), fill=colour,
                       outline=(40, 30, 30), width=scale)  # fmt: skip
    x, y = int((0.15 + 0.1 * phase) * w), int((0.5 + 0.01 * math.sin(4 * math.pi * phase)) * h)
    swing = 0.09 * w * math.sin(2 * math.pi * phase)
    line = {"fill": (30, 20, 30), "width": 5 * scale}
    draw.line((x, y, x, y + int(0.16 * h)), **line)
    for side in (-1, 1):
        draw.line((x, y + int(0.16 * h), x + int(side * swing), y + int(0.3 * h)), **line)
        draw.line((x, y + int(0.04 * h), x - int(side * swing * 0.8), y + int(0.14 * h)), **line)
    draw.ellipse((x - 0.035 * w, y - 0.1 * h, x + 0.035 * w, y), fill=(220, 90, 70), outline=(30, 20, 30), width=scale)
    return as_floats(image.resize((width, height), Image.Resampling.LANCZOS))


def cut(photo: Image.Image, width: int, height: int, count: int = 6) -> Clip:
    """Something moves before a picture; then, in the middle, before another one."""
    one = photo.resize((width, height), Image.Resampling.LANCZOS)
    sunset = Image.linear_gradient("L").resize((width, height))
    other = Image.composite(
        Image.new("RGB", one.size, (30, 40, 90)), Image.new("RGB", one.size, (250, 140, 60)), sunset
    )
    frames = []
    for t in range(count):
        image = (one if t < count // 2 else other).copy()
        left = int((0.1 + 0.08 * t) * width)
        ImageDraw.Draw(image).ellipse((left, 0.55 * height, left + 0.18 * width, 0.55 * height + 0.18 * width),
                                      fill=(230, 200, 40), outline=(20, 20, 20), width=2)  # fmt: skip
        frames.append(as_floats(image))
    return Clip("cut", frames)


def fire(width: int, height: int, count: int = 100) -> Clip:
    """Flames that rise all the time and are after `count` frames where they began."""
    rng = np.random.default_rng(7)
    rows = 4 * height
    noise = np.zeros((rows, width))
    for cells in (6, 12, 24):
        small = Image.fromarray(rng.random((cells * 2, cells), np.float32), "F")
        tiled = np.tile(np.asarray(small), (3, 1))
        large = Image.fromarray(tiled, "F").resize((width, 3 * rows), Image.Resampling.BICUBIC)
        noise += np.asarray(large)[rows : 2 * rows] / cells
    noise = (noise - noise.min()) / np.ptp(noise)
    height_map = np.linspace(-0.1, 1.1, height)[:, None] * np.exp(-((np.linspace(-1.6, 1.6, width)) ** 2))[None]
    frames = []
    for t in range(count):
        risen = np.roll(noise, -round(rows * t / count), axis=0)[:height]
        heat = np.clip(height_map * 1.5 + risen - 0.75, 0, 1)
        colour = np.stack([0.08 + 1.4 * heat, 0.06 + 1.1 * heat**1.6, 0.12 + 0.8 * heat**3], axis=2)
        frames.append(np.clip(colour, 0, 1).astype(np.float32))
    soft = [Image.fromarray((f * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6)) for f in frames]
    return Clip("fire", [as_floats(one) for one in soft], loops=True)


def every(photo: Image.Image, side: int) -> list[Clip]:
    """All five; the fire, which is long, at half the size."""
    width, height = side, side * 3 // 4
    return [
        pan(photo, width, height),
        walk(width, height),
        zoom(photo, width, height),
        cut(photo, width, height),
        fire(width // 2, height // 2),
    ]
