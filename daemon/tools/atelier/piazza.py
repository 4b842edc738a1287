"""A piazza in the manner of the metaphysical painters: arcades, raking shadows, a tower, a ball, two strangers."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, Labels, gradient, mix, palette, rgb, saturate, smoothstep
from atelier.field import Rng
from atelier.frame import Frame, weave
from atelier.raymarch import (
    Distance,
    ball,
    bounded,
    box,
    capsule,
    closest,
    drum,
    march,
    normals,
    openness,
    sunlit,
)
from atelier.strokes import Brush, Paint

EYE_HEIGHT = 3.1
HORIZON, VANISHING = 418.0, 402.0  # the one vanishing point, in picture units
FOCAL = 720.0
FAR = 150.0
SUN = np.array([-0.80, 0.50, 0.30], np.float32) / np.float32(np.linalg.norm([-0.80, 0.50, 0.30]))
TOWER = (-1.6, 62.0)  # x, z
BALL = (4.55, 0.95, 10.6)
PLINTH = (-3.9, 29.5)  # x, z
COLONNADE = (3.5, 0.26, 14)  # of the tower: radius, thickness, columns


def arches(points: Array, spacing: float, radius: float, spring: float, first: float) -> Array:
    """Distance to a row of arched openings along z, endless across x."""
    along = np.mod(points[2] - first + spacing / 2, spacing) - spacing / 2
    above = np.maximum(points[1] - spring, 0)
    return np.asarray(np.hypot(along, above) - radius, np.float32)


def windows(points: Array, spacing: float, first: float, low: float, high: float, half: float) -> Array:
    """Distance to a row of square openings along z, endless across x."""
    along = np.mod(points[2] - first + spacing / 2, spacing) - spacing / 2
    return np.asarray(np.maximum(np.abs(along) - half, np.abs(points[1] - (low + high) / 2) - (high - low) / 2))


def ground(p: Array) -> Array:
    return np.asarray(p[1], np.float32)


def loggia(p: Array) -> Array:
    """The dark arcade on the left: one wall, open on both sides."""
    wall = box(p, (-7.6, -1, -12), (-6.6, 5.9, 26.6))
    wall = np.maximum(wall, -arches(p, 4.6, 1.6, 2.75, 15.0))
    cornice = box(p, (-7.85, 5.9, -12), (-6.35, 6.3, 26.9))
    course = box(p, (-7.7, 4.85, -12), (-6.48, 5.02, 26.75))
    return np.minimum(np.minimum(wall, cornice), course)


def palace(p: Array) -> Array:
    """The bright building on the right: arcade below, small square windows above."""
    body = box(p, (7, -1, -12), (16, 9.6, 44))
    body = np.maximum(body, -box(p, (8.0, -2, -14), (11.4, 5.2, 43)))
    body = np.maximum(body, -np.maximum(arches(p, 5.2, 1.75, 2.9, 13.6), p[0] - 9))
    body = np.maximum(body, -np.maximum(windows(p, 5.2, 13.6, 6.7, 8.1, 0.55), p[0] - 7.7))
    cornice = box(p, (6.55, 9.6, -12), (16.3, 10.1, 44.4))
    course = box(p, (6.84, 5.75, -12), (16.1, 5.98, 44.1))
    return np.minimum(np.minimum(body, cornice), course)


def tower(p: Array) -> Array:
    """The brick drums."""
    return np.minimum(drum(p, TOWER, 4.1, 0, 14.5), drum(p, TOWER, 2.5, 15.2, 24.0))


def tower_stone(p: Array) -> Array:
    """The pale parts of the tower: cornices, a ring of columns, the lantern and its cap."""
    radius, thickness, count = COLONNADE
    x, z = p[0] - TOWER[0], p[2] - TOWER[1]
    turn = 2 * np.pi / count
    around = np.mod(np.arctan2(z, x), turn) - turn / 2
    away = np.hypot(x, z)
    column = np.hypot(away * np.sin(around), away * np.cos(around) - radius) - thickness
    column = np.maximum(column, np.abs(p[1] - 18.2) - 3.2)
    parts = [
        drum(p, TOWER, 4.5, 14.3, 15.1),
        drum(p, TOWER, 4.4, 0, 0.9),
        drum(p, TOWER, 4.0, 21.2, 21.8),
        drum(p, TOWER, 2.9, 23.8, 24.4),
        drum(p, TOWER, 1.5, 24.2, 26.8),
        ball(p, (TOWER[0], 26.8, TOWER[1]), 1.5),
        column * 0.8,  # folding the angle makes the field a little too steep
    ]
    return np.asarray(np.minimum.reduce(parts), np.float32)


def garden_wall(p: Array) -> Array:
    return np.minimum(box(p, (-60, -1, 78), (60, 2.6, 79)), box(p, (-60, 2.6, 77.8), (60, 2.95, 79.2)))


def train(p: Array) -> Array:
    """A locomotive passing behind the garden wall."""
    parts = [
        box(p, (-24, 0, 84), (-18.7, 4.6, 86)),
        box(p, (-28, 0, 83.5), (-23.9, 5.9, 86.5)),
        drum(p, (-20.1, 85), 0.6, 4, 6.8),
        drum(p, (-22.3, 85), 0.5, 4, 5.4),
    ]
    return np.asarray(np.minimum.reduce(parts), np.float32)


def globe(p: Array) -> Array:
    return ball(p, BALL, BALL[1])


def plinth(p: Array) -> Array:
    """A pedestal."""
    x, z = PLINTH
    parts = [
        box(p, (x - 1.25, 0, z - 1.25), (x + 1.25, 0.28, z + 1.25)),
        box(p, (x - 0.92, 0.2, z - 0.92), (x + 0.92, 1.75, z + 0.92)),
        box(p, (x - 1.1, 1.7, z - 1.1), (x + 1.1, 1.94, z + 1.1)),
    ]
    return np.asarray(np.minimum.reduce(parts), np.float32)


def statue(p: Array) -> Array:
    """A tailor's dummy in marble: a robe, shoulders, an egg for a head."""
    x, z = PLINTH
    y = 1.94
    height = np.clip((p[1] - y) / 1.9, 0, 1)
    robe = np.hypot(p[0] - x, p[2] - z) - (0.66 - 0.40 * np.sqrt(height))
    robe = np.maximum(robe * 0.8, np.abs(p[1] - y - 0.95) - 0.95)
    stretched = p * np.array([[1], [0.74], [1]], np.float32)
    head = ball(stretched, (x + 0.05, (y + 2.52) * 0.74, z), 0.29)
    shoulders = capsule(p, (x - 0.36, y + 1.78, z), (x + 0.36, y + 1.78, z), 0.23)
    return np.asarray(np.minimum.reduce([robe, head, shoulders]), np.float32)


