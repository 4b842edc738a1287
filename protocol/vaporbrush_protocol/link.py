"""A socket around `zmtp.Conversation`: whole messages out and in, every wait with an end."""

from __future__ import annotations

import select
import socket
import stat
import sys
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from .codec import Buffer
from .endpoint import USERNAME, Connection
from .errors import LinkError
from .limits import CONNECT_TIMEOUT_S
from .peers import stranger
from .private import objection
from .zmtp import Conversation, framed

# A host program may have started Python without its signal handlers: then a write to a closed socket raises SIGPIPE,
# which would end the host.
NO_SIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
MACOS_NO_SIGNAL = 0x1022  # SO_NOSIGPIPE, which Python has no name for
MAX_PIECES = 16  # per sendmsg; far below every system's IOV_MAX
BACKLOG_WAIT_S = 0.02  # a unix socket whose backlog is full refuses instead of waiting


class Link:
    """One open connection to a daemon. Use it from one thread. Every failure is a `LinkError`; `close` never blocks."""

    def __init__(self, plain: socket.socket, token: str, where: str, user: str = USERNAME) -> None:
        self.where = where
        self._socket = plain
        self._socket.setblocking(False)
        if sys.platform == "darwin":  # pragma: no cover
            self._socket.setsockopt(socket.SOL_SOCKET, MACOS_NO_SIGNAL, 1)
        self._conversation = Conversation(token, user)
        self._unsent: deque[memoryview] = deque()

    @classmethod
    def open(cls, connection: Connection, timeout_s: float = CONNECT_TIMEOUT_S) -> Link:
        """The first endpoint that a daemon answers at, logged in.

        Raises `LinkError`: `no_daemon`, `wrong_token`, `timeout`, `bad_reply` (something else listens there).
        """
        deadline = time.monotonic() + timeout_s
        failure = LinkError("no_daemon", "The connection file names no endpoint. Start the daemon: `vaporbrush serve`.")
        for endpoint in connection.endpoints:
            try:
                plain = connected(endpoint, deadline)
            except LinkError as error:
                failure = error
                continue
            link = cls(plain, connection.token, endpoint, connection.user)
            try:
                link.log_in(deadline)
            except LinkError as error:
                link.close()
                if error.code == "wrong_token":
                    raise LinkError(
                        "wrong_token",
                        f"The daemon at {endpoint} refused the token in {connection.path or 'the connection file'}: "
                        "it belongs to another daemon. Stop that one, then run `vaporbrush serve`.",
                    ) from None
                failure = error
                continue
            except BaseException:
                link.close()
                raise
            return link
        raise failure

    def send(self, frames: Sequence[Buffer], timeout_s: float) -> None:
        """Send one message, receiving meanwhile, so that two sides with full buffers cannot wait for each other."""
        deadline = time.monotonic() + timeout_s
        self._unsent.extend(memoryview(piece).cast("B") for piece in framed(list(frames)))
        while not self._flush():
            self._await("take the request", deadline, writing=True)
            self._read_what_is_there()

    def receive(self, timeout_s: float) -> list[Buffer]:
        """The next message."""
        deadline = time.monotonic() + timeout_s
        while not self._conversation.messages:
            flushed = self._flush()
            self._await("answer", deadline, writing=not flushed)
            self._read_what_is_there()
        return self._conversation.messages.popleft()

    def close(self) -> None:
        """Forget the connection; what was not sent is lost."""
        self._socket.close()

    def log_in(self, deadline: float) -> None:
        """Wait until the daemon has let us in. Raises `LinkError`."""
        while not self._conversation.ready:
            flushed = self._flush()
            self._await("greet", deadline, writing=not flushed)
            self._read_what_is_there()

    def _flush(self) -> bool:
        """Send what the socket takes now. True when nothing is left."""
        while self._unsent or self._conversation.outgoing:
            if not self._unsent:  # commands go between messages, never into the middle of one
                self._unsent.append(memoryview(bytes(self._conversation.outgoing)))
                self._conversation.outgoing.clear()
            try:
                if hasattr(self._socket, "sendmsg"):
                    sent = self._socket.sendmsg(list(islice(self._unsent, MAX_PIECES)), (), NO_SIGNAL)
                else:  # Windows
                    sent = self._socket.send(self._unsent[0])
            except (BlockingIOError, InterruptedError):  # it takes no more now
                return False
            except OSError as error:
                raise self._lost(error) from error
            while sent:
                piece = self._unsent[0]
                if sent < piece.nbytes:
                    self._unsent[0] = piece[sent:]
                    break
                sent -= piece.nbytes
                self._unsent.popleft()
        return True

    def _read_what_is_there(self) -> None:
        try:
            count = self._socket.recv_into(self._conversation.space())
        except (BlockingIOError, InterruptedError):  # nothing has come after all
            return
        except OSError as error:
            raise self._lost(error) from error
        if not count:
            raise self._lost(None)
        self._conversation.filled(count)

    def _await(self, what: str, deadline: float, *, writing: bool) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not _ready(self._socket, writing=writing, timeout_s=left):
            raise LinkError(
                "timeout",
                f"The daemon at {self.where} did not {what} in time: it may hang. `vaporbrush logs` tells more.",
            )

    def _lost(self, error: OSError | None) -> LinkError:
        why = f": {error.strerror or error}" if error else ""
        return LinkError("link_lost", f"The connection to the daemon at {self.where} broke{why}.")


