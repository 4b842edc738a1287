"""Soft pastel: a bouquet in a glazed vase, in broad broken strokes of chalk on dark paper, smudged and drawn over."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atelier.colour import Array, Labels, gradient, mix, palette, rgb, smoothstep
from atelier.dry import DryPaper, Stick
from atelier.field import Rng, noise, sample
from atelier.frame import Frame

PAPER = "#3a3346"
CHALKS = (
    "#fff4dc", "#ffe08a", "#ffc24a", "#ff9a5a", "#f4704a", "#d8403c", "#ff9aa0", "#f06a8c", "#c83c78", "#d8a0d8",
    "#a06cc8", "#6a4aa8", "#8c9cec", "#4c6cd0", "#2c4494", "#7cc8e0", "#38a0b8", "#1c6c80", "#98d8b0", "#4cac80",
    "#287858", "#b8cc60", "#78983c", "#e0b890", "#b07c54", "#704838", "#2c2438", "#f8d8c0",
)  # fmt: skip
# x, y, radius, petals, rings, colours from the heart outwards
FLOWERS = (
    (500.0, 300.0, 112.0, 16, 4, ("#ffc24a", "#f4704a", "#d8403c", "#ff9a5a")),
    (334.0, 232.0, 92.0, 13, 3, ("#fff4dc", "#ff9aa0", "#f06a8c")),
    (664.0, 218.0, 98.0, 14, 3, ("#ffe08a", "#8c9cec", "#4c6cd0")),
    (516.0, 128.0, 82.0, 12, 3, ("#704838", "#ffe08a", "#ffc24a")),
    (402.0, 404.0, 84.0, 12, 3, ("#ffe08a", "#d8a0d8", "#a06cc8")),
    (640.0, 392.0, 90.0, 13, 3, ("#c83c78", "#ffd0c0", "#fff4dc")),
    (776.0, 326.0, 66.0, 10, 2, ("#ffc24a", "#f06a8c")),
    (226.0, 330.0, 68.0, 10, 2, ("#2c2438", "#ff9a5a")),
    (232.0, 128.0, 54.0, 9, 2, ("#ffe08a", "#7cc8e0")),
    (792.0, 132.0, 60.0, 10, 2, ("#fff4dc", "#f4704a")),
    (382.0, 78.0, 46.0, 8, 2, ("#ffc24a", "#fff4dc")),
    (666.0, 76.0, 48.0, 9, 2, ("#ffe08a", "#c83c78")),
)
VASE = (520.0, 452.0, 716.0, 118.0)  # x, mouth, foot, half width
TABLE = 628.0


@dataclass
class Motif:
    """Colours (H, W, 3), parts (H, W) and the strokes' direction (H, W)."""

    colours: Array
    parts: Labels
    direction: Array

    def put(self, where: Array, colours: Array, part: Array | int, direction: Array) -> None:
        """Draws over the pixels (H, W) `where`."""
        self.colours = np.where(where[..., None], colours, self.colours).astype(np.float32)
        self.parts = np.where(where, part, self.parts).astype(np.int32)
        self.direction = np.where(where, direction, self.direction).astype(np.float32)


def _room(frame: Frame, rng: Rng) -> Motif:
    """Clouds of blue, violet and rose behind, warm light on the table."""
    drift, other = frame.noise(rng, 240, 3), frame.noise(rng, 190, 3)
    wall = gradient(
        0.5 + 0.26 * drift,
        [(0, "#2c4494"), (0.25, "#4c6cd0"), (0.45, "#6a4aa8"), (0.62, "#38a0b8"), (0.8, "#7cc8e0"), (1, "#98d8b0")],
    )
    wall = mix(wall, rgb("#d8a0d8"), 0.75 * smoothstep(0.4, 1.2, other))
    wall = mix(wall, rgb("#f8c8a0"), 0.8 * smoothstep(330, 60, np.hypot(frame.x - 860, frame.y - 560) + 40 * drift))
    table = gradient(
        0.5 + 0.3 * other + (frame.y - 700) / 500,
        [(0, "#f8d8c0"), (0.3, "#ff9a5a"), (0.5, "#e0b890"), (0.75, "#b07c54"), (1, "#704838")],
    )
    shadow = np.hypot((frame.x - 400) / 250, (frame.y - 712) / 44)
    table = mix(table, rgb("#6a4aa8"), 0.85 * smoothstep(1.1, 0.6, shadow))
    edge = TABLE + 8 * np.sin(frame.x / 130)
    below = frame.y > edge
    colours = np.where(below[..., None], table, wall)
    way = np.where(below, 0.06 + 0.2 * drift, -0.95 + 0.5 * other)
    return Motif(colours.astype(np.float32), below.astype(np.int32), way.astype(np.float32))


