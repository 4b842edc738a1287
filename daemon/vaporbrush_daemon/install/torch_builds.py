"""Which build of torch fits a machine's GPU. The choice is pure; `look` asks the system what there is.

Sources, as of November 2026 (torch 2.14):
- NVIDIA: the support matrix in pytorch/pytorch's RELEASE.md and issues 172352, 190385: cu126 serves compute capability
  5.0 to 9.0 (Maxwell, Pascal, Volta and newer), for the last time with 2.14; cu130 serves 7.5 and newer. Drivers by the
  table "minimum driver" of NVIDIA's CUDA toolkit release notes: 13.x needs 580, 12.x needs 525 (Windows 528).
- AMD on Linux: rocm7.2 from PyTorch's index. On Windows AMD itself publishes torch 2.9.1+rocm7.2.1, for Python 3.12
  only, as several files that its own page lists.
- Intel: xpu from PyTorch's index, Linux and Windows.
- Apple: PyPI's ordinary wheel. PyPI's wheel for Windows knows the processor alone; the one for Linux is a CUDA build.
"""

from __future__ import annotations

import csv
import json
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vaporbrush_daemon.pip_command import pip_install

Maker = Literal["NVIDIA", "AMD", "Intel", "Apple"]

INDEX = "https://download.pytorch.org/whl/"
AMD_WINDOWS = (
    "https://rocm.docs.amd.com/projects/radeon-ryzen/en/latest/docs/install/installrad/windows/install-pytorch.html"
)
LAST_CU126 = "torch<2.15 torchvision<0.30"  # the last releases with kernels for Maxwell, Pascal and Volta
TURING = (7, 5)
OLDEST = (5, 0)
DRIVER_CUDA_13 = 580
DRIVER_CUDA_12 = {"Linux": 525, "Windows": 528}
ASK_S = 20.0  # for the driver's tool to answer; a GPU that sleeps takes some seconds

PCI_VENDORS: dict[str, Maker] = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
WINDOWS_NAMES: tuple[tuple[str, Maker], ...] = (("NVIDIA", "NVIDIA"), ("Radeon", "AMD"), ("Intel(R) Arc", "Intel"))
PCI_DISPLAY = "0x03"  # the class of display controllers
INTEL_DRIVER = "xe"  # Linux drives with it what the xpu build knows: Arc, and graphics since Core Ultra 200


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU as its driver tells. `capability` and `driver` are NVIDIA's; (0, 0) and 0 where nobody tells."""

    maker: Maker
    name: str
    capability: tuple[int, int] = (0, 0)
    driver: int = 0  # the driver's major version


@dataclass(frozen=True, slots=True)
class Machine:
    """What the choice depends on. `system` is that of `platform.system()`."""

    system: str
    python: tuple[int, int]
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class Build:
    """A build of torch: its short name, what pip is given or the page that says how to get it, and what stands in the
    way (empty: nothing).
    """

    name: str
    requirement: str = ""
    guide: str = ""
    obstacle: str = ""

    def cure(self) -> str:
        """What to do; empty where something stands in the way."""
        if self.obstacle:
            return ""
        words = shlex.split(self.requirement)
        return f"See {self.guide}" if self.guide else pip_install("--upgrade", "--force-reinstall", *words)


def fitting(machine: Machine) -> Build | None:
    """The build for the machine's best GPU; None where there is no GPU that any build knows."""
    order: tuple[Maker, ...] = ("NVIDIA", "AMD", "Intel", "Apple")
    for maker in order:
        gpus = [gpu for gpu in machine.gpus if gpu.maker == maker]
        if gpus:
            return _CHOICES[maker](machine, max(gpus, key=lambda gpu: gpu.capability))
    return None


def _nvidia(machine: Machine, gpu: Gpu) -> Build:
    old = (0, 0) < gpu.capability < TURING
    name = "cu126" if old else "cu130"
    packages = " ".join(f"'{one}'" for one in LAST_CU126.split()) if old else "torch torchvision"
    requirement = f"{packages} --index-url {INDEX}{name}"
    if (0, 0) < gpu.capability < OLDEST:
        major, minor = gpu.capability
        return Build("", obstacle=f"its compute capability is {major}.{minor}, and torch's builds begin at 5.0")
    needed = DRIVER_CUDA_12.get(machine.system, 525) if old else DRIVER_CUDA_13
    if gpu.driver and gpu.driver < needed:
        return Build(
            name, obstacle=f"its driver is {gpu.driver}, and {name} needs {needed} or newer: update the driver"
        )
    return Build(name, requirement)


