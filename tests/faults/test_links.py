"""Links that are slow, and links on which everything comes twice: painted once, and right."""

from __future__ import annotations

import hashlib
import select
import socket
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from support import fake_worker as fake
from support.daemon import Daemon, bystander, ended, negative, picture, recipe
from support.listener import Listener
from vaporbrush_protocol import Client, Connection, codec
from vaporbrush_protocol.limits import MAX_CHUNK_BYTES
from vaporbrush_protocol.zmtp import Conversation, framed

PIECE_BYTES, DELAY_S = 16_384, 0.02  # 0.8 MB a second, and every packet late


def socket_of(daemon: Daemon) -> str:
    return Connection.read(daemon.home).endpoints[0].removeprefix("ipc://")


def late(target: str) -> Callable[[socket.socket], None]:
    """A proxy to the unix socket `target` that passes on a little at a time, and late."""

    def serve(client: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(target)
            ways = {client: server, server: client}
            while True:
                for source in select.select(list(ways), [], [])[0]:
                    data = source.recv(PIECE_BYTES)
                    if not data:
                        return
                    time.sleep(DELAY_S)
                    ways[source].sendall(data)

    return serve


def test_over_a_slow_link_everything_comes_late_and_right(daemon: Daemon, home: Path) -> None:
    """Nobody else waits for it: the bystander's jobs are painted meanwhile."""
    image, pixels = picture(200, 200, tint=7)
    with Listener(home / "late", late(socket_of(daemon))) as proxy:
        connection = Connection((proxy.endpoint,), Connection.read(home).token)
        with bystander(daemon), Client(connection, 60.0) as client:
            client.upload(pixels)
            job = ended(client, client.submit(recipe(client), lease_s=60.0))
            assert job.state == "done"
            assert bytes(client.download(job.image)) == negative(picture()[1])
            assert bytes(client.download(image)) == pixels


class Twin:
    """Two connections that are sent the same bytes at once, after a login each."""

    def __init__(self, daemon: Daemon) -> None:
        self.plain: list[socket.socket] = []
        self.talks: list[Conversation] = []
        for _ in range(2):
            plain, talk = socket.socket(socket.AF_UNIX), Conversation(Connection.read(daemon.home).token)
            plain.settimeout(30)
            plain.connect(socket_of(daemon))
            while not talk.ready:
                plain.sendall(bytes(talk.outgoing))
                talk.outgoing.clear()
                talk.filled(plain.recv_into(talk.space()))
            plain.sendall(bytes(talk.outgoing))
            self.plain.append(plain)
            self.talks.append(talk)
        self.number = 0

    def ask(self, request: str, chunk: bytes | None = None, **fields: object) -> list[dict[str, object]]:
        """What each of them is answered."""
        self.number += 1
        frames = list(codec.encode({"id": self.number, "request": request, **fields}, chunk))
        data = b"".join(bytes(piece) for piece in framed(frames))
        for at in range(0, len(data), PIECE_BYTES):
            for plain in self.plain:
                plain.sendall(data[at : at + PIECE_BYTES])
        return [self._reply(plain, talk) for plain, talk in zip(self.plain, self.talks, strict=True)]

    def _reply(self, plain: socket.socket, talk: Conversation) -> dict[str, object]:
        while not talk.messages:
            talk.filled(plain.recv_into(talk.space()))
        return dict(codec.decode(talk.messages.popleft())[0])

    def close(self) -> None:
        for plain in self.plain:
            plain.close()


def test_whatever_comes_twice_over_two_connections_is_done_once(daemon: Daemon) -> None:
    data = bytes(range(256)) * (2 * MAX_CHUNK_BYTES // 256)
    with bystander(daemon), daemon.client() as client:
        wanted = recipe(client, fake.WELL, tint=3).to_wire()
        before = client.status()["counters"].get("jobs_done", 0)
        twin = Twin(daemon)
        blob = hashlib.sha256(data).hexdigest()
        for offset in (0, MAX_CHUNK_BYTES):
            chunk = data[offset : offset + MAX_CHUNK_BYTES]
            replies = twin.ask("put", chunk, blob=blob, size=len(data), offset=offset)
            assert [reply["have"] for reply in replies] == [offset + MAX_CHUNK_BYTES] * 2
        job = str(uuid.uuid4())
        replies = twin.ask("submit", job=job, recipe=wanted, lease_s=60.0)
        assert [(reply["ok"], reply["job"]) for reply in replies] == [(True, job)] * 2
        assert ended(client, job).state == "done"
        assert client.status()["counters"]["jobs_done"] == before + 1
        assert [reply["ok"] for reply in twin.ask("release", job=job)] == [True, True]
        assert [reply["ok"] for reply in twin.ask("cancel", job=job)] == [True, True]
        twin.close()
