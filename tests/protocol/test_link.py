"""The link against libzmq's ROUTER and against servers that misbehave: every wait ends, each end has one sentence."""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vaporbrush_protocol
from support.listener import Listener
from support.router import TOKEN, Router
from vaporbrush_protocol.codec import decode, encode
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import LinkError
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES
from vaporbrush_protocol.link import Link
from vaporbrush_protocol.zmtp import GREETING, framed

HANDSHAKE = GREETING + b"\x04\x08\x07WELCOME" + b"\x04\x06\x05READY"
SHORT_S = 0.2


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_messages_go_to_libzmq_and_back(folder: Path, tcp: bool) -> None:
    with Router(folder, tcp=tcp) as router:
        link = Link.open(router.connection)
        chunk = bytes(range(256)) * 4096
        for size in (0, 1, 255, 256, 65_536, MAX_CHUNK_BYTES):
            router.answers["ping"] = ({"size": size}, chunk[:size])
            link.send(encode({"id": size, "request": "ping"}), 5)
            header, came = decode(link.receive(5))
            assert header == {"id": size, "ok": True, "size": size}
            assert came == chunk[:size]
        link.close()


@pytest.mark.parametrize("tcp", [False, True], ids=["unix", "tcp"])
def test_a_wrong_token_is_reported_with_the_file_that_it_stands_in(folder: Path, tcp: bool) -> None:
    with Router(folder, tcp=tcp) as router:
        wrong = Connection((router.endpoint,), "wrong", path=Path("/x/connection.json"))
        with pytest.raises(LinkError, match=r"refused the token in /x/connection.json: .* Stop that one") as refusal:
            Link.open(wrong)
        assert refusal.value.code == "wrong_token"


def test_heartbeats_are_answered_while_waiting_for_a_reply(folder: Path) -> None:
    with Router(folder, heartbeat_ms=50) as router:
        link = Link.open(router.connection)
        with pytest.raises(LinkError) as waited:  # the daemon pings all the while; no reply comes
            link.receive(0.5)
        assert waited.value.code == "timeout"
        link.send(encode({"id": 1, "request": "ping"}), 5)
        assert decode(link.receive(5))[0]["id"] == 1  # the connection still stands
        link.close()


def test_where_nothing_listens_the_sentence_says_what_to_do(folder: Path) -> None:
    with pytest.raises(LinkError, match=r"No daemon answers at ipc://.*No such file.*`vaporbrush serve`") as failure:
        Link.open(Connection((f"ipc://{folder}/none",), TOKEN))
    assert failure.value.code == "no_daemon"


def test_a_stale_unix_socket_is_no_daemon(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(folder / "socket"))
    with pytest.raises(LinkError, match="refused") as failure:
        Link.open(Connection((f"ipc://{folder}/socket",), TOKEN))
    assert failure.value.code == "no_daemon"


@pytest.mark.parametrize(
    "endpoint", ["tcp://127.0.0.1:1", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "tcp://:x", "pgm://x", "", "ipc://"]
)
def test_an_endpoint_that_makes_no_sense_is_no_daemon(endpoint: str) -> None:
    with pytest.raises(LinkError) as failure:
        Link.open(Connection((endpoint,), TOKEN))
    assert failure.value.code == "no_daemon"