def _amd(machine: Machine, _gpu: Gpu) -> Build:
    if machine.system == "Linux":
        return Build("rocm7.2", f"torch torchvision --index-url {INDEX}rocm7.2")
    if machine.system == "Windows":
        if machine.python != (3, 12):
            found = ".".join(map(str, machine.python))
            return Build("rocm7.2.1", obstacle=f"AMD's build for Windows needs Python 3.12, and this is {found}")
        return Build("rocm7.2.1", guide=AMD_WINDOWS)
    return Build("", obstacle=f"no build of torch uses AMD's GPUs on {machine.system}")


def _intel(machine: Machine, _gpu: Gpu) -> Build:
    if machine.system in ("Linux", "Windows"):
        return Build("xpu", f"torch torchvision --index-url {INDEX}xpu")
    return Build("", obstacle=f"no build of torch uses Intel's GPUs on {machine.system}")


def _apple(_machine: Machine, _gpu: Gpu) -> Build:
    return Build("mps", "torch torchvision")


_CHOICES = {"NVIDIA": _nvidia, "AMD": _amd, "Intel": _intel, "Apple": _apple}


def look(drm: Path = Path("/sys/class/drm")) -> Machine:
    """This machine, asked of the system and of NVIDIA's tool; never of torch."""
    gpus = _nvidia_smi()
    if platform.system() == "Linux":
        gpus += [gpu for gpu in linux_gpus(drm) if gpu.maker != "NVIDIA" or not gpus]
    elif platform.system() == "Windows":
        gpus += [gpu for gpu in _windows_gpus() if gpu.maker != "NVIDIA" or not gpus]
    elif platform.system() == "Darwin" and platform.machine() == "arm64":
        gpus.append(Gpu("Apple", "Apple GPU"))
    return Machine(platform.system(), sys.version_info[:2], tuple(gpus))


def nvidia_gpus(answer: str) -> list[Gpu]:
    """The lines of `nvidia-smi --query-gpu=name,compute_cap,driver_version --format=csv,noheader`."""
    found = []
    for row in csv.reader(answer.splitlines(), skipinitialspace=True):
        if len(row) == 3:
            name, capability, driver = row
            numbers = [int(part) for part in capability.split(".") if part.isdigit()]
            pair = (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)
            major = driver.partition(".")[0]
            found.append(Gpu("NVIDIA", name, pair, int(major) if major.isdigit() else 0))
    return found


def linux_gpus(drm: Path) -> list[Gpu]:
    """The display controllers that the kernel lists, by their PCI vendor. An Intel GPU counts if `xpu` knows it."""
    found = []
    for card in sorted(drm.glob("card[0-9]*")):
        device = card / "device"
        if "-" in card.name or not _read(device / "class").startswith(PCI_DISPLAY):
            continue
        maker = PCI_VENDORS.get(_read(device / "vendor"))
        if maker is None or (maker == "Intel" and (device / "driver").resolve().name != INTEL_DRIVER):
            continue
        found.append(Gpu(maker, f"a GPU of {maker}'s"))
    return found


def windows_gpus(answer: str) -> list[Gpu]:
    """What PowerShell's `Get-CimInstance Win32_VideoController | Select Name | ConvertTo-Json` answers."""
    try:
        found = json.loads(answer or "[]")
    except ValueError:  # it said something else
        return []
    cards = [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, dict)]
    names = [str(one.get("Name", "")) for one in cards]
    return [Gpu(maker, name) for name in names for word, maker in WINDOWS_NAMES if word in name]


def _nvidia_smi() -> list[Gpu]:
    query = ("--query-gpu=name,compute_cap,driver_version", "--format=csv,noheader")
    return nvidia_gpus(_answer("nvidia-smi", *query))


def _windows_gpus() -> list[Gpu]:
    script = "Get-CimInstance Win32_VideoController | Select-Object Name | ConvertTo-Json"
    return windows_gpus(_answer("powershell", "-NoProfile", "-Command", script))


def _answer(program: str, *arguments: str) -> str:
    """What a program prints; empty where there is none, or it fails."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(
            [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):  # as above
        return ""
    return done.stdout if done.returncode == 0 else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # the kernel has none, or does not show it
        return ""


def told(machine: Machine) -> dict[str, str]:
    """What a plug-in is told: the build that fits (empty: none), the GPU, and why there is none, or what to do."""
    build = fitting(machine)
    gpu = machine.gpus[0].name if machine.gpus else ""
    if build is None:
        return {"build": "", "gpu": gpu, "why": ""}
    if build.obstacle or build.guide:
        return {"build": "", "gpu": gpu, "why": build.obstacle or f"its maker says how to set it up: {build.guide}"}
    return {"build": build.name, "gpu": gpu, "why": ""}


def main() -> None:
    """For a plug-in, which asks the painter that it installed, as JSON."""
    sys.stdout.write(json.dumps(told(look())))


if __name__ == "__main__":
    main()
