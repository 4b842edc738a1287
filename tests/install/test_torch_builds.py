"""Which build of torch `doctor` names, on machines that are simulated."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from vaporbrush_daemon.install.torch_builds import (
    Gpu,
    Machine,
    fitting,
    linux_gpus,
    look,
    nvidia_gpus,
    told,
    windows_gpus,
)

PYTHON = (3, 13)


def machine(*gpus: Gpu, system: str = "Linux", python: tuple[int, int] = PYTHON) -> Machine:
    return Machine(system, python, gpus)


def nvidia(name: str, major: int, minor: int, driver: int = 595) -> Gpu:
    return Gpu("NVIDIA", name, (major, minor), driver)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (machine(nvidia("H200", 9, 0)), "cu130"),
        (machine(nvidia("RTX 2060", 7, 5)), "cu130"),
        (machine(nvidia("RTX 5090", 12, 0), system="Windows"), "cu130"),
        (machine(nvidia("GTX 1080", 6, 1)), "cu126"),
        (machine(nvidia("Tesla V100", 7, 0)), "cu126"),
        (machine(nvidia("GTX 980", 5, 2), system="Windows"), "cu126"),
        (machine(nvidia("GTX 1080", 6, 1), nvidia("RTX 4090", 8, 9)), "cu130"),
        (machine(Gpu("AMD", "Radeon RX 7900")), "rocm7.2"),
        (machine(Gpu("AMD", "Radeon RX 9070"), system="Windows", python=(3, 12)), "rocm7.2.1"),
        (machine(Gpu("Intel", "Arc B580")), "xpu"),
        (machine(Gpu("Intel", "Intel(R) Arc(TM) B580"), system="Windows"), "xpu"),
        (machine(Gpu("Intel", "UHD"), nvidia("RTX 3060 Laptop", 8, 6)), "cu130"),
        (machine(Gpu("Apple", "Apple GPU"), system="Darwin"), "mps"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.system}-{value.gpus[0].name}",
)
def test_the_build_that_fits_is_named_with_the_command_that_gets_it(what: Machine, name: str) -> None:
    build = fitting(what)
    assert build is not None
    assert (build.name, build.obstacle) == (name, "")
    if name == "rocm7.2.1":
        assert build.cure().startswith("See https://rocm.docs.amd.com/")
    else:
        assert build.cure().startswith(f"{sys.executable} -m pip install --upgrade --force-reinstall ")
        assert name in build.cure() or name == "mps"


def test_pascal_gets_the_last_release_that_still_has_its_kernels() -> None:
    build = fitting(machine(nvidia("GTX 1070", 6, 1)))
    assert build is not None
    assert "'torch<2.15'" in build.cure()


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (machine(nvidia("RTX 3090", 8, 6, driver=550)), "its driver is 550, and cu130 needs 580"),
        (machine(nvidia("GTX 1080", 6, 1, driver=470)), "its driver is 470, and cu126 needs 525"),
        (machine(nvidia("Tesla K40", 3, 5)), "its compute capability is 3.5, and torch's builds begin at 5.0"),
        (machine(Gpu("AMD", "RX 9070"), system="Windows"), "needs Python 3.12, and this is 3.13"),
        (machine(Gpu("AMD", "Radeon Pro"), system="Darwin"), "no build of torch uses AMD's GPUs on Darwin"),
    ],
    ids=["old-driver", "old-driver-old-gpu", "ancient-gpu", "amd-windows-python", "amd-mac"],
)
def test_what_stands_in_the_way_is_said_instead_of_a_command_that_would_fail(what: Machine, sentence: str) -> None:
    build = fitting(what)
    assert build is not None
    assert sentence in build.obstacle
    assert build.cure() == ""


def test_no_gpu_needs_no_other_build() -> None:
    assert fitting(machine()) is None


def test_nvidias_tool_is_understood_also_when_it_does_not_know() -> None:
    answer = "NVIDIA H200, 9.0, 580.95.05\nNVIDIA GeForce GTX 1080 Ti, 6.1, 580.95.05\nOld one, [N/A], [N/A]\nFailed\n"
    assert nvidia_gpus(answer) == [
        Gpu("NVIDIA", "NVIDIA H200", (9, 0), 580),
        Gpu("NVIDIA", "NVIDIA GeForce GTX 1080 Ti", (6, 1), 580),
        Gpu("NVIDIA", "Old one"),
    ]


def test_the_kernels_list_is_read_by_vendor_and_driver(tmp_path: Path) -> None:
    drivers = tmp_path / "drivers"
    for number, (vendor, kind, driver) in enumerate(
        [("0x1002", "0x030000", "amdgpu"), ("0x8086", "0x030000", "xe"), ("0x8086", "0x030000", "i915"),
         ("0x10de", "0x030200", "nvidia"), ("0x1234", "0x030000", "bochs"), ("0x1002", "0x040300", "snd")]
    ):  # fmt: skip
        device = tmp_path / "drm" / f"card{number}" / "device"
        device.mkdir(parents=True)
        (drivers / driver).mkdir(parents=True, exist_ok=True)
        (device / "vendor").write_text(vendor + "\n")
        (device / "class").write_text(kind + "\n")
        (device / "driver").symlink_to(drivers / driver)
    (tmp_path / "drm" / "card0-HDMI-A-1").mkdir()
    assert [gpu.maker for gpu in linux_gpus(tmp_path / "drm")] == ["AMD", "Intel", "NVIDIA"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"Name": "AMD Radeon RX 9070"}',
        '[{"Name": "AMD Radeon RX 9070"}, {"Name": "Intel(R) UHD Graphics"}]',
    ],
)
def test_windows_list_is_read_with_one_or_several(answer: str) -> None:
    assert windows_gpus(answer) == [Gpu("AMD", "AMD Radeon RX 9070")]
    assert windows_gpus("no JSON") == []


def test_this_machine_can_be_looked_at(tmp_path: Path) -> None:
    assert look(tmp_path).python >= (3, 11)


def test_a_plug_in_is_told_the_build_or_what_stands_in_its_way() -> None:
    assert told(machine()) == {"build": "", "gpu": "", "why": ""}
    assert told(machine(nvidia("RTX 4090", 8, 9)))["build"] == "cu130"
    old = told(machine(nvidia("RTX 4090", 8, 9, driver=470)))
    assert (old["build"], old["gpu"]) == ("", "RTX 4090")
    assert "update the driver" in old["why"]
    guided = told(machine(Gpu("AMD", "Radeon"), system="Windows", python=(3, 12)))
    assert guided["build"] == ""
    assert "rocm.docs.amd.com" in guided["why"]
