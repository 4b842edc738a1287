"""Live: a small painting that follows the controls, and grows better while nothing changes.

Theory of operation. An editor `ask`s with every change; only the newest order counts. It is painted at the first of
`SIDES`, then at the next, each going on from the one before, as long as a round stays short on this machine. A change
ends the present round with what it has, and the next order begins from there: the picture moves on, and does not start
from the bare layer again. Each round is a job that gives way, so that every other painting comes first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from vaporbrush_protocol.client import Client
from vaporbrush_protocol.codec import Buffer
from vaporbrush_protocol.errors import RemoteError, VaporbrushError
from vaporbrush_protocol.job import Job, Preview
from vaporbrush_protocol.limits import PREVIEW_SIDE
from vaporbrush_protocol.recipe import Image

from .controls import Value
from .history import four_channels
from .job_threads import Connect, StoppedError
from .request import PaintRequest
from .ui_text import _

SIDES = (160, 256, 384, 576, 864)  # px of the longest side: each has about twice the pixels of the one before
STYLE_SIDE = 2 * SIDES[-1]  # px; of a style no more is seen, unless it is scaled up more than that
STEPS = 24  # of a round: the style is there after the first, what follows is finish
ROUND_S = 8.0  # a round that would take longer is not begun: who looks on thinks that nothing happens
LOOK_S = 0.05  # a change is noticed within this time, and then the present step ends
LEASE_S = 10.0  # a program that has gone wants no more of it
MODEL = "vgg19-lite"  # a step of the full one takes eight times as long
# The words, the same in both editors.
ENTRY = _("Live")
NO_STYLE = _("Live: choose a style.")
TIP = _(
    "Paints the layer small, and anew with every change. Regions and the selection count only when it is painted whole."
)
PAINTING, WAITING = _("Live: painting at {side} px…"), _("Live: waiting until the other painting is done.")
RESTS = _("Live: painted at {side} px.")


@dataclass(frozen=True)
class LivePicture:
    """The painting as it is now."""

    preview: Preview


@dataclass(frozen=True)
class LiveLine:
    """What it is at, or what went wrong."""

    line: str
    error: VaporbrushError | None = None


LiveNews = LivePicture | LiveLine


class ChangedError(Exception):
    """There is a newer order, and nothing is painted of the old one yet."""


class LiveThread(threading.Thread):
    """`ask` as often as something changes. `post` is called in the thread; put what comes into a queue and no more."""

    def __init__(self, post: Callable[[LiveNews], None], connect: Connect) -> None:
        super().__init__(name="vaporbrush-live", daemon=True)
        self._post, self._connect = post, connect
        self._news = threading.Condition()
        self._asked: tuple[str, PaintRequest] | None = None  # the newest that nobody has begun
        self._last: tuple[str, PaintRequest] | None = None  # the newest of all
        self._stopped = False
        self._subject = ""  # what the canvas shows
        self._canvas: Image | None = None
        self._job = ""  # which made the canvas

    def ask(self, order: PaintRequest, subject: str) -> None:
        """Paint this instead. `subject` names the layer: of another one nothing is gone on from. The same again changes
        nothing.
        """
        with self._news:
            if (subject, order) != self._last:
                self._asked = self._last = (subject, order)
                self._news.notify()

    def stop(self) -> None:
        """Paint no more; from any thread."""
        with self._news:
            self._stopped = True
            self._news.notify()

    def run(self) -> None:
        """The thread. Whatever happens is posted."""
        while True:
            try:
                asked = self._next()
                with self._connect() as client:
                    self._serve(client, asked)
            except StoppedError:
                return  # it was switched off: nobody waits for more
            except VaporbrushError as error:
                self._failed(error)
            except Exception as error:  # noqa: BLE001 (a defect here must show, not end a thread in silence)
                self._failed(VaporbrushError("internal", _("The plug-in met a defect: {what}").format(what=error)))

    def _failed(self, error: VaporbrushError) -> None:
        with self._news:
            self._last = self._asked  # the same may be asked for again
        self._post(LiveLine(error.message, error))

    def _is_disturbed(self) -> bool:
        return self._stopped or self._asked is not None

    def _serve(self, client: Client, asked: tuple[str, PaintRequest]) -> None:
        """Paint one order after the other. Raises `StoppedError` at the end, and what goes wrong with an order."""
        try:
            while True:
                subject, order = asked
                if subject != self._subject:
                    self._forget(client)
                    self._subject = subject
                with suppress(ChangedError):  # the next order is there
                    self._follow(client, order)
                asked = self._next()
        finally:
            self._forget(client)

    def _next(self) -> tuple[str, PaintRequest]:
        with self._news:
            self._news.wait_for(self._is_disturbed)
            if self._stopped or self._asked is None:
                raise StoppedError
            asked, self._asked = self._asked, None
            return asked

    def _follow(self, client: Client, order: PaintRequest) -> None:
        """Paint an order, better and better, until there is a newer one."""
        if order.left_open:
            order = order.with_tuned(client.styles())
        longest, expected_s, reached = max(order.content.width, order.content.height), 0.0, 0
        for number, side in enumerate(SIDES):
            if expected_s > ROUND_S or (number and longest <= SIDES[number - 1]):
                break
            self._post(LiveLine(PAINTING.format(side=min(side, longest))))
            try:
                job = self._round(client, order, side)
            except RemoteError as error:
                if error.code != "unknown_blob" or self._canvas is None:
                    raise
                self._forget(client)  # the daemon had to make room, or is another one: begin from the layer
                job = self._round(client, order, side)
            if self._is_disturbed():
                return
            if job.result is not None and job.result["stopped"] != "finish":  # one that gave way tells nothing
                larger = SIDES[min(number + 1, len(SIDES) - 1)]
                expected_s = job.result["seconds"].get("painting", 0.0) * (larger / side) ** 2
            reached = side
        self._post(LiveLine(RESTS.format(side=min(reached, longest))))

    def _round(self, client: Client, order: PaintRequest, side: int) -> Job:
        """Paint once at this size, from where the last round has ended. Raises `ChangedError`."""
        recipe, pictures = replace(order, values=small(order.values, side), start=self._canvas).prepared()
        shown, ending = 0, False

        def look(job: Job) -> None:
            nonlocal shown, ending
            if job.preview is not None and job.preview.number > shown:
                shown = job.preview.number
                self._post(LivePicture(job.preview))
            if self._is_disturbed() and not ending:
                if self._stopped or job.progress is None or job.progress.step == 0:
                    raise ChangedError
                client.finish(job.job)
                ending = True
            elif job.state == "queued" and job.position > 0:
                self._post(LiveLine(WAITING))

        job, pixels = client.stylize(
            recipe,
            pictures,
            on_progress=look,
            preview_side=min(side, PREVIEW_SIDE),
            wait_s=LOOK_S,
            lease_s=LEASE_S,
            on_lease_end="cancel",
            label=ENTRY,
            release=False,
            history=False,
            gives_way=True,
        )
        self._forget(client)
        self._canvas, self._job = job.canvas, job.job
        assert job.image is not None  # `stylize` has brought it
        self._post(LivePicture(_seen(job.image, pixels)))
        return job

    def _forget(self, client: Client) -> None:
        """The canvas may go."""
        if self._job:
            with suppress(VaporbrushError):  # a daemon that cannot be asked any more forgets by itself
                client.release(self._job)
        self._canvas, self._job = None, ""


def small(values: Mapping[str, Value], side: int) -> dict[str, Value]:
    """The values with which a round is painted."""
    return {**values, "size": side, "quality": "draft", "steps": STEPS, "model": MODEL}


def _seen(image: Image, pixels: Buffer) -> Preview:
    """A finished painting as previews are: three channels of 8 bits."""
    image, data = four_channels(image, pixels, "RGBA")
    source, out = bytes(data), bytearray(3 * image.width * image.height)
    for channel in range(3):
        out[channel::3] = source[channel::4]
    return Preview(0, image.width, image.height, bytes(out))