def _vase(frame: Frame, motif: Motif) -> None:
    """Glazed in turquoise, with a light on its shoulder and a band of ochre."""
    cx, mouth, foot, half = VASE
    t = np.clip((frame.y - mouth) / (foot - mouth), 0, 1)
    width = half * (0.50 + 0.50 * np.sin(np.pi * np.clip(t * 0.95 + 0.04, 0, 1)) ** 0.8 - 0.10 * t)
    side = (frame.x - cx) / width
    inside = (np.abs(side) < 1) & (frame.y > mouth) & (frame.y < foot + 10 * np.sqrt(np.clip(1 - side**2, 0, 1)))
    tone = 0.55 - 0.42 * side + 0.22 * np.exp(-(((side + 0.42) / 0.16) ** 2)) - 0.16 * t
    stops = [(0, "#1c2c54"), (0.3, "#1c6c80"), (0.6, "#38a0b8"), (0.85, "#98e0d8"), (1, "#fff4dc")]
    colours = gradient(tone, stops)
    band = np.abs(t - 0.40 - 0.03 * np.sin(side * 9)) < 0.085
    colours = np.where(band[..., None], gradient(tone, [(0, "#704838"), (0.5, "#ffc24a"), (1, "#fff4dc")]), colours)
    motif.put(inside, colours, 10 + band, 1.57 - 0.75 * side * np.cos(np.pi * t))


def _leaves(frame: Frame, rng: Rng, motif: Motif) -> None:
    """Pointed leaves all round the bouquet."""
    for number in range(46):
        way = rng.uniform(-np.pi, np.pi)
        far = rng.uniform(70, 265)
        x, y = 512 + 1.15 * far * np.cos(way), 275 + 0.80 * far * np.sin(way)
        turn = way + rng.normal(0, 0.5)
        length, half = rng.uniform(70, 135), rng.uniform(15, 27)
        u = ((frame.x - x) * np.cos(turn) + (frame.y - y) * np.sin(turn)) / length
        v = (-(frame.x - x) * np.sin(turn) + (frame.y - y) * np.cos(turn)) / half - 0.7 * (u - 0.5) ** 2
        inside = (u > 0) & (u < 1) & (np.abs(v) < np.sin(np.pi * np.clip(u, 0, 1)) ** 0.8)
        stops = [
            [(0, "#1c4a48"), (0.5, "#287858"), (1, "#98d8b0")],
            [(0, "#287858"), (0.5, "#78983c"), (1, "#e0e08a")],
            [(0, "#2c4494"), (0.5, "#1c6c80"), (1, "#7cc8e0")],
        ][int(rng.integers(0, 3))]
        tone = 0.45 + 0.40 * np.sign(v) * min(1.0, 0.4 + rng.random()) - 0.15 * u
        motif.put(inside, gradient(tone, stops), 100 + 2 * number + (v > 0), turn + 0.25 * v)