def strangers(p: Array) -> Array:
    """Two distant figures in conversation."""
    parts = []
    for x, lean in ((2.4, 0.10), (3.5, -0.08)):
        parts += [
            capsule(p, (x - 0.15, 0, 33), (x, 0.95, 33), 0.11),
            capsule(p, (x + 0.17, 0, 33), (x, 0.95, 33), 0.11),
            capsule(p, (x, 0.95, 33), (x + lean, 1.6, 33), 0.22),
            ball(p, (x + lean, 2.12, 33), 0.18),
        ]
    parts.append(capsule(p, (2.6, 1.55, 33), (3.3, 1.3, 32.9), 0.07))
    return np.asarray(np.minimum.reduce(parts), np.float32)


_TX, _TZ = TOWER
_PX, _PZ = PLINTH
SURFACES: dict[str, Distance] = {
    "ground": ground,
    "loggia": bounded(loggia, (-7.9, -1, -12), (-6.3, 6.4, 27)),
    "palace": bounded(palace, (6.5, -1, -12), (16.3, 10.1, 44.4)),
    "tower": bounded(tower, (_TX - 4.5, 0, _TZ - 4.5), (_TX + 4.5, 24, _TZ + 4.5)),
    "stone": bounded(tower_stone, (_TX - 4.5, 0, _TZ - 4.5), (_TX + 4.5, 28.3, _TZ + 4.5)),
    "wall": bounded(garden_wall, (-60, -1, 77.5), (60, 3, 79.5)),
    "train": bounded(train, (-28, 0, 83.5), (-18, 7, 86.5)),
    "ball": globe,
    "plinth": bounded(plinth, (_PX - 1.3, 0, _PZ - 1.3), (_PX + 1.3, 2, _PZ + 1.3)),
    "statue": bounded(statue, (_PX - 0.7, 1.9, _PZ - 0.7), (_PX + 0.7, 4.9, _PZ + 0.7)),
    "strangers": bounded(strangers, (2, 0, 32.5), (4, 2.4, 33.5)),
}
SKY = len(SURFACES)
NAMES = list(SURFACES)

