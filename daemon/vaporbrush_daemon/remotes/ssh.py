"""The way to another machine's daemon: `ssh`, whose input and output are the connection.

Nothing listens anywhere for it, nothing is forwarded, and ssh checks who answers: a host key that is not known yet is
never accepted here. The greeting that comes first has the token to log in with; it stays in this process's memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from vaporbrush_daemon.texts import _
from vaporbrush_protocol.channel import OpenLink
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import PROTOCOL_MAJOR
from vaporbrush_protocol.link import Link
from vaporbrush_protocol.shown import last_line
from vaporbrush_protocol.shown import plain as shown

from .book import Remote

CONNECT_S = 5  # to reach the machine; one that sleeps does not answer at all
ALIVE_S, ALIVE_TIMES = 5, 3  # a line without a sign of life is dead after 15 to 20 s
GREETING_S = 30.0  # from the login to the first line: the daemon there may have to start
MAX_GREETING_BYTES = 64 * 1024
END_S = 1.0  # that ssh gets to say why it ended
PIECE_BYTES = 256 * 1024

OPTIONS = (
    *("-T", "-x", "-a"),
    *("-o", "ClearAllForwardings=yes"),
    *("-o", "PermitLocalCommand=no"),
    *("-o", "ControlMaster=no"),
    *("-o", "ControlPath=none"),
    *("-o", "Compression=no"),  # three times slower, and pictures do not shrink
    *("-o", f"ConnectTimeout={CONNECT_S}"),
    *("-o", f"ServerAliveInterval={ALIVE_S}"),
    *("-o", f"ServerAliveCountMax={ALIVE_TIMES}"),
)
# Of an option that is given twice, ssh takes the first: so the person's configuration cannot weaken these.
ALONE = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "UpdateHostKeys=no")
ASKING = ("-o", "StrictHostKeyChecking=ask")


def command(remote: Remote, key: Path) -> list[str]:
    """The program that connects, and asks nobody anything."""
    mine = ("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-i", str(key))
    return ["ssh", *OPTIONS, *ALONE, *mine, *_config(remote), "--", remote.destination, "vaporbrush-pipe"]


def login(remote: Remote, words: str, *, asking: bool) -> list[str]:
    """The program that runs a command there as the person would: with their keys, and `asking` what it has to."""
    return ["ssh", *OPTIONS, *(ASKING if asking else ALONE), *_config(remote), "--", remote.destination, words]


def _config(remote: Remote) -> tuple[str, ...]:
    return ("-F", remote.config) if remote.config else ()


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the pipe says first."""

    version: str
    title: str
    user: str
    token: str

    def __repr__(self) -> str:
        return f"Greeting({self.title}, {self.version}, {self.user})"  # never the token

    @classmethod
    def parse(cls, line: bytes, name: str) -> Greeting:
        """Raises `LinkError` for what is none, and where the other side refuses."""
        try:
            raw = json.loads(line)
            error, majors = raw.get("error"), raw.get("majors")
            texts = [raw.get(each, "") for each in ("vaporbrush", "title", "user", "token")]
        except (ValueError, AttributeError, RecursionError):
            raise LinkError("forbidden", _no_pipe(name, line)) from None
        if error is not None:
            raise LinkError("forbidden", _("{name} says: {words}").format(name=name, words=shown(str(error))[:500]))
        if not isinstance(majors, list) or not all(isinstance(one, str) and len(one) <= 255 for one in texts):
            raise LinkError("forbidden", _no_pipe(name, line))
        if PROTOCOL_MAJOR not in majors:
            there = ", ".join(str(one) for one in majors[:4])
            problem = _(
                "{name} has Vaporbrush {version}, which speaks version {there} of the protocol, and this machine"
                " version {here}: update the older one."
            )
            words = problem.format(name=name, version=shown(texts[0])[:40], there=there, here=PROTOCOL_MAJOR)
            raise LinkError("forbidden", words)
        return cls(*texts)


def _no_pipe(name: str, line: bytes) -> str:
    said = shown(line[:80].decode("utf-8", "replace").strip()) or _("nothing")
    sentence = _(
        "{name} let us in, but its answer is not Vaporbrush's: {said!r}. Does its login print something, or does it"
        " use another key? `vaporbrush remote add {name}` sets it up."
    )
    return sentence.format(name=name, said=said)


