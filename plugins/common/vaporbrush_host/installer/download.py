"""Fetches files by their hashes: goes on where a cut download stopped, and gives nothing a name that is not whole."""

from __future__ import annotations

import hashlib
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import urlsplit

from vaporbrush_host.ui_text import _, byte_count
from vaporbrush_protocol.errors import VaporbrushError

from .index import Index
from .kit import File

BLOCK_BYTES = 256 * 1024
STALL_S = 20.0  # a connection on which nothing comes for so long is dropped, and the download goes on by another
TRIES = 5  # in a row without a single new byte
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
MOST_BYTES = 8 * 2**30  # no file is so large (torch for ROCm: 6.2 GB); where nobody told a size, more is not taken
AGENT = "vaporbrush-installer"
CERTIFICATES = (  # where systems keep theirs, for a host program whose Python brings none
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

Report = Callable[[int], None]  # told the bytes of this file that are here
Stopped = Callable[[], bool]


class Source(Protocol):
    """Where files come from."""

    def fetch(self, file: File, target: Path, report: Report, stopped: Stopped) -> None:
        """Put a file at `target`. Raises `VaporbrushError`."""


class Web:
    """Files from an index, or from the addresses in the lock."""

    def __init__(self, index: Index, *, stall_s: float = STALL_S, pause: Callable[[float], None] = time.sleep) -> None:
        self._index = index
        self._stall_s = stall_s
        self._pause = pause
        handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=trust()), _NoDowngrade()]
        if index.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": index.proxy, "https": index.proxy}))
        self._opener = urllib.request.build_opener(*handlers)

    def fetch(self, file: File, target: Path, report: Report, stopped: Stopped) -> None:
        """Fetch a file, going on with what an earlier attempt left beside `target`."""
        partial = target.with_name(target.name + ".part")
        mismatched = False
        failures, pause_s = 0, FIRST_PAUSE_S
        while True:
            before = size_of(partial)
            try:
                self._read(file, partial, report, stopped)
                if digest_of(partial) == file.sha256:
                    partial.replace(target)
                    return
                if mismatched:
                    raise wrong_hash(file, self._index.host_of(file))
                mismatched, failures = True, 0  # what went on from an earlier attempt may have been spoiled: once anew
                remove(partial)
                continue
            except (urllib.error.HTTPError, _UnusableError) as error:
                if isinstance(error, urllib.error.HTTPError) and error.code >= 500 and failures + 1 < TRIES:
                    failures += 1
                else:
                    raise _failed(file, self._index.host_of(file), error) from None
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                if isinstance(getattr(error, "reason", None), ssl.SSLCertVerificationError):
                    raise _failed(file, self._index.host_of(file), error) from None
                if size_of(partial) > before:
                    failures, pause_s = 0, FIRST_PAUSE_S
                failures += 1
                if failures >= TRIES:
                    raise _failed(file, self._index.host_of(file), error) from None
            check(stopped)
            self._pause(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _read(self, file: File, partial: Path, report: Report, stopped: Stopped) -> None:
        """One connection: append to the partial file until the server has no more. Raises where that is too early."""
        have = size_of(partial)
        most = file.size or MOST_BYTES
        if have > most:
            remove(partial)
            have = 0
        if file.size and have == file.size:
            return
        address = self._index.address(file, self._text)
        request = urllib.request.Request(address, headers={"User-Agent": AGENT, "Accept-Encoding": "identity"})  # noqa: S310 (addresses are http or https: `Index` looks)
        if have:
            request.add_header("Range", f"bytes={have}-")
        try:
            answer = self._opener.open(request, timeout=self._stall_s)
        except urllib.error.HTTPError as error:
            if error.code == 416 and have:  # the server has no more than we: whether that is right, the hash says
                return
            raise
        with closing(answer):
            if have and (answer.status != 206 or not _begins_at(answer.headers.get("Content-Range", ""), have)):
                have = 0
            length = answer.headers.get("Content-Length", "")
            expected = have + int(length) if length.isdigit() else file.size
            with partial.open("ab" if have else "wb") as out:
                for block in _blocks(answer, answer.read1):
                    have += len(block)
                    if have > most:
                        break  # more than there should be: the hash will not match
                    out.write(block)
                    report(have)
                    check(stopped)
            if have < expected:
                raise http.client.IncompleteRead(b"", expected - have)

    def _text(self, url: str, accept: str) -> tuple[str, str]:
        """A page of an index, and its content type."""
        request = urllib.request.Request(url, headers={"User-Agent": AGENT, "Accept": accept})  # noqa: S310 (as above)
        with closing(self._opener.open(request, timeout=self._stall_s)) as answer:
            return answer.read(64 * 2**20).decode("utf-8", "replace"), str(answer.headers.get("Content-Type", ""))


class Bundle:
    """Files out of an offline bundle (`make bundle`): a zip that holds all of them by name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fetch(self, file: File, target: Path, report: Report, stopped: Stopped) -> None:
        """Copy a file out of the zip."""
        partial = target.with_name(target.name + ".part")
        try:
            with zipfile.ZipFile(self.path) as bundle, bundle.open(file.name) as member, partial.open("wb") as out:
                have = 0
                for block in _blocks(member):
                    have += len(block)
                    out.write(block)
                    report(have)
                    check(stopped)
        except KeyError:
            raise VaporbrushError(
                "download_failed",
                _("{bundle} lacks {name}: it was made for another system, Python or version.").format(
                    bundle=self.path.name, name=file.name
                ),
            ) from None
        except zipfile.BadZipFile as error:
            raise VaporbrushError(
                "download_failed", _("{bundle} is damaged: {error}.").format(bundle=self.path, error=error)
            ) from None
        if digest_of(partial) != file.sha256:
            remove(partial)
            raise wrong_hash(file, self.path.name)
        partial.replace(target)


class _UnusableError(Exception):
    """A server that answers what must not be used."""


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows no redirect that leaves https: nobody would see that the rest of the way is open."""

    def redirect_request(self, req: urllib.request.Request, *answer: Any) -> urllib.request.Request | None:
        """Called for every redirect: `answer` begins with the connection, and ends with the address."""
        if req.type == "https" and urlsplit(answer[-1]).scheme != "https":
            answer[0].close()
            raise _UnusableError(_("it leads on to {url}, which is not https").format(url=answer[-1]))
        return super().redirect_request(req, *answer)


def trust(certificates: tuple[str, ...] = CERTIFICATES) -> ssl.SSLContext:
    """The certificates to trust: the system's own, also where a host program's Python does not know where they are.

    A server is always asked who it is, also on a system that has no certificates at all, where then nothing can be
    fetched by https. The hashes would find changed bytes without that, but who listens in between would learn what is
    installed here, could hold it back for ever, and would get what an index of one's own is asked with.
    """
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:
        found = next((path for path in certificates if Path(path).is_file()), None)
        if found is not None:
            context.load_verify_locations(found)
    return context


def check(stopped: Stopped) -> None:
    """Raise `VaporbrushError` (`cancelled`) where a person wants no more."""
    if stopped():
        raise VaporbrushError("cancelled", _("Stopped. What has been fetched is kept; it goes on from there."))


def digest_of(path: Path) -> str:
    """A file's sha256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()


def size_of(path: Path) -> int:
    """A file's bytes; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:  # as above
        return 0


def remove(path: Path) -> None:
    """Delete, where it is there."""
    path.unlink(missing_ok=True)


def wrong_hash(file: File, source: str) -> VaporbrushError:
    """Somebody changed a file on its way, or at its source."""
    return VaporbrushError(
        "conflict",
        _("{name} from {source} is not the file that was tested (its sha256 differs). Nothing of it was used. ").format(
            name=file.name, source=source
        )
        + _("Try again later, or from another network."),
    )


def _failed(file: File, source: str, error: Exception) -> VaporbrushError:
    cause = getattr(error, "reason", None)
    if isinstance(error, urllib.error.HTTPError):
        reason = _("it answers {code} {reason}").format(code=error.code, reason=error.reason)
    elif isinstance(cause, ssl.SSLCertVerificationError):
        reason = _("this computer does not know who vouches for it ({what}). Its certificates may be missing").format(
            what=cause.verify_message
        )
    elif isinstance(cause, socket.gaierror):
        reason = _("its address cannot be found, so this computer may be offline")
    elif isinstance(error, urllib.error.URLError):
        reason = str(getattr(error.reason, "strerror", None) or error.reason)
    elif isinstance(error, TimeoutError):
        reason = _("nothing came for too long")
    elif isinstance(error, http.client.IncompleteRead):
        reason = _("{missing} are missing").format(missing=byte_count(error.expected or 0))
    else:
        reason = str(error) or type(error).__name__
    return VaporbrushError(
        "download_failed",
        _(
            "{name} could not be fetched from {source}: {reason}. What is here is kept; try again, or choose a file."
        ).format(name=file.name, source=source, reason=reason),
    )


def _blocks(file: IO[bytes], read: Callable[[int], bytes] | None = None) -> Iterator[bytes]:
    """A file's bytes. `read1` of a connection gives what has come, so that a stall costs nothing of it."""
    while block := (read or file.read)(BLOCK_BYTES):
        yield block


def _begins_at(content_range: str, have: int) -> bool:
    return content_range.strip().lower().startswith(f"bytes {have}-")


def host_of(url: str) -> str:
    """The host that an address names."""
    return urlsplit(url).hostname or url
