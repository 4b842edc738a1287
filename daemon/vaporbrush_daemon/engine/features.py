"""VGG19 as a feature extractor (Simonyan & Zisserman 2015), up to relu5_1: the six activations that the losses read.

One class for two models. `vgg19` has the published widths. `vgg19-lite` is narrower and brings a metric R for each
tap: R [s; 1] has (nearly) the inner products of VGG19's own activations, so that both models speak of the same losses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import CONTENT_LAYER, STYLE_LAYERS, Pool

# torchvision's indices of the convolutions in `vgg19().features`, block by block; between blocks there is a 2×2 pooling
BLOCKS: tuple[tuple[int, ...], ...] = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,))
# the convolution whose ReLU each tap reads
TAPS: dict[str, int] = {"relu1_1": 0, "relu2_1": 5, "relu3_1": 10, "relu4_1": 19, "relu4_2": 21, "relu5_1": 28}
HELD_OUT: dict[str, int] = {"relu1_2": 2, "relu2_2": 7, "relu3_3": 14, "relu4_4": 25}  # for measuring, never optimised
PUBLISHED_WIDTHS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512, "relu4_2": 512, "relu5_1": 512}
STRIDES = {"relu1_1": 1, "relu2_1": 2, "relu3_1": 4, "relu4_1": 8, "relu4_2": 8, "relu5_1": 16}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Root mean square of each tap on `calibration_picture()`, with the weights that the Oxford group published. A style
# loss grows with the fourth power of the activations, so these fix the unit of the strength; see `gauged`.
GAUGE = {
    "relu1_1": 66.02,
    "relu2_1": 302.04,
    "relu3_1": 494.99,
    "relu4_1": 1638.32,
    "relu4_2": 1276.09,
    "relu5_1": 194.27,
}
SAME_GAUGE = 0.02  # relative: rounding to fp16 changes less, another training changes more


@dataclass(frozen=True)
class Weights:
    """A model's tensors in fp32 on the CPU: `convs[index] = (weight (O, I, 3, 3), bias (O,))`, `metrics[tap] = R`."""

    name: str
    convs: Mapping[int, tuple[Tensor, Tensor]]
    metrics: Mapping[str, Tensor]

    @property
    def widths(self) -> dict[str, int]:
        """Channels of each tap."""
        return {tap: len(self.convs[index][1]) for tap, index in TAPS.items()}


def load_weights(name: str, file: Path) -> Weights:
    """Read torchvision-keyed weights (`features.N.weight`), `.pth` or safetensors; never unpickles code.

    Raises `weights_missing` and `weights_corrupt`.
    """
    if not file.is_file():
        raise VaporbrushError("weights_missing", f"The weights of {name} are not at {file}.")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            stored = load_file(file)
        else:
            stored = torch.load(file, map_location="cpu", weights_only=True)
        weights = _checked(name, stored)
    except Exception as error:  # a damaged file raises anything from KeyError to zipfile's own errors
        reason = str(error).strip().splitlines()[0][:100] if str(error).strip() else type(error).__name__
        raise VaporbrushError(
            "weights_corrupt", f"{file} does not hold the weights of {name} ({reason}); fetch or import them again."
        ) from error
    if not weights.metrics and weights.widths != PUBLISHED_WIDTHS:
        raise VaporbrushError(
            "weights_corrupt", f"{file} is not VGG19: its widths are {list(weights.widths.values())}."
        )
    return weights if weights.metrics else gauged(weights)


def calibration_picture() -> Tensor:
    """Four octaves of noise, each half as strong as the coarser one, like a photograph's spectrum: (1, 3, 96, 96)."""
    generator = torch.Generator().manual_seed(19)
    image = torch.full((1, 3, 96, 96), 0.5)
    for octave in range(4):
        noise = torch.rand(1, 3, 6 * 2**octave, 6 * 2**octave, generator=generator) - 0.5
        image += 0.5**octave * functional.interpolate(noise, (96, 96), mode="bicubic", align_corners=False)
    return image.clamp(0, 1)


def loudness(weights: Weights) -> dict[str, float]:
    """Root mean square of each tap on the calibration picture."""
    with torch.no_grad():
        taps = Network(weights, torch.device("cpu"), torch.float32)(calibration_picture())
    return {tap: float(value.square().mean().sqrt()) for tap, value in taps.items()}


def gauged(weights: Weights) -> Weights:
    """The same network with its taps as loud as in the Oxford weights, in whose activations Gatys' unit is defined.

    Trainings differ in this: torchvision's own VGG19 is far quieter, and one strength would mean another thing with it.
    ReLU and pooling commute with positive factors, so scaling weights and biases changes nothing else.
    """
    heard = loudness(weights)
    factors = {TAPS[tap]: GAUGE[tap] / max(rms, 1e-30) for tap, rms in heard.items()}
    if all(abs(factor - 1) < SAME_GAUGE for factor in factors.values()):
        return weights
    convs: dict[int, tuple[Tensor, Tensor]] = {}
    scale = 1.0  # of what arrives
    for index, (weight, bias) in weights.convs.items():
        wanted = factors.get(index, scale)
        convs[index] = (weight * (wanted / scale), bias * wanted)
        scale = wanted
    return replace(weights, convs=convs)


