"""Brush strokes: short curved marks with bristles, laid along a direction field, with the relief that they leave."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atelier.colour import Array, Labels
from atelier.field import Rng, noise, slope


@dataclass(frozen=True)
class Brush:
    """How one pass of strokes is laid; lengths are in pixels."""

    length: float
    width: float
    opacity: float = 0.9
    colour_jitter: float = 0.03  # deviation of brightness from stroke to stroke
    hue_jitter: float = 0.02  # deviation of each channel by itself
    bristle: float = 0.5  # 0: a smooth stroke, 1: deep furrows
    coverage: float = 1.6  # strokes per area: 1 would cover the picture once


def axes(x: int, y: int, direction: Array, half: float, wide: float) -> tuple[tuple[slice, slice], Array, Array]:
    """Where a stroke around (x, y) lies, and how far along it and across it each pixel there is.

    It has `half` of its length and `wide` of its width on either side, and bends as `direction` (H, W) turns.
    """
    height, width = direction.shape
    reach = int(half + wide) + 1
    top, bottom = max(y - reach, 0), min(y + reach + 1, height)
    left, right = max(x - reach, 0), min(x + reach + 1, width)
    angle = float(direction[y, x])
    cosine, sine = np.cos(angle), np.sin(angle)
    ahead = direction[
        min(max(int(y + sine * half * 0.7), 0), height - 1), min(max(int(x + cosine * half * 0.7), 0), width - 1)
    ]
    turn = (float(ahead) - angle + np.pi / 2) % np.pi - np.pi / 2  # directions are axes: pi is no turn
    bend = np.clip(turn, -0.9, 0.9) / (0.7 * half)
    dy = np.arange(top - y, bottom - y, dtype=np.float32)[:, None]
    dx = np.arange(left - x, right - x, dtype=np.float32)[None, :]
    along = dx * cosine + dy * sine
    across = -dx * sine + dy * cosine - 0.5 * bend * along * along
    return (slice(top, bottom), slice(left, right)), along, across


class Paint:
    """Wet paint: a picture (H, W, 3) and its relief (H, W)."""

    def __init__(self, picture: Array) -> None:
        self.picture = picture.copy()
        self.relief = np.zeros(picture.shape[:2], np.float32)

    def lay(
        self,
        rng: Rng,
        source: Array,
        direction: Array,
        brush: Brush,
        *,
        regions: Labels | None = None,
        where: Array | None = None,
    ) -> None:
        """Covers the picture with strokes that take their colour from `source` where they start.

        `direction` (H, W) in radians. A stroke stays inside the region (`regions`, H, W) of its centre: edges remain
        crisp. `where` (H, W), 0..1, is the chance that a stroke is laid at all.
        """
        height, width = self.relief.shape
        count = int(brush.coverage * height * width / (brush.length * brush.width))
        xs, ys = rng.uniform(0, width, count), rng.uniform(0, height, count)
        chances = rng.random(count)
        tones = 1 + rng.normal(0, brush.colour_jitter, count)
        hues = rng.normal(0, brush.hue_jitter, (count, 3))
        sizes = rng.uniform(0.7, 1.25, count)
        rows_of_bristle = rng.integers(0, 512, count)
        bristles = np.clip(0.5 + 0.35 * noise(rng, (512, 64), (2.2, 1)), 0, 1)
        for i in range(count):
            x, y = int(xs[i]), int(ys[i])
            if where is not None and chances[i] > where[y, x]:
                continue
            colour = np.clip(source[y, x] * tones[i] + hues[i], 0, 1).astype(np.float32)
            self._stroke(
                x, y, direction, brush, float(sizes[i]), colour, bristles[rows_of_bristle[i]], regions, xs[i] * ys[i]
            )

    def _stroke(
        self,
        x: int,
        y: int,
        direction: Array,
        brush: Brush,
        size: float,
        colour: Array,
        bristle: Array,
        regions: Labels | None,
        phase: float,
    ) -> None:
        half, wide = brush.length * size / 2, brush.width * (0.6 + 0.4 * size) / 2
        (rows, columns), along, across = axes(x, y, direction, half, wide)
        column = np.clip((across / wide * 0.5 + 0.5) * 63, 0, 63).astype(np.int32)
        furrow = bristle[column]
        ends = half * (0.72 + 0.28 * furrow)  # bristles lift one after the other
        soft = np.clip((wide - np.abs(across)) * 0.7 + 0.5, 0, 1) * np.clip((ends - np.abs(along)) * 0.5, 0, 1)
        dry = np.clip(1.15 - brush.bristle * (1 - furrow) * (0.5 + along / half * 0.5) * 1.5, 0, 1)
        cover = soft * dry * brush.opacity
        if regions is not None:
            cover = cover * (regions[rows, columns] == regions[y, x])
        shade = 1 + (furrow - 0.5) * 0.10 * brush.bristle
        patch = self.picture[rows, columns]
        patch += (colour * shade[..., None] - patch) * cover[..., None]
        ridge = 0.35 + 0.65 * furrow + 0.5 * np.clip(np.abs(across) / wide - 0.7, 0, 1)
        relief = self.relief[rows, columns]
        relief += (ridge * (0.8 + 0.2 * np.sin(phase)) - relief) * cover

    def lit(self, strength: float, angle: float = -2.2) -> Array:
        """The picture with light raking over the relief; `angle` is where the light comes from."""
        along_x, along_y = slope(self.relief)
        light = np.tanh((along_x * np.cos(angle) + along_y * np.sin(angle)) * -2.5)
        glint = np.clip(light, 0, 1) ** 3
        lit = self.picture * (1 + strength * light[..., None]) + 0.35 * strength * glint[..., None]
        return np.clip(lit, 0, 1).astype(np.float32)
