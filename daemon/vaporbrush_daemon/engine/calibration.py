"""Which unit activations come in: every training of VGG19 is brought to that of the Oxford group's weights.

A style loss grows with the fourth power of the activations, and Gatys' strength is defined in those of the weights that
the Oxford group published. Trainings differ in it: torchvision's own VGG19 has far smaller activations, and one
strength would mean another thing with it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from .network import Network, Weights
from .vgg19 import CONVS

# root mean square of each tap on `calibration_picture()`, with the Oxford group's weights
OXFORD_RMS = {
    "relu1_1": 66.02,
    "relu2_1": 302.04,
    "relu3_1": 494.99,
    "relu4_1": 1638.32,
    "relu4_2": 1276.09,
    "relu5_1": 194.27,
}
SAME = 0.02  # relative: rounding to fp16 changes less, another training changes more
SIDE = 96  # pixels of the calibration picture: six positions of relu5_1 a side


def calibration_picture() -> Tensor:
    """Four octaves of noise, each half as strong as the coarser one, like a photograph's spectrum: (1, 3, 96, 96)."""
    generator = torch.Generator().manual_seed(19)
    image = torch.full((1, 3, SIDE, SIDE), 0.5)
    for octave in range(4):
        noise = torch.rand(1, 3, 6 * 2**octave, 6 * 2**octave, generator=generator) - 0.5
        image += 0.5**octave * functional.interpolate(noise, (SIDE, SIDE), mode="bicubic", align_corners=False)
    return image.clamp(0, 1)


def tap_rms(weights: Weights) -> dict[str, float]:
    """Root mean square of each tap on the calibration picture."""
    with torch.no_grad():
        taps = Network(weights, torch.device("cpu"), torch.float32)(calibration_picture())
    return {tap: float(value.square().mean().sqrt()) for tap, value in taps.items()}


def calibrated(weights: Weights) -> Weights:
    """The same network with its taps as strong as in the Oxford weights.

    ReLU and pooling commute with positive factors, so scaling kernels and biases changes nothing else.
    """
    factors = {CONVS[tap].index: OXFORD_RMS[tap] / max(rms, 1e-30) for tap, rms in tap_rms(weights).items()}
    if all(abs(factor - 1) < SAME for factor in factors.values()):
        return weights
    convs: dict[int, tuple[Tensor, Tensor]] = {}
    arriving = 1.0  # the factor by which a convolution's input is scaled already
    for index, (kernel, bias) in weights.convs.items():
        leaving = factors.get(index, arriving)
        convs[index] = (kernel * (leaving / arriving), bias * leaving)
        arriving = leaving
    return replace(weights, convs=convs)
