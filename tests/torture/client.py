"""One client of the torture: paints tiny jobs one after the other, and keeps a journal of what it was promised.

    python client.py JOURNAL COUNT

The journal has a line for each step: `try ID TINT` before a job is submitted, `ack ID` when the daemon has taken it,
`end ID STATE BLOB` when it has ended and its picture was right. A client that was killed goes on with what its journal
says: what was acknowledged has to come to its end.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from pathlib import Path

from support.daemon import negative, picture, recipe
from vaporbrush_protocol import Client, Job, LinkError, RemoteError, connect

LEASE_S = 600.0  # no job of a killed client ends for want of it
TRIES = 5  # as many kills as one job meets
PATIENCE_S = 120.0  # for a daemon that is being replaced
AGAIN = ("busy", "disk_full", "unknown_blob", "shutting_down")  # answers that mean: later


class Journal:
    """What was tried, acknowledged and ended."""

    def __init__(self, path: Path) -> None:
        self.tried: dict[str, int] = {}
        self.acknowledged: set[str] = set()
        self.ended: dict[str, str] = {}
        text = path.read_text() if path.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):  # a kill may have cut the last one
                self._take(line.split())
        self._path = path
        self._cut = bool(text) and not text.endswith("\n")

    def _take(self, words: list[str]) -> None:
        if words[:1] == ["try"]:
            self.tried[words[1]] = int(words[2])
        elif words[:1] == ["ack"]:
            self.acknowledged.add(words[1])
        elif words[:1] == ["end"]:
            self.ended[words[1]] = words[2]

    def write(self, *words: object) -> None:
        """One step; it is in the file when this returns."""
        line = " ".join(map(str, words))
        with self._path.open("a") as file:
            file.write("\n" * self._cut + line + "\n")
        self._cut = False
        self._take(line.split())


class Painter:
    """Does what a patient host does."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._client: Client | None = None

    def _connected(self) -> Client:
        if self._client is None:
            self._client = connect(name=f"torture {os.getpid()}", timeout_s=30.0)
        return self._client

    def carry_out(self, job: str, tint: int) -> None:
        """From the first try, or from where it was, to its end."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self._once(self._connected(), job, tint)
            except LinkError:
                self._client = None
            except RemoteError as error:
                if error.code not in AGAIN:
                    raise
                time.sleep(min(error.retry_after_s or 0.2, 1.0))
            else:
                return
            assert time.monotonic() < deadline, f"{job} does not come to its end"
            time.sleep(0.05)

    def _once(self, client: Client, job: str, tint: int) -> None:
        if job not in self.journal.acknowledged:
            state = client.submit(recipe(client, tint=tint, steps=1), job, LEASE_S)
            self.journal.write("ack", job)
        else:
            state = client.watch(job, 0, 0.0)
        while not state.final:
            state = client.watch(job, state.seq, 5.0)
        for _ in range(TRIES):
            if state.error is None or not state.error.retryable:
                break
            # The front was killed with the job in it, or two workers while they painted it: the same id once more.
            state = client.submit(recipe(client, tint=tint, steps=1), job, LEASE_S)
            self.journal.write("again", job)
            while not state.final:
                state = client.watch(job, state.seq, 5.0)
        self._judge(client, state, tint)

    def _judge(self, client: Client, state: Job, tint: int) -> None:
        blob = "-"
        if state.state == "done":
            assert state.image is not None
            blob = state.image.blob
            if bytes(client.download(state.image)) != negative(picture(tint=tint)[1]):
                self.journal.write("wrong", state.job)
        why = state.error.code if state.error else "-"
        self.journal.write("end", state.job, state.state, blob, why)


def main() -> None:
    """Finish what the journal has, then go on to the count."""
    journal = Journal(Path(sys.argv[1]))
    painter = Painter(journal)
    for job, tint in list(journal.tried.items()):
        if job not in journal.ended:
            painter.carry_out(job, tint)
    number = len(journal.tried)
    while number < int(sys.argv[2]):
        job, tint = str(uuid.uuid4()), number % 150
        journal.write("try", job, tint)
        painter.carry_out(job, tint)
        number += 1


if __name__ == "__main__":
    main()
