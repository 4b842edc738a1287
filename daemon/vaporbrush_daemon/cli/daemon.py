"""`serve`, `stop`, `status`, `jobs`, `cancel`, `logs`."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from vaporbrush_daemon import config
from vaporbrush_daemon.daemon_client import SERVE, STOP_S, has_ended, reach, wait_for
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import Connection, home
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError
from vaporbrush_protocol.job import Job

from . import terminal
from .exit_status import Json

WATCH_S = 0.5  # between two looks of `status --watch`
IDLE_EXIT_S = 1800.0  # a daemon that a command or a plug-in started ends itself after so long without a request


def serve(
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay in this terminal.")] = False,
    idle_exit: Annotated[bool, typer.Option("--idle-exit", help="End after 30 minutes without a request.")] = False,
    listen_tcp: Annotated[bool, typer.Option("--listen-tcp", help="Also listen on 127.0.0.1, for Flatpaks.")] = False,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Lock out every program that has connected before.")
    ] = False,
) -> None:
    """Start the daemon. Painting commands and plug-ins start it by themselves."""
    if foreground:
        from vaporbrush_daemon.front.serve import EXIT_CONFIG
        from vaporbrush_daemon.front.serve import serve as run

        flags = {"idle_exit_s": IDLE_EXIT_S if idle_exit else None, "listen_tcp": listen_tcp or None}
        try:
            settings = config.load(flags)
        except config.ConfigError as error:
            terminal.complain(str(error))
            raise typer.Exit(EXIT_CONFIG) from None
        raise typer.Exit(run(settings, new_token=new_token))
    chosen = {"--idle-exit": idle_exit, "--listen-tcp": listen_tcp, "--new-token": new_token}
    flags_given = [flag for flag, given in chosen.items() if given]
    try:
        client = connect()
    except LinkError as error:
        if error.code != "no_daemon":
            raise
        client = connect(start=(*SERVE, *flags_given))
    else:
        if flags_given:
            client.close()
            raise RequestError("bad_field", f"A daemon runs already; `vaporbrush stop` it to use {flags_given[0]}.")
    with client:
        pid, endpoints = client.daemon["pid"], ", ".join(client.connection.endpoints)
    typer.echo(f"The daemon serves at {endpoints} (process {pid}).")


def stop(
    now: Annotated[bool, typer.Option("--now", help="Do not let running jobs deliver what they have.")] = False,
) -> None:
    """End the daemon."""
    try:
        client = connect()
    except LinkError as error:
        if error.code != "no_daemon":
            raise
        typer.echo("No daemon runs.")
        return
    with client:
        pid = int(client.daemon["pid"])
        client.shutdown(now=now)
    if not wait_for(lambda: has_ended(home()), STOP_S):
        raise VaporbrushError("internal", f"The daemon (process {pid}) has not ended within {STOP_S:.0f} s.")
    typer.echo("The daemon has ended.")


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Go on showing it, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the daemon does, and the settings in force."""
    client, _ = reach()
    with client:
        if watch and not as_json:
            with terminal.live() as show:
                while True:
                    show(client.status(), client.jobs())
                    time.sleep(WATCH_S)
        while True:
            state = client.status()
            if as_json:
                typer.echo(json.dumps(state))
                sys.stdout.flush()
            else:
                terminal.out.print(terminal.overview(state, client.jobs()))
            if not watch:
                return
            time.sleep(WATCH_S)


def jobs(as_json: Json = False) -> None:
    """List the jobs that the daemon knows, the newest last."""
    client, _ = reach()
    with client:
        listed = client.jobs()
    if as_json:
        typer.echo(json.dumps({"jobs": [_job_wire(job) for job in listed]}))
    elif listed:
        terminal.out.print(terminal.jobs_table(listed))
    else:
        typer.echo("No jobs.")


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


def cancel(
    job: Annotated[str, typer.Argument(metavar="ID", help="As `vaporbrush jobs` shows it.", show_default=False)],
) -> None:
    """Cancel a job."""
    from .request import find_job

    client, _ = reach()
    with client:
        found = client.cancel(find_job(client, job).job)
    typer.echo(f"{found.job}: {'cancelled' if found.state in ('cancelled', 'running', 'queued') else found.state}")


def logs(
    lines: Annotated[int, typer.Option("-n", "--lines", min=0, metavar="N", help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written.")] = False,
) -> None:
    """Print the daemon's log."""
    path = home() / "logs" / "daemon.log"
    with suppress(LinkError):  # without a connection file there may be a log all the same
        path = Path(Connection.read().log or path)
    if not path.is_file():
        raise LinkError("no_daemon", f"There is no log yet ({path}): the daemon has not run.")
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file.readlines()[-lines:] if lines else []:
            typer.echo(line, nl=False)
        sys.stdout.flush()
        while follow:
            new = file.readline()
            if new:
                typer.echo(new, nl=False)
            else:
                time.sleep(0.2)
