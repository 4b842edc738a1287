"""Hours of use in minutes: paintings, cancels, unloads, previews, broken uploads; the real worker, the small model."""

from __future__ import annotations

import hashlib
import random
import time
from pathlib import Path

from support.daemon import Daemon, picture
from torture.measure import Bystander, Report, Sampler, Slope, slope
from vaporbrush_protocol import Client, Connection, Image, Job, Recipe, Style
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES

SIDE = 48  # pixels
UNLOAD_EVERY = 400  # jobs
WARM_UP = 40  # jobs of a worker before its memory is looked at: it loads, and its caches fill
KEEP_JOBS = 50  # that the front remembers: its tables are full soon, and what grows after that is a leak
STATUS_S = 0.1  # what 99 of 100 answers may take; ten times that is a failure
FRONT_GROWTH = 1e6  # bytes over the last half that are too few to matter: allocators round up. 80 kB a minute in the
# long form; in the short one 4 kB of each job, or one picture of an upload that is kept
WORKER_GROWTH = 1e4  # bytes a job: 1 MB per 100 jobs
ACTS = ("paint",) * 14 + ("cancel", "cancel", "preview", "preview", "upload", "finish")


class Soak:
    """One client that does everything, again and again."""

    def __init__(self, daemon: Daemon, dice: random.Random) -> None:
        self.daemon = daemon
        self.dice = dice
        self.jobs = 0
        self.worker = 0
        self.began = time.monotonic()
        self.counts: dict[str, int] = {}
        self.client = Client(Connection.read(daemon.home), 60.0, name="soak")

    def minutes(self) -> float:
        return (time.monotonic() - self.began) / 60

    def warm_up(self) -> None:
        """Before anything is measured: torch is imported, everything done once, and the front's tables filled."""
        for act in dict.fromkeys(ACTS):
            getattr(self, f"_{act}")()
        while self.jobs < 2 * KEEP_JOBS:
            self.act()
        self.counts.clear()
        self.began = time.monotonic()

    def act(self) -> None:
        """One of the acts."""
        name = self.dice.choice(ACTS)
        self.counts[name] = self.counts.get(name, 0) + 1
        getattr(self, f"_{name}")()
        if self.jobs % UNLOAD_EVERY == UNLOAD_EVERY - 1:
            self.jobs += 1
            self.counts["unload"] = self.counts.get("unload", 0) + 1
            self.worker = 0
            self.client.unload()

    def _begun(self, steps: int) -> Job:
        self.jobs += 1
        pictures = [picture(SIDE, SIDE, tint) for tint in (self.dice.randrange(50), 100 + self.dice.randrange(20))]
        for _, pixels in pictures:
            self.client.upload(pixels)
        content, style = (image for image, _ in pictures)
        wanted = Recipe(content, (Style(image=style),), steps=steps, model="vgg19-lite", quality="draft")
        return self.client.submit(wanted, lease_s=120.0)

    def _ended(self, job: Job, preview: int = 0) -> Job:
        seen = 0
        while not job.final:
            job = self.client.watch(job.job, job.seq, 30.0, preview, seen)
            seen = job.preview.number if job.preview else seen
        if not self.worker:
            self.worker = next((one["pid"] for one in self.client.status()["workers"] if one["pid"]), 0)
        return job

    def _given(self, job: Job) -> None:
        assert job.state == "done", f"{job!r}: {job.error}"
        assert isinstance(job.image, Image)
        self.client.download(job.image)
        self.client.release(job.job)

    def _running(self, job: Job) -> Job:
        while not job.final and not (job.progress and job.progress.phase == "painting"):
            job = self.client.watch(job.job, job.seq, 30.0)
        return job

    def _paint(self) -> None:
        self._given(self._ended(self._begun(steps=2)))

    def _preview(self) -> None:
        self._given(self._ended(self._begun(steps=12), preview=64))

    def _cancel(self) -> None:
        job = self._running(self._begun(steps=2000))
        self.client.cancel(job.job)
        assert self._ended(job).state == "cancelled"
        self.client.release(job.job)

    def _finish(self) -> None:
        job = self._running(self._begun(steps=2000))
        self.client.finish(job.job)
        self._given(self._ended(job))

    def _upload(self) -> None:
        """Cut off after its first chunk."""
        data = self.dice.randbytes(2 * MAX_CHUNK_BYTES)
        blob = hashlib.sha256(data).hexdigest()
        with Client(Connection.read(self.daemon.home), 60.0, name="cut") as other:
            other.request("put", {"blob": blob, "size": len(data), "offset": 0}, data[:MAX_CHUNK_BYTES])


def run(home: Path, seconds: float, seed: int) -> Report:
    """Soak for so long, and report."""
    report = Report(f"soak ({seconds / 60:.1f} minutes, seed {seed})")
    daemon = Daemon(home)
    (home / "config.toml").write_text(
        f'devices = ["cpu"]\nidle_unload_s = 600\nspool_bytes = 200000000\nkeep_jobs = {KEEP_JOBS}\n'
    )
    daemon.start()
    try:
        soak = Soak(daemon, random.Random(seed))
        soak.warm_up()
        front = Sampler(lambda: daemon.pid, soak.minutes)
        worker = Sampler(lambda: soak.worker, lambda: soak.jobs)
        with Bystander(home, "status") as status, front, worker:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                soak.act()
        soak.client.close()
        acts = ", ".join(f"{count} {name}" for name, count in sorted(soak.counts.items()))
        report.say(f"{soak.jobs:,} jobs, {2 * KEEP_JOBS} of them to warm up; then {acts}")
        _judge(report, front, worker, status)
        log = "".join(path.read_text(errors="replace") for path in (home / "logs").iterdir())
        report.say(f"{log.count('Traceback')} tracebacks in the log", holds="Traceback" not in log)
    finally:
        daemon.stop()
    return report


def _judge(report: Report, front: Sampler, worker: Sampler, status: Bystander) -> None:
    growth = front.growth()
    report.say(
        f"front {front.memory[0][1] / 1e6:.1f} → {front.memory[-1][1] / 1e6:.1f} MB; last half: "
        f"{growth.value / 1e3:+.1f} ± {growth.error / 1e3:.1f} kB a minute",
        holds=growth.flat(2 * FRONT_GROWTH / front.memory[-1][0]),
    )
    each = _warm(worker)
    top = max((size for _, size in worker.memory), default=0)
    report.say(
        f"worker at most {top / 1e6:.0f} MB; while warm: "
        f"{each.value / 1e4:+.3f} ± {each.error / 1e4:.3f} MB per 100 jobs",
        holds=each.flat(WORKER_GROWTH),
    )
    files = front.descriptors
    report.say(f"descriptors {files[0]} → {files[-1]}, at most {max(files)}", holds=files[-1] <= files[0] + 8)
    slow = status.at(0.99)
    report.say(
        f"status: median {status.at(0.5) * 1e3:.1f} ms, p99 {slow * 1e3:.0f}, max {max(status.seconds) * 1e3:.0f} "
        f"(wanted: p99 under {STATUS_S * 1e3:.0f})",
        holds=slow < 10 * STATUS_S and not status.lost,
    )


def _warm(worker: Sampler) -> Slope:
    """Bytes a job of workers that have warmed up."""
    first: dict[int, float] = {}
    points, groups = [], []
    for (jobs, size), pid in zip(worker.memory, worker.of, strict=True):
        if jobs - first.setdefault(pid, jobs) >= WARM_UP:
            points.append((jobs, float(size)))
            groups.append(pid)
    return slope(points, groups) if len(points) > 2 else Slope(0.0, float("inf"))
