"""What uv does for us: finds or fetches a Python, makes an environment, installs what was fetched, hash by hash.

uv sees no network for packages (`--offline --no-index`): it reads the files that `download` put into a folder, and
checks each against its hash once more.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaporbrush_host.ui_text import _
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.launcher import clean_environment, last_line_of

from .barriers import check_end, is_macos, is_stores, refused
from .download import CERTIFICATES, Stopped, check, digest_of
from .kit import File

Spawn = Callable[..., "subprocess.Popen[bytes]"]

WINDOWS = sys.platform == "win32"
LOOK_S = 0.1
# What doctor has to find before an environment may take another's place.
NEEDED = ("Python", "Vaporbrush", "libzmq", "msgpack", "PyTorch", "Model vgg19-lite")


@dataclass(frozen=True)
class Uv:
    """A uv that matched its hash. `root` holds all that it makes; `log` gets all that it says."""

    program: Path
    root: Path
    log: Path
    proxy: str = ""
    python_mirror: str = ""
    system: str = ""  # as the kit calls it
    spawn: Spawn = subprocess.Popen

    def python(self, wanted: Sequence[str], stopped: Stopped, *, offline: bool = False) -> tuple[Path, str]:
        """A Python of the system, or else one that uv fetches (it knows their hashes), and which one, as "3.13"."""
        for version in wanted:
            found = self._system_python(version, stopped)
            if found is not None:
                return found, version
        own = [str(self.root / "python")]
        for version in wanted:  # of an earlier attempt
            if self._finds(version, "--managed-python", stopped):
                return self._found(version, "--managed-python", stopped), version
        version = wanted[0]
        # Neither on the search path nor in Windows' registry: it is ours alone, and goes with the painter.
        arguments = ("python", "install", "--no-bin", "--no-registry", "--install-dir", *own, version)
        if offline and not self.python_mirror:
            raise VaporbrushError(
                "download_failed",
                _(
                    "This computer has no Python {versions}, and the file brings none: install one, or go online."
                ).format(versions=_(" or ").join(wanted)),
            )
        if self._run(arguments, stopped) != 0:
            raise self._failed(_("Python {version} could not be fetched").format(version=version))
        return self._found(version, "--managed-python", stopped), version

    def make(self, environment: Path, python: Path, requirements: Path, wheels: Path, stopped: Stopped) -> Path:
        """An environment with exactly what `requirements` names. Returns its Python."""
        if self._run(("venv", "--python", str(python), str(environment)), stopped) != 0:
            raise self._failed(_("The environment could not be made"))
        own = python_of(environment)
        arguments = ["pip", "install", "--python", str(own), "--offline", "--no-index", "--find-links", str(wheels)]
        arguments += ("--no-deps", "--no-build", "--require-hashes", "--requirements", str(requirements))
        if self._run(arguments, stopped) != 0:
            raise self._failed(_("The packages could not be unpacked"))
        return own

    def _system_python(self, version: str, stopped: Stopped) -> Path | None:
        if not self._finds(version, "--no-managed-python", stopped):
            return None
        path = self._found(version, "--no-managed-python", stopped)
        return path if is_private(path) and not is_stores(path) else None

    def _finds(self, version: str, preference: str, stopped: Stopped) -> bool:
        status = self._run(self._find(version, preference), stopped, quiet=True)
        if status < 0:  # a signal: that is no answer
            raise self._ended(status)
        return status == 0

    def _found(self, version: str, preference: str, stopped: Stopped) -> Path:
        done = subprocess.run(  # noqa: S603 (a program that matched its hash)
            self._command(self._find(version, preference)),
            env=self._environment(),
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        check(stopped)
        path = os.fsdecode(done.stdout).strip()
        check_end(done.returncode, str(self.program), self.system)
        if done.returncode or not path:
            raise self._ended(done.returncode)
        return Path(path)

    def _find(self, version: str, preference: str) -> tuple[str, ...]:
        return ("python", "find", "--system", "--no-python-downloads", preference, version)

    def _run(self, arguments: Sequence[str], stopped: Stopped, *, quiet: bool = False) -> int:
        command = self._command(arguments)
        return run(command, self._environment(), self.log, stopped, quiet=quiet, spawn=self.spawn, system=self.system)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [str(self.program), *arguments, "--no-config", "--color", "never", "--no-progress"]

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in clean_environment(os.environ).items() if not name.startswith("UV_")}
        own |= {
            "UV_CACHE_DIR": str(self.root / "cache"),
            "UV_PYTHON_INSTALL_DIR": str(self.root / "python"),
            "UV_NO_PROGRESS": "1",
        }
        if WINDOWS or sys.platform == "darwin" or any(Path(one).is_file() for one in CERTIFICATES):
            own["UV_SYSTEM_CERTS"] = "1"  # as a company's proxy needs; else those that uv brings
        if self.proxy:
            own |= {"HTTP_PROXY": self.proxy, "HTTPS_PROXY": self.proxy, "http_proxy": self.proxy}
        if self.python_mirror:
            own["UV_PYTHON_INSTALL_MIRROR"] = self.python_mirror
        return own

    def _ended(self, status: int) -> VaporbrushError:
        return VaporbrushError(
            "internal",
            _("uv ended while it looked for Python (status {status}). Try again.").format(status=status),
        )

    def _failed(self, what: str) -> VaporbrushError:
        last = last_line(self.log)
        if "No space left" in last or "os error 28" in last or "os error 112" in last:
            return VaporbrushError(
                "disk_full", _("{what}: the disk of {root} is full.").format(what=what, root=self.root)
            )
        if is_macos(self.system) and "SIGKILL" in last:  # of the Python that it started
            return refused(str(self.root / "python"))
        return VaporbrushError("internal", _("{what}: {last} Log: {log}").format(what=what, last=last, log=self.log))


def unpack(wheel: Path, file: File, folder: Path) -> Path:
    """uv's program out of its wheel, which is looked at once more: what is run has matched its hash."""
    if digest_of(wheel) != file.sha256:
        wheel.unlink()
        raise VaporbrushError("conflict", _("{name} changed after it was fetched; try again.").format(name=file.name))
    name = "uv.exe" if WINDOWS else "uv"
    target = folder / f"{file.version}-{file.sha256[:12]}" / name
    with zipfile.ZipFile(wheel) as archive:
        (member,) = (one for one in archive.namelist() if one.endswith(f".data/scripts/{name}"))
        data = archive.read(member)
    if not target.is_file() or target.read_bytes() != data:
        make_private(target.parent)
        partial = target.with_name(f"{name}.part")
        partial.write_bytes(data)
        partial.chmod(0o700)
        partial.replace(target)
    return target