def test_an_interrupted_connect_leaves_no_socket_open(folder: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with Listener(folder / "socket", lambda _: silent.over.wait(10)) as silent:
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            with pytest.raises(KeyboardInterrupt):
                Link.open(Connection((silent.endpoint,), TOKEN), 5)
        finally:
            signal.signal(signal.SIGALRM, before)
        gc.collect()  # an open socket would warn here, and a warning fails the test


class WindowsSocket:
    """A socket without `sendmsg`, as on Windows."""

    def __init__(self, plain: socket.socket) -> None:
        self.setblocking, self.send, self.recv_into = plain.setblocking, plain.send, plain.recv_into
        self.fileno, self.close = plain.fileno, plain.close


def test_it_also_works_as_on_windows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(select, "poll")
    with Router(folder, tcp=True) as router:
        plain = socket.create_connection(("127.0.0.1", int(router.endpoint.rpartition(":")[2])))
        link = Link(WindowsSocket(plain), TOKEN, router.endpoint)
        link.log_in(time.monotonic() + 5)
        chunk = bytes(range(256)) * 4096
        router.answers["get"] = ({}, chunk)
        for identity in range(8):
            link.send(encode({"id": identity, "request": "get", "blob": "0" * 64}), 5)
        for identity in range(8):
            header, came = decode(link.receive(5))
            assert (header["id"], came) == (identity, chunk)
        with pytest.raises(LinkError, match="did not answer in time"):
            link.receive(0.05)
        link.close()


def test_no_endpoint_is_no_daemon() -> None:
    with pytest.raises(LinkError, match="names no endpoint"):
        Link.open(Connection((), TOKEN))


def test_the_second_endpoint_serves_where_the_first_does_not(folder: Path) -> None:
    with Router(folder, tcp=True) as router:
        link = Link.open(Connection((f"ipc://{folder}/none", router.endpoint), TOKEN))
        assert link.where == router.endpoint
        link.close()


def test_a_daemon_that_does_not_greet_is_given_up(folder: Path) -> None:
    with Listener(folder / "socket", lambda _: silent.over.wait(10)) as silent:
        with pytest.raises(LinkError, match="did not greet in time: it may hang") as failure:
            Link.open(Connection((silent.endpoint,), TOKEN), SHORT_S)
        assert failure.value.code == "timeout"


def test_a_unix_socket_that_nobody_accepts_on_is_given_up(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "socket"))
        server.listen(0)
        fillers = [socket.socket(socket.AF_UNIX) for _ in range(3)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(str(folder / "socket"))
        with pytest.raises(LinkError, match="takes no connections: it may hang"):
            Link.open(Connection((f"ipc://{folder}/socket",), TOKEN), 0.1)
        for filler in fillers:
            filler.close()


def hang_up(connection: socket.socket) -> None:
    connection.recv(64)


def test_a_peer_that_hangs_up_during_the_handshake_is_a_lost_link(folder: Path) -> None:
    with Listener(folder / "socket", hang_up) as rude:
        with pytest.raises(LinkError) as failure:
            Link.open(Connection((rude.endpoint,), TOKEN), 2)
        assert failure.value.code == "link_lost"


def test_another_program_on_the_port_is_recognised(folder: Path) -> None:
    def web_server(connection: socket.socket) -> None:
        connection.recv(64)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(1)

    with Listener(None, web_server) as listener:
        with pytest.raises(LinkError, match="another program listening") as failure:
            Link.open(Connection((listener.endpoint,), TOKEN), 2)
        assert failure.value.code == "bad_reply"


def silent_after(data: bytes) -> Listener:
    def serve(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.recv(1 << 20)
        while connection.recv(1 << 20):
            pass

    return Listener(None, serve)


def test_half_a_frame_is_not_waited_for_longer_than_the_timeout() -> None:
    half = framed([b"VPBR/1", b"x" * 60_000])
    with silent_after(HANDSHAKE + half[0] + half[1] + half[2] + half[3][:1000]) as listener:
        link = Link.open(Connection((listener.endpoint,), TOKEN), 2)
        with pytest.raises(LinkError, match="did not answer in time") as failure:
            link.receive(SHORT_S)
        assert failure.value.code == "timeout"
        link.close()


def flood(link: Link, timeout_s: float) -> None:
    for _ in range(100):  # far more than the socket's buffers hold
        link.send([b"VPBR/1", bytes(MAX_CHUNK_BYTES)], timeout_s)


def test_a_peer_that_takes_nothing_is_not_waited_for_longer_than_the_timeout() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(HANDSHAKE)
        listener.over.wait(10)

    with Listener(None, serve) as listener:
        link = Link.open(Connection((listener.endpoint,), TOKEN), 2)
        with pytest.raises(LinkError, match="did not take the request in time") as failure:
            flood(link, SHORT_S)
        assert failure.value.code == "timeout"
        link.close()  # at once, with megabytes unsent


def test_two_sides_that_both_send_do_not_wait_for_each_other() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(HANDSHAKE)
        message = b"".join(bytes(piece) for piece in framed([b"VPBR/1", bytes(MAX_CHUNK_BYTES)]))
        for _ in range(12):  # more than both buffers hold, before it reads anything
            connection.sendall(message)
        while connection.recv(1 << 20):
            pass

    with Listener(None, serve) as listener:
        link = Link.open(Connection((listener.endpoint,), TOKEN), 2)
        for _ in range(12):
            link.send([b"VPBR/1", bytes(MAX_CHUNK_BYTES)], 10)
        for _ in range(12):
            assert len(link.receive(10)[1]) == MAX_CHUNK_BYTES
        link.close()


def test_a_daemon_that_closes_the_connection_does_not_end_the_host_program(folder: Path) -> None:
    host = """
import signal, sys
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in a program that embeds Python without its signal handlers
from vaporbrush_protocol import Connection, LinkError
from vaporbrush_protocol.link import Link
link = Link.open(Connection((sys.argv[1],), "sesame"))
try:
    while True:
        link.send([b"VPBR/1", bytes(10)], 5)
except LinkError as error:
    print(error.code)
"""

    def serve(connection: socket.socket) -> None:
        connection.sendall(HANDSHAKE)
        connection.recv(64)

    with Listener(folder / "socket", serve) as listener:
        done = subprocess.run(
            [sys.executable, "-c", host, listener.endpoint],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(Path(vaporbrush_protocol.__file__).parents[1])},
        )
    assert (done.returncode, done.stdout) == (0, "link_lost\n"), done.stderr


def test_a_reset_connection_is_a_lost_link() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(HANDSHAKE)
        connection.recv(64)  # leaves unread bytes behind: closing sends a reset

    with Listener(None, serve) as listener:
        link = Link.open(Connection((listener.endpoint,), TOKEN), 2)
        with pytest.raises(LinkError) as failure:
            flood(link, 2)
        assert failure.value.code == "link_lost"
        link.close()
        link.close()
