"""Uploads under way: their bytes so far, whose they are, and who gives way when there are too many."""

from __future__ import annotations

import errno
import hashlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from vaporbrush_daemon import logs
from vaporbrush_daemon.files import delete
from vaporbrush_protocol.atomic import System
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RequestError, VaporbrushError

UPLOAD_TTL_S = 600.0  # an upload that rests so long has lost its client
RESTING_S = 10.0  # a client that sends nothing for so long is not sending; its upload may be taken for somebody else's
MAX_UPLOADS = 64  # at once: two dozen clients have fewer; each is a file, and no descriptor between its chunks

Then = Callable[[Any], None]  # called once with the outcome, or with the exception that says what went wrong
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT if hasattr(errno, "EDQUOT") else errno.ENOSPC)


class Key(NamedTuple):
    """A blob's sha256 and size. A guest's uploads are apart from those of others."""

    blob: str
    size: int
    guest: str = ""


@dataclass(slots=True)
class Upload:
    """One upload; its hash grows with it, so that the end costs nothing. `client` is who sent the last chunk, and
    `abandoned` whether that one's connection is gone. `waiting` hears when it is on the disk.
    """

    path: Path
    client: str
    used: float  # monotonic seconds
    have: int = 0
    abandoned: bool = False
    hash: Any = field(default_factory=hashlib.sha256)
    waiting: list[Callable[[Any], None]] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all bytes have come, and the file only waits for the disk."""
        return bool(self.waiting)


class Uploads:
    """All uploads, as files of one folder."""

    def __init__(self, folder: Path, system: System) -> None:
        self.folder, self._system = folder, system
        self._uploads: dict[Key, Upload] = {}

    @property
    def total(self) -> int:
        """Bytes that have arrived."""
        return sum(upload.have for upload in self._uploads.values())

    def get(self, key: Key) -> Upload | None:
        """The upload of this blob, where one is under way."""
        return self._uploads.get(key)

    def begin(self, now: float, client: str, key: Key) -> Upload:
        """Open a new one. Where there are too many, the client with the most gives one up. Raises `busy`, `OSError`."""
        if len(self._uploads) >= MAX_UPLOADS and not self._give_up_one(now):
            oldest = min(upload.used for upload in self._uploads.values())
            raise RequestError(
                "busy", f"{MAX_UPLOADS} uploads are under way already.", retry_after_s=oldest + RESTING_S - now
            )
        path = self.folder / ".".join(map(str, filter(None, key)))
        self._system.unlink(path)
        self._system.close(self._system.create(path, 0o600))
        return self._uploads.setdefault(key, Upload(path, client, now))

    def append(self, now: float, upload: Upload, data: memoryview) -> None:
        """Add the bytes that come next. Raises `OSError`."""
        descriptor = self._system.extend(upload.path)
        try:
            self._system.write(descriptor, data)
        finally:
            self._system.close(descriptor)
        upload.hash.update(data)
        upload.have += len(data)
        upload.used = now

    def give_way(self, client: str) -> bool:
        """Make room on the disk for a client: an upload that is abandoned goes, or, of those who hold more than it
        does, whoever holds most loses the upload that rests longest. Returns whether somebody did.
        """
        if self._drop_oldest([key for key, upload in self._uploads.items() if upload.abandoned]):
            return True
        held: Counter[str] = Counter()
        for upload in self._uploads.values():
            held[upload.client] += upload.have
        greediest = max(held, key=lambda one: held[one], default=client)
        return held[greediest] > held[client] and self._drop_oldest_of(greediest)

    def abandon(self, client: str) -> None:
        """Its connection is gone. It may come back on another and go on; until then, others come first."""
        for upload in self._uploads.values():
            upload.abandoned |= upload.client == client

    def sweep(self, now: float) -> None:
        """Drop the uploads that rest."""
        for key in [k for k, one in self._uploads.items() if one.used < now - UPLOAD_TTL_S and not one.complete]:
            self.drop(key)

    def drop(self, key: Key) -> None:
        """Forget an upload and its bytes."""
        delete(self._uploads.pop(key).path)

    def ended(self, key: Key) -> None:
        """The upload is a blob now."""
        del self._uploads[key]

    def close(self) -> None:
        """Drop all of them."""
        for key in [key for key, upload in self._uploads.items() if not upload.complete]:
            self.drop(key)

    def _give_up_one(self, now: float) -> bool:
        count = Counter(upload.client for upload in self._uploads.values())
        greediest = max(count, key=lambda one: count[one])
        resting = [key for key, one in self._uploads.items() if one.abandoned or one.used <= now - RESTING_S]
        if not any(one.abandoned for one in self._uploads.values()) and count[greediest] > 1:
            return self._drop_oldest_of(greediest)
        return self._drop_oldest(resting)

    def _drop_oldest_of(self, client: str) -> bool:
        return self._drop_oldest([key for key, one in self._uploads.items() if one.client == client])

    def _drop_oldest(self, keys: list[Key]) -> bool:
        """Drop the one that rests longest, the abandoned ones first. Returns whether there was any."""
        open_ = [key for key in keys if not self._uploads[key].complete]
        if open_:
            self.drop(min(open_, key=lambda key: (not self._uploads[key].abandoned, self._uploads[key].used)))
        return bool(open_)


def pieces(chunk: Buffer, offset: int, have: int) -> memoryview | None:
    """What of a chunk continues what is there; None where it begins too late or brings nothing new."""
    skip = have - offset
    return memoryview(chunk).cast("B")[skip:] if 0 <= skip < len(chunk) else None


def spool_error(error: Exception, log: str) -> Exception:
    """An `OSError` of the spool as the client is told it."""
    if not isinstance(error, OSError):
        return error
    if error.errno in FULL:
        return RequestError("disk_full", f"The spool cannot grow: {error.strerror}. Free some space on its disk.")
    return RequestError("internal", f"The spool cannot be used: {error.strerror or error}; the log is {log}.")


def settle(then: Then, act: Callable[[], Any]) -> None:
    """Hand on what `act` returns or raises; None: it hands its outcome on itself, later."""
    try:
        outcome = act()
    except (OSError, VaporbrushError) as error:
        outcome = spool_error(error, logs.path())
    if outcome is not None:
        then(outcome)
