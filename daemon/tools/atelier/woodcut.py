"""A woodcut in four blocks: a red sun, split mountains and pines over a lake, every light cut with the gouge."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atelier.colour import Array, mix, rgb, smoothstep
from atelier.field import Rng, noise, shifted
from atelier.frame import Frame
from atelier.hatching import hatch

PAPER, OCHRE, RED, TEAL, BLACK = "#f4e7c9", "#eaa43a", "#d1341f", "#2b7f86", "#15110f"
SUN = (372.0, 232.0, 138.0)
SHORE = 512.0
RANGES = (  # the peaks and valleys of two ranges, and how jagged they are
    (((0, 330), (110, 400), (250, 352), (420, 432), (560, 300), (690, 190), (790, 330), (900, 250), (1024, 330)), 16.0),
    (((0, 260), (70, 200), (190, 330), (300, 452), (440, 470), (600, 420), (720, 452), (880, 380), (1024, 430)), 14.0),
)
PINES = (  # x, foot, height
    (60, 735, 400),
    (158, 740, 290),
    (232, 748, 190),
    (965, 660, 470),
    (868, 690, 330),
    (782, 712, 230),
    (700, 728, 150),
)
Peaks = Sequence[tuple[float, float]]


def _ridge(rng: Rng, peaks: Peaks, rough: float) -> Array:
    """A jagged crest through the given points: y for each x of 0..1024, by midpoint displacement between them."""
    xs, ys = [p[0] for p in peaks], [p[1] for p in peaks]
    line = np.interp(np.arange(1025), xs, ys)
    step, size = 64, rough
    while step >= 4:
        knots = np.arange(0, 1025, step)
        line = line + np.interp(np.arange(1025), knots, rng.uniform(-size, size, len(knots)))
        step, size = step // 2, size * 0.52
    return line.astype(np.float32)


def _mountain(frame: Frame, rng: Rng, peaks: Peaks, rough: float) -> tuple[Array, Array, Array]:
    """Mask of a range, the gouge marks that light the faces turned to the sun, and the snow."""
    crest = _ridge(rng, peaks, rough)
    top = np.interp(frame.x, np.arange(1025), crest).astype(np.float32)
    below = frame.y - top
    mask = smoothstep(-0.6, 0.6, below) * (frame.y < SHORE)
    # spurs run down from the peaks and bend: each has a lit and a dark side
    spur = frame.x + 0.42 * below * np.sin(frame.x / 57 + 1) + 9 * frame.noise(rng, 60, 3)
    side = np.sin(spur / 21 + 1.7 * np.sin(spur / 71))
    towards = np.sign(SUN[0] - frame.x)
    light = np.clip(0.36 + 0.75 * side * towards, 0, 1) * smoothstep(230, 0, below) ** 0.6
    light = np.maximum(light, smoothstep(12, 2, below) * 0.85)
    run = frame.x * 0.80 + below * 0.60 * np.where(side > 0, 1, -1)
    cuts = hatch(frame, rng, run, below + 0.35 * frame.x, light, spacing=10.5, length=54, shake=1.6, wedge=True)
    plain = np.interp(frame.x, [p[0] for p in peaks], [p[1] for p in peaks])
    snow = mask * smoothstep(96, 70, frame.y - plain + 18 * np.sin(frame.x / 9))
    return mask, cuts, snow


def _pine(x: float, foot: float, tall: float, rng: Rng) -> list[Array]:
    """Trunk and drooping, ragged boughs as polygons."""
    shapes = [
        np.array([[x - tall * 0.022, foot], [x - 1.5, foot - tall], [x + 1.5, foot - tall], [x + tall * 0.022, foot]])
    ]
    tiers = int(tall / 17)
    for k in range(tiers):
        t = (k + 0.6) / tiers
        y = foot - tall * (1.0 - 0.93 * t)
        reach = tall * 0.25 * t**0.85 * rng.uniform(0.72, 1.15)
        for side in (-1, 1):
            r = reach * rng.uniform(0.8, 1.15)
            drop = r * rng.uniform(0.30, 0.5)
            u = np.linspace(0, 1, 9)
            upper = np.stack([x + side * r * u, y + drop * u**1.3], 1)
            teeth = tall * (0.030 + np.where(np.arange(9) % 2, 0.055 * (1.1 - u), 0.0)) * (1.05 - u)
            lower = np.stack([x + side * r * u, y + drop * u**1.3 + 3 + teeth], 1)[::-1]
            shapes.append(np.concatenate([upper, lower]))
    return [s.astype(np.float32) for s in shapes]


def _block(frame: Frame, rng: Rng, picture: Array, mask: Array, colour: str, *, wear: float, grain: Array) -> Array:
    """Prints one block: out of register, starved of ink along the grain of the wood."""
    right, down = rng.integers(-2, 3, 2) * frame.scale
    moved = shifted(mask, int(right), int(down))
    patchy = frame.noise(rng, 150, 4)
    bare = smoothstep(0.9, 2.0, grain + 0.5 * patchy + 0.5 * noise(rng, frame.shape, 2.6 * frame.scale, 2))
    cover = np.clip(moved * (0.96 - wear * bare), 0, 1)[..., None]
    return np.asarray(picture * (1 - cover * (1 - rgb(colour) * (1 + 0.03 * patchy[..., None]))), np.float32)


def _wood(frame: Frame, rng: Rng) -> Array:
    """The grain of a plank with two knots; mean 0, deviation about 1."""
    warp = 26 * frame.noise(rng, (420, 150), 3)
    for x, y, size in ((250.0, 600.0, 60.0), (820.0, 180.0, 75.0)):
        dx, dy = (frame.x - x) / 2.4, frame.y - y
        warp += size * np.exp(-(dx * dx + dy * dy) / (size * size)) * np.sign(dy) * 0.6
    rings = np.sin((frame.y + warp) / 3.1) + 0.6 * np.sin((frame.y + warp) / 1.7 + 2)
    return np.asarray(rings + 0.6 * frame.noise(rng, (120, 1.6), 2), np.float32)


def _sky(frame: Frame, rng: Rng) -> tuple[Array, Array]:
    """The key block above the shore, and the sun's disc: cuts fly out from the sun, the corners stay dark."""
    sx, sy, radius = SUN
    x, y = frame.x, frame.y
    away, angle = np.hypot(x - sx, y - sy), np.arctan2(y - sy, x - sx)
    disc = smoothstep(radius + 0.6, radius - 0.6, away)
    # twice as many cuts each time the distance doubles: so the spacing stays even
    doubling = np.exp2(np.round(np.log2(np.maximum(away, 60) / 190) + 0.06 * frame.noise(rng, 60, 2)))
    stream = angle + 0.10 * np.sin(away / 75)
    light = np.clip(1.02 - 0.00088 * np.maximum(away - radius, 0) + 0.10 * np.sin(stream * 14), 0.1, 0.97)
    cut = hatch(frame, rng, stream * 200 * doubling, -away, light, spacing=14.5, length=104, shake=1.2)
    halo = smoothstep(5.5, 4.5, np.abs(away - radius - 9))
    rim = smoothstep(2.6, 1.8, np.abs(away - radius))
    key = np.maximum(1 - np.maximum.reduce([cut, disc, halo]), rim)
    low = np.clip((y - sy) / 190, 0, 0.8)
    bars = hatch(frame, rng, y + 4 * np.sin(x / 40), x, low, spacing=15, length=120, shake=1.5)
    return np.maximum(key, bars * disc), disc


