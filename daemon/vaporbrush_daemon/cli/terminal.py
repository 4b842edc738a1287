"""What the command line shows: the progress bar, tables, sizes and times in words. No logic.

Whatever is shown passes through `plain`: file names, labels and messages come from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import rich_click as click
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.table import Column, Table
from rich.text import Text

from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol.job import Job, StoryEntry
from vaporbrush_protocol.shown import plain


class PlainConsole(Console):
    """Shows every text as it is, also in a table: no markup, no `:emoji:`, nothing that a terminal would obey."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text of a cell or of a `print`."""
        return super().render_str(plain(text), **{**options, "markup": False, "emoji": False, "highlight": False})


out = PlainConsole(highlight=False)
err = PlainConsole(stderr=True, highlight=False)


def phase_word(phase: str) -> str:
    """What a job does in a phase."""
    return {
        "loading": _("Loading the model"),
        "measuring": _("Measuring the speed of this machine"),
        "style": _("Reading the style"),
        "painting": _("Painting"),
        "finishing": _("Finishing"),
        "downloading": _("Downloading"),
    }[phase]


def state_word(state: str) -> str:
    """A job's state, as people read it; one that a newer daemon may have stays as it is."""
    words = {
        "queued": _("queued"),
        "running": _("running"),
        "done": _("done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
    }
    return words.get(state, state)


def worker_word(state: str) -> str:
    """A worker's state; the same holds for it."""
    words = {
        "starting": _("starting"),
        "idle": _("idle"),
        "busy": _("busy"),
        "ending": _("ending"),
        "stopped": _("stopped"),
    }
    return words.get(state, state)


def duration(seconds: float | None) -> str:
    """`42 s`, `3:05 min`, `1:02:03 h`."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


def amount(count: float) -> str:
    """Bytes in words."""
    for unit in (_("B"), _("kB"), _("MB")):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == _("B") or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    unit = _("GB")
    return f"{count:.1f} {unit}"


def of(some: float, every: float) -> str:
    """So many bytes of so many."""
    return _("{some} of {every}").format(some=amount(some), every=amount(every))


def left_for_all(seconds: float) -> str:
    """How long a whole batch takes still."""
    return _("{time} left for all").format(time=duration(seconds))


def numbered(done: int, count: int, title: str) -> str:
    """Which painting of a batch begins, after how many."""
    return _("{number} of {count}: {title}").format(number=done + 1, count=count, title=title)


def say(sentence: str) -> None:
    """A sentence for the person, beside the output."""
    err.print(sentence, soft_wrap=True)


def tell(line: str) -> None:
    """A line of the output."""
    click.echo(plain(line))


def complain(sentence: str) -> None:
    """What went wrong, in one sentence on stderr."""
    err.print(Text.assemble(("vaporbrush: ", "bold red"), plain(sentence)), soft_wrap=True)


class Shows(Protocol):
    """Something that shows how far a task is."""

    def bytes(self, what: str, done: int, size: int) -> None:
        """Bytes that move."""

    def job(self, job: Job) -> None:
        """A job's state."""

    def item(self, done: int, count: int, title: str, left_s: float | None) -> None:
        """Which painting of a batch begins, after how many, and the seconds that all will take still."""


class Remarks:
    """What the daemon says of a painting on the way, as soon as it does: each sentence once, however many jobs."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def _remark(self, job: Job) -> None:
        for note in job.notes:
            if note not in self._said:
                self._said.add(note)
                say(plain(note))


class Bar(Remarks):
    """The live progress bar."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress
        self._batch: TaskID | None = None
        self._what = ""
        self._task = self._progress.add_task("", total=None, detail="")
        self._update(_("Starting"), 0, None, "")

    def item(self, done: int, count: int, title: str, left_s: float | None) -> None:
        """Above the bar of one painting, one of the whole batch."""
        left = left_for_all(left_s) if left_s is not None else ""
        if self._batch is None:
            self._batch = self._progress.add_task("", total=count, detail="")
            self._progress.remove_task(self._task)  # it comes below
            self._what, self._task = "", self._progress.add_task("", total=None, detail="")
        what = numbered(done, count, plain(title))
        self._progress.update(self._batch, description=what, completed=done, detail=left)
        self._update(_("Starting"), 0, None, "")

    def bytes(self, what: str, done: int, size: int) -> None:
        """Bytes that move."""
        self._update(what, done, size, of(done, size))

    def job(self, job: Job) -> None:
        """A job's state."""
        self._remark(job)
        if job.state == "queued":
            before = _n("Waiting, {count} before this", "Waiting, {count} before this", job.position)
            self._update(before.format(count=job.position) if job.position else _("Waiting"), 0, None, "")
        elif job.progress is None:
            self._update(_("Starting"), 0, None, "")
        else:
            self._update(heading(job), job.progress.step, job.progress.steps or None, detail(job))

    def _update(self, what: str, done: int, size: int | None, detail: str) -> None:
        if what != self._what:  # a task of its own: rich never turns a bar with an end into one without
            self._progress.remove_task(self._task)
            self._what, self._task = what, self._progress.add_task(what, total=size, detail=detail)
        self._progress.update(self._task, completed=done, total=size, detail=detail)


class Lines(Remarks):
    """The same without a terminal: one line when something begins."""

    def __init__(self) -> None:
        super().__init__()
        self._last = ""

    def bytes(self, what: str, _done: int, size: int) -> None:
        """Bytes that move."""
        self._print(f"{what} ({amount(size)})")

    def job(self, job: Job) -> None:
        """A job's state."""
        self._remark(job)
        if job.progress is not None:
            self._print(heading(job))

    def item(self, done: int, count: int, title: str, left_s: float | None) -> None:
        """Which painting of a batch begins."""
        left = f", {left_for_all(left_s)}" if left_s is not None else ""
        self._print(f"{numbered(done, count, title)}{left}")

    def _print(self, line: str) -> None:
        if line != self._last:
            self._last = line
            say(f"{line} …")


@contextmanager
def showing(*, quiet: bool = False) -> Iterator[Shows]:
    """A progress bar on stderr while the block runs; plain lines where stderr is no terminal."""
    if quiet or not err.is_terminal:
        yield Lines()
        return
    columns = (
        SpinnerColumn(style="magenta"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None, complete_style="magenta", finished_style="magenta"),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*columns, console=err, transient=True, expand=True) as progress:
        yield Bar(progress)


def heading(job: Job) -> str:
    """`Painting 384×256, scale 2 of 3`."""
    progress = job.progress
    assert progress is not None
    where = f" {progress.width}×{progress.height}" if progress.width else ""
    several = progress.phase == "painting" and progress.scales > 1
    line = f"{phase_word(progress.phase)}{where}"
    if several and progress.scale:
        scaled = _("{what}, scale {scale} of {scales}")
        return scaled.format(what=line, scale=progress.scale, scales=progress.scales)
    return line


def detail(job: Job) -> str:
    """`step 40 of 300 · loss 1.2e+04 · 35 s left`."""
    progress = job.progress
    assert progress is not None
    if progress.phase == "downloading":
        return of(progress.step, progress.steps)
    step = _("step {step} of {steps}").format(step=progress.step, steps=progress.steps)
    parts = [step] if progress.steps else []
    if progress.loss is not None:
        parts.append(_("loss {loss}").format(loss=f"{progress.loss:.3g}"))
    if progress.eta_s is not None:
        parts.append(_("{time} left").format(time=duration(progress.eta_s)))
    return " · ".join(parts)


def sheet(*columns: str | Column, header: bool = True) -> Table:
    """A table without lines, as all of ours are."""
    return Table(*columns, box=None, pad_edge=False, show_header=header)


def long(title: str = "") -> Column:
    """A column of which nothing is cut off: it goes on below."""
    return Column(title, overflow="fold")


def local(at: float) -> datetime:
    """Unix seconds as the clock on the wall shows them."""
    return datetime.fromtimestamp(at, UTC).astimezone()


def jobs_table(jobs: Sequence[Job]) -> Table:
    """One row per job, the newest last."""
    table = sheet(_("Job"), _("Picture"), _("State"), _("Progress"), _("Left"))
    for job in jobs:
        progress, running = job.progress, job.state == "running"
        state = state_word(job.state)
        if job.state == "queued" and job.position:
            state = _n("queued ({count} before)", "queued ({count} before)", job.position).format(count=job.position)
        done = f"{progress.fraction:.0%}" if progress and running else "100%" if job.state == "done" else ""
        left = duration(progress.eta_s) if progress and running else ""
        table.add_row(job.job[:8], job.label or job.kind, state, done, left)
    return table


def story_table(entries: Sequence[StoryEntry]) -> Table:
    """One row per thing that happened, with the time of day to a tenth of a second."""
    table = sheet(_("When"), _("State"), long(_("What")))
    for entry in entries:
        when = local(entry.at)
        table.add_row(f"{when:%Y-%m-%d %H:%M:%S}.{when.microsecond // 100_000}", state_word(entry.state), entry.text)
    return table


def status_table(status: Mapping[str, Any]) -> Table:
    """The daemon's state for people; `--json` has all of it."""
    table = sheet("", long(), header=False)
    queue, spool, model = status["queue"], status["spool"], status["model"]
    running = _("{version}, process {pid}, up {time}")
    running = running.format(version=status["daemon"], pid=status["pid"], time=duration(status["uptime_s"]))
    table.add_row(_("Daemon"), running)
    table.add_row(_("Serves at"), ", ".join(status["endpoints"]))
    auto = model["auto"] or _("none")
    table.add_row(_("Model"), f"{auto}{'. ' + model['message'] if model['message'] else ''}")
    for worker in status["workers"]:
        facts = [worker_word(worker["state"]), worker["model"]]
        facts.append(_("{size} of memory").format(size=amount(worker["rss_bytes"])) if worker["rss_bytes"] else "")
        table.add_row(_("Worker {device}").format(device=worker["device"]), ", ".join(fact for fact in facts if fact))
    for one in status.get("devices") or ():
        if one["memory_bytes"]:
            room = amount(one["memory_bytes"])
            if one["free_bytes"]:
                room = _("{some} of {every} free").format(some=amount(one["free_bytes"]), every=room)
            table.add_row(_("Device {device}").format(device=one["device"]), f"{one['title']}, {room}")
    jobs = _n("{jobs} of {most} jobs, {size}", "{jobs} of {most} jobs, {size}", queue["max_jobs"])
    jobs = jobs.format(jobs=queue["jobs"], most=queue["max_jobs"], size=amount(queue["bytes"]))
    table.add_row(_("Queue"), jobs)
    table.add_row(_("Kept on disk"), of(spool["bytes"], spool["budget"]))
    table.add_row(_("Log"), status["log"])
    for name, entry in sorted(status["config"].items()):
        if entry["origin"] != "default":
            origin = _("{value} (from {origin})").format(value=entry["value"], origin=entry["origin"])
            table.add_row(_("Setting {name}").format(name=name), origin)
    return table


def overview(status: Mapping[str, Any], jobs: Sequence[Job]) -> Group:
    """The daemon's state and the jobs that are under way."""
    active = [job for job in jobs if not job.final]
    return Group(status_table(status), "", jobs_table(active)) if active else Group(status_table(status))


@contextmanager
def live() -> Iterator[Callable[[Mapping[str, Any], Sequence[Job]], None]]:
    """A picture of the daemon that is drawn anew in place, as often as it is called."""
    with Live(console=out, auto_refresh=False) as area:
        yield lambda status, jobs: area.update(overview(status, jobs), refresh=True)
