"""Coloured pencils: balloons over a patchwork of fields, in layers of strokes that leave the paper's grain white."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atelier.colour import Array, Labels, gradient, luma, mix, palette, rgb, smoothstep
from atelier.dry import DryPaper, Stick
from atelier.field import Rng, blur, noise, slope, to_border
from atelier.frame import Frame

PAPER = "#fbf6ea"
BOX = (  # of pencils
    "#ffd93b", "#f9a825", "#f26a2e", "#d92d3a", "#a81f4f", "#f08cb0", "#9a4fb0", "#5a4bb8", "#2f55b8", "#2f8fd8",
    "#7cc8ea", "#1f9e98", "#2f9a4f", "#8cc63f", "#d7dc5a", "#e0b070", "#a8622f", "#6a3a2a", "#f7c8a0",
)  # fmt: skip
DARK = ("#2a2f6a", "#45306a", "#1f5560", "#54281f", "#96621f", "#861f38", "#2a6338")  # the pencils of the shades
SKY = [(0.0, "#2f7fd0"), (0.35, "#6cbbe6"), (0.7, "#c8e4e0"), (0.88, "#fbe3b8"), (1.0, "#f9c39a")]
FIELDS = ("#8cc63f", "#e8cf4a", "#4fa84f", "#c8a04a", "#2f8f5f", "#d7dc5a", "#b58ad0", "#e8a04a", "#5fb08a")
CRESTS = (  # height, waves' size, their length
    (470.0, 34.0, 150.0),
    (528.0, 28.0, 190.0),
    (590.0, 30.0, 230.0),
    (660.0, 26.0, 260.0),
    (728.0, 18.0, 300.0),
)
BALLOONS = (  # x, y, radius, colours from gore to gore
    (318.0, 218.0, 158.0, ("#e23a35", "#ffd93b", "#2f55b8", "#ffd93b")),
    (716.0, 168.0, 112.0, ("#1f9e98", "#f7f0d8", "#f26a2e", "#f7f0d8")),
    (918.0, 330.0, 62.0, ("#9a4fb0", "#f08cb0")),
    (548.0, 372.0, 46.0, ("#f9a825", "#d92d3a")),
    (82.0, 380.0, 38.0, ("#2f8fd8", "#ffd93b")),
    (520.0, 66.0, 36.0, ("#d92d3a", "#f7f0d8")),
    (938.0, 92.0, 44.0, ("#ffd93b", "#2f9a4f")),
)
MOUTH = 1.38  # of the radius: how far below the middle a balloon ends


@dataclass
class Drawing:
    """What is drawn: colours (H, W, 3), parts (H, W), the strokes' direction and how dark it is, 0..1, beyond that."""

    colours: Array
    parts: Labels
    direction: Array
    shade: Array

    def put(self, where: Array, colours: Array, parts: Array | int, direction: Array, shade: Array) -> None:
        """Draws over the pixels (H, W) `where`."""
        self.colours = np.where(where[..., None], colours, self.colours).astype(np.float32)
        self.parts = np.where(where, parts, self.parts).astype(np.int32)
        self.direction = np.where(where, direction, self.direction).astype(np.float32)
        self.shade = np.where(where, shade, self.shade).astype(np.float32)


def _sky(frame: Frame, rng: Rng) -> Drawing:
    """Slanting strokes; clouds are bare paper with a little grey and rose below."""
    y = frame.y
    drift = frame.noise(rng, (230, 85), 4)
    cloud = smoothstep(0.35, 1.0, drift + 0.35 * np.sin(y / 70 + 1.2) - 0.2)
    below = smoothstep(0.35, 1.0, np.roll(drift, -int(16 * frame.scale), 0) + 0.1) * cloud
    colours = gradient(y / 500 + 0.04 * drift, SKY)
    colours = mix(colours, rgb("#fffaf0"), 0.92 * cloud)
    colours = mix(colours, rgb("#d8b8d0"), 0.55 * smoothstep(0.4, 1.0, cloud - below))
    direction = -0.72 + 0.16 * frame.noise(rng, 170, 2)
    return Drawing(colours, np.zeros(frame.shape, np.int32), direction.astype(np.float32), 0.10 * (1 - cloud))


