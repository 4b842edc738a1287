"""Sphere tracing of signed distance functions (Hart 1996): pictures in exact perspective with exact cast shadows.

Points are arrays (N, 3), float32; a distance function maps them to (N,), negative inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from atelier.colour import Array, Labels, Mask

Distance = Callable[[Array], Array]

NEAR_ENOUGH = 1.5e-3  # of the distance travelled: finer than a pixel at the focal lengths used here


def box(points: Array, centre: Sequence[float], half: Sequence[float]) -> Array:
    """Distance to a box given by its centre and half sizes."""
    outside = np.abs(points - np.array(centre, np.float32)) - np.array(half, np.float32)
    return np.asarray(
        np.linalg.norm(np.maximum(outside, 0), axis=1) + np.minimum(outside.max(axis=1), 0), np.float32
    )


def span(points: Array, low: Sequence[float], high: Sequence[float]) -> Array:
    """Distance to a box given by two corners."""
    a, b = np.array(low, np.float32), np.array(high, np.float32)
    return box(points, ((a + b) / 2).tolist(), ((b - a) / 2).tolist())


def drum(points: Array, centre: tuple[float, float], radius: float, low: float, high: float) -> Array:
    """Distance to an upright cylinder; `centre` is x, z."""
    side = np.hypot(points[:, 0] - centre[0], points[:, 2] - centre[1]) - radius
    cap = np.abs(points[:, 1] - (low + high) / 2) - (high - low) / 2
    return np.asarray(
        np.minimum(np.maximum(side, cap), 0) + np.hypot(np.maximum(side, 0), np.maximum(cap, 0)), np.float32
    )


def ball(points: Array, centre: Sequence[float], radius: float) -> Array:
    """Distance to a sphere."""
    return np.asarray(np.linalg.norm(points - np.array(centre, np.float32), axis=1) - radius, np.float32)


def capsule(points: Array, start: Sequence[float], end: Sequence[float], radius: float) -> Array:
    """Distance to a round-ended rod."""
    a = np.array(start, np.float32)
    axis = np.array(end, np.float32) - a
    t = np.clip((points - a) @ axis / float(axis @ axis), 0, 1)
    return np.asarray(np.linalg.norm(points - a - t[:, None] * axis, axis=1) - radius, np.float32)


def march(distance: Distance, origins: Array, directions: Array, far: float, steps: int = 110) -> Array:
    """How far each ray (N, 3) goes before it meets the surface; `far` where it meets nothing."""
    travelled = np.zeros(len(origins), np.float32)
    active = np.arange(len(origins))
    for _ in range(steps):
        ahead = travelled[active]
        gap = distance(origins[active] + directions[active] * ahead[:, None])
        ahead = ahead + gap
        travelled[active] = ahead
        active = active[(gap > NEAR_ENOUGH * np.maximum(ahead, 1)) & (ahead < far)]
        if not len(active):
            break
    return np.minimum(travelled, far)


def normals(distance: Distance, points: Array) -> Array:
    """Unit normals (N, 3) of the surface at points on it, from central differences."""
    step = 4e-3
    columns = []
    for axis in range(3):
        offset = np.zeros(3, np.float32)
        offset[axis] = step
        columns.append(distance(points + offset) - distance(points - offset))
    normal = np.stack(columns, axis=1)
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9), np.float32)


def sunlit(distance: Distance, points: Array, normal: Array, sun: Array, far: float) -> Mask:
    """Which points see the sun; `sun` is the unit vector towards it."""
    facing = normal @ sun > 0.02
    seen = np.zeros(len(points), np.bool_)
    starts = points[facing] + normal[facing] * 0.03
    seen[facing] = march(distance, starts, np.broadcast_to(sun, starts.shape), far, 90) >= far
    return seen


def openness(distance: Distance, points: Array, normal: Array, reach: float) -> Array:
    """0 in a corner, 1 in the open: how far the surroundings stay away up to `reach`."""
    total = np.zeros(len(points), np.float32)
    for fraction in (0.15, 0.4, 1.0):
        total += np.clip(distance(points + normal * (reach * fraction)) / (reach * fraction), 0, 1)
    return total / 3


def closest(distances: Sequence[Distance], points: Array) -> Labels:
    """Which of several surfaces is the nearest to each point."""
    return np.argmin(np.stack([d(points) for d in distances]), axis=0).astype(np.int32)
