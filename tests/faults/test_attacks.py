"""Hostile bytes at the daemon's sockets. Nothing of them reaches a job, and somebody else's jobs always finish."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq

from support import vectors
from support.daemon import Daemon, bystander, paints, serving, until
from vaporbrush_daemon import logs
from vaporbrush_daemon.front.authentication import Refusals
from vaporbrush_protocol import Client, Connection, LinkError, codec, zmtp
from vaporbrush_protocol.launcher import start_daemon
from vaporbrush_protocol.limits import MAX_OUTSTANDING


@pytest.fixture
def daemon(home: Path):
    with serving(home, listen_tcp=True) as daemon:
        yield daemon


@contextlib.contextmanager
def dealer(
    daemon: Daemon, *, token: str | None = None, kind: int = zmq.DEALER, plain: bool = True
) -> Iterator[zmq.Socket]:
    """libzmq's own client."""
    connection = Connection.read(daemon.home)
    with zmq.Context() as context, context.socket(kind) as socket_:
        socket_.linger = 0
        if plain:
            socket_.plain_username = b"vaporbrush"
            socket_.plain_password = (connection.token if token is None else token).encode()
        socket_.connect(connection.endpoints[0])
        yield socket_


def ask(socket_: zmq.Socket, frames: list[bytes]) -> dict | None:
    """Send frames and read the reply's header; None if none comes."""
    socket_.send_multipart(frames)
    if not socket_.poll(300 if frames == [b""] else 10_000):
        return None
    reply = socket_.recv_multipart()
    return msgpack.unpackb(reply[1] if reply[0] else reply[2])


def tcp(daemon: Daemon) -> tuple[str, int]:
    endpoint = next(e for e in Connection.read(daemon.home).endpoints if e.startswith("tcp://"))
    return "127.0.0.1", int(endpoint.rpartition(":")[2])


def test_every_bad_vector_gets_its_error_and_the_connection_goes_on(daemon: Daemon) -> None:
    with bystander(daemon), dealer(daemon) as socket_:
        sendable = [
            vector for vector in vectors.load("bad.json") if vector["frames"]
        ]  # a socket sends no empty message
        for vector in sendable:
            reply = ask(socket_, vector["frames"])
            assert reply is not None, vector
            assert (reply["ok"], reply["error"]["code"]) == (False, vector["error"]), vector
        assert ask(socket_, [*map(bytes, codec.encode({"id": 1, "request": "ping"}))])["ok"]


def test_random_frames_get_errors_and_never_a_traceback(daemon: Daemon) -> None:
    dice = random.Random(7)
    good = [b"VPBR/1", msgpack.packb({"id": 1, "request": "status"})]
    with bystander(daemon), dealer(daemon) as socket_:
        for number in range(500):
            frames = [dice.randbytes(dice.randrange(1, 60)) for _ in range(dice.randrange(1, 6))]
            if number % 2:
                mutated = bytearray(good[1])
                mutated[dice.randrange(len(mutated))] ^= 1 << dice.randrange(8)
                frames = [good[0], bytes(mutated)]
            assert ask(socket_, frames) is not None
    assert "Traceback" not in daemon.log()


def test_more_requests_than_allowed_are_refused_one_by_one(daemon: Daemon) -> None:
    with dealer(daemon) as socket_, daemon.client() as client:
        from support import fake_worker as fake
        from support.daemon import recipe, running

        job = running(client, client.submit(recipe(client, fake.DEAF)))
        client.cancel(job.job)
        second = client.submit(recipe(client, tint=1))  # waits behind the deaf one: nothing changes
        for number in range(MAX_OUTSTANDING + 3):
            header = {"id": number, "request": "watch", "job": second.job, "seen": 10**6, "wait_s": 30.0}
            socket_.send_multipart(list(map(bytes, codec.encode(header))))
        refused = [msgpack.unpackb(socket_.recv_multipart()[1]) for _ in range(3)]
        assert {reply["error"]["code"] for reply in refused} == {"busy"}