def _fields(frame: Frame, rng: Rng, drawing: Drawing) -> None:
    """Hills cut into fields; furrows run up the slope or along it."""
    x, y = frame.x, frame.y
    for number, (level, size, length) in enumerate(CRESTS):
        crest = level + size * np.sin(x / length * 2.2 + 1.9 * number) + 0.35 * size * np.sin(x / 47 + number)
        deep = y - crest
        step = 78 + 26 * number
        lean = (-0.9, 0.8, -0.6, 0.7, -0.8)[number]
        column = np.floor((x + lean * deep + 31 * number + 9 * np.sin(deep / 24)) / step).astype(np.int32) + 4
        tints = palette(*FIELDS)[rng.integers(0, len(FIELDS), 32)]
        tints = mix(tints, rgb("#8f9fd8"), 0.42 * max(0.0, 1 - number / 2.2))
        angles = np.where(rng.random(32) < 0.5, -0.25, 1.0) * np.sign(lean) + rng.normal(0, 0.25, 32)
        direction = angles[column] + 0.3 * np.cos(x / 120 + number)
        furrow = 0.5 + 0.5 * np.sin((y * np.cos(direction) - x * np.sin(direction)) / (3.0 + 0.8 * number))
        shade = 0.10 + 0.30 * smoothstep(10, 78, deep) + 0.14 * furrow * (number > 1)
        drawing.put(deep > 0, tints[column], 100 * (number + 1) + column, direction, shade)
        _trees(frame, rng, drawing, number, crest)


def _trees(frame: Frame, rng: Rng, drawing: Drawing, number: int, crest: Array) -> None:
    """A few round trees along a crest, lit from the left."""
    for tree in range(7 + number):
        cx, size = rng.uniform(0, frame.width), (7 + 6.0 * number) * rng.uniform(0.8, 1.35)
        if number == len(CRESTS) - 1 and 240 < cx < 800:
            continue
        cy = float(crest[0, int(np.clip(cx, 0, frame.width - 1) * frame.scale)]) + rng.uniform(-2, 14)
        dx, dy = (frame.x - cx) / size, (frame.y - cy + 0.55 * size) / (1.15 * size)
        turn = np.arctan2(dy, dx)
        away = np.hypot(dx, dy) * (1 + 0.10 * np.sin(5 * turn + tree) + 0.06 * np.sin(11 * turn))
        tint = palette("#2f9a4f", "#5fa83f", "#1f7f6a", "#e08a2e", "#8cb03f")[int(rng.integers(0, 5))]
        shade = np.clip(0.36 + 0.42 * (dx + 0.7 * dy), 0.12, 0.85)
        drawing.put(away < 1, np.broadcast_to(tint, (*frame.shape, 3)), 700 + 20 * number + tree, 0.7 * dx - 1.0, shade)


def _balloon(frame: Frame, drawing: Drawing, number: int) -> None:
    """Gores that narrow towards the mouth, ropes and a basket."""
    cx, cy, radius, codes = BALLOONS[number]
    u, v = (frame.x - cx) / radius, (frame.y - cy) / radius
    tangent = 0.52  # where the sphere goes over into a cone
    at, steep = np.sqrt(1 - tangent**2), -tangent / np.sqrt(1 - tangent**2)
    with np.errstate(invalid="ignore"):
        half = np.where(v < tangent, np.sqrt(np.clip(1 - v * v, 0, 1)), at + steep * (v - tangent))
        widening = np.where(v < tangent, -v / np.maximum(half, 0.05), steep)
    half = np.maximum(half, 1e-3)
    side = np.clip(u / half, -1, 1)
    inside = (np.abs(u) < half) & (v > -1) & (v < MOUTH)
    gore = np.floor(np.arcsin(side) / np.pi * 10 + 5).astype(np.int32)
    tints = palette(*codes)[gore % len(codes)]
    zigzag = v + 0.10 * np.abs(((np.arcsin(side) / np.pi * 10) % 1) - 0.5)
    band = (zigzag > 0.10) & (zigzag < 0.36)
    tints = np.where(band[..., None], palette(*codes)[(gore + 1) % len(codes)], tints)
    light = np.clip(0.62 - 0.55 * side - 0.42 * v, -0.2, 1.25)
    shade = np.clip(0.62 - 0.60 * light + 0.18 * smoothstep(0.7, 1.0, np.abs(side)), 0, 0.9)
    tints = mix(tints, rgb("#fffaf0"), 0.80 * smoothstep(1.02, 1.22, light))
    parts = 1000 + 100 * number + 2 * gore + band
    drawing.put(inside, tints, parts, np.arctan2(1.0, side * widening).astype(np.float32), shade)
    basket = (np.abs(u) < 0.17 - 0.12 * (v - 1.6)) & (v > 1.6) & (v < 1.82)
    ropes = (v >= MOUTH) & (v <= 1.6) & (np.abs(np.abs(u) - 0.075 - 0.17 * (v - MOUTH)) < 1.3 / radius)
    wicker = np.broadcast_to(rgb("#a8622f"), (*frame.shape, 3))
    drawing.put(basket, wicker, 1090 + 100 * number, 0 * u, np.clip(0.35 + 1.6 * u, 0.1, 0.8))
    drawing.put(ropes, wicker, 1091 + 100 * number, 0 * u + 1.57, 0 * u + 0.8)