def _lake(frame: Frame, rng: Rng) -> tuple[Array, Array, Array]:
    """The key block below the shore (lens-shaped cuts), the sun's path, and how near the water is, 0..1."""
    x, y = frame.x, frame.y
    down = np.clip((y - SHORE) / (768 - SHORE), 0, 1)
    path = np.exp(-(((x - SUN[0] - 10 * np.sin(y / 9)) / (40 + 120 * down)) ** 2))
    light = 0.34 + 0.22 * np.sin(x / 130 + 1) * np.sin(y / 37) + 0.5 * path + 0.10 * frame.noise(rng, (120, 20), 2)
    ripple = (y + 5 * np.sin(x / 61 + y / 30) + 2.5 * np.sin(x / 23) - SHORE) / (0.75 + 0.9 * down)
    along = x / (0.6 + 0.9 * down)
    cut = hatch(frame, rng, ripple, along, np.clip(light, 0.05, 0.95), spacing=11, length=78, shake=1.0)
    return np.maximum(1 - cut, smoothstep(2.6, 1.6, np.abs(y - SHORE))), path, down


def _front(frame: Frame, rng: Rng) -> tuple[Array, Array, Array]:
    """Pines and the bank in front: their mask, their part of the key block, and the light cut round them."""
    x, y = frame.x, frame.y
    bank = 726 - 46 * smoothstep(330, 0, x) - 96 * smoothstep(640, 1024, x) + 5 * np.sin(x / 19)
    trees = frame.polygons([shape for pine in PINES for shape in _pine(*pine, rng)])
    ground = smoothstep(-0.6, 0.6, y - bank)
    mask = np.maximum(trees, ground)
    needles = (0.15 + 0.13 * np.sin(x / 11 + y / 17)) * trees
    cut = hatch(frame, rng, 0.5 * x + 0.86 * y, y - 0.4 * x, needles, spacing=9, length=30, shake=1.4, wedge=True)
    grass = hatch(frame, rng, x + 0.35 * y, -y, 0.55 * ground, spacing=9.5, length=38, shake=1.5, wedge=True)
    light = smoothstep(0.02, 0.12, frame.blur(mask, 2.2)) * (1 - mask)
    return mask, 1 - np.where(ground > 0.5, grass, cut), light


