"""A cubist still life: guitar, bottles and fruit on a table, seen from several sides at once in shaded facets."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from atelier.colour import Array, Labels, gradient, mix, rgb, smoothstep
from atelier.field import Rng, blur, noise, sample, slope, to_border
from atelier.frame import Frame
from atelier.strokes import Brush, Paint

TINTS = (  # from dark to light: ochre, grey, blue-green
    [(0.0, "#241a12"), (0.25, "#6a4522"), (0.5, "#b3823c"), (0.75, "#dcb976"), (1.0, "#f3e4bd")],
    [(0.0, "#191817"), (0.25, "#4d4c48"), (0.5, "#918d80"), (0.75, "#c6bfaa"), (1.0, "#f1e9d4")],
    [(0.0, "#0e2022"), (0.25, "#1f4f52"), (0.5, "#4b8480"), (0.75, "#8db3a6"), (1.0, "#dbe6d2")],
)
OCHRE, GREY, GREEN, WALL = range(4)  # the wall has another tint in each facet
LINE = "#17130f"
CELLS, STRETCH = 72, 1.5  # how many, and how much higher than wide they are
CUTS = 15  # long straight lines through several cells
SPREAD = 15.0  # units: how far beside itself a facet looks


class StillLife:
    """The drawing behind the facets: its tone, 0..1, its tint as a number of `TINTS`, and its lines, 0..1."""

    def __init__(self, frame: Frame) -> None:
        self.scale = frame.scale
        self._images = [Image.new("L", frame.shape[::-1], fill) for fill in (84, WALL, 0)]
        self._tone, self._tint, self._lines = (ImageDraw.Draw(image) for image in self._images)
        self._table()
        self._bottle(206, 196, 84, GREEN)
        self._bottle(790, 130, 92, GREEN)
        self._guitar()
        self._fruit()
        self.tone, self.tint, self.lines = (np.asarray(image, np.float32) for image in self._images)
        self.tone, self.lines = self.tone / 255, self.lines / 255

    def _shape(self, points: Array, light: float, tint: int, width: float = 3.4) -> None:
        flat = (points * self.scale).ravel().tolist()
        self._tone.polygon(flat, fill=int(255 * light))
        self._tint.polygon(flat, fill=tint)
        self._line(np.concatenate([points, points[:1]]), width)

    def _line(self, points: Array, width: float = 3.4) -> None:
        flat = (points * self.scale).ravel().tolist()
        self._lines.line(flat, fill=255, width=max(int(width * self.scale), 1), joint="curve")

    def _table(self) -> None:
        """A table, a striped cloth and a sheet of music."""
        self._shape(_corners(-20, 500, 1044, 420, 1044, 800, -20, 800), 0.52, OCHRE)
        self._shape(_corners(36, 520, 372, 452, 500, 720, 130, 800), 0.84, GREY)
        for k in range(11):
            self._line(_corners(52 + 9 * k, 540 + 23 * k, 378 + 11 * k, 474 + 22 * k), 2.4)
        self._shape(_corners(604, 590, 930, 520, 990, 700, 640, 756), 0.90, OCHRE)
        for k in range(6):
            self._line(_corners(620 + 6 * k, 612 + 23 * k, 930 + 9 * k, 548 + 25 * k), 2.0)
        for k in range(11):
            x, y = 652 + 27 * k, 620 - 4 * k + 17 * ((k * 7) % 5)
            self._line(_oval(x, y, 5, 4, 14), 6)
            self._line(_corners(x + 6, y, x + 6, y - 34), 2.4)

    def _guitar(self) -> None:
        """Leaning to the right: two bouts, a hole, a neck with frets, strings all the way."""
        t = np.linspace(0, 2 * np.pi, 140)
        u = np.cos(t)
        half = (1 - 0.24 * np.exp(-(((u - 0.10) / 0.30) ** 2)) - 0.17 * (u > 0.1) * u) * np.abs(np.sin(t)) ** 0.85
        body = _turned(np.stack([228 * u, 158 * half * np.sign(np.sin(t))], 1), 420, 470, -1.05)
        neck = _turned(_corners(190, -22, 560, -17, 560, 17, 190, 22), 420, 470, -1.05)
        head = _turned(_corners(560, -18, 650, -32, 650, 32, 560, 18), 420, 470, -1.05)
        self._shape(body, 0.86, OCHRE, 5.0)
        self._shape(neck, 0.26, OCHRE)
        self._shape(head, 0.36, OCHRE)
        self._shape(_turned(_oval(70, 0, 52, 52), 420, 470, -1.05), 0.08, GREY)
        self._line(_turned(_oval(70, 0, 64, 64), 420, 470, -1.05), 2.4)
        self._shape(_turned(_corners(-132, -58, -112, -58, -112, 58, -132, 58), 420, 470, -1.05), 0.18, OCHRE)
        for k in range(6):
            self._line(_turned(_corners(-122, -38 + 15 * k, 570, -13 + 5 * k), 420, 470, -1.05), 2.0)
        for k in range(12):
            at = 205 + 355 * (1 - 0.9**k) / (1 - 0.9**12)
            self._line(_turned(_corners(at, -21, at, 21), 420, 470, -1.05), 2.0)
        for k in range(3):
            for side in (-1, 1):
                peg = _turned(_oval(580 + 26 * k, 44 * side, 8, 11, 20), 420, 470, -1.05)
                self._shape(peg, 0.85, GREY, 2.4)

    def _bottle(self, x: float, top: float, half: float, tint: int) -> None:
        """Seen from the side, its mouth and its foot from above."""
        t = np.linspace(0, 1, 40)
        side = half * (0.30 + 0.70 * smoothstep(0.30, 0.52, t))
        y = top + (600 - top) * t
        self._shape(np.stack([np.r_[x - side, (x + side)[::-1]], np.r_[y, y[::-1]]], 1), 0.34, tint, 4.0)
        self._shape(_oval(x, 600, half, half * 0.28), 0.55, tint)
        self._shape(_oval(x, top, half * 0.36, half * 0.16), 0.70, tint)
        label = top + (600 - top) * 0.62
        self._shape(_corners(x - half, label, x + half, label, x + half, label + 96, x - half, label + 96), 0.86, GREY)
        for k in range(4):
            self._line(
                _corners(x - half * 0.7, label + 22 + 18 * k, x + half * (0.7 - 0.2 * (k % 2)), label + 22 + 18 * k),
                3.0,
            )

    def _fruit(self) -> None:
        """Pears and a lemon, cut open and whole, and a wine glass."""
        for x, y, size, light, tint in (
            (584, 664, 58, 0.72, OCHRE),
            (486, 700, 50, 0.50, GREEN),
            (668, 706, 46, 0.62, OCHRE),
        ):
            self._shape(_oval(x, y, size, size * 0.92), light, tint)
            self._line(_oval(x - 4, y, size * 0.42, size * 0.9), 2.4)
        self._shape(_corners(866, 420, 1004, 420, 956, 560, 914, 560), 0.66, GREEN)
        self._shape(_oval(935, 420, 69, 20), 0.85, GREY)
        self._shape(_corners(927, 560, 943, 560, 943, 640, 927, 640), 0.80, GREY)
        self._shape(_oval(935, 646, 62, 17), 0.60, GREY)


def _corners(*numbers: float) -> Array:
    return np.asarray(numbers, np.float32).reshape(-1, 2)


def _oval(x: float, y: float, rx: float, ry: float, count: int = 64) -> Array:
    t = np.linspace(0, 2 * np.pi, count)
    return np.stack([x + rx * np.cos(t), y + ry * np.sin(t)], 1)


def _turned(points: Array, x: float, y: float, angle: float) -> Array:
    """Points round the origin, turned and moved to (x, y)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack(
        [x + points[:, 0] * cosine - points[:, 1] * sine, y + points[:, 0] * sine + points[:, 1] * cosine], 1
    )


