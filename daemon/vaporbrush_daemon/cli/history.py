"""`history`: what was painted before, from any program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich_click as click
from rich.table import Table

from vaporbrush_daemon.daemon_client import reach
from vaporbrush_daemon.texts import _, _n
from vaporbrush_protocol.client import Client
from vaporbrush_protocol.errors import RequestError
from vaporbrush_protocol.history import HistoryEntry, HistoryPage
from vaporbrush_protocol.shown import plain

from . import terminal
from .jobs import new_enough, the_one
from .options import json_option

PIN = "*"  # marks what is pinned


@click.command()
@click.option(
    "--recall", metavar="ID", help="Write this painting to the file that -o names; a PNG has its recipe, too."
)
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="Where --recall writes.")
@click.option("--pin", metavar="ID", help="Have this painting stay, whatever is painted after it.")
@click.option("--unpin", metavar="ID", help="Let it go again when its time comes.")
@click.option("--forget", metavar="ID", help="Drop this painting from the history.")
@json_option
def history(
    *, recall: str | None, out: Path | None, pin: str | None, unpin: str | None, forget: str | None, as_json: bool
) -> None:
    """List what was painted before in Krita, GIMP and here, the newest first, and get it back.

    For instance: vaporbrush history --recall 1b4e28ba -o again.png; for another picture with the same settings:

    vaporbrush stylize other.jpg style.jpg -o other.png --recipe again.png
    """
    given = [name for name in (recall, pin, unpin, forget) if name is not None]
    if len(given) > 1:
        raise RequestError("bad_field", _("--recall, --pin, --unpin and --forget are given one at a time."))
    if (recall is None) != (out is None):
        raise RequestError("bad_field", _("--recall ID and -o FILE belong together."))
    client, _started = reach()
    with client:
        pages = _pages(client)
        entries = [entry for page in pages for entry in page.entries]
        if not given:
            _tell(client, pages[0], entries, as_json=as_json)
            return
        entry = _found(entries, given[0])
        if recall is not None and out is not None:
            told = _written(client, entry, out)
        elif forget is not None:
            client.forget(entry.job)
            told = _("{id}: forgotten").format(id=entry.job)
        else:
            client.pin(entry.job, pinned=pin is not None)
            told = (_("{id}: pinned") if pin is not None else _("{id}: not pinned any more")).format(id=entry.job)
    if as_json:
        click.echo(json.dumps({"entry": entry.to_wire(), "done": told}))
    else:
        terminal.tell(told)


def _pages(client: Client) -> list[HistoryPage]:
    too_old = _(
        "The daemon that runs ({version}) is older than this command and keeps no history: "
        "`vaporbrush stop` it, and the next command starts the new one."
    )
    with new_enough(client, too_old):
        pages = [client.history()]
    while pages[-1].more and pages[-1].entries:
        pages.append(client.history(pages[-1].entries[-1].job))
    return pages


def _found(entries: Sequence[HistoryEntry], name: str) -> HistoryEntry:
    """The entry of this id, of which the first characters are enough. Raises `unknown_job`."""
    return the_one(
        entries,
        name,
        _("`{name}` is in no entry of the history; `vaporbrush history` lists them."),
        lambda count: _n(
            "`{name}` is the beginning of {count} entry; `vaporbrush history` lists them.",
            "`{name}` is the beginning of {count} entries; `vaporbrush history` lists them.",
            count,
        ),
    )


def _tell(client: Client, page: HistoryPage, entries: Sequence[HistoryEntry], *, as_json: bool) -> None:
    spool = client.status()["spool"]
    if as_json:
        facts = {"bytes": page.bytes, "room": page.room, "kept": page.kept, "spool": spool}
        click.echo(json.dumps({"entries": [entry.to_wire() for entry in entries], **facts}))
        return
    if entries:
        terminal.out.print(table(entries))
    else:
        nothing = _("Nothing is kept: `history` is 0 in config.toml.")
        terminal.say(_("Nothing was painted yet.") if page.kept else nothing)
    room = _n(
        "{taken} of {room} are taken; the last {count} are kept, and what is pinned ({pin}). "
        "All on disk: {disk_taken} of {disk_room}.",
        "{taken} of {room} are taken; the last {count} are kept, and what is pinned ({pin}). "
        "All on disk: {disk_taken} of {disk_room}.",
        page.kept,
    )
    terminal.say(
        room.format(
            taken=terminal.amount(page.bytes),
            room=terminal.amount(page.room),
            count=page.kept,
            pin=PIN,
            disk_taken=terminal.amount(spool["bytes"]),
            disk_room=terminal.amount(spool["budget"]),
        )
    )


def table(entries: Sequence[HistoryEntry]) -> Table:
    """One row per painting, the newest first."""
    rows = terminal.sheet("ID", "", _("When"), _("Picture"), terminal.long(_("Style")), _("Size"))
    for entry in entries:
        rows.add_row(
            entry.job[:8],
            PIN if entry.pinned else "",
            f"{terminal.local(entry.at):%Y-%m-%d %H:%M}",
            plain(entry.label),
            " + ".join(plain(name) or _("a picture") for name in entry.styles),
            f"{entry.image.width}×{entry.image.height}",
        )
    return rows


def _written(client: Client, entry: HistoryEntry, out: Path) -> str:
    """Write a painting to a file. Returns what is said of it."""
    from vaporbrush_daemon.images import files as pictures

    from .request import check_out

    check_out(out)
    back = client.recall(entry.job)
    picture = pictures.recalled(bytes(client.download(back.entry.image)), back.entry.image)
    record: dict[str, Any] = {"recipe": back.recipe.to_wire(), "model": back.recipe.model, "device": back.recipe.device}
    pictures.write(out, picture, record)
    size = f"{entry.image.width}×{entry.image.height}"
    return _("{file}: {size}, as it was painted").format(file=out, size=size)
