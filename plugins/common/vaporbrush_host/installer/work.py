"""The install itself: a thread that goes through the steps of `plan.STEPS` and tells both hosts how far it is.

Whatever ends it (a cancel, an error, the host's death), either the painter that was there works as before, or doing the
steps again finishes: the environment is made under a name of its own, tried, and only then named in `painter.json`.
"""

from __future__ import annotations

import errno
import secrets
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vaporbrush_host.ui_text import _, byte_count
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.errors import LinkError, VaporbrushError
from vaporbrush_protocol.installation import Installation, installed

from . import places
from .barriers import check_length, take_off_quarantine
from .download import Bundle, Source, Web, check, digest_of, wrong_hash
from .environment import Spawn, Uv, examine, free_bytes, make_private, on_one_disk, requirements, unpack
from .index import Index
from .kit import File, Kit, Lock
from .places import Want
from .plan import STEPS, Step, offer, total_words

Stage = Literal["running", "waiting", "done", "cancelled", "failed"]

TELL_S = 0.1  # between two reports of bytes
NOTE_S = 1.0  # between two notes of bytes in the journal, from which another program reads
WAIT_S = 0.5  # how often a second program looks whether the first has finished
DRAIN_S = 3600.0  # for paintings that run while the painter is replaced
SCARCE_BYTES = 10**6  # free on a disk on which nothing can be installed, nor much be written down
ENDS_S = 60.0  # for a daemon to end that has nothing to do


@dataclass(frozen=True)
class Report:
    """How far an install is. `fraction` is None while nobody knows."""

    stage: Stage = "running"
    step: Step = "space"
    line: str = ""
    fraction: float | None = None
    error: VaporbrushError | None = None
    trace: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.stage in ("done", "cancelled", "failed")


