"""The worker for another machine: to the front a worker like any other, and there a client of that machine's daemon.

Theory of operation. A painting keeps its id: whatever breaks, the same `submit` finds the same job there, and nothing
is painted twice. When the line breaks, the job goes on there, and is looked for again after pauses that grow, as long
as its lease lasts. A job that did not ask for this machine is given back sooner, so that it is painted here: only
after everything that ends by itself (a sleeping laptop, another network, a restarted machine) would have ended. One
that the machine never took is given back soon, whatever it asked for: nothing would be painted twice. A machine that
cannot be reached, or is not who it was, ends this process with `EXIT_AWAY`: that is nobody's fault here.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from vaporbrush_daemon.remotes import book, ssh
from vaporbrush_daemon.remotes.book import Remote
from vaporbrush_protocol import atomic
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.endpoint import Connection, home
from vaporbrush_protocol.errors import LinkError, RemoteError, RequestError, VaporbrushError
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.limits import MAX_LEASE_S
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.result import Result

from .messages import EXIT_AWAY, DeviceFacts, Done, Failed, Noted, Paint, Preview, Progressed, Ready
from .pipe import WorkerPipe

WATCH_S = 0.25  # a poll there: a cancel here takes no longer to be seen
TIMEOUT_S = 20.0  # of a request; a line without a sign of life is dead by then
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)  # between attempts to reach the machine again
PATIENCE_S = MAX_LEASE_S  # a job that asked for this machine and was taken there waits as long as it is kept there
PATIENCE_FOR_BEGUN_S = 300.0  # one that did not ask for it, but is being painted there, and would be painted twice
PATIENCE_FOR_UNTAKEN_S = 60.0  # one that was not taken there
MOST_BUSY_S = 10.0  # between two attempts while the queue there is full
TRIES = 2  # of a job whose daemon there ended


class AwayError(Exception):
    """The machine cannot be reached; the sentence says why."""


class RemoteWorker:
    """One machine, one painting at a time."""

    def __init__(self, pipe: WorkerPipe, remote: Remote, key: Path) -> None:
        self._pipe, self._remote = pipe, remote
        self._client = Client(
            Connection((), ""), TIMEOUT_S, name="vaporbrush remote", open_link=ssh.opener(remote, key)
        )
        self._unwanted: set[str] = set()  # jobs that were cancelled while the line was broken
        self._taken = ""  # the last job that was accepted there
        self._lost_at: float | None = None  # when the line broke; None: it stands, as far as is known
        self._pauses = list(PAUSES_S)  # before the next attempts to reach the machine

    def run(self) -> None:
        """Until the front ends it. Raises `AwayError`."""
        self._pipe.tell(self._ready())
        while True:
            self._paint(self._pipe.next_painting())

    def _ready(self) -> Ready:
        try:
            status = self._client.status()
        except VaporbrushError as error:
            raise AwayError(error.message) from error
        devices = status.get("devices")
        self._remote = book.rename(home(), self._remote.name, book.best_title(status))
        first = devices[0] if isinstance(devices, list) and devices else None
        memory = first.get("memory_bytes") if isinstance(first, dict) else 0
        size = memory if isinstance(memory, int) and 0 <= memory < 2**53 else 0
        return Ready(self._remote.name, (DeviceFacts(self._remote.name, self._remote.label, size, 0),))

    def _paint(self, task: Paint) -> None:
        """Answer a painting, whatever comes of it. Raises `AwayError`."""
        tries, self._lost_at, self._pauses = 0, None, list(PAUSES_S)
        while True:
            try:
                outcome = self._tried(task, last=tries + 1 == TRIES)
            except RemoteError as error:
                if error.code == "busy":
                    self._wait(min(MOST_BUSY_S, error.retry_after_s or 1.0))
                elif error.code in ("unknown_job", "unknown_blob") and tries < TRIES:
                    tries += 1  # what was there has gone meanwhile: from the start
                else:
                    self._pipe.tell(Failed(task.job, RemoteError(error.code, f"{self._remote.name}: {error.message}")))
                    return
            except LinkError as error:
                self._wait_for_line(task, error)
            else:
                if outcome is not None:
                    self._pipe.tell(outcome)
                    return
                tries += 1  # its daemon ended; the same submit has it painted by the next one
            if self._pipe.wanted == "cancel":
                self._unwanted.add(task.job)
                self._pipe.tell(Failed(task.job, RemoteError("cancelled", "The job was cancelled.")))
                return

    def _wait_for_line(self, task: Paint, error: LinkError) -> None:
        """A pause before the next attempt to reach the machine. Raises `AwayError` where there is to be none."""
        now = time.monotonic()
        since = now if self._lost_at is None else self._lost_at
        if not error.retryable or now - since > self._patience_s(task):
            raise AwayError(error.message) from error
        if self._lost_at is None:
            self._lost_at = now
            self._pipe.tell(Noted(task.job, f"{error.message} {self._outlook(task)}"))
        self._wait(self._pauses.pop(0) if len(self._pauses) > 1 else self._pauses[0])

    def _patience_s(self, task: Paint) -> float:
        """For how long the line may be broken before the job is given back."""
        if self._taken != task.job:
            return PATIENCE_FOR_UNTAKEN_S
        return PATIENCE_S if task.recipe.device == self._remote.name else PATIENCE_FOR_BEGUN_S

    def _outlook(self, task: Paint) -> str:
        """What becomes of a job whose line is broken."""
        asked_for, minutes = task.recipe.device == self._remote.name, self._patience_s(task) / 60
        until = f"for {minutes:.0f} minutes" if minutes > 1 else "for a minute"
        if self._taken != task.job:
            return f"It is tried again {until}{'' if asked_for else ', then the picture is painted here'}."
        begun = "If that machine still runs, the painting goes on there"
        return f"{begun}." if asked_for else f"{begun}; if the line is away {until}, the picture is painted here."

    def _line_stands(self, task: Paint) -> None:
        """The machine has answered: the next break of the line is another one, with a patience of its own."""
        if self._lost_at is not None:
            self._lost_at, self._pauses = None, list(PAUSES_S)
            self._pipe.tell(Noted(task.job, f"{self._remote.name} answers again."))

    def _tried(self, task: Paint, *, last: bool) -> Done | Failed | None:
        """What came of it; None for what is worth another try. Raises `VaporbrushError`."""
        job = self._followed(task)
        if job is None:
            return Failed(task.job, RemoteError("cancelled", "The job was cancelled."))
        if job.error is not None and job.error.code in ("worker_crashed", "shutting_down") and not last:
            return None
        return self._outcome(task, job)

    def _wait(self, seconds: float) -> None:
        """A pause with signs of life, that a cancel ends."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._pipe.wanted != "cancel":
            self._pipe.alive()
            time.sleep(min(WATCH_S, seconds))

    def _followed(self, task: Paint) -> Job | None:
        """Bring the job there and watch it to its end; None: cancelled from here. Raises `VaporbrushError`."""
        client = self._client
        for unwanted in tuple(self._unwanted):
            with contextlib.suppress(RemoteError):  # it may have ended
                client.cancel(unwanted)
            self._unwanted.discard(unwanted)
        for blob, path in task.files.items():
            self._upload(blob, Path(path))
        recipe = replace(task.recipe, device="auto")  # that machine's own choice
        job = client.submit(recipe, task.job, MAX_LEASE_S, "finish", label="", history=False)
        self._taken = task.job
        self._line_stands(task)
        told, shown, finishing = 0, 0, False
        while not job.final:
            if self._pipe.wanted == "cancel":
                client.cancel(task.job)
                return None
            if self._pipe.wanted == "finish" and not finishing:
                client.finish(task.job)
                finishing = True
            for note in job.notes[told:]:
                self._pipe.tell(Noted(task.job, f"{self._remote.name}: {note}"))
            told = max(told, len(job.notes))
            shown = self._tell_progress(task, job, shown)
            job = client.watch(task.job, job.seq, WATCH_S, self._pipe.preview, shown)
        return job

    def _upload(self, blob: str, path: Path) -> None:
        with path.open("rb") as file:
            # Not closed here: an error's traceback still holds views of it, and then a mapping cannot be closed.
            pixels = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._client.upload(memoryview(pixels), lambda *_: self._pipe.alive(), blob=blob)

    def _tell_progress(self, task: Paint, job: Job, shown: int) -> int:
        """Pass the progress on. Returns the number of the preview that has been shown."""
        preview = job.preview
        if job.progress is None:
            self._pipe.alive()
            return shown
        if preview is None or preview.number == shown:
            self._pipe.tell(Progressed(task.job, job.progress))
            return shown
        pixels = bytes(preview.pixels)
        self._pipe.tell(Progressed(task.job, job.progress, Preview(preview.width, preview.height, pixels)))
        return preview.number

    def _outcome(self, task: Paint, job: Job) -> Done | Failed:
        """Fetch what was painted. Raises `VaporbrushError`."""
        if job.error is not None or job.result is None:
            error = job.error or RemoteError("internal", "it has no result")
            return Failed(task.job, RemoteError(error.code, f"{self._remote.name}: {error.message}"))
        try:
            result = Result.from_wire(job.result)
        except RequestError as error:
            raise LinkError("bad_reply", f"{self._remote.name}'s result is not valid: {error.message}") from error
        for image in (result.image, result.canvas):
            if image is not None:
                self._fetch(image, Path(task.out))
        with contextlib.suppress(VaporbrushError):  # everything is here; there it ages
            self._client.release(task.job)
        with contextlib.suppress(VaporbrushError):  # it is but a name, and is looked for again at the next start
            if not self._remote.title:  # it has painted for the first time, and knows on what only now
                self._remote = book.rename(home(), self._remote.name, book.best_title(self._client.status()))
        where = f"{self._remote.name}/{result.device}"
        return Done(task.job, replace(result, device=where, recipe=_with_device(result.recipe, task.recipe.device)))

    def _fetch(self, image: Image, folder: Path) -> None:
        path = folder / image.blob
        if not path.exists():
            atomic.write(path, self._client.download(image, None, lambda *_: self._pipe.alive()), durable=True)


def _with_device(recipe: Recipe, device: str) -> Recipe:
    return replace(recipe, device=device)


def main() -> int:
    """Run as the worker program of `--device NAME`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", required=True)
    device = parser.parse_args().device
    pipe = WorkerPipe.of_this_process()
    try:
        RemoteWorker(pipe, book.find(home(), device), home() / book.KEY).run()
    except (AwayError, RequestError) as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
    # the thread that listens may hold stdin; an exit by the interpreter would wait for it
    os._exit(EXIT_AWAY)


if __name__ == "__main__":
    sys.exit(main())
