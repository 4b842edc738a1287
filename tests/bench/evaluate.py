"""Judge a painting from its saved PNG alone: fp32, torchvision's own VGG19, nothing of the engine's network or losses.

    python -m tests.bench.evaluate OUT.png CONTENT STYLE --weights vgg19_features.pth [--strength R] [--style-scale F]

Content and style are brought to the painting's size as the engine does it (bicubic, antialiased). One normalisation,
the one stated in `engine/losses.py`: content Σ(F−P)²/(NM), style Σ_taps 1/N² · mean_{N²}(G−A)², total = content +
strength · style. `relative` is the mean over the five taps of ‖G−A‖²/‖A‖²: 0 is the style itself. `swd` are sliced
Wasserstein distances (Rabin et al. 2011; Heitz et al. 2021) to the style on taps that nothing optimises.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torchvision.models import vgg19

from vaporbrush_daemon.engine.compose import shrink
from vaporbrush_protocol.recipe import DEFAULT_STRENGTH

STYLE_TAPS = {"relu1_1": 1, "relu2_1": 6, "relu3_1": 11, "relu4_1": 20, "relu5_1": 29}  # indices of torchvision's ReLUs
CONTENT_TAP = 22  # relu4_2
HELD_OUT = {"relu1_2": 3, "relu2_2": 8, "relu3_3": 15, "relu4_4": 26}
PROJECTIONS = 128
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@dataclass(frozen=True)
class Verdict:
    """What a saved picture is worth. `taps` are the relative Gram errors, `swd` by held-out tap."""

    content: float
    style: float
    strength: float
    taps: dict[str, float]
    swd: dict[str, float]

    @property
    def total(self) -> float:
        """The weighted total that the engine minimises."""
        return self.content + self.strength * self.style

    @property
    def relative(self) -> float:
        """Mean relative Gram error."""
        return sum(self.taps.values()) / len(self.taps)

    @property
    def text(self) -> str:
        """One line."""
        taps = " ".join(f"{value:.4f}" for value in self.taps.values())
        swd = " ".join(f"{value:.4f}" for value in self.swd.values())
        return (
            f"total {self.total:.4f} (content {self.content:.4f} + style {self.strength * self.style:.4f}); "
            f"relative {self.relative:.4f} [{taps}]; swd [{swd}]"
        )


@cache
def network(weights: Path, device: str = "cpu") -> torch.nn.Sequential:
    layers = vgg19(weights=None).features[:30].eval().requires_grad_(requires_grad=False)
    stored = torch.load(weights, map_location="cpu", weights_only=True)
    layers.load_state_dict({key: stored[f"features.{key}"].float() for key in layers.state_dict()})
    for layer in layers:
        if isinstance(layer, torch.nn.ReLU):
            layer.inplace = False
    return layers.to(device)


def read(file: Path) -> Tensor:
    """A picture file as (1, 3, H, W) in [0, 1]."""
    with Image.open(file) as image:
        pixels = np.array(ImageOps.exif_transpose(image).convert("RGB"), np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1)[None]


def fitted(image: Tensor, width: int, height: int) -> Tensor:
    """Resampled as the engine resamples."""
    return shrink(torch.cat([image, torch.ones_like(image[:, :1])], 1), width, height)[0]


@torch.no_grad()
def activations(image: Tensor, weights: Path) -> dict[int, Tensor]:
    """Rows (M, N) of the ReLUs by torchvision's index."""
    wanted, found = {*STYLE_TAPS.values(), *HELD_OUT.values(), CONTENT_TAP}, {}
    x = (image - MEAN.to(image.device)) / STD.to(image.device)
    for index, layer in enumerate(network(weights, str(image.device))):
        x = layer(x)
        if index in wanted:
            found[index] = x[0].flatten(1).T
    return found


def wasserstein(a: Tensor, b: Tensor) -> float:
    """Sliced 2-Wasserstein distance of two clouds (M, N), (M', N), relative to the spread of `b`."""
    axes = torch.randn(a.shape[1], PROJECTIONS, generator=torch.Generator().manual_seed(0)).to(a.device)
    axes = axes / axes.norm(dim=0)
    p, q = (a @ axes).sort(0).values, (b @ axes).sort(0).values  # (M, K)
    if len(p) != len(q):
        p = functional.interpolate(p.T[None], len(q), mode="linear", align_corners=False)[0].T
    return float((p - q).square().mean() / (q - q.mean(0)).square().mean())


class Judge:
    """Judges pictures of one size against one content and style, of any size."""

    def __init__(
        self, content: Tensor, style: Tensor, size: tuple[int, int], weights: Path, style_scale: float = 1.0
    ) -> None:
        """`size`: width and height of the pictures."""
        factor = style_scale * max(size) / max(style.shape[2:])
        of_style = round(style.shape[3] * factor), round(style.shape[2] * factor)
        self.weights = weights
        self.content = activations(fitted(content, *size), weights)[CONTENT_TAP]
        self.style = activations(fitted(style, *of_style), weights)
        self.grams = {tap: self._gram(self.style[index]) for tap, index in STYLE_TAPS.items()}

    @staticmethod
    def _gram(features: Tensor) -> Tensor:
        return features.T @ features / len(features)

    def __call__(self, image: Tensor, strength: float = DEFAULT_STRENGTH, *, held_out: bool = True) -> Verdict:
        """The verdict on (1, 3, H, W) in [0, 1]; without the held-out taps it takes a third of the time."""
        ours = activations(image, self.weights)
        taps, loss = {}, 0.0
        for tap, index in STYLE_TAPS.items():
            target = self.grams[tap]
            error = float((self._gram(ours[index]) - target).double().square().sum())
            taps[tap] = error / float(target.double().square().sum())
            n = len(target)
            loss += error / n**2 / n**2
        difference = float((ours[CONTENT_TAP] - self.content).double().square().mean())
        rest = HELD_OUT if held_out else {}
        swd = {tap: wasserstein(ours[index], self.style[index]) for tap, index in rest.items()}
        return Verdict(difference, loss, strength, taps, swd)


def evaluate_image(
    image: Tensor,
    content: Tensor,
    style: Tensor,
    weights: Path,
    *,
    strength: float = DEFAULT_STRENGTH,
    style_scale: float = 1.0,
) -> Verdict:
    """Judge (1, 3, H, W) in [0, 1] against content and style of any size."""
    return Judge(content, style, (image.shape[3], image.shape[2]), weights, style_scale)(image, strength)


def evaluate(
    painting: Path,
    content: Path,
    style: Path,
    weights: Path,
    *,
    strength: float = DEFAULT_STRENGTH,
    style_scale: float = 1.0,
) -> Verdict:
    """Judge a saved picture against the files that it was made from."""
    return evaluate_image(
        read(painting), read(content), read(style), weights.resolve(), strength=strength, style_scale=style_scale
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs=3, type=Path, metavar=("OUT.png", "CONTENT", "STYLE"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--strength", type=float, default=DEFAULT_STRENGTH)
    parser.add_argument("--style-scale", type=float, default=1.0)
    options = parser.parse_args()
    print(evaluate(*options.files, options.weights, strength=options.strength, style_scale=options.style_scale).text)


if __name__ == "__main__":
    main()
