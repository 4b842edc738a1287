"""Thick oil paint under a restless sky: whorls of wind over dark hills and a field of wheat."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, gradient, mix, saturate, smoothstep
from atelier.field import noise
from atelier.frame import Frame
from atelier.strokes import Brush, Paint

SUN = (728.0, 182.0)
NIGHT = [
    (0.0, "#10184a"),
    (0.22, "#1b3f86"),
    (0.42, "#1f7f9c"),
    (0.58, "#3fb5a6"),
    (0.74, "#a8dcae"),
    (0.92, "#fbf0c4"),
]
DUSK = [(0.0, "#3a1f63"), (0.22, "#7a2f78"), (0.42, "#c9486f"), (0.58, "#f47a5b"), (0.74, "#ffb56b"), (0.92, "#ffe7a8")]
RAYS = [
    (0.0, "#fff6c0"),
    (0.45, "#ffd54a"),
    (0.8, "#ff9a1f"),
    (1.0, "#f4642a"),
    (1.35, "#ffc765"),
    (1.8, "#d9d79a"),
    (2.2, "#5fb0b8"),
]
HILLS = [(0, "#9a8fd0"), (0.25, "#5a5fb5"), (0.6, "#2b3f8a"), (1, "#1a2560")]
MEADOW = [(0, "#d7d56a"), (0.3, "#6f9f48"), (0.65, "#2f6b4a"), (1, "#173f3f")]
WHEAT = [(0.0, "#7a3b16"), (0.25, "#c06a17"), (0.5, "#eba526"), (0.75, "#ffd95a"), (1.0, "#fff3b8")]
# x, y, spin, radius in units: what the wind turns around
WHORLS = (
    (290.0, 215.0, 1.0, 128.0),
    (505.0, 318.0, -1.0, 72.0),
    (82.0, 92.0, -0.9, 60.0),
    (940.0, 352.0, -0.8, 66.0),
    (*SUN, 0.9, 112.0),
)


def _wind(frame: Frame) -> Array:
    """The direction (H, W) in which the sky flows."""
    east = np.ones(frame.shape, np.float32)
    south = 0.42 * np.cos(frame.x / 118 + frame.y / 300)
    for x, y, spin, radius in WHORLS:
        dx, dy = frame.x - x, frame.y - y
        away = np.hypot(dx, dy) + 1e-3
        pull = 3.2 * np.exp(-((away / (radius * 1.05)) ** 2))
        inwards = 0.16
        east += spin * pull * (-dy - inwards * dx) / away
        south += spin * pull * (dx - inwards * dy) / away
    return np.arctan2(south, east).astype(np.float32)


def _sky(frame: Frame, rng: np.random.Generator, speck: Array) -> Array:
    """Bands of colour that follow the whorls, from night to dusk, and the sun's rings."""
    x, y = frame.x, frame.y
    band = 0.30 + 0.17 * np.sin(y / 30 + 1.6 * np.sin(x / 128)) + 0.10 * frame.noise(rng, (190, 60), 3)
    for wx, wy, spin, radius in WHORLS:
        away = np.hypot(x - wx, y - wy)
        turn = np.arctan2(y - wy, x - wx) * spin
        spiral = 0.5 + 0.5 * np.sin(away / radius * 8.5 - turn)
        near = np.exp(-((away / (radius * 1.05)) ** 4))
        band = band * (1 - near) + near * (0.24 + 0.50 * spiral)
    dusk = smoothstep(250, 470, y + 34 * np.sin(x / 95 + 1.0) + 60 * speck)
    sky = mix(gradient(band + 0.085 * speck, NIGHT), gradient(band + 0.085 * speck, DUSK), 0.85 * dusk)
    ring = np.hypot(x - SUN[0], y - SUN[1]) / 66 + 0.07 * speck
    return mix(sky, gradient(ring, RAYS), smoothstep(2.4, 1.1, ring))


def _land(frame: Frame, speck: Array) -> tuple[Array, Array, list[Array]]:
    """Which layer each pixel is of (0: sky, far hills, near hills, wheat), the height of the wheat in each column, and
    the three layers' colours.
    """
    x, y = frame.x, frame.y
    far = 468 + 30 * np.sin(x / 150 + 0.5) + 15 * np.sin(x / 58)
    near = 545 + 38 * np.sin(x / 205 + 2.6) + 10 * np.sin(x / 70 + 1)
    crest = 612 + 22 * np.sin(x / 260 + 0.3)
    layer = (y > far).astype(np.int32) + (y > near) + (y > crest)
    hills = gradient((y - far) / 110 + 0.2 * speck + 0.35 * np.sin(x / 46 + y / 20), HILLS)
    meadow = gradient((y - near) / 90 + 0.22 * speck + 0.3 * np.sin(x / 60 - y / 16), MEADOW)
    gust = np.sin(x / 62 + 2.2 * np.sin(y / 60) + (y - crest) / 26)
    return layer, crest, [hills, meadow, gradient(0.52 + 0.24 * gust + 0.17 * speck, WHEAT)]


def impasto(seed: int = 1889, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    x, y = frame.x, frame.y
    wind = _wind(frame)
    speck = rng.standard_normal(frame.shape, np.float32)  # each stroke picks its own colour
    sky = _sky(frame, rng, speck)
    layer, crest, colours = _land(frame, speck)
    source = np.choose(layer[..., None], [sky, *colours]).astype(np.float32)

    rolling = 0.38 * np.cos(x / 150 + 0.5) + 0.5 * np.sin(y / 26)
    furrow = -1.05 + 0.55 * np.sin(x / 120 + 2.2 * np.sin(y / 60)) + 0.18 * frame.noise(rng, 60, 2)
    direction = np.choose(layer, [wind, rolling, -0.2 + 0.5 * np.cos(x / 90), furrow]).astype(np.float32)

    s = scale
    paint = Paint(frame.blur(source, 8))
    under = Brush(90 * s, 22 * s, opacity=1.0, colour_jitter=0.05, hue_jitter=0.02, bristle=0.6, coverage=2.2)
    body = Brush(64 * s, 12.5 * s, opacity=0.97, colour_jitter=0.07, hue_jitter=0.03, bristle=0.8, coverage=2.0)
    touch = Brush(44 * s, 9 * s, opacity=1.0, colour_jitter=0.08, hue_jitter=0.035, bristle=0.7, coverage=0.9)
    paint.lay(rng, source, direction, under, regions=layer)
    paint.lay(rng, source, direction, body, regions=layer)
    bright = np.clip(source + 0.10, 0, 1)
    paint.lay(rng, bright, direction, touch, where=smoothstep(0.15, 0.6, source.max(axis=2)))
    stalk = Brush(40 * s, 7 * s, opacity=1.0, colour_jitter=0.1, hue_jitter=0.03, bristle=0.5, coverage=0.9)
    paint.lay(rng, source, furrow, stalk, where=smoothstep(-4, 8, y - crest) * smoothstep(60, 20, y - crest))
    paint.relief += 0.05 * noise(rng, frame.shape, (5 * s, 5 * s), 2)
    finished = frame.reduce(paint.lit(0.28))
    return np.clip(saturate(finished, 1.12), 0, 1).astype(np.float32)
