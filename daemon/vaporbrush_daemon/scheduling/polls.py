"""Long polls and leases: who waits for news of a job, and whether its client is still there.

Theory of operation. A job's client shows that it lives by every request that names the job, and while a poll of it
waits. The lease runs only while none does; where it ends, the scheduler does what the client wished. Previews are made
as long as somebody asks for them, and for a moment longer, because a client asks again after each.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import islice

from .events import Poll
from .job import Job
from .job_table import JobTable
from .timers import Timers

LOOKED_AT = 32  # watched jobs that may learn of their place in the queue with one event; the next event is not far
PREVIEW_LINGER_S = 3.0  # previews go on being made between two polls of the same client


class Polls:
    """The polls that wait, by their job, and each live job's next time."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._polls: OrderedDict[str, list[Poll]] = OrderedDict()
        self._timers = Timers()

    def add(self, now: float, poll: Poll, job: Job) -> bool:
        """A client asks for news. Returns whether it has to wait for them."""
        self.renew(now, job)
        if poll.preview and not job.final:
            job.preview_asked = min([poll.preview, *(one.preview for one in self.of(job) if one.preview)])
            job.preview_until = max(now, poll.until) + PREVIEW_LINGER_S
        waits = job.seq <= poll.seen and not job.final and poll.until > now
        if waits:
            self._polls.setdefault(job.job, []).append(poll)
        self._set_timer(job)
        return waits

    def of(self, job: Job) -> list[Poll]:
        """The polls that wait for a job."""
        return list(self._polls.get(job.job, ()))

    def watched(self) -> list[Job]:
        """The jobs for which polls wait."""
        return [self._table.jobs[job] for job in self._polls]

    def some_watched(self) -> list[Job]:
        """As many of them as may be looked at after one event: the others come next time."""
        names = list(islice(self._polls, LOOKED_AT))
        for name in names if len(names) < len(self._polls) else ():
            self._polls.move_to_end(name)
        return [self._table.jobs[name] for name in names]

    def remove(self, now: float, poll: Poll, job: Job) -> None:
        """A poll is answered. Its client is given time to ask again."""
        waiting = self._polls[job.job]
        waiting.remove(poll)
        if not waiting:
            del self._polls[job.job]
        self.renew(now, job)

    def renew(self, now: float, job: Job) -> None:
        """The job's client is there."""
        if not job.final:
            job.lease_until = now + job.asked.lease_s
        self._set_timer(job)

    # -- time

    def due(self, now: float) -> list[Job]:
        """The jobs of which something may be due."""
        return [self._table.jobs[name] for name in self._timers.due(now) if name in self._table.jobs]

    def timed_out(self, now: float, job: Job) -> Iterable[Poll]:
        """The job's polls that have waited long enough."""
        return [poll for poll in self.of(job) if poll.until <= now]

    def lease_ended(self, now: float, job: Job) -> bool:
        """Whether the job's client is to be taken for gone."""
        until = job.lease_until
        return not job.final and until is not None and until <= now and job.job not in self._polls

    def is_left(self, now: float, job: Job) -> bool:
        """Whether a job that waits for another was not asked for as long as its lease."""
        return job.job not in self._polls and (job.lease_until is None or self.lease_ended(now, job))

    def preview_unwanted(self, now: float, job: Job) -> bool:
        """Whether nobody has asked for previews for a while."""
        return bool(job.preview_asked) and job.preview_until <= now and job.job not in self._polls

    def looked_at(self, job: Job) -> None:
        """What was due of a job is done."""
        self._timers.reset(job.job, self._next(job))

    def _set_timer(self, job: Job) -> None:
        self._timers.set(job.job, self._next(job))

    def _next(self, job: Job) -> float | None:
        """The first of a job's times."""
        times = [poll.until for poll in self._polls.get(job.job, ())]
        if not times and not job.final:
            times += [] if job.lease_until is None else [job.lease_until]
            times += [job.preview_until] if job.preview_asked else []
        return min(times, default=None)

    def next_deadline(self) -> float | None:
        """When something may be due next."""
        return self._timers.next()
