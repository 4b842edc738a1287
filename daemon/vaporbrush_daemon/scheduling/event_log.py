"""What happened, with its times: each job's story for people and, where they are asked for, all events for a replay."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from vaporbrush_daemon.workers.messages import Progressed
from vaporbrush_protocol.states import JobState

from .events import Event, WorkerSaid
from .job import Job

MAX_ENTRIES = 100  # of one job's story, the last ones; a job has about ten


@dataclass(frozen=True, slots=True)
class Entry:
    """Something happened to a job at `at` (monotonic seconds); `state` is what it was in afterwards."""

    at: float
    state: JobState
    text: str


class EventLog:
    """The jobs' stories, and the last `max_events` events: a daemon keeps none, as nobody could ask it for them."""

    def __init__(self, max_events: int = 0) -> None:
        self.events: deque[tuple[float, Event]] = deque(maxlen=max_events)
        self._stories: dict[str, list[Entry]] = {}

    def record(self, now: float, event: Event) -> None:
        """Keep an event. A preview's pixels are left out: a few hundred would take a few hundred megabytes."""
        if isinstance(event, WorkerSaid) and isinstance(event.event, Progressed) and event.event.preview is not None:
            preview = replace(event.event.preview, pixels=b"")
            event = WorkerSaid(event.slot, replace(event.event, preview=preview))
        self.events.append((now, event))

    def tell(self, now: float, job: Job, text: str) -> None:
        """Add a sentence to the job's story."""
        story = self._stories.setdefault(job.job, [])
        story.append(Entry(now, job.state, text))
        del story[:-MAX_ENTRIES]

    def story(self, job: str) -> list[Entry]:
        """What happened to a job."""
        return self._stories.get(job, [])

    def forget(self, job: str) -> None:
        """The job is forgotten, and its story with it."""
        self._stories.pop(job, None)
