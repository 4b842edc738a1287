"""A real sshd on the loopback interface, with keys of its own, and a client's configuration for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from conftest import skip
from support.daemon import DEADLINE_S, environment

PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # not on everybody's PATH
UNASKED = {"DEBIAN_FRONTEND": "noninteractive"}
NO_SERVICES = Path("/usr/sbin/policy-rc.d")  # Debian asks it before a package starts its service


def sshd() -> str:
    """The server's program; empty where it is not installed. sshd insists on an absolute path."""
    return shutil.which("sshd", path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES])) or ""


def demanded() -> None:
    """Leave a test out where there is no sshd. In CI it is installed, as root, or else that is a failure."""
    if not sshd() and os.environ.get("CI", "").lower() in ("1", "true"):
        install()
    if not (sshd() and shutil.which("ssh") and shutil.which("ssh-keygen")):
        skip("OpenSSH's server is not installed: apt-get install openssh-server")


def install() -> None:
    """Install OpenSSH on Debian or Ubuntu, without starting it as a service. Elsewhere nothing happens."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    with FileLock(Path(tempfile.gettempdir()) / "vaporbrush-sshd.lock"):
        if sshd():
            return
        quiet = not NO_SERVICES.exists()
        if quiet:
            NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
            NO_SERVICES.chmod(0o755)
        try:
            for command in (("update",), ("install", "--yes", "--no-install-recommends", "openssh-server")):
                subprocess.run(["apt-get", "-qq", *command], check=True, env={**os.environ, **UNASKED})
        finally:
            if quiet:
                NO_SERVICES.unlink()


class SshServer:
    """A machine called `workstation`, whose home is `folder`/there; `config` is for `ssh -F`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.there, self.home = folder, folder / "there", folder / "there" / "vaporbrush"
        self.config, self.known = folder / "ssh_config", folder / "known_hosts"
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.there.mkdir(parents=True)
        self.make_host_key()
        self._make(folder / "persons_key")
        (self.there / ".ssh").mkdir(mode=0o700)
        self.authorized.write_text((folder / "persons_key.pub").read_text())
        self.authorized.chmod(0o600)
        self.introduce()
        self.write_config()

    @property
    def authorized(self) -> Path:
        return self.there / ".ssh" / "authorized_keys"

    def make_host_key(self) -> None:
        """A new identity, as after a reinstallation."""
        for old in self.folder.glob("host_key*"):
            old.unlink()
        self._make(self.folder / "host_key")

    def introduce(self) -> None:
        """The laptop has compared the fingerprint before."""
        kind, body = (self.folder / "host_key.pub").read_text().split()[:2]
        self.known.write_text(f"workstation {kind} {body}\n")

    def write_config(self, *, persons_key: bool = True, host: str = "127.0.0.1", port: int | None = None) -> None:
        lines = [
            "Host *",
            f"  HostName {host}",
            f"  Port {port or self.port}",
            "  HostKeyAlias workstation",
            f"  UserKnownHostsFile {self.known}",
            "  GlobalKnownHostsFile /dev/null",
            "  IdentitiesOnly yes",
            "  IdentityAgent none",
            "  PreferredAuthentications publickey",
            f"  IdentityFile {self.folder / ('persons_key' if persons_key else 'no_key')}",
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def start(self, path: str = "") -> SshServer:
        """`path` is where programs are found there; else also where the tests' `vaporbrush` is."""
        surroundings = {**self.surroundings(), **({"PATH": path} if path else {})}
        kept = ("VAPORBRUSH_HOME", "VAPORBRUSH_WEIGHTS", "PYTHONPATH", "HOME", "PATH")
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {self.authorized}",
            f"PidFile {self.folder / 'sshd.pid'}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "Subsystem sftp internal-sftp",
            "SetEnv " + " ".join(f'"{name}={surroundings[name]}"' for name in kept if name in surroundings),
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd, started by root, locks itself in
        with (self.folder / "sshd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sshd(), "-D", "-e", "-f", str(self.folder / "sshd_config")],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        give_up = time.monotonic() + DEADLINE_S
        while True:
            assert self.process.poll() is None, self.log()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1.0).close()
            except OSError:
                assert time.monotonic() < give_up, self.log()
                time.sleep(0.02)
            else:
                return self

    def surroundings(self) -> dict[str, str]:
        """The environment of whoever sits at that machine."""
        found = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**environment(self.home), "HOME": str(self.there), "PATH": found}

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text()

    def children(self) -> list[int]:
        """The processes of the connections that stand."""
        assert self.process is not None
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in listed.stdout.split()]

    def stop(self) -> None:
        """End it, and every connection, as a power cut would."""
        if self.process is None:
            return
        for pid in [*self.children(), self.process.pid]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:  # it has ended by itself
                continue
        self.process.wait(DEADLINE_S)
        self.process = None

    @staticmethod
    def _make(path: Path) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)], check=True)


@contextmanager
def workstation(folder: Path, **options: str) -> Iterator[SshServer]:
    demanded()
    server = SshServer(folder).start(**options)
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
