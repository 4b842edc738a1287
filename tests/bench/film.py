"""What a film's paintings are worth beside those of its frames by themselves.

    python -m tests.bench.film [--side 192] [--style @impasto] [--model vgg19-lite] [--clips pan,walk,…]

Five clips of our own (`clips`) by `vaporbrush animate`, and the same frames each by itself (`--boil 1`; the fire not).
Prints for both, in levels of 255 where nothing else is said:

- warping: mean distance of a painting from the one before as its things have moved, less that of the frames themselves;
- still: the mean change where the content is the same in both frames; and the largest change that is a stroke's width
  (24 pixels) and more away from all that moved;
- closing: of a loop, the mean change from its last painting to its first, beside the median from one to the next;
- drift: of the fire, how much lighter the last ten of its hundred paintings are than the first ten, less what the
  frames themselves are;
- CPU seconds of the painter for each painting, the first left out, which has the start and the style in it.

Pictures of both are in build/film.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from tests.bench.clips import Clip, Floats, as_floats, every

from vaporbrush_daemon import packaged
from vaporbrush_protocol import Client, connect

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "film"
PROGRAM = (sys.executable, "-m", "vaporbrush_daemon")
AWAY = 24  # pixels from what moved
SHOWN = 8  # frames of a clip on its sheet


@dataclass(frozen=True)
class Painted:
    """A clip's paintings, how many of them were painted and not repeated, and the painter's CPU seconds."""

    frames: list[Floats]
    count: int
    seconds: float


@contextmanager
def daemon() -> Iterator[Client]:
    """A private one that is warm."""
    with tempfile.TemporaryDirectory(prefix="vp-") as home:
        os.environ["VAPORBRUSH_HOME"] = home
        with connect(start=(*PROGRAM, "serve", "--foreground", "--idle-exit")) as client:
            yield client
            client.shutdown(now=True)


def cpu_seconds(client: Client) -> float:
    """Of the painter's process, so far."""
    workers = [worker["pid"] for worker in client.status()["workers"] if worker["pid"]]
    times = [psutil.Process(pid).cpu_times() for pid in workers]
    return sum(one.user + one.system for one in times)


def animated(client: Client, clip: Clip, folder: Path, settings: Sequence[str], boil: int = 0) -> Painted:
    """The clip painted: its first frame by itself twice, to warm all up and to know what it costs; then the whole."""
    source, out = folder / "frames", folder / "out"
    for path in (source, out):
        shutil.rmtree(path, ignore_errors=True)
    source.mkdir(parents=True)
    for number, frame in enumerate(clip.frames):
        Image.fromarray((frame * 255).round().astype(np.uint8)).save(source / f"{number}.png")
    loop = ["--loop"] if clip.loops else []
    first = [*PROGRAM, "stylize", str(source / "0.png"), *settings, "-o", str(folder / "first.png")]
    times = []
    for command in (
        first,
        first,
        [*PROGRAM, "animate", str(source), *settings, *loop, "--boil", str(boil), "-o", str(out)],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command[2:])} ended with {done.returncode}: {done.stderr.strip()}")
        times.append(cpu_seconds(client))
    seconds = times[2] - times[1] - (times[1] - times[0])
    count = int(done.stdout.split(": ")[-1].split()[0]) - 1
    count += bool(clip.loops and not boil)  # its first frame is painted twice
    return Painted([as_floats(Image.open(out / f"{n}.png")) for n in range(len(clip.frames))], count, seconds)


def change(a: Floats, b: Floats) -> NDArray[np.float32]:
    """(H, W), in levels."""
    return np.abs(a - b).mean(2) * 255


def warping(clip: Clip, frames: Sequence[Floats]) -> float:
    """See above."""
    assert clip.motion is not None
    found = []
    for t in range(1, len(frames)):
        painted = np.nanmean(change(frames[t], clip.motion(frames[t - 1])))
        content = np.nanmean(change(clip.frames[t], clip.motion(clip.frames[t - 1])))
        found.append(float(painted - content))
    return float(np.mean(found))


