"""What all parts share: the device, sizes, weights, pictures, and painting with a watch in the hand."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image as Picture

from vaporbrush_daemon import packaged
from vaporbrush_daemon.engine import device as devices
from vaporbrush_daemon.engine.graphs import DeviceRecorder
from vaporbrush_daemon.engine.painter import Painter, Painting, Pictures
from vaporbrush_daemon.images.pixels import Floats
from vaporbrush_daemon.plan import Speed, write_speed
from vaporbrush_protocol.progress import Progress
from vaporbrush_protocol.recipe import Image, Recipe, Style

from . import ROOT
from .record import Record

LITE = packaged.models() / "vgg19-lite.safetensors"


@dataclass(frozen=True)
class Bench:
    """Where and how large. Small sizes, which a processor paints in seconds, show that the kit runs, no more."""

    device: str
    record: Record
    weights: Path  # of the full VGG19
    real: bool  # whether they are; else random ones of the same shapes, which take the same time

    def size(self, large: int, small: int) -> int:
        """One or the other."""
        return small if self.small else large

    @property
    def small(self) -> bool:
        """Whether sizes are small."""
        return self.record.small

    @property
    def out(self) -> Path:
        """Where results go."""
        return self.record.folder

    @property
    def gpu(self) -> bool:
        """Whether there is one."""
        return self.device != "cpu"

    def recorder(self) -> DeviceRecorder | None:
        """What records steps on the device; None where it has no graphs."""
        backend = devices.backend_of(self.device)
        return DeviceRecorder(backend, self.device) if hasattr(backend, "graph") else None

    def painter(self) -> Painter:
        """A fresh one, with an empty cache."""
        files = {"vgg19": self.weights, "vgg19-lite": LITE}
        return Painter(self.device, files, Path(tempfile.mkdtemp(prefix="vp-gpu-", dir=self.out)))

    def settled(self, speed: Speed | None = None) -> Painter:
        """One that measures nothing: in bf16, as on every GPU of these years."""
        painter = self.painter()
        for model in painter.models.files:
            known = speed or Speed("bf16", 0.003, 0.003, device=self.device)
            write_speed(painter.speeds.cache, self.device, model, known)
        return painter


@dataclass
class Watch:
    """A caller that notes when it was told what, with a preview of `side` pixels where that is not 0."""

    side: int = 0
    until: Callable[[Progress], bool] = lambda _: False  # when to cancel
    began: float = field(default_factory=time.perf_counter)
    seen: list[tuple[float, Progress]] = field(default_factory=list)
    previews: list[tuple[float, np.ndarray]] = field(default_factory=list)
    word: Literal["go", "cancel"] = "go"

    def report(self, progress: Progress, image: Callable[[int], tuple[bytes, int, int]]) -> None:
        """Note it."""
        self.seen.append((time.perf_counter() - self.began, progress))
        if self.side and progress.phase == "painting":
            data, width, height = image(self.side)
            pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
            self.previews.append((time.perf_counter() - self.began, pixels))
        if self.until(progress):
            self.word = "cancel"

    def wanted(self) -> Literal["go", "cancel"]:
        """On and on, until it is enough."""
        return self.word


def paint(
    painter: Painter, content: Floats, style: Floats, control: Any, memory: int | None = None, **fields: Any
) -> Painting:
    """Paint with everything else as it comes."""
    recipe = Recipe(
        Image("", content.shape[1], content.shape[0]),
        (Style(Image("", style.shape[1], style.shape[0])),),
        **({"size": "full", "model": "vgg19"} | fields),
    )
    return painter.paint(recipe, Pictures(content, [style]), control, memory=memory)


def shared() -> Path:
    """Where pictures and weights are that no repository holds."""
    here = ROOT / "shared"
    return Path(os.environ.get("VAPORBRUSH_SHARED") or (here if here.is_dir() else ROOT.parent / "shared"))


def files() -> tuple[Path, Path]:
    """A content and a style; the bundled ones where there are no others."""
    content, style = shared() / "images/content/tubingen.jpg", shared() / "images/style/starry_night.jpg"
    if content.is_file() and style.is_file():
        return content, style
    return packaged.art() / "demo/content.jpg", packaged.art() / "styles/impasto.jpg"


def layer(file: Path, side: int) -> Floats:
    """A picture (H, W, 4) in [0, 1] whose longest side is `side`, enlarged if need be."""
    with Picture.open(file) as opened:
        image = opened.convert("RGBA")
    factor = side / max(image.size)
    image = image.resize((round(image.width * factor), round(image.height * factor)), Picture.Resampling.BICUBIC)
    return np.asarray(image, np.float32) / 255


def noise(side: int) -> Floats:
    """A square (side, side, 4) of repeated noise: large ones must not take long to make."""
    patch = np.random.default_rng(0).random((256, 256, 4), np.float32)
    patch[..., 3] = 1
    times = -(-side // 256)
    return np.ascontiguousarray(np.tile(patch, (times, times, 1))[:side, :side])


def weights(folder: Path) -> tuple[Path, bool]:
    """The full VGG19's file and whether it is the real one."""
    for file in (Path(os.environ.get("VAPORBRUSH_WEIGHTS") or "-"), shared() / "weights/vgg19_features.pth"):
        if file.is_file():
            return file.resolve(), True
    from torchvision.models import vgg19

    file = folder / "random.pth"
    if not file.is_file():
        torch.manual_seed(0)
        torch.save(vgg19(weights=None).features.state_dict(prefix="features."), file)
    return file, False
