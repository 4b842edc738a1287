"""Everything at once: clients that do anything, workers that die at any time. Nothing hangs, nothing leaks."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path

from support import fake_worker as fake
from support.daemon import Daemon, bystander, ended, recipe, serving, until
from vaporbrush_protocol import RemoteError, VaporbrushError

SECONDS = 6.0
SEEDS = (*[fake.WELL] * 5, fake.DIES_ONCE, fake.OOM_ONCE, fake.DIVERGES, fake.ENDLESS, fake.DIES, fake.NONSENSE)
FORGIVEN = ("busy", "disk_full", "unknown_blob", "conflict")  # answers that a client without luck has to expect


def wander(daemon: Daemon, number: int, end: float, wrong: list[str]) -> None:
    """One client that uploads, submits, cancels, finishes, releases, leaves."""
    dice = random.Random(number)
    while time.monotonic() < end:
        try:
            with daemon.client() as client:
                wanted = recipe(client, dice.choice(SEEDS), tint=dice.randrange(200))
                job = client.submit(wanted, lease_s=1.0, on_lease_end="cancel")
                act = dice.choice([client.cancel, client.finish, client.release, lambda job: ended(client, job), None])
                if act is None or (wanted.seed == fake.ENDLESS and act not in (client.cancel, client.finish)):
                    continue
                time.sleep(dice.random() * 0.1)
                act(job.job)
                job = client.watch(job.job, 0, 0.0)
                if job.state == "done" and job.result is not None:
                    client.download(job.image)
        except RemoteError as error:
            wrong += [] if error.code in FORGIVEN else [repr(error)]
        except (VaporbrushError, AssertionError) as error:
            wrong.append(repr(error))


def test_chaos_ends_in_order(home: Path) -> None:
    # a worker may be stopped while it still starts, which else is waited for ten minutes
    settings = {
        "stuck_after_s": 1.0,
        "load_stuck_after_s": 5.0,
        "idle_unload_s": 0.5,
        "spool_bytes": 200_000,
        "devices": ["cpu", "cuda:0"],
    }
    with serving(home, **settings) as daemon, bystander(daemon):
        before = len(list(Path(f"/proc/{daemon.pid}/fd").iterdir()))
        wrong: list[str] = []
        end = time.monotonic() + SECONDS
        clients = [threading.Thread(target=wander, args=(daemon, number, end, wrong)) for number in range(5)]
        for client in clients:
            client.start()
        dice = random.Random(1)
        while time.monotonic() < end:
            time.sleep(0.4)
            worker = daemon.worker_pid()
            if worker and dice.random() < 0.5:
                try:
                    os.kill(worker, dice.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP]))
                except ProcessLookupError:  # it has ended by itself
                    continue
        for client in clients:
            client.join()
        assert wrong == []
        with daemon.client() as client:
            until(lambda: all(job.final for job in client.jobs()), "every job ends", 60.0)
            until(lambda: not daemon.worker_pid(), "idle workers end", 60.0)
            assert client.status()["spool"]["bytes"] <= 200_000
        assert list((home / "spool" / "work").iterdir()) == []
        assert len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) <= before + 8
        assert "Traceback" not in daemon.log()
