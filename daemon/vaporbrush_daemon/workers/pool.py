"""The worker processes: started, spoken to, listened to, ended. Everything they say arrives on one inproc socket.

Each worker has three pipes: commands on its stdin, whose end of file is its death pipe; events on its stdout (`pipe`);
and its stderr goes line by line into the log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import zmq

from vaporbrush_daemon import logs, machine
from vaporbrush_daemon.config import Config
from vaporbrush_protocol.errors import RequestError

from . import bridge, pipe
from .bridge import ADDRESS, AWAY, DEVICES, EVENT, EXIT, GONE, ITSELF, MOVED, NONSENSE, TROUBLE
from .messages import EXIT_AWAY, Command, DeviceFacts, End, Event

JOIN_S = 5.0  # after its process has died, a reader thread has nothing left to wait for
REAP_S = 1.0  # from the end of its stdout to its own
BURST = 64  # events taken before clients and time get their turn
REMOTE = (sys.executable, "-P", "-m", "vaporbrush_daemon.workers.remote")  # the worker for another machine


@dataclass(frozen=True, slots=True)
class Said:
    """A worker said this."""

    slot: int
    event: Event


@dataclass(frozen=True, slots=True)
class Nonsense:
    """A worker said something that breaks the rules, as the sentence tells. It has to be ended."""

    slot: int
    sentence: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker's process is gone. `reason` is a clause such as "it was ended by SIGKILL"; with `away`, it is the
    sentence why another machine cannot be reached.
    """

    slot: int
    reason: str
    away: bool = False


@dataclass(frozen=True, slots=True)
class StudioTold:
    """There are these devices in the studio now; `gone`: because the bridge to it has ended."""

    devices: tuple[DeviceFacts, ...]
    gone: bool = False
    slot: int = ITSELF


@dataclass(frozen=True, slots=True)
class StudioMoved:
    """So many bytes of pictures have travelled to a node or from it."""

    node: str
    size: int
    slot: int = ITSELF


@dataclass(frozen=True, slots=True)
class StudioTrouble:
    """Something went wrong with a node, or with the studio: no `node`."""

    node: str
    sentence: str
    slot: int = ITSELF


News = Said | Nonsense | Exited | StudioTold | StudioMoved | StudioTrouble


@dataclass(slots=True)
class Process:
    """One running worker program."""

    popen: subprocess.Popen[bytes] | None = None  # None: it could not be started
    listener: threading.Thread | None = None
    last_line: str = ""


