"""The one place that finds packaged files, in an installed wheel or in a checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent.parent


def free_memory() -> int | None:
    """Bytes of main memory that a process may take without anything being swapped; None where the system hides it."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return None


def art() -> Path:
    """Bundled styles and the demo pair."""
    return _PACKAGE / "art"


def models() -> Path:
    """Models that come with the package."""
    return _PACKAGE / "models"


def templates() -> Path:
    """Templates of service units."""
    return _PACKAGE / "templates"


def plugins() -> Path:
    """The host programs' plug-ins: data in the wheel, a folder of the checkout."""
    packaged = _PACKAGE / "plugins"
    return packaged if packaged.is_dir() else _CHECKOUT / "plugins"


def protocol() -> Path:
    """The protocol package's own folder, which is copied beside a plug-in."""
    import vaporbrush_protocol

    return Path(vaporbrush_protocol.__file__).resolve().parent
