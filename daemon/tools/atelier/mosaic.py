"""A mosaic of glass and marble: two fish over scalloped waves. Its tiles follow the drawing (Hausner 2001)."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from atelier.colour import Array, Labels, gradient, mix, palette, rgb, saturate, smoothstep
from atelier.field import Rng, blur, noise, slope, to_border
from atelier.frame import Frame

TILE = 14.0  # side of a tile, in units
SUN = (512.0, 236.0)
BLOCK = 32  # pixels: side of the blocks for which near tiles are looked up


def _scallops(frame: Frame) -> tuple[Labels, Array]:
    """Waves like roof tiles: which ring of which scallop is on top, as labels and as ring numbers 0..5."""
    radius, labels = 86.0, np.zeros(frame.shape, np.int32)
    ring = np.zeros(frame.shape, np.float32)
    for row in range(9):
        cy = 520 + row * radius * 0.52
        shift = radius * (row % 2)
        column = np.round((frame.x - shift) / (2 * radius))
        away = np.hypot(frame.x - shift - column * 2 * radius, frame.y - cy)
        inside = (away < radius) & (frame.y < cy + radius)
        number = np.floor(away / radius * 6)
        labels = np.where(inside, 1000 + row * 200 + (column + 3) * 8 + number, labels).astype(np.int32)
        ring = np.where(inside, number, ring)
    return labels, ring


def _fish(draw: ImageDraw.ImageDraw, x: float, y: float, size: float, tilt: float, flip: int, first: int) -> None:
    """Parts of a fish as consecutive labels: tail, body, belly, three bands, head, eye, pupil, fins."""
    cosine, sine = np.cos(tilt), np.sin(tilt)

    def put(u: Array, v: Array, label: int) -> None:
        bent = v + 0.22 * u * u  # a leap
        px = x + flip * size * (u * cosine - bent * sine)
        py = y + size * (u * sine + bent * cosine)
        draw.polygon(np.stack([px, py], 1).ravel().tolist(), fill=first + label)

    t = np.linspace(0, 1, 40)
    u = -0.78 + 1.78 * t
    half = 0.36 * np.sin(np.pi * t**0.72) ** 0.75 + 0.035
    put(np.array([-0.70, -1.20, -1.05, -1.22, -0.70]), np.array([-0.05, -0.40, 0.0, 0.40, 0.05]), 0)
    put(np.array([-0.25, -0.05, 0.35, 0.45]), np.array([-0.30, -0.58, -0.50, -0.30]), 9)
    put(np.array([-0.15, -0.20, 0.15, 0.30]), np.array([0.30, 0.55, 0.48, 0.30]), 9)
    put(np.r_[u, u[::-1]], np.r_[-half, half[::-1]], 1)
    put(np.r_[u, u[::-1]], np.r_[half * 0.25, half[::-1]], 2)
    for k, centre in enumerate((-0.42, -0.12, 0.18)):
        part = np.abs(u - centre) < 0.075
        put(np.r_[u[part] - 0.05, u[part][::-1] + 0.05], np.r_[-half[part], half[part][::-1]], 3 + k)
    part = u > 0.50
    put(np.r_[u[part], u[part][::-1]], np.r_[-half[part], half[part][::-1]], 6)
    turn = np.linspace(0, 2 * np.pi, 24)
    put(0.70 + 0.085 * np.cos(turn), -0.08 + 0.085 * np.sin(turn), 7)
    put(0.70 + 0.042 * np.cos(turn), -0.08 + 0.042 * np.sin(turn), 8)


def _cartoon(frame: Frame, rng: Rng) -> tuple[Labels, Array]:
    """The drawing under the mosaic: labels of its parts and their colours (H, W, 3)."""
    away = np.hypot(frame.x - SUN[0], frame.y - SUN[1])
    turn = np.mod(np.arctan2(frame.y - SUN[1], frame.x - SUN[0]) / (2 * np.pi) * 24 + 0.12 * np.sin(away / 40), 24)
    bands = np.searchsorted([42.0, 74.0, 92.0, 128.0, 146.0], away)
    rays = np.floor(turn).astype(np.int32)
    labels = np.where(bands < 5, bands, 10 + rays % 24).astype(np.int32)
    disc = palette("#fff3c4", "#f2b134", "#d9482b", "#ffd877", "#a8281e", "#a8281e")[bands]
    fade = np.clip((away - 146) / 480, 0, 1)
    gold = gradient(fade, [(0, "#ffe08a"), (0.4, "#e8b040"), (0.75, "#c98a2a"), (1, "#9a6a2c")])
    blue = gradient(fade, [(0, "#7fd0c8"), (0.35, "#2f9db8"), (0.7, "#1d5fa8"), (1, "#163a7a")])
    sky = np.where((rays % 2 == 0)[..., None], gold, blue)
    colours = np.where((bands < 5)[..., None], disc, sky).astype(np.float32)

    waves, ring = _scallops(frame)
    sea = palette("#e0b050", "#f6ecd0", "#1c8f9c", "#14508f", "#7fc8c0", "#0f2f66")[ring.astype(np.int32)]
    labels = np.where(waves > 0, waves, labels)
    colours = np.where((waves > 0)[..., None], sea, colours)

    drawing = Image.fromarray(np.zeros(frame.shape, np.int32))
    draw = ImageDraw.Draw(drawing)
    s = frame.scale
    _fish(draw, 250 * s, 360 * s, 188 * s, -0.30, 1, 5000)
    _fish(draw, 790 * s, 400 * s, 172 * s, -0.22, -1, 5100)
    fish = np.asarray(drawing)
    outline = to_border((fish > 0).astype(np.int32), 14 * s) < 13.0 * s
    outline &= fish == 0
    scales = {  # the left and the right fish
        0: ("#f25c4a", "#f2efe0"),
        1: ("#c9202e", "#f6f0dc"),
        2: ("#fbe9d0", "#f3b9a0"),
        3: ("#fff6e6", "#d8432f"),
        4: ("#6d0f1c", "#e8732e"),
        5: ("#fff6e6", "#d8432f"),
        6: ("#e8402f", "#e8552e"),
        7: ("#fdf6e0", "#fdf6e0"),
        8: ("#140f12", "#140f12"),
        9: ("#ff8a6a", "#f08a4a"),
    }
    for part, pair in scales.items():
        for first, code in zip((5000, 5100), pair, strict=True):
            colours[fish == first + part] = rgb(code)
    colours[outline] = rgb("#16203f")
    labels = np.where(fish > 0, fish, np.where(outline, 5200, labels))
    colours = colours * (1 + 0.05 * noise(rng, frame.shape, 120 * s, 3))[..., None]
    return labels.astype(np.int32), np.clip(colours, 0, 1).astype(np.float32)


def _nearest_squares(seeds: Array, angles: Array, shape: tuple[int, int]) -> tuple[Labels, Array]:
    """For each pixel the nearest seed, by max(|u|, |v|) in the seed's own axes, and its lead over the next."""
    height, width = shape
    labels = np.zeros(shape, np.int32)
    lead = np.zeros(shape, np.float32)
    cosines, sines = np.cos(angles), np.sin(angles)
    for top in range(0, height, BLOCK):
        for left in range(0, width, BLOCK):
            ys = np.arange(top, min(top + BLOCK, height), dtype=np.float32)[None, :, None]
            xs = np.arange(left, min(left + BLOCK, width), dtype=np.float32)[None, None, :]
            away = np.hypot(seeds[:, 0] - left - BLOCK / 2, seeds[:, 1] - top - BLOCK / 2)
            # the square distance is between 1/sqrt(2) and 1 of the round one
            near = np.flatnonzero(away <= (np.partition(away, 1)[1] + BLOCK * 0.71) * 2**0.5 + BLOCK * 0.71)
            dx, dy = xs - seeds[near, 0][:, None, None], ys - seeds[near, 1][:, None, None]
            c, s = cosines[near][:, None, None], sines[near][:, None, None]
            square = np.maximum(np.abs(dx * c + dy * s), np.abs(dy * c - dx * s))
            two = np.argpartition(square, 1, axis=0)[:2]
            values = np.take_along_axis(square, two, 0)
            part = np.s_[top : top + ys.size, left : left + xs.size]
            labels[part] = near[two[0]]
            lead[part] = (values[1] - values[0]) / 2
    return labels, lead