def still(clip: Clip, frames: Sequence[Floats], cuts: Sequence[int]) -> tuple[float, float]:
    """Mean change of still pixels, and the largest of those that are away from what moves."""
    means, largest = [], 0.0
    for t in range(1, len(frames)):
        moved = np.abs(clip.frames[t] - clip.frames[t - 1]).max(2) >= 0.5 / 255
        same = ~moved
        if t in cuts or not same.any():
            continue
        found = np.abs(frames[t] - frames[t - 1]).max(2) * 255
        means.append(float(found[same].mean()))
        near = np.asarray(Image.fromarray(moved.astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * AWAY + 1)))
        largest = max(largest, float(found[near == 0].max(initial=0)))
    return float(np.mean(means)), largest


def luma(frame: Floats) -> float:
    return float((frame @ np.array([0.299, 0.587, 0.114], np.float32)).mean())


def drift(frames: Sequence[Floats]) -> float:
    first, last = (float(np.mean([luma(f) for f in part])) for part in (frames[:10], frames[-10:]))
    return last / first - 1


def sheet(clip: Clip, rows: Sequence[tuple[str, Sequence[Floats]]]) -> None:
    """The frames above their paintings, for people to look at."""
    numbers = np.unique(np.linspace(0, len(clip.frames) - 1, SHOWN).round().astype(int))
    height, width = clip.frames[0].shape[:2]
    image = Image.new("RGB", (width * len(numbers), height * len(rows)))
    for row, (name, frames) in enumerate(rows):
        for column, number in enumerate(numbers):
            pixels = Image.fromarray((frames[number] * 255).round().astype(np.uint8))
            image.paste(pixels, (column * width, row * height))
        ImageDraw.Draw(image).text((3, row * height + 2), name, fill="white", stroke_width=2, stroke_fill="black")
    OUT.mkdir(parents=True, exist_ok=True)
    image.save(OUT / f"{clip.name}.png")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--style", default="@impasto")
    parser.add_argument("--model", default="vgg19-lite")
    parser.add_argument("--clips", default="pan,walk,zoom,cut,fire")
    o = parser.parse_args()
    photo = Image.open(next(packaged.art().glob("demo/content.*"))).convert("RGB")
    settings = [o.style, "--model", o.model, "--size", "full"]
    shares = []
    with daemon() as client, tempfile.TemporaryDirectory() as folder:
        for clip in every(photo, o.side):
            if clip.name not in o.clips.split(","):
                continue
            film = animated(client, clip, Path(folder), settings)
            alone = None if clip.name == "fire" else animated(client, clip, Path(folder), settings, boil=1)
            rows = [("frames", clip.frames), ("film", film.frames)]
            sheet(clip, rows if alone is None else [*rows, ("each by itself", alone.frames)])
            tell(clip, film, alone)
            if alone is not None:
                shares.append((film.seconds / film.count) / (alone.seconds / alone.count))
    if shares:
        print(
            f"seconds for a painting beside one by itself: {np.mean(shares):.0%} on average, {max(shares):.0%} at most"
        )


def tell(clip: Clip, film: Painted, alone: Painted | None) -> None:
    """A clip's figures."""
    both = [("film", film)] + ([] if alone is None else [("each by itself", alone)])
    cuts = (len(clip.frames) // 2,) if clip.name == "cut" else ()
    for name, one in both:
        parts = [f"{one.seconds / one.count:.2f} s of CPU for each of {one.count}"]
        if clip.motion is not None:
            parts.append(f"warping {warping(clip, one.frames):.1f}")
        if clip.name in ("walk", "cut"):
            mean, largest = still(clip, one.frames, cuts)
            parts.append(f"still {mean:.2f}, away from what moves at most {largest:.2f}")
        if clip.loops:
            steps = [float(change(a, b).mean()) for a, b in zip(one.frames, one.frames[1:], strict=False)]
            moved = [step for step in steps if step > 0]
            closing = float(change(one.frames[-1], one.frames[0]).mean())
            parts.append(f"closing {closing:.2f} beside {np.median(moved):.2f}")
        if clip.name == "fire":
            parts.append(f"drift {100 * (drift(one.frames) - drift(clip.frames)):+.2f} %")
        print(f"{clip.name}, {name}: {'; '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
