"""Lines that make tone: strokes side by side that swell where it is dark, and end where it is light."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, smoothstep
from atelier.field import Rng, slope
from atelier.frame import Frame

HASHES = 8191  # prime, so that neighbouring lines and strokes draw different numbers


def hatch(
    frame: Frame,
    rng: Rng,
    across: Array,
    along: Array,
    tone: Array,
    *,
    spacing: float = 7.0,
    length: float = 70.0,
    shake: float = 0.6,
    wedge: bool = False,
) -> Array:
    """Ink (H, W), 0..1: lines are level sets of `across`, cut into tapering strokes along `along`; all in units.

    `tone` (H, W) is how dark it should look: the width of the lines, and below 0.35 also how many strokes are left
    out. `wedge` gives strokes that start pointed and end broad, as a gouge cuts.
    """
    table = rng.random(HASHES).astype(np.float32)
    across = across + shake * frame.noise(rng, 40, 3)
    steep_x, steep_y = slope(across)
    steep = np.maximum(np.hypot(steep_x, steep_y) * frame.scale, 0.05)
    position = across / spacing
    line = np.floor(position)
    away = np.abs(position - line - 0.5) * spacing / steep
    stroke_position = along / length + table[(line.astype(np.int64) * 37) % HASHES] * 7
    stroke = np.floor(stroke_position)
    part = stroke_position - stroke
    chance = table[(line.astype(np.int64) * 131 + stroke.astype(np.int64) * 1009) % HASHES]
    taper = np.clip(1.08 - np.abs(2 * part - 1) ** 5, 0, 1) * (1.15 - 0.3 * part)
    if wedge:
        taper = np.clip(part * 1.5, 0, 1) ** 0.8 * smoothstep(1.0, 0.93, part)
    present = smoothstep(-0.04, 0.04, tone - 0.35 * chance - 0.02)
    half = 0.5 * spacing / steep * np.clip(0.10 + 0.80 * tone, 0, 0.94) * taper * present
    pixel = 0.7 / frame.scale
    return smoothstep(pixel, -pixel, away - half) * (half > 0.12)


def crosshatch(
    frame: Frame,
    rng: Rng,
    across: Array,
    along: Array,
    tone: Array,
    *,
    spacing: float = 7.0,
    length: float = 70.0,
    lean: float = 0.9,
) -> Array:
    """Two layers: the second, turned by `lean` radians, comes in where the tone is above one half."""
    first = hatch(frame, rng, across, along, np.clip(tone * 1.15, 0, 0.85), spacing=spacing, length=length)
    turned = across * np.cos(lean) + along * np.sin(lean)
    beside = along * np.cos(lean) - across * np.sin(lean)
    dark = np.clip((tone - 0.45) * 1.5, 0, 0.8)
    return np.maximum(first, hatch(frame, rng, turned, beside, dark, spacing=spacing * 1.1, length=length * 0.7))
