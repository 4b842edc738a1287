"""A Dask cluster that was there before us: a scheduler and workers as Dask's own commands start them, in mutual TLS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from support.daemon import DEADLINE_S, Daemon, environment, until
from support.nodes import free_port
from support.program import PROGRAM

# Dask's scheduler belongs to others: it need not have Vaporbrush
WITHOUT_US = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0].startswith("vaporbrush"):
            raise ModuleNotFoundError("this machine has no " + name)
sys.meta_path.insert(0, Missing())
"""


class Authority:
    """Of a cluster; `home` is its folder."""

    def __init__(self, home: Path) -> None:
        from vaporbrush_daemon.studio import authority

        self.home = home
        authority.found(home, datetime.now(UTC))

    def settings(self, name: str, age: timedelta = timedelta()) -> dict[str, str]:
        """A certificate for somebody, as Vaporbrush's settings; `age` ago."""
        from vaporbrush_daemon.studio import authority

        own = self.home / name
        text, _ = authority.admit(self.home, name, authority.request(own, name), datetime.now(UTC) - age)
        (own / "certificate.pem").write_text(text)
        return {
            "studio_ca": str(self.home / "studio" / "ca.pem"),
            "studio_certificate": str(own / "certificate.pem"),
            "studio_key": str(own / "node" / "key.pem"),
        }


def _tls(settings: dict[str, str]) -> list[str]:
    names = {"studio_ca": "--tls-ca-file", "studio_certificate": "--tls-cert", "studio_key": "--tls-key"}
    return [word for name, option in names.items() for word in (option, settings[name])]


class DaskCluster:
    """Its scheduler and whatever was started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.authority, self.port = folder, Authority(folder / "authority"), free_port()
        self.url = f"tls://127.0.0.1:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "without").mkdir()
        (folder / "without" / "sitecustomize.py").write_text(WITHOUT_US)

    def settings(self, name: str) -> dict[str, str]:
        """For the configuration of somebody in this cluster."""
        return {"studio_scheduler": self.url, **self.authority.settings(name)}

    def run(self, name: str, *command: str, env: dict[str, str]) -> None:
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, start_new_session=True
            )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def start_scheduler(self) -> None:
        plain = {**os.environ, "PYTHONPATH": str(self.folder / "without")}
        self.run(
            "scheduler", sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
            "--protocol", "tls", "--port", str(self.port), "--dashboard-address", "127.0.0.1:0", "--no-show",
            "--scheduler-file", str(self.folder / "scheduler.json"), *_tls(self.authority.settings("scheduler")),
            env=plain,
        )  # fmt: skip
        until(lambda: "Scheduler at" in self.said("scheduler"), "the scheduler is there", DEADLINE_S)

    def start_node(self, name: str, *worker: str) -> Path:
        """`vaporbrush studio join`, with nothing but settings. Returns its home."""
        home = self.folder / name
        fake = [sys.executable, str(Path(__file__).with_name("fake_worker.py")), *worker]
        Daemon(home).configure(worker_command=fake, devices=[], **self.settings(name))
        self.run(name, *PROGRAM, "studio", "join", "--name", name, env=environment(home))
        return home

    def start_worker(self, name: str, *worker: str, ours: bool = True) -> None:
        """`dask worker`, with our preload or, as somebody else's, without."""
        home = self.folder / name
        fake = [sys.executable, str(Path(__file__).with_name("fake_worker.py")), *worker]
        Daemon(home).configure(worker_command=fake, devices=[])
        preload = ("--preload", "vaporbrush_daemon.studio.preload") if ours else ()
        self.run(
            name, sys.executable, "-m", "distributed.cli.dask_worker", self.url, "--name", name, "--no-nanny",
            "--nthreads", "1", "--host", "127.0.0.1", "--protocol", "tls", "--dashboard-address", "127.0.0.1:0",
            "--local-directory", str(self.folder), *preload, *_tls(self.authority.settings(name)),
            env=environment(home),
        )  # fmt: skip

    def said(self, name: str) -> str:
        return self.log(name).read_text() if self.log(name).exists() else ""

    def told(self) -> str:
        return "\n".join(f"{name}: {self.said(name)}" for name in self.processes)

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                try:
                    process.wait(DEADLINE_S)
                except subprocess.TimeoutExpired:  # it does not end when asked
                    process.kill()
                    process.wait()


@contextmanager
def dask_cluster(folder: Path) -> Iterator[DaskCluster]:
    """With a scheduler that runs."""
    made = DaskCluster(folder)
    try:
        made.start_scheduler()
        yield made
    finally:
        made.stop()
