"""A leaded window: a rayed sun over hills and a river, poppies in front, light coming through every pane."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from atelier.colour import Array, Labels, gradient, mix, palette, rgb, saturate, smoothstep
from atelier.field import Rng, cell_means, noise, slope, to_border
from atelier.frame import Frame

SUN = (640.0, 262.0)
RINGS = (0.0, 46.0, 92.0, 140.0, 196.0, 262.0, 340.0, 432.0, 540.0, 670.0, 2000.0)
LEAD = 3.9  # half the width of a came, in units
SKY, HILLS, RIVER, FLOWERS = 1 << 16, 2 << 16, 3 << 16, 4 << 16  # codes of panes; the low bits count


def _sky(frame: Frame) -> Labels:
    dx, dy = frame.x - SUN[0], frame.y - SUN[1]
    away = np.hypot(dx, dy)
    away = away * (1 + 0.035 * np.sin(3 * np.arctan2(dy, dx) + 1) * (away > 92))
    ring = np.searchsorted(RINGS, away, side="right") - 1
    sectors = np.array([1, 8, 16, 16, 16, 32, 32, 32, 48, 48])[ring]
    bent = np.arctan2(dy, dx) / (2 * np.pi) + 0.5 + np.where(ring > 2, 0.018 * np.sin(away / 55), 0)
    ray = np.floor(np.mod(bent + np.where(ring % 2, 0.5, 0) / sectors, 1) * sectors)
    return (SKY + ring * 64 + ray).astype(np.int32)


def _land(frame: Frame) -> tuple[Labels, list[Array]]:
    """Bands of hills cut into panes, and their crests for the colours."""
    x, y = frame.x, frame.y
    crests = [
        395 + 38 * np.sin(x / 118 + 0.6) + 16 * np.sin(x / 51),
        452 + 34 * np.sin(x / 160 + 3.2) + 10 * np.sin(x / 60),
        508 + 30 * np.sin(x / 190 + 1.4),
        566 + 30 * np.sin(x / 230 + 4.3),
        640 + 22 * np.sin(x / 260 + 2.2),
        708 + 16 * np.sin(x / 300),
    ]
    band = np.zeros(frame.shape, np.int32)
    for crest in crests:
        band += y > crest
    step = np.array([1, 66, 72, 72, 84, 96, 110])[band]
    column = np.floor((x + 37 * band + (y - 560) * np.where(band % 2, 0.45, -0.5)) / step)
    return np.where(band > 0, HILLS + band * 256 + column + 40, 0).astype(np.int32), crests


def _river(frame: Frame, crest: Array) -> Labels:
    """A river that widens towards the front, cut across and along."""
    down = np.clip((frame.y - 440) / 330, 0, 1)
    middle = 430 + 150 * np.sin(down * 5.2 + 0.6) * (0.25 + 0.75 * down)
    half = 13 + 130 * down**1.35
    across = (frame.x - middle) / half
    inside = (np.abs(across) < 1) & (frame.y > crest)
    lane = np.where(half > 46, np.floor((across + 1) * 1.5), 1)
    part = np.floor(np.sqrt(down) * 11 + 0.35 * across + 0.5 * (lane % 2))
    return np.where(inside, RIVER + lane * 64 + part, 0).astype(np.int32)


def _flower(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, code: int, rng: Rng, scale: int) -> None:
    def polygon(points: Array, number: int) -> None:
        draw.polygon((points * scale).ravel().tolist(), fill=number)

    t = np.linspace(0, 1, 30)
    stem_x = x + 26 * np.sin(t * 2.2) * (1 if x < 512 else -1)
    stem_y = y + (800 - y) * t
    for side in (-1, 1):  # leaves
        for start in (0.45, 0.75):
            i = int(start * 29)
            u = np.linspace(0, 1, 20)
            length, tilt = size * rng.uniform(1.3, 1.7), rng.uniform(0.35, 0.7)
            rib_x = stem_x[i] + side * length * u * np.cos(tilt * u)
            rib_y = stem_y[i] - length * u * 0.55 * np.sin(1.6 * u + 0.3)
            bulge = size * 0.30 * np.sin(np.pi * u) ** 0.8
            for half, sign in ((0, -1), (1, 1)):
                edge = np.stack([np.r_[rib_x, rib_x[::-1]], np.r_[rib_y, (rib_y + sign * bulge)[::-1]]], 1)
                polygon(edge.astype(np.float32), code + 32 + (side + 1) * 4 + 2 * (start > 0.5) + half)
    stem = np.stack([np.r_[stem_x - 7, (stem_x + 7)[::-1]], np.r_[stem_y, stem_y[::-1]]], 1)
    polygon(stem.astype(np.float32), code + 48)
    petals = 6
    for k in list(range(0, petals, 2)) + list(range(1, petals, 2)):
        middle = 2 * np.pi * (k + 0.25) / petals
        turn = middle + np.linspace(-1, 1, 30) * np.pi / petals * 1.18
        reach = size * (0.52 + 0.48 * np.cos((turn - middle) * petals / 2.5) ** 0.5)
        reach *= 1 + 0.05 * np.sin(turn * 9)
        ring = np.stack([x + reach * np.cos(turn), y + 0.86 * reach * np.sin(turn)], 1)
        polygon(np.concatenate([[[x, y]], ring]).astype(np.float32), code + k)
    turn = np.linspace(0, 2 * np.pi, 40)
    for radius, number in ((0.36, 8), (0.17, 9)):
        ring = np.stack([x + size * radius * np.cos(turn), y + 0.86 * size * radius * np.sin(turn)], 1)
        polygon(ring.astype(np.float32), code + number)


def _panes(frame: Frame, rng: Rng) -> Labels:
    land, crests = _land(frame)
    codes = np.where(land > 0, land, _sky(frame))
    river = _river(frame, crests[1])
    codes = np.where(river > 0, river, codes)
    drawing = Image.fromarray(codes.astype(np.int32))
    draw = ImageDraw.Draw(drawing)
    places = (
        (176.0, 560.0, 92.0),
        (70.0, 676.0, 70.0),
        (312.0, 668.0, 66.0),
        (820.0, 590.0, 84.0),
        (940.0, 668.0, 76.0),
    )
    for i, (x, y, size) in enumerate(places):
        _flower(draw, x, y, size, FLOWERS + i * 64, rng, frame.scale)
    return np.asarray(drawing)


def _colours(codes: Labels, middles: Array, rng: Rng) -> Array:
    """The glass of each pane (N, 3) from its code and its middle (N, 2)."""
    kind, rest = codes >> 16, codes & 0xFFFF
    tint = np.zeros((len(codes), 3), np.float32)
    ring, ray = rest // 64, rest % 64
    sky = gradient(
        ring + 0.5 * (ray % 2) - 0.2 * (ray % 3 == 0),
        [
            (0, "#fff6c8"),
            (1, "#ffd84a"),
            (2, "#ff9f1e"),
            (3, "#ffcf5e"),
            (4, "#ff8a4c"),
            (5, "#f2597a"),
            (6, "#b24bc0"),
            (7, "#5a58d8"),
            (8, "#2f7be0"),
            (9, "#35b0e8"),
            (10, "#1f55b8"),
        ],
    )
    tint[kind == 1] = sky[kind == 1]
    band = np.clip(rest // 256, 0, 6)
    greens = palette("#7d6bd0", "#4a4fc0", "#1f8fa0", "#18a070", "#4cb848", "#8cc63a", "#2f9a4a")
    shade = np.array([0.78, 1.0, 1.16])[rng.integers(0, 3, len(codes))]
    land = greens[band] * shade[:, None]
    tint[kind == 2] = land[kind == 2]
    water = palette("#bfeaf5", "#5cc4e8", "#2f8fd8", "#e9fbff", "#1f6fc0")[rng.integers(0, 5, len(codes))]
    tint[kind == 3] = water[kind == 3]
    part, plant = rest % 64, rest // 64
    red = palette("#e8202a", "#ff5a2a", "#d8146a", "#e8202a", "#ff7a1e")[plant % 5] * shade[:, None]
    leaf = palette("#1d8a3c", "#69b83a", "#0f6b45")[rng.integers(0, 3, len(codes))]
    bloom = np.where((part < 8)[:, None], red, leaf)
    bloom = np.where((part == 8)[:, None], rgb("#3a1450"), bloom)
    bloom = np.where((part == 9)[:, None], rgb("#ffe25a"), bloom)
    tint[kind == 4] = bloom[kind == 4]
    tint *= rng.uniform(0.86, 1.12, (len(codes), 1))
    tint += rng.normal(0, 0.03, tint.shape) + 0.06 * (middles[:, 1:] < 300)
    return np.clip(tint, 0.03, 1).astype(np.float32)


def stained_glass(seed: int = 1210, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    wobble = 1.6 * frame.noise(rng, 60, 2), 1.6 * frame.noise(rng, 50, 2)
    straight = frame.x, frame.y
    frame.x, frame.y = frame.x + wobble[0], frame.y + wobble[1]  # cut by hand
    panes = _panes(frame, rng)
    frame.x, frame.y = straight
    codes, flat = np.unique(panes, return_inverse=True)
    labels = flat.reshape(frame.shape).astype(np.int32)
    middles = np.stack([cell_means(frame.x, labels), cell_means(frame.y, labels)], axis=1)
    glass = _colours(codes, middles, rng)[labels]

    # drawn antique glass: streaks in a direction of each pane's own, seeds (bubbles), uneven thickness
    streaks = np.stack([frame.noise(rng, period, 4) for period in ((90, 14), (14, 90), (34, 34), (60, 22))])
    way = rng.integers(0, 4, len(codes))[labels]
    streak = np.take_along_axis(streaks, way[None].astype(np.int64), 0)[0]
    glass = glass * (1 + 0.17 * streak)[..., None] + 0.03 * streak[..., None]
    dent_x, dent_y = slope(frame.blur(noise(rng, frame.shape, 13 * scale, 2), 2))
    glass = glass * (1 + 0.62 * scale * (dent_x + dent_y))[..., None]
    bubbles = smoothstep(2.7, 3.2, noise(rng, frame.shape, 3.2 * scale))
    glass = mix(glass, np.minimum(glass * 1.35 + 0.12, 1).astype(np.float32), 0.8 * bubbles)

    edge = to_border(labels, int(26 * scale)) / scale
    glass = glass * (0.70 + 0.30 * smoothstep(LEAD, LEAD + 13, edge))[..., None]  # the paint in the corners
    light = np.hypot((frame.x - SUN[0]) / 900, (frame.y - SUN[1]) / 760)
    glass = np.clip(glass * (1.18 - 0.40 * light)[..., None], 0, 1)

    height = np.sqrt(np.clip(1 - (edge / LEAD) ** 2, 0, 1)) + 0.06 * frame.noise(rng, 3, 2)
    tilt_x, tilt_y = slope(frame.blur(height.astype(np.float32), 0.7))
    sheen = np.clip(0.5 - 1.1 * scale * (tilt_x + tilt_y), 0, 1)
    lead = gradient(sheen, [(0, "#08080c"), (0.5, "#1d1d26"), (0.8, "#474a58"), (1, "#868c9c")])
    halo = frame.blur(glass, 5)
    picture = mix(glass, lead, smoothstep(LEAD + 0.5, LEAD - 0.5, edge))
    picture = 1 - (1 - picture) * (1 - 0.16 * halo)
    return np.clip(saturate(frame.reduce(picture), 1.15), 0, 1).astype(np.float32)
