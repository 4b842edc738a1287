"""The two networks of the distillation: the VGG19 features that teach, and a narrow VGG19 that learns.

The student starts from the teacher, not from noise: each of its layers is a subset of the teacher's channels
(chosen greedily so that a linear map of the subset explains the whole layer), and its weights are the
least-squares fit of those channels from what the student's own previous layer really gives. This is closed form
and costs a minute.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from vaporbrush_daemon.engine.vgg19 import BLOCKS, CONVS, MEAN, STD
from vaporbrush_daemon.engine.vgg19 import TAPS as VGG19_TAPS
from vaporbrush_protocol.recipe import CONTENT_TAP, STYLE_TAPS

BLOCK_LENGTHS = tuple(len(block) for block in BLOCKS)  # convolutions, as far as relu5_1
TEACHER_WIDTHS = tuple(block[0].width for block in BLOCKS)
#: What convolutions are done in: bf16 where the CPU multiplies in it; elsewhere it would be imitated, and slow.
FAST = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32  # noqa: SLF001 - has no public name
#: Index in torchvision's `vgg19().features` of the ReLU whose output is read.
TAPS = {tap: CONVS[tap].index + 1 for tap in VGG19_TAPS}


class Vgg(nn.Module):
    """VGG19 up to relu5_1 with any widths; `features.N.weight` has torchvision's N."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.widths = widths
        layers: list[nn.Module] = []
        channels = 3
        for block, (width, count) in enumerate(zip(widths, BLOCK_LENGTHS, strict=True)):
            if block:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
                channels = width
        self.features = nn.Sequential(*layers)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(1, 3, 1, 1))

    def normalised(self, image: Tensor) -> Tensor:
        """RGB in [0, 1] to the network's input; channels last is what the CPU's bf16 convolutions want."""
        x = (image - self.mean) / self.std
        return x.to(self.features[0].weight.dtype).contiguous(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """`image` (B, 3, H, W), RGB in [0, 1]. The taps, each (B, C, h, w), after their ReLU."""
        x, taps, wanted = self.normalised(image), {}, {index: name for name, index in TAPS.items()}
        for index, layer in enumerate(self.features):
            x = layer(x)
            if index in wanted:
                taps[wanted[index]] = x
        return taps


def load_teacher(path: Path, dtype: torch.dtype) -> Vgg:
    """VGG19 with ImageNet weights (torchvision's keys; whole classifiers are read too), frozen."""
    stored = torch.load(path, map_location="cpu", weights_only=True)
    teacher = Vgg(TEACHER_WIDTHS)
    own = teacher.features.state_dict()
    teacher.features.load_state_dict({key: stored[f"features.{key}"].float() for key in own})
    return teacher.to(dtype).to(memory_format=torch.channels_last).requires_grad_(requires_grad=False).eval()


def rows(tap: Tensor) -> Tensor:
    """(B, C, h, w) to (B, h*w, C) in fp32: statistics are never summed in half precision."""
    return tap.permute(0, 2, 3, 1).flatten(1, 2).float()


def choose_channels(features: Tensor, count: int) -> Tensor:
    """The `count` columns of `features` (P, C) whose span explains most of the variance of all (greedy, deflating)."""
    residual = torch.cov(features.double().T)  # (C, C)
    chosen: list[int] = []
    for _ in range(count):
        gain = residual.square().sum(0) / residual.diagonal().clamp(min=1e-9)
        gain[residual.diagonal() < 1e-8 * residual.diagonal().max()] = -1
        gain[chosen] = -2
        best = int(gain.argmax())
        chosen.append(best)
        if residual[best, best] > 0:
            residual = residual - torch.outer(residual[best], residual[best]) / residual[best, best]
    return torch.tensor(chosen)


def fit_rectified(inputs: Tensor, target: Tensor, rounds: int = 12) -> Tensor:
    """The map M (K, n) that brings relu(inputs @ M) near relu(target).

    `inputs` (P, K) with a last column of ones, `target` (P, n) before the ReLU. Where the target is negative any
    negative answer is right, so its value there is replaced by the prediction, and the regression repeated
    (majorise, minimise).
    """
    gram = inputs.T @ inputs
    ridge = 1e-3 * gram.diagonal().mean() * torch.eye(len(gram))
    factor = torch.linalg.cholesky(gram + ridge)
    found = torch.cholesky_solve(inputs.T @ target, factor)
    for _ in range(rounds):
        aim = torch.where(target > 0, target, torch.minimum(inputs @ found, torch.zeros(())))
        found = torch.cholesky_solve(inputs.T @ aim, factor)
    return found


@torch.no_grad()
def init_from_teacher(student: Vgg, teacher: Vgg, images: Tensor, max_rows: int = 16_000) -> None:
    """Fills `student` layer by layer from `teacher` on `images` (B, 3, H, W).

    Every channel is scaled to mean square 1, which is free (ReLU is homogeneous) and puts all weights on Adam's scale.
    """
    taught, learnt = teacher.normalised(images), student.normalised(images)
    for theirs, own in zip(teacher.features, student.features, strict=True):
        if not isinstance(own, nn.Conv2d):
            taught, learnt = theirs(taught), own(learnt)
            continue
        taught = theirs(taught)
        target = rows(taught).flatten(0, 1)  # (P, C), before the ReLU
        picked = torch.randperm(len(target))[:max_rows]
        chosen = choose_channels(target[picked].clamp(min=0), own.out_channels)
        patches = functional.unfold(learnt, 3, padding=1).transpose(1, 2).flatten(0, 1)[picked]  # (P', 9n)
        inputs = torch.cat([patches, torch.ones(len(patches), 1)], 1)
        found = fit_rectified(inputs, target[picked][:, chosen])  # (9n + 1, n')
        found = found / (inputs @ found).clamp(min=0).square().mean(0).sqrt().clamp(min=1e-4)
        own.weight.copy_(found[:-1].T.reshape(own.weight.shape))
        own.bias.copy_(found[-1])
        learnt = own(learnt)


__all__ = [
    "CONTENT_TAP",
    "FAST",
    "MEAN",
    "STD",
    "STYLE_TAPS",
    "TAPS",
    "TEACHER_WIDTHS",
    "Vgg",
    "init_from_teacher",
    "load_teacher",
    "rows",
]
