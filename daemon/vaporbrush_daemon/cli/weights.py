"""`weights`: list, fetch, import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vaporbrush_daemon import weights
from vaporbrush_protocol.errors import RequestError

from . import terminal
from .exit_status import Json

app = typer.Typer(help="The models' weights: what is here, and how to get more.", no_args_is_help=True)


@app.command("list")
def list_weights(as_json: Json = False) -> None:
    """Show which models are on this machine."""
    known = weights.configured()
    if as_json:
        shown = [
            {"model": one.model, "present": one.present, "bytes": one.size, "path": str(one.path), "origin": one.origin}
            for one in known
        ]
        typer.echo(json.dumps({"models": shown}))
        return
    for one in known:
        typer.echo(
            f"{one.model}: {f'{terminal.amount(one.size)}, {one.origin}, {one.path}' if one.present else 'not here'}"
        )
    for one in known:
        if not one.present:
            terminal.say(one.advice)


@app.command("fetch")
def fetch_weights() -> None:
    """Download VGG19 (575 MB; 52 MB of it are kept). Stops and resumes at any time."""
    if weights.kept().is_file():
        typer.echo(f"vgg19 is here already: {weights.kept()}")
        return
    with terminal.showing() as shows:

        def report(done: int, size: int) -> None:
            shows.bytes("Downloading VGG19" if done < size else "Checking and converting", done, size)

        report(0, weights.VGG19.size)  # said before the first answer of a server that may be slow to give it
        path = weights.fetch(report)
    typer.echo(f"vgg19: {path}")


@app.command("import")
def import_weights(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="VGG19 as torchvision's .pth or as safetensors.", show_default=False)
    ],
) -> None:
    """Use a VGG19 file that you have."""
    if not file.is_file():
        raise RequestError("bad_field", f"{file} does not exist or is not an ordinary file.")
    weights.import_file(file)
    typer.echo(f"vgg19: {weights.kept()}")
