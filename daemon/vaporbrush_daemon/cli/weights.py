"""`weights`: list, fetch, import."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

from vaporbrush_daemon import weights as models
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.errors import RequestError

from . import terminal
from .options import argument_panel, json_option


@click.group()
def weights() -> None:
    """The models' weights: what is here, and how to get more."""


@weights.command("list")
@json_option
def list_weights(*, as_json: bool) -> None:
    """Show which models are on this machine."""
    known = models.configured()
    if as_json:
        shown = [
            {"model": one.model, "present": one.present, "bytes": one.size, "path": str(one.path), "origin": one.origin}
            for one in known
        ]
        click.echo(json.dumps({"models": shown}))
        return
    for one in known:
        here = f"{terminal.amount(one.size)}, {one.origin}, {one.path}"
        terminal.tell(f"{one.model}: {here if one.present else _('not here')}")
    for one in known:
        if not one.present:
            terminal.say(one.advice)


@weights.command("fetch")
def fetch_weights() -> None:
    """Download VGG19 (575 MB; 52 MB of it are kept). Stops and resumes at any time."""
    if models.kept().is_file():
        terminal.tell(_("vgg19 is here already: {path}").format(path=models.kept()))
        return
    with terminal.showing() as shows:

        def report(done: int, size: int) -> None:
            shows.bytes(_("Downloading VGG19") if done < size else _("Checking and converting"), done, size)

        report(0, models.VGG19.size)  # said before the first answer of a server that may be slow to give it
        path = models.fetch(report)
    terminal.tell(f"vgg19: {path}")


@weights.command("import")
@argument_panel("file")
@click.argument(
    "file", metavar="FILE", type=click.Path(path_type=Path), help="VGG19 as torchvision's .pth or as safetensors."
)
def import_weights(*, file: Path) -> None:
    """Use a VGG19 file that you have."""
    if not file.is_file():
        raise RequestError("bad_field", _("{file} does not exist or is not an ordinary file.").format(file=file))
    models.import_file(file)
    terminal.tell(f"vgg19: {models.kept()}")
