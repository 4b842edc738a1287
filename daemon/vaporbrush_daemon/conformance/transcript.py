"""Conversations written down (`protocol/transcripts/`), played against a server.

A transcript has `variables` (made anew each time it is played) and `steps`. In a step's messages a text `$name` stands
for a variable: a job's id, the hash of made-up bytes, or whatever a reply bound by `?name`. A reply has to have what
the step's `receive` lists; `*` is anything but nil. What else a reply must have, the specification's records say.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from vaporbrush_protocol.codec import Buffer, decode, encode, undelimited
from vaporbrush_protocol.errors import RequestError, VaporbrushError
from vaporbrush_protocol.link import Link
from vaporbrush_protocol.replies import check_reply

REPLY_S = 40.0  # a long poll takes 30
UNTIL_S = 300.0  # for a step that is repeated until its reply says something: a real server paints meanwhile


class Deviation(Exception):  # noqa: N818 - it is no error of this program
    """The server does not keep to the specification; the sentence says where."""


class Player:
    """Plays transcripts over connections that `connect` opens; `restart` restarts the server, where that can be."""

    def __init__(self, connect: Callable[[], Link], restart: Callable[[], None] | None, seed: int) -> None:
        self._connect, self._restart = connect, restart
        self._dice = random.Random(seed)  # noqa: S311 - made-up pictures, no secrets
        self._ids = count(1)

    def can_play(self, transcript: Mapping[str, Any]) -> bool:
        """Whether nothing is asked for that cannot be done here."""
        return self._restart is not None or not any("restart" in step for step in transcript["steps"])

    def play(self, transcript: Mapping[str, Any]) -> None:
        """Raises `Deviation` with the step at which the server said something else."""
        scene = Scene(self._made(transcript.get("variables", {})))
        link = self._connect()
        try:
            for number, step in enumerate(transcript["steps"], 1):
                if "reconnect" in step or "restart" in step:
                    link.close()
                    if "restart" in step and self._restart is not None:
                        self._restart()
                    link = self._connect()
                    continue
                try:
                    self._step(link, scene, step)
                except (Deviation, VaporbrushError) as error:
                    says = step.get("says", "")
                    raise Deviation(f"step {number}{f' ({says})' if says else ''}: {error}") from None
        finally:
            link.close()

    def _made(self, variables: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """`{"uuid": 4}` is a job's id, `{"bytes": n}` so many random bytes."""
        return {
            name: self._dice.randbytes(made["bytes"])
            if "bytes" in made
            else str(uuid.UUID(bytes=self._dice.randbytes(16), version=4))
            for name, made in variables.items()
        }

    def _step(self, link: Link, scene: Scene, step: Mapping[str, Any]) -> None:
        if "raw" in step:
            link.send([bytes.fromhex(frame) for frame in step["raw"]], REPLY_S)
            scene.match(step["receive"], *received(link))
        elif "window" in step:
            self._window(link, scene, step["window"])
        else:
            give_up = time.monotonic() + UNTIL_S
            while True:
                header, chunk = self._ask(link, scene, step)
                scene.match(step["receive"], header, chunk)
                if "until" not in step or scene.fits(step["until"], header):
                    return
                if time.monotonic() > give_up:
                    raise Deviation(f"no reply said {step['until']} within {UNTIL_S:.0f} s; the last said {header}")

    def _ask(self, link: Link, scene: Scene, step: Mapping[str, Any]) -> tuple[dict[str, Any], Buffer | None]:
        number = next(self._ids)
        link.send(encode({**scene.filled(step["send"]), "id": number}, scene.chunk(step)), REPLY_S)
        header, chunk = received(link)
        if header.get("id") != number:
            raise Deviation(f"the reply's id is {header.get('id')!r}, not {number}")
        checked(step["send"]["request"], header, chunk)
        return header, chunk

    def _window(self, link: Link, scene: Scene, window: list[Mapping[str, Any]]) -> None:
        """Several requests at once; their replies may come in any order."""
        waiting: dict[int, Mapping[str, Any]] = {}
        for step in window:
            number = next(self._ids)
            waiting[number] = step
            link.send(encode({**scene.filled(step["send"]), "id": number}, scene.chunk(step)), REPLY_S)
        while waiting:
            header, chunk = received(link)
            step = waiting.pop(header.get("id", -1), {})
            if not step:
                raise Deviation(f"a reply came with the id {header.get('id')!r}, which nothing waits for")
            checked(step["send"]["request"], header, chunk)
            scene.match(step["receive"], header, chunk)


class Scene:
    """The variables of one performance."""

    def __init__(self, variables: dict[str, Any]) -> None:
        self.variables = variables

    def filled(self, value: Any) -> Any:
        """A message with its variables put in."""
        if isinstance(value, Mapping):
            return {name: self.filled(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if isinstance(value, str) and value.startswith("$"):
            found = self.variables[value[1:]]
            return hashlib.sha256(found).hexdigest() if isinstance(found, bytes) else found
        return value

    def chunk(self, step: Mapping[str, Any]) -> bytes | None:
        """The bytes that a step sends along: `{"of": name, "from": a, "to": b}`."""
        piece = step.get("chunk")
        return None if piece is None else self.variables[piece["of"]][piece["from"] : piece["to"]]

    def match(self, wanted: Mapping[str, Any], header: Mapping[str, Any], chunk: Buffer | None) -> None:
        """Compare a reply with what a step wants of it. Raises `Deviation`."""
        for name, value in wanted.items():
            if name == "chunk_bytes":
                found: Any = 0 if chunk is None else len(memoryview(chunk))
            else:
                found = header.get(name)
            if not self._same(value, found):
                raise Deviation(f"`{name}` is {found!r}, but must be {self.filled(value)!r}; the reply is {header}")

    def fits(self, wanted: Mapping[str, Any], header: Mapping[str, Any]) -> bool:
        """Whether a reply says something yet."""
        return all(self._same(value, header.get(name)) for name, value in wanted.items())

    def _same(self, wanted: Any, found: Any) -> bool:
        if wanted == "*":
            return found is not None
        if isinstance(wanted, str) and wanted.startswith("?"):
            self.variables[wanted[1:]] = found
            return found is not None
        if isinstance(wanted, Mapping):
            return isinstance(found, Mapping) and all(
                self._same(each, found.get(name)) for name, each in wanted.items()
            )
        return bool(self.filled(wanted) == found)


def received(link: Link) -> tuple[dict[str, Any], Buffer | None]:
    """The next message. Raises `Deviation` where it is none."""
    try:
        return decode(undelimited(link.receive(REPLY_S))[1])
    except RequestError as error:
        raise Deviation(f"a reply is malformed: {error.message}") from None


def checked(request: str, header: Mapping[str, Any], chunk: Buffer | None) -> None:
    """Raises `Deviation` where a reply is not as the specification says."""
    try:
        check_reply(request, header, chunk)
    except RequestError as error:
        raise Deviation(f"the reply to `{request}` is wrong: {error.message}") from None


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The transcripts of a folder by their names."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
