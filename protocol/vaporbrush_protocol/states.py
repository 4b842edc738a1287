"""State machines as tables.

Theory of operation. Whatever has a life of its own (a job, a client's session, a worker's slot) holds one state, and
one table says which states may follow each. The state is changed by its `move()` and by nothing else; a move that the
table does not have raises `ImpossibleMove`, because then some rule was forgotten, and going on would spread the
damage. An event that may legitimately come too late is sorted out by whoever receives it, before it moves anything.

The job's table is part of the protocol: SPEC.md prints it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

JobState = Literal["queued", "running", "done", "cancelled", "failed"]

# `running → queued` is the one retry after a dead worker. `failed → queued` is the same job submitted again after a
# retryable error, `done → queued` the same after its result was released.
JOB: Mapping[JobState, tuple[JobState, ...]] = {
    "queued": ("running", "cancelled", "failed"),
    "running": ("done", "cancelled", "failed", "queued"),
    "done": ("queued",),
    "cancelled": (),
    "failed": ("queued",),
}
FINAL: tuple[JobState, ...] = ("done", "cancelled", "failed")  # nothing happens in these without a new `submit`

State = TypeVar("State", bound=str)


class ImpossibleMove(AssertionError):  # noqa: N818 -- a defect of ours, no condition that anybody handles
    """A state was to be followed by one that the table does not allow."""


def follow(table: Mapping[State, tuple[State, ...]], before: State, after: State, whose: str) -> State:
    """The state `after`, if the table lets it follow `before`. Raises `ImpossibleMove` naming `whose` state it is."""
    if after not in table[before]:
        raise ImpossibleMove(f"{whose}: {before} → {after} is not in the table")
    return after
