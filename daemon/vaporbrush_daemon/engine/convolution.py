"""3×3 convolutions, with the ReLU or the addition that follows in the same pass where the processor can.

A pass over memory for each ReLU is a tenth of a step where the processor has AMX. oneDNN can save it; torch reaches
that only through the operators that its own compiler emits, so they are called here, and nowhere else.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

GEOMETRY = ([1, 1], [1, 1], [1, 1], 1)  # padding, stride, dilation and groups of all of VGG19's convolutions


class Convolution(Protocol):
    """What a network needs of one."""

    def pack(self, kernel: Tensor) -> Tensor:
        """A kernel (O, I, 3, 3) as the convolution reads it fastest."""
        ...

    def __call__(
        self,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        *,
        padding: int,
        relu: bool = False,
        accumulate_into: Tensor | None = None,
    ) -> Tensor:
        """`x` (1, I, H, W) convolved: (1, O, H, W) with a padding of 1. Rectified with `relu`; added to
        `accumulate_into`, which is overwritten, where that is given.
        """
        ...


class PlainConvolution:
    """torch's own operators one after the other, on any device and in any precision."""

    def pack(self, kernel: Tensor) -> Tensor:
        return kernel

    def __call__(
        self,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        *,
        padding: int,
        relu: bool = False,
        accumulate_into: Tensor | None = None,
    ) -> Tensor:
        y = functional.conv2d(x, kernel, bias, padding=padding)
        y = y if accumulate_into is None else accumulate_into.add_(y)
        return functional.relu_(y) if relu else y


class FusedConvolution:
    """oneDNN's, on the CPU in fp32 and bf16."""

    def __init__(self, dtype: torch.dtype) -> None:
        """Raises AttributeError where this build of torch lacks them, RuntimeError where the processor cannot."""
        operators = torch.ops.mkldnn
        self.convolve = operators._convolution_pointwise.default  # noqa: SLF001 - no public name leads to it
        self.add = operators._convolution_pointwise_.binary
        # AMX reads every kernel in one order, so it is laid out once and not in every step: a third of a step at 64 px.
        # Without AMX the order depends on the size, and a wrong one costs up to ten times the convolution.
        amx = getattr(torch.cpu, "_is_amx_tile_supported", bool)()
        reorder = operators._reorder_convolution_weight.default  # noqa: SLF001 - nor to this
        self.reorder = reorder if amx and dtype is torch.bfloat16 else None
        x, kernel = torch.ones(1, 1, 3, 3, dtype=dtype), torch.ones(1, 1, 3, 3, dtype=dtype)
        self.convolve(x, kernel, None, *GEOMETRY, "relu", [], "")

    def pack(self, kernel: Tensor) -> Tensor:
        if self.reorder is None:
            return kernel
        packed: Tensor = self.reorder(kernel, *GEOMETRY, [1, kernel.shape[1], 64, 64])
        return packed

    def __call__(
        self,
        x: Tensor,
        kernel: Tensor,
        bias: Tensor | None,
        *,
        padding: int,
        relu: bool = False,
        accumulate_into: Tensor | None = None,
    ) -> Tensor:
        y: Tensor
        geometry = ([padding, padding], *GEOMETRY[1:])
        if accumulate_into is None:
            y = self.convolve(x, kernel, bias, *geometry, "relu" if relu else "none", [], "")
        else:
            y = self.add(accumulate_into, x, kernel, bias, *geometry, "add", 1.0, None, [], None)
        return y


def fastest(device: torch.device, dtype: torch.dtype) -> Convolution:
    """The fused ones where they work, else the plain ones."""
    if device.type == "cpu" and dtype in (torch.float32, torch.bfloat16):
        try:
            return FusedConvolution(dtype)
        except (AttributeError, RuntimeError):  # another torch, or a processor without bf16
            pass
    return PlainConvolution()