def woodcut(seed: int = 1912, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    lake = (frame.y > SHORE).astype(np.float32)
    key, disc = _sky(frame, rng)
    teal = np.zeros(frame.shape, np.float32)
    stone = np.zeros(frame.shape, np.float32)
    for peaks, rough in RANGES:
        mask, cuts, snow = _mountain(frame, rng, peaks, rough)
        key = mix(key[..., None], 1 - cuts[..., None], mask)[..., 0]
        stone = np.maximum(stone, mask)
        teal = np.maximum(teal * (1 - mask), mask * (1 - snow))
    water, path, down = _lake(frame, rng)
    front, front_key, light = _front(frame, rng)
    key = np.where(lake > 0, water, key) * (1 - light)
    key = key * (1 - front) + front_key * front

    sky = (1 - lake) * (1 - stone)
    ochre = np.clip(0.25 + frame.y / 470, 0, 1) * sky * (1 - 0.4 * disc) + 0.75 * lake * np.clip(0.9 - 0.8 * down, 0, 1)
    teal = np.maximum.reduce([teal, lake * (1 - path) * (0.35 + 0.65 * down), front])
    red = np.maximum.reduce(
        [disc * sky, 0.95 * lake * path**2, np.clip(0.75 - frame.y / 330, 0, 1) * (1 - stone) * (1 - disc)]
    )
    wood = _wood(frame, rng)
    fibre = noise(rng, frame.shape, (9 * scale, 3 * scale), 3)
    picture = frame.fill(rgb(PAPER)) * (1 + 0.018 * fibre)[..., None]
    picture = _block(frame, rng, picture, ochre, OCHRE, wear=0.35, grain=wood)
    picture = _block(frame, rng, picture, teal, TEAL, wear=0.30, grain=np.roll(wood, 211, axis=0))
    picture = _block(frame, rng, picture, red, RED, wear=0.30, grain=np.roll(wood, 97, axis=0))
    picture = _block(frame, rng, picture, np.clip(key, 0, 1), BLACK, wear=0.36, grain=wood)
    return np.clip(frame.reduce(picture), 0, 1).astype(np.float32)
