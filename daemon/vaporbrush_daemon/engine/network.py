"""VGG19 as a feature extractor, forward and backward: from an image to the six activations that the losses read.

One class for two models. `vgg19` has the published widths. `vgg19-lite` is narrower and brings a metric R for each
tap: R [s; 1] has (nearly) the inner products of VGG19's own activations, so that both models speak of the same losses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from vaporbrush_protocol.recipe import Pool

from . import convolution
from .vgg19 import BLOCKS, CONVS, MEAN, STD, TAPS, WIDTHS, Conv

TapGradient = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Weights:
    """A model's tensors in fp32 on the CPU."""

    name: str
    convs: Mapping[int, tuple[Tensor, Tensor]]  # by torchvision's index: kernel (O, I, 3, 3), bias (O,)
    metrics: Mapping[str, Tensor]  # by tap: R (K, O + 1); none for the published network

    @property
    def widths(self) -> dict[str, int]:
        """Channels of each tap."""
        return {tap: len(self.convs[CONVS[tap].index][1]) for tap in TAPS}


@dataclass(frozen=True)
class Tape:
    """What a forward pass records for the backward one."""

    pool: Pool
    wrap: bool
    taps: dict[str, Tensor] = field(default_factory=dict)  # (1, C, h, w) each, after their ReLU
    relus: dict[int, Tensor] = field(default_factory=dict)  # the other ReLUs; a block's last one after max pooling
    maxima: dict[int, Tensor] = field(default_factory=dict)  # where max pooling found its values; int32, because
    # torch's own 64 bits would be a third of all memory