def _tiles(direction: Array, weight: Array, side: float, rng: Rng, rounds: int) -> tuple[Array, Array]:
    """Seeds (N, 2) and angles of tiles, spread evenly and turned along `direction` by a few rounds of Lloyd's method.

    Pixels with a small `weight` push tiles away: so they keep off the lines of the drawing.
    """
    height, width = direction.shape
    columns, rows = int(width / side), int(height / side)
    grid = np.stack(
        np.meshgrid((np.arange(columns) + 0.5) * width / columns, (np.arange(rows) + 0.5) * height / rows), -1
    )
    seeds = (grid.reshape(-1, 2) + rng.uniform(-0.3, 0.3, (columns * rows, 2)) * side).astype(np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)

    def look(points: Array) -> Array:
        column = np.clip(points[:, 0], 0, width - 1).astype(np.int32)
        return direction[np.clip(points[:, 1], 0, height - 1).astype(np.int32), column]

    for _ in range(rounds):
        labels, _lead = _nearest_squares(seeds, look(seeds), direction.shape)
        flat, w = labels.ravel(), weight.ravel()
        mass = np.maximum(np.bincount(flat, w, len(seeds)), 1e-6)
        middle = [np.bincount(flat, (axis.ravel() * w), len(seeds)) / mass for axis in (x, y)]
        found = np.bincount(flat, minlength=len(seeds)) > 0
        seeds = np.where(found[:, None], np.stack(middle, 1), seeds).astype(np.float32)
    return seeds, look(seeds)


