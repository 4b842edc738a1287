"""What the bridge knows of its nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vaporbrush_daemon.workers.messages import STUDIO_DEVICES, Command, DeviceFacts, Paint
from vaporbrush_protocol.shown import short
from vaporbrush_protocol.version import __version__

from .desk import Desk, NodeFacts


@dataclass(slots=True)
class Seat:
    """A slot of the daemon's: a worker on a node. `moving` is the painting whose pictures are under way."""

    node: str
    device: str
    moving: asyncio.Task[None] | None = None
    behind: list[Command] = field(default_factory=list)  # commands that wait for it
    told: bool = False  # its command is under way, and those behind it follow
    task: Paint | None = None


@dataclass(slots=True)
class Node:
    """A machine that is in."""

    address: str
    desk: Any  # Dask's proxy of a `Desk`
    facts: NodeFacts
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    rests: bool = False  # its disk is full

    @property
    def usable(self) -> tuple[DeviceFacts, ...]:
        """The devices that something may be painted on, as the daemon calls them."""
        return () if self.rests else tuple(known_as(self.facts.name, one) for one in self.facts.devices)


def known_as(node: str, one: DeviceFacts) -> DeviceFacts:
    """A node's device as the daemon and people call it."""
    return replace(one, name=f"{node}/{one.name}", title=short(f"{node} ({one.title})" if one.title else node))


def unfit(facts: NodeFacts, others: Mapping[str, Node]) -> str:
    """Why a machine cannot be in beside those that are in, by name; or nothing."""
    if facts.version != __version__:
        return f"The studio has Vaporbrush {__version__}, and this node {facts.version}: install the same."
    if facts.name in others:
        return f"Another machine is in the studio as {facts.name} already."
    taken = sum(len(one.facts.devices) for one in others.values())
    if taken + len(facts.devices) > STUDIO_DEVICES:
        return (
            f"The studio has {taken} devices, and with the {len(facts.devices)} of {facts.name} it would have more than"
            f" {STUDIO_DEVICES}, the most that one head can have: let it join another."
        )
    return ""


def maker(owner: str) -> Callable[[], Desk]:
    """What makes a desk on a node. It travels itself: a scheduler that is there already need not have Vaporbrush."""

    def made() -> Desk:
        from vaporbrush_daemon.studio.desk import Desk

        return Desk(owner)

    return made
