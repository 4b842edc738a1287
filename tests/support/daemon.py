"""A real daemon process for tests, with the fake worker unless a test wants the real one."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from support import fake_worker
from vaporbrush_daemon.guests import Guests
from vaporbrush_protocol import Client, Connection, Image, Job, LinkError, Recipe, Style
from vaporbrush_protocol.endpoint import GUEST

ROOT = Path(__file__).resolve().parents[2]
FAKE_WORKER = (sys.executable, fake_worker.__file__)
NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
DEADLINE_S = 30.0  # generous: the machine may be busy; nothing here needs a tenth of it
T = TypeVar("T")


def until(check: Callable[[], T], what: str, deadline_s: float = DEADLINE_S) -> T:
    """Wait until `check` gives something true, and return that."""
    give_up = time.monotonic() + deadline_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < give_up, f"waited {deadline_s:g} s in vain: {what}"
        time.sleep(0.01)


def environment(home: Path) -> dict[str, str]:
    """The environment of a daemon that runs from the checkout, whether it is installed or not."""
    paths = [str(ROOT / "protocol"), str(ROOT / "daemon"), str(ROOT / "tests")]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("VAPORBRUSH_") or k == "VAPORBRUSH_WEIGHTS"}
    return {**kept, "VAPORBRUSH_HOME": str(home), "PYTHONPATH": os.pathsep.join(paths)}


class Daemon:
    """One daemon on a private home. `settings` go into its config.toml."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.process: subprocess.Popen[str] | None = None
        self.configure(**settings)

    def configure(self, **settings: Any) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        settings = {"worker_command": list(FAKE_WORKER), "devices": ["cpu"], "weights": __file__, **settings}
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        (self.home / "config.toml").write_text("\n".join(lines) + "\n")

    def launch(self, *command: str, **options: Any) -> subprocess.Popen[str]:
        """Start a process without waiting for it."""
        return subprocess.Popen(
            [*(command or (sys.executable, "-m", "vaporbrush_daemon.front.serve"))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**environment(self.home), **options.pop("env", {})},
            **options,
        )

    def start(self, command: tuple[str, ...] = (), **options: Any) -> Daemon:
        """Start it and wait until it answers."""
        self.process = self.launch(*command, **options)
        line = self.process.stderr.readline()  # log lines and the announcement; the first is written when it serves
        assert " INFO " in line, line + self.process.stderr.read()
        # nobody reads the pipe from here on: let it go nowhere instead of filling up
        self._drain = subprocess.Popen(
            [sys.executable, "-c", "import sys\nfor line in sys.stdin: pass"], stdin=self.process.stderr
        )
        until(self.answers, "the daemon answers")
        return self

    def answers(self) -> bool:
        """Whether a new client gets through."""
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended with status {self.process.returncode}: {self.log()}"
        try:
            connection = Connection.read(self.home)
            if connection.pid != self.process.pid:
                return False
            with Client(connection, 5.0) as client:
                client.ping()
        except LinkError:  # not yet
            return False
        return True

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        path = self.home / "logs" / "daemon.log"
        return path.read_text() if path.exists() else "(no log)"

    def client(self, timeout_s: float = 20.0) -> Client:
        return Client(Connection.read(self.home), timeout_s, name="test")

    def worker_pid(self) -> int:
        """The process id of the one worker that runs, or 0."""
        with self.client() as client:
            return next((worker["pid"] for worker in client.status()["workers"] if worker["pid"]), 0)

    def kill(self) -> None:
        """As the kernel would: without warning."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """End it politely and return its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        try:
            return self.process.wait(DEADLINE_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.process.stderr.close()
            self._drain.wait(DEADLINE_S)


@contextmanager
def serving(home: Path, **settings: Any) -> Iterator[Daemon]:
    """A daemon that ends with the test."""
    daemon = Daemon(home, **settings).start()
    try:
        yield daemon
    finally:
        daemon.stop()


def picture(width: int = 16, height: int = 16, tint: int = 0) -> tuple[Image, bytes]:
    """A small RGB picture, different for every tint."""
    pixels = bytes((tint + 7 * i) % 256 for i in range(width * height * 3))
    return Image(hashlib.sha256(pixels).hexdigest(), width, height, "RGB"), pixels


def recipe(client: Client, seed: int = fake_worker.WELL, tint: int = 0, **fields: Any) -> Recipe:
    """A recipe for the fake worker, with its pictures uploaded."""
    content, pixels = picture(tint=tint)
    style, strokes = picture(tint=tint + 100)
    client.upload(pixels)
    client.upload(strokes)
    return Recipe(content=content, styles=(Style(image=style),), seed=seed, **fields)


def ended(client: Client, job: Job | str, deadline_s: float = DEADLINE_S) -> Job:
    """Watch a job to its end."""
    state = client.watch(job if isinstance(job, str) else job.job)
    give_up = time.monotonic() + deadline_s
    while not state.final:
        assert time.monotonic() < give_up, f"{state!r} does not end"
        state = client.watch(state.job, state.seq, 5.0)
    return state


def running(client: Client, job: Job) -> Job:
    """Watch a job until it paints."""
    while not (job.state == "running" and job.progress and job.progress.phase == "painting"):
        assert not job.final, f"{job!r} ended early: {job.error}"
        job = client.watch(job.job, job.seq, 5.0)
    return job


def invited(daemon: Daemon, name: str) -> Client:
    """A client of a guest, who is let in if need be."""
    guest = Guests(daemon.home).add(name, NOW)
    return Client(replace(Connection.read(daemon.home), path=None, token=guest.token, user=GUEST + name), 20.0)


def negative(pixels: bytes) -> bytes:
    """What the fake worker paints."""
    return bytes(255 - byte for byte in pixels)


@contextmanager
def bystander(daemon: Daemon, jobs: int = 3) -> Iterator[None]:
    """Somebody else, who has painted before and whose jobs must finish, whatever happens to the others."""
    with daemon.client() as client:
        assert paints(client, tint=50)
        yield
        for number in range(jobs):
            assert paints(client, tint=51 + number)


def paints(client: Client, tint: int) -> bool:
    """Whether a painting comes out right."""
    _, pixels = picture(tint=tint)
    job = ended(client, client.submit(recipe(client, tint=tint), str(uuid.uuid4()), lease_s=60.0))
    assert job.state == "done", f"{job!r}: {job.error}"
    return bytes(client.download(job.image)) == negative(pixels)
