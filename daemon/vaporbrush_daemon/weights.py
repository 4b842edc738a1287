"""The models' weights on this machine: where they are, the one download, and imports.

torch reads and checks weights in a process of its own (`engine.convert`); nothing here imports it.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from filelock import lock_descriptor

from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import VaporbrushError
from vaporbrush_protocol.private import make_folder, open_private
from vaporbrush_protocol.version import __version__

from . import config, packaged
from .children import Children

VARIABLE = "VAPORBRUSH_WEIGHTS"  # names a file to use as `vgg19`
BLOCK_BYTES = 256 * 1024
STALL_S = 30.0  # a server that sends nothing for so long is taken for dead
SLOW_BYTES = 4096  # a second; with less for two such times it would take days, and another connection may be faster
ATTEMPTS = 6  # without a byte of progress, before giving up
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0
CONVERTED_BYTES = 64 * 1024 * 1024  # what the kept file needs at most, for the check of free disk space
CONVERT_S = 600.0  # torch's import and a file of 2 GiB, both from a slow disk
TOO_SLOW = f"it sends less than {SLOW_BYTES} bytes a second"
REPORT_S = 0.1  # progress is told at most ten times a second

Report = Callable[[int, int], None]  # bytes done, bytes in all


@dataclass(frozen=True, slots=True)
class Source:
    """A file that may be downloaded: pinned by size and hash, so that it does not matter who serves it."""

    model: str
    url: str
    size: int
    sha256: str


VGG19 = Source(
    model="vgg19",
    url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
    size=574_673_361,
    sha256="dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
)


@dataclass(frozen=True, slots=True)
class Weights:
    """One model's file, whether it is there or not. `origin` is VAPORBRUSH_WEIGHTS, "fetched" or "bundled"."""

    model: str
    path: Path
    origin: str

    @property
    def present(self) -> bool:
        """Whether the file exists."""
        return self.path.is_file()

    @property
    def size(self) -> int:
        """Bytes, 0 where the file is missing."""
        return self.path.stat().st_size if self.present else 0

    @property
    def advice(self) -> str:
        """What to do where the file is missing; empty where it is there."""
        if self.present:
            return ""
        if self.origin == VARIABLE:
            return (
                f"{VARIABLE} names {self.path}, which does not exist: `unset {VARIABLE}`, or have it name another file."
            )
        if self.origin == "bundled":
            return "This build of Vaporbrush comes without the small model."
        return (
            f"Download VGG19 with `vaporbrush weights fetch` ({VGG19.size / 1e6:.0f} MB, kept as 52 MB),"
            " or use a file that you have with `vaporbrush weights import FILE`."
        )


def kept(model: str = "vgg19") -> Path:
    """Where fetched and imported weights are kept."""
    return home() / "models" / f"{model}.safetensors"


def known(environment: Mapping[str, str] | None = None) -> tuple[Weights, ...]:
    """Every model that there can be, the best first."""
    named = (os.environ if environment is None else environment).get(VARIABLE)
    full = (
        Weights("vgg19", Path(named).expanduser().absolute(), VARIABLE)
        if named
        else Weights("vgg19", kept(), "fetched")
    )
    return full, Weights("vgg19-lite", packaged.models() / "vgg19-lite.safetensors", "bundled")


def configured() -> tuple[Weights, ...]:
    """The same as a daemon of this home sees it, whose configuration may name the file too. Raises `ConfigError`."""
    named = config.load().weights
    return known({VARIABLE: named} if named else {})


def fetch(
    report: Report,
    source: Source = VGG19,
    *,
    stall_s: float = STALL_S,
    sleep: Callable[[float], None] = time.sleep,
    convert: Callable[[Path, Path], object] | None = None,
) -> Path:
    """Download, check and convert the weights, resuming what an earlier attempt left. Returns the file that is kept.

    Raises `download_failed`, `weights_corrupt`, `disk_full`, or `busy` where another process is at it.
    """
    target = kept(source.model)
    part = target.with_name(source.url.rpartition("/")[2] + ".part")
    try:
        make_folder(home())
        make_folder(target.parent)
        with open_private(part, "ab") as file, _sole(file, part):
            _download(source, file, part, report, stall_s, sleep)
            (convert or import_file)(part, target)
            part.unlink()
    except OSError as error:
        raise VaporbrushError("disk_full", f"{target.parent} cannot be written: {error.strerror or error}.") from None
    return target


