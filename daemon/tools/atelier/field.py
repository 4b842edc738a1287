"""Fields over the picture plane: noise, blur, sampling, cells. All are float32 arrays (H, W)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from atelier.colour import Array, Labels

Rng = np.random.Generator


def resize(field: Array, width: int, height: int, how: Image.Resampling = Image.Resampling.BICUBIC) -> Array:
    """A field or picture at another size."""
    if field.ndim == 3:
        return np.stack([resize(field[..., c], width, height, how) for c in range(field.shape[2])], axis=-1)
    return np.asarray(Image.fromarray(np.ascontiguousarray(field, np.float32)).resize((width, height), how))


def noise(rng: Rng, shape: tuple[int, int], period: float | tuple[float, float], octaves: int = 1) -> Array:
    """Smooth noise of mean 0 and deviation 1; `period` in pixels, or (along x, along y) for stretched noise.

    Each octave halves the period and the amplitude. Octaves finer than two pixels are left out.
    """
    height, width = shape
    px, py = period if isinstance(period, tuple) else (period, period)
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        step_x, step_y = max(px / 2**octave, 1.0), max(py / 2**octave, 1.0)
        if octave and max(step_x, step_y) < 2:
            break
        columns, rows = int(np.ceil(width / step_x)) + 4, int(np.ceil(height / step_y)) + 4
        grid = rng.standard_normal((rows, columns), np.float32)
        box = (1.5, 1.5, 1.5 + width / step_x, 1.5 + height / step_y)
        smooth = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC, box)
        total += np.asarray(smooth) * 0.5**octave
    return (total - total.mean()) / max(float(total.std()), 1e-6)


def blur(field: Array, sigma: float) -> Array:
    """Gaussian blur with replicated borders; large ones are computed on a reduced copy."""
    if sigma > 6:
        factor = int(sigma // 3)
        height, width = field.shape[:2]
        small = resize(field, max(width // factor, 2), max(height // factor, 2), Image.Resampling.BOX)
        return resize(blur(small, sigma / factor), width, height)
    radius = max(int(np.ceil(3 * sigma)), 1)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    for axis in (0, 1):
        padding = [(radius, radius) if a == axis else (0, 0) for a in range(field.ndim)]
        padded = np.pad(field, padding, mode="edge")
        length = field.shape[axis]
        blurred = np.zeros_like(field)
        for i, weight in enumerate(kernel):
            part = padded[i : i + length] if axis == 0 else padded[:, i : i + length]
            blurred += np.float32(weight) * part
        field = blurred
    return field


def sample(field: Array, x: Array, y: Array) -> Array:
    """The field (or picture) at real-valued pixel positions, bilinear, clamped at the borders."""
    height, width = field.shape[:2]
    x, y = np.clip(x, 0, width - 1.001), np.clip(y, 0, height - 1.001)
    column, row = x.astype(np.int32), y.astype(np.int32)
    fx, fy = (x - column).astype(np.float32), (y - row).astype(np.float32)
    if field.ndim == 3:
        fx, fy = fx[..., None], fy[..., None]
    top = field[row, column] * (1 - fx) + field[row, column + 1] * fx
    bottom = field[row + 1, column] * (1 - fx) + field[row + 1, column + 1] * fx
    return np.asarray(top * (1 - fy) + bottom * fy, np.float32)


def shifted(field: Array, right: int, down: int = 0) -> Array:
    """The field moved by whole pixels; its borders are repeated."""
    reach = max(abs(right), abs(down))
    padded = np.pad(field, reach, mode="edge")
    height, width = field.shape
    return padded[reach - down : reach - down + height, reach - right : reach - right + width]


def slope(field: Array) -> tuple[Array, Array]:
    """The derivatives along x and along y, per pixel."""
    along_y, along_x = np.gradient(field)
    return along_x.astype(np.float32), along_y.astype(np.float32)


def nearest_seeds(seeds: Array, shape: tuple[int, int], tile: int = 32) -> tuple[Labels, Array]:
    """Voronoi cells: for each pixel the index of its seed and the distance in pixels to the cell's border.

    `seeds` is (N, 2) as x, y with N of at least 2. Exact: of each tile only the seeds that can be first or second
    nearest to one of its pixels are compared.
    """
    height, width = shape
    labels = np.zeros(shape, np.int32)
    border = np.zeros(shape, np.float32)
    reach = tile * 2**0.5  # twice the half diagonal
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            ys = np.arange(top, min(top + tile, height), dtype=np.float32)
            xs = np.arange(left, min(left + tile, width), dtype=np.float32)
            to_centre = np.hypot(seeds[:, 0] - (left + tile / 2), seeds[:, 1] - (top + tile / 2))
            near = np.flatnonzero(to_centre <= np.partition(to_centre, 1)[1] + reach)
            dx = xs[None, None, :] - seeds[near, 0][:, None, None]
            dy = ys[None, :, None] - seeds[near, 1][:, None, None]
            squared = dx * dx + dy * dy  # (n, tile, tile)
            first = squared.argmin(0)
            nearest = np.take_along_axis(squared, first[None], 0)[0]
            # distance to the bisector with every other candidate: (d2^2 - d1^2) / (2 |s2 - s1|)
            own = seeds[near][first]  # (tile, tile, 2)
            apart = np.hypot(
                seeds[near, 0][:, None, None] - own[None, ..., 0], seeds[near, 1][:, None, None] - own[None, ..., 1]
            )
            gap = np.where(apart > 0, (squared - nearest) / (2 * np.maximum(apart, 1e-6)), np.inf)
            part = np.s_[top : top + len(ys), left : left + len(xs)]
            labels[part] = near[first]
            border[part] = gap.min(0)
    return labels, border


def to_border(labels: Labels, limit: int) -> Array:
    """Distance in pixels (quasi-Euclidean, up to `limit`) to the nearest pixel with another label."""
    edge = np.zeros(labels.shape, np.bool_)
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    edge[1:] |= labels[1:] != labels[:-1]
    distance = np.where(edge, 0, limit).astype(np.float32)
    straight, diagonal = np.float32(0.96194), np.float32(1.36039)  # Borgefors 1986: the best 3x3 weights
    for _ in range(limit):
        padded = np.pad(distance, 1, constant_values=limit)
        here = distance
        for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
            here = np.minimum(here, padded[dy : dy + here.shape[0], dx : dx + here.shape[1]] + straight)
        for dy, dx in ((0, 0), (0, 2), (2, 0), (2, 2)):
            here = np.minimum(here, padded[dy : dy + here.shape[0], dx : dx + here.shape[1]] + diagonal)
        if np.array_equal(here, distance):
            break
        distance = here
    return distance


def cell_means(values: Array, labels: Labels) -> Array:
    """The mean of `values` (H, W) over each label 0..max; empty labels give 0."""
    count = np.bincount(labels.ravel())
    total = np.bincount(labels.ravel(), weights=values.ravel())
    return (total / np.maximum(count, 1)).astype(np.float32)