class Install(threading.Thread):
    """One install, update, repair or change of backend. Posts `Report` from its own thread."""

    def __init__(
        self,
        kit: Kit,
        want: Want,
        system: str,
        home: Path,
        post: Callable[[Report], None],
        *,
        by: str = "",
        source: Source | None = None,
        python_mirror: str = "",
        free: Callable[[Path], int] = free_bytes,
        spawn: Spawn = subprocess.Popen,
    ) -> None:
        super().__init__(name="vaporbrush-install", daemon=True)
        self._kit, self._want, self._system, self._home, self._post = kit, want, system, home, post
        self._by, self._free, self._spawn = by, free, spawn
        self._python_mirror = python_mirror
        self._bundle = bool(want.bundle)
        self._index = Index(want.index, want.proxy)
        self._source = source or (Bundle(Path(want.bundle)) if want.bundle else Web(self._index))
        self._cancel = threading.Event()
        self._told_s = self._noted_s = 0.0
        self.report = Report(line=STEPS["space"])

    def cancel(self) -> None:
        """Stop soon. What has been fetched stays, for the next time."""
        self._cancel.set()

    def run(self) -> None:
        """The thread."""
        lock = places.Lock(self._home)
        try:
            if not self._taken(lock):
                return
            try:
                self._work()
            finally:
                lock.release()
            # not before: whoever is told may remove it again at once, which the lock would forbid
            self._tell(Report("done", "tidy", _("The painter is here."), 1.0))
        except VaporbrushError as error:
            self._fail(self._explained(error))
        except OSError as error:
            self._fail(self._of_system(error), traceback.format_exc())
        except Exception as error:  # noqa: BLE001 (a thread that died silently would leave the page waiting for ever)
            self._fail(VaporbrushError("internal", f"{type(error).__name__}: {error}"), traceback.format_exc())

    # ── the steps ──

    def _work(self) -> None:
        lock = self._kit.lock(self._system, self._want.backend)
        if lock is None or self._system not in self._kit.uv:
            raise VaporbrushError(
                "device_missing", _("There is no painter for {system}, {backend}.").format(
                    system=self._system, backend=self._want.backend
                )
            )  # fmt: skip
        root = self._want.root
        begun = places.journal(self._home)
        environment = self._fresh(root)
        if begun is not None and begun.root != root:  # what was fetched there stays until the new folder can be one
            check_length(environment, root, lock.longest_name)
            self._look_for_space(begun.root)
            places.leave(self._home, begun.root)
        self._begin("space")
        check_length(environment, root, lock.longest_name)
        self._look_for_space(root)
        places.prepare(root, self._system)
        self._begin("uv")
        uv = self._uv(root)
        self._begin("python")
        python, version = uv.python(lock.pythons, self._cancel.is_set, offline=self._bundle)
        self._begin("packages")
        wheels = self._packages(lock, version, root / "downloads")
        self._begin("environment")
        make_private(places.environments(root))
        listed = environment.with_suffix(".txt")
        listed.write_text(requirements(wheels), encoding="ascii")
        own = uv.make(environment, python, listed, root / "downloads", self._cancel.is_set)
        listed.unlink()
        self._begin("check")
        examine(
            own, self._home, self._log, self._cancel.is_set, self._want.backend, system=self._system, spawn=self._spawn
        )
        check(self._cancel.is_set)
        self._begin("switch")
        Installation(
            root, environment, own, self._kit.version, self._want.backend, self._by, places.confined()
        ).write(self._home)  # fmt: skip
        self._begin("tidy")
        self._replace_daemon()
        places.tidy(self._home, root)
        places.end_journal(self._home)

    def _look_for_space(self, begun: Path) -> None:
        """Ask the disk beforehand; what an earlier attempt fetched into the folder `begun` is on it, or leaves it."""
        needed = offer(self._kit, self._system, self._want.backend, ()).disk_bytes
        here = 0
        if on_one_disk(begun, self._want.root):
            here = sum(path.stat().st_size for path in (begun / "downloads").glob("*"))
        free = self._free(self._want.root)
        if free + here < needed:
            raise VaporbrushError(
                "disk_full",
                _(
                    "The painter needs {needed} in {root}, where {free} are free. Free some, or choose another folder."
                ).format(needed=byte_count(needed), root=self._want.root, free=byte_count(free)),
            )

    def _uv(self, root: Path) -> Uv:
        pinned = self._kit.uv[self._system]
        wheel = root / "downloads" / pinned.name
        if not wheel.is_file():
            self._source.fetch(pinned, wheel, lambda done: self._bytes(done, pinned.size), self._cancel.is_set)
        program = unpack(wheel, pinned, root / "uv")
        take_off_quarantine(program, self._system)
        return Uv(program, root, self._log, self._want.proxy, self._python_mirror, self._system, self._spawn)

    def _packages(self, lock: Lock, python: str, folder: Path) -> tuple[File, ...]:
        """Fetch every wheel of the lock, and take ours from the kit. Returns all."""
        wheels = lock.wheels(python)
        total = sum(one.bytes for one in wheels)
        before = 0
        for one in wheels:
            target = folder / one.name
            if not target.is_file():
                self._source.fetch(one, target, partial(self._more, before, total), self._cancel.is_set)
            before += one.bytes or target.stat().st_size
            self._bytes(before, total)
        ours = self._kit.wheel
        Bundled(self._kit.folder).fetch(ours, folder / ours.name, lambda _done: None, self._cancel.is_set)
        return (*wheels, ours)

    def _fresh(self, root: Path) -> Path:
        """A new environment's folder: never one that a killed uv might still be writing to."""
        name = f"{self._kit.version}-{self._want.backend}-{secrets.token_hex(3)}"
        return places.environments(root) / name

    def _replace_daemon(self) -> None:
        """A daemon of the painter that was replaced ends when it has nothing to do; the next start takes the new."""
        deadline = time.monotonic() + DRAIN_S
        try:
            if not places.runs_from(self._home, self._want.root):
                return  # somebody else's, who looks after it
            with connect(home=self._home, name="vaporbrush installer") as client:
                while _busy(client.status()) and time.monotonic() < deadline:
                    self._tell(replace(self.report, line=_("Waiting for the painting that runs…"), fraction=None))
                    check(self._cancel.is_set)
                    time.sleep(WAIT_S)
                client.shutdown()
            ends = time.monotonic() + ENDS_S
            while not places.daemon_has_ended(self._home) and time.monotonic() < ends:
                time.sleep(WAIT_S)
        except LinkError:
            return  # none answers (any more)

    # ── what is told ──

    @property
    def _log(self) -> Path:
        return self._home / "logs" / "install.log"

    def _begin(self, step: Step) -> None:
        check(self._cancel.is_set)
        self._want = replace(self._want, step=step, done=0, total=0)
        places.write_journal(self._home, self._want)
        self._tell(Report("running", step, f"{STEPS[step]}…"))

    def _more(self, before: int, total: int, done: int) -> None:
        self._bytes(before + done, total)

    def _bytes(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told_s < TELL_S and done < total:
            return
        self._told_s = now
        step = self.report.step
        fraction = min(1.0, done / total) if total else None
        self._tell(Report("running", step, f"{STEPS[step]}: {total_words(done, total)}", fraction))
        if now - self._noted_s >= NOTE_S:
            self._noted_s = now
            self._want = replace(self._want, done=done, total=total)
            places.write_journal(self._home, self._want)

    def _tell(self, report: Report) -> None:
        self.report = report
        self._post(report)

    def _fail(self, error: VaporbrushError, trace: str = "") -> None:
        stage: Stage = "cancelled" if error.code == "cancelled" else "failed"
        self._tell(Report(stage, self.report.step, error.message, None, error, trace))

    def _explained(self, error: VaporbrushError) -> VaporbrushError:
        """A program that failed on a full disk could not even write why."""
        if error.code == "internal" and free_bytes(self._want.root) < SCARCE_BYTES:
            return self._full()
        return error

    def _full(self) -> VaporbrushError:
        return VaporbrushError(
            "disk_full",
            _("The disk of {root} is full. Free some space and go on, or choose another folder.").format(
                root=self._want.root
            ),
        )

    def _of_system(self, error: OSError) -> VaporbrushError:
        reason = error.strerror or str(error)
        if error.errno == errno.ENOSPC:
            return self._full()
        return VaporbrushError(
            "disk_full",
            _("{path} cannot be written: {reason}. Free some space, or choose another folder; then try again.").format(
                path=error.filename or self._want.root, reason=reason
            ),
        )

    def _taken(self, lock: places.Lock) -> bool:
        """Take the lock, or wait while another program installs. False where that one finished what we wanted."""
        waited = False
        while not lock.take():
            waited = True
            theirs = places.journal(self._home)
            line = _("Another program is installing the painter.")
            if theirs is not None and theirs.total:
                line += " " + total_words(theirs.done, theirs.total)
            fraction = theirs.done / theirs.total if theirs is not None and theirs.total else None
            self._tell(Report("waiting", "packages", line, fraction))
            if self._cancel.wait(WAIT_S):
                check(self._cancel.is_set)
        found = installed(self._home)
        same = (
            found is not None
            and found.whole
            and (found.version, found.backend) == (self._kit.version, self._want.backend)
        )
        if waited and same and places.journal(self._home) is None:
            lock.release()
            self._tell(Report("done", "tidy", _("The painter is here."), 1.0))
            return False
        return True


class Bundled:
    """Files that the kit itself brings."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetch(self, file: File, target: Path, report: Callable[[int], None], stopped: Callable[[], bool]) -> None:
        """Copy a file, if it is the one that the kit names."""
        check(stopped)
        source = self._folder / file.name
        if not source.is_file() or digest_of(source) != file.sha256:
            raise wrong_hash(file, str(self._folder))
        target.write_bytes(source.read_bytes())
        report(file.size)


def _busy(status: Mapping[str, Any]) -> bool:
    workers = status.get("workers") or ()
    return bool(status.get("queue", {}).get("jobs")) or any(one.get("state") == "busy" for one in workers)
