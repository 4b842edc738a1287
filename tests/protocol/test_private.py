"""What others own or may change is neither believed nor executed, and the command that mends it is said."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vaporbrush_protocol import Connection, LinkError, connect, private
from vaporbrush_protocol.endpoint import FILE, new_token
from vaporbrush_protocol.link import Link
from vaporbrush_protocol.private import objection, open_private

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")


@pytest.fixture(params=[0o000, 0o002, 0o022])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def trap(folder: Path) -> Path:
    """A home whose connection file starts a program that would show that it ran."""
    home = folder / "home"
    start = (sys.executable, "-c", f"open({str(folder / 'executed')!r}, 'w')")
    Connection((f"ipc://{home}/run/daemon.sock",), new_token(), start).write(home)
    return home


@pytest.mark.usefixtures("umask")
def test_folders_and_logs_are_closed_whatever_the_umask(tmp_path: Path) -> None:
    home = tmp_path / "home"
    private.make_folder(home)
    with open_private(home / "log", "ab") as file:
        file.write(b"x")
    with open_private(home / "log", "a") as file:
        file.write("ä")
    assert (home / "log").read_text(encoding="utf-8") == "xä"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "log")] == [0o700, 0o600]


CHANGES: dict[str, Callable[[Path], object]] = {
    "a home that all may write": lambda home: home.chmod(0o777),
    "a home that another group may write": lambda home: (os.chown(home, -1, NOBODY), home.chmod(0o770)),
    "a file that all may write": lambda home: (home / FILE).chmod(0o666),
    "another's home": lambda home: os.chown(home, NOBODY, NOBODY),
    "another's file": lambda home: os.chown(home / FILE, NOBODY, NOBODY),
}


@needs_root
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_executed_that_others_may_have_written(trap: Path, change: str) -> None:
    CHANGES[change](trap)
    for start in (True, (sys.executable, "-c", "raise SystemExit(3)")):
        with pytest.raises(LinkError) as refused:
            connect(start=start, home=trap)
        assert refused.value.code == "not_private"
        assert refused.value.message.count("`") == 2, "the command that mends it"
    assert not (trap.parent / "executed").exists()
    command = refused.value.message.split("`")[1]
    subprocess.run(command, shell=True, check=True)
    assert Connection.read(trap).start


def test_a_command_in_ones_own_file_is_executed(trap: Path) -> None:
    with pytest.raises(LinkError, match="ended at once"):
        connect(start=True, home=trap)
    assert (trap.parent / "executed").exists()


@needs_root
def test_root_trusts_no_user_and_users_trust_root(trap: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from vaporbrush_protocol.private import objection\n"
        f"os.setuid({NOBODY}); print(objection(Path(sys.argv[1])))"
    )
    trap.parent.chmod(0o755)
    for owner, mode, trusted in ((0, 0o755, True), (NOBODY, 0o700, True), (1, 0o755, False)):
        os.chown(trap, owner, owner)
        trap.chmod(mode)
        done = subprocess.run(
            [sys.executable, "-c", program, str(trap)],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            text=True,
            capture_output=True,
            check=True,
        )
        assert (done.stdout.strip() == "") == trusted, done.stdout
        assert bool(objection(trap)) == (owner != 0)


LISTENER = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
tcp = sys.argv[2] == "tcp"
listening = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX)
listening.bind(("127.0.0.1", 0) if tcp else sys.argv[2])
listening.listen()
print(listening.getsockname()[1], flush=True)
other, _ = listening.accept()
other.settimeout(20)
print(len(other.recv(1000)), flush=True)
"""


@needs_root
@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("user", [NOBODY, 0])
def test_the_token_is_not_sent_to_another_users_program(folder: Path, kind: str, user: int) -> None:
    """On a port that a daemon had, and behind a unix socket in a folder that all may use."""
    folder.chmod(0o1777)
    place = "tcp" if kind == "tcp" else str(folder / "socket")
    command = [sys.executable, "-c", LISTENER, str(user), place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        port = other.stdout.readline().strip()
        endpoint = f"tcp://127.0.0.1:{port}" if kind == "tcp" else f"ipc://{place}"
        with pytest.raises(LinkError) as refused:
            Link.open(Connection((endpoint,), new_token()), 0.5)
        received = int(other.stdout.readline())
    if user == 0:  # ours: it is greeted
        assert (received, refused.value.code) == (64, "link_lost")
    else:
        assert (received, refused.value.code) == (0, "no_daemon")
        assert "a program of nobody answers, and nothing was sent to it" in refused.value.message


@needs_root
def test_a_socket_in_a_folder_of_others_is_not_connected_to(folder: Path) -> None:
    connection = Connection((f"ipc://{folder}/socket",), new_token())
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))
        listening.listen()
        for change in (lambda: folder.chmod(0o777), lambda: (folder.chmod(0o755), os.chown(folder, NOBODY, NOBODY))):
            change()
            with pytest.raises(LinkError) as refused:
                Link.open(replace(connection), 0.5)
            assert refused.value.code == "not_private"
