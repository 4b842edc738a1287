"""How Dask's connections are made here: mutual TLS 1.3 on every one, no other listener, and nothing is tried twice."""

from __future__ import annotations

import ssl
import stat
import sys
import weakref
from pathlib import Path
from typing import Any

import dask
from distributed import Scheduler, Worker
from distributed.security import Security

from vaporbrush_daemon.texts import _
from vaporbrush_protocol.errors import RequestError

from .authority import AUTHORITY, CERTIFICATE, KEY, REVOKED
from .members import Elsewhere

NODE_RESOURCE = "vaporbrush"  # by which a Dask worker says that it is a node of ours
NODE_SILENT_S = 10  # without a heartbeat a node counts as lost; it sends two a second. Dask looks as often, too
SETTINGS = {
    "distributed.scheduler.worker-ttl": f"{NODE_SILENT_S}s",
    "distributed.scheduler.allowed-failures": 0,  # our own scheduler decides what is tried again
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.memory.target": False,  # paintings are not in its memory
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    "distributed.comm.timeouts.connect": "5s",
    "distributed.comm.timeouts.tcp": "15s",
    "distributed.comm.retry.count": 0,
    "distributed.admin.tick.limit": "60s",  # a hint that a loop was busy; on a small machine it often is
    "distributed.comm.require-encryption": True,
}


def configure() -> None:
    """Set what concerns all of Dask in this process."""
    dask.config.set(SETTINGS)


class MutualTls(Security):
    """The certificates that are shown and demanded on every connection. With a list of removed ones, whoever is on it
    is refused; it may grow while connections last.
    """

    def __init__(self, authority: Path, certificate: Path, key: Path, revoked: Path | None = None) -> None:
        super().__init__(
            require_encryption=True,
            tls_min_version=ssl.TLSVersion.TLSv1_3,
            tls_ca_file=str(authority),
            **{f"tls_{role}_cert": str(certificate) for role in ("client", "scheduler", "worker")},
            **{f"tls_{role}_key": str(key) for role in ("client", "scheduler", "worker")},
        )
        self._revoked = revoked
        self._contexts: weakref.WeakSet[ssl.SSLContext] = weakref.WeakSet()  # those that connections still have

    @classmethod
    def of(cls, folder: Path) -> MutualTls:
        """Those of a studio of our own, from its folder. Raises `RequestError` for files that cannot be used."""
        made = cls(folder / AUTHORITY, folder / CERTIFICATE, folder / KEY, folder / REVOKED)
        try:
            made.get_connection_args("client")
        except (OSError, ValueError) as error:  # an error of ssl is an OSError
            sentence = _("The certificates in {folder} cannot be used: {reason}. Delete that folder and begin anew.")
            raise RequestError("bad_field", sentence.format(folder=folder, reason=reason(error))) from error
        return made

    @classmethod
    def elsewhere(cls, files: Elsewhere) -> MutualTls:
        """Those for a cluster that is there already. Raises `RequestError` for files that cannot be used."""
        made = cls(Path(files.authority), Path(files.certificate), Path(files.key))
        for setting, path in (
            ("studio_ca", files.authority),
            ("studio_certificate", files.certificate),
            ("studio_key", files.key),
        ):
            try:
                Path(path).read_bytes()
            except OSError as error:
                sentence = _("`{setting}` is {file}: {reason}.")
                words = sentence.format(setting=setting, file=path, reason=error.strerror or error)
                raise RequestError("bad_field", words) from None
        if not sys.platform == "win32" and Path(files.key).stat().st_mode & stat.S_IRWXO:
            raise RequestError(
                "bad_field", _("Others may read {file} (`studio_key`): chmod 600 it.").format(file=files.key)
            )
        try:
            made.get_connection_args("client")
        except (ssl.SSLError, ValueError) as error:
            sentence = _(
                "The certificates for {url} cannot be used: {reason}. {authority} has to hold certificates in PEM, and"
                " {key} the key of {certificate}."
            )
            words = sentence.format(
                url=files.url,
                reason=reason(error),
                authority=files.authority,
                key=files.key,
                certificate=files.certificate,
            )
            raise RequestError("bad_field", words) from error
        return made

    def _get_tls_context(self, tls: dict[str, Any], purpose: ssl.Purpose) -> ssl.SSLContext:
        """Dask's own, with the list of the removed ones."""
        context: ssl.SSLContext = super()._get_tls_context(tls, purpose)
        if self._revoked is not None:
            context.load_verify_locations(cafile=self._revoked)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
            self._contexts.add(context)
        if purpose is ssl.Purpose.CLIENT_AUTH:
            context.num_tickets = 0  # a resumed session would not look at the list
        return context

    def reload(self) -> None:
        """The list of the removed ones has changed: handshakes from now on look at the new one."""
        for context in self._contexts:
            context.load_verify_locations(cafile=self._revoked)


def log(line: str) -> None:
    """For whoever started this process: a line on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def reason(error: BaseException) -> str:
    """The innermost cause says most: Dask wraps what ssl says."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error)[:300] or type(error).__name__


class _WithoutHttp:
    """Dask serves pages in plain HTTP, on every address where it is not told otherwise. Not here."""

    def start_http_server(self, *_: object, **__: object) -> None:
        """Start none."""


class QuietScheduler(_WithoutHttp, Scheduler):
    """Dask's scheduler with its one port."""


class QuietWorker(_WithoutHttp, Worker):
    """Dask's worker with its one port."""
