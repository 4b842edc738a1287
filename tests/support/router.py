"""A scripted daemon for tests of the client: a real libzmq ROUTER with PLAIN and ZAP, answers from a table."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from zmq.auth.thread import ThreadAuthenticator

from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.endpoint import Connection
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.messages import NAMES, Get, Put, Request
from vaporbrush_protocol.session import ReceivedRequest, Session, greeting

TOKEN = "sesame"
NEVER = object()  # an answer: none
RESTART = object()  # an answer: the daemon dies, and another is there at once, with another boot id
Answer = Any  # fields | (fields, chunk) | VaporbrushError | NEVER | RESTART | raw frames (a list)


class Router:
    """Serves `endpoints` in a thread until `stop`. `answers` maps a request's name to an answer or a function of the
    request; hello, ping, put and get have ready answers. `seen` lists the requests in the order of their arrival.
    """

    def __init__(self, folder: Path, *, tcp: bool = False, heartbeat_ms: int = 0) -> None:
        self.folder = folder
        self.answers: dict[str, Answer] = {}
        self.blobs: dict[str, Blob] = {}
        self.seen: list[Request] = []
        self.boots = 0
        self._context = zmq.Context()
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_plain(domain="vaporbrush", passwords={"vaporbrush": TOKEN})
        self._heartbeat_ms = heartbeat_ms
        self._stopping = threading.Event()
        self._sessions: dict[bytes, Session] = {}
        self._held: list[tuple[bytes, Session, int]] = []  # what was answered with NEVER
        self._late: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.endpoint = f"ipc://{folder}/socket"
        self._socket = self._bound("tcp://127.0.0.1:*" if tcp else self.endpoint)
        self.endpoint = self._socket.last_endpoint.decode().rstrip("\0")
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Router:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def connection(self) -> Connection:
        """What a connection file of this daemon would say."""
        return Connection((self.endpoint,), TOKEN, pid=os.getpid())

    def names(self) -> list[str]:
        """The names of the requests seen, without the hellos."""
        return [NAMES[type(request)] for request in list(self.seen) if NAMES[type(request)] != "hello"]

    def answer_held(self, answers: Sequence[Answer]) -> None:
        """Answer the requests that got `NEVER`, in this order, but send the last answer first."""
        self._late.put(list(answers))

    def stop(self) -> None:
        """Close everything; connections break."""
        self._stopping.set()
        self._thread.join()
        self._authenticator.stop()
        self._context.destroy(linger=0)

    def _bound(self, endpoint: str) -> zmq.Socket[bytes]:
        self.boots += 1
        socket = self._context.socket(zmq.ROUTER)
        socket.setsockopt(zmq.PLAIN_SERVER, 1)
        socket.setsockopt(zmq.ZAP_DOMAIN, b"vaporbrush")
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.HEARTBEAT_IVL, self._heartbeat_ms)
        socket.bind(endpoint)
        return socket

    def _serve(self) -> None:
        while not self._stopping.is_set():
            if self._socket.poll(20):
                routing_id, *frames = self._socket.recv_multipart()
                session = self._sessions.setdefault(routing_id, Session())
                asked = session.receive(frames)
                if isinstance(asked, ReceivedRequest):
                    self.seen.append(asked.request)
                    self._answer(routing_id, session, asked)
                else:
                    self._socket.send_multipart([routing_id, *asked])
            while not self._late.empty():
                for (routing_id, session, identity), answer in reversed(
                    list(zip(self._held, self._late.get(), strict=True))
                ):
                    self._send(routing_id, session, identity, answer)
                self._held.clear()
        self._socket.close()

    def _answer(self, routing_id: bytes, session: Session, asked: ReceivedRequest) -> None:
        answer = self.answers.get(NAMES[type(asked.request)], self._ready_answer)
        if callable(answer):
            try:
                answer = answer(asked.request)
            except VaporbrushError as error:
                answer = error
        if answer is RESTART:
            self._socket.close()
            self._sessions.clear()
            self._socket = self._bound(self.endpoint)
            self._held.clear()
        elif answer is NEVER:
            self._held.append((routing_id, session, asked.id))
        else:
            self._send(routing_id, session, asked.id, answer)

    def _send(self, routing_id: bytes, session: Session, identity: int, answer: Answer) -> None:
        if isinstance(answer, VaporbrushError):
            frames = session.refuse(identity, answer)
        elif isinstance(answer, list):
            frames = answer
        else:
            fields, chunk = answer if isinstance(answer, tuple) else (answer, None)
            frames = session.reply(identity, fields, chunk)
        self._socket.send_multipart([routing_id, *frames])

    def _ready_answer(self, request: Request) -> Answer:
        name = NAMES[type(request)]
        if name == "hello":
            return {
                **greeting(),
                "daemon": "scripted 0",
                "boot": f"boot{self.boots}",
                "pid": os.getpid(),
                "log": "/the/log",
            }
        if isinstance(request, Put):
            return self.blobs.setdefault(request.blob, Blob(request.size)).put(request)
        if isinstance(request, Get):
            return self.get(request)
        return {}

    def get(self, request: Get) -> tuple[dict[str, Any], Buffer]:
        """A piece of a blob that was put."""
        if request.blob not in self.blobs:
            raise RequestError("unknown_blob", "These bytes are not here.")
        data = self.blobs[request.blob].data
        piece = memoryview(data)[request.offset : request.offset + request.size]
        return {"offset": request.offset, "total": len(data)}, piece


@dataclass
class Blob:
    """Bytes that arrive in order."""

    size: int
    data: bytearray = field(default_factory=bytearray)

    def put(self, request: Put) -> dict[str, Any]:
        """Keep what continues what is there."""
        if request.chunk is not None and request.offset <= len(self.data):
            self.data[request.offset :] = request.chunk
        return {"have": len(self.data), "complete": len(self.data) == self.size}
