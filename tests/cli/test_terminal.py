"""What a terminal shows of a painting."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from vaporbrush_daemon.cli import terminal
from vaporbrush_protocol.job import Job
from vaporbrush_protocol.progress import Progress

HALF = Progress("painting", scale=1, scales=2, step=50, steps=100, loss=123456.0, eta_s=70, width=96, height=72)


def shown(renderable: object) -> str:
    console = terminal.PlainConsole(file=io.StringIO(), width=100)
    console.print(renderable)
    return console.file.getvalue()


def test_a_bar_that_waits_after_the_upload_moves_without_an_end() -> None:
    bars = Bars(console=Console(file=io.StringIO()), auto_refresh=False)
    bar = terminal.Bar(bars)
    bar.bytes("Sending the pictures", 100, 100)
    assert bars.tasks[0].finished
    bar.job(Job("a", "queued", 1, position=2))
    assert (bars.tasks[0].description, bars.tasks[0].total, bars.tasks[0].finished) == (
        "Waiting, 2 before this", None, False,
    )  # fmt: skip
    bar.job(Job("a", "running", 2, progress=HALF))
    (task,) = bars.tasks
    assert task.description == "Painting 96×72, scale 1 of 2"
    assert (task.completed, task.total) == (50, 100)
    assert task.fields["detail"] == "step 50 of 100 · loss 1.23e+05 · 1:10 min left"


@pytest.mark.parametrize("kind", [terminal.Lines, lambda: terminal.Bar(Bars(console=Console(file=io.StringIO())))])
def test_what_is_remarked_on_the_way_is_said_at_once_and_once(
    kind: Callable[[], terminal.Shows], capsys: pytest.CaptureFixture[str]
) -> None:
    shows, notes = kind(), ("“away” did not answer. It is tried again.", "“away” did not answer. It is painted here.")
    shows.job(Job("a", "running", 1, notes=notes[:1]))
    assert notes[0] in capsys.readouterr().err
    shows.job(Job("a", "running", 2, notes=notes[:1], progress=HALF))
    shows.job(Job("a", "done", 3, notes=notes, progress=HALF))
    shows.job(Job("b", "done", 1, notes=notes[1:], progress=HALF))
    said = capsys.readouterr().err
    assert (said.count(notes[0]), said.count(notes[1])) == (0, 1)


def test_the_list_of_jobs_says_how_far_each_is() -> None:
    jobs = (
        Job("0123456789", "done", 1, label="stopped-early.jpg", progress=HALF),
        Job("123456789a", "running", 1, label="photo.jpg", progress=HALF),
        Job("23456789ab", "queued", 1, label="next.jpg", position=1),
    )
    done, running, queued = shown(terminal.jobs_table(jobs)).splitlines()[1:]
    assert done.split() == ["01234567", "stopped-early.jpg", "done", "100%"]
    assert running.split()[:4] == ["12345678", "photo.jpg", "running", f"{HALF.fraction:.0%}"]
    assert "1:10 min" in running
    assert queued.split() == ["23456789", "next.jpg", "queued", "(1", "before)"]


def test_a_label_is_neither_markup_nor_obeyed() -> None:
    table = terminal.jobs_table((Job("0123456789", "done", 1, label="x[/b]y [red] \x1b[2J \u202e"),))
    assert r"x[/b]y [red] \x1b[2J \u202e" in shown(table)
