"""Loss and gradient of a step, launched as one CUDA graph instead of some two hundred kernels.

A small painting's step is bound by launching: each kernel costs the processor some microseconds, however little it has
to do. A graph records them once, for one phase of one scale, and replays them on the same memory by one call.

Off by default, because no capture ran on a real GPU yet: VAPORBRUSH_GRAPHS=1 switches it on, and `make gpu` measures
steps with and without. Where a capture fails, the phase is painted without, and the log says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import torch
from torch import Tensor

from .losses import Losses
from .objective import Objective
from .pyramid import Pyramid

SWITCH = "VAPORBRUSH_GRAPHS"
WARM_UP = 3  # runs before a capture: libraries choose their kernels and reserve their workspaces in the first
LEAST_STEPS = 3 * WARM_UP  # of a phase: warming up costs as many steps, which shorter ones do not win back

Gradient = Callable[[Tensor], tuple[Losses, Tensor]]  # image (1, 3, H, W) → L there, dL/d(variables) (n,)
Work = Callable[[], tuple[Losses, Tensor]]
Recorder = Callable[[Work], tuple[Losses, Tensor, Callable[[], None]]]  # → what the work gave, and how to do it again


def gradient_of(objective: Objective, pyramid: Pyramid, image: Tensor, steps: int) -> Gradient:
    """What `steps` steps from `image` on call for their gradients, as fast as the device can."""

    def plain(at: Tensor) -> tuple[Losses, Tensor]:
        losses, gradient = objective(at)  # dL/dx (1, 3, H, W)
        return losses, pyramid.backward(gradient)

    if not wanted(objective, image, steps):
        return plain
    try:
        return Captured(plain, image, cuda_graph)
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        sys.stderr.write(f"No CUDA graph for {image.shape[3]}×{image.shape[2]} pixels: {reason}\n")
        return plain


def wanted(objective: Objective, image: Tensor, steps: int) -> bool:
    """Whether a graph is asked for and can help: tiles are not bound by launching, and may come from elsewhere."""
    switched_on = os.environ.get(SWITCH) == "1"
    return switched_on and image.device.type == "cuda" and len(objective.tiles) == 1 and steps >= LEAST_STEPS


class Captured:
    """A gradient function that replays a recording of itself."""

    def __init__(self, gradient: Gradient, image: Tensor, recorder: Recorder) -> None:
        """Raises RuntimeError where the recorder cannot record it."""
        self.image = image.clone()  # where every replay finds its input
        self.losses, self.variables, self.replay = recorder(lambda: gradient(self.image))

    def __call__(self, image: Tensor) -> tuple[Losses, Tensor]:
        """The losses are overwritten by the next call; the gradient is the caller's own, as optimisers keep it."""
        self.image.copy_(image)
        self.replay()
        return self.losses, self.variables.clone()


def cuda_graph(work: Work) -> tuple[Losses, Tensor, Callable[[], None]]:
    """Record a CUDA graph. Raises RuntimeError if the work does what cannot be recorded, a read from the device say."""
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]  # torch leaves it without types
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses, variables = work()
    return losses, variables, graph.replay