class Line:
    """One connection by ssh, up to the greeting."""

    def __init__(self, remote: Remote, argv: Sequence[str], *, relayed: bool = sys.platform == "win32") -> None:
        """Raises `LinkError`. `relayed`: two threads copy, where a process cannot have a socket for its input."""
        self._remote = remote
        self.socket, theirs = socket.socketpair()
        ends = (subprocess.PIPE, subprocess.PIPE) if relayed else (theirs.fileno(), theirs.fileno())
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=ends[0],
                stdout=ends[1],
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            self.socket.close()
            theirs.close()
            why = error.strerror or str(error)
            problem = _("`{program}` cannot be run ({reason}): install OpenSSH's client.")
            raise LinkError("unreachable", problem.format(program="ssh", reason=why)) from error
        self._errors = bytearray()
        assert self._process.stderr is not None
        self._reader = threading.Thread(target=self._read_errors, args=(self._process.stderr,), daemon=True)
        self._reader.start()
        if relayed:
            _relay(self._process, theirs)
        else:
            theirs.close()

    def greeting(self) -> Greeting:
        """The first line. Raises `LinkError`."""
        self.socket.settimeout(GREETING_S)
        line = bytearray()
        try:
            while not line.endswith(b"\n") and len(line) < MAX_GREETING_BYTES:
                piece = self.socket.recv(1)  # what follows belongs to the conversation
                if not piece:
                    break
                line += piece
        except TimeoutError:
            self.close()
            problem = _("{name} let us in, but said nothing for {seconds} s.")
            words = problem.format(name=self._remote.name, seconds=f"{GREETING_S:g}")
            raise LinkError("unreachable", words) from None
        except OSError:
            line.clear()
        if not line:
            raise self.why()
        return Greeting.parse(bytes(line), self._remote.name)

    def why(self) -> LinkError:
        """Why ssh ended."""
        try:
            status = self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            status = None
        self._reader.join(END_S)
        return explain(self._remote.name, status, self._errors.decode("utf-8", "replace"))

    def close(self) -> None:
        """End it."""
        self.socket.close()
        self._process.kill()
        threading.Thread(target=self._process.wait, name="ssh-reaper", daemon=True).start()

    def _read_errors(self, stream: IO[bytes]) -> None:
        with stream:
            while piece := stream.read(4096):
                del self._errors[:-8192]
                self._errors += piece


class RemoteLink(Link):
    """A link to the daemon of another machine, which ends its ssh with it."""

    line: Line

    def close(self) -> None:
        """Forget the connection; what was not sent is lost."""
        super().close()
        self.line.close()


def open_link(remote: Remote, key: Path, timeout_s: float) -> RemoteLink:
    """A link that is logged in. Raises `LinkError` (`unreachable` where the machine cannot be reached)."""
    line = Line(remote, command(remote, key))
    try:
        greeting = line.greeting()
        link = RemoteLink(line.socket, greeting.token, remote.name, greeting.user)
        link.line = line
        link.log_in(time.monotonic() + max(timeout_s, CONNECT_S))
    except BaseException:
        line.close()
        raise
    return link


def opener(remote: Remote, key: Path) -> OpenLink:
    """For `Client`: opens links to this machine, whatever the connection file says."""

    def open_(_: Connection, timeout_s: float) -> Link:
        return open_link(remote, key, timeout_s)

    return open_


Reason = tuple[tuple[str, ...], str, str]


def _reasons() -> tuple[Reason, ...]:
    """What ssh writes in the C locale, what that is an error of, and what people are told; the first that fits counts.

    `forbidden` does not pass by itself, `unreachable` may.
    """
    return (
        (
            ("REMOTE HOST IDENTIFICATION HAS CHANGED",),
            "forbidden",
            _(
                "{name}'s identity has changed, so that nothing was sent to it. If you reinstalled it:"
                " `vaporbrush remote trust {name}`."
            ),
        ),
        (
            ("Host key verification failed", "host key is known for"),
            "forbidden",
            _(
                "{name} is not known here yet. Run `vaporbrush remote add {name}` in a terminal, and compare the"
                " fingerprint with what `vaporbrush remote fingerprint` prints there."
            ),
        ),
        (
            ("Permission denied", "Too many authentication failures", "vaporbrush-pipe"),
            "forbidden",
            _(
                "{name} does not accept this machine's key (any more). Run `vaporbrush remote add {name}` in a"
                " terminal."
            ),
        ),
        (
            ("Could not resolve hostname",),
            "unreachable",
            _("There is no machine {name} in this network, or its name is spelled differently ({said})."),
        ),
        (
            ("timed out", "No route to host", "Connection refused", "is unreachable"),
            "unreachable",
            _("{name} does not answer: it is off, asleep or in another network ({said})."),
        ),
        (
            ("not found", "No such file"),
            "forbidden",
            _(
                "Vaporbrush is not where it was on {name}: install it there and run `vaporbrush remote add {name}`"
                " ({said})."
            ),
        ),
        ((), "unreachable", _("The line to {name} broke ({said}).")),
    )


def explain(name: str, status: int | None, errors: str) -> LinkError:
    """What went wrong, from what ssh wrote."""
    nothing = _("exit status {status}").format(status=status)
    said = shown(last_line(errors) or nothing)[:300]
    code, sentence = next((c, s) for words, c, s in _reasons() if not words or any(one in errors for one in words))
    return LinkError(code, sentence.format(name=name, said=said))


def _relay(process: subprocess.Popen[bytes], plain: socket.socket) -> None:
    """Copy between a socket and a process's pipes, byte by byte as they are."""

    def up() -> None:
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # either end has gone, which the other one learns from the close
            while piece := plain.recv(PIECE_BYTES):
                view = memoryview(piece)
                while view:
                    view = view[process.stdin.write(view) :]
        with contextlib.suppress(OSError):  # what was not yet written has nowhere to go
            process.stdin.close()

    def down() -> None:
        assert process.stdout is not None
        with contextlib.suppress(OSError):  # as above
            while piece := process.stdout.read(PIECE_BYTES):
                plain.sendall(piece)
            plain.shutdown(socket.SHUT_RDWR)  # a close alone would not wake the other thread, nor the other end
        plain.close()
        process.stdout.close()

    for copy in (up, down):
        threading.Thread(target=copy, name=f"relay {copy.__name__}", daemon=True).start()
