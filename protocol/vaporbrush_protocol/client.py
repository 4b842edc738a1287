"""The client: blocking calls with time-outs. One `Client` per thread.

A broken connection is opened again and an idempotent request sent once more, so that a restarted daemon is not noticed;
transfers go on where they stopped. Every error is a `RemoteError` (the daemon said no) or a `LinkError` (it could not
be asked), each with one sentence for people; `RequestError` means that the caller's own arguments are wrong.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from .channel import Channel, Message, OpenLink, replying
from .codec import Buffer
from .endpoint import Connection
from .errors import LinkError, RemoteError
from .history import HistoryEntry, HistoryPage, Recalled
from .installation import installed
from .job import MAX_STORY, Job, StoryEntry
from .launcher import start_daemon
from .limits import CONNECT_TIMEOUT_S, DEFAULT_LEASE_S, LIST_PAGE, MAX_WATCH_S, REQUEST_TIMEOUT_S
from .link import Link
from .messages import IDEMPOTENT, OnLeaseEnd
from .recipe import Image, Recipe
from .rules import sequence, truth
from .transfer import OnBytes, download, upload

MAX_RESTARTS = 3  # of the daemon during one `stylize`, before the job is taken for the cause


class Client:
    """A daemon, as one thread sees it. It connects with the first request, and again when the connection broke."""

    def __init__(
        self,
        connection: Connection,
        timeout_s: float = REQUEST_TIMEOUT_S,
        *,
        name: str = "",
        open_link: OpenLink = Link.open,
    ) -> None:
        """`open_link` is another way to the daemon than the endpoints of the connection file."""
        self.timeout_s = timeout_s
        self._channel = Channel(connection, name, open_link)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection at once. The client can be used again."""
        self._channel.close()

    @property
    def connection(self) -> Connection:
        """The connection file that is in use."""
        return self._channel.connection

    @property
    def daemon(self) -> dict[str, Any]:
        """What the daemon said to the last `hello`; empty before the first request."""
        return self._channel.daemon

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────

    def request(
        self,
        name: str,
        fields: Mapping[str, Any] | None = None,
        chunk: Buffer | None = None,
        *,
        timeout_s: float | None = None,
    ) -> tuple[dict[str, Any], Buffer | None]:
        """Send one request and return its reply and that one's chunk. Raises `RemoteError` and `LinkError`."""
        wait_s = self.timeout_s if timeout_s is None else timeout_s
        replies: list[Message] = []
        asked = Message({"request": name, **(fields or {})}, chunk)

        def attempt() -> None:
            self._channel.exchange(iter([asked]), lambda _, reply: replies.append(reply), wait_s)

        try:
            attempt()
        except LinkError as error:
            if error.code != "link_lost" or name not in IDEMPOTENT:
                raise
            self._channel.reconnect()
            attempt()
        return replies[0].header, replies[0].chunk

    def hello(self) -> dict[str, Any]:
        """Who the daemon is: version, boot, pid, limits, log."""
        if self._channel.daemon:
            self.ping()  # the greeting is from this connection, or from a new one if that has died
        self._channel.connect(min(self.timeout_s, CONNECT_TIMEOUT_S))
        return self._channel.daemon

    def ping(self) -> float:
        """Seconds that a round trip takes."""
        began = time.perf_counter()
        self.request("ping")
        return time.perf_counter() - began

    def status(self) -> dict[str, Any]:
        """The daemon's state: workers, queue, spool, configuration."""
        return self.request("status")[0]

    def models(self) -> dict[str, Any]:
        """`models`: the list; `auto`: what that name means now; `message`: how to get the full model, or empty."""
        return self.request("models")[0]

    def styles(self) -> dict[str, Any]:
        """`styles`: the bundled and the user's own, each with its tuned defaults and a thumbnail to `download`."""
        return self.request("styles")[0]

    def estimate(self, recipe: Recipe) -> dict[str, Any]:
        """Painted and delivered size, seconds, memory and plan of a recipe, whose blobs need not exist."""
        return self.request("estimate", {"recipe": recipe.to_wire()})[0]

    def unload(self) -> dict[str, Any]:
        """End the idle workers: `unloaded` and `busy` count them."""
        return self.request("unload")[0]

    def shutdown(self, *, now: bool = False) -> None:
        """End the daemon: after the running jobs, or `now`."""
        try:
            self.request("shutdown", {"now": now})
        except LinkError as error:
            if error.code != "link_lost":  # a daemon that is gone before its reply has done what was asked
                raise
        self.close()

    # ── bytes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def upload(self, data: Buffer, on_progress: OnBytes | None = None, *, blob: str = "") -> str:
        """Bring bytes to the daemon and return their sha256. What is there already is not sent.

        `blob` is the sha256 where the caller knows it. Raises `RemoteError` (`disk_full`, `too_large`, `conflict`).
        """
        view = memoryview(data).cast("B")
        blob = blob or hashlib.sha256(view).hexdigest()
        upload(self._channel, view, blob, on_progress or _unheard, self.timeout_s)
        return blob

    def download(self, image: Image, into: Buffer | None = None, on_progress: OnBytes | None = None) -> Buffer:
        """The bytes of a picture, checked against its hash: `into` where that is given, else new `bytes`.

        Raises `RemoteError` (`unknown_blob`), and `LinkError` (`bad_reply`) where the bytes are damaged.
        """
        return download(self._channel, image, into, on_progress or _unheard, self.timeout_s)

    # ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def submit(
        self,
        recipe: Recipe,
        job: str | None = None,
        lease_s: float = DEFAULT_LEASE_S,
        on_lease_end: OnLeaseEnd = "finish",
        label: str = "",
        *,
        style_names: Sequence[str] = (),
        history: bool = True,
        gives_way: bool = False,
        after: str | None = None,
        holds: bool = False,
    ) -> Job:
        """Queue a painting, whose blobs are uploaded already. The same job id again returns the job as it is.

        The result is kept in the `history`, where `style_names` tell what people call its styles, if the recipe's own
        names do not. A job that `gives_way` ends with what there is as soon as another one waits for its device. One
        `after` another job waits for that and begins from its canvas; if it `holds`, as the film's next frame.
        """
        fields = {"job": job or str(uuid.uuid4()), "recipe": recipe.to_wire(), "label": label, "history": history}
        more = {"lease_s": lease_s, "on_lease_end": on_lease_end, "gives_way": gives_way}
        chain = {"after": after, "holds": holds} if after else {}
        return self._job("submit", {**fields, **more, **chain, "style_names": list(style_names)})

    def watch(
        self, job: str, seen: int = 0, wait_s: float = MAX_WATCH_S, preview_side: int = 0, preview_seen: int = 0
    ) -> Job:
        """The job, as soon as its `seq` is beyond `seen`, at the latest after `wait_s`."""
        fields = {"job": job, "seen": seen, "wait_s": wait_s, "preview": preview_side, "preview_seen": preview_seen}
        return self._job("watch", fields, timeout_s=wait_s + self.timeout_s)

    def cancel(self, job: str) -> Job:
        """Stop, and keep nothing."""
        return self._job("cancel", {"job": job})

    def finish(self, job: str) -> Job:
        """Stop now, and deliver what there is."""
        return self._job("finish", {"job": job})

    def release(self, job: str) -> Job:
        """Tell the daemon that the result was fetched: its files may go."""
        return self._job("release", {"job": job})

    def fetch_model(self, model: str, job: str | None = None) -> Job:
        """Begin the download of a model's weights; `watch` shows how far it is."""
        return self._job("fetch_model", {"job": job or str(uuid.uuid4()), "model": model})

    def jobs(self) -> list[Job]:
        """All jobs that the daemon knows, oldest first, without their results."""
        found: list[Job] = []
        more = True
        while more:
            fields = {"after": found[-1].job} if found else {}
            reply, _ = self.request("list", fields)
            with replying("list"):
                page = [Job.from_wire(one) for one in sequence("jobs", reply.get("jobs"), 0, LIST_PAGE)]
                more = truth("more", reply.get("more", False)) and bool(page)
            found += page
        return found

    def story(self, job: str) -> list[StoryEntry]:
        """What happened to a job, step by step. Raises `RemoteError` (`unknown_request` from a daemon before 1.1)."""
        reply, _ = self.request("story", {"job": job})
        with replying("story"):
            entries = sequence("entries", reply.get("entries"), 0, MAX_STORY)
            return [StoryEntry.from_wire(f"entries[{i}]", entry) for i, entry in enumerate(entries)]

    # ── what was painted before ─────────────────────────────────────────────────────────────────────────────────

    def history(self, after: str | None = None) -> HistoryPage:
        """What was painted before, the newest first, and what it takes. Raises like `story`."""
        reply, _ = self.request("history", {"after": after} if after else {})
        with replying("history"):
            return HistoryPage.from_wire(reply)

    def recall(self, job: str) -> Recalled:
        """Bring a painting of the history back: `download` gives its `image`. Raises `RemoteError` (`unknown_job`)."""
        reply, _ = self.request("recall", {"job": job})
        with replying("recall"):
            return Recalled.from_wire(reply)

    def pin(self, job: str, *, pinned: bool = True) -> HistoryEntry:
        """Have an entry of the history stay, or no longer. Raises `RemoteError` (`unknown_job`, `disk_full`)."""
        reply, _ = self.request("pin", {"job": job, "pinned": pinned})
        with replying("pin"):
            return HistoryEntry.from_wire("entry", reply)

    def forget(self, job: str) -> None:
        """Drop an entry of the history; one that is not there is no error."""
        self.request("forget", {"job": job})

    def _job(self, name: str, fields: Mapping[str, Any], timeout_s: float | None = None) -> Job:
        reply, chunk = self.request(name, fields, timeout_s=timeout_s)
        with replying(name):
            return Job.from_wire(reply, chunk)

    def stylize(
        self,
        recipe: Recipe,
        pictures: Mapping[str, Buffer],
        *,
        on_progress: Callable[[Job], None] | None = None,
        job: str | None = None,
        preview_side: int = 0,
        wait_s: float = MAX_WATCH_S,
        lease_s: float = DEFAULT_LEASE_S,
        on_lease_end: OnLeaseEnd = "finish",
        label: str = "",
        into: Buffer | None = None,
        release: bool = True,
        style_names: Sequence[str] = (),
        history: bool = True,
        gives_way: bool = False,
        after: str | None = None,
        holds: bool = False,
    ) -> tuple[Job, Buffer]:
        """Upload, submit, watch, download, release: the whole of it, through restarts of the daemon.

        `pictures` are the bytes of `recipe.images` by sha256 (see `Image.of`); what the daemon has already may be left
        out. Returns the finished job, whose `image` describes the pixels, and the pixels. When `on_progress` raises,
        the job is cancelled and the exception goes on. `on_progress` is called after every change and at the latest
        every `wait_s`, and may use this client (to `finish` or `cancel`). Without `release`, the daemon keeps the
        result for a while, and its `canvas` can be gone on from. `style_names`, `history`, `gives_way`, `after` and
        `holds` are as for `submit`. A daemon that was started anew knows no job `after` which this could begin: then
        `unknown_job` is raised. Raises `RemoteError` with the job's error.
        """
        identity = job or str(uuid.uuid4())
        asked = partial(self.submit, recipe, identity, lease_s, on_lease_end, label, style_names=style_names)
        submit = partial(asked, history=history, gives_way=gives_way, after=after, holds=holds)

        for _ in range(MAX_RESTARTS):
            boot = self.hello().get("boot")
            try:
                self._bring(recipe, pictures)
                state = self._followed(submit(), on_progress, wait_s, preview_side)
            except RemoteError as error:
                forgotten = error.code in ("unknown_job", "unknown_blob") and self.daemon.get("boot") != boot
                if not forgotten or after is not None:
                    raise
                continue  # a new daemon that knows nothing of this
            except LinkError:
                raise
            except BaseException:
                with suppress(LinkError, RemoteError):  # what ends this counts; the lease ends the job
                    self.cancel(identity)
                raise
            if state.state != "failed" or self.daemon.get("boot") == boot:
                return state, self._collected(state, into, release=release)
        raise LinkError(
            "link_lost",
            f"The daemon was restarted {MAX_RESTARTS} times while it painted this. "
            f"Its log ({self.daemon.get('log') or 'see `vaporbrush logs`'}) tells why.",
        )

    def _bring(self, recipe: Recipe, pictures: Mapping[str, Buffer]) -> None:
        """Upload what a recipe names."""
        for blob in dict.fromkeys(image.blob for image in recipe.images):
            if blob in pictures:
                self.upload(pictures[blob], blob=blob)

    def _followed(self, state: Job, on_progress: Callable[[Job], None] | None, wait_s: float, preview_side: int) -> Job:
        """The job at its end."""
        shown = 0
        while not state.final:
            if on_progress is not None:
                on_progress(state)
            shown = shown if state.preview is None else state.preview.number
            state = self.watch(state.job, state.seq, wait_s, preview_side, shown)
        return state

    def _collected(self, state: Job, into: Buffer | None, *, release: bool) -> Buffer:
        if state.state == "failed" and state.error is not None:
            raise state.error
        if state.state == "cancelled":
            raise RemoteError("cancelled", "The job was cancelled.")
        with replying("watch"):
            image = state.image
        if image is None:
            raise LinkError("bad_reply", f"The daemon says that the job is {state.state}, but sends no picture.")
        pixels = self.download(image, into)
        if release:
            with suppress(RemoteError):  # the picture is here; a daemon that has forgotten the job has released it
                self.release(state.job)
        return pixels


def connect(
    *,
    start: bool | Sequence[str] = False,
    home: Path | None = None,
    timeout_s: float = REQUEST_TIMEOUT_S,
    name: str = "",
) -> Client:
    """A client that has greeted the daemon of this home.

    With `start`, a daemon that does not answer is started: by the command given, or that in the connection file, or
    that of the painter which a plug-in installed. Raises `LinkError` with what to do.
    """
    command = () if isinstance(start, bool) else tuple(start)
    try:
        connection = Connection.read(home)
    except LinkError as error:
        if start is not False and not command and (painter := installed(home)) is not None:
            command = painter.start
        if not command or error.code != "no_daemon":
            raise
        connection = start_daemon(None, command, home)
    client = Client(connection, timeout_s, name=name)
    try:
        client.hello()
    except LinkError as error:
        client.close()
        if not start or error.code != "no_daemon":
            raise
        client = Client(start_daemon(connection, command, home), timeout_s, name=name)
        client.hello()
    except BaseException:
        client.close()
        raise
    return client


def _unheard(_done: int, _size: int) -> None:
    """For transfers that nobody watches."""
