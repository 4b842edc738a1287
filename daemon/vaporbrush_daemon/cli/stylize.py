"""`stylize`."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import rich_click as click

from vaporbrush_daemon.daemon_client import reach
from vaporbrush_daemon.texts import _
from vaporbrush_protocol.controls import Value
from vaporbrush_protocol.job import Job

from . import terminal
from .exit_status import DONE
from .jobs import find_job
from .options import (
    FILE,
    argument_panel,
    given_settings,
    json_option,
    recipe_option,
    setting_options,
    styles_argument,
    weights_option,
)
from .presets import meant
from .regions import read_regions

INPUT = "Masks and beginnings"


@click.command()
@argument_panel("content", "style")
@click.option_panel("Options", options=["out", "each", "as_json", "help"])
@click.argument(
    "content",
    metavar="CONTENT",
    type=FILE,
    help="The picture to repaint (PNG, JPEG, TIFF or WebP), or a folder or pattern of them.",
)
@styles_argument
@click.option(
    "-o",
    "--out",
    metavar="FILE|FOLDER",
    type=FILE,
    required=True,
    help="Where the painting goes; its suffix names the format. For several, a folder.",
)
@setting_options
@weights_option
@click.option(
    "--mask",
    metavar="FILE",
    type=FILE,
    help="Paint only where this picture is white; elsewhere every pixel stays as it is.",
    panel=INPUT,
)
@click.option(
    "--style-mask",
    "style_masks",
    metavar="FILE",
    type=FILE,
    multiple=True,
    help="Where each style paints; once for every style, in their order.",
    panel=INPUT,
)
@click.option(
    "--region",
    "regions",
    metavar="N:FILE",
    multiple=True,
    help="Paint style N (1 is the first) only where FILE is white, softly where it is grey. Styles without a region"
    " paint the rest; without any such style, the rest stays as it is.",
    panel=INPUT,
)
@click.option(
    "--continue", "go_on", metavar="FILE|ID", help="Go on from a painting or a job, with its settings.", panel=INPUT
)
@recipe_option(INPUT)
@click.option("--each", is_flag=True, help="Paint each STYLE by itself, into a folder, instead of mixing them.")
@json_option
def stylize(
    *,
    content: Path,
    style: tuple[str, ...],
    out: Path,
    style_weights: tuple[float, ...] | None,
    mask: Path | None,
    style_masks: tuple[Path, ...],
    regions: tuple[str, ...],
    go_on: str | None,
    recipe: Path | None,
    each: bool,
    as_json: bool,
    **options: Value,
) -> int:
    """Repaint a picture in the style of another.

    For instance: vaporbrush stylize photo.jpg @woodcut -o out.png

    Several pictures are a batch: CONTENT is a folder or a pattern in quotes ('scans/**/*.tif'), and -o a folder. So may
    STYLE be: then every picture is painted in every style. A batch that was stopped goes on by the same command.
    """
    from . import batch, painting
    from .request import PaintRequest, check_target, prepare

    request = PaintRequest(
        content=content,
        styles=style,
        out=out,
        settings=given_settings(options),
        style_weights=style_weights,
        mask=mask,
        style_masks=style_masks,
        regions=read_regions(regions),
        recipe=recipe,
        go_on=go_on,
    )
    if batch.wanted(content, style, each=each):
        return batch.run(request, each=each, quiet=as_json)
    how = meant(style, style_weights, request.settings)
    request = replace(request, styles=how.styles, settings=how.settings, style_weights=how.weights)
    began = time.perf_counter()
    check_target(request)
    prepared = prepare(request, _lookup)
    decode_s = time.perf_counter() - began
    own, asked = max(prepared.content.width, prepared.content.height), request.settings.get("size")
    if isinstance(asked, int) and asked > own and not as_json:
        smaller = _("{file} has {pixels} px; it is not painted larger than that, so --size {asked} means {pixels}.")
        terminal.say(smaller.format(file=content, pixels=own, asked=asked))
    client, started = reach(say=terminal.say)
    with client:
        connect_s = time.perf_counter() - began - decode_s
        summary = painting.carry_out(request, prepared, client, quiet=as_json)
    summary["daemon"]["started"] = started
    summary["seconds"] |= {"decode": decode_s, "connect": connect_s, "all": time.perf_counter() - began}
    if as_json:
        click.echo(json.dumps(summary))
    else:
        painting.summarise(summary)
    return DONE


def _lookup(name: str) -> Job:
    client, _started = reach()
    with client:
        return find_job(client, name)
