"""What runs beside the loop, run at once: so that a test sees the outcome when the call returns."""

from __future__ import annotations

from typing import Any

from vaporbrush_daemon.front.background import Lane, Task


class AtOnce:
    """In place of `Background`."""

    def do(self, task: Task, lane: Lane) -> None:
        assert lane in ("disk", "hash")
        try:
            outcome: Any = task.work()
        except Exception as error:  # noqa: BLE001 -- as `Background` does
            outcome = error
        task.then(outcome)
