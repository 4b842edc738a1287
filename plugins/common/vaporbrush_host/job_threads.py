"""Runs: threads that each do one job at the daemon and report by `RunState`. Each owns its connection."""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.job import Job, Preview
from vaporbrush_protocol.limits import PREVIEW_SIDE
from vaporbrush_protocol.messages import OnLeaseEnd
from vaporbrush_protocol.recipe import Image, Recipe
from vaporbrush_protocol.shown import plain, short

from .request import PaintRequest
from .ui_text import _, byte_count, job_line, time_left

Stage = Literal["connecting", "sending", "queued", "running", "ending", "done", "cancelled", "failed"]
ENDED: tuple[Stage, ...] = ("done", "cancelled", "failed")
LOOK_S = 0.25  # a click on Cancel or Keep this reaches the daemon within this time, in any state of the job
LEASE_S = (
    60.0  # a host may stall its plug-ins this long (saving a huge file holds Python's lock) and still get its result
)

Connect = Callable[[], Client]  # connects, and starts the daemon where it does not run


@dataclass(frozen=True)
class RunState:
    """What a run is doing; immutable, each change is a new one. `fraction` is None while nobody knows.

    At the end: `pixels` (as described by `job.image`) and `job` when done, `error` and `report` (for *Copy details*)
    when failed.
    """

    key: str
    label: str
    stage: Stage = "connecting"
    line: str = ""
    left: str = ""
    fraction: float | None = None
    job: Job | None = None
    preview: Preview | None = None
    pixels: Buffer | None = None
    error: VaporbrushError | None = None
    report: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.stage in ENDED

    @property
    def painting(self) -> tuple[Image, Buffer]:
        """What a painting that is done has brought: its description, and its pixels."""
        assert self.job is not None
        assert self.job.image is not None
        assert self.pixels is not None
        return self.job.image, self.pixels

    @property
    def note(self) -> str:
        """What the daemon said last of what happened on the way; empty where nothing had to be said."""
        return plain(self.job.notes[-1]) if self.job is not None and self.job.notes else ""

    @property
    def result(self) -> Mapping[str, Any]:
        """The job's result, empty before there is one."""
        return self.job.result if self.job is not None and self.job.result is not None else {}


class StoppedError(Exception):
    """The person pressed Cancel."""


class Submits(Protocol):
    """What others queue behind. `submitted`: the daemon has its job, or will never get it."""

    @property
    def submitted(self) -> threading.Event: ...


class Run(threading.Thread):
    """One job in a thread. `post` is called there with every new `RunState`; put it into a queue and no more.

    `cancel`, `finish` and `close` may be called from any thread and return at once.
    """

    def __init__(self, label: str, post: Callable[[RunState], None], connect: Connect) -> None:
        self.key = str(uuid.uuid4())
        super().__init__(name=f"vaporbrush-{self.key[:8]}", daemon=True)
        self.state = RunState(self.key, label, line=_("Connecting…"))
        self._post = post
        self._connect = connect
        self.submitted = threading.Event()  # the daemon has the job, or will never get it
        self._cancel = threading.Event()
        self._finish = threading.Event()

    def cancel(self) -> None:
        """Stop and keep nothing."""
        self._cancel.set()

    @property
    def cancelling(self) -> bool:
        """Whether it was told to stop and keep nothing. It may have been done by then."""
        return self._cancel.is_set()

    def finish(self) -> None:
        """Stop and keep what there is."""
        self._finish.set()

    def run(self) -> None:
        """The thread. Whatever happens ends in one of the final states."""
        try:
            self._set(stage="connecting")
            with self._connect() as client:
                self._check()
                self._work(client)
        except StoppedError:
            self._set(stage="cancelled", line=_("Cancelled"), left="", fraction=None)
        except VaporbrushError as error:
            if error.code == "cancelled":
                self._set(stage="cancelled", line=_("Cancelled"), left="", fraction=None)
            else:
                self._fail(error)
        except Exception as error:  # noqa: BLE001 (a defect here must show in the dialog, not end a thread in silence)
            self._fail(VaporbrushError("internal", _("The plug-in met a defect: {what}").format(what=error)))
        finally:
            self.submitted.set()

    def _fail(self, error: VaporbrushError) -> None:
        report = "".join(traceback.format_exc())
        self._set(stage="failed", line=error.message, left="", fraction=None, error=error, report=report)

    def _work(self, client: Client) -> None:
        raise NotImplementedError

    def _check(self) -> None:
        if self._cancel.is_set():
            raise StoppedError

    def _set(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)
        self._post(self.state)

    def _look(self, client: Client, job: Job) -> None:
        """One report of the daemon; the moment at which the person's wishes are passed on."""
        self.submitted.set()
        self._check()
        ending = self._finish.is_set()
        if ending and job.state == "running" and self.state.stage != "ending":
            client.finish(job.job)
        running = job.state == "running"
        before = self.state
        state = replace(
            before,
            stage="ending" if ending and running else "running" if running else "queued",
            line=_("Keeping what is painted…") if ending and running else job_line(job),
            left="" if ending else time_left(job.progress),
            fraction=job.progress.fraction if running and job.progress is not None and job.progress.steps else None,
            job=job,
            preview=job.preview or before.preview,
        )
        if state != before:
            self.state = state
            self._post(state)


