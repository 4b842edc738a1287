"""A piazza in the manner of the metaphysical painters: arcades, raking shadows, a tower, a ball, two strangers."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, Labels, gradient, mix, palette, rgb, saturate, smoothstep
from atelier.field import Rng
from atelier.frame import Frame, weave
from atelier.raymarch import (
    Distance,
    ball,
    box,
    capsule,
    closest,
    drum,
    march,
    normals,
    openness,
    span,
    sunlit,
)
from atelier.strokes import Brush, Paint

EYE_HEIGHT = 3.1
HORIZON, VANISHING = 418.0, 402.0  # the one vanishing point, in picture units
FOCAL = 720.0
FAR = 150.0
SUN = np.array([-0.80, 0.44, 0.30], np.float32) / np.float32(np.linalg.norm([-0.80, 0.44, 0.30]))
TOWER = (-1.6, 62.0)  # x, z
BALL = (2.35, 0.95, 11.2)


def arches(points: Array, spacing: float, radius: float, spring: float, first: float) -> Array:
    """Distance to a row of arched openings along z, endless across x."""
    along = np.mod(points[:, 2] - first + spacing / 2, spacing) - spacing / 2
    above = np.maximum(points[:, 1] - spring, 0)
    return np.asarray(np.hypot(along, above) - radius, np.float32)


def windows(points: Array, spacing: float, first: float, low: float, high: float, half: float) -> Array:
    """Distance to a row of square openings along z, endless across x."""
    along = np.mod(points[:, 2] - first + spacing / 2, spacing) - spacing / 2
    return np.maximum(np.abs(along) - half, np.abs(points[:, 1] - (low + high) / 2) - (high - low) / 2)


def ground(p: Array) -> Array:
    return np.asarray(p[:, 1], np.float32)


def loggia(p: Array) -> Array:
    """The dark arcade on the left: one wall, open on both sides."""
    wall = span(p, (-7.6, -1, -12), (-6.6, 5.9, 36))
    wall = np.maximum(wall, -arches(p, 4.6, 1.55, 2.75, 15.0))
    cornice = span(p, (-7.85, 5.9, -12), (-6.35, 6.3, 36.2))
    course = span(p, (-7.7, 4.85, -12), (-6.48, 5.02, 36.1))
    return np.minimum(np.minimum(wall, cornice), course)


def palace(p: Array) -> Array:
    """The bright building on the right: arcade below, small square windows above."""
    body = span(p, (7, -1, -12), (16, 9.6, 44))
    hall = span(p, (8.0, -2, -14), (11.4, 5.2, 43))
    body = np.maximum(body, -hall)
    opening = np.maximum(arches(p, 5.2, 1.75, 2.9, 13.6), p[:, 0] - 9)
    body = np.maximum(body, -opening)
    recess = np.maximum(windows(p, 5.2, 13.6, 6.7, 8.1, 0.55), p[:, 0] - 7.7)
    body = np.maximum(body, -recess)
    cornice = span(p, (6.55, 9.6, -12), (16.3, 10.1, 44.4))
    course = span(p, (6.84, 5.75, -12), (16.1, 5.98, 44.1))
    return np.minimum(np.minimum(body, cornice), course)


def tower(p: Array) -> Array:
    """Brick drum."""
    shaft = drum(p, TOWER, 4.1, 0, 14.5)
    upper = drum(p, TOWER, 2.5, 15.2, 24.0)
    return np.minimum(shaft, upper)


def tower_stone(p: Array) -> Array:
    """The pale parts of the tower: cornices, a ring of columns, the lantern and its cap."""
    x, z = p[:, 0] - TOWER[0], p[:, 2] - TOWER[1]
    angle = np.arctan2(z, x)
    turn = 2 * np.pi / 14
    around = np.mod(angle, turn) - turn / 2
    radius = np.hypot(x, z)
    column = np.hypot(radius * np.sin(around), radius * np.cos(around) - 3.5) - 0.26
    column = np.maximum(column, np.abs(p[:, 1] - 18.2) - 3.2)
    parts = [
        drum(p, TOWER, 4.5, 14.3, 15.1),
        drum(p, TOWER, 4.4, 0, 0.9),
        drum(p, TOWER, 4.0, 21.2, 21.8),
        drum(p, TOWER, 2.9, 23.8, 24.4),
        drum(p, TOWER, 1.5, 24.2, 26.8),
        ball(p, (TOWER[0], 26.8, TOWER[1]), 1.5),
        column * 0.8,  # folding the angle makes the field a little too steep
    ]
    return np.minimum.reduce(parts)


def garden_wall(p: Array) -> Array:
    return np.minimum(span(p, (-60, -1, 78), (60, 2.6, 79)), span(p, (-60, 2.6, 77.8), (60, 2.95, 79.2)))


def train(p: Array) -> Array:
    """A locomotive passing behind the garden wall."""
    boiler = span(p, (-13.5, 0, 84), (-8.2, 4.6, 86))
    cab = span(p, (-17.5, 0, 83.5), (-13.4, 5.9, 86.5))
    chimney = drum(p, (-9.6, 85), 0.55, 4, 6.6)
    wagons = span(p, (-46, 0, 83.5), (-18.2, 4.7, 86.5))
    return np.minimum.reduce([boiler, cab, chimney, wagons])


def globe(p: Array) -> Array:
    return ball(p, BALL, BALL[1])


def plinth(p: Array) -> Array:
    """A pedestal waiting for its statue."""
    return np.minimum.reduce(
        [
            box(p, (-2.6, 0.14, 20.5), (1.25, 0.14, 1.25)),
            box(p, (-2.6, 0.95, 20.5), (0.92, 0.8, 0.92)),
            box(p, (-2.6, 1.82, 20.5), (1.1, 0.12, 1.1)),
        ]
    )


def statue(p: Array) -> Array:
    """A cone on a cube with an egg for a head: what the studio had at hand."""
    x, y, z = -2.6, 1.94, 20.5
    height = np.clip((p[:, 1] - y) / 1.5, 0, 1)
    robe = np.hypot(p[:, 0] - x, p[:, 2] - z) - (0.62 - 0.36 * height)
    robe = np.maximum(robe * 0.85, np.abs(p[:, 1] - y - 0.75) - 0.75)
    head = ball(p * np.array([1, 0.8, 1], np.float32), (x, (y + 1.85) * 0.8, z), 0.27)
    shoulders = capsule(p, (x - 0.22, y + 1.38, z), (x + 0.22, y + 1.38, z), 0.19)
    return np.minimum.reduce([robe, head, shoulders])


def strangers(p: Array) -> Array:
    """Two distant figures in conversation."""
    parts = []
    for x, lean in ((2.0, 0.10), (3.0, -0.08)):
        parts += [
            capsule(p, (x - 0.13, 0, 33), (x, 0.95, 33), 0.11),
            capsule(p, (x + 0.15, 0, 33), (x, 0.95, 33), 0.11),
            capsule(p, (x, 0.95, 33), (x + lean, 1.55, 33), 0.24),
            ball(p, (x + lean, 2.02, 33), 0.19),
        ]
    parts.append(capsule(p, (2.2, 1.5, 33), (2.85, 1.35, 32.9), 0.07))
    return np.minimum.reduce(parts)


SURFACES: dict[str, Distance] = {
    "ground": ground,
    "loggia": loggia,
    "palace": palace,
    "tower": tower,
    "stone": tower_stone,
    "wall": garden_wall,
    "train": train,
    "ball": globe,
    "plinth": plinth,
    "statue": statue,
    "strangers": strangers,
}
SKY = len(SURFACES)
NAMES = list(SURFACES)

# lit, shaded
COLOURS = {
    "ground": ("#e3a64a", "#5d5433"),
    "loggia": ("#e9d9b0", "#4b4a3c"),
    "palace": ("#f3e4bd", "#7b6f55"),
    "tower": ("#bf4f2c", "#5b2a27"),
    "stone": ("#f2e3c0", "#7a7460"),
    "wall": ("#b4502f", "#7c3a2c"),
    "train": ("#2c3a3a", "#1b2629"),
    "ball": ("#d8412f", "#5c1f2b"),
    "plinth": ("#ece0c2", "#6d6a58"),
    "statue": ("#fbf4e2", "#7f8578"),
    "strangers": ("#3d2f2c", "#1e1a1e"),
}


def everything(points: Array) -> Array:
    return np.minimum.reduce([surface(points) for surface in SURFACES.values()])


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
    rays = np.stack(
        [(frame.x - VANISHING) / FOCAL, (HORIZON - frame.y) / FOCAL, np.ones(frame.shape, np.float32)], axis=-1
    ).reshape(-1, 3)
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    eye = np.zeros_like(rays)
    eye[:, 1] = EYE_HEIGHT
    depth = march(everything, eye, rays, FAR)
    hit = depth < FAR
    points = (eye + rays * depth[:, None])[hit]
    facing = normals(everything, points)
    material = closest(list(SURFACES.values()), points)
    light = sunlit(everything, points, facing, SUN, 60.0)
    air = openness(everything, points, facing, 2.2)

    lit = palette(*(COLOURS[name][0] for name in NAMES))[material]
    shade = palette(*(COLOURS[name][1] for name in NAMES))[material]
    _decorate(points, facing, material, lit, shade)
    slant = np.clip(facing @ SUN, 0, 1)
    bright = np.where(material == NAMES.index("ground"), 1.0, 0.45 + 0.55 * np.sqrt(slant)) * light
    # reflected light: the lit ground warms what faces it, the sky cools what faces up
    warm = np.clip(0.5 - 0.6 * facing[:, 1], 0, 1) * np.exp(-np.maximum(points[:, 1], 0) / 6)
    shade = shade * (0.42 + 0.58 * air[:, None]) * (1 + warm[:, None] * np.array([0.42, 0.22, 0.0], np.float32))
    colour = shade + (lit - shade) * bright[:, None].astype(np.float32)
    haze = (1 - np.exp(-np.maximum(points[:, 2] - 12, 0) / 190))[:, None].astype(np.float32)
    colour = colour + (rgb("#efd58e") - colour) * haze

    picture = _sky(frame, rng).reshape(-1, 3)
    picture[hit] = colour
    regions = np.full(len(rays), SKY * 8, np.int32)
    side = np.abs(facing).argmax(axis=1)
    regions[hit] = material * 8 + light * 4 + side
    angle = np.zeros(len(rays), np.float32)
    towards = np.arctan2((HORIZON - frame.y).ravel(), (VANISHING - frame.x).ravel())
    wall = (material == NAMES.index("loggia")) | (material == NAMES.index("palace"))
    angle[hit] = np.where(wall & (side == 0), towards[hit], np.where(side == 1, 0.06, np.pi / 2))
    return picture.reshape(*frame.shape, 3), regions.reshape(frame.shape), angle.reshape(frame.shape)


def _decorate(points: Array, facing: Array, material: Labels, lit: Array, shade: Array) -> None:
    """Stripes of the ball, paving, courses of brick: changes `lit` and `shade` in place."""
    on_ball = material == NAMES.index("ball")
    p = facing[on_ball]
    around = np.arctan2(p[:, 0] * 0.8 - p[:, 1] * 0.6, p[:, 2] + 0.25)
    stripe = np.floor(around / (np.pi / 3)).astype(np.int32) % 3
    lit[on_ball] = palette("#d8412f", "#f6e7c4", "#1f7f86")[stripe]
    shade[on_ball] = palette("#5e1d27", "#7d6d55", "#123c48")[stripe]

    on_ground = material == NAMES.index("ground")
    g = points[on_ground]
    joint = np.minimum(np.abs(np.mod(g[:, 0] + 0.3, 3.4) - 1.7), np.abs(np.mod(g[:, 2], 5.2) - 2.6) * 0.8)
    line = smoothstep(0.075, 0.03, joint)[:, None] * np.exp(-g[:, 2:] / 30)
    slab = np.sin(np.floor((g[:, 0] + 2.0) / 3.4) * 5.1 + np.floor((g[:, 2] + 2.6) / 5.2) * 2.7)[:, None]
    lit[on_ground] *= 1 - 0.16 * line + 0.035 * slab
    shade[on_ground] *= 1 - 0.22 * line + 0.05 * slab

    brick = (material == NAMES.index("tower")) | (material == NAMES.index("wall"))
    course = np.mod(points[brick, 1], 1.15) < 0.16
    lit[brick] *= np.where(course, 0.82, 1.0)[:, None].astype(np.float32)


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
    x, y = VANISHING - 9.6 * scale, HORIZON - (7.4 - EYE_HEIGHT) * scale
    mask = np.zeros(frame.shape, np.float32)
    body = np.zeros((*frame.shape, 3), np.float32)
    for i in range(13):
        radius = 6 + 2.2 * i
        cx = x - 7.5 * i - rng.uniform(-3, 3)
        cy = y - 6 - 3.0 * i + rng.uniform(-5, 5)
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
        shape = shape * behind
        picture = mix(picture, rgb(colour), shape)
        regions[shape > 0.5] = SKY * 8 + 2 + i

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
    lit = paint.lit(0.10)
    lit = frame.reduce(lit)
    lit = lit * (1 + 0.035 * weave(rng, lit.shape[:2]))[..., None]
    edge = np.hypot((frame.x - 512) / 760, (frame.y - 400) / 620)[::scale, ::scale]
    lit = lit * (1.02 - 0.26 * np.clip(edge - 0.35, 0, 1) ** 1.5)[..., None]
    return np.clip(saturate(lit, 1.08), 0, 1).astype(np.float32)