def requirements(files: Sequence[File]) -> str:
    """What pip and uv read, with hashes."""
    return "".join(f"{one.project}=={one.version} --hash=sha256:{one.sha256}\n" for one in files)


def examine(
    python: Path,
    home: Path,
    log: Path,
    stopped: Stopped,
    backend: str,
    *,
    system: str = "",
    spawn: Spawn = subprocess.Popen,
) -> None:
    """Have doctor look at an environment. Raises `VaporbrushError` where something that painting needs is missing."""
    answer = log.with_name("doctor.json")
    environment = {**clean_environment(os.environ), "VAPORBRUSH_HOME": str(home)}
    command = [str(python), "-P", "-m", "vaporbrush_daemon", "doctor", "--json"]
    run(command, environment, answer, stopped, anew=True, spawn=spawn, system=system)
    try:
        findings = doctor_findings(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        raise VaporbrushError(
            "internal",
            _("The new painter does not start: {last} Log: {log}").format(last=last_line(answer), log=answer),
        ) from None
    for name, wanted in findings.items():
        if wanted["state"] == "failed" and (name in NEEDED or name.startswith("Device ")):
            raise VaporbrushError("internal", _("{name}: {text}").format(name=name, text=wanted["text"]))
    missing = [name for name in NEEDED if name not in findings]
    if missing:
        raise VaporbrushError("internal", _("Doctor said nothing of {names}.").format(names=", ".join(missing)))
    devices = [name for name in findings if name.startswith("Device ")]
    if backend not in ("cpu", "mps") and all("cpu" in name for name in devices):
        raise VaporbrushError("device_missing", _("The new build does not find the GPU."))


def doctor_findings(text: str) -> dict[str, dict[str, Any]]:
    """What `doctor --json` printed, by name. Raises `ValueError`."""
    told, _end = json.JSONDecoder().raw_decode(text, max(0, text.find('{"ok"')))  # warnings may stand around it
    return {str(one["name"]): one for one in told["checks"]}


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    stopped: Stopped,
    *,
    quiet: bool = False,
    anew: bool = False,
    spawn: Spawn = subprocess.Popen,
    system: str = "",
) -> int:
    """Run a program to its end, or end it with its children when `stopped` says so. Returns its exit status. Raises
    `VaporbrushError` where it cannot be run.
    """
    make_private(log.parent)
    options: dict[str, Any] = {"start_new_session": True}
    if WINDOWS:  # pragma: no cover
        options = {"creationflags": 0x08000000}  # CREATE_NO_WINDOW
    with Path(os.devnull).open("wb") if quiet else log.open("wb" if anew else "ab") as output:
        try:
            process = spawn(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(environment),
                cwd=log.parent,  # the host program's own may be gone
                **options,
            )
        except OSError as error:
            raise VaporbrushError(
                "internal",
                _("{program} cannot be run: {reason}. A virus scanner, or a folder from which nothing may run?").format(
                    program=command[0], reason=error.strerror or error
                ),
            ) from None
        try:
            while process.poll() is None:
                check(stopped)
                time.sleep(LOOK_S)
        except BaseException:
            _end(process)
            raise
    check_end(process.returncode, str(command[0]), system)
    return process.returncode


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with everything that it started, and wait until it is gone."""
    if WINDOWS:  # pragma: no cover
        process.kill()
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
    process.wait()


def python_of(environment: Path) -> Path:
    """The Python of an environment."""
    return environment / ("Scripts/python.exe" if WINDOWS else "bin/python")


def make_private(folder: Path) -> None:
    """A folder that nobody else can look into, whatever the umask."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not WINDOWS and stat.S_IMODE(folder.stat().st_mode) & 0o077 and folder.stat().st_uid == os.getuid():
        folder.chmod(0o700)


def is_private(program: Path) -> bool:
    """Whether nobody but root and this user can change a program: what others may write is not run."""
    if WINDOWS:  # pragma: no cover
        return program.is_file()
    try:
        real = program.resolve(strict=True)
        facts = [real.stat(), real.parent.stat(), program.parent.stat()]
    except OSError:  # it is gone, or closed to us
        return False
    trusted = {0, os.getuid()}
    return all(one.st_uid in trusted and not one.st_mode & 0o002 for one in facts)


def last_line(log: Path) -> str:
    """The last line that says something."""
    try:
        return last_line_of(log)[:400] or _("it said nothing.")
    except OSError as error:
        return str(error)


def free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder that may not be there yet."""
    return shutil.disk_usage(_there(folder)).free


def on_one_disk(first: Path, second: Path) -> bool:
    """Whether two folders, which may not be there yet, share their room."""
    return _there(first).stat().st_dev == _there(second).stat().st_dev


def _there(folder: Path) -> Path:
    return next(one for one in (folder, *folder.parents) if one.exists())
