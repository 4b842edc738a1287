"""What the scheduler wants done: it decides, the front executes, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vaporbrush_daemon.workers.messages import Command

from .events import Poll

Place = Literal["here", "remote", "studio"]  # this machine, another one by ssh, or a node of this machine's studio


@dataclass(frozen=True, slots=True)
class StartWorker:
    """Start the process that owns a device, here or on a node, or speaks with another machine."""

    slot: int
    device: str
    place: Place = "here"


@dataclass(frozen=True, slots=True)
class StartDownload:
    """Start the process that downloads a model."""

    slot: int
    job: str
    model: str


@dataclass(frozen=True, slots=True)
class PaintJob:
    """Give a job to a worker that is ready. The front knows where its pictures are."""

    slot: int
    job: str
    plan_step: int


@dataclass(frozen=True, slots=True)
class SendCommand:
    """Tell a worker something."""

    slot: int
    command: Command


@dataclass(frozen=True, slots=True)
class KillWorker:
    """End a worker that does not listen."""

    slot: int


@dataclass(frozen=True, slots=True)
class AnswerPoll:
    """Reply to a long poll with the job as it is now."""

    poll: Poll


@dataclass(frozen=True, slots=True)
class SaveJob:
    """Write the job's record."""

    job: str


@dataclass(frozen=True, slots=True)
class DiscardResult:
    """These blobs of a job's result may go; `record` says whether its record goes too."""

    job: str
    blobs: frozenset[str]
    record: bool


@dataclass(frozen=True, slots=True)
class RememberStart:
    """On this device a worker's process took so long to start; or, where a model is named, to load that."""

    device: str
    model: str
    seconds: float


@dataclass(frozen=True, slots=True)
class ClearWork:
    """No worker writes for this job any more: what it left behind may go."""

    job: str


Effect = (
    StartWorker
    | StartDownload
    | PaintJob
    | SendCommand
    | KillWorker
    | AnswerPoll
    | SaveJob
    | DiscardResult
    | RememberStart
    | ClearWork
)