def test_every_request_of_a_long_burst_gets_its_reply(daemon: Daemon) -> None:
    """One in ten thousand got none: libzmq took a queue that the peer had read for a full one."""
    count = 50_000
    with dealer(daemon) as socket_:
        ahead = 0
        for number in range(count):
            socket_.send_multipart(list(map(bytes, codec.encode({"id": number, "request": "ping"}))))
            ahead += 1
            while ahead >= MAX_OUTSTANDING or (ahead and number == count - 1):
                assert socket_.poll(10_000), f"{ahead} of {number + 1} replies do not come"
                socket_.recv_multipart()
                ahead -= 1


def test_a_plain_req_socket_is_answered_with_its_delimiter(daemon: Daemon) -> None:
    with dealer(daemon, kind=zmq.REQ) as socket_:
        for number in range(3):
            socket_.send_multipart([b"VPBR/1", msgpack.packb({"id": number, "request": "ping"})])
            assert socket_.poll(10_000)
            assert msgpack.unpackb(socket_.recv_multipart()[1]) == {"id": number, "ok": True}


def test_too_many_and_too_large_frames_do_not_hurt(daemon: Daemon) -> None:
    with bystander(daemon), dealer(daemon) as socket_:
        assert ask(socket_, [b"x"] * 10_000)["error"]["code"] == "bad_frame"
        assert ask(socket_, [b"VPBR/1", bytes(70_000)])["error"]["code"] == "too_large"
        socket_.send(bytes(3 << 20))  # a frame beyond all limits: the connection is cut
        until(lambda: _pings(socket_), "the connection is made again")


def _pings(socket_: zmq.Socket) -> bool:
    socket_.send_multipart(list(map(bytes, codec.encode({"id": 5, "request": "ping"}))))
    return bool(socket_.poll(500)) and socket_.recv_multipart()[-1] != b""


@pytest.mark.parametrize("token", ["", "wrong", "0" * 64])
def test_a_wrong_token_is_refused(daemon: Daemon, token: str) -> None:
    with bystander(daemon):
        for endpoint in Connection.read(daemon.home).endpoints:
            connection = replace(Connection.read(daemon.home), endpoints=(endpoint,), token=token)
            with Client(connection, 3.0) as client, pytest.raises(LinkError) as refused:
                client.ping()
            assert refused.value.code == "wrong_token"
    assert "wrong token" in daemon.log()


def test_a_peer_without_plain_gets_nothing_through(daemon: Daemon) -> None:
    with bystander(daemon), dealer(daemon, plain=False) as socket_:
        socket_.send_multipart(list(map(bytes, codec.encode({"id": 1, "request": "shutdown", "now": True}))))
        assert not socket_.poll(500)
    assert daemon.process.poll() is None


def test_a_web_page_cannot_send_a_request(daemon: Daemon) -> None:
    """ZMTP 1.0 has no greeting: were it accepted, this request's body would be two frames (SPEC.md, section 11)."""
    header = msgpack.packb({"id": 1, "request": "shutdown", "now": True})
    frames = b"\x01\x00" + b"\x07\x01VPBR/1" + bytes([len(header) + 1, 0]) + header
    post = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n" % len(frames)
    attacks = (
        post + frames,
        frames,
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\xff" + bytes(8) + b"\x7f",
    )
    with bystander(daemon):
        for attack in attacks:
            with socket.create_connection(tcp(daemon), 5) as raw:
                raw.sendall(attack)
                raw.settimeout(5)
                answer = b""
                try:
                    while piece := raw.recv(4096):
                        answer += piece
                except (TimeoutError, ConnectionResetError):
                    pass  # it waits for more, or has cut it off: what came counts
                assert b"VPBR" not in answer
    assert daemon.process.poll() is None
    assert "stopping" not in daemon.log()


