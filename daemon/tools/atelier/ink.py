"""Pen and ink: a lighthouse over a stormy sea, in hatching that bends with every form."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, mix, rgb, smoothstep
from atelier.field import Rng, blur, nearest_seeds, noise, slope, to_border
from atelier.frame import Frame
from atelier.hatching import crosshatch, hatch

INK, PAPER, WASH = "#17151d", "#f0e4c8", "#b08d5b"
SUN = (322.0, 214.0, 62.0)  # x, y, radius
TOWER = (792.0, 92.0, 428.0)  # x, top, foot
FACETS, FLATTEN = 420, 0.62  # of the cliff: how many, and how much wider than high they are laid out
CLOUDS = (  # x, foot, half width, puffs
    (130, 335, 190, 30),
    (560, 125, 215, 34),
    (985, 262, 150, 24),
    (430, 408, 125, 22),
    (60, 92, 150, 22),
)
SKY, CLOUD, SEA, CLIFF, LIGHTHOUSE, LANTERN = range(6)

Drawn = tuple[Array, Array]  # lines and the tone behind them


def _clouds(frame: Frame, rng: Rng) -> tuple[Array, Array]:
    """Cumulus heaps: the number of the front-most puff (0 none) and how deep inside it a point lies, 0..1."""
    number = np.zeros(frame.shape, np.int32)
    depth = np.zeros(frame.shape, np.float32)
    count = 0
    for x, y, width, puffs in CLOUDS:
        t = rng.uniform(-1, 1, puffs)
        radius = width * (0.36 - 0.20 * np.abs(t)) * rng.uniform(0.7, 1.15, puffs)
        cx = x + width * t
        cy = y - 0.5 * radius - rng.uniform(0, 0.62, puffs) * width * (1 - np.abs(t)) ** 0.8
        floor = y + 5 * np.sin(frame.x / 21)
        for k in np.argsort(cy):  # the lower ones are in front
            dx, dy = frame.x - cx[k], (frame.y - cy[k]) * 1.06
            lobes = 1 + 0.022 * np.sin(7 * np.arctan2(dy, dx) + k) + 0.012 * np.sin(12 * np.arctan2(dy, dx) + 2 * k)
            away = np.hypot(dx, dy) / (radius[k] * lobes)
            inside = (away < 1) & (frame.y < floor)
            count += 1
            number = np.where(inside, count, number)
            depth = np.where(inside, 1 - away, depth)
    return number.astype(np.float32), depth


def _cliff_crest(x: Array) -> Array:
    return (
        418
        + np.clip(690 - x, 0, 400) ** 1.35 * 0.135
        + 14 * np.sin(x / 37)
        + 9 * np.sin(x / 17 + 1)
        + np.clip(x - 860, 0, 400) * 0.22
    )


def _swell(frame: Frame) -> tuple[Array, Array]:
    """The sea: a stack of pointed waves; returns each wave's number and the height above its foot in units."""
    number = np.zeros(frame.shape, np.float32)
    under = np.zeros(frame.shape, np.float32)
    for k in range(9):
        level = 478 + 5 * k + 3.7 * k * k
        size = 9 + 5.2 * k
        phase = frame.x / (34 + 15 * k) + 1.9 * k + 0.3 * np.sin(frame.x / 90 + k)
        crest = level - size * (1 - np.abs(np.sin(phase))) ** 0.75 * 1.25 + 3 * np.sin(frame.x / 23 + k)
        inside = frame.y > crest
        number = np.where(inside, k + 1, number)
        under = np.where(inside, frame.y - crest, under)
    return number, under


def _sky(frame: Frame, rng: Rng) -> Drawn:
    """Strokes radiate from the sun and grow darker away from it."""
    dx, dy = frame.x - SUN[0], frame.y - SUN[1]
    away, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    ray = 0.5 + 0.5 * np.sin(angle * 18 + 0.6 * np.sin(away / 60))
    tone = 0.10 + 0.00072 * away + 0.20 * (ray - 0.4) + 0.05 * frame.noise(rng, 130, 3)
    tone = np.clip(tone, 0, 1) * smoothstep(SUN[2], SUN[2] + 18, away)
    # twice as many rays each time the distance doubles: so the spacing stays even
    doubling = np.exp2(np.round(np.log2(np.maximum(away, 40) / 150) + 0.10 * frame.noise(rng, 45, 2)))
    return hatch(frame, rng, angle * 150 * doubling, away, tone, spacing=6.4, length=95), tone


