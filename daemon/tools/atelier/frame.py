"""The frame of a picture: coordinates in picture units at a supersampled resolution, shapes as soft masks, saving."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from atelier.colour import Array
from atelier.field import Rng, blur, noise, resize

Points = Sequence[tuple[float, float]] | Array

JPEG_QUALITY = 86
ART = Path(__file__).parents[2] / "vaporbrush_daemon" / "art"  # where the package keeps its pictures


class Frame:
    """A picture of `width` x `height` units, drawn at `scale` pixels per unit and reduced to one pixel per unit."""

    def __init__(self, width: int = 1024, height: int = 768, scale: int = 2) -> None:
        self.width, self.height, self.scale = width, height, scale
        self.shape = (height * scale, width * scale)
        rows, columns = np.mgrid[0 : self.shape[0], 0 : self.shape[1]].astype(np.float32)
        self.x: Array = (columns + 0.5) / scale
        self.y: Array = (rows + 0.5) / scale

    def fill(self, colour: Array) -> Array:
        """The whole frame in one colour."""
        return np.broadcast_to(colour, (*self.shape, 3)).astype(np.float32)

    def polygons(self, shapes: Iterable[Points]) -> Array:
        """Mask (H, W), 1 inside any of the polygons; points in units."""
        picture = Image.new("L", self.shape[::-1])
        draw = ImageDraw.Draw(picture)
        for points in shapes:
            flat = (np.asarray(points, np.float32) * self.scale).ravel().tolist()
            draw.polygon(flat, fill=255)
        return np.asarray(picture, np.float32) / 255

    def polygon(self, points: Points) -> Array:
        """Mask (H, W), 1 inside the polygon."""
        return self.polygons([points])

    def lines(self, paths: Iterable[Points], width: float) -> Array:
        """Mask (H, W), 1 on polylines of a width in units."""
        picture = Image.new("L", self.shape[::-1])
        draw = ImageDraw.Draw(picture)
        for points in paths:
            flat = (np.asarray(points, np.float32) * self.scale).ravel().tolist()
            draw.line(flat, fill=255, width=max(round(width * self.scale), 1), joint="curve")
        return np.asarray(picture, np.float32) / 255

    def noise(self, rng: Rng, period: float | tuple[float, float], octaves: int = 1) -> Array:
        """`field.noise` with its period in units."""
        pair = period if isinstance(period, tuple) else (period, period)
        return noise(rng, self.shape, (pair[0] * self.scale, pair[1] * self.scale), octaves)

    def blur(self, picture: Array, sigma: float) -> Array:
        """Gaussian blur with sigma in units."""
        return blur(picture, sigma * self.scale)

    def reduce(self, picture: Array) -> Array:
        """The finished picture at one pixel per unit."""
        if self.scale == 1:
            return picture
        return resize(picture, self.width, self.height, Image.Resampling.LANCZOS)


def weave(rng: Rng, shape: tuple[int, int], thread: float = 3.0) -> Array:
    """The relief of a canvas, about -1..1: threads over and under with uneven thickness."""
    height, width = shape
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    wobble_x, wobble_y = noise(rng, shape, 60, 2) * 0.6, noise(rng, shape, 60, 2) * 0.6
    warp = np.sin((columns + wobble_x) * np.pi / thread)
    weft = np.sin((rows + wobble_y) * np.pi / thread)
    slub = 0.5 * (noise(rng, shape, (40, thread)) + noise(rng, shape, (thread, 40)))
    return np.asarray(warp * weft * (0.75 + 0.25 * slub) + 0.3 * slub, np.float32)


def save(picture: Array, path: Path) -> None:
    """Writes a float picture as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=JPEG_QUALITY, optimize=True)
