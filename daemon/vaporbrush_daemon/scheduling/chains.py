"""Who waits for whose canvas: jobs of a chain begin where the one before has ended, as the frames of a film do.

Theory of operation. A job that names another in `after` stands in the queue like any other, but with needs that no
slot meets (`Needs.waits`). When the other one ends, it gets that one's canvas, or a note why there is none, and can
run. So what a chain costs is paid once, at the end of each of its jobs, however many wait.
"""

from __future__ import annotations

from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.result import Result
from vaporbrush_protocol.states import JobState

from .job import Job, JobRequest
from .job_table import JobTable

ENDED: dict[JobState, str] = {"failed": "has failed", "cancelled": "was cancelled"}


class Chains:
    """The jobs that wait, by the one that they wait for."""

    def __init__(self, table: JobTable) -> None:
        self._table = table
        self._after: dict[str, dict[str, Job]] = {}

    def before(self, asked: JobRequest) -> Job | None:
        """The job from whose canvas this one is to begin; None: it begins by itself.

        Raises `unknown_job`, `unknown_blob` where that canvas is gone, and `bad_field` where there never is one.
        """
        if not asked.after:
            return None
        before = self._table.get(asked.after, asked.client if asked.guest else "")
        if before.kind != "paint" or before.job == asked.job:
            what = "a download" if before.kind != "paint" else "this job itself"
            raise RequestError(
                "bad_field", f"`after` is {asked.after}, which is {what}; it has to be another painting."
            )
        if before.state == "done" and before.released:
            raise RequestError(
                "unknown_blob", f"The canvas of job {before.job} was released; paint that again, or leave `after` out."
            )
        asked.check_follows(before.asked)
        return before

    def add(self, job: Job, before: Job) -> None:
        """A job has come. One whose predecessor has ended begins from it at once; else it waits."""
        if before.final:
            self._follow(job, before)
        else:
            self._after.setdefault(before.job, {})[job.job] = job

    def ended(self, job: Job) -> list[Job]:
        """A job has ended. Returns those that waited for it and can run now."""
        waited_for = self._after.get(job.asked.after, {})
        if waited_for.pop(job.job, None) is not None and not waited_for:
            del self._after[job.asked.after]
        free = list(self._after.pop(job.job, {}).values())
        for follower in free:
            self._follow(follower, job)
        return free

    def after(self, job: Job) -> list[Job]:
        """The jobs that wait for this one."""
        return list(self._after.get(job.job, {}).values())

    def waiting(self) -> dict[str, list[str]]:
        """The jobs that wait, by the one that they wait for."""
        return {before: list(jobs) for before, jobs in self._after.items()}

    def _follow(self, job: Job, before: Job) -> None:
        canvas = before.result.canvas if isinstance(before.result, Result) else None
        if canvas is None:
            ended = ENDED.get(before.state, "has no canvas")
            job.note(f"The job {before.job}, from whose canvas this one was to begin, {ended}; it begins by itself.")
        job.beside = before.slot
        self._table.change(job, job.asked.following(before.asked, canvas))
