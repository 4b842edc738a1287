"""A GPU that no machine has: torch's fake tensors know shape, type and device, and hold no numbers.

What runs on it is reported whenever tensors of different devices meet (torch refuses that itself), which values were
read back to the host and by whom, and how many kernels were launched.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ENGINE = "vaporbrush_daemon/engine/"
STAND_IN = "cuda:0"
READS = {"numpy", "item", "tolist", "__float__", "__int__", "__index__", "__bool__"}
VIEWS = {"view", "_unsafe_view", "permute", "transpose", "t", "slice", "select", "expand", "unsqueeze", "squeeze",
         "detach", "alias", "as_strided", "split", "split_with_sizes", "unfold", "diagonal"}  # fmt: skip


def _caller() -> str:
    """The function of the engine that is at work, as `module.function`; that which sends or reads for it is not."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if ENGINE in frame.f_code.co_filename.replace("\\", "/") and Path(frame.f_code.co_filename).stem != "transfer":
            return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "outside of the engine"


class _Reads(TorchFunctionMode):
    """Answers what is read back from the device with numbers that let a painting go on, and counts it.

    torch makes fake tensors for CUDA everywhere, for other kinds only where it was built for them: those are made on
    the fake CUDA device under their own name, and what Apple's devices lack is refused here.
    """

    def __init__(self, device: str, log: Counter[str]) -> None:
        super().__init__()
        self.device, self.log, self.loss = device, log, 1e9

    def _instead(self, value: Any) -> Any:
        named = isinstance(value, (str, torch.device)) and str(value) == self.device
        return torch.device(STAND_IN) if named else value

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        args = tuple(self._instead(arg) for arg in args)
        kwargs = {key: self._instead(value) for key, value in (kwargs or {}).items()}
        if name not in READS or not isinstance(args[0], torch.Tensor):
            result = func(*args, **kwargs)
            if self.device == "mps" and _is_double_there(result):
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support it.")
            return result
        tensor = args[0]
        if tensor.device.type != "cpu":
            self.log[f"{_caller()}: {name}"] += 1
        if name in ("numpy", "tolist"):
            zeros = np.zeros(tuple(tensor.shape), np.float32)
            return zeros if name == "numpy" else zeros.tolist()
        if name == "__bool__":
            return True
        self.loss *= 0.99  # a painting whose loss stands still is refused
        return int(self.loss) if name in ("__int__", "__index__") else self.loss


def _is_double_there(result: Any) -> bool:
    return isinstance(result, torch.Tensor) and result.dtype == torch.float64 and result.device.type != "cpu"


class _Kernels(TorchDispatchMode):
    """Counts what is launched, and what travels between host and device."""

    def __init__(self, launches: Counter[str], log: Counter[str], uploads: Counter[str]) -> None:
        super().__init__()
        self.launches, self.log, self.uploads = launches, log, uploads

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        first = next((arg for arg in args if isinstance(arg, torch.Tensor)), None)
        if name == "_local_scalar_dense" and first is not None and first.device.type != "cpu":
            self.log[f"{_caller()}: a value"] += 1
            return 1
        result = func(*args, **(kwargs or {}))
        made = result[0] if isinstance(result, (tuple, list)) and result else result
        if not isinstance(made, torch.Tensor) or name in VIEWS:
            return result
        if first is not None and name == "_to_copy" and first.device.type != made.device.type == "cpu":
            self.log[f"{_caller()}: to the host"] += 1
        elif made.device.type != "cpu":
            self.launches[name] += 1
            if first is not None and name == "_to_copy" and first.device.type == "cpu":
                self.uploads[_caller()] += 1
        return result


class _Memory(TorchDispatchMode):
    """Counts the bytes of all tensors on the device that something still holds, as an allocator without gaps would."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[int, tuple[StorageWeakRef, int]] = {}
        self.peak, self.where = 0, ""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result, fresh = func(*args, **(kwargs or {})), False
        for made in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(made, torch.Tensor) and made.device.type != "cpu":
                storage = made.untyped_storage()
                known = self.held.get(storage._cdata)
                if known is None or known[0].expired():
                    self.held[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())
                    fresh = True
        if fresh:
            self.held = {key: one for key, one in self.held.items() if not one[0].expired()}
            total = sum(size for _, size in self.held.values())
            if total > self.peak:
                self.peak, self.where = total, f"{_caller()}: {func.overloadpacket.__name__}"
        return result


class FakeDevice:
    """`with FakeDevice("cuda:0").running():` everything torch does goes there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reads: Counter[str] = Counter()  # by place in the engine
        self.uploads: Counter[str] = Counter()  # of tensors from the host, by the same
        self.launches: Counter[str] = Counter()  # by operator
        self.memory = _Memory()  # counting costs time: entered only where it is asked for

    @contextmanager
    def running(self, *, counting_memory: bool = False) -> Iterator[FakeDevice]:
        """Paint in here. Tensors made before (weights, pictures) are on the host and are taken from there."""
        fake, kernels = FakeTensorMode(allow_non_fake_inputs=True), _Kernels(self.launches, self.reads, self.uploads)
        with fake, self.memory if counting_memory else nullcontext(), kernels, _Reads(self.name, self.reads):
            yield self
