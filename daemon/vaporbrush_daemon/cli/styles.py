"""`styles`."""

from __future__ import annotations

import json

import rich_click as click

from vaporbrush_daemon.styles import StyleLibrary
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.endpoint import home

from . import terminal
from .options import json_option


@click.command()
@json_option
def styles(*, as_json: bool) -> None:
    """List the bundled styles and your own."""
    files = StyleLibrary.of(home()).files()
    if as_json:
        shown = [{"name": one.name, "title": one.title, "description": one.description, **one.tuned} for one in files]
        click.echo(json.dumps({"styles": shown}))
        return
    table = terminal.sheet(_("Style"), "")
    for file in files:
        table.add_row(f"@{file.name}", file.description or file.title)
    terminal.out.print(table)
    terminal.say(_("Add your own: put pictures into {folder}.").format(folder=home() / "styles"))