def connected(endpoint: str, deadline: float) -> socket.socket:
    """A plain connected socket. Raises `LinkError` (`no_daemon`)."""
    kind, _, address = endpoint.partition("://")
    while True:
        left = max(0.001, deadline - time.monotonic())
        try:
            if kind == "ipc" and hasattr(socket, "AF_UNIX"):
                return _ours(_unix(address, left), endpoint)
            if kind == "tcp":
                host, _, port = address.rpartition(":")
                plain = socket.create_connection((host.strip("[]"), int(port)), timeout=left)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _ours(plain, endpoint)
        except BlockingIOError:  # the backlog of the unix socket is full: a daemon is there, and busy
            if left > BACKLOG_WAIT_S:
                time.sleep(BACKLOG_WAIT_S)
                continue
            raise LinkError("timeout", f"The daemon at {endpoint} takes no connections: it may hang.") from None
        except (OSError, ValueError, OverflowError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            raise LinkError(
                "no_daemon", f"No daemon answers at {endpoint} ({why}). Start it with `vaporbrush serve`."
            ) from error
        raise LinkError("no_daemon", f"The endpoint {endpoint!r} is of a kind that this system does not have.")


def _ours(plain: socket.socket, endpoint: str) -> socket.socket:
    """The socket, if it is not somebody else's program that answers there. Raises `LinkError` (`no_daemon`)."""
    other = stranger(plain)
    if not other:
        return plain
    plain.close()
    raise LinkError(
        "no_daemon",
        f"At {endpoint} a program of {other} answers, and nothing was sent to it: your own daemon does not run. Start"
        " it with `vaporbrush serve`.",
    )


def _unix(path: str, timeout_s: float) -> socket.socket:
    folder = Path(path).parent
    # In a sticky folder such as /tmp others can make files, but not replace ours: there the listener's owner tells.
    if not (folder.exists() and folder.stat().st_mode & stat.S_ISVTX) and (problem := objection(folder)):
        raise LinkError("not_private", problem)
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        plain.settimeout(timeout_s)
        plain.connect(path)
    except BaseException:
        plain.close()
        raise
    return plain


def _ready(plain: socket.socket, *, writing: bool, timeout_s: float) -> bool:
    """Whether the socket can be read (or written) within the time."""
    if hasattr(select, "poll"):  # a host may have more than the 1024 files that select can name
        poll = select.poll()
        poll.register(plain, select.POLLIN | (select.POLLOUT if writing else 0))
        return bool(poll.poll(timeout_s * 1000))
    return any(select.select([plain], [plain] if writing else [], [], timeout_s))  # Windows
