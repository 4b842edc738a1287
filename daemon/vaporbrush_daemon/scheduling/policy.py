"""How long the scheduler waits and how often it tries: what is fixed, and what may be configured."""

from __future__ import annotations

from dataclasses import dataclass

MAX_FAILED_STARTS = 3  # a worker program that fails three times in a row is broken, not unlucky
MAX_BACKOFF_S = 4.0  # pauses of 0, 1, 2, 4 s: one client's jobs that kill workers must not hold others up longer
GIVEN_UP_S = 60.0  # for which a device is left out whose worker does not start, where others can do its work
LOST_GRACE_S = 60.0  # for which a job waits for a lost node, where no other will do: a node starts again in less
CANCEL_GRACE_S = 10.0  # the worker looks once per step, and a step of a large picture takes seconds
END_GRACE_S = 5.0  # a worker that has to end only has to give its memory back


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits and patience; `config` says what each is."""

    max_jobs: int = 64
    guest_jobs: int = 8
    max_bytes: int = 4 * 1024**3
    keep_jobs: int = 1000
    idle_unload_s: float = 300.0
    stuck_after_s: float = 300.0
    load_stuck_after_s: float = 600.0
