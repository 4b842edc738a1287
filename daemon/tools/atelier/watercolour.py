"""A watercolour of an autumn lake: transparent washes, wet in wet in the sky, crisp-edged touches in front."""

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

SHORE = 508.0
HILLS = (  # height of the crest, roughness, colours from left to right, strength
    (250.0, 62.0, (VIOLET, CERULEAN), 0.34),
    (318.0, 54.0, (BLUE, ROSE), 0.40),
    (382.0, 40.0, (CERULEAN, VIRIDIAN), 0.55),
    (446.0, 26.0, (SAP, VIRIDIAN), 0.66),
)
TREES = (  # x, foot, height, colours of the leaves
    (118.0, 588.0, 330.0, (ORANGE, YELLOW, RED)),
    (262.0, 556.0, 215.0, (SAP, YELLOW, OLIVE)),
    (742.0, 540.0, 190.0, (ROSE, ORANGE, YELLOW)),
    (884.0, 592.0, 370.0, (RED, ORANGE, ROSE)),
    (1000.0, 560.0, 250.0, (YELLOW, SAP, ORANGE)),
    (560.0, 520.0, 105.0, (SAP, VIRIDIAN, YELLOW)),
    (640.0, 522.0, 130.0, (ORANGE, OLIVE, YELLOW)),
    (420.0, 518.0, 120.0, (YELLOW, ORANGE, SAP)),
)


class Sheet:
    """Paper that takes washes: optical density (H, W, 3) adds up, as transparent pigment does (Beer-Lambert)."""

    def __init__(self, frame: Frame, rng: Rng) -> None:
        self.frame, self.rng = frame, rng
        self.tooth = noise(rng, frame.shape, 6.5 * frame.scale, 4)  # the hollows where pigment settles
        self.flow = frame.noise(rng, 70, 5)  # where water carried more of it
        self.edge_x, self.edge_y = 2.6 * frame.noise(rng, 26, 4), 2.6 * frame.noise(rng, 26, 4)
        self.density = np.zeros((*frame.shape, 3), np.float32)

    def wash(
        self, shape: Array, colour: str, strength: float = 1.0, *, rim: float = 0.9, along: Array | None = None
    ) -> None:
        """A wash inside a polygon (N, 2): uneven, darker along its drying edge, granulated.

        `along` (H, W), 0..1, thins it with water where it is small.
        """
        part, mask = self._wet(shape)
        if not mask.size:
            return
        inside = blur(mask, 3.2 * self.frame.scale)
        drying = mask * np.clip(1.25 - inside * 1.25, 0, 1) ** 1.3
        amount = mask * (0.66 + 0.38 * self.flow[part]) + rim * drying
        self._stain(part, amount if along is None else amount * along[part], colour, strength)

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

    def lift(self, x: float, y: float, radius: float, share: float) -> None:
        """Takes pigment off again with a damp brush, so that what is painted there stays bright."""
        away = np.hypot(self.frame.x - x, self.frame.y - y) / radius + 0.12 * self.flow
        self.density *= (1 - share * smoothstep(1.15, 0.6, away))[..., None]

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


def _dab(sheet: Sheet, x: float, y: float, size: float, colour: str, strength: float, *, flat: float = 0.8) -> None:
    """One touch of the brush: a rounded, uneven spot."""
    turn = np.linspace(0, 2 * np.pi, 26)
    first, second = sheet.rng.uniform(0, 2 * np.pi, 2)
    reach = size * (1 + 0.22 * np.sin(2 * turn + first) + 0.12 * np.sin(5 * turn + second))
    spot = np.stack([x + reach * np.cos(turn), y + flat * reach * np.sin(turn)], 1)
    sheet.wash(spot.astype(np.float32), colour, strength)


def _sky(sheet: Sheet) -> None:
    """Wet in wet: warm at the horizon, blue above, with blooms where drops fell."""
    frame, rng = sheet.frame, sheet.rng
    drift_x, drift_y = 80 * frame.noise(rng, 210, 4), 55 * frame.noise(rng, 210, 4)
    above = smoothstep(SHORE + 20, SHORE - 60, frame.y)
    for x, y, radius, colour, strength in (
        (130, 40, 300, CERULEAN, 0.62),
        (640, 10, 280, BLUE, 0.42),
        (960, 90, 260, VIOLET, 0.34),
        (400, 170, 220, ROSE, 0.34),
        (820, 230, 240, ORANGE, 0.34),
        (560, 290, 240, YELLOW, 0.46),
        (90, 290, 220, ROSE, 0.30),
    ):
        away = np.hypot(frame.x + drift_x - x, (frame.y + drift_y - y) * 1.25) / radius
        sheet.bleed(smoothstep(1.15, 0.2, away) * above, colour, strength)
    for x, y, radius, colour in (
        (250, 110, 84, CERULEAN),
        (520, 84, 62, BLUE),
        (770, 130, 92, VIOLET),
        (395, 225, 54, ROSE),
        (940, 215, 60, ORANGE),
        (70, 190, 56, CERULEAN),
        (640, 205, 46, YELLOW),
    ):
        sheet.bloom(x, y, radius, colour, 0.42)