COLOURS = {  # in the sun, in the shade
    "ground": ("#e6a948", "#505038"),
    "loggia": ("#f1dcae", "#4c4534"),
    "palace": ("#f7dda4", "#77674a"),
    "tower": ("#c9542d", "#5a2726"),
    "stone": ("#f6e7c4", "#77705c"),
    "wall": ("#b4502f", "#833c2c"),
    "train": ("#2c3a3a", "#1b2629"),
    "ball": ("#d8412f", "#5c1f2b"),
    "plinth": ("#f1e4c4", "#66634f"),
    "statue": ("#fffaf0", "#7d8a80"),
    "strangers": ("#3a2b2a", "#1c181c"),
}


def everything(points: Array) -> Array:
    return np.asarray(np.minimum.reduce([surface(points) for surface in SURFACES.values()]), np.float32)


def _sky(frame: Frame, rng: Rng) -> Array:
    height = frame.y / HORIZON + 0.05 * (frame.x / frame.width - 0.35) + 0.012 * frame.noise(rng, (420, 60), 3)
    return gradient(
        height,
        [
            (0.0, "#0d3a40"),
            (0.30, "#17585a"),
            (0.55, "#3f8a78"),
            (0.75, "#8fb684"),
            (0.90, "#dcd590"),
            (1.0, "#f4dd92"),
        ],
    )


def _surfaces(frame: Frame, rng: Rng) -> tuple[Array, Labels, Array]:
    """The scene in flat paint: picture (H, W, 3), regions (H, W), direction of the brush (H, W)."""
    across, up = (frame.x - VANISHING) / FOCAL, (HORIZON - frame.y) / FOCAL
    rays = np.stack([across, up, np.ones(frame.shape, np.float32)]).reshape(3, -1)
    rays /= np.linalg.norm(rays, axis=0)
    eye = np.broadcast_to(np.array([[0], [EYE_HEIGHT], [0]], np.float32), rays.shape)
    depth = march(everything, eye, rays, FAR)
    hit = depth < FAR
    points = (eye + rays * depth)[:, hit]
    facing = normals(everything, points)
    material = closest(list(SURFACES.values()), points)
    light = sunlit(everything, points, facing, SUN, 60.0)
    air = openness(everything, points, facing, 2.2)
    indoors = (material == NAMES.index("palace")) & (points[0] > 7.95) | (points[0] > 8.2) & (points[1] < 5.3)

    lit = palette(*(COLOURS[name][0] for name in NAMES))[material]
    shade = palette(*(COLOURS[name][1] for name in NAMES))[material]
    stripe = _decorate(points, facing, material, lit, shade)
    bright = np.where(material == NAMES.index("ground"), 1, smoothstep(-0.05, 0.65, SUN @ facing)) * light
    # the sunny ground throws warm light on what does not face the sky
    warm = np.clip(0.5 - 0.6 * facing[1], 0, 1) * np.exp(-np.maximum(points[1], 0) / 6)
    shade = shade * (0.42 + 0.58 * air[:, None]) * (1 + warm[:, None] * np.array([0.42, 0.22, 0.0], np.float32))
    shade = shade * np.where(indoors, 0.5, 1.0)[:, None]
    colour = shade + (lit - shade) * bright[:, None]
    haze = 1 - np.exp(-np.maximum(points[2] - 12, 0) / 190)
    colour = mix(colour, rgb("#efd58e"), haze)

    picture = _sky(frame, rng).reshape(-1, 3)
    picture[hit] = colour
    regions = np.full(len(hit), SKY * 8, np.int32)
    side = np.abs(facing).argmax(axis=0)
    on_ball = material == NAMES.index("ball")
    regions[hit] = material * 8 + light * 4 + np.where(on_ball, stripe, side)
    angle = np.zeros(len(hit), np.float32)
    towards = np.arctan2((HORIZON - frame.y).ravel(), (VANISHING - frame.x).ravel())
    wall = (material == NAMES.index("loggia")) | (material == NAMES.index("palace"))
    angle[hit] = np.where(wall & (side == 0), towards[hit], np.where(side == 1, 0.06, np.pi / 2))
    return picture.reshape(*frame.shape, 3), regions.reshape(frame.shape), angle.reshape(frame.shape)