def _facets(frame: Frame, rng: Rng) -> tuple[Labels, Array]:
    """Slanting cells, each cut in two along a line of its own, and again along lines that run through several; their
    labels and their middles (N, 2) in units.
    """
    lean = 0.34
    shear_x = (frame.x + lean * (frame.y - 384)) * STRETCH
    seeds = rng.uniform((-150, -30), (1180, 800), (CELLS, 2)).astype(np.float32)
    for _ in range(3):  # evened out, but not quite
        gaps = np.hypot(seeds[:, None, 0] - seeds[None, :, 0], seeds[:, None, 1] - seeds[None, :, 1])
        np.fill_diagonal(gaps, 1e9)
        near = gaps.argmin(1)
        push = (seeds - seeds[near]) / np.maximum(gaps.min(1), 1)[:, None]
        seeds = seeds + push * np.maximum(70 - gaps.min(1), 0)[:, None] * 0.5
    stretched = np.stack([(seeds[:, 0] + lean * (seeds[:, 1] - 384)) * STRETCH, seeds[:, 1]], 1)
    cell, x, y = np.zeros(frame.shape, np.int32), shear_x, frame.y
    best = np.full(frame.shape, np.inf, np.float32)
    weights = rng.uniform(-40, 40, CELLS) ** 2 * np.sign(rng.uniform(-1, 1, CELLS))
    for number, (sx, sy) in enumerate(stretched):  # a power diagram: some cells are much larger
        away = (x - sx) ** 2 + (y - sy) ** 2 - weights[number]
        cell = np.where(away < best, number, cell)
        best = np.minimum(best, away)
    angle, off = rng.uniform(0, np.pi, CELLS)[cell], rng.normal(0, 12, CELLS)[cell]
    beside = (frame.x - seeds[cell, 0]) * np.cos(angle) + (frame.y - seeds[cell, 1]) * np.sin(angle) > off
    codes = 2 * cell.astype(np.int64) + beside
    for _ in range(CUTS):
        cx, cy, turn = rng.uniform(0, 1024), rng.uniform(0, 768), rng.choice([1.25, -1.0, 0.35, -0.3, 1.57])
        turn, reach = turn + rng.normal(0, 0.1), rng.uniform(130, 330)
        along = (frame.x - cx) * np.cos(turn) + (frame.y - cy) * np.sin(turn)
        across = (frame.y - cy) * np.cos(turn) - (frame.x - cx) * np.sin(turn)
        codes = 2 * codes + ((across > 0) & (across < 120) & (np.abs(along) < reach))
    labels = np.unique(codes, return_inverse=True)[1].reshape(frame.shape).astype(np.int32)
    size = np.bincount(labels.ravel())
    middles = [np.bincount(labels.ravel(), axis.ravel()) / size for axis in (frame.x, frame.y)]
    return labels, np.stack(middles, 1).astype(np.float32)


