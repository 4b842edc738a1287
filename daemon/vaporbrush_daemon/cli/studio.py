"""`studio`: the GPUs of several machines, for the daemon of this one."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from click.exceptions import Exit

from vaporbrush_daemon import config as configuration
from vaporbrush_daemon import instance
from vaporbrush_daemon.remotes import book, ssh
from vaporbrush_daemon.studio import launch_files, members
from vaporbrush_daemon.studio.members import Invitation, Member, Studio
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import LinkError, RequestError
from vaporbrush_protocol.shown import last_line

from . import exit_status, studio_status, terminal
from .options import argument_panel, json_option

WATCH_S = 1.0  # between two looks
ELSEWHERE = ("192.0.2.1", 9)  # no machine (RFC 5737), and nothing is sent: only the way there is asked for
FIND = 'PATH="$PATH:$HOME/.local/bin:/usr/local/bin:/opt/homebrew/bin"'  # a login by ssh reads no profile
Decorated = TypeVar("Decorated", bound=Callable[..., Any])
MOST_BYTES = 64 * 1024  # of a request or an invitation; they have 1 to 4 kB


@click.group()
def studio() -> None:
    """The GPUs of several machines as devices of this one's daemon, on Dask."""


@studio.command("open")
@click.option("--listen", metavar="ADDRESS", help="This machine's name or IP address, by which nodes reach it.")
@click.option("--port", type=int, default=members.PORT, show_default=True, help="The one port that is opened.")
def open_studio(*, listen: str | None, port: int) -> None:
    """Be the head of a studio: from now on the daemon here takes in the nodes that `add` lets in.

    It has a certificate authority of its own. Nobody gets in without a certificate of that, and
    nothing travels plainly.
    """
    _demand_extra()
    from vaporbrush_daemon.studio import authority

    if elsewhere := configuration.load().studio_scheduler:
        problem = _("The daemon here uses the Dask scheduler at {url} (`studio_scheduler`): remove that setting first.")
        raise RequestError("bad_field", problem.format(url=elsewhere))
    known = members.read(home())
    address = (known.address if known else _own_address()) if listen is None else listen
    wanted = replace(members.checked_address(address, port), nodes=known.nodes if known else ())
    authority.found(home(), datetime.now(UTC))
    members.write(home(), wanted)
    done = _("The studio is open at {url} as long as the daemon runs.").format(url=wanted.url)
    next_steps = _("`vaporbrush studio add NAME` lets a machine in, by ssh; `vaporbrush studio close` ends the studio.")
    terminal.tell(done)
    terminal.tell(next_steps)


@studio.command("close")
def close_studio() -> None:
    """Take no nodes any more. Who was let in stays so, for the next `open`."""
    members.write(home(), replace(_opened(), open=False))
    terminal.tell(_("The studio is closed."))


@studio.command("add")
@click.argument("name")
@click.argument("request", required=False, type=click.Path(allow_dash=True))
@click.option("--ssh", "destination", metavar="USER@HOST", help="Where ssh finds it; else NAME.")
@click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="Instead of yours.")
@argument_panel("name", "request")
def add_node(*, name: str, request: str | None, destination: str | None, ssh_config: str | None) -> None:
    """Let a machine in as a node, under this NAME.

    By itself, over ssh, where Vaporbrush is installed there. Otherwise by two files: REQUEST is what `vaporbrush studio
    join --ask FILE` has written there, and the invitation that is written here, NAME.invitation, goes there.
    """
    _demand_extra()
    from vaporbrush_daemon.studio import authority

    opened = _opened()
    members.checked_name(name)
    far = book.checked(book.Remote(name, destination or name, ssh_config or ""))
    asked = _there(far, "--ask -") if request is None else _text(request)
    now = datetime.now(UTC)
    certificate, serial = authority.admit(home(), name, asked, now)
    after = opened.with_member(Member(name, serial))
    members.write(home(), after)
    revoked = authority.renew_revoked(home(), after, now)
    invitation = Invitation(name, opened.url, certificate, authority.authority_certificate(home()), revoked)
    if request is None:
        _there(far, "--keep -", invitation.to_json())
        terminal.tell(_("{name} is let in. Start it there: `vaporbrush studio join`.").format(name=name))
        return
    path = Path(f"{name}.invitation")
    path.write_text(invitation.to_json(), encoding="utf-8")
    done = _("{file} holds no secret. Take it to {name}, and there: `vaporbrush studio join {file}`.")
    terminal.tell(done.format(file=path, name=name))


