"""All jobs, and what they hold: counted as they come and go, so that no event has to look at every job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.limits import LIST_PAGE

from .job import Job, JobRequest


class JobTable:
    """The jobs in the order in which they came."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.live: dict[str, Job] = {}  # those that have not ended
        self._ended: dict[str, Job] = {}  # the others, in the order of their ends
        self._of: dict[str, dict[str, Job]] = {}  # by their client
        self.live_bytes = 0  # of the pictures that they read
        self.live_of: Counter[str] = Counter()  # how many each client has
        self.bytes_of: Counter[str] = Counter()  # and how large their pictures are
        self._readers: Counter[str] = Counter()  # live jobs that read a blob
        self._makers: Counter[str] = Counter()  # jobs whose result has a blob that nobody has released

    def get(self, job_id: str, client: str = "") -> Job:
        """The job of this id, and of this client, where one is named. Raises `unknown_job`."""
        job = self.jobs.get(job_id)
        if job is None or client not in ("", job.client):
            raise RequestError("unknown_job", f"No job {job_id} is known here: it may have expired. Submit it again.")
        return job

    def of(self, client: str) -> list[Job]:
        """A client's jobs, in the order in which they came."""
        return list(self._of.get(client, {}).values())

    def add(self, job: Job) -> None:
        """A job has come, or begins anew: then it is the newest."""
        if job.job in self.jobs:
            del self.jobs[job.job]
            self._disown(job, next(client for client, jobs in self._of.items() if job.job in jobs))
        self._of.setdefault(job.client, {})[job.job] = job
        self.jobs[job.job] = job
        self._ended.pop(job.job, None)
        if job.final:
            self._ended[job.job] = job
            self._makers.update(set() if job.released else job.made)
            return
        self.live[job.job] = job
        self._count(job, 1)

    def change(self, job: Job, asked: JobRequest) -> None:
        """A live job asks for something else now."""
        live = self.live.get(job.job) is job
        if live:
            self._count(job, -1)
        job.asked = asked
        if live:
            self._count(job, 1)

    def end(self, job: Job) -> None:
        """A job has ended."""
        del self.live[job.job]
        self._ended[job.job] = job
        self._count(job, -1)
        self._makers.update(job.made)

    def release(self, job: Job) -> frozenset[str]:
        """The job's client wants its result no more. Returns the blobs that nobody else wants: an equal recipe gives
        equal pictures.
        """
        if job.released:
            return frozenset()
        job.released = True
        for blob in job.made:
            self._makers[blob] -= 1
            if not self._makers[blob]:
                del self._makers[blob]
        return frozenset(blob for blob in job.made if not self._makers[blob] and not self._readers[blob])

    def forget(self, job: Job) -> frozenset[str]:
        """Drop an ended job. Returns the blobs that nobody wants any more."""
        del self.jobs[job.job], self._ended[job.job]
        self._disown(job, job.client)
        return self.release(job)

    def outdated(self, now: float, older_than_s: float, most: int) -> list[Job]:
        """The jobs that ended long ago, and the oldest of more than `most`. What is kept of one takes some 8 kB."""
        too_many = max(0, len(self._ended) - most)
        return [job for i, job in enumerate(self._ended.values()) if i < too_many or job.ended < now - older_than_s]

    def page(self, after: str | None, client: str = "") -> tuple[list[Job], bool]:
        """Up to `LIST_PAGE` jobs that came after the given one, and whether there are more: of all clients, or of the
        one that is named. Raises `unknown_job`.
        """
        jobs: Iterable[str] = iter(self._of.get(client, {}) if client else self.jobs)
        if after is not None:
            last = self.get(after).job
            next(job for job in jobs if job == last)
        found = list(islice(jobs, LIST_PAGE + 1))
        return [self.jobs[job] for job in found[:LIST_PAGE]], len(found) > LIST_PAGE

    def live_blobs(self) -> set[str]:
        """Blobs that live jobs read."""
        return set(self._readers)

    def _disown(self, job: Job, client: str) -> None:
        del self._of[client][job.job]
        if not self._of[client]:
            del self._of[client]

    def _count(self, job: Job, by: int) -> None:
        size = by * job.asked.input_bytes
        self.live_bytes += size
        for counter, amounts in (
            (self.live_of, {job.client: by}),
            (self.bytes_of, {job.client: size}),
            (self._readers, dict.fromkeys(job.asked.blobs, by)),
        ):
            counter.update(amounts)
            for name in amounts:
                if not counter[name]:
                    del counter[name]
