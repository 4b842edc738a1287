"""What a scripted daemon says of jobs and pictures, for tests of the client."""

from __future__ import annotations

import random
import uuid
from typing import Any

from vaporbrush_protocol import Image, Recipe, Style

PAINTING = {"phase": "painting", "scale": 1, "scales": 2, "step": 5, "steps": 10, "elapsed_s": 1.0}

JOB = str(uuid.UUID(int=0x1234, version=4))


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no encoding shortens."""
    return random.Random(seed).randbytes(size)


def square(side: int = 64, seed: int = 1) -> tuple[Image, bytes]:
    """A picture of noise."""
    pixels = noise(side * side * 4, seed)
    return Image.of(pixels, side, side), pixels


def recipe(image: Image) -> Recipe:
    """A recipe that a scripted daemon takes."""
    return Recipe(content=image, styles=(Style(name="vaporwave"),))


def state(word: str, seq: int, **more: object) -> dict[str, Any]:
    """A job as replies have it."""
    return {"job": JOB, "state": word, "seq": seq, "kind": "paint", "label": "", "position": 0, **more}


def finished(image: Image, seq: int = 9) -> dict[str, Any]:
    """A job that is done."""
    return state("done", seq, result={"image": image.to_wire(), "canvas": image.to_wire()})
