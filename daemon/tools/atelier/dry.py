"""Dry colour: strokes of pencil or chalk, which catch the raised grain of the paper and miss its hollows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atelier.colour import Array, Labels
from atelier.field import Rng, noise
from atelier.strokes import axes


@dataclass(frozen=True)
class Stick:
    """How one pass of strokes is drawn; lengths are in pixels."""

    length: float
    width: float
    coverage: float = 1.6  # strokes per area: 1 would cover the picture once
    load: float = 0.6  # how much colour one stroke leaves at most
    opaque: float = 0.0  # 1: chalk, that hides what is below; 0: pencil, through which it shows
    tooth: float = 0.7  # how deep the hollows of the grain are to it
    soft: float = 0.3  # how gradually colour gives out towards them
    stray: float = 0.06  # deviation of the direction from stroke to stroke, radians
    streak: float = 0.12  # how unevenly a stroke is filled across its width
    jitter: float = 0.08  # how far from the wanted colour the chosen stick may be


class DryPaper:
    """Paper with a grain: a picture (H, W, 3) and the height of the grain (H, W), evenly spread over 0..1."""

    def __init__(self, picture: Array, grain: Array) -> None:
        self.picture = picture.copy()
        self.grain = np.asarray(0.5 + 0.5 * np.tanh(0.8 * grain), np.float32)

    def draw(
        self,
        rng: Rng,
        source: Array,
        box: Array,
        direction: Array,
        stick: Stick,
        pressure: Array,
        *,
        regions: Labels | None = None,
    ) -> None:
        """Strokes along `direction` (H, W), each with that colour of the `box` (N, 3) that is nearest to `source`
        (H, W, 3) in its middle, and cut off at its region's border.

        `pressure` (H, W), 0..1, is how far into the grain colour gets; no stroke starts where it is 0.
        """
        height, width = self.grain.shape
        count = int(stick.coverage * height * width / (stick.length * stick.width))
        xs, ys = rng.integers(0, width, count), rng.integers(0, height, count)
        sizes, turns = rng.uniform(0.65, 1.3, count), rng.normal(0, stick.stray, count)
        wanted = source[ys, xs] + rng.normal(0, stick.jitter, (count, 3)).astype(np.float32)
        colours = box[np.square(wanted[:, None] - box).sum(2).argmin(1)]
        streaks = stick.streak * noise(rng, (512, 32), (1.6, 1))
        rows = rng.integers(0, 512, count)
        for i in range(count):
            x, y = int(xs[i]), int(ys[i])
            if pressure[y, x] > 0:
                self._stroke(
                    x,
                    y,
                    float(sizes[i]),
                    float(turns[i]),
                    colours[i],
                    streaks[rows[i]],
                    direction,
                    stick,
                    pressure,
                    regions,
                )

    def _stroke(
        self,
        x: int,
        y: int,
        size: float,
        turn: float,
        colour: Array,
        streak: Array,
        direction: Array,
        stick: Stick,
        pressure: Array,
        regions: Labels | None,
    ) -> None:
        half, wide = stick.length * size / 2, stick.width * (0.75 + 0.25 * size) / 2
        place, along, across = axes(x, y, direction, half, wide)
        across = across - turn * along
        inside = np.clip(wide - np.abs(across) + 0.5, 0, 1) * np.clip((half - np.abs(along)) * 0.3 + 0.5, 0, 1)
        if regions is not None:
            inside = inside * (regions[place] == regions[y, x])
        fill = streak[np.clip((across / wide * 0.5 + 0.5) * 31, 0, 31).astype(np.int32)]
        lifted = 1.05 - 0.35 * np.clip(along / half * 0.5 + 0.5, 0, 1) ** 2  # towards its end
        depth = pressure[place] * lifted + fill - stick.tooth * (1 - self.grain[place])
        caught = stick.load * np.clip(depth / stick.soft, 0, 1) * inside
        part = self.picture[place]
        glaze = part * colour
        part += (glaze + (colour - glaze) * stick.opaque - part) * caught[..., None]
