"""Pointillism: boats before a harbour at evening, in round dots of pure colours and their complements."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, gradient, luma, mix, palette, rgb, saturate, smoothstep
from atelier.field import Rng, blur, slope
from atelier.frame import Frame

GROUND = "#efe3cc"
PAINTS = (  # pure, and with white
    "#f7e04a", "#fbf0a8", "#f9b233", "#fcd9a0", "#f07c3c", "#f8b08c", "#e2483c", "#f0909c", "#c8407c", "#e8b0d0",
    "#8c4ca8", "#bca0dc", "#4a48a8", "#8c98e0", "#2c5cb8", "#7cb4ec", "#1c8cb0", "#8cd8e0", "#1c8c74", "#88d0a8",
    "#3c9c44", "#a8d868", "#d8e088", "#1c3c74", "#4c2c64", "#1c5c4c", "#fdf8ea",
)  # fmt: skip
SKY = [(0.0, "#5c8cdc"), (0.25, "#9cb4ec"), (0.5, "#f0c8dc"), (0.72, "#fce0a0"), (0.9, "#fdf0b0"), (1.0, "#fce08c")]
SEA = [(0.0, "#fce8a8"), (0.12, "#f0b8b0"), (0.35, "#8cb4e0"), (0.7, "#3c7cc0"), (1.0, "#24509c")]
HORIZON = 372.0
GLOW = 610.0  # where behind the town the sun has gone down
BOATS = (  # x, waterline, height, lean, the two sails' colours
    (300.0, 600.0, 520.0, 0.05, "#f08c3c", "#f8c060"),
    (720.0, 520.0, 350.0, -0.04, "#e8587c", "#f8b8a0"),
    (905.0, 452.0, 210.0, 0.03, "#fbf0a8", "#f9b233"),
    (540.0, 420.0, 130.0, -0.03, "#c8609c", "#f0a0a8"),
    (118.0, 416.0, 112.0, 0.03, "#fdf8ea", "#bca0dc"),
)
DOT = 9.5  # units: a dot's diameter


def _scene(frame: Frame, rng: Rng) -> tuple[Array, Array]:
    """Colours (H, W, 3), and along what the dots are lined up: level sets of (H, W), in units."""
    x, y = frame.x, frame.y
    away = np.hypot((x - GLOW) * 0.75, y - HORIZON)
    cloud = frame.noise(rng, (260, 46), 4)
    picture = gradient(1 - (away + 26 * cloud) / 560, SKY)
    picture = mix(picture, rgb("#f4a0a0"), 0.75 * smoothstep(0.6, 1.5, cloud) * smoothstep(40, 160, HORIZON - y))
    rows = away
    depth = np.clip((y - HORIZON) / (frame.height - HORIZON), 0, 1)
    swell = np.sin(y / (3 + 15 * depth) + 1.5 * np.sin(x / (26 + 70 * depth)) + 0.8 * frame.noise(rng, (140, 30), 2))
    sea = gradient(depth + 0.10 * swell * (0.4 + depth), SEA)
    path = np.exp(-(((x - GLOW) / (46 + 190 * depth)) ** 2)) * smoothstep(-0.5, 0.7, swell)
    sea = mix(sea, rgb("#fce48c"), 0.85 * path)
    picture = np.where((y > HORIZON)[..., None], sea, picture).astype(np.float32)
    rows = np.where(y > HORIZON, y + 5 * swell, rows)
    picture, rows = _town(frame, rng, picture, rows)
    for boat in sorted(BOATS, key=lambda one: one[1]):
        picture, rows = _boat(frame, picture, rows, boat)
    return _pine(frame, rng, picture, rows)


def _town(frame: Frame, rng: Rng, picture: Array, rows: Array) -> tuple[Array, Array]:
    """The far shore: violet hills, houses and a bell tower, and their reflections."""
    x = frame.x
    up = np.abs(HORIZON - frame.y) * np.where(frame.y > HORIZON, 1.25, 1.0)
    hills = 44 + 30 * np.sin(x / 170 + 2) + 16 * np.sin(x / 71) + 30 * smoothstep(700, 1024, x)
    block = np.floor(x / 21).astype(np.int32)
    tall = rng.uniform(12, 44, 64)[block] * smoothstep(300, 150, np.abs(x - 560))
    tower = 104 * (np.abs(x - 628) < 9) + 122 * (np.abs(x - 628) < 4)
    tints = palette("#f0a078", "#f8d0a0", "#d8709c", "#fbf0c8", "#e8886c")[rng.integers(0, 5, 64)][block]
    mirrored = 0.55 * (frame.y > HORIZON)
    town = mix(rgb("#7c6cb8") + 0 * picture, rgb("#c08cc8"), smoothstep(60, 0, up))
    picture = mix(picture, town, (up < hills) * (1 - mirrored))
    picture = mix(picture, tints, (up < np.maximum(tall, tower)) * (1 - mirrored))
    return picture, np.where(up < hills, frame.y + 0.35 * hills, rows)


def _boat(
    frame: Frame, picture: Array, rows: Array, boat: tuple[float, float, float, float, str, str]
) -> tuple[Array, Array]:
    """A hull and two sails, and below the waterline what the waves leave of them."""
    bx, line, tall, lean, main, jib = boat
    depth = (line - HORIZON) / (frame.height - HORIZON)
    waves = np.sin(frame.y / (2.5 + 9 * depth) + 1.3 * np.sin(frame.x / 50))
    below = frame.y > line
    y = np.where(below, (frame.y - line) * 1.5, line - frame.y) / tall  # upwards, from the waterline
    x = (frame.x - bx + np.where(below, 0.028 * tall * waves, 0)) / tall - lean * y
    belly = 0.05 * np.sin(np.pi * np.clip((y - 0.12) / 0.84, 0, 1))
    big = (y > 0.13) & (y < 0.98) & (x > 0.012) & (x < 0.42 * (1 - (y - 0.10) / 0.92) + belly)
    small = (y > 0.16) & (y < 0.84) & (x < -0.016) & (x > -0.27 * (1 - (y - 0.16) / 0.70) - 0.4 * belly)
    hull = (y > -0.01) & (y < 0.085 + 0.16 * x * x) & (np.abs(x - 0.06) < 0.36 + 0.5 * y)
    mast = (np.abs(x) < 0.010) & (y > 0.05) & (y < 1.03)
    seen = np.where(below, 0.62 * smoothstep(-0.35, 0.55, waves) * smoothstep(1.2, 0.2, y), 1.0)
    fold = 0.5 + 0.5 * np.sin(x * 34 + y * 6)
    shade = smoothstep(0.25, 0.0, x)[..., None]
    left = mix(mix(rgb(main) + 0 * picture, rgb("#fbe8a0"), 0.35 * fold), rgb("#a04c94"), 0.55 * shade[..., 0])
    right = mix(rgb(jib) + 0 * picture, rgb("#fdf4d0"), 0.5 * smoothstep(-0.22, 0.0, x))
    for where, colours in ((small, right), (big, left), (hull, rgb("#3c2c70")), (mast, rgb("#6c3c5c"))):
        picture = mix(picture, colours + 0 * picture, where * seen)
    band = hull & (y > 0.066)
    picture = mix(picture, rgb("#e2483c") + 0 * picture, band * seen)
    sails = (big | small) & ~below
    return picture, np.where(sails, tall * (x + 0.5 * y * y), rows)


def _pine(frame: Frame, rng: Rng, picture: Array, rows: Array) -> tuple[Array, Array]:
    """A bough of a pine across the upper right corner, in front of everything."""
    for k in range(26):
        t = k / 25
        cx, cy = 1060 - 470 * t + rng.normal(0, 14), 30 + 62 * np.sin(2.6 * t) + rng.normal(0, 22)
        size = rng.uniform(34, 66) * (1.15 - 0.55 * t)
        dx, dy = (frame.x - cx) / (1.35 * size), (frame.y - cy) / (0.72 * size)
        turn = np.arctan2(dy, dx)
        away = np.hypot(dx, dy) * (1 + 0.14 * np.sin(7 * turn + k) + 0.07 * np.sin(15 * turn))
        light = np.clip(0.5 - 0.55 * dy - 0.25 * dx, 0, 1)
        leaves = gradient(light, [(0, "#1c2c64"), (0.35, "#1c6c5c"), (0.7, "#5cac44"), (1, "#d8e070")])
        picture = mix(picture, leaves, smoothstep(1.02, 0.92, away))
        rows = np.where(away < 1, size * away, rows)
    return picture, rows


def _spots(rng: Rng, rows: Array, scale: int, pitch: float) -> Array:
    """Middles (N, 2) of dots in pixels, about `pitch` units apart, lined up along the level sets of `rows`."""
    height, width = rows.shape
    step = pitch * scale
    grid = np.stack(np.meshgrid(np.arange(0, width, step), np.arange(0, height, step * 0.87)), -1)
    grid[1::2, :, 0] += step / 2
    spots = grid.reshape(-1, 2) + rng.uniform(-0.30, 0.30, (grid.size // 2, 2)) * step
    column = np.clip(spots[:, 0], 0, width - 1).astype(np.int32)
    row = np.clip(spots[:, 1], 0, height - 1).astype(np.int32)
    smooth = blur(rows, 1.5 * scale)
    along_x, along_y = slope(smooth)
    steep = np.maximum(np.hypot(along_x, along_y), 1e-3)[row, column]
    level = smooth[row, column] / pitch
    away = np.clip((np.round(level) - level) * pitch / steep, -0.5 * step, 0.5 * step)
    way = np.stack([along_x[row, column], along_y[row, column]], 1) / steep[:, None]
    return (spots + 0.75 * away[:, None] * way).astype(np.float32)


def _dab(picture: Array, relief: Array, spot: Array, radius: float, colour: Array) -> None:
    """One round touch: flat, with a soft rim and a little ridge."""
    height, width = relief.shape
    reach = int(radius) + 2
    left, right = max(int(spot[0]) - reach, 0), min(int(spot[0]) + reach + 1, width)
    top, bottom = max(int(spot[1]) - reach, 0), min(int(spot[1]) + reach + 1, height)
    if left >= right or top >= bottom:
        return
    dx = np.arange(left, right, dtype=np.float32)[None, :] - spot[0]
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] - spot[1]
    away = np.hypot(dx, dy)
    cover = np.clip((radius - away) * 0.7 + 0.5, 0, 1) * 0.96
    part = picture[top:bottom, left:right]
    part += (colour - part) * cover[..., None]
    dome = relief[top:bottom, left:right]
    dome += (np.sqrt(np.clip(1 - (away / radius) ** 2, 0, 1)) + 0.2 - dome) * cover


def pointillist(seed: int = 1886, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    scene, rows = _scene(frame, rng)
    scene = saturate(scene, 1.4)
    paints = palette(*PAINTS)
    picture = frame.fill(rgb(GROUND)).copy()
    relief = np.zeros(frame.shape, np.float32)
    for pitch, size, jitter, opposed in ((8.0, 1.15, 0.07, 0.0), (8.6, 1.0, 0.13, 0.10), (11.0, 0.9, 0.16, 0.22)):
        spots = _spots(rng, rows, scale, pitch)
        spots = spots[rng.permutation(len(spots))]
        column = np.clip(spots[:, 0], 0, frame.shape[1] - 1).astype(np.int32)
        wanted = scene[np.clip(spots[:, 1], 0, frame.shape[0] - 1).astype(np.int32), column]
        grey = luma(wanted)[:, None]
        against = np.clip(grey + (grey - wanted) * 0.9, 0, 1)  # the complement, equally bright
        wanted = np.where(rng.random((len(spots), 1)) < opposed, against, wanted)
        wanted = wanted + rng.normal(0, jitter, wanted.shape)
        colours = paints[np.square(wanted[:, None] - paints).sum(2).argmin(1)]
        radii = 0.5 * DOT * size * scale * rng.uniform(0.82, 1.12, len(spots))
        for spot, radius, colour in zip(spots, radii, colours, strict=True):
            _dab(picture, relief, spot, float(radius), colour)
    along_x, along_y = slope(relief)
    light = np.tanh(-(along_x + along_y) * scale * 0.8)
    picture = picture * (1 + 0.09 * light)[..., None]
    return np.clip(frame.reduce(picture.astype(np.float32)), 0, 1).astype(np.float32)