def _cloud(frame: Frame, rng: Rng, depth: Array) -> Drawn:
    """Arcs inside each puff, shaded on the side away from the sun."""
    rim_x, rim_y = slope(blur(depth, 2.0 * frame.scale))
    facing = np.arctan2(rim_y, rim_x)
    lit = np.cos(facing - np.arctan2(frame.y - SUN[1], frame.x - SUN[0]))
    tone = np.clip(0.30 - 0.50 * lit * smoothstep(0.95, 0.2, depth) - 0.30 * depth, 0, 0.75)
    return crosshatch(frame, rng, depth * 74, facing * 40, tone, spacing=6.0, length=44, lean=0.7), tone


def _sea(frame: Frame, rng: Rng, wave: Array, under: Array) -> Drawn:
    """Lines hang under each crest; foam and the sun's path stay white."""
    tone = 0.16 + 0.75 * smoothstep(3, 40, under) - 0.30 * smoothstep(30, 90, under)
    tone += 0.15 * np.sin(frame.x / 37 + wave * 2.1) + 0.10 * frame.noise(rng, 70, 2)
    glitter = np.exp(-(((frame.x - SUN[0]) / 110) ** 2)) * smoothstep(720, 500, frame.y)
    tone = np.clip(tone - 0.55 * glitter, 0, 0.80)
    return crosshatch(frame, rng, under, frame.x + 40 * wave, tone, spacing=6.2, length=85, lean=0.55), tone


def _rock(frame: Frame, rng: Rng, crest: Array) -> Drawn:
    """Each facet of rock has its own tone and its own direction."""
    x, y, s = frame.x, frame.y, frame.scale
    seeds = np.stack([rng.uniform(0, 1024, FACETS), rng.uniform(0, 768 * FLATTEN, FACETS)], 1).astype(np.float32)
    cells, borders = nearest_seeds(seeds * s, frame.shape)
    row = np.clip((y * FLATTEN + 5 * frame.noise(rng, 40, 2)) * s, 0, frame.shape[0] - 1).astype(np.int32)
    column = np.clip((x + 6 * frame.noise(rng, 40, 2)) * s, 0, frame.shape[1] - 1).astype(np.int32)
    facet, crack = cells[row, column], borders[row, column] / s
    way = (rng.uniform(-0.5, 0.5, FACETS) + np.where(rng.random(FACETS) < 0.5, 1.25, 1.9))[facet]
    tone = rng.uniform(0.10, 0.85, FACETS)[facet] + 0.16 * smoothstep(0, 200, y - crest) - 0.12
    tone = np.clip(tone * smoothstep(-2, 12, y - crest) + 0.25 * smoothstep(2.4, 0.8, crack), 0, 0.84)
    across, along = y * np.cos(way) - x * np.sin(way), x * np.cos(way) + y * np.sin(way)
    lines = crosshatch(frame, rng, across, along, tone, spacing=6.0, length=46)
    return np.maximum(lines, smoothstep(1.5, 0.7, crack)), tone


class Lighthouse:
    """Where its parts are, as boolean masks (H, W), and how it is drawn."""

    def __init__(self, frame: Frame) -> None:
        x, top, foot = TOWER
        aside, y = np.abs(frame.x - x), frame.y
        self.half = 24 + 22 * np.clip((y - top) / (foot - top), 0, 1) ** 1.6
        self.shaft = (aside < self.half) & (y > top) & (y < foot + 18)
        roof = (y > top - 80) & (y <= top - 46) & (aside < (y - (top - 80)) * 0.78)
        self.head = (aside < 38) & (np.abs(y - top) < 7) | roof
        self.lantern = (aside < 19) & (y > top - 46) & (y < top - 6)

    def draw(self, frame: Frame, rng: Rng) -> Drawn:
        """Lines go round the shaft; every other band is dark."""
        side = np.clip((frame.x - TOWER[0]) / self.half, -1, 1)
        level = frame.y - 9 * np.sqrt(1 - side * side)
        band = np.mod(level - TOWER[1] + 62, 124) > 62
        tone = 0.02 + 0.62 * smoothstep(-0.2, 1.0, side) + np.where(band & self.shaft, 0.62, 0)
        tone = np.clip(np.where(self.head, 0.55 + 0.4 * smoothstep(-0.5, 0.6, side), tone), 0, 0.95)
        return crosshatch(frame, rng, level, frame.x, tone, spacing=5.2, length=60, lean=1.2), tone