def _decorate(points: Array, facing: Array, material: Labels, lit: Array, shade: Array) -> Labels:
    """Stripes of the ball, paving, courses of brick: changes `lit` and `shade` (N, 3) in place; returns the stripes."""
    stripes = np.zeros(len(material), np.int32)
    on_ball = material == NAMES.index("ball")
    p = facing[:, on_ball]
    around = np.arctan2(p[0] * 0.75 - p[1] * 0.66, -p[2] - 0.35 * p[1])
    stripe = np.floor(around / (np.pi / 4) + 0.3).astype(np.int32) % 3
    lit[on_ball] = palette("#d8412f", "#fbeccb", "#1f8a90")[stripe]
    shade[on_ball] = palette("#5e1d27", "#7d6d55", "#123c48")[stripe]
    stripes[on_ball] = stripe

    on_ground = material == NAMES.index("ground")
    x, _, z = points[:, on_ground]
    joint = np.minimum(np.abs(np.mod(x + 0.3, 3.4) - 1.7), np.abs(np.mod(z, 5.2) - 2.6) * 0.8)
    line = (smoothstep(0.075, 0.03, joint) * np.exp(-z / 30))[:, None]
    slab = np.sin(np.floor((x + 2.0) / 3.4) * 5.1 + np.floor((z + 2.6) / 5.2) * 2.7)[:, None]
    lit[on_ground] *= 1 - 0.16 * line + 0.035 * slab
    shade[on_ground] *= 1 - 0.22 * line + 0.05 * slab

    brick = (material == NAMES.index("tower")) | (material == NAMES.index("wall"))
    course = np.mod(points[1, brick], 1.15) < 0.16
    lit[brick] *= np.where(course, 0.86, 1.0)[:, None].astype(np.float32)
    return stripes


def _flags(frame: Frame) -> tuple[list[Array], list[str]]:
    """Three pennants that stand in a wind nobody feels."""
    scale = FOCAL / TOWER[1]
    x = VANISHING + TOWER[0] * scale
    top = HORIZON - (28.3 - EYE_HEIGHT) * scale
    left, right = x - 4.2 * scale, x + 4.2 * scale
    rim = HORIZON - (15.0 - EYE_HEIGHT) * scale
    shapes, colours = [], []
    for pole, foot, peak, length, code in (
        (x, top, top - 52, 62, "#c8372d"),
        (left, rim, rim - 46, 40, "#e9dcb4"),
        (right, rim, rim - 46, 40, "#1f7f86"),
    ):
        shapes.append(frame.lines([[(pole, foot), (pole, peak)]], 2.0))
        colours.append("#2a2b2a")
        t = np.linspace(0, 1, 24)
        wave = 4.0 * np.sin(t * 6.0 + 0.4) * t
        upper = np.stack([pole + t * length, peak + 2 + wave + t * 4], 1)
        lower = np.stack([pole + t * length, peak + 22 + wave - t * 6], 1)[::-1]
        shapes.append(frame.polygon(np.concatenate([upper, lower]).astype(np.float32)))
        colours.append(code)
    return shapes, colours


