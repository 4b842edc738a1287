"""VGG19's architecture (Simonyan & Zisserman 2015, configuration E) as torchvision builds it, as far as relu5_1."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torchvision.models import VGG19_Weights, vgg19

from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS

DEEPEST = "relu5_1"  # nothing reads what comes after it


@dataclass(frozen=True)
class Conv:
    """A 3×3 convolution with its ReLU."""

    index: int  # in torchvision's `vgg19().features`, and so in the names of the weights
    relu: str  # the published name of its rectified output, like "relu4_2"
    width: int  # output channels
    stride: int  # of its output, in pixels of the image


def _blocks() -> tuple[tuple[Conv, ...], ...]:
    with torch.device("meta"):  # its shapes without its 575 MB of numbers
        features = vgg19(weights=None, init_weights=False).features
    blocks: list[list[Conv]] = [[]]
    for index, module in enumerate(features):
        if isinstance(module, nn.MaxPool2d):
            blocks.append([])
        elif isinstance(module, nn.Conv2d):
            relu = f"relu{len(blocks)}_{len(blocks[-1]) + 1}"
            blocks[-1].append(Conv(index, relu, module.out_channels, 2 ** (len(blocks) - 1)))
            if relu == DEEPEST:
                break
    return tuple(tuple(block) for block in blocks)


BLOCKS = _blocks()  # 2, 2, 4, 4 and 1 convolutions; between two blocks there is a 2×2 pooling
CONVS = {conv.relu: conv for block in BLOCKS for conv in block}
TAPS = tuple(relu for relu in CONVS if relu == CONTENT_TAP or relu in STYLE_TAPS)  # what the losses read, by depth
WIDTHS = {tap: CONVS[tap].width for tap in TAPS}  # N of the published formulas
STRIDES = {tap: CONVS[tap].stride for tap in TAPS}

_preset = VGG19_Weights.IMAGENET1K_V1.transforms()
MEAN: tuple[float, ...] = tuple(_preset.mean)  # of ImageNet's RGB in [0, 1]: what the weights were trained on
STD: tuple[float, ...] = tuple(_preset.std)