class PaintThread(Run):
    """Sends an order's pixels, has them painted and brings the painting back. It queues behind `after`.

    With `keep_canvas`, the daemon keeps what was painted, so that a later order can `start` from the job's canvas or be
    held to it. The last run that needs it names this job among the `earlier` ones, which are forgotten when that is
    done. A frame that `follows` the job of another run (`after`) is held to that one's, whose end the daemon waits for;
    where the daemon does not know it any more, this fails with `unknown_job` or `unknown_blob`. With `counts`, `places`
    tells in the end how many such paintings can run at once, as far as is known.
    """

    def __init__(
        self,
        order: PaintRequest,
        post: Callable[[RunState], None],
        connect: Connect,
        *,
        preview_side: int = PREVIEW_SIDE,
        lease_s: float = LEASE_S,
        on_lease_end: OnLeaseEnd = "cancel",
        after: Submits | None = None,
        follows: str | None = None,
        keep_canvas: bool = False,
        earlier: tuple[str, ...] = (),
        counts: bool = False,
    ) -> None:
        super().__init__(order.label, post, connect)
        self.order: PaintRequest | None = order
        self._preview_side = preview_side
        self._lease_s = lease_s
        self._on_lease_end: OnLeaseEnd = on_lease_end
        self._after = after
        self._follows = follows
        self._keep_canvas = keep_canvas
        self.earlier = earlier
        self._counts = counts
        self.places = 1
        self.titles: Mapping[str, str] = {}  # of the bundled styles, by name, as soon as the daemon has told them

    @property
    def left(self) -> tuple[str, ...]:
        """The jobs that the daemon may keep for this run when it has ended: its own, where its canvas was to be kept,
        and the earlier ones, where it did not come so far as to have them forgotten.
        """
        own = (self.key,) if self._keep_canvas else ()
        return own if self.state.stage == "done" else (*self.earlier, *own)

    def forget(self) -> None:
        """Let go of the pixels."""
        self.order = None

    def _work(self, client: Client) -> None:
        self._set(stage="sending", line=_("Sending the layer…"))
        order = self.order
        assert order is not None  # forgotten only when the thread has ended
        listed = client.styles() if any(style.name for style in order.styles) else {}
        self.titles = {str(one.get("name")): plain(str(one.get("title", ""))) for one in listed.get("styles") or ()}
        if order.left_open:
            order = order.with_tuned(listed)
        recipe, pictures = order.prepared()
        total, sent = sum(map(len, pictures.values())), 0

        def on_bytes(done: int, _size: int) -> None:
            self._check()
            line = _("Sending the layer… {done} of {total}").format(
                done=byte_count(sent + done), total=byte_count(total)
            )
            self._set(line=line, fraction=(sent + done) / max(1, total))

        for blob, data in pictures.items():
            client.upload(data, on_bytes, blob=blob)
            sent += len(data)
        while self._after is not None and not self._after.submitted.wait(LOOK_S):
            self._check()
        self._after = None
        try:
            job, pixels = self._painted(client, recipe, pictures)
        except RemoteError as error:
            begins_elsewhere = self._follows is None and (recipe.start_image is not None or recipe.held)
            if error.code != "unknown_blob" or not begins_elsewhere:
                raise
            # the daemon had to make room and has the earlier canvas no more: begin as the first one did
            job, pixels = self._painted(client, replace(recipe, start_image=None, held=()), pictures)
        self._check()
        for earlier in self.earlier:
            with suppress(RemoteError):  # a daemon that does not know it has forgotten it already
                client.release(earlier)
        if self._counts:
            self.places = _places(client, recipe)
        self._set(stage="done", line=_("Done"), left="", fraction=1.0, job=job, pixels=pixels)

    def _painted(self, client: Client, recipe: Recipe, pictures: Mapping[str, Buffer]) -> tuple[Job, Buffer]:
        order = self.order
        titles, history = ((), False) if order is None else (order.titles, order.history)
        return client.stylize(
            recipe,
            pictures,
            on_progress=lambda job: self._look(client, job),
            job=self.key,
            preview_side=self._preview_side,
            wait_s=LOOK_S,
            lease_s=self._lease_s,
            on_lease_end=self._on_lease_end,
            label=self.state.label[:60],
            release=not self._keep_canvas,
            style_names=[short(title) for title in titles],
            history=history,
            after=self._follows,
            holds=self._follows is not None,
        )


def _places(client: Client, recipe: Recipe) -> int:
    """How many such paintings can run at once, as far as is known. Devices are known when one was painted."""
    try:
        return int(client.estimate(recipe).get("at_once", 1))
    except VaporbrushError:  # the painting is here; if the daemon is in trouble, the next one says so
        return 1


class ForgetThread(Run):
    """Tells the daemon that nobody needs these jobs any more. What it is not told it forgets by itself, in a day: so
    `connect` need not start one, which might have been stopped on purpose.
    """

    def __init__(self, jobs: Sequence[str], connect: Connect) -> None:
        super().__init__("", lambda _state: None, connect)
        self._jobs = tuple(jobs)

    def _work(self, client: Client) -> None:
        for job in self._jobs:
            with suppress(RemoteError):  # it has forgotten it already
                client.release(job)
        self._set(stage="done")


class FetchThread(Run):
    """Fetches a model's weights."""

    def __init__(self, model: str, post: Callable[[RunState], None], connect: Connect) -> None:
        super().__init__(_("Full model"), post, connect)
        self.model = model

    def _work(self, client: Client) -> None:
        job = client.fetch_model(self.model, self.key)
        while not job.final:
            if self._cancel.is_set():
                client.cancel(self.key)
                raise StoppedError
            self._look(client, job)
            job = client.watch(self.key, job.seq, LOOK_S)
        if job.error is not None:
            raise job.error
        self._set(
            stage="cancelled" if job.state == "cancelled" else "done",
            line=_("The full model is here."),
            left="",
            fraction=1.0,
            job=job,
        )
