"""A vaporwave sunset: barred sun, neon grid, palms and faceted mountains, printed with grain like an old sleeve."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, gradient, luma, mix, palette, rgb, saturate, smoothstep
from atelier.field import Rng, noise, sample, shifted
from atelier.frame import Frame
from atelier.strokes import Brush, Paint

HORIZON = 470.0
SUN = (512.0, 352.0, 212.0)  # x, y, radius


def _sky(frame: Frame, rng: Rng) -> Array:
    drift = frame.noise(rng, (520, 70), 4)
    sky = gradient(
        frame.y / HORIZON + 0.018 * drift,
        [
            (0.0, "#0e0733"),
            (0.22, "#2c0f63"),
            (0.45, "#6a1b9a"),
            (0.65, "#c2269f"),
            (0.82, "#ff4f8b"),
            (0.94, "#ff9a6b"),
            (1.0, "#ffd27a"),
        ],
    )
    # long clouds, lit from below where they thin out
    cloud = frame.noise(rng, (300, 26), 5) + 0.5 * np.sin(frame.y / 17 + frame.x / 300)
    height = frame.y / HORIZON
    body = smoothstep(0.35, 1.5, cloud) * smoothstep(0.12, 0.5, height) * smoothstep(1.02, 0.75, height)
    rim = smoothstep(0.25, 0.5, cloud) * smoothstep(0.85, 0.5, cloud) * smoothstep(0.12, 0.5, height)
    sky = mix(sky, gradient(height, [(0, "#2b1a6e"), (0.5, "#5b2a9d"), (1, "#b3359f")]), 0.9 * body)
    sky = mix(sky, gradient(height, [(0, "#5e4bd0"), (0.5, "#ff7ac8"), (1, "#ffe3a0")]), 0.6 * rim)
    return _stars(frame, rng, sky)


def _stars(frame: Frame, rng: Rng, sky: Array) -> Array:
    glow = np.zeros(frame.shape, np.float32)
    for _ in range(170):
        x, y = rng.uniform(0, frame.width), HORIZON * 0.72 * rng.uniform(0, 1) ** 1.4
        size = rng.uniform(0.7, 1.5) if rng.random() < 0.88 else rng.uniform(2.2, 3.4)
        reach = int(size * 7 * frame.scale)
        column, row = int(x * frame.scale), int(y * frame.scale)
        part = np.s_[max(row - reach, 0) : row + reach, max(column - reach, 0) : column + reach]
        dx, dy = np.abs(frame.x[part] - x), np.abs(frame.y[part] - y)
        core = np.exp(-(dx * dx + dy * dy) / (size * size))
        ray = 0.0 if size < 2 else np.exp(-dx / (size * 0.25)) * np.exp(-dy / (size * 2))
        other = 0.0 if size < 2 else np.exp(-dy / (size * 0.25)) * np.exp(-dx / (size * 2))
        glow[part] = np.maximum(glow[part], np.maximum(core, np.maximum(ray, other)))
    return mix(sky, rgb("#e6f6ff"), np.clip(glow, 0, 1) * smoothstep(1.0, 0.6, frame.y / HORIZON))


def _sun(frame: Frame, picture: Array) -> Array:
    x, y, radius = SUN
    away = np.hypot(frame.x - x, frame.y - y)
    picture = mix(picture, rgb("#ff5fa8"), 0.75 * np.exp(-np.maximum(away - radius, 0) / 60) * (away > radius))
    picture = mix(picture, rgb("#ffb28a"), 0.6 * np.exp(-np.maximum(away - radius, 0) / 18) * (away > radius))
    down = (frame.y - (y - radius)) / (2 * radius)  # 0 at the top of the disc, 1 at the bottom
    face = gradient(
        down, [(0, "#fff6a0"), (0.3, "#ffd34d"), (0.5, "#ff8a3d"), (0.68, "#ff3d81"), (0.9, "#d41db0"), (1, "#9b19c9")]
    )
    bar = np.zeros(frame.shape, np.float32)
    for k in range(7):  # gaps grow towards the horizon
        middle, half = 0.470 + 0.077 * k, 0.0045 + 0.0032 * k
        bar = np.maximum(bar, smoothstep(half + 0.002, half - 0.002, np.abs(down - middle)))
    disc = smoothstep(radius + 0.6, radius - 0.6, away)
    gap = gradient(down, [(0.4, "#c02f8f"), (0.7, "#6a1b9a"), (1, "#3a0f78")])
    return mix(picture, mix(face, gap, 0.92 * bar), disc)


def _mountains(frame: Frame, rng: Rng, picture: Array) -> Array:
    """Two ranges of triangles: each facet flat, its light by its slope, its edges drawn in neon."""
    for base, tall, step, dark, bright, edge in (
        (HORIZON + 1, 178, 58, "#3a1273", "#c43bc0", "#ff7ad9"),
        (HORIZON + 1, 108, 46, "#160a45", "#5a2fc9", "#43e8ff"),
    ):
        columns = int(frame.width / step) + 5
        rows = 5
        xs = (np.arange(columns)[None, :] - 1.5 + 0.5 * (np.arange(rows)[:, None] % 2)) * step
        xs = xs + rng.uniform(-0.26, 0.26, xs.shape) * step
        side = np.abs(xs - 512) / 512
        ridge = tall * smoothstep(0.10, 0.85, side.astype(np.float32)) * rng.uniform(0.55, 1.15, xs.shape)
        level = np.linspace(1, 0, rows)[:, None]
        ys = base - ridge * level**0.9
        ys[-1] = base
        faces, tones = [], []
        for r in range(rows - 1):
            shift = r % 2
            for c in range(columns - 1):
                a, b = (xs[r, c], ys[r, c]), (xs[r, c + 1], ys[r, c + 1])
                d, e = (xs[r + 1, c], ys[r + 1, c]), (xs[r + 1, c + 1], ys[r + 1, c + 1])
                pairs = ((a, b, d), (b, d, e)) if shift else ((a, b, e), (a, d, e))
                for triangle in pairs:
                    (x0, y0), (x1, y1), (x2, y2) = triangle
                    normal = (y1 - y0) * (x2 - x0) - (y2 - y0) * (x1 - x0)
                    slant = ((y1 + y2) / 2 - y0) * np.sign(512 - x0) / (tall * 0.5)
                    faces.append(triangle)
                    tones.append(float(np.clip(0.42 + 0.3 * slant + 0.12 * np.sin(normal) + 0.15 * r / rows, 0, 1)))
        silhouette = frame.polygons(faces)
        picture = mix(picture, rgb(dark), silhouette)
        order = np.array(tones)
        ramp = palette(dark, bright)
        for level_of_tone in np.linspace(0, 1, 9):
            chosen = [f for f, t in zip(faces, order, strict=True) if abs(t - level_of_tone) <= 0.0625]
            if chosen:
                picture = mix(
                    picture, ramp[0] + (ramp[1] - ramp[0]) * np.float32(level_of_tone), frame.polygons(chosen)
                )
        lines = frame.lines([[*f, f[0]] for f in faces], 1.1) * silhouette
        picture = mix(picture, rgb(edge), 0.75 * lines)
        picture = np.minimum(picture + 0.5 * frame.blur(lines, 2.2)[..., None] * rgb(edge), 1.0)
    return picture.astype(np.float32)


def _floor(frame: Frame, rng: Rng, picture: Array) -> Array:
    """The grid on a wet floor that mirrors the sun."""
    below = frame.y > HORIZON
    depth = np.maximum(frame.y - HORIZON, 0.35)  # units below the horizon
    z = 78.0 / depth
    across = (frame.x - 512) * z / 78.0
    floor = gradient(
        depth / (frame.height - HORIZON), [(0, "#ff74b8"), (0.07, "#8a1fa8"), (0.3, "#37106f"), (1, "#0c0630")]
    )
    ripple = 9 * noise(rng, frame.shape, (90 * frame.scale, 5 * frame.scale), 3) * (depth / 120)
    rows = (HORIZON - depth * 1.05 + 0.25 * ripple) * frame.scale
    mirror = sample(picture, (frame.x + ripple) * frame.scale, np.clip(rows, 0, HORIZON * frame.scale - 2))
    shine = mirror * rgb("#ff6a94") * (np.exp(-depth / 170) * smoothstep(0.25, 0.7, luma(mirror)))[..., None]
    floor = mix(floor, mirror, 0.45 * np.exp(-depth / 70))
    floor = 1 - (1 - floor) * (1 - 0.9 * shine)

    footprint = z / 78.0  # world units per picture unit across
    line_x = np.abs(np.mod(across + 0.36, 0.72) - 0.36) / footprint
    line_z = np.abs(np.mod(z * 2.4 + 0.5, 1.0) - 0.5) / (2.4 * 78.0 / depth**2)
    fade = smoothstep(2.0, 16.0, depth)
    core = np.maximum(np.exp(-((line_x / (0.55 + depth / 190)) ** 2)), np.exp(-((line_z / (0.45 + depth / 210)) ** 2)))
    halo = np.maximum(np.exp(-line_x / (2.2 + depth / 34)), np.exp(-line_z / (2.0 + depth / 34)))
    neon = gradient(np.abs(frame.x - 512) / 512, [(0, "#ffd0f4"), (0.35, "#ff5ad0"), (1, "#33e6ff")])
    floor = np.minimum(floor + neon * (0.50 * halo * fade)[..., None], 1.0)
    floor = mix(floor, np.minimum(neon * 1.1 + 0.12, 1.0), 0.95 * core * fade)
    return mix(picture, floor, below.astype(np.float32))


def _frond(start: tuple[float, float], angle: float, length: float, droop: float, rng: Rng) -> list[Array]:
    """A palm leaf: a bending rib and blades that hang from it, as polygons."""
    t = np.linspace(0, 1, 30)
    rib_x = start[0] + np.cos(angle) * length * t
    rib_y = start[1] + np.sin(angle) * length * t + droop * length * t**2
    shapes = []
    width = 2.1 * (1 - t) + 0.5
    shapes.append(
        np.stack([np.r_[rib_x, rib_x[::-1]], np.r_[rib_y - width / 2, (rib_y + width / 2)[::-1]]], 1).astype(np.float32)
    )
    for i in range(3, 30):
        slope = np.arctan2(rib_y[i] - rib_y[i - 1], rib_x[i] - rib_x[i - 1])
        size = length * 0.34 * np.sin(np.pi * (0.10 + 0.86 * t[i])) ** 0.8
        for side in (-1, 1):
            hang = slope + side * (0.75 - 0.35 * t[i]) + rng.normal(0, 0.07)
            blade = size * rng.uniform(0.8, 1.1)
            u = np.linspace(0, 1, 6)
            bx = rib_x[i] + np.cos(hang) * blade * u
            by = rib_y[i] + np.sin(hang) * blade * u + 0.18 * blade * u**2
            thick = length / 80 * (1 - u) ** 0.7
            shapes.append(np.stack([np.r_[bx, bx[::-1]], np.r_[by - thick, (by + thick)[::-1]]], 1).astype(np.float32))
    return shapes


def _palms(frame: Frame, rng: Rng, picture: Array) -> Array:
    for foot, lean, tall, crown, code in (
        (236.0, -36.0, 420.0, 112.0, "#1a0840"),
        (30.0, 96.0, 632.0, 168.0, "#0b0424"),
        (846.0, 40.0, 384.0, 100.0, "#1a0840"),
        (1000.0, -78.0, 590.0, 158.0, "#0b0424"),
    ):
        base = 800.0
        t = np.linspace(0, 1, 46)
        x = foot + lean * t**1.7
        y = base - tall * t
        ring = 1 + 0.16 * (np.arange(46) % 2)
        half = (11.5 - 6.5 * t + 8 * np.exp(-t * 14)) * tall / 560 * ring
        trunk = np.stack([np.r_[x - half, (x + half)[::-1]], np.r_[y, y[::-1]]], 1).astype(np.float32)
        shapes = [trunk]
        top = (float(x[-1]), float(y[-1]))
        for k in range(13):
            angle = -np.pi / 2 + (k - 6) * 0.40 + rng.normal(0, 0.08)
            shapes += _frond(top, angle, crown * rng.uniform(0.82, 1.1), 0.42 + 0.12 * abs(k - 6) / 6, rng)
        for _ in range(5):
            cx, cy = top[0] + rng.uniform(-9, 9), top[1] + rng.uniform(2, 12)
            turn = np.linspace(0, 2 * np.pi, 14)
            shapes.append(np.stack([cx + 6 * np.cos(turn), cy + 6 * np.sin(turn)], 1).astype(np.float32))
        mask = frame.polygons(shapes)
        towards = 1 if foot < 512 else -1
        s = frame.scale
        rim = np.clip(mask - shifted(mask, -towards * 2 * s), 0, 1)
        picture = mix(picture, rgb(code), mask)
        cool = np.clip(mask - shifted(mask, 2 * towards * s), 0, 1)
        picture = mix(picture, rgb("#ff5ab4"), 0.80 * rim)
        picture = mix(picture, rgb("#2bd2ff"), 0.35 * cool)
    return _undergrowth(frame, rng, picture)


def _undergrowth(frame: Frame, rng: Rng, picture: Array) -> Array:
    """Leaves in the lower corners, out of which the palms grow."""
    for x, reach in ((-6.0, 150.0), (110.0, 105.0), (238.0, 84.0), (846.0, 80.0), (940.0, 110.0), (1030.0, 150.0)):
        shapes = []
        for k in range(9):
            angle = -np.pi / 2 + (k - 4) * 0.33 + rng.normal(0, 0.08)
            shapes += _frond((x, 782.0), angle, reach * rng.uniform(0.75, 1.1), 0.35, rng)
        mask = frame.polygons(shapes)
        rim = np.clip(mask - shifted(mask, 0, 2 * frame.scale), 0, 1)
        picture = mix(picture, rgb("#090320"), mask)
        picture = mix(picture, rgb("#e24bd0"), 0.55 * rim)
    return picture


def vaporwave(seed: int = 1984, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    picture = _sun(frame, _sky(frame, rng))
    picture = _mountains(frame, rng, picture)
    picture = _floor(frame, rng, picture)
    picture = _palms(frame, rng, picture)
    picture = np.minimum(picture + 0.16 * frame.blur(np.maximum(picture - 0.55, 0), 12), 1.0).astype(np.float32)

    # airbrush: fine strokes that keep the colours but leave the hand visible
    paint = Paint(picture)
    direction = (0.10 * np.sin(frame.x / 140) + 0.10 * frame.noise(rng, 90, 2)).astype(np.float32)
    tones = np.round(luma(picture) * 9).astype(np.int32) + 16 * np.round(picture[..., 2] * 5).astype(np.int32)
    brush = Brush(34 * scale, 4.2 * scale, opacity=0.5, colour_jitter=0.05, hue_jitter=0.02, coverage=1.3)
    paint.lay(rng, picture, direction, brush, regions=tones)
    printed = frame.reduce(paint.lit(0.05))

    # an old print: the red plate half a point off, grain, faint scan lines
    printed[..., 0] = shifted(printed[..., 0], 1)
    grain = noise(rng, printed.shape[:2], 1.0) * 0.6 + noise(rng, printed.shape[:2], 2.2) * 0.6
    printed = printed * (1 + 0.05 * grain)[..., None] + 0.010 * grain[..., None]
    lines = 1 - 0.055 * (np.arange(768) % 4 < 2)
    printed = printed * lines[:, None, None]
    return np.clip(saturate(printed, 1.1), 0, 1).astype(np.float32)
