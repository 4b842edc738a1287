"""What is to be done, and what may follow what: pure, so that every case can be tried without a disk or a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vaporbrush_host.ui_text import _, byte_count

from .kit import Kit

State = Literal["absent", "unfinished", "ready", "outdated", "damaged", "elsewhere", "impossible"]
Move = Literal["install", "go_on", "update", "repair", "change", "uninstall"]
Step = Literal["space", "uv", "python", "packages", "environment", "check", "switch", "tidy"]

# The one table: what a person may do in which state. Whatever a move was, when it ends well the state is "ready" (or
# "absent" after an uninstall), and when it is cut at any point, "unfinished": the next start goes on.
MOVES: dict[State, tuple[Move, ...]] = {
    "absent": ("install",),
    "unfinished": ("go_on", "uninstall"),
    "ready": ("change", "uninstall"),
    "outdated": ("update", "change", "uninstall"),
    "damaged": ("repair", "uninstall"),
    "elsewhere": (),
    "impossible": (),
}

# The steps in their order, and the words for each. Every step finds what an earlier attempt left, and uses of it only
# what is proved whole: so going on is doing them again.
STEPS: dict[Step, str] = {
    "space": _("Looking for space"),
    "uv": _("Fetching the installer (uv)"),
    "python": _("Looking for Python"),
    "packages": _("Fetching"),
    "environment": _("Unpacking"),
    "check": _("Trying it"),
    "switch": _("Putting it in place"),
    "tidy": _("Tidying up"),
}

UNPACKED = {"cpu": 3.7, "mps": 3.7}  # measured: a CPU build's wheels unpack to so many times their bytes
UNPACKED_GPU = 2.3  # CUDA's libraries shrink less
SPARE_BYTES = 200 * 10**6  # for the daemon's own files
PYTHON_BYTES = 35 * 10**6  # what uv fetches where the system has no Python that fits; unpacked 110 MB
PYTHON_UNPACKED_BYTES = 110 * 10**6
GPU_BACKENDS = ("cuda", "cuda126", "rocm", "xpu", "mps")
NAMES = {
    "cpu": _("processor"),
    "cuda": "NVIDIA (CUDA 13)",
    "cuda126": "NVIDIA (CUDA 12.6)",
    "rocm": "AMD (ROCm)",
    "xpu": "Intel (XPU)",
    "mps": "Apple (MPS)",
}


@dataclass(frozen=True)
class Seen:
    """What a look at the disk found. Versions are those of `painter.json`, of the kit, and of the environment's."""

    installed: str = ""  # version in force; empty: none
    whole: bool = False
    begun: bool = False  # a journal says that an install was cut
    daemon_known: bool = False  # somebody installed another painter, which a connection file names
    kit: str = ""
    obstacle: str = ""


def state_of(seen: Seen) -> State:
    """The state that a look means. An older zip never replaces a newer painter."""
    older = bool(seen.kit) and bool(seen.installed) and order(seen.kit) < order(seen.installed)
    if seen.begun and not (seen.whole and older):  # a newer zip's, which goes on when that is back
        return "unfinished"
    if seen.installed:
        if not seen.whole:
            return "damaged"
        newer = bool(seen.kit) and order(seen.kit) > order(seen.installed)
        return "outdated" if newer else "ready"
    if seen.daemon_known:
        return "elsewhere"
    return "impossible" if seen.obstacle else "absent"


def order(version: str) -> tuple[int, ...]:
    """A version as numbers: "0.2.0" < "0.10.0"; what is no number ends it."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


@dataclass(frozen=True)
class Offer:
    """What an install would do: which backend, how many bytes it fetches from where, and the disk that it needs."""

    backend: str
    fetch_bytes: int
    disk_bytes: int
    sources: tuple[str, ...]

    @property
    def title(self) -> str:
        """The button's words."""
        return _("Install the painter (about {size})").format(size=byte_count(self.fetch_bytes))

    def describe(self, free_bytes: int) -> str:
        """The sentence below the button."""
        return _("Fetches {size} from {sources}. Needs {disk} on the disk; {free} are free.").format(
            size=byte_count(self.fetch_bytes),
            sources=_(" and ").join(self.sources),
            disk=byte_count(self.disk_bytes),
            free=byte_count(free_bytes),
        )


def first_backend(kit: Kit, system: str) -> str:
    """The backend to begin with: the one that fetches least, so that the first painting is soon."""
    sizes = {one.backend: one.most_bytes() for one in kit.locks if one.system == system}
    return min(sizes, key=lambda backend: (sizes[backend], backend not in ("cpu", "mps")))


def offer(kit: Kit, system: str, backend: str, sources: tuple[str, ...]) -> Offer:
    """What installing a backend means. Raises `KeyError` where the kit has no lock for it."""
    lock = kit.lock(system, backend)
    if lock is None:
        raise KeyError(f"{system}-{backend}")
    wheels = lock.most_bytes() + kit.wheel.size
    fetch = lock.most_bytes() + kit.uv[system].size
    unpacked = int(wheels * UNPACKED.get(backend, UNPACKED_GPU))
    return Offer(backend, fetch, fetch + unpacked + PYTHON_BYTES + PYTHON_UNPACKED_BYTES + SPARE_BYTES, sources)


def total_words(done: int, total: int) -> str:
    """Progress in bytes."""
    return _("{done} of {total}").format(done=byte_count(done), total=byte_count(total))
