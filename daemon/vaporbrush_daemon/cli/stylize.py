"""`stylize`, `styles`, `demo`."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vaporbrush_daemon import weights
from vaporbrush_daemon.daemon_client import reach
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.endpoint import home
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.job import Job

from . import terminal
from .exit_status import CANCELLED, Json

if TYPE_CHECKING:
    from .request import Load, Order  # imports numpy, which only painting commands need

LOOK, HOW, INPUT = "The look", "How it is painted", "Masks and beginnings"


def _look(text: str, default: str | None = None, metavar: str | None = None) -> Any:
    return typer.Option(help=text, show_default=default or False, metavar=metavar, rich_help_panel=LOOK)


def _how(text: str, default: str | None = None, metavar: str | None = None) -> Any:
    return typer.Option(help=text, show_default=default or False, metavar=metavar, rich_help_panel=HOW)


def stylize(
    content: Annotated[
        Path, typer.Argument(metavar="CONTENT", help="The picture to repaint: PNG, JPEG, TIFF or WebP.")
    ],
    styles: Annotated[
        list[str],
        typer.Argument(metavar="STYLE", help="One or more pictures to take the style from, or @NAME of a bundled one."),
    ],
    *,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="Where the painting goes; its suffix names the format.")
    ],
    size: Annotated[
        str | None,
        _look(
            "Longest side in pixels; full: the picture's own; auto: painted as large as the quality's time allows.",
            "auto",
            metavar="N|full|auto",
        ),
    ] = None,
    quality: Annotated[
        str | None, _look("draft (about 20 s), standard (2 min) or fine (10 min).", "standard", metavar="NAME")
    ] = None,
    strength: Annotated[
        float | None,
        _look(
            "How much of the style: 1 is hardly any, 1000 clear, 100000 all.",
            "1000, or what suits a bundled style",
            metavar="R",
        ),
    ] = None,
    style_scale: Annotated[
        float | None, _look("Size of the style's strokes and shapes; 0.5 is half as large.", "1", metavar="F")
    ] = None,
    style_weights: Annotated[
        str | None, _look("How several styles are mixed, one number for each.", metavar="A,B,…")
    ] = None,
    color: Annotated[
        str | None,
        _look(
            "style: the style's colours; luma: keep the picture's own; match: tint the style like the picture.",
            "style",
            metavar="NAME",
        ),
    ] = None,
    blend: Annotated[
        float | None, _look("Mix with the unpainted picture: 0 is none of the painting, 1 all.", "1", metavar="0…1")
    ] = None,
    tileable: Annotated[
        bool | None, typer.Option("--tileable", help="Paint so that opposite edges fit.", rich_help_panel=LOOK)
    ] = None,
    seed: Annotated[
        int | None, _look("Another number paints another variant where chance plays a part.", "0", metavar="N")
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Paint only where this picture is white; elsewhere every pixel stays as it is.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    style_mask: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Where each style paints; once for every style, in their order.", rich_help_panel=INPUT
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="content|noise",
            help="What the painting begins with.",
            show_default="content",
            rich_help_panel=INPUT,
        ),
    ] = None,
    go_on: Annotated[
        str | None,
        typer.Option(
            "--continue",
            metavar="FILE|ID",
            help="Go on from a painting or a job, with its settings.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Take the settings from a PNG that Vaporbrush painted, or from JSON.",
            rich_help_panel=INPUT,
        ),
    ] = None,
    steps: Annotated[int | None, _how("Optimiser steps in all, instead of the quality's.", metavar="N")] = None,
    optimizer: Annotated[str | None, _how("lbfgs or adam.", "lbfgs", metavar="NAME")] = None,
    layer_weights: Annotated[
        str | None,
        _how(
            "How much each depth of the network counts, from fine grain (relu1_1) to large shapes (relu5_1).",
            "as in Gatys' code",
            metavar="A,B,C,D,E",
        ),
    ] = None,
    pool: Annotated[
        str | None, _how("How the network reduces a picture: max, or avg, which is softer.", "max", metavar="NAME")
    ] = None,
    tv: Annotated[float | None, _how("Smoothing: the weight of the total variation.", "0", metavar="R")] = None,
    model: Annotated[
        str | None, _how("vgg19, vgg19-lite, or auto: the best that is here.", "auto", metavar="NAME")
    ] = None,
    device: Annotated[str | None, _how("cpu, cuda:N, mps or auto.", "auto", metavar="NAME")] = None,
    as_json: Json = False,
) -> None:
    """Repaint a picture in the style of another.

    For instance: vaporbrush stylize photo.jpg @woodcut -o out.png
    """
    from . import request as work

    given = {
        "size": _size(size), "quality": quality, "strength": strength, "style_scale": style_scale, "color": color,
        "blend": blend, "tileable": tileable, "seed": seed, "start": init, "steps": steps, "optimizer": optimizer,
        "layer_weights": _numbers("--layer-weights", layer_weights), "pool": pool, "tv": tv, "model": model,
        "device": device,
    }  # fmt: skip
    order = work.Order(
        content=content,
        styles=tuple(styles),
        out=out,
        settings={name: value for name, value in given.items() if value is not None},
        style_weights=_numbers("--style-weights", style_weights),
        mask=mask,
        style_masks=tuple(style_mask or ()),
        recipe=recipe,
        go_on=go_on,
    )
    began = time.perf_counter()
    work.check_target(order)
    loaded = work.load(order, _lookup)
    decode_s = time.perf_counter() - began
    own, asked = max(loaded.content.width, loaded.content.height), order.settings.get("size")
    if isinstance(asked, int) and asked > own and not as_json:
        terminal.say(f"{content} has {own} px; it is not painted larger than that, so --size {asked} means {own}.")
    client, started = reach(start=True)
    with client:
        connect_s = time.perf_counter() - began - decode_s
        told = carry_out(order, loaded, client, quiet=as_json)
    told["daemon"]["started"] = started
    told["seconds"] |= {"decode": decode_s, "connect": connect_s, "all": time.perf_counter() - began}
    if as_json:
        typer.echo(json.dumps(told))
    else:
        summarise(told)


def _lookup(name: str) -> Job:
    from .request import find_job

    client, _ = reach()
    with client:
        return find_job(client, name)


def carry_out(order: Order, loaded: Load, client: Client, *, quiet: bool = False) -> dict[str, Any]:
    """Paint an order while telling how far it is. Returns what `--json` prints."""
    from . import request as work

    for name in ("SIGTERM", "SIGHUP"):  # a closed terminal is a Ctrl-C too: nobody waits for the file any more
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    weights_note = work.other_weights(client.status(), os.environ.get(weights.VARIABLE))
    for note in filter(None, (work.other_version(client.daemon), weights_note)):
        terminal.say(note)
    try:
        with terminal.showing(quiet=quiet and not terminal.err.is_terminal) as shows:
            began = time.perf_counter()
            transfer = work.upload(client, loaded.blobs, shows.bytes)
            upload_s = time.perf_counter() - began
            if not quiet:
                _foretell(client.estimate(loaded.recipe))
            job, picture = work.paint(client, loaded, order, shows.job)
    except KeyboardInterrupt:
        terminal.say("Cancelled; nothing was written.")
        raise typer.Exit(CANCELLED) from None
    encode_s = work.save(order, job, picture)
    return work.report(order, job, transfer, client.daemon, {"upload": upload_s, "encode": encode_s})


def _foretell(estimate: dict[str, Any]) -> None:
    painted = f"{estimate['painted_width']}×{estimate['painted_height']}"
    full = f"{estimate['width']}×{estimate['height']}"
    of = f" of {full}" if painted != full else ""
    guess = "about " if estimate["measured"] else "perhaps "
    took = terminal.duration(estimate["seconds"])
    terminal.say(f"Painting {painted}{of} with {estimate['model']} on {estimate['device']}, {guess}{took}.")


def summarise(told: dict[str, Any]) -> None:
    """The result in one line, after whatever the painter remarks."""
    delivered = "×".join(map(str, told["delivered"] or ()))
    painted = "×".join(map(str, told["painted"] or ()))
    at = delivered if painted in ("", delivered) else f"{delivered}, painted at {painted}"
    took = terminal.duration(told["seconds"]["all"])
    for note in told["notes"]:
        terminal.say(note)
    if told["degraded"]:
        terminal.say(told["degraded"])
    if told["clipped"]:
        terminal.say("Values beyond white or black were painted clipped.")
    typer.echo(f"{told['out']}: {at}, by {told['model']} on {told['device']} in {took}")


def _size(value: str | None) -> int | str | None:
    if value is None or value in ("full", "auto"):
        return value
    try:
        return int(value)
    except ValueError:
        raise RequestError("bad_field", f"--size is {value!r}, but must be a number of pixels, full or auto.") from None


def _numbers(option: str, value: str | None) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise RequestError("bad_field", f"{option} is {value!r}, but must be numbers with commas between.") from None


def styles(as_json: Json = False) -> None:
    """List the bundled styles and your own."""
    from rich.table import Table

    from .request import shelf

    files = shelf().files()
    if as_json:
        shown = [{"name": one.name, "title": one.title, "description": one.description, **one.tuned} for one in files]
        typer.echo(json.dumps({"styles": shown}))
        return
    table = Table("Style", "", box=None, pad_edge=False)
    for file in files:
        table.add_row(f"@{file.name}", file.description or file.title)
    terminal.out.print(table)
    terminal.say(f"Add your own: put pictures into {home() / 'styles'}.")


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where the painting goes.")] = Path(
        "vaporbrush-demo.png"
    ),
    size: Annotated[int, typer.Option(metavar="N", help="Longest side in pixels.")] = 384,
) -> None:
    """Paint the bundled demo picture, by a daemon of its own that ends afterwards."""
    from .demo import run

    run(out, size)