def _checked(name: str, stored: Mapping[str, Tensor]) -> Weights:
    """The tensors that a tap needs, of matching shapes and finite; anything else raises."""
    convs: dict[int, tuple[Tensor, Tensor]] = {}
    channels = 3
    for index in (index for block in BLOCKS for index in block):
        weight, bias = stored[f"features.{index}.weight"].float(), stored[f"features.{index}.bias"].float()
        if weight.shape != (len(bias), channels, 3, 3) or not (weight.isfinite().all() and bias.isfinite().all()):
            raise ValueError(f"features.{index}.weight is of shape {tuple(weight.shape)}, or not finite")
        convs[index], channels = (weight, bias), len(bias)
    metrics = {tap: stored[f"taps.{tap}.metric"].float() for tap in TAPS if f"taps.{tap}.metric" in stored}
    weights = Weights(name, convs, metrics)
    for tap, metric in metrics.items():
        if metric.shape[1] != weights.widths[tap] + 1:
            raise ValueError(f"taps.{tap}.metric is of shape {tuple(metric.shape)}")
    return weights


class Network:
    """The convolutions in one precision on one device. Calling it gives the taps of an image.

    `pool` is the 2×2 pooling; `wrap` pads circularly, so that the picture's opposite edges are neighbours (tileable);
    `frugal` computes the first two blocks again in the backward pass instead of keeping them (65 % less memory for
    13 % more arithmetic). Layout is channels-last: tensor cores and the CPU's bf16 kernels both want it.
    """

    def __init__(self, weights: Weights, device: torch.device, dtype: torch.dtype) -> None:
        self.weights, self.device, self.dtype = weights, device, dtype
        self.metrics = {tap: metric.to(device) for tap, metric in weights.metrics.items()}
        # (x - mean) / std in front of conv1_1 is one affine map of the image
        self.std = torch.tensor(IMAGENET_STD, device=device).view(1, 3, 1, 1)
        self.mean = torch.tensor(IMAGENET_MEAN, device=device).view(1, 3, 1, 1)
        self.convs = {
            index: (
                weight.to(device, dtype).contiguous(memory_format=torch.channels_last),
                bias.to(device, dtype),
            )
            for index, (weight, bias) in weights.convs.items()
        }

    def __call__(
        self,
        image: Tensor,
        *,
        pool: Pool = "max",
        wrap: bool = False,
        frugal: bool = False,
        taps: Mapping[str, int] = TAPS,
    ) -> dict[str, Tensor]:
        """`image` (1, 3, H, W) fp32 RGB, nominally in [0, 1]. Each tap (1, C, H/stride, W/stride), after its ReLU."""
        names = {index: tap for tap, index in taps.items()}
        last = max(names)
        x = ((image - self.mean) / self.std).to(self.dtype).contiguous(memory_format=torch.channels_last)
        found: dict[str, Tensor] = {}

        def run(x: Tensor, number: int) -> tuple[Tensor, ...]:
            """One block: its taps, and last what goes on to the next block."""
            if number:
                x = functional.max_pool2d(x, 2) if pool == "max" else functional.avg_pool2d(x, 2)
            kept = []
            for index in BLOCKS[number]:
                if index > last:
                    break
                weight, bias = self.convs[index]
                if wrap:
                    x = functional.conv2d(functional.pad(x, (1, 1, 1, 1), mode="circular"), weight, bias)
                else:
                    x = functional.conv2d(x, weight, bias, padding=1)
                x = functional.relu_(x)
                if index in names:
                    kept.append(x)
            return (*kept, x)

        for number, block in enumerate(BLOCKS):
            if block[0] > last:
                break
            if frugal and number < 2 and torch.is_grad_enabled():
                *kept, x = checkpoint(run, x, number, use_reentrant=False)
            else:
                *kept, x = run(x, number)
            found |= zip((names[index] for index in block if index in names), kept, strict=True)
        return found

    def normaliser(self, tap: str) -> int:
        """N of the published formulas: the tap's channels in VGG19, also where a narrower network stands in for it."""
        return PUBLISHED_WIDTHS[tap] if self.metrics else self.weights.widths[tap]


def tap_size(tap: str, width: int, height: int) -> tuple[int, int]:
    """Width and height of a tap: every 2×2 pooling drops an odd last row or column."""
    halvings = int(math.log2(STRIDES[tap]))
    return width >> halvings, height >> halvings


__all__ = [
    "CONTENT_LAYER",
    "HELD_OUT",
    "PUBLISHED_WIDTHS",
    "STRIDES",
    "STYLE_LAYERS",
    "TAPS",
    "Network",
    "Weights",
    "load_weights",
    "tap_size",
]
