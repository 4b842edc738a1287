"""The worker for another machine while that one cannot be reached: how long it waits, and what it says."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.clock import Clock
from support.daemon import picture
from vaporbrush_daemon.remotes.book import Remote
from vaporbrush_daemon.workers import remote as module
from vaporbrush_daemon.workers.messages import Event, Failed, Noted, Paint
from vaporbrush_daemon.workers.pipe import WorkerPipe
from vaporbrush_daemon.workers.remote import AwayError, RemoteWorker
from vaporbrush_protocol import Job, LinkError, Recipe, RemoteError, Style

BROKEN = "The line to box broke."
DIVERGED = RemoteError("diverged", "The loss became NaN.")
MINUTE_S = 60.0


class Told(WorkerPipe):
    """The pipe to the front, which keeps what is told."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), io.BytesIO())
        self.events: list[Event] = []
        self.given_back: tuple[str, float] | None = None  # why the job was, and after how many seconds

    def tell(self, event: Event) -> None:
        self.events.append(event)

    @property
    def notes(self) -> list[str]:
        return [event.sentence for event in self.events if isinstance(event, Noted)]


class Box:
    """The other machine: away during `outages`, given as (from, to); its painting ends at `ends`, with an error."""

    def __init__(self, clock: Clock, outages: list[tuple[float, float]], ends: float, code: str) -> None:
        self.clock, self.outages, self.ends, self.code = clock, outages, ends, code

    def submit(self, _: Recipe, job: str, *__: Any, **___: Any) -> Job:
        return self._job(job)

    def watch(self, job: str, *_: Any) -> Job:
        self.clock.pass_(0.25)
        return self._job(job)

    def _job(self, job: str) -> Job:
        if any(begin <= self.clock() < end for begin, end in self.outages):
            raise LinkError(self.code, BROKEN)
        over = self.clock() >= self.ends
        return Job(job, "failed" if over else "running", seq=1, error=DIVERGED if over else None)


def painted(
    monkeypatch: pytest.MonkeyPatch,
    outages: list[tuple[float, float]],
    ends: float,
    device: str = "auto",
    code: str = "unreachable",
) -> Told:
    """What is told of a painting on such a machine."""
    clock, told = Clock(0.0), Told()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock, sleep=clock.pass_))
    worker = RemoteWorker(told, Remote("box", "box"), Path("key"))
    monkeypatch.setattr(worker, "_client", Box(clock, outages, ends, code))
    content, _ = picture()
    recipe = Recipe(content=content, styles=(Style(image=content),), device=device)
    try:
        worker._paint(Paint("job", recipe, {}, "out"))
    except AwayError as error:
        told.given_back = (str(error), clock())
    return told


def test_each_break_of_the_line_has_a_patience_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    told = painted(monkeypatch, [(10, 4 * MINUTE_S), (5 * MINUTE_S, 9 * MINUTE_S)], ends=10 * MINUTE_S)
    outlook = (
        "If that machine still runs, the painting goes on there; "
        "if the line is away for 5 minutes, the picture is painted here."
    )
    assert told.given_back is None
    assert told.notes == [f"{BROKEN} {outlook}", "box answers again."] * 2
    assert isinstance(told.events[-1], Failed)
    assert told.events[-1].error.code == "diverged", "it was followed to its end"


@pytest.mark.parametrize(
    ("device", "outlook"),
    [
        ("auto", "It is tried again for a minute, then the picture is painted here."),
        ("box", "It is tried again for a minute."),
    ],
)
def test_what_the_machine_never_took_is_given_back_in_a_minute(
    monkeypatch: pytest.MonkeyPatch, device: str, outlook: str
) -> None:
    told = painted(monkeypatch, [(0, 1e9)], ends=1e9, device=device)
    assert told.notes == [f"{BROKEN} {outlook}"]
    assert told.given_back is not None
    why, seconds = told.given_back
    assert why == BROKEN
    assert MINUTE_S < seconds <= MINUTE_S + module.PAUSES_S[-1] + 1


def test_what_was_asked_of_that_machine_and_begun_there_waits_for_it_as_long_as_it_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = painted(monkeypatch, [(10, 50 * MINUTE_S)], ends=55 * MINUTE_S, device="box")
    assert told.given_back is None
    assert told.notes[0] == f"{BROKEN} If that machine still runs, the painting goes on there."
    assert isinstance(told.events[-1], Failed)
    assert told.events[-1].error.code == "diverged"


@pytest.mark.parametrize("code", ["forbidden", "bad_reply", "wrong_token"])
def test_what_waiting_does_not_mend_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Such as a machine that sends other bytes than it promised."""
    told = painted(monkeypatch, [(10, 1e9)], ends=1e9, device="box", code=code)
    assert told.given_back == (BROKEN, 10.0)
    assert told.notes == []
