"""With this folder on PYTHONPATH, Python is as on a bare machine: nothing is installed but what the kit for GPUs
(`tests/bench/gpu`) is promised, and what that needs.
"""

from __future__ import annotations

import re
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

ALLOWED = ("torch", "torchvision", "numpy", "pillow", "msgpack", "safetensors", "tifffile", "rich", "typer", "psutil")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def closure(names: tuple[str, ...]) -> set[str]:
    """These distributions and all that they cannot do without, as pip writes their names."""
    found: set[str] = set()
    left = [_plain(name) for name in names]
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            needed = requires(name) or []
        except PackageNotFoundError:  # for another system or Python
            continue
        found.add(name)
        left += [_plain(match[0]) for one in needed if "extra ==" not in one and (match := NAME.match(one))]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def hide() -> None:
    """Have imports of everything else fail."""
    allowed = closure(ALLOWED)
    for package, distributions in packages_distributions().items():
        ours = any(one.startswith("vaporbrush") for one in distributions)
        if not ours and not allowed & {_plain(one) for one in distributions} and package not in sys.modules:
            sys.modules[package] = None


hide()
