"""A film as files: its drawings, what `vaporbrush animate` tells of it, and what its paintings remember."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support.program import vaporbrush
from vaporbrush_daemon.images import files as pictures

QUICK = ("--size", "72", "--steps", "2")
Pixels = NDArray[np.uint8]


def drawing(at: int, scene: int = 1) -> Pixels:
    """A scene with something at a place in it, 72×48."""
    pixels = np.random.default_rng(scene).integers(0, 256, (4, 6, 3), np.uint8).repeat(12, 0).repeat(12, 1)
    pixels[20 + at // 60 : 30, at % 60 : at % 60 + 10] = (250, 20, 20)
    return np.ascontiguousarray(pixels)


def reel(folder: Path, *drawings: Pixels, name: str = "f", first: int = 0) -> Path:
    """A folder of frames, as a program numbers them that does not pad."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, pixels in enumerate(drawings, first):
        pictures.write(folder / f"{name}{number}.png", pictures.Picture(pixels))
    return folder


def told(*arguments: str | Path) -> dict[str, Any]:
    """What the command says to programs."""
    done = vaporbrush("animate", *arguments, "--json")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def names(found: list[str]) -> list[str]:
    """Of files, without their folders."""
    return [Path(one).name for one in found]


def recipe_of(path: Path) -> dict[str, Any]:
    """What a painting was painted with."""
    return (pictures.read(path).recipe or {})["recipe"]


def held(path: Path, frames: Path) -> list[str]:
    """The names of the frames that a painting was held to."""
    blobs = {hashlib.sha256(pictures.read(one).data()).hexdigest(): one.name for one in frames.iterdir()}
    return [blobs[one["content"]["blob"]] for one in recipe_of(path)["held"]]
