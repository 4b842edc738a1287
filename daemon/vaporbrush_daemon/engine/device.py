"""What kinds of devices there are and what each can do. Nothing else in the engine knows their names.

A device is named as torch names it: `cuda:0` (NVIDIA, and AMD, since ROCm builds of torch present themselves as CUDA),
`xpu:0` (Intel), `mps` (Apple) and `cpu`. What a device can do is tried on it once, never concluded from its name, and
its errors are recognised by torch's types first and by the drivers' own words second.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import torch

from vaporbrush_daemon import machine
from vaporbrush_protocol.errors import VaporbrushError

EDITOR_SHARE = 0.1  # of a device's free memory is left to the host program, which draws its canvas there too
UNIFIED_SHARE = 0.75  # of the machine's free memory, where the GPU has none of its own: the system lives there too

# A driver that has met one of these answers every later call with the same error: only a new process helps. Sources:
# cudaError_t of CUDA's runtime API, hipError_t of HIP's, Level Zero's ze_result_t, Metal's MTLCommandBufferError.
STICKY_WORDS = (
    "cuda error",
    "hip error",
    "device-side assert",
    "illegal memory access",
    "unspecified launch failure",
    "launch timed out",
    "device lost",
    "device_lost",
    "ze_result_error_device_lost",
    "gpu is lost",
    "kiogpucommandbuffercallbackerror",  # Metal: page fault, timeout, hang, access revoked
    "command buffer exited with error status",
)
# What allocators say when memory runs out, besides torch.OutOfMemoryError.
MEMORY_WORDS = (
    "out of memory",  # CUDA, HIP, MPS ("MPS backend out of memory"), XPU ("XPU out of memory")
    "out_of_host_memory",  # Level Zero and SYCL: UR_RESULT_ERROR_OUT_OF_HOST_MEMORY
    "out_of_device_memory",
    "out_of_resources",
    "memory allocation failure",  # cuBLAS, cuDNN: CUDNN_STATUS_ALLOC_FAILED and the like
    "alloc_failed",
    "can't allocate memory",  # the CPU's
    "insufficient memory",  # Metal: kIOGPUCommandBufferCallbackErrorOutOfMemory, "Insufficient Memory"
)


@dataclass(frozen=True, slots=True)
class Device:
    """One device that torch can paint on here. `title` is its maker's name for it, empty for the processor."""

    name: str
    title: str = ""
    total_bytes: int = 0  # of its own memory; 0 where it has none of its own
    unified: bool = True  # whether it shares the machine's main memory


def found() -> list[Device]:
    """Every device that torch can paint on here, the best first; the processor is always the last."""
    devices = [_described(f"cuda:{index}") for index in range(_count(torch.cuda))]
    devices += [_described(f"xpu:{index}") for index in range(_count(getattr(torch, "xpu", None)))]
    if torch.backends.mps.is_available():
        devices.append(Device("mps", "Apple GPU"))
    return [*devices, Device("cpu")]


def make_current(device: str) -> None:
    """From now on it is the one that torch means where none is named: page-locked memory, say, would else begin to use
    the first GPU, and take some hundred megabytes of it, too.
    """
    backend = backend_of(device)
    if backend is not None:
        backend.set_device(device)


def free_bytes(device: str) -> int:
    """Bytes that a painting may use now, what this process holds unused included."""
    backend = backend_of(device)
    if backend is None or not hasattr(backend, "mem_get_info"):
        free = machine.free_memory()
        return free if device == "cpu" else int(UNIFIED_SHARE * free)
    free, _ = backend.mem_get_info(device)
    held = backend.memory_reserved(device) - backend.memory_allocated(device)
    usable = int((1 - EDITOR_SHARE) * (free + held))
    return min(usable, int(UNIFIED_SHARE * machine.free_memory())) if _described(device).unified else usable


def give_back(device: str) -> None:
    """Return what torch keeps for its next allocation: another program may need it now."""
    backend = torch.mps if device == "mps" else backend_of(device)
    if backend is not None:
        gc.collect()  # an exception's traceback may still hold tensors
        backend.empty_cache()


def synchronise(device: str) -> None:
    """Wait until the device has done all that it was given."""
    backend = torch.mps if device == "mps" else backend_of(device)
    if backend is not None:
        backend.synchronize()


@cache
def small_dtype(device: str) -> torch.dtype:
    """The precision for the optimiser's small matrices: float64 where the device has it, else float32."""
    return (
        torch.float64 if can(device, lambda: torch.ones(1, dtype=torch.float64, device=device).sum()) else torch.float32
    )


@cache
def streams_of(device: str) -> Any:
    """torch's module for a device that copies to and from page-locked memory on streams of its own; None where it does
    not.
    """
    backend = backend_of(device)

    def trial() -> None:
        stream = backend.Stream(device)
        with backend.stream(stream):
            torch.empty(1, pin_memory=True).copy_(torch.zeros(1, device=device), non_blocking=True)
        stream.record_event().synchronize()

    return backend if backend is not None and can(device, trial) else None


def can(device: str, trial: Callable[[], Any]) -> bool:
    """Whether a trial runs through on the device. Out of memory is no answer, and is raised."""
    try:
        trial()
        synchronise(device)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        if is_out_of_memory(error):
            raise
        return False
    return True


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, whoever says so."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and _says(error, MEMORY_WORDS)


def is_sticky(error: BaseException) -> bool:
    """Whether the process is lost with it: every later call on the device would fail too."""
    if is_out_of_memory(error):
        return False
    accelerator_error = getattr(torch, "AcceleratorError", None)  # torch 2.8 and newer
    if accelerator_error is not None and isinstance(error, accelerator_error):
        return True
    return isinstance(error, RuntimeError) and _says(error, STICKY_WORDS)


@contextmanager
def memory_errors() -> Iterator[None]:
    """Whatever way memory runs out, it is raised as `out_of_memory`."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise VaporbrushError("out_of_memory", "The device's memory does not suffice for this plan.") from error


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    text = str(error).lower()
    return any(word in text for word in words)


def _count(backend: ModuleType | None) -> int:
    """How many devices a backend has; a driver that is too old or broken has none."""
    if backend is None:
        return 0
    with suppress(RuntimeError, AssertionError):  # torch is compiled without it, or its driver fails
        return int(backend.device_count()) if backend.is_available() else 0
    return 0


def backend_of(device: str) -> Any:
    """torch's module for a device with an index; None for the processor and for Apple's."""
    kind = device.partition(":")[0]
    return getattr(torch, kind) if kind in ("cuda", "xpu") else None


def _described(name: str) -> Device:
    properties = backend_of(name).get_device_properties(name)
    unified = bool(getattr(properties, "is_integrated", False) or getattr(properties, "has_unified_memory", False))
    return Device(name, str(properties.name), int(properties.total_memory), unified)
