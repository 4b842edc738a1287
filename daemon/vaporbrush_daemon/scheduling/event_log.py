"""What happened, with its times: the events for a replay, and each job's story for people. Both bounded."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from vaporbrush_daemon.workers.messages import Progressed
from vaporbrush_protocol.states import JobState

from .events import Event, WorkerSaid
from .job import Job

MAX_EVENTS = 4000  # some minutes of painting; an event is about half a kilobyte
MAX_ENTRIES = 10_000  # of stories; a job has about ten


@dataclass(frozen=True, slots=True)
class Entry:
    """Something happened to a job at `at` (monotonic seconds); `state` is what it was in afterwards."""

    at: float
    job: str
    state: JobState
    text: str


class EventLog:
    """The last events and entries."""

    def __init__(self, max_events: int = MAX_EVENTS, max_entries: int = MAX_ENTRIES) -> None:
        self.events: deque[tuple[float, Event]] = deque(maxlen=max_events)
        self.entries: deque[Entry] = deque(maxlen=max_entries)

    def record(self, now: float, event: Event) -> None:
        """Keep an event. A preview's pixels are left out: a few hundred would take a few hundred megabytes."""
        if isinstance(event, WorkerSaid) and isinstance(event.event, Progressed) and event.event.preview is not None:
            preview = replace(event.event.preview, pixels=b"")
            event = WorkerSaid(event.slot, replace(event.event, preview=preview))
        self.events.append((now, event))

    def tell(self, now: float, job: Job, text: str) -> None:
        """Add a sentence to the job's story."""
        self.entries.append(Entry(now, job.job, job.state, text))

    def story(self, job: str) -> list[Entry]:
        """What happened to a job, as far as it is remembered."""
        return [entry for entry in self.entries if entry.job == job]
