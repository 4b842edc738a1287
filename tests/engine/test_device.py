"""Devices: what is found here, and whose words mean what. No accelerator is needed."""

from __future__ import annotations

import pytest
import torch

from vaporbrush_daemon.engine import device
from vaporbrush_protocol.errors import VaporbrushError


class Properties:
    """What torch tells of a simulated GPU."""

    def __init__(self, name: str, total_memory: int, *, integrated: bool = False) -> None:
        self.name, self.total_memory, self.is_integrated = name, total_memory, integrated


class Backend:
    """A simulated `torch.cuda` or `torch.xpu` with some GPUs of 10 GB, of which this process holds 3 and uses 1."""

    def __init__(self, *gpus: Properties, broken: bool = False) -> None:
        self.gpus, self.broken, self.emptied = gpus, broken, 0

    def is_available(self) -> bool:
        if self.broken:
            raise RuntimeError("The driver on your system is too old")
        return bool(self.gpus)

    def device_count(self) -> int:
        return len(self.gpus)

    def get_device_properties(self, name: str) -> Properties:
        return self.gpus[int(name.partition(":")[2])]

    def mem_get_info(self, _name: str) -> tuple[int, int]:
        return 6 * 10**9, 10 * 10**9

    def memory_reserved(self, _name: str) -> int:
        return 3 * 10**9

    def memory_allocated(self, _name: str) -> int:
        return 10**9

    def set_device(self, name: str) -> None:
        self.current = name

    def empty_cache(self) -> None:
        self.emptied += 1


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch):
    """Let torch see other hardware than this machine has."""

    def equip(cuda: Backend, xpu: Backend) -> None:
        monkeypatch.setattr(torch, "cuda", cuda)
        monkeypatch.setattr(torch, "xpu", xpu)

    return equip


def test_the_processor_is_always_there_and_the_last() -> None:
    assert device.found()[-1] == device.Device("cpu")


def test_every_makers_gpus_are_found_by_name(machine) -> None:
    machine(
        Backend(Properties("NVIDIA H200", 141 * 10**9), Properties("AMD Radeon PRO", 48 * 10**9)),
        Backend(Properties("Intel Arc B580", 12 * 10**9)),
    )
    names = [(one.name, one.title, one.total_bytes) for one in device.found()]
    assert names == [
        ("cuda:0", "NVIDIA H200", 141 * 10**9),
        ("cuda:1", "AMD Radeon PRO", 48 * 10**9),
        ("xpu:0", "Intel Arc B580", 12 * 10**9),
        ("cpu", "", 0),
    ]


def test_a_gpu_without_memory_of_its_own_is_reported(machine) -> None:
    machine(Backend(Properties("Strix Halo", 96 * 10**9, integrated=True)), Backend())
    assert device.found()[0].unified


def test_a_broken_driver_leaves_the_processor(machine) -> None:
    machine(Backend(Properties("GT 710", 2 * 10**9), broken=True), Backend())
    assert [one.name for one in device.found()] == ["cpu"]


def test_what_may_be_used_leaves_the_editor_its_share(machine) -> None:
    machine(Backend(Properties("RTX 4090", 24 * 10**9)), Backend(Properties("Arc", 12 * 10**9)))
    assert device.free_bytes("cuda:0") == device.free_bytes("xpu:0") == int(0.9 * 8 * 10**9)


def test_a_gpu_in_main_memory_leaves_the_system_its_share(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its driver takes nearly all of the machine's memory to be its own."""
    machine(Backend(Properties("Strix Halo", 96 * 10**9, integrated=True)), Backend())
    monkeypatch.setattr(device.machine, "free_memory", lambda: 4 * 10**9)
    assert device.free_bytes("cuda:0") == 3 * 10**9


def test_the_processor_may_use_what_the_machine_has_free() -> None:
    free = device.free_bytes("cpu")
    assert free > 10**8
    assert device.free_bytes("mps") < free * 1.1


def test_the_device_of_a_worker_is_the_one_that_torch_means(machine) -> None:
    """Else the worker of the second GPU would take memory on the first."""
    cuda, xpu = Backend(Properties("a", 1), Properties("b", 1)), Backend()
    machine(cuda, xpu)
    for name in ("cuda:1", "cpu", "mps"):
        device.make_current(name)
    assert cuda.current == "cuda:1"
    assert not hasattr(xpu, "current")


def test_memory_goes_back_to_the_right_device(machine) -> None:
    cuda, xpu = Backend(Properties("a", 1)), Backend(Properties("b", 1))
    machine(cuda, xpu)
    device.give_back("xpu:0")
    device.give_back("cpu")
    assert (cuda.emptied, xpu.emptied) == (0, 1)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("HIP out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError(
            "MPS backend out of memory (MPS allocated: 5.05 GB, other allocations: 2.18 GB, max allowed: 9.07 GB)."
        ),
        RuntimeError("XPU out of memory. Tried to allocate 12.00 GiB"),
        RuntimeError("Native API failed. Native API returns: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
        RuntimeError("Native API failed. Native API returns: 40 (UR_RESULT_ERROR_OUT_OF_RESOURCES)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        RuntimeError("Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)"),
        MemoryError(),
    ],
    ids=lambda error: str(error)[:24] or "MemoryError",
)
def test_out_of_memory_is_one_error_whoever_says_it(error: Exception) -> None:
    assert device.is_out_of_memory(error)
    assert not device.is_sticky(error)
    with pytest.raises(VaporbrushError) as told, device.memory_errors():
        raise error
    assert told.value.code == "out_of_memory"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        torch.AcceleratorError("CUDA error: unspecified launch failure"),
        torch.AcceleratorError("something new from a driver of next year"),
        RuntimeError("HIP error: unspecified launch failure"),
        RuntimeError("Native API failed. Native API returns: 20 (UR_RESULT_ERROR_DEVICE_LOST)"),
        RuntimeError("Caused GPU Hang Error (00000003:kIOGPUCommandBufferCallbackErrorHang)"),
    ],
    ids=lambda error: str(error)[:24],
)
def test_an_error_that_stays_is_known_by_its_type_or_its_makers_words(error: Exception) -> None:
    assert device.is_sticky(error)
    assert not device.is_out_of_memory(error)


def test_an_ordinary_error_neither_stays_nor_is_memory() -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)")
    assert not device.is_sticky(error)
    with pytest.raises(RuntimeError, match="shapes"), device.memory_errors():
        raise error


def test_what_a_device_can_do_is_tried_on_it() -> None:
    assert device.small_dtype("cpu") == torch.float64
    assert not device.can("cpu", lambda: torch.zeros(2) @ torch.zeros(3))
    with pytest.raises(RuntimeError, match="memory"):
        device.can("cpu", lambda: (_ for _ in ()).throw(RuntimeError("out of memory")))