def test_half_open_connections_neither_kill_it_nor_keep_others_out(home: Path) -> None:
    """Not even with 64 descriptors in all: whoever has not logged in goes for the next, and after some seconds."""
    daemon = Daemon(home).start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    try:
        with bystander(daemon):
            path = Connection.read(home).endpoints[0].removeprefix("ipc://")
            lazy = []
            while len(lazy) < 300:
                raw = socket.socket(socket.AF_UNIX)
                raw.settimeout(10)
                until(lambda raw=raw: raw.connect_ex(path) == 0, "the backlog has room")
                raw.sendall(b"\xff\0\0\0")
                lazy.append(raw)
            with daemon.client() as client:
                assert client.ping() > 0
            until(lambda: len(list(Path(f"/proc/{daemon.pid}/fd").iterdir())) < 36, "they time out")
            for raw in lazy:
                raw.close()
    finally:
        daemon.stop()


def greeted(daemon: Daemon) -> bool:
    """Whether a newcomer is spoken to, or sent away."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(10)
        raw.connect(Connection.read(daemon.home).endpoints[0].removeprefix("ipc://"))
        return bool(raw.recv(1))


def test_more_clients_than_descriptors_leave_those_that_are_there_alone(home: Path) -> None:
    daemon = Daemon(home).start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    try:
        with bystander(daemon), contextlib.ExitStack() as stack:
            clients: list[Client] = []
            while greeted(daemon):
                clients.append(stack.enter_context(daemon.client()))
                clients[-1].ping()
                assert len(clients) < 60
            assert len(clients) > 10
            for client in clients:
                client.ping()
        assert "too many connections" in daemon.log()
    finally:
        daemon.stop()


def test_the_connection_file_and_the_socket_are_for_their_owner_only(daemon: Daemon) -> None:
    for path in (daemon.home / "connection.json", daemon.home / "run" / "daemon.sock"):
        assert path.stat().st_mode & 0o077 == 0
    assert (daemon.home / "run").stat().st_mode & 0o077 == 0
    assert Connection.read(daemon.home).token not in daemon.log()


def token(home: Path) -> str:
    return Connection.read(home).token


def test_the_token_stays_until_it_is_replaced(home: Path) -> None:
    with serving(home):
        first = token(home)
    with serving(home):
        assert token(home) == first
    script = (
        "from vaporbrush_daemon import config; from vaporbrush_daemon.front.serve import serve;"
        "serve(config.load(), new_token=True)"
    )
    daemon = Daemon(home)
    process = daemon.launch(sys.executable, "-c", script)
    until(lambda: token(home) != first, "it is replaced")
    process.terminate()
    process.communicate()


def test_a_token_that_was_used_over_tcp_is_worthless_there_after_a_restart(home: Path) -> None:
    """While no daemon runs, any program may take its port, and is sent the token by clients that cannot tell."""
    with serving(home, listen_tcp=True):
        stolen = token(home)
    with serving(home, listen_tcp=True) as daemon:
        unix, tcp_ = Connection.read(home).endpoints
        with bystander(daemon):
            with pytest.raises(LinkError) as refused, Client(Connection((tcp_,), stolen), 3.0) as client:
                client.ping()
            assert refused.value.code == "wrong_token"
            with Client(Connection((unix,), stolen), 3.0) as client:  # as one that has waited for the socket's daemon
                assert client.ping() > 0
    with serving(home, listen_tcp=True), pytest.raises(LinkError), Client(Connection((unix,), stolen), 3.0) as client:
        client.ping()


def test_a_token_that_others_could_read_or_guess_is_replaced(home: Path) -> None:
    with serving(home):
        first = token(home)
    (home / "connection.json").chmod(0o644)
    with serving(home):
        second = token(home)
        assert second != first
        assert (home / "connection.json").stat().st_mode & 0o077 == 0
    replace(Connection.read(home), token="x").write(home)
    with serving(home):
        assert len(token(home)) == 64


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_nothing_in_the_home_is_for_others_whatever_the_umask(home: Path, umask: int) -> None:
    Daemon(home)  # its settings
    shutil.copy(home / "config.toml", home.parent / "config.toml")
    shutil.rmtree(home)
    before = os.umask(umask)
    try:
        with pytest.raises(LinkError):
            start_daemon(None, (sys.executable, "-c", ""), home)  # makes the home and the log, as a plug-in does
        shutil.copyfile(home.parent / "config.toml", home / "config.toml")
        daemon = Daemon.__new__(Daemon)
        daemon.home = home
        daemon.start()
        try:
            with daemon.client() as client:
                assert paints(client, tint=1)
        finally:
            daemon.stop()
    finally:
        os.umask(before)
    (home / "config.toml").unlink()  # made by the test
    open_ = [str(path) for path in (home, *home.rglob("*")) if path.stat().st_mode & 0o077]
    assert open_ == []


def test_a_home_that_others_could_read_is_closed(home: Path) -> None:
    """As version 0.1.0 made it."""
    for name in ("", "logs", "styles"):
        (home / name).mkdir(mode=0o755)
    (home / "logs" / "daemon.log").touch(0o644)
    with serving(home):
        for name in ("", "logs", "styles", "logs/daemon.log"):
            assert (home / name).stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
@pytest.mark.parametrize(
    ("change", "cure"),
    [
        (lambda home: home.chmod(0o777), "chmod -R go-w"),
        (lambda home: os.chown(home, 65534, 65534), "chown -R 0"),
        (lambda home: (home.chmod(0o755), (home / "config.toml").chmod(0o666)), "chmod -R go-w"),
        (lambda home: os.chown(home / "config.toml", 65534, 65534), "chown -R 0"),
    ],
)
def test_a_home_that_others_may_change_starts_nothing(home: Path, change: Any, cure: str) -> None:
    daemon = Daemon(home, worker_command=["/bin/touch", str(home.parent / "executed")])
    change(home)
    process = daemon.launch()
    said = process.communicate()[1]
    assert process.returncode == 78
    assert cure in said
    assert said.count("\n") == 1
    assert not (home.parent / "executed").exists()


def test_knocking_without_end_fills_no_log(daemon: Daemon) -> None:
    """57,124 bad logins once wrote 3.9 MB."""
    before = len(daemon.log())
    login = bytes([10]) + b"vaporbrush" + bytes([5]) + b"wrong"
    hello = bytes([4, 6 + len(login)]) + b"\x05HELLO" + login
    with bystander(daemon):
        for _ in range(300):
            with socket.create_connection(tcp(daemon), 10) as raw:
                raw.sendall(zmtp.GREETING + hello)
                received = b""
                while b"RROR" not in received:
                    received += raw.recv(4096)
    with daemon.client() as client:
        assert client.status()["counters"]["connections_refused"] == 300
    assert daemon.log()[before:].count("connections_refused") == 1


def test_refusals_are_logged_once_a_minute_with_their_number(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    logs.configure(tmp_path, "info")
    refusals = Refusals()
    refusals.note(100.0, "wrong token")
    for _ in range(1000):
        refusals.note(101.0, "wrong token")
    refusals.tell(159.0)
    assert capsys.readouterr().err.count("\n") == 1
    refusals.tell(160.5)
    refusals.tell(300.0)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert 'reason="wrong token" count=1000' in told


def test_the_tcp_port_stays_across_restarts(home: Path) -> None:
    ports = []
    for _ in range(2):
        with serving(home, listen_tcp=True) as daemon:
            ports.append(tcp(daemon))
    assert ports[0] == ports[1]


def test_a_home_with_a_long_path_gets_a_short_private_socket(home: Path) -> None:
    long = home / ("x" * 90)
    with serving(long) as daemon, bystander(daemon):
        path = Path(Connection.read(long).endpoints[0].removeprefix("ipc://"))
        assert not path.is_relative_to(long)
        assert path.parent.stat().st_mode & 0o077 == 0
    path.parent.rmdir()
