"""A watercolour meadow: poppies and cornflowers in transparent washes, wet in wet behind, crisp-edged in front."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from atelier.colour import Array, rgb, smoothstep
from atelier.field import Rng, blur, noise, slope
from atelier.frame import Frame

PAPER = "#fbf7ec"
RED, ROSE, ORANGE = "#e0301e", "#e8416f", "#f47a1f"
BLUE, VIOLET, CERULEAN = "#2c4fc0", "#6a45b5", "#3f9fd0"
SAP, OLIVE, VIRIDIAN, YELLOW = "#5f9a2e", "#8a8f2a", "#1f7f62", "#f6c92e"
SEPIA = "#2b2028"

POPPIES = (  # x, y, size, colours of the petals
    (205.0, 305.0, 118.0, (RED, ORANGE)),
    (520.0, 330.0, 140.0, (RED, ROSE)),
    (830.0, 380.0, 128.0, (ORANGE, RED)),
    (372.0, 560.0, 96.0, (ROSE, RED)),
    (680.0, 590.0, 108.0, (RED, ORANGE)),
    (88.0, 560.0, 88.0, (ORANGE, ROSE)),
    (965.0, 610.0, 92.0, (ROSE, RED)),
    (700.0, 150.0, 72.0, (RED, ROSE)),
)
CORNFLOWERS = (  # x, y, size
    (345.0, 180.0, 50.0),
    (655.0, 430.0, 46.0),
    (235.0, 470.0, 48.0),
    (930.0, 215.0, 52.0),
    (520.0, 545.0, 44.0),
    (815.0, 640.0, 50.0),
    (70.0, 400.0, 44.0),
    (560.0, 130.0, 40.0),
    (220.0, 660.0, 50.0),
)
FAR_FLOWERS = ((420, 150, 46), (640, 250, 40), (90, 210, 44), (960, 250, 46), (300, 330, 38), (760, 120, 34))


class Sheet:
    """Paper that takes washes: optical density (H, W, 3) adds up, as transparent pigment does (Beer-Lambert)."""

    def __init__(self, frame: Frame, rng: Rng) -> None:
        self.frame, self.rng = frame, rng
        self.tooth = noise(rng, frame.shape, 6.5 * frame.scale, 4)  # the hollows where pigment settles
        self.flow = frame.noise(rng, 70, 5)  # where water carried more of it
        self.edge_x, self.edge_y = 2.6 * frame.noise(rng, 26, 4), 2.6 * frame.noise(rng, 26, 4)
        self.density = np.zeros((*frame.shape, 3), np.float32)

    def wash(self, shape: Array, colour: str, strength: float = 1.0, *, rim: float = 0.9, flow: float = 0.35) -> None:
        """A wash inside a polygon (N, 2): uneven, darker along its drying edge, granulated."""
        part, mask = self._wet(shape)
        if not mask.size:
            return
        inside = blur(mask, 3.2 * self.frame.scale)
        drying = mask * np.clip(1.25 - inside * 1.25, 0, 1) ** 1.3
        self._stain(part, mask * (0.66 + flow * self.flow[part]) + rim * drying, colour, strength)

    def lift(self, shapes: list[Array], share: float) -> None:
        """Takes pigment off again with a damp brush, so that what is painted there stays bright."""
        damp = np.zeros(self.frame.shape, np.float32)
        for shape in shapes:
            part, mask = self._wet(shape)
            damp[part] = np.maximum(damp[part], mask)
        self.density *= (1 - share * damp)[..., None]

    def _wet(self, shape: Array) -> tuple[tuple[slice, slice], Array]:
        """Where a polygon (N, 2) lies on the sheet, and its mask there, with the uneven edge that water has."""
        s = self.frame.scale
        size = shape.max(0) - shape.min(0)
        uneven = float(np.clip(size.min() / 60, 0.15, 1.0)) * s
        left, top = (int(v) for v in np.maximum(np.floor((shape.min(0) - 14) * s), 0))
        right, bottom = (int(v) for v in np.ceil((shape.max(0) + 14) * s))
        width = max(min(right, self.frame.shape[1]) - left, 0)
        height = max(min(bottom, self.frame.shape[0]) - top, 0)
        part = (slice(top, top + height), slice(left, left + width))
        if not width or not height:
            return part, np.zeros((height, width), np.float32)
        picture = Image.new("L", (width, height))
        ImageDraw.Draw(picture).polygon((shape * s - (left, top)).ravel().tolist(), fill=255)
        mask = np.asarray(picture, np.float32) / 255
        rows, columns = np.mgrid[0:height, 0:width]
        columns = np.clip(columns + self.edge_x[part] * uneven, 0, width - 1).astype(np.int32)
        rows = np.clip(rows + self.edge_y[part] * uneven, 0, height - 1).astype(np.int32)
        return part, blur(mask[rows, columns], 0.6 * s)

    def bleed(self, mask: Array, colour: str, strength: float = 1.0) -> None:
        """Pigment dropped into wet paper: a soft mask (H, W) over the whole sheet."""
        self._stain(np.s_[:, :], mask * (0.8 + 0.3 * self.flow), colour, strength)

    def bloom(self, x: float, y: float, radius: float, colour: str, strength: float) -> None:
        """A backrun: water pushes the pigment outwards into a ragged rim."""
        frame = self.frame
        turn = np.arctan2(frame.y - y, frame.x - x)
        ragged = 0.09 * self.flow + 0.05 * np.sin(turn * 9 + x) + 0.035 * np.sin(turn * 23 + y)
        away = np.hypot(frame.x - x, frame.y - y) / radius + ragged
        self.density *= (1 - 0.45 * smoothstep(1.0, 0.55, away))[..., None]
        self.bleed(
            np.exp(-(((away - 1.0) / 0.05) ** 2)) + 0.5 * smoothstep(1.5, 1.0, away) * (away > 1), colour, strength
        )

    def _stain(self, part: tuple[slice, slice], amount: Array, colour: str, strength: float) -> None:
        grain = 1 + 0.20 * np.clip(-self.tooth[part], -1.5, 2.5)
        absorbs = -np.log(np.clip(rgb(colour), 0.02, 0.995))
        self.density[part] += (np.clip(amount, 0, 2) * grain * strength)[..., None] * absorbs

    def dry(self) -> Array:
        """The picture by daylight, raking a little over the tooth of the paper."""
        along_x, along_y = slope(blur(self.tooth, 0.8 * self.frame.scale))
        light = 1 - 0.045 * self.frame.scale * (along_x + along_y)
        picture = rgb(PAPER) * np.exp(-self.density) * light[..., None]
        return np.clip(self.frame.reduce(picture.astype(np.float32)), 0, 1).astype(np.float32)


def _blade(x: float, y: float, length: float, turn: float, bend: float, width: float) -> Array:
    """A tapering stroke from (x, y); `turn` in radians, bending by `bend` over its length."""
    t = np.linspace(0, 1, 24)
    way = turn + bend * t
    px = x + np.cumsum(np.cos(way)) * length / 24
    py = y + np.cumsum(np.sin(way)) * length / 24
    half = width * np.sin(np.pi * (0.12 + 0.88 * t)) ** 0.8 / 2 + 0.3
    nx, ny = -np.sin(way) * half, np.cos(way) * half
    return np.stack([np.r_[px + nx, (px - nx)[::-1]], np.r_[py + ny, (py - ny)[::-1]]], 1).astype(np.float32)


def _petal(rng: Rng, x: float, y: float, reach: float, turn: float, spread: float, squash: float) -> Array:
    """A crinkled fan."""
    a = np.linspace(-1, 1, 44)
    crinkle = 1 + 0.06 * np.sin(a * 9 + rng.uniform(0, 6)) + 0.04 * np.sin(a * 21 + rng.uniform(0, 6))
    r = reach * np.clip(np.cos(a * 1.35), 0, 1) ** 0.35 * crinkle
    way = turn + a * spread
    px, py = x + r * np.cos(way), y + squash * r * np.sin(way)
    return np.concatenate([[[x, y]], np.stack([px, py], 1)]).astype(np.float32)


def _poppy(sheet: Sheet, x: float, y: float, size: float, colours: tuple[str, str]) -> None:
    rng = sheet.rng
    squash = rng.uniform(0.72, 0.92)
    first = rng.uniform(0, 2 * np.pi)
    turns = first + 2 * np.pi * np.arange(5) / 5 + rng.normal(0, 0.12, 5)
    reaches = size * rng.uniform(0.85, 1.1, 5)
    petals = [_petal(rng, x, y, r, t, 0.72, squash) for r, t in zip(reaches, turns, strict=True)]
    sheet.lift(petals, 0.94)
    for k, (petal, turn, reach) in enumerate(zip(petals, turns, reaches, strict=True)):
        sheet.wash(petal, colours[k % 2], rng.uniform(0.6, 0.95), rim=0.9, flow=0.42)
        for _ in range(4):  # veins, painted into the nearly dry petal
            way = turn + rng.uniform(-0.5, 0.5)
            vein = _blade(x, y, reach * rng.uniform(0.5, 0.85), way, rng.normal(0, 0.15), size * 0.05)
            sheet.wash(vein, colours[0], 0.32, rim=0.2)
    core = _petal(rng, x, y, size * 0.30, first, np.pi, squash)
    sheet.wash(core, VIOLET, 0.9, rim=0.6)
    sheet.wash(core, SEPIA, 0.8, rim=0.7)
    for _ in range(26):
        way, far = rng.uniform(0, 2 * np.pi), size * rng.uniform(0.22, 0.46)
        dot = _petal(
            rng, x + far * np.cos(way), y + squash * far * np.sin(way), size * rng.uniform(0.022, 0.05), 0, np.pi, 1
        )
        sheet.wash(dot, SEPIA, 1.1, rim=0.3)


def _cornflower(sheet: Sheet, x: float, y: float, size: float) -> None:
    rng = sheet.rng
    petals = []
    for ring, reach in ((9, 1.0), (7, 0.62)):
        for k in range(ring):
            turn = 2 * np.pi * (k + rng.uniform(-0.25, 0.25)) / ring
            petals.append(_petal(rng, x, y, size * reach * rng.uniform(0.8, 1.1), turn, 0.28, 0.88))
    sheet.lift(petals, 0.9)
    for petal in petals:
        sheet.wash(petal, (BLUE, VIOLET, CERULEAN)[int(rng.integers(0, 3))], rng.uniform(0.5, 0.8), rim=0.9)
    for _ in range(8):
        vein = _blade(x, y, size * 0.42, rng.uniform(0, 6.28), 0, size * 0.09)
        sheet.wash(vein, VIOLET, 0.8)


def _background(sheet: Sheet) -> None:
    frame, rng = sheet.frame, sheet.rng
    x, y = frame.x, frame.y
    drift_x, drift_y = 70 * frame.noise(rng, 210, 4), 60 * frame.noise(rng, 210, 4)
    spots = (
        (160, 90, 260, CERULEAN, 0.55),
        (620, 60, 300, BLUE, 0.30),
        (900, 150, 240, ROSE, 0.34),
        (430, 220, 230, YELLOW, 0.50),
        (80, 380, 220, VIRIDIAN, 0.34),
        (760, 330, 240, YELLOW, 0.42),
        (980, 420, 220, SAP, 0.50),
        (300, 560, 300, SAP, 0.62),
        (660, 640, 320, VIRIDIAN, 0.46),
        (930, 720, 280, BLUE, 0.36),
        (120, 720, 280, OLIVE, 0.60),
        (520, 440, 200, ROSE, 0.26),
    )
    for cx, cy, radius, colour, strength in spots:
        away = np.hypot(x + drift_x - cx, y + drift_y - cy) / radius
        sheet.bleed(smoothstep(1.15, 0.25, away), colour, 0.85 * strength)
    for cx, cy, radius, colour in (
        (250, 170, 92, CERULEAN),
        (720, 200, 74, ROSE),
        (905, 330, 84, SAP),
        (540, 110, 60, BLUE),
        (90, 250, 66, VIRIDIAN),
    ):
        sheet.bloom(cx, cy, radius, colour, 0.45)


def _grass(sheet: Sheet, count: int, length: tuple[float, float], width: tuple[float, float], strength: float) -> None:
    """Blades that rise from below the picture."""
    rng = sheet.rng
    for _ in range(count):
        x, y, turn = rng.uniform(-20, 1044), rng.uniform(760, 830), -np.pi / 2 + rng.normal(0, 0.28)
        blade = _blade(x, y, rng.uniform(*length), turn, rng.normal(0, 0.6), rng.uniform(*width))
        colour = (SAP, VIRIDIAN, OLIVE, SAP)[int(rng.integers(0, 4))]
        sheet.wash(blade, colour, strength * rng.uniform(0.65, 1.3), rim=0.5 + 0.4 * strength)


def watercolour(seed: int = 1840, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    sheet = Sheet(Frame(1024, 768, scale), rng)
    _background(sheet)
    _grass(sheet, 46, (220, 520), (10, 24), 0.25)
    for x, y, size in FAR_FLOWERS:
        for k in range(5):
            petal = _petal(rng, x, y, size * 1.1, 2 * np.pi * k / 5, 0.75, 0.8)
            sheet.wash(petal, (ROSE, ORANGE)[k % 2], 0.30, rim=0.4)
    for flowers, colour, width in ((POPPIES, SAP, 9), (CORNFLOWERS, VIRIDIAN, 6)):
        for x, y, *_ in flowers:
            stem = _blade(x, y, 800 - y, np.pi / 2 + rng.normal(0, 0.08), rng.normal(0, 0.3), width)
            sheet.wash(stem, colour, 0.85)
    _grass(sheet, 58, (110, 330), (7, 17), 0.75)
    for x, y, size in CORNFLOWERS:
        _cornflower(sheet, x, y, size)
    for x, y, size, colours in POPPIES:
        _poppy(sheet, x, y, size, colours)
    for _ in range(150):  # spatter
        colour = (RED, ROSE, BLUE, SAP, YELLOW, ORANGE)[int(rng.integers(0, 6))]
        x, y, size = rng.uniform(0, 1024), rng.uniform(0, 768), rng.uniform(1.2, 5.5)
        sheet.wash(_petal(rng, x, y, size, 0, np.pi, rng.uniform(0.7, 1)), colour, rng.uniform(0.4, 1.0))
    return sheet.dry()
