"""What an event costs the scheduler with a long queue: `python -m tests.bench.scheduler [--jobs 10000] [--slots 64]`.

Each line is one shape of the queue: how many clients have how many jobs each, whether each job is watched, and whether
jobs ask for a device by name. The figures are milliseconds of the processor's time, because others may use it too: the
median of many events, and the 99th of a hundred. The garbage collector runs as it does in the front.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from support.studio import Studio, image
from vaporbrush_daemon.scheduling.job import Job

EVENTS = 200  # of each kind


@dataclass(frozen=True)
class Shape:
    """A queue."""

    clients: int
    watched: bool = False
    named: bool = False  # every second job asks for the first device by name
    chained: bool = False  # each job is after its client's last one

    def __str__(self) -> str:
        how = [" watched" if self.watched else "", " half for one device" if self.named else "",
               " in chains" if self.chained else ""]  # fmt: skip
        return f"{self.clients} clients{','.join(filter(None, how))}"


SHAPES = (Shape(1), Shape(100), Shape(10_000), Shape(100, watched=True), Shape(10_000, watched=True),
          Shape(100, named=True), Shape(100, chained=True))  # fmt: skip


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=64)
    options = parser.parse_args()
    for shape in SHAPES:
        figures = measured(shape, options.jobs, options.slots)
        print(f"{shape!s:38}" + "  ".join(f"{name} {m:.3f}/{w:.3f}" for name, (m, w) in figures.items()), flush=True)


def measured(shape: Shape, jobs: int, slots: int) -> dict[str, tuple[float, float]]:
    """Milliseconds of each kind of event: the median, and the 99th of a hundred."""
    devices = [f"cuda:{i}" for i in range(slots)]
    studio = Studio(*devices, max_jobs=1000 * jobs, max_bytes=10**15)
    studio.check = False
    running = [studio.submit(f"client{i}") for i in range(slots)]
    for device in devices:
        studio.ready(device, devices=tuple(devices))
    assert all(job.state == "running" for job in running)
    at = {studio.job(slot.job or "").job: slot.device for slot in studio.scheduler.slots.values() if slot.job}
    queued: list[Job] = []
    last = {job.client: job.job for job in running}

    def submitted(i: int, device: str = "auto") -> Job:
        client = f"client{i % shape.clients}"
        after = last.get(client, "") if shape.chained else ""
        job = studio.submit(client, device=device, after=after)
        last[client] = job.job
        return job

    for i in range(jobs):
        job = submitted(i, devices[0] if shape.named and i % 2 else "auto")
        if shape.watched:
            studio.watch(job, wait_s=3600.0)
        queued.append(job)

    def submit(i: int) -> None:
        job = submitted(i)
        studio.scheduler.shown(job)
        queued.append(job)

    def done(_: int) -> None:
        name, device = at.popitem()
        studio.done(studio.job(name), device, canvas=image("canvas"))
        follower = studio.slot(device).job
        assert follower, "the slot has its next job"
        at[follower] = device

    def progress(_: int) -> None:
        name, device = next(iter(at.items()))
        studio.step(studio.job(name), device=device, steps=10, step=1)

    def cancel(i: int) -> None:
        studio.cancel(queued[len(queued) // 3 + i])

    def shown(i: int) -> None:
        studio.scheduler.shown(queued[len(queued) // 2 + i])

    def tick(_: int) -> None:
        studio.tick(0.01)

    kinds: dict[str, Callable[[int], None]] = {
        "submit": submit, "progress": progress, "done": done, "cancel": cancel, "shown": shown,
        "time": tick,
    }  # fmt: skip
    return {name: figures(event) for name, event in kinds.items()}


def figures(event: Callable[[int], None]) -> tuple[float, float]:
    """Milliseconds: the median, and the 99th of a hundred."""
    took = []
    for i in range(EVENTS):
        began = time.thread_time()
        event(i)
        took.append(1000 * (time.thread_time() - began))
    return statistics.median(took), statistics.quantiles(took, n=100)[-1]


if __name__ == "__main__":
    main()
