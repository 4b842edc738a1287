"""`jobs`, `cancel`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

import rich_click as click

from vaporbrush_daemon.daemon_client import reach
from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import RemoteError, RequestError
from vaporbrush_protocol.history import HistoryEntry
from vaporbrush_protocol.job import Job

from . import terminal
from .options import argument_panel, json_option

Named = TypeVar("Named", Job, HistoryEntry)


@click.command()
@click.option("--story", metavar="ID", help="Tell what happened to one job, step by step.")
@json_option
def jobs(*, story: str | None, as_json: bool) -> None:
    """List the jobs that the daemon knows, the newest last."""
    client, _started = reach()
    if story is not None:
        with client:
            _tell_story(client, story, as_json=as_json)
        return
    with client:
        listed = client.jobs()
    if as_json:
        click.echo(json.dumps({"jobs": [_job_wire(job) for job in listed]}))
    elif listed:
        terminal.out.print(terminal.jobs_table(listed))
    else:
        terminal.tell(_("No jobs."))


def _tell_story(client: Client, name: str, *, as_json: bool) -> None:
    job = find_job(client, name)
    too_old = _(
        "The daemon that runs ({version}) is older than this command and keeps no stories: "
        "`vaporbrush stop` it, and the next command starts the new one."
    )
    with new_enough(client, too_old):
        entries = client.story(job.job)
    if as_json:
        click.echo(json.dumps({"job": job.job, "story": [asdict(entry) for entry in entries]}))
    elif entries:
        terminal.out.print(terminal.story_table(entries))
    else:
        terminal.tell(_("Nothing is remembered of it: it ended before the daemon was started, or long ago."))


def _job_wire(job: Job) -> dict[str, Any]:
    return {
        "job": job.job,
        "kind": job.kind,
        "label": job.label,
        "state": job.state,
        "position": job.position,
        "progress": job.progress.to_wire() if job.progress else None,
        "error": job.error.to_wire() if job.error else None,
    }


@click.command()
@argument_panel("id")
@click.argument("id", metavar="ID", help="As `vaporbrush jobs` shows it.")
def cancel(*, id: str) -> None:  # noqa: A002 - the name that the help shows
    """Cancel a job."""
    client, _started = reach()
    with client:
        found = client.cancel(find_job(client, id).job)
    ended = terminal.state_word("cancelled" if found.state in ("running", "queued") else found.state)
    terminal.tell(f"{found.job}: {ended}")


def find_job(client: Client, name: str) -> Job:
    """The job of this id, of which the first characters are enough. Raises `unknown_job`."""
    found = the_one(
        client.jobs(),
        name,
        _("`{name}` is no file and no job that the daemon knows; `vaporbrush jobs` lists them."),
        lambda count: _n(
            "`{name}` is the beginning of {count} job; `vaporbrush jobs` lists them.",
            "`{name}` is the beginning of {count} jobs; `vaporbrush jobs` lists them.",
            count,
        ),
    )
    return client.watch(found.job, 0, 0.0)


def the_one(known: Iterable[Named], name: str, none: str, several: Callable[[int], str]) -> Named:
    """What has this id, of which the first characters are enough. Raises `unknown_job` with one of the sentences."""
    found = [one for one in known if one.job.startswith(name.lower())] if name else []
    if len(found) != 1:
        problem = several(len(found)) if found else none
        raise RequestError("unknown_job", problem.format(name=name, count=len(found)))
    return found[0]


@contextmanager
def new_enough(client: Client, too_old: str) -> Iterator[None]:
    """What is asked within is not known to every daemon. Raises `unknown_request` with the sentence where it is not."""
    try:
        yield
    except RemoteError as error:
        if error.code != "unknown_request":
            raise
        raise RequestError("unknown_request", too_old.format(version=client.daemon["daemon"])) from None