def mosaic(seed: int = 547, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    plan = Frame(1024, 768, 1)
    labels, cartoon = _cartoon(plan, rng)
    contour = to_border(labels, 40)
    along_x, along_y = slope(blur(contour, 2.0))
    # a direction has no sign: smooth it as a doubled angle
    doubled = 2 * (np.arctan2(along_y, along_x) + np.pi / 2)
    strength = np.exp(-contour / 22) + 0.02
    direction = 0.5 * np.arctan2(blur(strength * np.sin(doubled), 5.0), blur(strength * np.cos(doubled), 5.0))
    weight = smoothstep(0.0, 4.0, contour) + 0.05
    seeds, angles = _tiles(direction.astype(np.float32), weight, TILE, rng, rounds=12)

    frame = Frame(1024, 768, scale)
    tile, lead = _nearest_squares(seeds * scale, angles, frame.shape)
    lead = lead / scale
    column = np.clip(seeds[:, 0], 0, 1023).astype(np.int32)
    row = np.clip(seeds[:, 1], 0, 767).astype(np.int32)
    tint = cartoon[row, column]
    tint = tint * rng.normal(1.0, 0.13, (len(tint), 1)) + rng.normal(0, 0.035, tint.shape)
    tint = np.where(rng.random((len(tint), 1)) < 0.06, tint * 0.6 + 0.35, tint)

    dx, dy = frame.x - seeds[tile, 0], frame.y - seeds[tile, 1]
    c, s = np.cos(angles)[tile], np.sin(angles)[tile]
    u, v = np.abs(dx * c + dy * s), np.abs(dy * c - dx * s)
    half = (TILE / 2 * rng.uniform(0.93, 1.05, len(seeds)))[tile]
    # a rounded, chipped square, cut where a neighbour is nearer
    chip = 0.5 * frame.noise(rng, 5, 2)
    corner = np.hypot(np.maximum(u - half + 3, 0), np.maximum(v - half + 3, 0)) - 3
    inside = np.minimum(-corner, lead * 1.2) - 0.9 + 0.35 * chip
    body = smoothstep(-0.4, 0.5, inside)

    tilt = rng.normal(0, 0.16, (len(seeds), 2))
    facet = tilt[tile, 0] * dx + tilt[tile, 1] * dy
    height = smoothstep(-0.5, 2.4, inside) * 3.2 + facet * 0.45
    slope_x, slope_y = slope(frame.blur(height.astype(np.float32), 0.5))
    light = np.clip(-(slope_x + slope_y) * scale * 0.32, -0.55, 0.8)
    glass = tint[tile] * (1 + 0.55 * light + 0.05 * chip)[..., None]
    glint = np.clip((tilt[:, 0] + tilt[:, 1]) * -3.0 - 0.35, 0, 0.5)[tile] + np.clip(light - 0.35, 0, 1) * 0.5
    glass = mix(glass, rgb("#fff8e4"), np.clip(glint, 0, 0.6) * 0.6)
    grain = noise(rng, frame.shape, 2.5 * scale, 3)
    grout = rgb("#4a4036") * (1 + 0.20 * grain)[..., None]
    shadow = smoothstep(2.5, -1.5, inside - 1.2)
    picture = mix(grout.astype(np.float32) * (1.1 - 0.4 * shadow)[..., None], glass, body)
    finished = frame.reduce(np.clip(picture, 0, 1).astype(np.float32))
    return np.clip(saturate(finished, 1.12), 0, 1).astype(np.float32)