def _hills(sheet: Sheet) -> None:
    """Each range one wash that fades into mist at its foot."""
    x = np.linspace(-20, 1044, 180)
    for number, (level, rough, (left, right), strength) in enumerate(HILLS):
        waves = np.sin(x / 97 + 2.1 * number) + 0.55 * np.sin(x / 43 + 1.3 * number) + 0.2 * np.sin(x / 17 + number)
        crest = np.stack([x, level - rough * waves], 1)
        shape = np.concatenate([crest, [[1044, SHORE + 6], [-20, SHORE + 6]]]).astype(np.float32)
        fade = smoothstep(level + 170, level - 20, sheet.frame.y) * 0.75 + 0.25
        leftness = smoothstep(700, 300, sheet.frame.x + 60 * sheet.flow)
        sheet.wash(shape, left, strength, along=fade * leftness)
        sheet.wash(shape, right, strength, along=fade * (1 - leftness))


def _tree(sheet: Sheet, x: float, foot: float, tall: float, leaves: tuple[str, ...]) -> None:
    """A trunk, a few boughs, and leaves in many touches: pale ones first."""
    rng = sheet.rng
    crown = foot - 0.62 * tall
    spread = 0.34 * tall
    sheet.lift(x, crown, 1.15 * spread, 0.72)
    for strength, count, size in ((0.34, 26, 0.085), (0.60, 34, 0.052), (0.95, 30, 0.026)):
        for _ in range(count):
            way, far = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1) ** 0.6
            px, py = x + spread * far * np.cos(way), crown + 1.12 * spread * far * np.sin(way)
            colour = leaves[int(rng.integers(0, len(leaves)))]
            _dab(sheet, px, py, tall * size * rng.uniform(0.6, 1.35), colour, strength * rng.uniform(0.7, 1.2))
    sheet.wash(_blade(x, foot, 0.62 * tall, -np.pi / 2, rng.normal(0, 0.12), 0.045 * tall), SEPIA, 0.62)
    for _ in range(6):
        start = foot - tall * rng.uniform(0.28, 0.55)
        bough = _blade(x, start, tall * rng.uniform(0.2, 0.36), -np.pi / 2 + rng.normal(0, 0.7), 0.3, 0.016 * tall)
        sheet.wash(bough, SEPIA, 0.5)


def _water(sheet: Sheet) -> None:
    """The lake: broken level strokes in the colours of what stands above, paper left white between."""
    rng, frame = sheet.rng, sheet.frame
    shore = np.array([[-20, SHORE], [1044, SHORE], [1044, 800], [-20, 800]], np.float32)
    gaps = smoothstep(-0.7, 0.5, frame.noise(rng, (240, 16), 4) + 0.5 * sheet.flow)
    for colour, middle, strength in (
        (CERULEAN, 120.0, 0.55),
        (VIOLET, 520.0, 0.26),
        (ROSE, 760.0, 0.24),
        (CERULEAN, 980.0, 0.42),
    ):
        sheet.wash(shore, colour, strength, along=gaps * np.exp(-(((frame.x - middle) / 210) ** 2)))
    sheet.wash(shore, BLUE, 0.26, along=gaps * smoothstep(630, 790, frame.y))
    for _ in range(130):
        y = SHORE + 8 + (768 - SHORE) * rng.uniform(0, 1) ** 1.3
        near = (y - SHORE) / (768 - SHORE)
        x, long, thick = (
            rng.uniform(-60, 1000),
            rng.uniform(50, 190) * (0.5 + near),
            3 + 15 * near * rng.uniform(0.4, 1),
        )
        colour = (CERULEAN, BLUE, VIRIDIAN, CERULEAN, VIOLET)[int(rng.integers(0, 5))]
        for tx, _foot, tall, leaves in TREES:
            if abs(tx - x - long / 2) < 0.38 * tall and y - SHORE < 0.75 * tall and rng.random() < 0.62:
                colour = leaves[int(rng.integers(0, len(leaves)))]
        sheet.wash(_blade(x, y, long, rng.normal(0, 0.03), rng.normal(0, 0.08), thick), colour, rng.uniform(0.18, 0.46))


def _grass(sheet: Sheet, count: int, length: tuple[float, float], width: tuple[float, float], strength: float) -> None:
    """Blades that rise from below the picture, at both sides."""
    rng = sheet.rng
    for _ in range(count):
        side = rng.uniform(0, 1) ** 1.5 * 400
        x = side - 20 if rng.random() < 0.5 else 1044 - side
        y, turn = rng.uniform(760, 830), -np.pi / 2 + rng.normal(0, 0.28)
        blade = _blade(x, y, rng.uniform(*length), turn, rng.normal(0, 0.6), rng.uniform(*width))
        colour = (SAP, VIRIDIAN, OLIVE, ORANGE)[int(rng.integers(0, 4))]
        sheet.wash(blade, colour, strength * rng.uniform(0.65, 1.3), rim=0.5 + 0.4 * strength)


def watercolour(seed: int = 1840, scale: int = 2) -> Array:
    """The picture (768, 1024, 3)."""
    rng = np.random.default_rng(seed)
    sheet = Sheet(Frame(1024, 768, scale), rng)
    _sky(sheet)
    _hills(sheet)
    _water(sheet)
    for x, foot, tall, leaves in sorted(TREES, key=lambda tree: tree[1]):
        bank = _blade(x - 0.5 * tall, foot + 4, tall, 0.0, 0.06, 0.12 * tall)
        sheet.wash(bank, OLIVE, 0.7)
        _tree(sheet, x, foot, tall, leaves)
    _grass(sheet, 44, (90, 240), (6, 15), 0.7)
    for _ in range(130):  # spatter
        colour = (RED, ROSE, BLUE, SAP, YELLOW, ORANGE)[int(rng.integers(0, 6))]
        _dab(sheet, rng.uniform(0, 1024), rng.uniform(0, 768), rng.uniform(1.2, 5.0), colour, rng.uniform(0.4, 0.9))
    return sheet.dry()
