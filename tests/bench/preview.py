"""How soon a painter sees the style: from `submit` to the first preview in it.

    python -m tests.bench.preview [--side 4096] [--rounds 3] [--shared FOLDER] [--model vgg19]

A warm worker, a layer of side × side pixels and a style that the daemon has already (that is what `submit` begins
with), `standard` quality, size `auto`. Counts the seconds until the first preview whose style loss, at its own size, is
at most a quarter of the content's at that size, judged by `evaluate`; and until the first preview at all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from tests.bench import evaluate

from vaporbrush_daemon import weights
from vaporbrush_protocol import Client, Image, Recipe, Style, connect

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = 0.25  # of the content's style loss
PREVIEW_SIDE = 512  # pixels, as a host asks for
SERVE = (sys.executable, "-m", "vaporbrush_daemon", "serve", "--foreground", "--idle-exit")


def seen(client: Client, recipe: Recipe) -> list[tuple[float, np.ndarray]]:
    """Seconds since `submit` and pixels of every preview of the first half of the job, which is then cancelled."""
    began, found, shown = time.perf_counter(), [], 0
    job = client.submit(recipe)
    while not job.final:
        job = client.watch(job.job, job.seq, preview_side=PREVIEW_SIDE, preview_seen=shown)
        if job.preview is not None and job.preview.number != shown:
            shown = job.preview.number
            pixels = np.frombuffer(bytes(job.preview.pixels), np.uint8).reshape(
                job.preview.height, job.preview.width, 3
            )
            found.append((time.perf_counter() - began, pixels))
        if job.progress is not None and job.progress.phase == "painting" and 2 * job.progress.step > job.progress.steps:
            job = client.cancel(job.job)
            break
    return found


def tensor(pixels: np.ndarray) -> torch.Tensor:
    """(H, W, 3) bytes to (1, 3, H, W)."""
    return torch.from_numpy(pixels.astype(np.float32) / 255).permute(2, 0, 1)[None]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = Path(os.environ.get("VAPORBRUSH_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shared", type=Path, default=shared)
    parser.add_argument("--model", default="vgg19")
    o = parser.parse_args()
    judge = weights.configured()[0].path
    with Picture.open(o.shared / "images" / "content" / "tubingen.jpg") as image:
        content = image.convert("RGB").resize((o.side, o.side), Picture.Resampling.LANCZOS)
    with Picture.open(o.shared / "images" / "style" / "starry_night.jpg") as image:
        style = image.convert("RGB")
    data = [content.convert("RGBA").tobytes(), style.tobytes()]
    images = Image.of(data[0], *content.size, "RGBA"), Image.of(data[1], *style.size, "RGB")
    recipe = Recipe(content=images[0], styles=(Style(image=images[1]),), model=o.model)
    firsts, hits = [], []
    with tempfile.TemporaryDirectory(prefix="vp-") as home:
        os.environ["VAPORBRUSH_HOME"], os.environ[weights.VARIABLE] = home, str(judge)
        with connect(start=SERVE) as client:
            for blob in data:
                client.upload(blob)
            seen(client, recipe)  # warms the worker: model, speed, style targets
            for _ in range(o.rounds):
                previews = seen(client, recipe)
                firsts.append(previews[0][0])
                hits.append(next((s for s, pixels in previews if reached(pixels, content, style, judge)), float("nan")))
            client.shutdown(now=True)
    print(f"{o.side} px, {o.model}: first preview {statistics.median(firsts):.2f} s after submit,")
    print(f"first with at most {ENOUGH:.0%} of the content's style loss {statistics.median(hits):.2f} s")
    print("each:", *(f"{first:.2f}/{hit:.2f}" for first, hit in zip(firsts, hits, strict=True)))


def reached(pixels: np.ndarray, content: Picture.Image, style: Picture.Image, judge: Path) -> bool:
    """Whether a preview's style loss is low enough."""
    height, width = pixels.shape[:2]
    plain = np.asarray(content.resize((width, height), Picture.Resampling.LANCZOS))
    manner = tensor(np.asarray(style))
    before, after = (
        evaluate.evaluate_image(tensor(x), tensor(plain), manner, judge.resolve()).style for x in (plain, pixels)
    )
    return after <= ENOUGH * before


if __name__ == "__main__":
    main()
