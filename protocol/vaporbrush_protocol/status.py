"""What `status` tells: the daemon, its workers and devices, and the studio behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .nested import record, records
from .rules import (
    MAX_INTEGER,
    amount,
    count,
    line,
    map_of,
    mapping,
    optional,
    sentence,
    texts,
    whole,
    word,
)

WorkerState = Literal["stopped", "starting", "idle", "loading", "busy"]


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker in `status`."""

    device: str = field(metadata=line("what it paints on"))
    state: str = field(metadata=word(WorkerState, "what it does"))
    model: str = field(metadata=line("the model that it has loaded; empty: none"))
    pid: int = field(metadata=count("its process id; 0: none"))
    job: str = field(metadata=line("the job at work; empty: none"))
    rss_bytes: int = field(metadata=count("of memory"))
    device_memory_bytes: int = field(metadata=count("of the device's own memory"))


@dataclass(frozen=True, slots=True)
class Device:
    """A device in `status`."""

    device: str = field(metadata=line("what a recipe calls it"))
    title: str = field(metadata=line("its maker's name for it; empty for the processor"))
    memory_bytes: int = field(metadata=count("of its own memory; 0: it shares the machine's"))
    free_bytes: int = field(metadata=count("of it that a painting may use, when last looked at; 0: nobody knows"))
    away: str = field(
        default="",
        metadata=optional(sentence("of another machine: why it could not be reached a moment ago; empty: it could")),
    )


@dataclass(frozen=True, slots=True)
class Queue:
    """The queue in `status`."""

    jobs: int = field(metadata=count("that wait"))
    bytes: int = field(metadata=count("of their pictures"))
    max_jobs: int = field(metadata=count("that may wait and run"))
    max_bytes: int = field(metadata=count("that their pictures may have"))


@dataclass(frozen=True, slots=True)
class Spool:
    """The disk in `status`."""

    bytes: int = field(metadata=count("on disk"))
    budget: int = field(metadata=count("that may be"))


@dataclass(frozen=True, slots=True)
class ModelInForce:
    """The model in `status`."""

    auto: str = field(metadata=line("as in `models`"))
    message: str = field(metadata=sentence("as in `models`"))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way of painting, in `status`."""

    message: str = field(metadata=sentence("why nothing can be painted here"))
    command: str = field(metadata=sentence("what to run in a terminal, to cure it; may be empty"))


@dataclass(frozen=True, slots=True)
class StudioNode:
    """A node in `status`."""

    node: str = field(metadata=line("its name; empty: all those together that left long ago"))
    moved_bytes: int = field(metadata=count("of pictures that have travelled to it and from it"))


@dataclass(frozen=True, slots=True)
class StudioFailure:
    """What went wrong in a studio, in `status`."""

    at: float = field(metadata=amount("when: Unix seconds"))
    node: str = field(metadata=line("with which node; empty: with the studio"))
    message: str = field(metadata=sentence("what"))


@dataclass(frozen=True, slots=True)
class Studio:
    """The studio in `status`."""

    url: str = field(metadata=line("where its scheduler is"))
    nodes: tuple[StudioNode, ...] = field(metadata=records(StudioNode, "those that are in, or were"))
    failures: tuple[StudioFailure, ...] = field(metadata=records(StudioFailure, "the last ones, the latest first"))


@dataclass(frozen=True, slots=True)
class Status:
    """Everything about the daemon that a person may want to know."""

    daemon: str = field(metadata=line("as in `hello`"))
    boot: str = field(metadata=line("as in `hello`"))
    pid: int = field(metadata=count("as in `hello`"))
    log: str = field(metadata=sentence("as in `hello`"))
    uptime_s: float = field(metadata=amount("seconds"))
    workers: tuple[Worker, ...] = field(
        metadata=records(Worker, "`state` is " + ", ".join(f"`{one}`" for one in get_args(WorkerState)))
    )
    queue: Queue = field(metadata=record(Queue, "jobs that wait, bytes of their pictures, and how many there may be"))
    spool: Spool = field(metadata=record(Spool, "bytes on disk, and how many there may be"))
    model: ModelInForce = field(metadata=record(ModelInForce, "as in `models`"))
    config: Mapping[str, Any] = field(
        metadata=map_of(
            mapping,
            "map",
            {"type": "object", "required": ["value", "origin"]},
            "`value` and `origin` of every setting",
        )
    )
    endpoints: tuple[str, ...] = field(metadata=texts("where the daemon listens"))
    counters: Mapping[str, int] = field(
        metadata=map_of(
            lambda name, value: whole(name, value, 0, MAX_INTEGER), "integer", {"type": "integer"}, "since the start"
        )
    )
    devices: tuple[Device, ...] | None = field(
        default=None,
        metadata=optional(
            records(Device, "what can be painted on, the best first, as far as it is known; absent before 1.1")
        ),
    )
    obstacle: Obstacle | None = field(
        default=None,
        metadata=optional(
            record(Obstacle, "why nothing can be painted, where that is known beforehand; nil otherwise (since 1.1)")
        ),
    )
    studio: Studio | None = field(
        default=None,
        metadata=optional(record(Studio, "the GPUs of several machines behind this daemon; nil without (since 1.1)")),
    )
