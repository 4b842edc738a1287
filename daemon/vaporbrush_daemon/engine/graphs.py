"""Steps of a painting, each launched as one graph instead of some three hundred kernels.

A small painting's step is bound by launching: each kernel costs the processor some microseconds, however little it has
to do. A graph records them all once for each phase of a scale (network, losses, optimiser and pyramid) and replays them
by one call. A replay does what was recorded on the memory of that day, so the image and all that the optimiser keeps
have fixed places, and nothing in a step may depend on a number that only Python knows.

Whether steps are recorded is measured at the first start (`speed`), like the precision. Off by default, because no
graph was recorded on a real GPU yet: VAPORBRUSH_GRAPHS=1 has them measured. Where recording fails, steps are taken one
by one, and the log says why.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from . import device as devices
from .losses import Losses
from .objective import Objective
from .optimisers import Optimiser
from .pyramid import Pyramid

SWITCH = "VAPORBRUSH_GRAPHS"
WARM_UP = 3  # steps before one is recorded: libraries choose kernels and reserve workspaces, L-BFGS has its first pair
LEAST_STEPS = 3 * WARM_UP  # of a phase: to record one costs about as much as two steps
# pixels: a larger image's step takes longer to compute than to launch, and a recording keeps all of its memory
LARGEST = 2048 * 2048

Work = Callable[[], None]
Step = Callable[[Tensor], tuple[Losses, Tensor]]  # image (1, 3, H, W) → L there, and the image after the step


class Recorder(Protocol):
    """What records work on a device."""

    def prepare(self, work: Work) -> None:
        """Do the work where it will be recorded."""
        ...

    def record(self, work: Work) -> Work:
        """Record the work without doing it. Returns what does it, as often as it is called. Raises RuntimeError if the
        work does what cannot be recorded: a read from the device, say.
        """
        ...


class DeviceRecorder:
    """CUDA's graphs (and ROCm's, under the same name), and those of Intel's devices."""

    def __init__(self, backend: Any, name: str) -> None:
        """`backend` is torch's module for the device `name`."""
        self.backend, self.name = backend, name
        self.stream = backend.Stream(name)

    def prepare(self, work: Work) -> None:
        current = self.backend.current_stream(self.name)
        self.stream.wait_stream(current)
        with self.backend.stream(self.stream):
            work()
        current.wait_stream(self.stream)

    def record(self, work: Work) -> Work:
        graph = self.backend.CUDAGraph() if hasattr(self.backend, "CUDAGraph") else self.backend.XPUGraph()
        with self.backend.graph(graph, stream=self.stream):
            work()
        replay: Work = graph.replay
        return replay


class Graphs:
    """What records steps on one device; nothing does where it cannot, was not asked to, or has failed."""

    def __init__(self, recorder: Recorder | None) -> None:
        self.recorder = recorder

    @classmethod
    def of(cls, device: torch.device) -> Graphs:
        """Those of a device, if they are asked for and it has them."""
        backend = devices.backend_of(str(device)) if os.environ.get(SWITCH) == "1" else None
        if backend is None or not hasattr(backend, "graph"):
            return cls(None)
        return cls(DeviceRecorder(backend, str(device)))

    @property
    def possible(self) -> bool:
        """Whether steps may be recorded."""
        return self.recorder is not None

    def give_up(self, error: RuntimeError, image: Tensor) -> None:
        """Steps are taken one by one from now on."""
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        size = f"{image.shape[3]}×{image.shape[2]}"
        sys.stderr.write(f"Steps of {size} pixels could not be recorded, and are taken one by one: {reason}\n")
        self.recorder = None

    def steps_of(self, objective: Objective, pyramid: Pyramid, optimiser: Optimiser, image: Tensor, steps: int) -> Step:
        """What takes the `steps` steps of a phase, one at each call: recorded where that can help. Tiles are not bound
        by launching, and may come from elsewhere.
        """
        small = image.shape[2] * image.shape[3] <= LARGEST and len(objective.tiles) == 1
        if self.recorder is None or not small or steps < LEAST_STEPS:
            return step_of(objective, pyramid, optimiser)
        return RecordedSteps(objective, pyramid, optimiser, self, self.recorder)


def step_of(objective: Objective, pyramid: Pyramid, optimiser: Optimiser) -> Step:
    """A step taken kernel by kernel."""

    def step(image: Tensor) -> tuple[Losses, Tensor]:
        losses, gradient = objective(image)  # L, and dL/dx (1, 3, H, W)
        gradient = pyramid.backward(gradient)  # dL/d(variables) (n,)
        change = optimiser.step(gradient)
        del gradient  # unless the optimiser keeps it
        # the sum of the changes of all steps, through the pyramid, is the change of the image
        return losses, pyramid.forward(change).add_(image)

    return step


class RecordedSteps:
    """The steps of one phase: the first ones one by one, then one is recorded and replayed."""

    def __init__(
        self, objective: Objective, pyramid: Pyramid, optimiser: Optimiser, graphs: Graphs, recorder: Recorder
    ) -> None:
        self.step, self.optimiser, self.graphs = step_of(objective, pyramid, optimiser), optimiser, graphs
        self.recorder: Recorder | None = recorder
        self.taken = 0
        self.image: Tensor | None = None  # where every replay finds it, and leaves the next
        self.losses: Losses | None = None  # overwritten by every replay
        self.replay: Work | None = None

    def __call__(self, image: Tensor) -> tuple[Losses, Tensor]:
        """See `Step`. Image and losses are overwritten by the next call."""
        if self.replay is None and self.recorder is not None:
            if self.taken < WARM_UP:
                return self._prepared(image, self.recorder)
            self._record(image, self.recorder)
        if self.replay is None:
            return self.step(image)
        assert self.image is not None
        assert self.losses is not None
        if image is not self.image:
            self.image.copy_(image)
        self.replay()
        self.optimiser.replayed()
        return self.losses, self.image

    def _prepared(self, image: Tensor, recorder: Recorder) -> tuple[Losses, Tensor]:
        found: list[tuple[Losses, Tensor]] = []
        recorder.prepare(lambda: found.append(self.step(image)))
        self.taken += 1
        return found[0]

    def _record(self, image: Tensor, recorder: Recorder) -> None:
        place = self.image = image.clone()

        def work() -> None:
            self.losses, moved = self.step(place)
            place.copy_(moved)

        try:
            with self.optimiser.recorded():
                self.replay = recorder.record(work)
        except RuntimeError as error:
            self.recorder = self.image = self.losses = None
            self.graphs.give_up(error, image)