@studio.command("join")
@click.argument("invitation", required=False, type=click.Path(allow_dash=True))
@click.option("--ask", type=click.Path(allow_dash=True), metavar="FILE", help="Only write a request to be let in.")
@click.option("--keep", type=click.Path(allow_dash=True), metavar="FILE", help="Only keep an invitation for later.")
@click.option(
    "--name", metavar="NAME", help="With the setting `studio_scheduler`: be this node; else this host's name."
)
@argument_panel("invitation")
def join_studio(*, invitation: str | None, ask: str | None, keep: str | None, name: str | None) -> None:
    """Be a node: paint for the studio that has let this machine in, until Ctrl-C.

    INVITATION is what `vaporbrush studio add` has written on the head; it is needed once, and not at all where the
    setting `studio_scheduler` names a Dask scheduler.
    """
    _demand_extra()
    from vaporbrush_daemon.studio import authority, node

    if name is not None and (ask is not None or keep is not None):
        problem = _("--name is {name!r}, but the head names a node that it lets in: leave it away.")
        raise RequestError("bad_field", problem.format(name=name))
    if ask is not None:
        request = authority.request(home(), socket.gethostname()[:60] or "node")
        if ask == "-":
            click.echo(request, nl=False)
        else:
            Path(ask).write_text(request, encoding="ascii")
            done = _("{file} holds no secret. Take it to the head, and there: `vaporbrush studio add NAME {file}`.")
            terminal.tell(done.format(file=ask))
        return
    if (given := keep or invitation) is not None:
        node.store_invitation(home(), Invitation.from_json(_text(given)))
    if keep is not None:
        terminal.tell(_("The invitation is kept. `vaporbrush studio join` joins."))
        return
    config = configuration.load()
    place = members.Elsewhere.of(config) or members.membership(home())
    if place is None:
        problem = _(
            "This machine was not let into a studio yet: `vaporbrush studio add NAME` on the head does it by ssh, or"
            " `vaporbrush studio join --ask FILE` here begins."
        )
        raise RequestError("bad_field", problem)
    if isinstance(place, Invitation) and name not in (None, place.name):
        problem = _("--name is {name!r}, but the invitation calls this node {node}: leave --name away.")
        raise RequestError("bad_field", problem.format(name=name, node=place.name))
    instance.prepare(config.home)
    lock = node.only_one(config.home)
    try:
        own = place.name if isinstance(place, Invitation) else node.own_name(name or "")
        node.run(config, place, own, terminal.say)
    except node.RefusedError as error:  # no defect: the head says what to do
        terminal.complain(str(error))
        raise Exit(exit_status.FAILED) from None
    finally:
        lock.release()


@studio.command("remove")
@click.argument("name")
@argument_panel("name")
def remove_node(*, name: str) -> None:
    """Let a node in no more; it is cut off at once, and its certificate is worth nothing any more."""
    _demand_extra()
    from vaporbrush_daemon.studio import authority

    opened = _opened()
    opened.member(name)
    after = opened.without(name)
    authority.renew_revoked(home(), after, datetime.now(UTC))  # first: who sees the new members finds the list renewed
    members.write(home(), after)
    terminal.tell(_("{name} is no node any more.").format(name=name))


def _chosen(name: str, text: str, metavar: str | None = None) -> Callable[[Decorated], Decorated]:
    """An option of `studio files`, with what the files have where it is left out."""
    usual = launch_files.DEFAULTS[name]
    return click.option(
        f"--{name}", type=type(usual), default=usual, show_default=usual != "", metavar=metavar, help=text
    )


