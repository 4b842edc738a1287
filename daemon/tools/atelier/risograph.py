"""A risograph print in three inks: citrus, leaves and a low sun, in coarse halftone and slightly out of register."""

from __future__ import annotations

import numpy as np

from atelier.colour import Array, rgb, smoothstep
from atelier.field import Rng, noise, sample
from atelier.frame import Frame

INKS = {
    "yellow": ("#ffdf1c", 0.0),
    "pink": ("#ff4a8d", 75.0),
    "blue": ("#1668c7", 15.0),
}  # colour, screen angle in degrees
PITCH = 12.5  # between dots of the screens, in units
PAPER = "#f6efe0"


class Plates:
    """One tone (H, W), 0 no ink .. 1 solid, for each ink."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self.tones = {ink: np.zeros(frame.shape, np.float32) for ink in INKS}

    def put(
        self, mask: Array, *, yellow: Array | float = 0.0, pink: Array | float = 0.0, blue: Array | float = 0.0
    ) -> None:
        """Replaces what is under the mask on every plate."""
        for ink, tone in (("yellow", yellow), ("pink", pink), ("blue", blue)):
            self.tones[ink] += mask * (np.asarray(tone, np.float32) - self.tones[ink])

    def over(self, ink: str, mask: Array, tone: Array | float = 1.0) -> None:
        """Overprints one ink."""
        self.tones[ink] = np.maximum(self.tones[ink], mask * np.asarray(tone, np.float32))

    def printed(self, rng: Rng) -> Array:
        """All inks on paper: screened, shifted, mottled."""
        frame, shape = self.frame, self.frame.shape
        fibre = frame.noise(rng, (9, 3), 3)
        picture = frame.fill(rgb(PAPER)) * (1 + 0.012 * fibre)[..., None]
        for ink, (colour, degrees) in INKS.items():
            shift_x, shift_y = rng.uniform(-3.2, 3.2, 2)
            x, y = frame.x + shift_x, frame.y + shift_y
            turn = np.deg2rad(degrees)
            u = (x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / PITCH
            v = (y * np.cos(turn) - x * np.sin(turn)) * 2 * np.pi / PITCH
            spot = 0.5 + 0.25 * (np.cos(u) + np.cos(v))  # 1 in the middle of a dot
            # a uniform threshold needs the spot's rank, which is close to this S
            rank = 0.5 + np.arcsin(np.clip(2 * spot - 1, -1, 1)) / np.pi
            tone = sample(self.tones[ink], x * frame.scale, y * frame.scale)
            rough = 0.045 * frame.noise(rng, 2.2, 2)
            dots = smoothstep(-0.05, 0.05, tone - (1 - rank) + rough - 0.02)
            dots = np.where(tone > 0.97, 1, np.where(tone < 0.03, 0, dots))
            mottle = 0.86 + 0.055 * frame.noise(rng, 7, 3) + 0.04 * frame.noise(rng, (400, 14), 2)
            pinholes = 1 - 0.75 * smoothstep(2.1, 2.7, noise(rng, shape, 1.8 * frame.scale))
            density = np.clip(dots * mottle * pinholes, 0, 1)[..., None]
            picture = picture * (1 - density * (1 - rgb(colour)))  # ink is transparent
        return np.asarray(picture, np.float32)


def _disc(frame: Frame, x: float, y: float, radius: float) -> Array:
    return smoothstep(radius + 0.5, radius - 0.5, np.hypot(frame.x - x, frame.y - y))


def _citrus(frame: Frame, plates: Plates, x: float, y: float, radius: float, turn: float, kind: int) -> None:
    """A slice: rind, pith, nine segments; kinds are orange, lemon, blood orange, lime."""
    away = np.hypot(frame.x - x, frame.y - y)
    angle = np.mod(np.arctan2(frame.y - y, frame.x - x) + turn, 2 * np.pi / 9) - np.pi / 9
    flesh_pink = (0.42, 0.05, 0.95, 0.0)[kind]
    flesh_blue = (0.0, 0.0, 0.12, 0.34)[kind]
    rind_pink, rind_blue = (0.75, 0.22, 1.0, 0.0)[kind], (0.0, 0.0, 0.0, 0.75)[kind]
    plates.put(_disc(frame, x, y, radius), yellow=1.0, pink=rind_pink, blue=rind_blue)
    plates.put(_disc(frame, x, y, radius * 0.88), yellow=0.12)
    inner = away * np.cos(np.abs(angle) * 0.9) / radius
    wall = (np.pi / 9 - np.abs(angle)) * away / radius
    segment = smoothstep(0.80, 0.79, inner) * smoothstep(0.022, 0.030, wall) * smoothstep(0.08, 0.10, inner)
    shade = np.clip(inner * 0.9 - 0.1 + 0.12 * np.sin(away / 5 + angle * 20), 0, 1)
    plates.put(segment, yellow=1.0, pink=np.clip(flesh_pink * (0.5 + 0.8 * shade), 0, 1), blue=flesh_blue * shade * 1.4)


def _leaf(
    frame: Frame, plates: Plates, x: float, y: float, size: float, turn: float, blue: bool, *, fingers: int = 9
) -> None:
    """A fan of fingers with a light midrib on each."""
    shapes, ribs = [], []
    for k in range(fingers):
        way = turn + (k - (fingers - 1) / 2) * 2.5 / fingers
        length = size * (1 - 0.35 * abs(k - (fingers - 1) / 2) / fingers * 2)
        t = np.linspace(0, 1, 30)
        half = size * 0.105 * np.sin(np.pi * t**0.8) ** 0.9
        bend = 0.10 * size * np.sin(way) * t * t
        rib_x, rib_y = x + np.cos(way) * length * t, y + np.sin(way) * length * t + bend
        edge_x, edge_y = -np.sin(way) * half, np.cos(way) * half
        shapes.append(
            np.stack([np.r_[rib_x + edge_x, (rib_x - edge_x)[::-1]], np.r_[rib_y + edge_y, (rib_y - edge_y)[::-1]]], 1)
        )
        ribs.append(np.stack([rib_x, rib_y], 1))
    mask = frame.polygons([s.astype(np.float32) for s in shapes])
    rib = frame.lines([r.astype(np.float32) for r in ribs], 2.6)
    fade = np.clip(np.hypot(frame.x - x, frame.y - y) / size, 0, 1)
    if blue:
        plates.put(mask, yellow=np.clip(1.2 - fade * 1.5, 0, 1), blue=1.0)
        plates.put(mask * rib, yellow=1.0, blue=0.2)
    else:
        plates.put(mask, yellow=np.clip(1 - fade, 0, 1), pink=1.0, blue=np.clip(0.75 - 0.8 * fade, 0, 1))
        plates.put(mask * rib, yellow=0.5, pink=0.0)


def risograph(seed: int = 1986, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    frame = Frame(1024, 768, scale)
    plates = Plates(frame)
    x, y = frame.x, frame.y
    everywhere = np.ones(frame.shape, np.float32)
    plates.put(everywhere, pink=np.clip(0.78 - y / 560, 0, 1), yellow=np.clip((y - 60) / 620, 0, 0.55))
    for k in range(1, 40, 2):  # rays
        way = -np.pi + np.pi * (k + 0.5) / 20 + np.array([-0.055, 0.055])
        ends = np.stack([600 + 1400 * np.cos(way), 350 + 1400 * np.sin(way)], 1)
        plates.over("yellow", frame.polygon([(600.0, 350.0), *map(tuple, ends)]), 0.85)
    for k in range(34):  # confetti
        cx, cy = 15 + (k % 12) * 90 + rng.uniform(-22, 22), 35 + (k // 12) * 105 + rng.uniform(-30, 30)
        way, t = rng.uniform(0, np.pi), np.linspace(-1, 1, 60)
        along, aside = 23 * t, 7.5 * np.sin(t * 5.5)
        px, py = cx + along * np.cos(way) - aside * np.sin(way), cy + along * np.sin(way) + aside * np.cos(way)
        plates.over("blue" if k % 3 else "pink", frame.lines([np.stack([px, py], 1).astype(np.float32)], 7.0))
    plates.put(_disc(frame, 600, 330, 214), yellow=1.0, pink=np.clip((y - 150) / 330, 0, 1))

    far = 430 + 46 * np.sin(x / 150 + 2.0) + 18 * np.sin(x / 61)
    near = 540 + 40 * np.sin(x / 200 + 0.4)
    plates.put(
        smoothstep(-0.5, 0.5, y - far),
        blue=np.clip(0.9 - (y - far) / 190, 0.08, 1),
        pink=np.clip((y - far) / 260, 0, 0.6),
    )
    stripes = 0.5 + 0.5 * np.sin((y - near) / 6.2 + 2.4 * np.sin(x / 110))
    ground = smoothstep(-0.5, 0.5, y - near)
    plates.put(ground, yellow=0.9, pink=0.85 * smoothstep(0.45, 0.55, stripes), blue=0.0)
    plates.over("blue", ground * smoothstep(620, 790, y), np.clip((y - 600) / 260, 0, 0.8))

    _leaf(frame, plates, 120, 500, 420, -1.15, True, fingers=11)
    _leaf(frame, plates, 1010, 470, 300, -2.15, False)
    _leaf(frame, plates, 890, 705, 330, -1.9, True)
    _citrus(frame, plates, 330, 585, 132, 0.3, 0)
    _citrus(frame, plates, 548, 650, 104, 0.9, 2)
    _citrus(frame, plates, 145, 690, 112, 0.1, 3)
    _citrus(frame, plates, 740, 640, 92, 0.5, 1)
    _citrus(frame, plates, 1000, 700, 96, 0.7, 2)
    _leaf(frame, plates, 420, 800, 210, -1.5, True, fingers=7)
    return np.clip(frame.reduce(plates.printed(rng)), 0, 1).astype(np.float32)
