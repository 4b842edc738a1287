"""VGG19's architecture (Simonyan & Zisserman 2015, configuration E) as torchvision builds it, as far as relu5_1.

Written down, and compared with torchvision's by a test: importing torchvision costs a worker 1.2 seconds and 170 MB at
its start, nearly all of it for a compiler that is not used here. `convert`, which runs once, asks torchvision itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS

CONFIGURATION = ((64, 64), (128, 128), (256, 256, 256, 256), (512, 512, 512, 512), (512,))  # widths of E, to relu5_1


@dataclass(frozen=True)
class Conv:
    """A 3×3 convolution with its ReLU."""

    index: int  # in torchvision's `vgg19().features`, and so in the names of the weights
    relu: str  # the published name of its rectified output, like "relu4_2"
    width: int  # output channels
    stride: int  # of its output, in pixels of the image


def _blocks() -> tuple[tuple[Conv, ...], ...]:
    blocks, index = [], 0
    for depth, widths in enumerate(CONFIGURATION):
        convs = []
        for place, width in enumerate(widths):
            convs.append(Conv(index, f"relu{depth + 1}_{place + 1}", width, 2**depth))
            index += 2  # itself and its ReLU
        blocks.append(tuple(convs))
        index += 1  # the pooling
    return tuple(blocks)


BLOCKS = _blocks()  # 2, 2, 4, 4 and 1 convolutions; between two blocks there is a 2×2 pooling
CONVS = {conv.relu: conv for block in BLOCKS for conv in block}
TAPS = tuple(relu for relu in CONVS if relu == CONTENT_TAP or relu in STYLE_TAPS)  # what the losses read, by depth
WIDTHS = {tap: CONVS[tap].width for tap in TAPS}  # N of the published formulas
STRIDES = {tap: CONVS[tap].stride for tap in TAPS}

# Of ImageNet's RGB in [0, 1], the numbers that the weights were trained with.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
