"""What vgg19-lite is worth beside vgg19: contents × styles painted by both, judged by the full VGG19 from the PNGs.

    python -m tests.bench.lite [--size 512] [--pairs 20] [--quality standard] [--out build/looks] [--again]

Writes one PNG per painting and model, `lite_sheet.png` (content, style, lite, vgg19; one row per pair) and
`lite.json` into the folder, and prints a table with the medians of the ratios lite/vgg19. Paintings that are
there already are judged again but not painted again (unless `--again`), so the bench can be stopped and gone on
with. Both models follow the same schedule, and each leaves a scale as the engine does, when its own progress is
spent (`steps` in `lite.json`).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image as Picture
from tests.bench.evaluate import evaluate

from vaporbrush_daemon.engine.painter import Painter, Pictures
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("VAPORBRUSH_SHARED") or ROOT.parent / "shared")
MODELS = {
    "vgg19-lite": ROOT / "daemon/vaporbrush_daemon/models/vgg19-lite.safetensors",
    "vgg19": SHARED / "weights/vgg19_features.pth",
}
CELL = 256  # pixels: side of one picture on the sheet


class Quiet:
    """Nobody watches and nobody cancels."""

    def report(self, progress: Progress, image: Any) -> None:
        """Nothing is shown."""

    def wanted(self) -> str:
        """On and on."""
        return "go"


@dataclass(frozen=True)
class Pair:
    content: Path
    style: Path

    @property
    def name(self) -> str:
        return f"{self.content.stem}-{self.style.stem}"


def pairs(count: int) -> list[Pair]:
    """`count` pairs, spread so that every content and every style occurs as often as the others."""
    contents, styles = (sorted((SHARED / "images" / kind).glob("*.*")) for kind in ("content", "style"))
    whole = [Pair(c, styles[(i + turn) % len(styles)]) for turn in range(len(styles)) for i, c in enumerate(contents)]
    return whole[:count]


def pixels(file: Path, side: int) -> np.ndarray:
    """(H, W, 4) in [0, 1], the longest side at most `side`: both models are given exactly the same picture."""
    with Picture.open(file) as opened:
        image = opened.convert("RGBA")
    image.thumbnail((side, side), Picture.Resampling.LANCZOS)
    return np.asarray(image, np.float32) / 255


def described(picture: np.ndarray) -> Image:
    return Image.of(picture.tobytes(), picture.shape[1], picture.shape[0], "RGBA", "f32")


def paint(
    painter: Painter, model: str, content: np.ndarray, style: np.ndarray, quality: Any, steps: int | None, out: Path
) -> tuple[float, int]:
    """Paint, save, and return (CPU seconds from the recipe to the painting, the model being loaded; steps)."""
    recipe = Recipe(
        described(content), (Style(described(style)),), size="full", quality=quality, steps=steps, model=model
    )
    began = time.process_time()  # of this process: other programs do not count
    painting = painter.paint(recipe, Pictures(content, (style,)), Quiet())
    seconds = time.process_time() - began
    rgb = (painting.pixels[..., :3].clip(0, 1) * 255).round().astype(np.uint8)
    Picture.fromarray(rgb).save(out)
    return seconds, painting.facts["steps_done"]


def judge(pair: Pair, lite_file: Path, full_file: Path, costs: dict[str, Any]) -> dict[str, Any]:
    """Each figure as [lite's, vgg19's, their ratio]; costs the other way round, so that more is better for lite."""
    lite, full = (evaluate(file, pair.content, pair.style, MODELS["vgg19"]) for file in (lite_file, full_file))
    swd = [sum(v.swd.values()) / len(v.swd) for v in (lite, full)]
    seconds, steps = zip(*(costs[file.stem] for file in (lite_file, full_file)), strict=True)
    return {
        "pair": pair.name,
        "gram": [lite.relative, full.relative, lite.relative / full.relative],
        "swd": [*swd, swd[0] / swd[1]],
        "content": [lite.content, full.content, lite.content / full.content],
        "cpu_seconds": [*seconds, seconds[1] / seconds[0]],
        "steps": [*steps, steps[1] / steps[0]],
    }


def cell(file: Path) -> Picture.Image:
    with Picture.open(file) as image:
        shown = image.convert("RGB")
    shown.thumbnail((CELL, CELL))
    square = Picture.new("RGB", (CELL, CELL), "white")
    square.paste(shown, ((CELL - shown.width) // 2, (CELL - shown.height) // 2))
    return square


def sheet(rows: list[list[Path]], out: Path) -> None:
    whole = Picture.new("RGB", (CELL * 4 + 12, (CELL + 4) * len(rows)), "white")
    for y, row in enumerate(rows):
        for x, file in enumerate(row):
            whole.paste(cell(file), (x * (CELL + 4), y * (CELL + 4)))
    whole.save(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=512, help="longest side in pixels")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--quality", default="standard")
    parser.add_argument(
        "--steps", type=int, help="exactly so many for both (default: each stops by the quality's rule)"
    )
    parser.add_argument("--threads", type=int, default=1, help="one, so that CPU seconds are not spent waiting")
    parser.add_argument("--out", type=Path, default=ROOT / "build/looks")
    parser.add_argument("--only", choices=MODELS, help="paint with one of the models and judge nothing")
    parser.add_argument("--again", action="store_true", help="paint what is painted already too")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folder = options.out / f"lite-{options.size}-{options.steps or options.quality}"
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "lite.json"
    costs: dict[str, Any] = json.loads(record.read_text())["costs"] if record.exists() and not options.again else {}
    painter = Painter("cpu", MODELS, Path(tempfile.mkdtemp(prefix="vp-bench-")))
    rows, figures = [], []
    for pair in pairs(options.pairs):
        content, style = pixels(pair.content, options.size), pixels(pair.style, options.size)
        files = [folder / f"{pair.name}-{model}.png" for model in MODELS]
        for model, file in zip(MODELS, files, strict=True):
            if not (file.stem in costs and file.exists()) and options.only in (None, model):
                painter.load(model)
                costs[file.stem] = paint(painter, model, content, style, options.quality, options.steps, file)
                record.write_text(json.dumps({"costs": costs}))
        if options.only:
            continue
        rows.append([pair.content, pair.style, *files])
        figures.append(judge(pair, *files, costs))
        ratios = (f"{k} {v[0]:.4g}/{v[1]:.4g} = {v[2]:.2f}" for k, v in figures[-1].items() if k != "pair")
        print(pair.name, *ratios, flush=True)
        record.write_text(json.dumps({"costs": costs, "figures": figures}, indent=1))
        sheet(rows, options.out / "lite_sheet.png")
    if figures:
        print(
            f"{len(figures)} pairs at {options.size} px, {options.quality}; medians (CPU seconds, steps: vgg19/lite):"
        )
        print(*(f"{key} {median(f[key][2] for f in figures):.2f}" for key in figures[0] if key != "pair"))


if __name__ == "__main__":
    main()
