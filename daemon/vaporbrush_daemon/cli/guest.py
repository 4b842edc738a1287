"""`guest`: who else may paint on this machine, by ssh."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import rich_click as click
from click.exceptions import Exit

from vaporbrush_daemon.guests import GuestError, Guests
from vaporbrush_daemon.remotes import keys
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.private import make_folder

from . import exit_status, terminal
from .options import argument_panel, json_option


@click.group()
def guest() -> None:
    """Who else may paint on this machine: their keys open ssh for that, and for nothing else."""


@guest.command("add")
@click.argument("name")
@click.argument("key")
@argument_panel("name", "key")
def add_guest(*, name: str, key: str) -> None:
    """Let a machine in, by its public key. `vaporbrush remote add` on that machine does this by itself."""
    if sys.platform == "win32":
        problem = _("Guests by ssh are not possible on Windows yet; on Linux and macOS they are.")
        raise RequestError("bad_field", problem)
    with _errors_shown():
        public = keys.PublicKey.parse(key)
        make_folder(home())
        Guests(home()).add(name, datetime.now(UTC))
        keys.allow(keys.authorized_keys(), name, public, keys.write_program(home()))
    done = _("The guest {name} may paint here. `vaporbrush guest remove {name}` takes that back.")
    terminal.tell(done.format(name=name))


@guest.command("list")
@json_option
def list_guests(*, as_json: bool) -> None:
    """Show the guests."""
    with _errors_shown():
        known = Guests(home()).all()
    if as_json:
        click.echo(json.dumps({"guests": [{"name": one.name, "added": one.added} for one in known]}))
        return
    for one in known:
        terminal.tell(_("{name}, since {date}").format(name=one.name, date=one.added[:10]))
    if not known:
        terminal.say(_("There are no guests. `vaporbrush remote add` on another machine makes it one here."))


@guest.command("remove")
@click.argument("name")
@argument_panel("name")
def remove_guest(*, name: str) -> None:
    """Let a guest in no more: its key opens nothing, and its connections end at once."""
    with _errors_shown():
        known = Guests(home()).remove(name)
        had_key = keys.revoke(keys.authorized_keys(), name)
    if not known and not had_key:
        problem = _("There is no guest {name!r}; `vaporbrush guest list` shows them.")
        raise RequestError("bad_field", problem.format(name=name))
    terminal.tell(_("The guest {name} is out.").format(name=name))


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Guests' and keys' errors as their sentences."""
    try:
        yield
    except GuestError as error:
        terminal.complain(str(error))
        raise Exit(exit_status.USAGE) from None
