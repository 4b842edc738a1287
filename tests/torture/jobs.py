"""Jobs of ten clients at once, while worker, front and clients are killed every few seconds."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from support.daemon import Daemon, environment, until
from torture import client as client_script
from torture.client import Journal
from torture.measure import Report
from vaporbrush_daemon.front.history import Entry
from vaporbrush_daemon.scheduling.policy import Policy
from vaporbrush_protocol import LinkError

CLIENTS = 10
KILL_EVERY_S = (1.0, 4.0)
LIMIT_S = 1500.0  # for all jobs; a client that hangs is found out earlier
SETTINGS = {"devices": ["cpu", "cuda:0"], "max_jobs": 64}  # two of the fake workers
FOLDERS = {"clock", "blobs", "jobs", "parts", "work", "quarantine", "history"}


class Run:
    """A daemon, its clients, and whoever kills them."""

    def __init__(self, home: Path, jobs: int, seed: int) -> None:
        self.daemon = Daemon(home, **SETTINGS)
        self.journals = home.parent / "journals"
        self.journals.mkdir()
        self.each = jobs // CLIENTS
        self.dice = random.Random(seed)
        self.clients: dict[int, subprocess.Popen[bytes]] = {}
        self.kills = {"front": 0, "worker": 0, "client": 0}
        self.failed: list[str] = []

    def start_client(self, number: int) -> None:
        command = [sys.executable, client_script.__file__, str(self.journals / str(number)), str(self.each)]
        with (self.journals / f"{number}.err").open("ab") as said:
            self.clients[number] = subprocess.Popen(command, env=environment(self.daemon.home), stderr=said)

    def play(self) -> float:
        """To the end of every client. Returns the seconds."""
        began = time.monotonic()
        self.daemon.start()
        for number in range(CLIENTS):
            self.start_client(number)
        next_kill = time.monotonic() + self.dice.uniform(*KILL_EVERY_S)
        while self.clients and not self.failed:
            time.sleep(0.05)
            for number, process in list(self.clients.items()):
                if process.poll() is not None:
                    del self.clients[number]
                    if process.returncode != 0:
                        self.failed.append((self.journals / f"{number}.err").read_text(errors="replace")[-600:])
            if time.monotonic() > next_kill and self.clients:
                self.kill(self.dice.choice(["front", "worker", "worker", "client", "client"]))
                next_kill = time.monotonic() + self.dice.uniform(*KILL_EVERY_S)
            if time.monotonic() - began > LIMIT_S:
                self.failed.append(f"not at the end after {LIMIT_S:g} s")
        for process in self.clients.values():
            process.kill()
            process.wait()
        return time.monotonic() - began

    def kill(self, what: str) -> None:
        if what == "front":
            self.daemon.kill()
            self.daemon.start()
        elif what == "worker":
            with contextlib.suppress(LinkError, ProcessLookupError):  # something else has just been killed
                pid = self.daemon.worker_pid()
                if not pid:
                    return
                os.kill(pid, signal.SIGKILL)
        else:
            number = self.dice.choice(list(self.clients))
            process = self.clients.pop(number)
            process.kill()
            process.wait()
            self.start_client(number)
        self.kills[what] += 1


def run(home: Path, jobs: int, seed: int) -> Report:
    """Let them paint, and report what became of it."""
    report = Report(f"jobs of {CLIENTS} clients with kills ({jobs:,}, seed {seed})")
    play = Run(home, jobs, seed)
    seconds = play.play()
    report.say(f"{seconds:.0f} s; killed: " + ", ".join(f"{what} {count}" for what, count in play.kills.items()))
    for why in play.failed:
        report.say(why, holds=False)
    journals = [Journal(play.journals / str(number)) for number in range(CLIENTS)]
    promised = {job for journal in journals for job in journal.acknowledged}
    ended = {job: state for journal in journals for job, state in journal.ended.items()}
    lines = [line.split() for n in range(CLIENTS) for line in (play.journals / str(n)).read_text().splitlines()]
    twice = [words[1] for words in lines if words[:1] == ["end"]]
    report.say(
        f"{len(promised):,} acknowledged, {len(promised & ended.keys()):,} ended", holds=promised <= ended.keys()
    )
    report.say(f"{len(twice) - len(set(twice))} ended twice", holds=len(twice) == len(set(twice)))
    again = sum(words[:1] == ["again"] for words in lines)
    report.say(f"{again} submitted once more, with the same id, after a kill")
    others = [words for words in lines if words[:1] == ["end"] and words[2] != "done"]
    report.say(f"{len(others)} ended otherwise than done {others[:3] or ''}", holds=not others)
    wrong = sum(words[:1] == ["wrong"] for words in lines)
    report.say(f"{wrong} wrong pictures", holds=not wrong)
    _settled(play, report, promised, ended)
    return report


def _settled(play: Run, report: Report, promised: set[str], ended: dict[str, str]) -> None:
    """What the daemon says afterwards, and what it leaves behind."""
    daemon = play.daemon
    with daemon.client() as client:
        known = {job.job: job.state for job in client.jobs()}
        until(lambda: not client.status()["queue"]["jobs"], "the queue is empty")
    changed = [job for job in promised & known.keys() if known[job] != ended.get(job)]
    forgotten = len(promised - known.keys())  # of jobs that have ended, and were fetched, so many are remembered
    report.say(f"{forgotten} forgotten by the daemon", holds=not forgotten or len(known) >= Policy().keep_jobs)
    report.say(f"{len(changed)} in another state than their client saw", holds=not changed)
    log = "".join(path.read_text(errors="replace") for path in (daemon.home / "logs").iterdir())
    report.say(f"{log.count('Traceback')} tracebacks in the log", holds="Traceback" not in log)
    daemon.stop()
    orphans = until_gone(daemon.home)
    report.say(f"{len(orphans)} orphaned processes {orphans or ''}", holds=not orphans)
    stray = strays(daemon.home, set(known) | {job for n in range(CLIENTS) for job in _tried(play, n)})
    report.say(f"{len(stray)} stray files {stray[:5] or ''}", holds=not stray)


def _tried(play: Run, number: int) -> set[str]:
    return set(Journal(play.journals / str(number)).tried)


def until_gone(home: Path, patience_s: float = 10.0) -> list[str]:
    """Processes of this home that are still there after a while."""
    deadline = time.monotonic() + patience_s
    while True:
        left = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):  # it has ended, or is somebody else's
                if process.environ().get("VAPORBRUSH_HOME") == str(home):
                    left.append(" ".join(process.cmdline()))
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def strays(home: Path, jobs: set[str]) -> list[str]:
    """Files of the spool that belong to no job."""
    spool = home / "spool"
    found = [str(path) for path in spool.iterdir() if path.name not in FOLDERS]
    for name in ("parts", "work", "quarantine"):
        if (spool / name).is_dir():
            found += [str(path) for path in (spool / name).iterdir()]
    used: set[str] = set()
    for record in (spool / "jobs").iterdir():
        if record.stem not in jobs:
            found.append(str(record))
        used |= set(_blobs(json.loads(record.read_text())))
    # What is in the history is whole. A painting that it had not yet written down goes at the next start.
    for record in (spool / "history" / "records").iterdir():
        entry = Entry.from_record(json.loads(record.read_text()))
        found += [f"{record}: {blob}" for blob in entry.blobs if not (spool / "history" / "files" / blob).is_file()]
    # An upload whose job was never submitted, because its client was killed, waits for its time to run out.
    return found


def _blobs(value: object) -> list[str]:
    if isinstance(value, dict):
        return [blob for item in value.values() for blob in _blobs(item)]
    if isinstance(value, list):
        return [blob for item in value for blob in _blobs(item)]
    return [value] if isinstance(value, str) and len(value) == 64 else []
