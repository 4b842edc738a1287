"""What the scheduler wants done: it decides, the front executes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Watch:
    """A long poll that waits for its job to change. `ticket` is the front's: where the reply goes."""

    ticket: Any
    job: str
    seen: int
    until: float  # monotonic seconds
    preview: int = 0
    preview_seen: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker process."""

    slot: int
    device: str


@dataclass(frozen=True, slots=True)
class Paint:
    """Give a job to a worker that is ready."""

    slot: int
    job: str
    plan_step: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Start the process that downloads a model."""

    slot: int
    job: str
    model: str


@dataclass(frozen=True, slots=True)
class Send:
    """Tell a worker something small."""

    slot: int
    command: dict[str, Any]


@dataclass(frozen=True, slots=True)
class End:
    """Let an idle worker end."""

    slot: int


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker that does not listen."""

    slot: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Reply to a long poll with the job as it is now."""

    watch: Watch


@dataclass(frozen=True, slots=True)
class Save:
    """Write the job's record."""

    job: str


@dataclass(frozen=True, slots=True)
class Discard:
    """The job's result may go; `record` says whether its record goes too."""

    job: str
    blobs: frozenset[str]
    record: bool


Effect = Start | Paint | Fetch | Send | End | Kill | Answer | Save | Discard


@dataclass(frozen=True, slots=True)
class Policy:
    """What the scheduler may be configured to."""

    max_jobs: int = 64
    max_bytes: int = 4 * 1024**3
    idle_unload_s: float = 300.0
    stuck_after_s: float = 300.0
    load_stuck_after_s: float = 600.0
