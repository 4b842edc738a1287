"""Sphere tracing of signed distance functions (Hart 1996): pictures in exact perspective with exact cast shadows.

Points are float32 arrays (3, N): x, y, z. A distance function maps them to (N,), negative inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from atelier.colour import Array, Labels, Mask

Distance = Callable[[Array], Array]
Point = tuple[float, float, float]

NEAR_ENOUGH = 1.5e-3  # of the distance travelled: finer than a pixel at the focal lengths used here
BLOCK = 1 << 15  # rays at a time, so that numpy's temporaries stay in the cache


def box(points: Array, low: Point, high: Point) -> Array:
    """Distance to a box given by two corners."""
    x, y, z = (np.abs(points[i] - (low[i] + high[i]) / 2) - (high[i] - low[i]) / 2 for i in range(3))
    inside = np.minimum(np.maximum(np.maximum(x, y), z), 0)
    x, y, z = np.maximum(x, 0), np.maximum(y, 0), np.maximum(z, 0)
    return np.asarray(np.sqrt(x * x + y * y + z * z) + inside, np.float32)


def bounded(surface: Distance, low: Point, high: Point, margin: float = 0.6) -> Distance:
    """The same surface, computed exactly only near the box around it: further away the box's distance is enough."""

    def distance(points: Array) -> Array:
        gap = box(points, low, high)
        near = gap < margin
        gap[near] = surface(points[:, near])
        return gap

    return distance


def drum(points: Array, centre: tuple[float, float], radius: float, low: float, high: float) -> Array:
    """Distance to an upright cylinder; `centre` is x, z."""
    side = np.hypot(points[0] - centre[0], points[2] - centre[1]) - radius
    cap = np.abs(points[1] - (low + high) / 2) - (high - low) / 2
    inside = np.minimum(np.maximum(side, cap), 0)
    return np.asarray(inside + np.hypot(np.maximum(side, 0), np.maximum(cap, 0)), np.float32)


def ball(points: Array, centre: Point, radius: float) -> Array:
    """Distance to a sphere."""
    x, y, z = (points[i] - np.float32(centre[i]) for i in range(3))
    return np.asarray(np.sqrt(x * x + y * y + z * z) - radius, np.float32)


def capsule(points: Array, start: Point, end: Point, radius: float) -> Array:
    """Distance to a round-ended rod."""
    a = np.array(start, np.float32)[:, None]
    axis = np.array(end, np.float32)[:, None] - a
    t = np.clip(((points - a) * axis).sum(0) / float((axis * axis).sum()), 0, 1)
    return np.asarray(np.sqrt(((points - a - t * axis) ** 2).sum(0)) - radius, np.float32)


def march(distance: Distance, origins: Array, directions: Array, far: float, steps: int = 110) -> Array:
    """How far each ray (3, N) goes before it meets the surface; `far` where it meets nothing."""
    travelled = np.zeros(origins.shape[1], np.float32)
    for first in range(0, len(travelled), BLOCK):
        block = slice(first, first + BLOCK)
        start, ray = origins[:, block], directions[:, block]
        reached = travelled[block]  # a view: filled in place
        active = np.arange(len(reached))
        ahead = reached.copy()
        for _ in range(steps):
            gap = distance(start + ray * ahead)
            ahead = ahead + gap
            reached[active] = ahead
            going = (gap > NEAR_ENOUGH * np.maximum(ahead, 1)) & (ahead < far)
            if not going.all():
                active, ahead = active[going], ahead[going]
                start, ray = start[:, going], ray[:, going]
            if not len(active):
                break
    return np.minimum(travelled, far)


def normals(distance: Distance, points: Array) -> Array:
    """Unit normals (3, N) of the surface at points on it, from central differences."""
    step = 4e-3
    normal = np.empty_like(points)
    for axis in range(3):
        offset = np.zeros((3, 1), np.float32)
        offset[axis] = step
        normal[axis] = distance(points + offset) - distance(points - offset)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=0), 1e-9), np.float32)


def sunlit(distance: Distance, points: Array, normal: Array, sun: Array, far: float) -> Mask:
    """Which points see the sun; `sun` is the unit vector (3,) towards it."""
    facing = sun @ normal > 0.02
    seen = np.zeros(points.shape[1], np.bool_)
    starts = points[:, facing] + normal[:, facing] * np.float32(0.03)
    seen[facing] = march(distance, starts, np.broadcast_to(sun[:, None], starts.shape), far, 90) >= far
    return seen


def openness(distance: Distance, points: Array, normal: Array, reach: float) -> Array:
    """0 in a corner, 1 in the open: how far the surroundings stay away up to `reach`."""
    total = np.zeros(points.shape[1], np.float32)
    for fraction in (0.15, 0.4, 1.0):
        far = np.float32(reach * fraction)
        total += np.clip(distance(points + normal * far) / far, 0, 1)
    return total / 3


def closest(distances: Sequence[Distance], points: Array) -> Labels:
    """Which of several surfaces is the nearest to each point."""
    return np.argmin(np.stack([d(points) for d in distances]), axis=0).astype(np.int32)