def ink(seed: int = 1635, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    puff, depth = _clouds(frame, rng)
    wave, under = _swell(frame)
    crest = _cliff_crest(frame.x)
    tower = Lighthouse(frame)
    kind = np.where(puff > 0, CLOUD, SKY)
    kind = np.where(wave > 0, SEA, kind)
    kind = np.where(frame.y > crest, CLIFF, kind)
    kind = np.where(tower.shaft | tower.head, LIGHTHOUSE, kind)
    kind = np.where(tower.lantern, LANTERN, kind)

    glow = np.full(frame.shape, 0.25, np.float32)
    panes = hatch(frame, rng, frame.x, frame.y, glow, spacing=9.5, length=200, shake=0.1)
    drawn = [
        _sky(frame, rng),
        _cloud(frame, rng, depth),
        _sea(frame, rng, wave, under),
        _rock(frame, rng, crest),
        tower.draw(frame, rng),
        (panes, 0 * glow),
    ]
    lines = np.choose(kind, [lines for lines, _ in drawn])
    tones = np.choose(kind, [tone for _, tone in drawn])
    groups = kind * 256 + np.where(kind == CLOUD, puff, 0) + np.where(kind == SEA, wave, 0)
    contour = to_border(groups.astype(np.int32), 6 * scale) / scale
    pen = np.clip(1.25 + 0.55 * frame.noise(rng, 34, 2), 0.4, 2.6)
    rim = np.abs(np.hypot(frame.x - SUN[0], frame.y - SUN[1]) - SUN[2])
    outline = np.maximum(smoothstep(0.5, -0.5, contour - pen), smoothstep(1.7, 0.7, rim) * (kind == SKY))
    marks = np.maximum(np.maximum(lines, outline), _gulls(frame, rng))
    return _on_paper(frame, rng, marks, tones)


def _gulls(frame: Frame, rng: Rng) -> Array:
    paths = []
    for x, y, size in ((470, 290, 30), (545, 250, 22), (598, 318, 17), (246, 96, 20), (640, 270, 14)):
        t = np.linspace(-1, 1, 30)
        lift = 1 - np.abs(t)
        wing = -0.55 * np.sin(np.pi * np.abs(t)) + 0.25 * lift + rng.uniform(-0.1, 0.1) * t
        paths.append(np.stack([x + size * t, y + size * 0.6 * wing], 1).astype(np.float32))
    return np.maximum(frame.lines(paths, 3.4), frame.lines([p[10:21] for p in paths], 5.0))


def _on_paper(frame: Frame, rng: Rng, marks: Array, tones: Array) -> Array:
    """Ink on laid paper, with a thin wash of bistre under the darks."""
    fibre = noise(rng, frame.shape, (14 * frame.scale, 2.5 * frame.scale), 3)
    stain = frame.noise(rng, 330, 4)
    paper = frame.fill(rgb(PAPER)) * (1 + 0.02 * fibre + 0.022 * stain)[..., None]
    wash = blur(smoothstep(0.18, 0.85, tones), 3.0 * frame.scale) + 0.10 * frame.noise(rng, 60, 4)
    paper = mix(paper, rgb(WASH), np.clip(wash, 0, 1) * 0.42)
    density = np.clip(0.93 + 0.06 * frame.noise(rng, 26, 3), 0.7, 1)
    picture = mix(paper, rgb(INK), marks * density)
    return np.clip(frame.reduce(picture), 0, 1).astype(np.float32)
