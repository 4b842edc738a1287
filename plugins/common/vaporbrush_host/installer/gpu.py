"""The GPU of this machine, and the build of torch that fits it, asked of the painter that is installed."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass

from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.installation import Installation
from vaporbrush_protocol.launcher import clean_environment

from .kit import Kit
from .plan import NAMES

ASK_S = 60.0  # a driver's own tool may take a while
# What `torch_builds` calls the builds, and what the locks do.
BACKENDS = {"cu130": "cuda", "cu126": "cuda126", "rocm7.2": "rocm", "xpu": "xpu", "mps": "mps"}


@dataclass(frozen=True)
class GpuFound:
    """A GPU, and the build that the kit has for it; posted once. Without a build, `why` there is none."""

    backend: str
    name: str
    why: str = ""


def gpu_here(kit: Kit, system: str, painter: Installation | None) -> GpuFound | None:
    """Ask the painter for the processor; None where it has nothing to say."""
    if painter is None or painter.backend != "cpu":
        return None
    command = [str(painter.python), "-P", "-m", "vaporbrush_daemon.install.torch_builds"]
    try:
        done = subprocess.run(  # noqa: S603 (the painter that we installed)
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=False,
            env=clean_environment(os.environ),
        )
        return gpu_told(kit, system, done.stdout)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, subprocess.SubprocessError, VaporbrushError):
        return None  # an offer that is not made


def gpu_told(kit: Kit, system: str, answer: str) -> GpuFound | None:
    """What its answer means for this kit. Raises `ValueError` and its like for what is no answer."""
    told = json.loads(answer)
    build, name, why = str(told["build"]), str(told["gpu"]), str(told.get("why", ""))  # an older painter says no reason
    backend = BACKENDS.get(build, build)
    if build and kit.lock(system, backend) is None:
        why = _("this Vaporbrush brings no build for {gpu} on {system}").format(
            gpu=NAMES.get(backend, build), system=system
        )
        backend = ""
    return GpuFound(backend, name or NAMES.get(backend, backend), why) if backend or why else None