def _seen(frame: Frame, rng: Rng, labels: Labels, middles: Array) -> tuple[Array, Array]:
    """The still life as the facets show it: each from a little beside, turned and nearer or farther; its colours
    (H, W, 3) and its lines (H, W).
    """
    count = len(middles)
    life = StillLife(frame)
    shift, turn, zoom = rng.normal(0, SPREAD, (count, 2)), rng.normal(0, 0.13, count), rng.uniform(0.86, 1.18, count)
    dx, dy = frame.x - middles[labels, 0], frame.y - middles[labels, 1]
    cosine, sine = (np.cos(turn) * zoom)[labels], (np.sin(turn) * zoom)[labels]
    x = (middles[labels, 0] + shift[labels, 0] + dx * cosine - dy * sine) * frame.scale
    y = (middles[labels, 1] + shift[labels, 1] + dx * sine + dy * cosine) * frame.scale
    tone, lines = sample(life.tone, x, y), sample(life.lines, x, y)
    column = np.clip(x, 0, frame.shape[1] - 1).astype(np.int32)
    tint = life.tint[np.clip(y, 0, frame.shape[0] - 1).astype(np.int32), column].astype(np.int32)
    other = (rng.random(count) < 0.15)[labels] | (tint == WALL)
    tint = np.where(other, rng.choice([OCHRE, GREY, GREEN], count, p=[0.20, 0.42, 0.38])[labels], tint)

    light = (rng.uniform(-1.2, 1.2, count) - 0.9)[labels]  # each plane is lit from its own side, mostly from above
    towards = (dx * np.cos(light) + dy * np.sin(light)) / 60
    border = to_border(labels, int(30 * frame.scale)) / frame.scale
    inwards_x, inwards_y = slope(blur(border, 1.5 * frame.scale))
    facing = -(inwards_x * np.cos(light) + inwards_y * np.sin(light)) * frame.scale
    plane = rng.normal(0, 0.10, count)[labels]
    tone = 0.15 + 0.72 * tone + plane + 0.32 * np.tanh(towards) + 0.20 * facing * np.exp(-border / 13)
    tone += 0.03 * frame.noise(rng, 30, 3)
    colours = np.choose(tint[..., None], [gradient(tone, stops) for stops in TINTS])
    return colours.astype(np.float32), lines


def _contours(frame: Frame, rng: Rng, labels: Labels, lines: Array) -> Array:
    """Dark edges of the facets, in fragments that swell and end, and what is left of the drawing; 0..1."""
    border = to_border(labels, 8 * frame.scale) / frame.scale
    pen = 1.9 + 0.9 * frame.noise(rng, 50, 2)
    edge = smoothstep(0.6, -0.6, border - np.clip(pen, 0, 3.4)) * smoothstep(-0.2, 0.3, frame.noise(rng, 110, 2))
    kept = smoothstep(-0.9, -0.4, frame.noise(rng, 110, 2))
    return np.maximum(edge, blur(lines, 0.5 * frame.scale) * kept)


def cubist(seed: int = 1911, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    labels, middles = _facets(frame, rng)
    colours, lines = _seen(frame, rng, labels, middles)

    s, way = scale, rng.choice([0.0, 0.1, -0.5, 0.6, 1.3], len(middles)) + rng.normal(0, 0.1, len(middles))
    direction = way[labels].astype(np.float32)
    paint = Paint(colours)
    body = Brush(40 * s, 15 * s, opacity=0.95, colour_jitter=0.06, hue_jitter=0.012, bristle=0.8, coverage=2.0)
    dabs = Brush(24 * s, 10 * s, opacity=0.95, colour_jitter=0.10, hue_jitter=0.012, bristle=0.7, coverage=1.3)
    paint.lay(rng, colours, direction, body, regions=labels)
    paint.lay(rng, colours, direction, dabs, regions=labels)
    contours = _contours(frame, rng, labels, lines)
    paint.picture = mix(paint.picture, rgb(LINE), 0.92 * contours)
    paint.relief += 0.04 * noise(rng, frame.shape, (4 * s, 4 * s), 2)
    return np.clip(frame.reduce(paint.lit(0.22)), 0, 1).astype(np.float32)