def _flower(frame: Frame, rng: Rng, motif: Motif, number: int) -> None:
    """Rings of petals, the outer ones first; strokes run from the heart outwards."""
    cx, cy, radius, petals, rings, codes = FLOWERS[number]
    tilt, flat = rng.uniform(0, np.pi), rng.uniform(0.80, 0.95)
    dx, dy = frame.x - cx, frame.y - cy
    u, v = dx * np.cos(tilt) + dy * np.sin(tilt), (-dx * np.sin(tilt) + dy * np.cos(tilt)) / flat
    away, turn = np.hypot(u, v) / radius, np.arctan2(v, u)
    outwards = np.arctan2(dy, dx)
    for ring in range(rings, 0, -1):
        place = turn / (2 * np.pi) * petals + 0.5 * (ring % 2) + 0.06 * np.sin(9 * away)
        petal = np.floor(place)
        beside = 2 * np.abs(place - petal - 0.5)
        reach = (0.26 + 0.74 * ring / rings) * (1 - 0.24 * beside**2.4) + 0.03 * np.sin(petal * 5.3)
        tint = rgb(codes[min(ring, len(codes) - 1)])
        light = 0.5 + 0.34 * np.cos(turn + tilt + 2.3) + 0.40 * (away / np.maximum(reach, 0.1) - 0.6) - 0.28 * beside**2
        dark, pale = mix(tint, rgb("#4c1c5c"), 0.42), mix(tint, rgb("#fff4dc"), 0.55)
        shown = mix(mix(dark + 0 * motif.colours, tint, smoothstep(0.0, 0.5, light)), pale, smoothstep(0.5, 1.0, light))
        code = 1000 + 100 * number + 30 * ring + np.mod(petal, petals)
        motif.put(away < reach, shown, code, outwards + 0.5 * (place - petal - 0.5))
    heart = mix(rgb(codes[0]) + 0 * motif.colours, rgb("#704838"), 0.5 * smoothstep(0.08, 0.2, away))
    motif.put(away < 0.2, heart, 1000 + 100 * number, turn + 1.57)


def _smudge(picture: Array, direction: Array, reach: int, amount: Array) -> Array:
    """What a finger does: colour drawn along `direction` over `reach` pixels either way, where `amount` is above 0."""
    height, width = direction.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    cosine, sine = np.cos(direction), np.sin(direction)
    steps = np.linspace(-reach, reach, 13)
    drawn = sum((sample(picture, x + step * cosine, y + step * sine) for step in steps), 0 * picture) / len(steps)
    return mix(picture, drawn, amount)


def pastel(seed: int = 1840, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    motif = _room(frame, rng)
    _leaves(frame, rng, motif)
    _vase(frame, motif)
    for number in sorted(range(len(FLOWERS)), key=lambda one: FLOWERS[one][2]):
        _flower(frame, rng, motif, number)

    s = scale
    grain = noise(rng, frame.shape, 3.6 * s, 2) + 0.5 * noise(rng, frame.shape, 8 * s, 2)
    toned = frame.fill(rgb(PAPER)) * (1 + 0.05 * noise(rng, frame.shape, 3 * s, 2))[..., None]
    front = motif.parts > 1
    blocked = np.where(front, 0.5, 0.12)  # what stands in front is laid in first, with the side of the chalk
    toned = mix(toned, motif.colours, blocked)
    paper = DryPaper(toned, grain / grain.std())
    box, parts = palette(*CHALKS), motif.parts
    even = np.full(frame.shape, 0.66, np.float32)
    broad = Stick(74 * s, 22 * s, coverage=1.7, load=0.85, opaque=1, tooth=0.6, soft=0.4, streak=0.22, jitter=0.06)
    paper.draw(rng, motif.colours * 0.86, box, motif.direction, broad, even, regions=parts)
    soft = np.clip(0.45 + 0.5 * frame.noise(rng, 120, 2), 0, 0.85)
    paper.picture = _smudge(paper.picture, motif.direction, 16 * s, soft)
    body = Stick(52 * s, 13 * s, coverage=1.3, load=0.9, opaque=1, tooth=0.72, soft=0.4, streak=0.25, jitter=0.10)
    paper.draw(rng, motif.colours, box, motif.direction, body, even, regions=parts)
    petals = Stick(34 * s, 11 * s, coverage=1.5, load=0.9, opaque=1, tooth=0.7, soft=0.4, streak=0.2, jitter=0.10)
    paper.draw(rng, motif.colours, box, motif.direction, petals, 0.66 * front, regions=parts)
    light = np.clip(motif.colours * 1.16 + 0.05, 0, 1)
    bright = 0.66 * smoothstep(0.30, 0.62, motif.colours.max(axis=2))
    touch = Stick(36 * s, 9 * s, coverage=0.55, load=0.95, opaque=1, tooth=0.75, soft=0.35, streak=0.25, jitter=0.14)
    paper.draw(rng, light, box, motif.direction, touch, bright, regions=parts)
    return np.clip(frame.reduce(paper.picture), 0, 1).astype(np.float32)