class Pool:
    """All worker processes, by the scheduler's slot."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], config: Config) -> None:
        self._context, self._config = context, config
        self._processes: dict[int, Process] = {}
        self.bridge = bridge.Bridge(context)
        self.socket = context.socket(zmq.PULL)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(ADDRESS)

    def start(self, slot: int, device: str, place: str = "here") -> None:
        """Start a worker for a device here, for a "remote" machine, or for a device of the "studio"; `Ready` or an exit
        follows.
        """
        if place != "studio":
            program = REMOTE if place == "remote" else self._config.worker_command
            self._spawn(slot, [*program, "--device", device], device)
        elif self.bridge.runs:
            self.bridge.order(bridge.Start(slot, device))
        else:
            self._report(slot, "The studio is closed.", AWAY)

    def open_studio(self) -> None:
        """Start the bridge to the studio's nodes; `StudioTold` follows. Raises `OSError`."""
        config = self._config
        files = (config.studio_scheduler, config.studio_ca, config.studio_certificate, config.studio_key)
        self.bridge.open(config.home, files if config.studio_scheduler else (), self._environment())

    def download(self, slot: int, job: str, model: str) -> None:
        """Start the download of a model."""
        self._spawn(slot, [*self._config.fetch_command, job, model], f"fetch {model}")

    def send(self, slot: int, command: Command) -> None:
        """Tell a worker something. One that does not read its pipe is ended: it must not hold the loop up."""
        if slot in self.bridge.slots:
            self.bridge.order(bridge.Tell(slot, command))
            return
        process = self._processes.get(slot)
        if process is None or process.popen is None or process.popen.stdin is None:
            return
        packed = pipe.pack(command)
        try:
            complete = os.write(process.popen.stdin.fileno(), packed) == len(packed)
        except BlockingIOError:
            complete = False
        except (BrokenPipeError, ValueError):
            return  # it is dead or told to end; its exit is on the way
        if isinstance(command, End):
            process.popen.stdin.close()
        elif not complete:
            self.kill(slot)

    def kill(self, slot: int) -> None:
        """End a worker that does not listen."""
        if slot in self.bridge.slots:
            self.bridge.order(bridge.Kill(slot))
        process = self._processes.get(slot)
        if process is not None and process.popen is not None:
            process.popen.kill()

    def receive(self) -> Iterator[News]:
        """What has arrived; of each process, `Exited` comes once, as the last."""
        for _ in range(BURST):
            if not self.socket.poll(0):
                return
            head, kind, body = self.socket.recv_multipart()
            slot = int.from_bytes(head, "big")
            if kind == DEVICES:
                yield StudioTold(bridge.unpack_devices(body))
            elif kind == MOVED:
                yield StudioMoved(*bridge.unpack_moved(body))
            elif kind == TROUBLE:
                yield StudioTrouble(*bridge.unpack_trouble(body))
            elif kind == GONE:
                lost = self.bridge.gone()
                yield StudioTold(())  # first: what only starts there is no reason to give up what waits
                for ended in lost:
                    yield Exited(ended, "The bridge to the studio has ended.", away=True)
                yield StudioTold((), gone=True)
            elif kind in (EXIT, AWAY):
                self.bridge.slots.discard(slot)
                process = self._processes.pop(slot, None)  # None: it was on a node
                listener = process.listener if process is not None else None
                if listener is not None:
                    listener.join(JOIN_S)  # it has said its last word, and only closes its socket
                yield Exited(slot, body.decode(), away=kind == AWAY)
            elif kind == NONSENSE:
                yield Nonsense(slot, body.decode())
            else:
                try:
                    yield Said(slot, pipe.unpack_event(body))
                except RequestError as error:
                    yield Nonsense(slot, error.message)

    def facts(self, slot: int) -> tuple[int, int]:
        """A worker's process id and resident bytes; zeros if there is none."""
        process = self._processes.get(slot)
        popen = process.popen if process else None
        return (popen.pid, machine.resident_bytes(popen.pid)) if popen else (0, 0)

    def close(self) -> bool:
        """End all workers and forget them. Returns whether all have ended."""
        for slot in self._processes:
            self.kill(slot)
        self.bridge.end()
        while self._processes or self.bridge.runs:
            for _ in self.receive():
                pass
            if (self._processes or self.bridge.runs) and not self.socket.poll(int(JOIN_S * 1000)):
                logs.event("workers_left", slots=sorted(self._processes))
                break
        self.socket.close()
        return not self._processes and not self.bridge.runs

    def _spawn(self, slot: int, command: list[str], name: str) -> None:
        try:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=self._config.home,
                env=self._environment(),
                start_new_session=True,  # Ctrl-C in a terminal is for the daemon, which then ends its workers
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            self._report(slot, f"{command[0]} cannot be run: {error.strerror or error}")
            return
        assert popen.stdin is not None
        assert popen.stderr is not None
        if sys.platform != "win32":
            os.set_blocking(popen.stdin.fileno(), False)
        process = self._processes[slot] = Process(popen)
        logs.event("worker_started", slot=slot, name=name, pid=popen.pid)
        stderr = threading.Thread(
            target=_log_lines, args=(popen.stderr, process, name), name=f"log {slot}", daemon=True
        )
        process.listener = threading.Thread(
            target=self._listen, args=(slot, process, stderr), name=f"events {slot}", daemon=True
        )
        stderr.start()
        process.listener.start()

    def _environment(self) -> dict[str, str]:
        environment = {**os.environ, "VAPORBRUSH_HOME": str(self._config.home), "PYTHONUNBUFFERED": "1"}
        if self._config.weights:
            environment["VAPORBRUSH_WEIGHTS"] = self._config.weights
        # Painted sizes differ from scale to scale; torch's growing segments keep that from fragmenting the memory.
        environment.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
        # see engine/__init__.py; here too, for whatever loads torch before it
        environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        return environment

    def _report(self, slot: int, reason: str, kind: bytes = EXIT) -> None:
        """Tell the loop that there is no process, by the way on which it learns of every end."""
        self._processes[slot] = Process()
        with self._context.socket(zmq.PUSH) as push:
            push.connect(ADDRESS)
            push.send_multipart([slot.to_bytes(8, "big"), kind, reason.encode()])

    def _listen(self, slot: int, process: Process, stderr: threading.Thread) -> None:
        """Thread: pass on what the worker says, and in the end that it is gone."""
        popen = process.popen
        assert popen is not None
        assert popen.stdin is not None
        assert popen.stdout is not None
        head = slot.to_bytes(8, "big")
        with self._context.socket(zmq.PUSH) as push:
            push.setsockopt(zmq.LINGER, 1000)
            push.connect(ADDRESS)
            try:
                for body in pipe.bodies(popen.stdout):
                    push.send_multipart([head, EVENT, body])
            except RequestError as error:
                push.send_multipart([head, NONSENSE, error.message.encode()])
            # Its stdout is closed: it has died, or has lost its mind.
            if popen.poll() is None:
                try:
                    popen.wait(REAP_S)
                except subprocess.TimeoutExpired:
                    popen.kill()
            reason = _reason(popen.wait())
            stderr.join(JOIN_S)  # no longer: a program that the worker started may hold it open
            last = f": {process.last_line[:300]}" if process.last_line and popen.returncode > 0 else ""
            logs.event("worker_gone", slot=slot, pid=popen.pid, reason=reason)
            popen.stdin.close()
            popen.stdout.close()
            if popen.returncode == EXIT_AWAY and process.last_line:
                push.send_multipart([head, AWAY, process.last_line[:1000].encode()])
            else:
                push.send_multipart([head, EXIT, (reason + last).encode()])


def _log_lines(stream: IO[bytes], process: Process, name: str) -> None:
    """Thread: what the worker writes to stderr belongs into the log."""
    with stream:
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip()
            if line:
                process.last_line = line
                logs.event("worker_says", worker=name, text=line)


def _reason(code: int) -> str:
    if code >= 0:
        return f"it ended with status {code}"
    try:
        return f"it was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"it was ended by signal {-code}"
