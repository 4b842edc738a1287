"""`serve`, `stop`, `status`, `logs`."""

from __future__ import annotations

import json
import sys
import time
from contextlib import suppress
from pathlib import Path

import rich_click as click
from click.exceptions import Exit

from vaporbrush_daemon import config
from vaporbrush_daemon.daemon_client import SERVE, STOP_S, has_ended, reach, wait_for
from vaporbrush_daemon.texts import _, speech
from vaporbrush_protocol.client import connect
from vaporbrush_protocol.endpoint import Connection, home
from vaporbrush_protocol.errors import LinkError, RequestError, VaporbrushError

from . import terminal
from .options import json_option

WATCH_S = 0.5  # between two looks of `status --watch`
IDLE_EXIT_S = 1800.0  # a daemon that a command or a plug-in started ends itself after so long without a request

FAKE_WORKER = (sys.executable, "-P", "-m", "vaporbrush_daemon.workers.fake")


@click.command()
@click.option("--foreground", is_flag=True, help="Stay in this terminal.")
@click.option("--idle-exit", is_flag=True, help="End after 30 minutes without a request.")
@click.option("--listen-tcp", is_flag=True, help="Also listen on 127.0.0.1, for Flatpaks.")
@click.option("--new-token", is_flag=True, help="Lock out every program that has connected before.")
@click.option("--fake", is_flag=True, help="Paint gradients, without torch and models: for testing clients.")
def serve(*, foreground: bool, idle_exit: bool, listen_tcp: bool, new_token: bool, fake: bool) -> None:
    """Start the daemon. Painting commands and plug-ins start it by themselves."""
    if foreground:
        from vaporbrush_daemon.front.serve import EXIT_CONFIG
        from vaporbrush_daemon.front.serve import serve as run

        speech.be_english()  # from here on it is the daemon
        flags = {"idle_exit_s": IDLE_EXIT_S if idle_exit else None, "listen_tcp": listen_tcp or None}
        fakes = {"worker_command": FAKE_WORKER, "devices": ("cpu",)} if fake else {}
        try:
            settings = config.load({**flags, **fakes})
        except config.ConfigError as error:
            terminal.complain(str(error))
            raise Exit(EXIT_CONFIG) from None
        raise Exit(run(settings, new_token=new_token))
    chosen = {"--idle-exit": idle_exit, "--listen-tcp": listen_tcp, "--new-token": new_token, "--fake": fake}
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
            problem = _("A daemon runs already; `vaporbrush stop` it to use {flag}.")
            raise RequestError("bad_field", problem.format(flag=flags_given[0]))
    with client:
        pid, endpoints = client.daemon["pid"], ", ".join(client.connection.endpoints)
    terminal.tell(_("The daemon serves at {addresses} (process {pid}).").format(addresses=endpoints, pid=pid))


@click.command()
@click.option("--now", is_flag=True, help="Do not let running jobs deliver what they have.")
def stop(*, now: bool) -> None:
    """End the daemon."""
    try:
        client = connect()
    except LinkError as error:
        if error.code != "no_daemon":
            raise
        terminal.tell(_("No daemon runs."))
        return
    with client:
        pid = int(client.daemon["pid"])
        client.shutdown(now=now)
    if not wait_for(lambda: has_ended(home()), STOP_S):
        problem = _("The daemon (process {pid}) has not ended within {seconds} s.")
        raise VaporbrushError("internal", problem.format(pid=pid, seconds=f"{STOP_S:.0f}"))
    terminal.tell(_("The daemon has ended."))


@click.command()
@click.option("--watch", is_flag=True, help="Go on showing it, until Ctrl-C.")
@json_option
def status(*, watch: bool, as_json: bool) -> None:
    """Show what the daemon does, and the settings in force."""
    client, _started = reach()
    with client:
        if watch and not as_json:
            with terminal.live() as show:
                while True:
                    show(client.status(), client.jobs())
                    time.sleep(WATCH_S)
        while True:
            state = client.status()
            if as_json:
                click.echo(json.dumps(state))
                sys.stdout.flush()
            else:
                terminal.out.print(terminal.overview(state, client.jobs()))
            if not watch:
                return
            time.sleep(WATCH_S)


@click.command()
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    metavar="N",
    default=50,
    show_default=True,
    help="How many of the last lines.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written.")
def logs(*, lines: int, follow: bool) -> None:
    """Print the daemon's log."""
    path = home() / "logs" / "daemon.log"
    with suppress(LinkError):  # without a connection file there may be a log all the same
        path = Path(Connection.read().log or path)
    if not path.is_file():
        raise LinkError("no_daemon", _("There is no log yet ({path}): the daemon has not run.").format(path=path))
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file.readlines()[-lines:] if lines else []:
            terminal.tell(line.rstrip("\n"))
        sys.stdout.flush()
        line = ""
        while follow:
            line += file.readline()  # which may be written in pieces
            if line.endswith("\n"):
                terminal.tell(line.rstrip("\n"))
                sys.stdout.flush()
                line = ""
            else:
                time.sleep(0.2)