@studio.command("files")
@click.argument("kind", type=click.Choice(["slurm", "kubernetes"]))
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path(), help="Folder; else this one.")
@_chosen("nodes", "How many, with one GPU each.")
@_chosen("memory", "Of each node.")
@_chosen("partition", "Slurm's, with GPUs.")
@_chosen("time", "For which Slurm gives the nodes.")
@_chosen("weights", "vgg19's, as nodes see it; without it they paint with vgg19-lite only.", "FILE")
@_chosen("certificates", "dask-jobqueue's: ca.pem, certificate.pem, key.pem.", "FOLDER")
@_chosen("scheduler", "For dask-jobqueue: this machine's name; else its own.", "HOST")
@_chosen("image", "Kubernetes', with vaporbrush[studio].")
@_chosen("namespace", "Kubernetes'.")
@_chosen("secret", "The name of that with certificates.")
@argument_panel("kind")
def write_files(*, kind: str, out: Path, scheduler: str, **chosen: Any) -> None:
    """Write files with which Slurm or Kubernetes start nodes. No secret is in them."""
    _demand_extra()
    if not scheduler and kind == "slurm" and chosen["certificates"]:
        scheduler = socket.gethostname()  # it stands in jobqueue.py only
    wanted = launch_files.Wanted(scheduler=scheduler, **chosen)
    for name, text in launch_files.files(kind, wanted).items():
        path = out / name
        try:
            out.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            problem = _("{file} cannot be written: {reason}.").format(file=path, reason=error.strerror or error)
            raise RequestError("bad_field", problem) from error
        terminal.tell(str(path))


@studio.command("status")
@click.option("--watch", is_flag=True, help="Go on showing it, until Ctrl-C.")
@json_option
def show_studio(*, watch: bool, as_json: bool) -> None:
    """Show the nodes, their devices, what each of these paints, bytes of pictures moved, and what went wrong last."""
    while True:
        elsewhere = configuration.load().studio_scheduler
        seen = studio_status.look(None if elsewhere else _opened(), elsewhere)
        if watch and not as_json:
            click.clear()
        if as_json:
            click.echo(json.dumps(seen))
        else:
            for line in studio_status.in_lines(seen):
                terminal.tell(line)
        sys.stdout.flush()
        if not watch:
            return
        time.sleep(WATCH_S)


def _demand_extra() -> None:
    if not members.installed():
        raise RequestError("bad_field", members.missing())


def _opened() -> Studio:
    found = members.read(home())
    if found is None:
        raise RequestError("bad_field", _("No studio was opened here: `vaporbrush studio open` does."))
    return found


def _own_address() -> str:
    """The address from which this machine reaches others. Raises `RequestError` where there is none."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            problem = _("This machine is in no network: give `--listen ADDRESS`.")
            raise RequestError("bad_field", problem) from None
        return str(probe.getsockname()[0])


def _text(path: str) -> str:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return str(file.read(MOST_BYTES))
    except (OSError, UnicodeDecodeError) as error:
        problem = _("{file} cannot be read: {reason}.").format(file=path, reason=error)
        raise RequestError("bad_field", problem) from error


def _there(far: book.Remote, options: str, given: str = "") -> str:
    """Run `studio join` there by ssh, and return what it says. Raises `LinkError`."""
    words = f"{FIND} vaporbrush studio join {shlex.join(options.split())}"
    done = subprocess.run(
        ssh.login(far, words, asking=sys.stdin.isatty()),
        input=given,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode == 255:
        raise ssh.explain(far.name, done.returncode, done.stderr)
    if done.returncode == 127 or "command not found" in done.stderr:
        problem = _("{name} has no Vaporbrush: install it there, for the user that ssh logs in as, and run this again.")
        raise LinkError("forbidden", problem.format(name=far.name))
    if done.returncode != 0:
        words = last_line(done.stderr)[:300] or _("exit status {status}").format(status=done.returncode)
        raise LinkError("forbidden", _("{name} says: {words}").format(name=far.name, words=words))
    return done.stdout
