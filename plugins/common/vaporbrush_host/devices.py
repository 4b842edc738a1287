"""What can be painted on, as the daemon's `status` tells it, in words for the choice of the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .controls import Option
from .ui_text import _, byte_count


def offered(status: Mapping[str, Any]) -> tuple[Option, ...]:
    """The accelerators by name with their free memory; the processor and Automatic are always in the list."""
    called = titles(status)
    return tuple(Option(name, _label(called[name], facts)) for name, facts in _told(status) if name != "cpu")


def titles(status: Mapping[str, Any]) -> dict[str, str]:
    """What people call each device: its maker's name for it; torch's besides where there are two alike."""
    told = {name: str(facts.get("title") or name) for name, facts in _told(status)}
    alone = [title for title in told.values() if list(told.values()).count(title) == 1]
    return {name: title if title in alone else f"{title} ({name})" for name, title in told.items()}


def away(status: Mapping[str, Any]) -> frozenset[str]:
    """The other machines that cannot be reached at present."""
    return frozenset(name for name, facts in _told(status) if facts.get("away"))


def _told(status: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """An older daemon says nothing of devices."""
    for facts in status.get("devices") or ():
        if isinstance(facts, Mapping) and facts.get("device"):
            yield str(facts["device"]), facts


def _label(called: str, facts: Mapping[str, Any]) -> str:
    """Short: a docker is narrow."""
    if facts.get("away"):
        return _("{device}, not reachable").format(device=called)
    if free := int(facts.get("free_bytes") or 0):
        return _("{device}, {size} free").format(device=called, size=byte_count(free))
    memory = int(facts.get("memory_bytes") or 0)  # free of it nobody knows how much
    return _("{device}, {size}").format(device=called, size=byte_count(memory)) if memory else called
