"""What the scheduler may be configured to."""

from __future__ import annotations

from dataclasses import dataclass


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
