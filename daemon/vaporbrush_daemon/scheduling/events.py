"""What happens to the scheduler: every call of `Scheduler.handle` brings one of these, and nothing else changes it."""

from __future__ import annotations

from dataclasses import dataclass

from vaporbrush_daemon.workers import messages as worker

from .job import GUEST, Job, JobRequest


@dataclass(frozen=True, slots=True)
class Ticket:
    """Where a reply goes: the client's routing id and the id of its request. `guest` is who asks, where it is not the
    daemon's own user.
    """

    peer: bytes
    id: int
    guest: str = ""

    @property
    def client(self) -> str:
        """Who takes turns, and whose the jobs are: a guest is one client over all of its connections."""
        return f"{GUEST}{self.guest}" if self.guest else self.peer.hex()


@dataclass(frozen=True, slots=True)
class Poll:
    """A long poll: a client wants the job as soon as its `seq` is greater than `seen`, at the latest at `until`."""

    ticket: Ticket
    job: str
    seen: int
    until: float  # monotonic seconds
    preview: int = 0  # longest side in pixels; 0: none
    preview_seen: int = 0


# ── from clients ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Submitted:
    """A client wants a job."""

    asked: JobRequest


@dataclass(frozen=True, slots=True)
class Polled:
    """A client waits for news of a job."""

    poll: Poll


@dataclass(frozen=True, slots=True)
class Touched:
    """A request about the job came in: its client is alive."""

    job: str


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Stop and keep nothing."""

    job: str


@dataclass(frozen=True, slots=True)
class FinishAsked:
    """Stop and keep what there is."""

    job: str


@dataclass(frozen=True, slots=True)
class Released:
    """The client has what it wants."""

    job: str


@dataclass(frozen=True, slots=True)
class UnloadAsked:
    """End idle workers."""


# ── from workers ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class WorkerSaid:
    """A worker's message."""

    slot: int
    event: worker.Event


@dataclass(frozen=True, slots=True)
class WorkerBroke:
    """A worker said something that breaks the rules, as `sentence` tells."""

    slot: int
    sentence: str


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """A worker's process is gone. `reason` is a clause such as "it was ended by SIGKILL"; with `away`, it is the
    sentence why another machine cannot be reached.
    """

    slot: int
    reason: str
    away: bool = False


# ── from the daemon itself ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Whatever is due is to be done."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A job that had ended before this scheduler began, or needs none."""

    job: Job


@dataclass(frozen=True, slots=True)
class RecordsAged:
    """Jobs that ended longer ago than this are to be forgotten."""

    older_than_s: float


@dataclass(frozen=True, slots=True)
class RemotesKnown:
    """There are these other machines to paint on, and no others."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudioKnown:
    """There are these devices of a studio's nodes to paint on, and no others."""

    devices: tuple[worker.DeviceFacts, ...]


@dataclass(frozen=True, slots=True)
class Closed:
    """The daemon ends; `at_once`: without waiting for running paintings."""

    at_once: bool


ClientEvent = Submitted | Polled | Touched | CancelAsked | FinishAsked | Released | UnloadAsked
WorkerEvent = WorkerSaid | WorkerBroke | WorkerExited
DaemonEvent = Adopted | RecordsAged | RemotesKnown | StudioKnown | Closed
Event = ClientEvent | WorkerEvent | DaemonEvent | TimePassed