def _steam(frame: Frame, rng: Rng) -> tuple[Array, Array]:
    """The locomotive's steam, standing still: mask and colour."""
    scale = FOCAL / 85
    x, y = VANISHING - 20.1 * scale, HORIZON - (7.4 - EYE_HEIGHT) * scale
    mask = np.zeros(frame.shape, np.float32)
    body = np.zeros((*frame.shape, 3), np.float32)
    for i in range(13):
        radius = (5 + 1.4 * i) * rng.uniform(0.75, 1.2)
        cx = x + 6.5 * i - rng.uniform(-3, 3)
        cy = y - 4 - 4.5 * i + rng.uniform(-5, 5)
        away = np.hypot(frame.x - cx, (frame.y - cy) * 1.12) / radius
        puff = smoothstep(1.0, 0.92, away)
        light = np.clip(0.62 - 0.5 * (frame.x - cx) / radius - 0.55 * (frame.y - cy) / radius, 0, 1)
        body = mix(body, gradient(light, [(0, "#7f9a86"), (0.5, "#e9e3c0"), (1, "#fffbe9")]), puff)
        mask = np.maximum(mask, puff)
    return mask, body


def piazza(seed: int = 1914, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    picture, regions, direction = _surfaces(frame, rng)
    behind = regions >= SKY * 8
    steam, body = _steam(frame, rng)
    steam = steam * behind
    picture = mix(picture, body, steam)
    regions[steam > 0.5] = SKY * 8 + 1
    shapes, colours = _flags(frame)
    for i, (shape, colour) in enumerate(zip(shapes, colours, strict=True)):
        visible = shape * behind
        picture = mix(picture, rgb(colour), visible)
        regions[visible > 0.5] = SKY * 8 + 2 + i

    swirl = 0.35 * np.sin(frame.x / 210 + 1.0) - 0.25 * (frame.y / HORIZON) + 0.12 * frame.noise(rng, 160, 2)
    direction = np.where(behind, swirl, direction + 0.07 * frame.noise(rng, 40, 2)).astype(np.float32)
    tone = 1 + 0.035 * frame.noise(rng, (180, 60), 4) + 0.02 * frame.noise(rng, (26, 9), 2)
    source = np.clip(picture * tone[..., None], 0, 1)

    paint = Paint(source)
    large = behind | (regions // 8 == NAMES.index("ground"))
    s = scale
    broad = Brush(length=58 * s, width=11 * s, opacity=0.75, colour_jitter=0.045, hue_jitter=0.014, coverage=2.2)
    paint.lay(rng, source, direction, broad, regions=regions, where=large.astype(np.float32))
    medium = Brush(length=30 * s, width=6.5 * s, opacity=0.7, colour_jitter=0.045, hue_jitter=0.014, coverage=1.6)
    paint.lay(rng, source, direction, medium, regions=regions, where=np.where(large, 0.3, 1).astype(np.float32))
    lit = paint.lit(0.07)
    lit = frame.reduce(lit)
    lit = lit * (1 + 0.035 * weave(rng, lit.shape[:2]))[..., None]
    edge = np.hypot((frame.x - 512) / 760, (frame.y - 400) / 620)[::scale, ::scale]
    lit = lit * (1.02 - 0.26 * np.clip(edge - 0.35, 0, 1) ** 1.5)[..., None]
    return np.clip(saturate(lit, 1.08), 0, 1).astype(np.float32)