def import_file(file: Path, target: Path | None = None) -> None:
    """Check a weights file (PyTorch or safetensors, full or features only) and keep its features as `vgg19`.

    Runs in a process that loads tensors only: a file that would execute code when unpickled is refused.
    Raises `weights_corrupt` with what is wrong with the file, `out_of_memory`, `disk_full`.
    """
    make_folder(home())
    outcome = Children().run(
        "vaporbrush_daemon.engine.convert", [str(file), str(target or kept())], silence_s=CONVERT_S
    )
    if not outcome.trouble:
        return
    try:
        told = json.loads(outcome.lines[-1])
        raise VaporbrushError(told["code"], told["message"])
    except (ValueError, KeyError, TypeError, IndexError):
        raise VaporbrushError("internal", f"{file} could not be converted: {outcome.trouble}") from None


def _download(
    source: Source, file: IO[bytes], part: Path, report: Report, stall_s: float, sleep: Callable[[float], None]
) -> None:
    """Fill `part` until size and hash are right. A wrong hash starts again once: an old part may have been damaged."""
    resumed = part.stat().st_size > 0
    while True:
        _check_space(part, source.size - part.stat().st_size + CONVERTED_BYTES)
        _complete(source, file, part, report, stall_s, sleep)
        if _sha256(part) == source.sha256:
            return
        file.truncate(0)
        if not resumed:
            problem = f"What {source.url} sent is damaged (its sha256 is wrong); nothing was kept. Try again."
            raise VaporbrushError("download_failed", problem)
        resumed = False


def _complete(
    source: Source, file: IO[bytes], part: Path, report: Report, stall_s: float, sleep: Callable[[float], None]
) -> None:
    attempts, pause_s = 0, FIRST_PAUSE_S
    most = have = part.stat().st_size
    while have < source.size:
        try:
            _transfer(source, file, have, report, stall_s)
            problem = "the connection ended early"
        except urllib.error.HTTPError as error:
            with error:
                problem = f"the server answered {error.code} {error.reason}"
                if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    file.truncate(0)
                elif error.code < 500 and error.code not in (408, 429):
                    raise _failed(source, problem) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.errno in _DISK:
                raise
            problem = str(getattr(error, "reason", None) or error) or type(error).__name__
        have = part.stat().st_size
        if have > most and problem != TOO_SLOW:
            attempts, pause_s, most = 0, FIRST_PAUSE_S, have
            continue
        attempts += 1
        if attempts == ATTEMPTS:
            raise _failed(source, problem)
        sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
    if have > source.size:
        file.truncate(0)  # not the file that was pinned
        raise _failed(source, f"it is larger than the {source.size} bytes that were expected")


def _transfer(source: Source, file: IO[bytes], have: int, report: Report, stall_s: float) -> None:
    """Append what one connection gives. A server that ignores the range starts the file again."""
    headers = {"User-Agent": f"vaporbrush/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    request = urllib.request.Request(source.url, headers=headers)  # noqa: S310 - the manifest's own URL
    with urllib.request.urlopen(request, timeout=stall_s) as reply:  # noqa: S310
        if have and (reply.status != 206 or not str(reply.headers["Content-Range"]).startswith(f"bytes {have}-")):
            file.truncate(0)
            have = 0
        told, began, begun_at = 0.0, time.monotonic(), have
        try:
            while have <= source.size and (block := reply.read1(BLOCK_BYTES)):
                file.write(block)
                have += len(block)
                if (now := time.monotonic()) - told >= REPORT_S:
                    told = now
                    report(have, source.size)
                if now >= began + 2 * stall_s:
                    if have - begun_at < SLOW_BYTES * (now - began):
                        raise TimeoutError(TOO_SLOW)
                    began, begun_at = now, have
        finally:
            file.flush()
    report(min(have, source.size), source.size)


def _failed(source: Source, problem: str) -> VaporbrushError:
    return VaporbrushError(
        "download_failed",
        f"{source.url} could not be downloaded: {problem}. What has come is kept; run `vaporbrush weights fetch` again,"
        " or bring the file by other means and run `vaporbrush weights import FILE`.",
    )


_DISK = (28, 122, 27)  # ENOSPC, EDQUOT, EFBIG


def _check_space(part: Path, needed: int) -> None:
    free = shutil.disk_usage(part.parent).free
    if free < needed:
        raise VaporbrushError(
            "disk_full", f"{part.parent} has {free // 10**6} MB free; the download needs {needed // 10**6} MB."
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _sole(file: IO[bytes], part: Path) -> Iterator[None]:
    """Two processes that append to one file would spoil it: the second is told."""
    if not lock_descriptor(file.fileno(), blocking=False):
        raise VaporbrushError("busy", f"Another process is downloading to {part}; wait for it.")
    yield
