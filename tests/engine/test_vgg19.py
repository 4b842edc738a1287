"""VGG19 as it is written down here is torchvision's."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn
from torchvision.models import VGG19_Weights, vgg19

from vaporbrush_daemon.engine.vgg19 import BLOCKS, CONVS, MEAN, STD


def test_the_layers_are_torchvisions() -> None:
    with torch.device("meta"):
        features = vgg19(weights=None, init_weights=False).features
    last = max(conv.index for conv in CONVS.values())
    wide = {i: m.out_channels for i, m in enumerate(features) if isinstance(m, nn.Conv2d) and i <= last}
    assert {conv.index: conv.width for conv in CONVS.values()} == wide
    pools = [i for i, m in enumerate(features) if isinstance(m, nn.MaxPool2d)]
    for block, pool in zip(BLOCKS, pools, strict=True):
        assert all(conv.index < pool for conv in block)
        assert {conv.stride for conv in block} == {2 ** pools.index(pool)}


def test_the_pictures_are_normalised_as_torchvision_does() -> None:
    preset = VGG19_Weights.IMAGENET1K_V1.transforms()
    assert (tuple(preset.mean), tuple(preset.std)) == (MEAN, STD)


def test_a_worker_starts_without_torchvision() -> None:
    code = "import sys, vaporbrush_daemon.engine.painter; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