def pencil(seed: int = 1795, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    drawing = _sky(frame, rng)
    _fields(frame, rng, drawing)
    for number in range(len(BALLOONS)):
        _balloon(frame, drawing, number)

    s = scale
    grain = noise(rng, frame.shape, 3.2 * s, 2) + 0.4 * noise(rng, frame.shape, 7 * s, 2)
    paper = DryPaper(frame.fill(rgb(PAPER)), grain / grain.std())
    box, dark = palette(*BOX), np.clip(1.12 - luma(drawing.colours), 0, 1)

    def pass_(stick: Stick, pressure: Array, turn: float = 0.0, shift: float = 0.0) -> None:
        way = (drawing.direction + turn).astype(np.float32)
        paper.draw(rng, drawing.colours + shift, box, way, stick, pressure, regions=drawing.parts)

    pass_(
        Stick(80 * s, 7.0 * s, coverage=1.5, load=0.5, tooth=0.5, soft=0.5, jitter=0.05), 0.50 + 0.35 * dark, shift=0.06
    )
    pass_(Stick(64 * s, 5.0 * s, coverage=1.5, load=0.78, tooth=0.6, soft=0.4, jitter=0.11), 0.38 + 0.50 * dark)
    accent = 0.60 * smoothstep(0.2, 0.4, dark)
    pass_(Stick(40 * s, 4.2 * s, coverage=0.5, load=0.7, stray=0.14, jitter=0.22), accent, turn=0.3)
    shades = np.clip(1.1 * drawing.shade - 0.16, 0, 0.9)
    way = (drawing.direction + 0.38).astype(np.float32)
    strong = Stick(42 * s, 4.0 * s, coverage=1.6, load=0.66, tooth=0.55, soft=0.4)
    paper.draw(rng, drawing.colours * 0.55, palette(*DARK), way, strong, shades, regions=drawing.parts)
    _outline(frame, rng, paper, drawing)
    return np.clip(frame.reduce(paper.picture), 0, 1).astype(np.float32)


def _outline(frame: Frame, rng: Rng, paper: DryPaper, drawing: Drawing) -> None:
    """Short lines that seek the contours, some beside them."""
    s = frame.scale
    groups = np.where(drawing.parts >= 1000, drawing.parts, drawing.parts // 100 * 100)
    away = to_border(groups.astype(np.int32), 14 * s)
    along_x, along_y = slope(blur(away, 2.0 * s))
    doubled = 2 * (np.arctan2(along_y, along_x) + np.pi / 2)
    way = 0.5 * np.arctan2(blur(np.sin(doubled), 2.0 * s), blur(np.cos(doubled), 2.0 * s))
    near = smoothstep(2.6 * s, 0.8 * s, away) * np.clip(0.62 + 0.25 * frame.noise(rng, 60, 2), 0, 0.85)
    line = Stick(34 * s, 2.4 * s, coverage=1.7, load=0.75, tooth=0.5, stray=0.05)
    paper.draw(rng, drawing.colours * 0.3, palette(*DARK), way.astype(np.float32), line, near)