class Network:
    """VGG19 up to relu5_1, in one precision on one device.

    Calling it gives the taps of an image. `record` gives them with what `backward` needs. The backward pass is written
    down instead of left to autograd: so it keeps half as much, and asks for a tap's gradient only when it gets there.
    `pool` is the 2×2 pooling; `wrap` pads circularly, so that the picture's opposite edges are neighbours (tileable).
    Layout is channels-last: tensor cores and the CPU's bf16 kernels both want it.
    """

    def __init__(self, weights: Weights, device: torch.device, dtype: torch.dtype) -> None:
        self.weights, self.device, self.dtype = weights, device, dtype
        self.metrics = {tap: metric.to(device) for tap, metric in weights.metrics.items()}
        self.mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, device=device).view(1, 3, 1, 1)
        self.convolution = convolution.fastest(device, dtype)
        self.convs = {i: (self._kernel(kernel), bias.to(device, dtype)) for i, (kernel, bias) in weights.convs.items()}
        # the adjoint of a padded 3×3 convolution is one with the kernel turned by 180° and its channels exchanged
        self.adjoints = {i: self._kernel(kernel.flip(2, 3).transpose(0, 1)) for i, (kernel, _) in weights.convs.items()}

    def _kernel(self, kernel: Tensor) -> Tensor:
        return self.convolution.pack(kernel.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last))

    def normaliser(self, tap: str) -> int:
        """N of the published formulas: the tap's channels in VGG19, also where a narrower network stands in for it."""
        return WIDTHS[tap] if self.metrics else self.weights.widths[tap]

    # -- forward -------------------------------------------------------------------------------------------------------

    def __call__(
        self, image: Tensor, *, pool: Pool = "max", wrap: bool = False, taps: Sequence[str] = TAPS
    ) -> dict[str, Tensor]:
        """Rectified activations by name, (1, C, H/stride, W/stride) each.

        `image` (1, 3, H, W) fp32 RGB, nominally in [0, 1]; `taps` may name any ReLU up to relu5_1.
        """
        tape = Tape(pool, wrap)
        self._forward(image, taps, tape, recording=False)
        return tape.taps

    def record(self, image: Tensor, taps: Sequence[str], *, pool: Pool = "max", wrap: bool = False) -> Tape:
        """The same, with what `backward` needs."""
        tape = Tape(pool, wrap)
        self._forward(image, taps, tape, recording=True)
        return tape

    def _forward(self, image: Tensor, taps: Sequence[str], tape: Tape, *, recording: bool) -> None:
        last = max(CONVS[tap].index for tap in taps)
        x = ((image - self.mean) / self.std).to(self.dtype).contiguous(memory_format=torch.channels_last)
        for block in BLOCKS:
            for conv in block:
                x = self._convolve(x, *self.convs[conv.index], wrap=tape.wrap, relu=True)  # (1, C, h, w)
                if conv.relu in taps:
                    tape.taps[conv.relu] = x
                elif recording and conv is not block[-1]:
                    tape.relus[conv.index] = x
                if conv.index == last:
                    return
            x = self._pool(x, block[-1], tape, recording=recording)  # (1, C, h // 2, w // 2)

    @staticmethod
    def _pool(x: Tensor, conv: Conv, tape: Tape, *, recording: bool) -> Tensor:
        if tape.pool == "avg":
            if recording:
                tape.relus[conv.index] = x
            return functional.avg_pool2d(x, 2)
        if not recording:
            return functional.max_pool2d(x, 2)
        x, maxima = functional.max_pool2d(x, 2, return_indices=True)
        tape.relus[conv.index], tape.maxima[conv.index] = x, maxima.int()
        return x

    # -- backward ------------------------------------------------------------------------------------------------------

    def backward(self, tape: Tape, tap_gradient: TapGradient, size: tuple[int, int]) -> Tensor:
        """dL/d(image) (1, 3, H, W) fp32 of an image of `size` (H, W), where `tap_gradient(tap, activations)` is
        dL/d(activations), in their shape. Uses the tape up.
        """
        deepest = max(CONVS[tap].index for tap in tape.taps)
        x: Tensor | None = None  # dL/d(output of `above`'s convolution)
        above: Conv | None = None
        for number, block in reversed(list(enumerate(BLOCKS))):
            for conv in reversed([conv for conv in block if conv.index <= deepest]):
                activations = tape.taps.pop(conv.relu, None)
                own = None if activations is None else tap_gradient(conv.relu, activations)
                pooled = above is not None and conv is block[-1]  # between this and `above` lies a pooling
                if x is not None and above is not None:
                    fused = None if pooled else own  # what is added in the convolution's own pass
                    x = self._convolve(x, self.adjoints[above.index], None, wrap=tape.wrap, accumulate_into=fused)
                if pooled:
                    assert x is not None
                    x = self._unpool(x, conv, tape, (size[0] >> number, size[1] >> number))
                    if own is not None and activations is not None:
                        x = x.add_(relu_backward(own, activations))
                else:
                    x = own if x is None else x
                    assert x is not None
                    x = relu_backward(x, tape.relus.pop(conv.index) if activations is None else activations)
                above = conv
                del activations, own  # their memory is wanted by the next convolution
        assert x is not None
        x = self._convolve(x, self.adjoints[0], None, wrap=tape.wrap)
        gradient: Tensor = x.to(torch.promote_types(x.dtype, torch.float32)) / self.std
        return gradient

    @staticmethod
    def _unpool(x: Tensor, conv: Conv, tape: Tape, size: tuple[int, int]) -> Tensor:
        """Back through a block's pooling and last ReLU, to the activations' `size` (height, width)."""
        pooled = tape.relus.pop(conv.index)
        if tape.pool == "max":
            maxima = tape.maxima.pop(conv.index).long()
            spread = functional.max_unpool2d(relu_backward(x, pooled), maxima, (2, 2), output_size=size)
            return spread.contiguous(memory_format=torch.channels_last)  # CUDA's comes in the other layout
        spread = torch.ops.aten.avg_pool2d_backward(x, pooled, [2, 2], [2, 2], [0, 0], False, True, None)
        return relu_backward(spread, pooled)

    def _convolve(
        self,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        *,
        wrap: bool,
        relu: bool = False,
        accumulate_into: Tensor | None = None,
    ) -> Tensor:
        if wrap:
            x = functional.pad(x, (1, 1, 1, 1), mode="circular")
        return self.convolution(x, kernel, bias, padding=0 if wrap else 1, relu=relu, accumulate_into=accumulate_into)


def relu_backward(gradient: Tensor, activation: Tensor) -> Tensor:
    """`gradient` where the ReLU that gave `activation` let something through, else 0; in place."""
    passed: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, activation, 0, grad_input=gradient)
    return passed
