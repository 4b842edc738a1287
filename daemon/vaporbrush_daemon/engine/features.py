"""VGG19 as a feature extractor (Simonyan & Zisserman 2015), up to relu5_1: the six activations that the losses read.

One class for two models. `vgg19` has the published widths. `vgg19-lite` is narrower and brings a metric R for each
tap: R [s; 1] has (nearly) the inner products of VGG19's own activations, so that both models speak of the same losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS, Pool

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
GEOMETRY = ([1, 1], [1, 1], [1, 1], 1)  # padding, stride, dilation, groups of every convolution
SAME_GAUGE = 0.02  # relative: rounding to fp16 changes less, another training changes more


@dataclass(frozen=True)
class Trace:
    """What a forward pass leaves for the way back: the taps, what other ReLUs gave (a block's last one after the
    maximum pooling), and where that found its values (int32; torch's own 64 bits would be a third of all memory).
    """

    taps: dict[str, Tensor]
    kept: dict[int, Tensor]
    places: dict[int, Tensor]
    pool: Pool
    wrap: bool


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


class Fused:
    """oneDNN's convolutions that rectify or add in the same pass, by the operators that torch's own compiler emits. A
    pass over memory for each ReLU is a tenth of a step where the processor has AMX.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        """Raises AttributeError where this build of torch lacks them, RuntimeError where the processor does."""
        operators = torch.ops.mkldnn
        self.convolve = operators._convolution_pointwise.default  # noqa: SLF001 - no public name leads to it
        self.add = operators._convolution_pointwise_.binary
        # AMX reads every kernel in one order, so that they are laid out once, and not in every step: a third of a step
        # at 64 px. Without it the order depends on the size, and a wrong one costs up to ten times the convolution.
        amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
        reorder = operators._reorder_convolution_weight.default  # noqa: SLF001 - nor to this
        self.reorder = reorder if amx and dtype is torch.bfloat16 else None
        x, weight = torch.ones(1, 1, 3, 3, dtype=dtype), torch.ones(1, 1, 3, 3, dtype=dtype)
        self.convolve(x, weight, None, *GEOMETRY, "relu", [], "")

    def laid_out(self, kernel: Tensor) -> Tensor:
        """A kernel (O, I, 3, 3) in the order in which its convolutions read it, where there is but one."""
        if self.reorder is None:
            return kernel
        packed: Tensor = self.reorder(kernel, *GEOMETRY, [1, kernel.shape[1], 64, 64])
        return packed

    @classmethod
    def on(cls, device: torch.device, dtype: torch.dtype) -> Fused | None:
        """Where they work, else None."""
        if device.type != "cpu" or dtype not in (torch.float32, torch.bfloat16):
            return None
        try:
            return cls(dtype)
        except (AttributeError, RuntimeError):  # another torch, or a processor without bf16: plain convolutions do
            return None


class Network:
    """The convolutions in one precision on one device, forth and back.

    Calling it gives the taps of an image. `trace` gives them with what the way back needs, and `back` goes it: written
    down instead of left to autograd, it keeps half as much and asks for each tap's gradient only when it gets there.
    `pool` is the 2×2 pooling; `wrap` pads circularly, so that the picture's opposite edges are neighbours (tileable).
    Layout is channels-last: tensor cores and the CPU's bf16 kernels both want it.
    """

    def __init__(self, weights: Weights, device: torch.device, dtype: torch.dtype) -> None:
        self.weights, self.device, self.dtype = weights, device, dtype
        self.metrics = {tap: metric.to(device) for tap, metric in weights.metrics.items()}
        # (x - mean) / std in front of conv1_1 is one affine map of the image
        self.std = torch.tensor(IMAGENET_STD, device=device).view(1, 3, 1, 1)
        self.mean = torch.tensor(IMAGENET_MEAN, device=device).view(1, 3, 1, 1)
        self.fused = Fused.on(device, dtype)
        self.convs = {
            index: (self._kernel(weight), bias.to(device, dtype)) for index, (weight, bias) in weights.convs.items()
        }
        # the adjoint of a padded 3×3 convolution is one with the turned kernel
        self.turned = {
            index: self._kernel(weight.flip(2, 3).transpose(0, 1)) for index, (weight, _) in weights.convs.items()
        }

    def _kernel(self, weight: Tensor) -> Tensor:
        kernel = weight.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        return kernel if self.fused is None else self.fused.laid_out(kernel)

    def __call__(
        self, image: Tensor, *, pool: Pool = "max", wrap: bool = False, taps: Mapping[str, int] = TAPS
    ) -> dict[str, Tensor]:
        """`image` (1, 3, H, W) fp32 RGB, nominally in [0, 1]. Each tap (1, C, H/stride, W/stride), after its ReLU."""
        return self._forth(image, taps, Trace({}, {}, {}, pool, wrap), going_back=False)

    def trace(self, image: Tensor, taps: Sequence[str], *, pool: Pool = "max", wrap: bool = False) -> Trace:
        """The same, with what `back` needs; `taps` are names out of TAPS."""
        trace = Trace({}, {}, {}, pool, wrap)
        self._forth(image, {tap: TAPS[tap] for tap in taps}, trace, going_back=True)
        return trace

    def _forth(self, image: Tensor, taps: Mapping[str, int], trace: Trace, *, going_back: bool) -> dict[str, Tensor]:
        names, last = {index: tap for tap, index in taps.items()}, max(taps.values())
        x = ((image - self.mean) / self.std).to(self.dtype).contiguous(memory_format=torch.channels_last)
        for block in BLOCKS:
            for index in block:
                x = self._convolve(x, *self.convs[index], wrap=trace.wrap, relu=True)
                if index in names:
                    trace.taps[names[index]] = x
                elif going_back and index != block[-1]:
                    trace.kept[index] = x
                if index == last:
                    return trace.taps
            if trace.pool == "avg":
                if going_back:
                    trace.kept[block[-1]] = x
                x = functional.avg_pool2d(x, 2)
            elif going_back:
                x, places = functional.max_pool2d(x, 2, return_indices=True)
                trace.kept[block[-1]], trace.places[block[-1]] = x, places.int()
            else:
                x = functional.max_pool2d(x, 2)
        raise AssertionError("A tap lies beyond the last block.")

    def back(self, trace: Trace, pull: Callable[[str, Tensor], Tensor], size: tuple[int, int]) -> Tensor:
        """The gradient (1, 3, H, W) fp32 of an image of `size` (H, W), where `pull(tap, activations)` is that of a tap,
        in its shape. Uses the trace up.
        """
        names = {TAPS[tap]: tap for tap in trace.taps}
        x: Tensor | None = None
        above: int | None = None  # the convolution that x is still to go back through
        for number in reversed(range(len(BLOCKS))):
            for index in reversed([index for index in BLOCKS[number] if index <= max(names)]):
                tap = trace.taps.pop(names[index]) if index in names else None
                pulled = None if tap is None else pull(names[index], tap)
                if x is None or above is None:
                    x = pulled
                else:
                    x = self._convolve(x, self.turned[above], None, wrap=trace.wrap, onto=pulled)
                assert x is not None
                if tap is not None:
                    x = gated(x, tap)
                elif index == BLOCKS[number][-1]:
                    x = self._unpool(x, index, trace, (size[0] >> number, size[1] >> number))
                else:
                    x = gated(x, trace.kept.pop(index))
                above = index
                del tap, pulled
        assert x is not None
        x = self._convolve(x, self.turned[0], None, wrap=trace.wrap)
        gradient: Tensor = x.to(torch.promote_types(x.dtype, torch.float32)) / self.std
        return gradient

    @staticmethod
    def _unpool(x: Tensor, index: int, trace: Trace, size: tuple[int, int]) -> Tensor:
        """Back through a block's pooling and last ReLU, to the activations' `size` (height, width)."""
        kept = trace.kept.pop(index)
        if trace.pool == "max":
            places = trace.places.pop(index).long()
            spread = functional.max_unpool2d(gated(x, kept), places, (2, 2), output_size=size)
            return spread.contiguous(memory_format=torch.channels_last)  # CUDA's comes in the other layout
        spread = torch.ops.aten.avg_pool2d_backward(x, kept, [2, 2], [2, 2], [0, 0], False, True, None)
        return gated(spread, kept)

    def _convolve(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        *,
        wrap: bool,
        relu: bool = False,
        onto: Tensor | None = None,
    ) -> Tensor:
        """A convolution, its rectified result, or `onto`, which is used up, plus its result."""
        padding = [0, 0] if wrap else [1, 1]
        if wrap:
            x = functional.pad(x, (1, 1, 1, 1), mode="circular")
        done: Tensor
        if self.fused is None:
            done = functional.conv2d(x, weight, bias, padding=padding)
            done = done if onto is None else onto.add_(done)
            return functional.relu_(done) if relu else done
        geometry = (padding, *GEOMETRY[1:])
        if onto is None:
            done = self.fused.convolve(x, weight, bias, *geometry, "relu" if relu else "none", [], "")
        else:
            done = self.fused.add(onto, x, weight, bias, *geometry, "add", 1.0, None, [], None)
        return done

    def normaliser(self, tap: str) -> int:
        """N of the published formulas: the tap's channels in VGG19, also where a narrower network stands in for it."""
        return PUBLISHED_WIDTHS[tap] if self.metrics else self.weights.widths[tap]


def gated(gradient: Tensor, activation: Tensor) -> Tensor:
    """A gradient, which is used up, through a ReLU that gave `activation`."""
    passed: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, activation, 0, grad_input=gradient)
    return passed


def tap_size(tap: str, width: int, height: int) -> tuple[int, int]:
    """Width and height of a tap: every 2×2 pooling drops an odd last row or column."""
    halvings = int(math.log2(STRIDES[tap]))
    return width >> halvings, height >> halvings


__all__ = [
    "CONTENT_TAP",
    "HELD_OUT",
    "PUBLISHED_WIDTHS",
    "STRIDES",
    "STYLE_TAPS",
    "TAPS",
    "Network",
    "Weights",
    "load_weights",
    "tap_size",
]
