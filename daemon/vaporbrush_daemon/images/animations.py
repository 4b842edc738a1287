"""Animated WebP and GIF files: their frames one by one, and a file made from paintings.

Depth is eight bits. A GIF has 256 colours: all frames get the same ones, and no dithering, since either would make what
stands still flicker.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from vaporbrush_daemon import machine
from vaporbrush_protocol import atomic
from vaporbrush_protocol.errors import RequestError

from .decoders import check_bounds
from .files import MAX_FILE_BYTES, Picture
from .profiles import scaled

FORMATS = {".webp": "WEBP", ".gif": "GIF"}
MAX_FRAMES = 10_000  # in one file: ten minutes at 16 a second; longer films come as folders
USUAL_MS = 100  # of a frame that says nothing, or less than a display can show: what browsers take
SHORTEST_MS = 11  # browsers show what is shorter for USUAL_MS
COLOURS = 255  # of a GIF, beside the one for transparent pixels
SAMPLES = 48  # frames whose colours a GIF's are chosen from, side by side
SAMPLE_SIDE = 128  # pixels of each


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame and how long it shows."""

    picture: Picture
    duration_ms: int


def is_animation(path: Path) -> bool:
    """Whether a file is a WebP or GIF with several frames, or a damaged one: reading it says so."""
    with path.open("rb") as file:
        start = file.read(16)
    if start[:4] != b"GIF8" and (start[:4] != b"RIFF" or start[8:12] != b"WEBP"):
        return False
    try:
        with Image.open(path, formats=("WEBP", "GIF")) as image:
            return bool(getattr(image, "n_frames", 1) > 1)
    except Exception:  # noqa: BLE001 - decoders raise anything at all on damaged files
        return True


class Animation:
    """An animated file. Raises `RequestError` for one that is damaged or too large; nothing is decoded before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.stat().st_size > MAX_FILE_BYTES:
            raise RequestError("too_large", f"{path} is larger than {MAX_FILE_BYTES // 2**30} GiB.")
        try:
            self._image = Image.open(io.BytesIO(path.read_bytes()), formats=("WEBP", "GIF"))
            check_bounds(path, *self._image.size, 4)
            self.count = int(getattr(self._image, "n_frames", 1))
        except RequestError:
            raise
        except Exception:  # noqa: BLE001 - decoders raise anything at all on damaged files
            raise RequestError(
                "bad_field", f"{path} is damaged and cannot be read (its header makes no sense)."
            ) from None
        if self.count > MAX_FRAMES:
            raise RequestError("too_large", f"{path} has {self.count} frames; at most {MAX_FRAMES} fit.")
        said = self._image.info.get("loop")
        if self._image.format == "WEBP":
            self.loop = int(said or 0)
        else:  # how often it plays once more; without a word it plays once
            self.loop = 1 if said is None else int(said) + bool(said)

    def __len__(self) -> int:
        return self.count

    def shot(self, number: int) -> Shot:
        """A frame, from 0. In order they are cheap."""
        try:
            self._image.seek(number)
            self._image.load()
            pixels = np.asarray(self._image.convert("RGBA"))
        except Exception as error:  # noqa: BLE001 - decoders raise anything at all on damaged files
            reason = str(error).strip().splitlines()[0][:120] if str(error).strip() else type(error).__name__
            raise RequestError("bad_field", f"Frame {number + 1} of {self.path} is damaged ({reason}).") from None
        if (pixels[..., 3] == 255).all():
            pixels = pixels[..., :3]
        told = self._image.info.get("duration", 0)
        shown = round(told) if isinstance(told, (int, float)) and told >= SHORTEST_MS else USUAL_MS
        return Shot(Picture(np.ascontiguousarray(pixels), self._image.info.get("icc_profile")), shown)


def check_writable(path: Path, count: int, width: int, height: int) -> None:
    """Refuse before anything is painted what could not be put together in the end. Raises `out_of_memory`."""
    copies = 2  # as read, and as the encoder keeps them
    machine.check_memory(f"{path}, an animation of {count} frames,", count * width * height * 4 * copies)


def write_animation(path: Path, shots: Sequence[Shot], loop: int) -> None:
    """Write the file, all or nothing. `loop`: how often it plays, 0 for ever. Raises `RequestError`."""
    out = io.BytesIO()
    frames = [Image.fromarray(np.ascontiguousarray(scaled(one.picture.pixels, np.dtype(np.uint8)))) for one in shots]
    durations, profile = [one.duration_ms for one in shots], shots[0].picture.profile
    if FORMATS[path.suffix.lower()] == "GIF":
        frames = _in_same_colours(frames)
        clear = {"transparency": COLOURS} if any(_is_clear(one.picture) for one in shots) else {}
        again = {} if loop == 1 else {"loop": max(0, loop - 1)}
        frames[0].save(
            out, "GIF", save_all=True, append_images=frames[1:], duration=durations, disposal=2 if clear else 1,
            optimize=False, **again, **clear,
        )  # fmt: skip
    else:
        extra = {"icc_profile": profile} if profile else {}
        frames[0].save(
            out, "WEBP", save_all=True, append_images=frames[1:], duration=durations, loop=loop, lossless=True,
            quality=70, method=4, **extra,
        )  # fmt: skip
    try:
        atomic.write(path, out.getvalue(), durable=True)
    except OSError as error:
        raise RequestError("bad_field", f"{path} cannot be written: {error.strerror or error}.") from None


def _is_clear(picture: Picture) -> bool:
    return picture.pixels.shape[2] == 4 and bool((unit_alpha(picture) < 0.5).any())


def unit_alpha(picture: Picture) -> np.ndarray:
    """Alpha (H, W) from 0 to 1."""
    full = 1.0 if picture.pixels.dtype.kind == "f" else float(np.iinfo(picture.pixels.dtype).max)
    return np.asarray(picture.pixels[..., 3], np.float32) / np.float32(full)


def _in_same_colours(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """All frames by one palette, chosen from samples of them."""
    step = max(1, len(frames) // SAMPLES)
    samples = []
    for frame in frames[::step]:
        small = frame.convert("RGB")
        small.thumbnail((SAMPLE_SIDE, SAMPLE_SIDE))
        samples.append(small)
    strip = Image.new("RGB", (sum(one.width for one in samples), max(one.height for one in samples)))
    left = 0
    for one in samples:
        strip.paste(one, (left, 0))
        left += one.width
    palette = strip.quantize(COLOURS, Image.Quantize.MEDIANCUT)
    found = []
    for frame in frames:
        indexed = frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        if frame.mode == "RGBA":
            clear = frame.getchannel("A").point(lambda alpha: 255 if alpha < 128 else 0)
            indexed.paste(COLOURS, mask=clear)
        found.append(indexed)
    return found
