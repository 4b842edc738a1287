"""A guest's key in `authorized_keys`: it opens the pipe to the daemon, and nothing else.

The line that is written gives the key a forced command and `restrict`: no shell, terminal, file transfer or forwarding,
whatever the client asks for (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
"""

from __future__ import annotations

import base64
import binascii
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from vaporbrush_daemon.guests import GuestError
from vaporbrush_daemon.texts import _
from vaporbrush_protocol import atomic
from vaporbrush_protocol.private import make_folder

TYPES = ("ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ssh-rsa")
MARK = "vaporbrush"  # the comment of our lines is this and the guest's name
MAX_KEY_CHARACTERS = 4096  # an RSA key of 16384 bits has 2800
PROGRAM = "vaporbrush_daemon.remotes.pipe"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public part of a key pair: its type, and the rest in base64."""

    kind: str
    body: str

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """From a line of a `.pub` file. Raises `GuestError`."""
        parts = text.split()
        sentence = _(
            "This is no public key: {text!r}. Give the line that is in the other machine's"
            " ssh/id_ed25519.pub, in quotes."
        )
        problem = GuestError(sentence.format(text=text[:40]))
        if len(text) > MAX_KEY_CHARACTERS or "\n" in text.strip() or len(parts) < 2 or parts[0] not in TYPES:
            raise problem
        try:
            raw = base64.b64decode(parts[1], validate=True)
        except binascii.Error:
            raise problem from None
        name = parts[0].encode()
        if raw[: 4 + len(name)] != len(name).to_bytes(4, "big") + name:
            raise problem
        return cls(parts[0], parts[1])


def authorized_keys() -> Path:
    """The file that sshd reads for this user."""
    return Path.home() / ".ssh" / "authorized_keys"


def write_program(home: Path) -> Path:
    """Write the program that the forced command names: absolute, because a login by ssh has no PATH of ours. Returns
    its path. Raises `GuestError` for a home whose path cannot stand in `authorized_keys`.
    """
    program = home / "bin" / "pipe"
    if any(character in str(program) for character in '"\\\n'):
        problem = _("The path {path!r} cannot stand in authorized_keys: set VAPORBRUSH_HOME to another.")
        raise GuestError(problem.format(path=str(program)))
    start = shlex.join([sys.executable, "-P", "-m", PROGRAM])
    text = f'#!/bin/sh\nVAPORBRUSH_HOME={shlex.quote(str(home))} exec {start} "$@"\n'
    try:
        make_folder(home)
        make_folder(program.parent)
        atomic.write(program, text.encode(), mode=0o700)
    except OSError as error:
        raise GuestError(_unusable(_("{file} cannot be written: {reason}."), program, error)) from error
    return program


def allow(path: Path, name: str, key: PublicKey, program: Path) -> None:
    """Let a guest's key in, instead of the one that this guest had. Raises `GuestError`."""
    lines = _lines(path)
    if any(key.body in line.split() and not _is_of(line, name) for line in lines):
        problem = _(
            "This key stands in {file} already, for something else, and that would count. Delete the line there or"
            " make a new key."
        )
        raise GuestError(problem.format(file=path))
    line = f'command="{shlex.quote(str(program))} {name}",restrict {key.kind} {key.body} {MARK} {name}'
    _write(path, [*(one for one in lines if not _is_of(one, name)), line])


def revoke(path: Path, name: str) -> bool:
    """Take a guest's key out. Returns whether there was one. Raises `GuestError`."""
    lines = _lines(path)
    kept = [line for line in lines if not _is_of(line, name)]
    if len(kept) == len(lines):
        return False
    _write(path, kept)
    return True


def _is_of(line: str, name: str) -> bool:
    return line.startswith("command=") and line.split()[-2:] == [MARK, name]


def _unusable(sentence: str, path: Path, error: OSError) -> str:
    return sentence.format(file=path, reason=error.strerror or error)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:  # nobody may log in by key yet
        return []
    except OSError as error:
        raise GuestError(_unusable(_("{file} cannot be read: {reason}."), path, error)) from error


def _write(path: Path, lines: list[str]) -> None:
    body = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
    try:
        make_folder(path.parent)
        atomic.write(path.resolve(), body, mode=0o600, durable=True)  # it may be a link, as dotfiles often are
    except OSError as error:
        raise GuestError(_unusable(_("{file} cannot be written: {reason}."), path, error)) from error
