"""`remote`: other machines that paint for this one, by ssh."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import rich_click as click

from vaporbrush_daemon.remotes import book, ssh
from vaporbrush_daemon.remotes.book import Remote
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.endpoint import Connection, home
from vaporbrush_protocol.errors import LinkError, RequestError
from vaporbrush_protocol.private import make_folder
from vaporbrush_protocol.shown import last_line

from . import terminal
from .options import argument_panel, json_option

HOST_KEYS = Path("/etc/ssh")
FIND = 'PATH="$PATH:$HOME/.local/bin:/usr/local/bin:/opt/homebrew/bin"'  # a login by ssh reads no profile


@click.group()
def remote() -> None:
    """Other machines that paint for this one: their GPUs become devices here."""


@remote.command("add")
@click.argument("destination")
@click.option("--name", help="What to call it; else what DESTINATION names.")
@click.option("--ssh-config", type=click.Path(exists=True, dir_okay=False, resolve_path=True), help="Instead of yours.")
@argument_panel("destination")
def add_remote(*, destination: str, name: str | None, ssh_config: str | None) -> None:
    """Paint on another machine: an alias of ~/.ssh/config, HOST or USER@HOST, on which Vaporbrush is installed.

    A key of its own is made for this machine, and let in there by one login with yours. It opens the painter there, and
    neither a shell nor files.
    """
    called = destination.rpartition("@")[2] if name is None else name
    wanted = book.checked(Remote(called, destination, ssh_config or ""))
    remotes = [one for one in book.read(home()) if one.name != called]
    key = _own_key()
    try:
        title = _looked_at(wanted, key)
    except LinkError as first:
        _invite(wanted, key, first)
        title = _looked_at(wanted, key)
    added = replace(wanted, title=title)
    book.write(home(), [*remotes, added])
    done = _("{machine} paints for this machine now: choose it as the device in Krita and GIMP, or give")
    terminal.tell(done.format(machine=added.label))
    terminal.tell(f"`--device {added.name}`.")


@remote.command("list")
@json_option
def list_remotes(*, as_json: bool) -> None:
    """Show the machines, and whether they can be reached."""
    found = []
    for one in book.read(home()):
        try:
            _looked_at(one, home() / book.KEY)
            problem = ""
        except LinkError as error:
            problem = error.message
        found.append((one, problem))
    if as_json:
        shown = [{"name": one.name, "destination": one.destination, "title": one.title, "problem": problem}
                 for one, problem in found]  # fmt: skip
        click.echo(json.dumps({"remotes": shown}))
        return
    for one, problem in found:
        line = _("{machine}, by ssh to {destination}: {state}")
        terminal.tell(line.format(machine=one.label, destination=one.destination, state=problem or _("ready")))
    if not found:
        terminal.say(_("No machine was added. `vaporbrush remote add HOST` adds one."))


@remote.command("remove")
@click.argument("name")
@argument_panel("name")
def remove_remote(*, name: str) -> None:
    """Paint there no more."""
    gone = book.find(home(), name)
    book.write(home(), [one for one in book.read(home()) if one != gone])
    done = _("{name} is no device here any more. There, `vaporbrush guest remove {guest}` locks this machine out.")
    terminal.tell(done.format(name=name, guest=guest_name()))


@remote.command("trust")
@click.argument("name")
@argument_panel("name")
def trust_remote(*, name: str) -> None:
    """Accept the new identity of a machine that you reinstalled, after comparing it."""
    one = book.find(home(), name)
    entry, files = _known_hosts(one)
    before = [line for file in files for line in _fingerprints("-F", entry, "-f", str(file))]
    terminal.tell(_("Known so far: {fingerprints}.").format(fingerprints="; ".join(before) or _("nothing")))
    question = _("Forget that, and have ssh show the identity that {name} has now?")
    if not click.confirm(question.format(name=name), default=False):
        raise click.Abort
    for file in files:
        _ran(["ssh-keygen", "-R", entry, "-f", str(file)])
    status = subprocess.run(ssh.login(one, "true", asking=True), stdin=None, check=False).returncode
    if status != 0:
        problem = _("{name} was not accepted, or could not be reached: nothing is trusted now.")
        raise LinkError("unreachable", problem.format(name=name))
    terminal.tell(_("{name} is trusted again.").format(name=name))


@remote.command("fingerprint")
def fingerprint() -> None:
    """Print this machine's own fingerprints, to compare with what ssh shows on another one."""
    files = sorted(HOST_KEYS.glob("ssh_host_*_key.pub"))
    lines = [line for file in files for line in _fingerprints("-f", str(file))]
    if not lines:
        problem = _("No host keys are in {folder}: is OpenSSH's server installed here?")
        raise RequestError("bad_field", problem.format(folder=HOST_KEYS))
    for line in lines:
        terminal.tell(line)


