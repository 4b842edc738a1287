"""A studio on one machine: a daemon that is its head, and nodes that are processes with homes of their own."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from conftest import skip
from support.daemon import DEADLINE_S, Daemon, environment, until
from support.program import PROGRAM, children, vaporbrush

JOINED_S = 30.0  # three processes that import Dask; a quiet machine needs 5


def check_extra() -> None:
    """Leave a test out where a studio cannot be."""
    if importlib.util.find_spec("distributed") is None or importlib.util.find_spec("cryptography") is None:
        skip("the extra is not installed: pip install 'vaporbrush[studio]'")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """One machine."""

    def __init__(self, name: str, home: Path, *worker: str) -> None:
        """`worker` are options of the fake worker, such as `--gpus 24`."""
        self.name, self.home = name, home
        daemon = Daemon(home)
        if worker:
            command = [sys.executable, str(Path(__file__).with_name("fake_worker.py")), *worker]
            daemon.configure(worker_command=command, devices=[])
        self.process: subprocess.Popen[str] | None = None
        self.log = home / "node.log"

    def environment(self) -> dict[str, str]:
        return environment(self.home)

    def let_in(self, head: Daemon, folder: Path) -> Node:
        """By two files, as a person would carry them."""
        request = folder / f"{self.name}.request"
        asked = vaporbrush("studio", "join", "--ask", request, env=self.environment())
        assert asked.returncode == 0, asked.stderr
        added = vaporbrush("studio", "add", self.name, request, env=environment(head.home), cwd=folder)
        assert added.returncode == 0, added.stderr
        kept = vaporbrush("studio", "join", "--keep", folder / f"{self.name}.invitation", env=self.environment())
        assert kept.returncode == 0, kept.stderr
        return self

    def start(self) -> Node:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, "studio", "join"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
                env=self.environment(),
                start_new_session=True,
            )
        return self

    @property
    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def workers(self) -> list[int]:
        """The programs that paint on it."""
        assert self.process is not None
        return [child.pid for child in psutil.Process(self.process.pid).children(recursive=True)]

    def kill(self) -> None:
        """As a power cut: without a word."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(DEADLINE_S)
            finally:
                if self.process.poll() is None:
                    self.process.kill()
                    self.process.wait()


class StudioOfNodes:
    """The head and its nodes, by name."""

    def __init__(self, head: Daemon, nodes: dict[str, Node], port: int) -> None:
        self.head, self.nodes, self.port = head, nodes, port

    def devices(self) -> list[str]:
        """Those of nodes, as `status` tells."""
        with self.head.client() as client:
            return sorted(one["device"] for one in client.status()["devices"] if "/" in one["device"])

    def wait_for(self, *devices: str) -> None:
        until(lambda: self.devices() == sorted(devices), f"the studio has {devices}: {self.told()}", JOINED_S)

    def told(self) -> str:
        return "\n".join([self.head.log(), *(f"{one.name}: {one.said}" for one in self.nodes.values())])

    def working_on(self, job: str) -> str:
        """The device on which a job is painted now; empty where on none."""
        with self.head.client() as client:
            return next((one["device"] for one in client.status()["workers"] if one["job"] == job), "")

    def bridge(self) -> int:
        """The process id of the bridge."""
        return next((child.pid for child in children(self.head.pid, "vaporbrush_daemon.studio.head")), 0)


def opened(home: Path, port: int, address: str = "127.0.0.1") -> None:
    done = vaporbrush("studio", "open", "--listen", address, "--port", str(port), env=environment(home))
    assert done.returncode == 0, done.stderr


@contextmanager
def studio(
    folder: Path, home: Path, machines: dict[str, tuple[str, ...]], address: str = "127.0.0.1", **settings: object
) -> Iterator[StudioOfNodes]:
    """`machines` are the nodes' names, each with its worker's options. All of them are in when this yields."""
    port = free_port()
    head = Daemon(home, **settings)
    opened(home, port, address)
    nodes = {name: Node(name, folder / name, *worker).let_in(head, folder) for name, worker in machines.items()}
    head.start()
    made = StudioOfNodes(head, nodes, port)
    try:
        for node in nodes.values():
            node.start()
        try:
            until(lambda: {one.split("/")[0] for one in made.devices()} == set(nodes), "all nodes are in", JOINED_S)
        except AssertionError as error:
            raise AssertionError(made.told()) from error
        yield made
    finally:
        for node in nodes.values():
            node.stop()
        head.stop()


def listening(pid: int) -> list[tuple[str, int]]:
    """Where a process can be connected to."""
    found = psutil.Process(pid).net_connections("all")
    return [tuple(one.laddr) for one in found if one.status == psutil.CONN_LISTEN]


def keys_are_closed(folder: Path) -> bool:
    """Whether nobody else may read a studio's keys."""
    return all(one.stat().st_mode & 0o077 == 0 for one in folder.iterdir() if one.is_file())


__all__ = ["Node", "StudioOfNodes", "check_extra", "free_port", "keys_are_closed", "listening", "opened", "studio"]
