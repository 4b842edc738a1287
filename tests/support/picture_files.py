"""Pictures and profiles for tests that write and read files."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from vaporbrush_daemon.images import files as pictures
from vaporbrush_protocol.errors import RequestError


def rgb_profile(red: tuple[float, float], green: tuple[float, float], gamma: float) -> bytes:
    primaries = [*red, 1, *green, 1, 0.15, 0.06, 1]  # xyY each; blue is the same in sRGB and Display P3
    return imagecodecs.cms_profile("rgb", whitepoint=[0.3127, 0.3290, 1], primaries=primaries, gamma=gamma)


DISPLAY_P3 = rgb_profile((0.68, 0.32), (0.265, 0.69), 2.2)
LINEAR = rgb_profile((0.64, 0.33), (0.3, 0.6), 1.0)


def noise(channels: int, dtype: type = np.uint8, size: tuple[int, int] = (24, 40)) -> np.ndarray:
    values = np.random.default_rng(5).random((*size, channels))
    return values.astype(dtype) if dtype in (np.float16, np.float32) else (values * np.iinfo(dtype).max).astype(dtype)


def refused(path: Path) -> str:
    with pytest.raises(RequestError) as caught:
        pictures.read(path)
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    return caught.value.message