def guest_name() -> str:
    """What this machine and user are called as a guest elsewhere."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{platform.node() or 'machine'}-of-{getpass.getuser()}")
    return plain.lstrip("-._")[:64] or "guest"


def _own_key() -> Path:
    """This machine's key; made where there is none. Raises `RequestError`."""
    path = home() / book.KEY
    if path.exists():
        return path
    make_folder(home())
    make_folder(path.parent)
    made = _ran(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", guest_name(), "-f", str(path)])
    if made.returncode != 0:
        problem = _("No key could be made: {reason}").format(reason=made.stderr.strip()[:200])
        raise RequestError("bad_field", problem)
    return path


def _looked_at(one: Remote, key: Path) -> str:
    """Connect, and return what it paints on. Raises `LinkError`."""
    with Client(Connection((), ""), open_link=ssh.opener(one, key), name="vaporbrush remote") as client:
        client.hello()
        return book.best_title(client.status())


def _invite(one: Remote, key: Path, first: LinkError) -> None:
    """Have our key let in, by one login as the person. Raises `LinkError`."""
    asking = sys.stdin.isatty()
    public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
    words = f"{FIND} vaporbrush guest add {guest_name()} {shlex.quote(public)}"
    if first.code != "forbidden":
        raise first  # whoever does not answer cannot be asked
    if asking:
        told = _("Logging in to {destination} once, to let this machine's key in. ssh may ask you something.")
        terminal.say(told.format(destination=one.destination))
    done = subprocess.run(
        ssh.login(one, words, asking=asking),
        stdin=None if asking else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if asking else subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise _not_invited(one, done.returncode, done.stderr or "", words)


def _not_invited(one: Remote, status: int, errors: str, words: str) -> LinkError:
    if status == 127 or "command not found" in errors:
        problem = _("{name} has no Vaporbrush: install it there, for the user that ssh logs in as, and run this again.")
        return LinkError("forbidden", problem.format(name=one.name))
    if status == 255 and "Permission denied" in errors:
        command = words.removeprefix(FIND).strip()
        problem = _("ssh cannot log in to {destination} by itself. Run this in a terminal, or there: `{command}`.")
        return LinkError("forbidden", problem.format(destination=one.destination, command=command))
    if status == 255:
        return ssh.explain(one.name, status, errors)
    words = (last_line(errors) or _status(status))[:300]
    return LinkError("forbidden", _("{name} says: {words}").format(name=one.name, words=words))


def _status(status: int) -> str:
    return _("exit status {status}").format(status=status)


def _known_hosts(one: Remote) -> tuple[str, list[Path]]:
    """What ssh calls the machine in the files of known hosts, and those that are there."""
    config = ("-F", one.config) if one.config else ()
    told = _ran(["ssh", "-G", *config, "--", one.destination]).stdout
    values = dict(line.partition(" ")[::2] for line in told.splitlines())
    host, port = values.get("hostname", one.destination), values.get("port", "22")
    entry = values.get("hostkeyalias") or (host if port == "22" else f"[{host}]:{port}")
    files = [Path(name).expanduser() for name in shlex.split(values.get("userknownhostsfile", ""))]
    return entry, [file for file in files if file.exists()]


def _fingerprints(*options: str) -> list[str]:
    """What ssh-keygen prints, one fingerprint a line."""
    listed = _ran(["ssh-keygen", "-l", *options]).stdout.splitlines()
    return [line.strip() for line in listed if "SHA256:" in line]


def _ran(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as error:
        why = error.strerror or str(error)
        problem = _("`{program}` cannot be run ({reason}): install OpenSSH's client.")
        raise RequestError("bad_field", problem.format(program=argv[0], reason=why)) from error
